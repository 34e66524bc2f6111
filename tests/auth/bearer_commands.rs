//! Commands that print a bearer token: real scripts, run as often as need be and no oftener. Every secret in here holds the
//! word `MARK`.
#![cfg(unix)]

use std::fs;
use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use codex_backend::auth::{AuthErrorKind, AuthHeaders, AuthMode, AuthRecovery, AuthRefusal, BearerCommand};
use codex_backend::mode::Unset;
use codex_backend::testing::{Backend, ManualClock};
use codex_backend::transport::Environment;
use codex_backend::{AuthError, Client, ClientBuilder, CodexAuth, OpenAiApi};
use futures_util::future::join_all;
use http::StatusCode;

use crate::support::capture::{assert_debug_hides, assert_error_hides, assert_hidden, capture_traces};
use crate::support::guard::guard;

const INTERVAL: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_secs(30);
const MILLISECOND: Duration = Duration::from_millis(1);

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(MILLISECOND).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap_or_else(|_| panic!("{what} did not come"));
}

/// A script in a folder of its own, which notes each of its runs there.
struct Script {
    folder: tempfile::TempDir,
}

impl Script {
    fn new(body: &str) -> Self {
        capture_traces();
        let script = Self { folder: tempfile::tempdir().unwrap() };
        script.becomes(body);
        script
    }

    /// Replaced in one step, as nothing that runs may be written.
    fn becomes(&self, body: &str) {
        let new = self.join("new");
        let text = format!("#!/bin/sh\ncd '{}' || exit 9\necho run >> runs\n{body}\n", self.folder.path().display());
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o700)).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    fn join(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn path(&self) -> PathBuf {
        self.join("give-token")
    }

    /// Run by the shell: a file that has just been written cannot always be executed while others fork.
    fn command(&self) -> BearerCommand {
        BearerCommand::new("/bin/sh").args([self.path()])
    }

    fn client(&self) -> Client<OpenAiApi> {
        client(self.command())
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.join("runs")).unwrap_or_default().lines().count()
    }

    fn holds(&self, name: &str) -> String {
        fs::read_to_string(self.join(name)).unwrap_or_default()
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.join(name), text).unwrap();
    }
}

fn builder() -> ClientBuilder<Unset> {
    capture_traces();
    Client::builder().environment(Environment::empty())
}

fn client(command: BearerCommand) -> Client<OpenAiApi> {
    builder().provider(command).build().unwrap()
}

fn bearer(headers: &AuthHeaders) -> String {
    let headers: Vec<_> = headers.iter().collect();
    assert_eq!((headers.len(), headers[0].0.as_str()), (1, "authorization"));
    headers[0].1.to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned()
}

async fn token(client: &Client<OpenAiApi>) -> String {
    bearer(&guard(client.auth_headers()).await.unwrap())
}

async fn error_of(client: &Client<OpenAiApi>) -> AuthError {
    let error = guard(client.auth_headers()).await.unwrap_err();
    assert_error_hides(&error);
    error
}

/// As an application does whose request was refused.
async fn refused(client: &Client<OpenAiApi>, generation: u64) -> Result<AuthRecovery, AuthError> {
    guard(client.auth_refused(AuthRefusal::new(StatusCode::UNAUTHORIZED, generation))).await
}

#[tokio::test]
async fn what_it_prints_opens_the_public_api() {
    let backend = Backend::start().unwrap();
    let key = backend.client().api_key(backend.api_key()).build().unwrap().auth_headers().await.unwrap();
    let script = Script::new("cat key");
    script.put("key", &format!("\n  {}\t\r\n\n", bearer(&key)));
    let client = backend.client().provider(script.command()).build().unwrap();
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    // Another HTTP stack sends it: a key that the server knows finds no such route, one that it does not is refused.
    let ask = || async {
        let headers = http::HeaderMap::from(&client.auth_headers().await.unwrap());
        let url = format!("{}/no-such-route", backend.openai_base_url());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        http.get(url).headers(headers).send().await.unwrap().status()
    };
    assert_eq!(guard(ask()).await, StatusCode::NOT_FOUND);
    script.put("key", "sk-unknown");
    assert_eq!(guard(ask()).await, StatusCode::NOT_FOUND);
    let generation = client.auth_headers().await.unwrap().generation();
    assert_eq!(refused(&client, generation).await.unwrap(), AuthRecovery::Retry);
    assert_eq!(guard(ask()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(script.runs(), 2);
}

#[tokio::test]
async fn its_input_is_empty_and_its_arguments_are_no_shells() {
    let script = Script::new(r#"input=$(cat); printf 'MARK-%s-%s-%s' "$#" "$1" "${#input}""#);
    let command = BearerCommand::new("/bin/sh").args([script.path().into_os_string(), "$HOME".into(), "*".into()]);
    assert_eq!(token(&client(command)).await, "MARK-2-$HOME-0");
}

#[tokio::test]
async fn it_runs_in_the_folder_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let absolute = folder.path().canonicalize().unwrap();
    fs::create_dir(absolute.join("bin")).unwrap();
    std::os::unix::fs::symlink("/bin/pwd", absolute.join("bin/where")).unwrap();
    let depth = std::env::current_dir().unwrap().components().count() - 1;
    let relative = PathBuf::from("../".repeat(depth)).join(absolute.strip_prefix("/").unwrap());
    let expected = absolute.to_str().unwrap();
    for folder in [&absolute, &relative] {
        // By a path that is relative to that folder, by an absolute one, and by a name in `PATH`.
        for program in [Path::new("bin/where"), Path::new("./bin/where"), &absolute.join("bin/where"), Path::new("pwd")]
        {
            let command = BearerCommand::new(program).args(["-P"]).current_dir(folder);
            assert_eq!(token(&client(command)).await, expected, "{} in {}", program.display(), folder.display());
        }
    }
    let nowhere = BearerCommand::new("pwd").current_dir(absolute.join("missing"));
    assert!(error_of(&client(nowhere)).await.to_string().contains("cannot be run"));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_callers_run_it_once() {
    let script = Script::new("while [ ! -e go ]; do sleep 0.01; done; echo MARK-token");
    let command = script.command();
    // Clones share what they hold, whichever client they are in.
    let clients = [client(command.clone()), client(command)];
    let callers: Vec<_> = (0..100)
        .map(|number| {
            let client = clients[number % 2].clone();
            tokio::spawn(async move { token(&client).await })
        })
        .collect();
    until("the first run", || script.runs() == 1).await;
    script.put("go", "");
    for caller in callers {
        assert_eq!(guard(caller).await.unwrap(), "MARK-token");
    }
    assert_eq!(script.runs(), 1);
}

/// That many callers, who have all begun to wait when this returns. On one thread.
async fn waiting(
    client: &Client<OpenAiApi>,
    script: &Script,
    run: usize,
) -> impl Future<Output = Vec<Result<AuthHeaders, AuthError>>> {
    let callers = tokio::spawn(join_all((0..20).map(|_| {
        let client = client.clone();
        async move { client.auth_headers().await }
    })));
    until("the run", || script.runs() == run).await;
    async move { guard(callers).await.unwrap() }
}

#[tokio::test]
async fn a_failure_is_shared_and_does_not_poison_what_follows() {
    let script = Script::new("while [ ! -e go ]; do sleep 0.01; done; echo not yet >&2; exit 3");
    let client = script.client();
    let callers = waiting(&client, &script, 1).await;
    script.put("go", "");
    for outcome in callers.await {
        let said = outcome.unwrap_err().to_string();
        assert!(said.contains("exit status: 3") && said.contains("not yet") && said.contains("`sh`"), "{said}");
    }
    assert_eq!(script.runs(), 1);
    script.becomes("echo MARK-token");
    assert_eq!(token(&client).await, "MARK-token");
    assert_eq!(script.runs(), 2);
}

#[tokio::test]
async fn a_token_is_used_until_it_is_older_than_the_interval() {
    let script = Script::new("printf MARK-; wc -l < runs | tr -d ' '");
    let clock = ManualClock::starting_at(SystemTime::now());
    let client = builder().clock(clock.clone()).provider(script.command()).build().unwrap();
    for (later, expected) in [
        (Duration::ZERO, "MARK-1"),
        (INTERVAL - MILLISECOND, "MARK-1"),
        (MILLISECOND, "MARK-2"),
        (MILLISECOND, "MARK-2"),
        (INTERVAL, "MARK-3"),
    ] {
        clock.advance(later);
        assert_eq!(token(&client).await, expected);
    }
    // The wall clock has no say in it.
    clock.set_now(SystemTime::UNIX_EPOCH);
    assert_eq!(token(&client).await, "MARK-3");
}

#[tokio::test]
async fn without_an_interval_a_token_is_used_until_it_is_refused() {
    let script = Script::new("printf MARK-; wc -l < runs | tr -d ' '");
    let clock = ManualClock::starting_at(SystemTime::now());
    let command = script.command().refresh_interval(Duration::ZERO);
    let client = builder().clock(clock.clone()).provider(command).build().unwrap();
    assert_eq!(token(&client).await, "MARK-1");
    clock.advance(INTERVAL * 1000);
    assert_eq!(token(&client).await, "MARK-1");
    assert_eq!(refused(&client, 0).await.unwrap(), AuthRecovery::Retry);
    assert_eq!(token(&client).await, "MARK-2");
}

#[tokio::test]
async fn many_refusals_of_one_token_run_it_once() {
    let script = Script::new("printf MARK-; wc -l < runs | tr -d ' '");
    let client = script.client();
    assert_eq!(guard(client.auth_headers()).await.unwrap().generation(), 0);
    let refusals = join_all((0..30).map(|_| refused(&client, 0))).await;
    assert!(refusals.into_iter().all(|recovery| recovery.unwrap() == AuthRecovery::Retry));
    let headers = guard(client.auth_headers()).await.unwrap();
    assert_eq!((bearer(&headers).as_str(), headers.generation(), script.runs()), ("MARK-2", 1, 2));
    // One that comes late does not cost another run.
    refused(&client, 0).await.unwrap();
    assert_eq!(script.runs(), 2);
}

#[tokio::test]
async fn while_it_fails_the_token_before_is_used_and_it_is_left_alone_for_half_a_minute() {
    let script = Script::new("echo MARK-old");
    let clock = ManualClock::starting_at(SystemTime::now());
    let client = builder().clock(clock.clone()).provider(script.command()).build().unwrap();
    assert_eq!(token(&client).await, "MARK-old");
    clock.advance(INTERVAL);
    let mut runs = 1;
    for failure in ["exit 1", "true", "echo two words", "printf 'MARK\\303'", "yes MARK", "kill -9 $$"] {
        script.becomes(failure);
        runs += 1;
        for later in [Duration::ZERO, PAUSE - MILLISECOND] {
            clock.advance(later);
            assert_eq!((token(&client).await.as_str(), script.runs()), ("MARK-old", runs), "{failure}");
        }
        clock.advance(MILLISECOND);
    }
    // A token that is refused is not used again, whatever comes of it.
    runs += 1;
    let error = refused(&client, 0).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert_error_hides(&error);
    assert_eq!(script.runs(), runs);
    script.becomes("echo MARK-new");
    assert_eq!(token(&client).await, "MARK-new");
}

#[tokio::test]
async fn what_goes_wrong_is_told_and_names_the_command() {
    for (body, said) in [
        ("exit 7", "exit status: 7"),
        ("echo 'please sign in' >&2; exit 1", "and said: please sign in"),
        ("printf 'a\\nb\\033[31m' >&2; exit 1", "and said: a b"),
        ("echo 'key sk-MARK-0123456789 is bad' >&2; exit 1", "and said: key [hidden] is bad"),
        ("set -x; echo MARK-printed-and-traced; exit 1", "and said: + echo [hidden]"),
        ("echo MARK-one-of MARK-two-words; echo 'no: MARK-two-words' >&2; exit 1", "and said: no: [hidden]"),
        ("set -x; VAULT_PIN=MARK-4711; exit 1", "and said: + VAULT_PIN=[hidden]"),
        ("kill -9 $$", "signal: 9"),
        ("true", "printed nothing"),
        ("printf '  \\n \\t'", "printed nothing"),
        ("printf 'MARK \\377'", "not UTF-8"),
        ("echo MARK and more words", "what is no token"),
        ("printf 'MARK\\nMARK'", "what is no token"),
        ("printf 'MARK\\0'", "what is no token"),
        ("yes MARK", "more than 64 KiB"),
        ("head -c 70000 /dev/zero | tr '\\0' M", "more than 64 KiB"),
    ] {
        let error = error_of(&Script::new(body).client()).await;
        assert_eq!(error.kind(), AuthErrorKind::Transient, "{error}");
        let told = error.to_string();
        assert!(told.contains(said) && told.contains("the command `sh`"), "{body}: {told}");
    }
}

#[tokio::test]
async fn what_cannot_be_run_is_told_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no-program");
    fs::write(&file, "MARK").unwrap();
    for program in [Path::new("no-such-program-anywhere"), &folder.path().join("missing"), &file, folder.path()] {
        let error = error_of(&client(BearerCommand::new(program).args(["MARK"]))).await;
        let said = error.to_string();
        assert!(said.contains("cannot be run"), "{said}");
        assert!(said.contains(program.file_name().unwrap().to_str().unwrap()), "{said}");
    }
}

#[tokio::test]
async fn much_that_it_says_beside_the_token_does_no_harm() {
    let script = Script::new("head -c 1000000 /dev/zero | tr '\\0' x >&2; echo MARK-token");
    assert_eq!(token(&script.client()).await, "MARK-token");
    let failing = Script::new("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1");
    assert!(error_of(&failing.client()).await.to_string().len() < 5000);
}

/// Says which process it is, and then takes for ever.
const ENDLESS: &str = "echo $$ > pid; exec sleep 600";

async fn started(script: &Script) -> String {
    until("the process", || script.holds("pid").ends_with('\n')).await;
    script.holds("pid").trim().to_owned()
}

/// A process that has ended and is not waited for yet has ended all the same.
fn runs_still(pid: &str) -> bool {
    let state = std::process::Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap().stdout;
    let state = String::from_utf8(state).unwrap();
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

#[tokio::test]
async fn it_is_killed_when_its_time_is_over() {
    let script = Script::new(ENDLESS);
    let clock = ManualClock::starting_at(SystemTime::now());
    for (command, limit) in [
        (script.command(), Duration::from_secs(5)),
        (script.command().timeout(Duration::from_secs(77)), Duration::from_secs(77)),
    ] {
        let _absent = fs::remove_file(script.join("pid"));
        let client = builder().clock(clock.clone()).provider(command).build().unwrap();
        let caller = tokio::spawn(async move { error_of(&client).await });
        guard(clock.until_asleep_for(limit)).await;
        let pid = started(&script).await;
        clock.advance(limit - MILLISECOND);
        assert!(runs_still(&pid));
        clock.advance(MILLISECOND);
        let error = guard(caller).await.unwrap();
        assert!(error.is_transient() && error.to_string().contains(&format!("longer than {limit:?}")), "{error}");
        until("its end", || !runs_still(&pid)).await;
    }
}

#[tokio::test]
async fn it_is_killed_when_its_caller_goes_away_and_the_next_one_runs_it_again() {
    let script = Script::new(ENDLESS);
    let client = script.client();
    let [first, second] = [0, 1].map(|_| {
        let client = client.clone();
        tokio::spawn(async move { token(&client).await })
    });
    let pid = started(&script).await;
    assert!(runs_still(&pid));
    script.becomes("echo MARK-token");
    first.abort();
    assert_eq!(guard(second).await.unwrap(), "MARK-token");
    until("its end", || !runs_still(&pid)).await;
    assert_eq!(script.runs(), 2);
}

#[tokio::test]
async fn one_that_prints_too_much_is_killed() {
    let script = Script::new("echo $$ > pid; exec yes MARK");
    error_of(&script.client()).await;
    let pid = started(&script).await;
    until("its end", || !runs_still(&pid)).await;
}

#[tokio::test]
async fn it_makes_credentials_of_the_mode_apikey_and_shows_nothing() {
    let command = BearerCommand::new("echo").args(["MARK-token"]).current_dir("/");
    assert_debug_hides(&command);
    let auth = CodexAuth::from(command.clone());
    assert_eq!(
        (auth.mode(), auth.source(), auth.uses_codex_backend()),
        (AuthMode::OpenAiKey, "the application", false)
    );
    assert_debug_hides(&auth);
    let client = Client::<OpenAiApi>::try_from(auth.clone()).unwrap();
    assert_eq!(token(&client).await, "MARK-token");
    assert_debug_hides(&command);
    let error = builder().codex_auth(&auth).unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::OtherMode);
    assert_hidden(&error.to_string());
}
