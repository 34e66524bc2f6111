//! The tests, each of which runs in a process of its own; and the workers of the one with many processes.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use codex_backend::auth::{
    AuthErrorKind, AuthMode, AuthSource, AuthSources, CredentialStore, KeyringStore, StoreError, StoreErrorKind,
    StoredCredentials, SwapOutcome,
};
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::transport::Environment;
use codex_backend::{ChatGptSession, Client, CodexBackend, Error};
use serde_json::{Value, json};

use crate::capture::{assert_debug_hides, assert_error_hides, assert_hidden, capture_traces, traced};
use crate::desk::{Bus, Desk, block_on, lookup, secret_tool_store, start_daemon, until, user_home};
use crate::guard::HANGS;
use crate::harness::{Test, run_tests};

const EXPIRED: Duration = Duration::ZERO;
const HOUR: Duration = Duration::from_secs(60 * 60);
/// Long enough for a write that nothing stops to have happened.
const WHILE: Duration = Duration::from_millis(400);
const REQUIRED: &str = "CODEX_BACKEND_TEST_SECRET_SERVICE";

macro_rules! tests {
    ($($bus:ident: $($name:ident),+;)+) => {
        const TESTS: &[(Bus, Test)] = &[$($((
            Bus::$bus,
            (stringify!($name), || Bus::$bus.run(stringify!($name))),
        )),+),+];
        const BODIES: &[Test] = &[$($((stringify!($name), $name)),+),+];
    };
}

tests! {
    Real:
        compares_and_swaps,
        what_is_written_is_what_the_official_tool_reads,
        what_the_official_tool_wrote_is_read_and_replaced_in_place,
        an_entry_without_a_target_is_read_and_replaced_in_place,
        each_folder_has_an_entry_of_its_own,
        what_is_no_credentials_is_told_and_stays,
        the_official_tools_locks_are_waited_for_and_plain_reads_take_none,
        a_write_that_was_given_up_keeps_its_locks_until_it_has_ended,
        a_refresh_waits_for_another_and_leaves_nothing_behind,
        a_session_refreshes_and_unknown_members_survive,
        the_keyring_is_a_source_and_is_forgotten_with_the_file,
        a_storm_of_processes_refreshes_once,
        what_another_program_saved_is_adopted_after_a_refusal,
        what_another_program_saves_during_a_refresh_is_adopted,
        a_sign_in_to_another_account_is_never_overwritten,
        without_a_place_for_locks_nothing_is_refreshed,
        no_secret_service_is_unavailable,
        a_locked_keyring_is_unavailable_until_it_is_unlocked,
        without_a_default_keyring_nothing_is_written,
        asking_often_piles_nothing_up,
        a_service_that_stands_still_is_given_up_and_nothing_is_lost,
        nothing_is_refreshed_while_the_service_is_gone;
    Missing:
        no_bus_is_unavailable,
        the_account_is_a_hash_of_the_path;
    Silent:
        a_bus_that_says_nothing_is_given_up;
}

pub(crate) fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &*arguments.iter().map(String::as_str).collect::<Vec<_>>() {
        ["inside", name] => {
            exit_if_it_hangs();
            let (_, body) = BODIES.iter().find(|(known, _)| known == name).unwrap();
            body();
            ExitCode::SUCCESS
        }
        ["worker", home, base_url, tasks] => {
            exit_if_it_hangs();
            println!("{}", work(home, base_url, tasks.parse().unwrap()));
            ExitCode::SUCCESS
        }
        _ => run_tests(&possible_tests(), &arguments),
    }
}

fn possible_tests() -> Vec<Test> {
    let missing: Vec<&str> = ["dbus-run-session", "dbus-send", "gnome-keyring-daemon", "secret-tool"]
        .into_iter()
        .filter(|program| Command::new(program).arg("--version").output().is_err())
        .collect();
    let is_required = std::env::var(REQUIRED).is_ok_and(|value| value == "required");
    let is_possible = |bus| bus != Bus::Real || missing.is_empty() || is_required;
    for (_, (name, _)) in TESTS.iter().filter(|(bus, _)| !is_possible(*bus)) {
        eprintln!("test {name} ... NOT RUN: {} missing, and {REQUIRED} is not `required`", missing.join(", "));
    }
    TESTS.iter().filter(|(bus, _)| is_possible(*bus)).map(|(_, test)| *test).collect()
}

fn exit_if_it_hangs() {
    thread::spawn(|| {
        thread::sleep(HANGS);
        println!("it hangs");
        std::process::exit(3);
    });
}

fn credentials(value: &Value) -> StoredCredentials {
    StoredCredentials::from_json(&value.to_string()).unwrap()
}

fn numbered(number: u64) -> StoredCredentials {
    credentials(&json!({ "OPENAI_API_KEY": "sk-MARK", "count": number }))
}

#[track_caller]
fn fails(result: Result<impl Sized, StoreError>, kind: StoreErrorKind) -> String {
    let Err(error) = result else { panic!("it succeeded") };
    assert_eq!(error.kind(), kind, "{error}");
    assert_error_hides(&error);
    error.to_string()
}

// ---- the entry ----

fn compares_and_swaps() {
    let desk = Desk::new();
    let store = desk.store();
    assert_eq!(store.load().unwrap(), None);
    assert_eq!(store.swap(Some(&numbered(1)), Some(&numbered(2))).unwrap(), SwapOutcome::Changed(None));
    assert_eq!(store.swap(None, Some(&numbered(1))).unwrap(), SwapOutcome::Done);
    assert_eq!(store.load().unwrap(), Some(numbered(1)));
    assert_eq!(store.swap(None, Some(&numbered(2))).unwrap(), SwapOutcome::Changed(Some(numbered(1))));
    assert_eq!(store.swap(Some(&numbered(2)), None).unwrap(), SwapOutcome::Changed(Some(numbered(1))));
    assert_eq!(store.swap(Some(&numbered(1)), Some(&numbered(2))).unwrap(), SwapOutcome::Done);
    assert_eq!(store.load().unwrap(), Some(numbered(2)));
    desk.write_as_the_official_tool(&numbered(3).to_json());
    assert_eq!(store.swap(Some(&numbered(2)), Some(&numbered(4))).unwrap(), SwapOutcome::Changed(Some(numbered(3))));
    assert_eq!(store.swap(Some(&numbered(3)), None).unwrap(), SwapOutcome::Done);
    assert_eq!((store.load().unwrap(), desk.entries()), (None, 0));
    assert_eq!(store.swap(None, None).unwrap(), SwapOutcome::Done);
    assert_debug_hides(&store);
    assert!(!store.is_read_only());
    assert_hidden(&traced());
}

fn what_is_written_is_what_the_official_tool_reads() {
    let desk = Desk::new();
    let kept = credentials(&json!({ "auth_mode": "apikey", "OPENAI_API_KEY": "sk-MARK", "mine": { "deep": ["ü"] } }));
    desk.store().swap(None, Some(&kept)).unwrap();
    let account = desk.account();
    let value = lookup(&["service", "Codex Auth", "target", "default", "username", &account]);
    assert_eq!(value, kept.to_json());
    assert!(!value.contains('\n'), "it is not compact");
    assert_eq!(desk.store().describe(), format!("the OS keyring (service `Codex Auth`, account `{account}`)"));
}

fn what_the_official_tool_wrote_is_read_and_replaced_in_place() {
    let desk = Desk::new();
    desk.write_as_the_official_tool(r#"{"auth_mode":"apikey","OPENAI_API_KEY":"sk-MARK-1"}"#);
    let found = desk.store().load().unwrap().unwrap();
    assert_eq!(found, credentials(&json!({ "auth_mode": "apikey", "OPENAI_API_KEY": "sk-MARK-1" })));
    assert_eq!(desk.store().swap(Some(&found), Some(&numbered(2))).unwrap(), SwapOutcome::Done);
    assert_eq!((desk.value(), desk.entries()), (numbered(2).to_json(), 1));
}

fn an_entry_without_a_target_is_read_and_replaced_in_place() {
    let desk = Desk::new();
    secret_tool_store(&["service", "Codex Auth", "username", &desk.account()], numbered(1).to_json().as_bytes());
    assert_eq!(desk.store().load().unwrap(), Some(numbered(1)));
    assert_eq!(desk.store().swap(Some(&numbered(1)), Some(&numbered(2))).unwrap(), SwapOutcome::Done);
    assert_eq!((desk.value(), desk.entries()), (numbered(2).to_json(), 1));
    // The official tool looks for one with a target first.
    let with_target = ["service", "Codex Auth", "target", "default", "username", &desk.account()];
    secret_tool_store(&with_target, numbered(3).to_json().as_bytes());
    assert_eq!((desk.store().load().unwrap(), desk.entries()), (Some(numbered(3)), 2));
    // Two that are alike are nobody's choice.
    secret_tool_store(&[&with_target[..], &["application", "other"]].concat(), numbered(4).to_json().as_bytes());
    let text = fails(desk.store().load(), StoreErrorKind::Unreadable);
    assert!(text.contains("several entries"), "{text}");
    fails(desk.store().swap(Some(&numbered(3)), Some(&numbered(5))), StoreErrorKind::Unreadable);
    assert_eq!(desk.entries(), 3);
}

fn each_folder_has_an_entry_of_its_own() {
    let desk = Desk::new();
    let other = KeyringStore::new(user_home().join("not/there/yet"));
    assert_eq!(other.swap(None, Some(&numbered(7))).unwrap(), SwapOutcome::Done);
    assert_eq!(fs::metadata(other.codex_home()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(desk.store().load().unwrap(), None);
    assert_eq!(desk.store().swap(None, Some(&numbered(8))).unwrap(), SwapOutcome::Done);
    assert_eq!((other.load().unwrap(), desk.entries()), (Some(numbered(7)), 2));

    let link = user_home().join("link");
    std::os::unix::fs::symlink(&desk.home, &link).unwrap();
    assert_eq!(KeyringStore::new(&link).load().unwrap(), Some(numbered(8)));
    // A relative path, a link to a folder that is created only now, and the entry is found again by either name.
    let late = user_home().join("late");
    std::os::unix::fs::symlink(user_home().join("created"), &late).unwrap();
    fails(KeyringStore::new(&late).swap(None, Some(&numbered(9))), StoreErrorKind::Unwritable);
    fs::create_dir(user_home().join("created")).unwrap();
    assert_eq!(KeyringStore::new(&late).swap(None, Some(&numbered(9))).unwrap(), SwapOutcome::Done);
    assert_eq!(KeyringStore::new(user_home().join("created")).load().unwrap(), Some(numbered(9)));
}

fn what_is_no_credentials_is_told_and_stays() {
    let desk = Desk::new();
    let account = desk.account();
    let garbage: [&[u8]; 5] = [
        b"MARK",
        br#"["MARK"]"#,
        br#"{"OPENAI_API_KEY":"sk-MARK"#,
        &[br#"{"OPENAI_API_KEY":"sk-MARK"#.as_slice(), &[0, 0xff, 0xfe]].concat(),
        &[b'['; 4_000],
    ];
    for value in garbage {
        let attributes = ["service", "Codex Auth", "target", "default", "username", &account];
        secret_tool_store(&attributes, value);
        let text = fails(desk.store().load(), StoreErrorKind::Malformed);
        assert!(text.contains("Codex Auth") && text.contains("are broken"), "{text}");
        fails(desk.store().swap(None, Some(&numbered(1))), StoreErrorKind::Malformed);
        let kept = Command::new("secret-tool").arg("lookup").args(attributes).output().unwrap().stdout;
        assert!(kept == value, "it was touched");
    }
}

// ---- locks ----

fn lock_exclusively(path: &Path) -> File {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
    file.lock().unwrap();
    file
}

fn the_official_tools_locks_are_waited_for_and_plain_reads_take_none() {
    let desk = Desk::new();
    let mut count = 0;
    desk.store().swap(None, Some(&numbered(0))).unwrap();
    for name in ["auth.lock", "auth.json.lock"] {
        let held = lock_exclusively(&desk.home.join(name));
        assert_eq!(desk.store().load().unwrap(), Some(numbered(count)));
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let swap = desk.store().swap(Some(&numbered(count)), Some(&numbered(count + 1)));
                is_done.store(true, Ordering::Relaxed);
                assert_eq!(swap.unwrap(), SwapOutcome::Done);
            });
            thread::sleep(WHILE);
            assert!(!is_done.load(Ordering::Relaxed), "{name} was not waited for");
            assert_eq!(desk.value(), numbered(count).to_json());
            drop(held);
        });
        count += 1;
        assert_eq!(desk.value(), numbered(count).to_json());
    }
    let _held = lock_exclusively(&desk.home.join("auth.lock"));
    let text = fails(desk.store().swap(Some(&numbered(count)), None), StoreErrorKind::Locked);
    assert!(text.contains("auth.lock"), "{text}");
    assert_eq!(desk.value(), numbered(count).to_json());
}

fn a_write_that_was_given_up_keeps_its_locks_until_it_has_ended() {
    let desk = Desk::new();
    let store = desk.store().timeout(Duration::from_secs(2));
    store.swap(None, Some(&numbered(1))).unwrap();
    let first = File::open(desk.home.join("auth.lock")).unwrap();
    let second = lock_exclusively(&desk.home.join("auth.json.lock"));
    thread::scope(|scope| {
        let swap = scope.spawn(|| store.swap(Some(&numbered(1)), Some(&numbered(2))));
        until("the first lock", || first.try_lock().is_err() || first.unlock().is_err());
        desk.signal("-STOP");
        drop(second);
        fails(swap.join().unwrap(), StoreErrorKind::Unavailable);
    });
    assert!(first.try_lock().is_err(), "it may still write, and has let go of its lock");
    desk.signal("-CONT");
    until("the lock", || first.try_lock().is_ok());
    assert_eq!(desk.value(), numbered(2).to_json());
}

fn a_refresh_waits_for_another_and_leaves_nothing_behind() {
    let desk = Desk::new();
    let store = desk.store();
    store.swap(None, Some(&numbered(1))).unwrap();
    let mut lease = store.begin_refresh(HANGS).unwrap();
    fails(desk.store().begin_refresh(Duration::from_millis(50)), StoreErrorKind::Locked);
    // A sign-in is not held up by it.
    assert_eq!(store.swap(Some(&numbered(1)), Some(&numbered(2))).unwrap(), SwapOutcome::Done);
    assert_eq!(lease.save(&numbered(1), &numbered(3)).unwrap(), SwapOutcome::Changed(Some(numbered(2))));
    assert_eq!(lease.save(&numbered(2), &numbered(3)).unwrap(), SwapOutcome::Done);
    drop(lease);
    drop(desk.store().begin_refresh(Duration::from_millis(50)).unwrap());
    assert_eq!((desk.value(), desk.entries()), (numbered(3).to_json(), 1));
}

// ---- sessions ----

/// An account's tokens in the keyring, and the server that gave them.
struct SignIn {
    desk: Desk,
    backend: Backend,
}

impl SignIn {
    fn new(lifetime: Duration) -> Self {
        let sign_in = Self { desk: Desk::new(), backend: Backend::start().unwrap() };
        let mut document = sign_in.tokens_of("acct-1", lifetime);
        document["mine"] = json!({ "deep": [1, null, { "deeper": "ü" }] });
        document["tokens"]["login_owner_id"] = json!(0);
        sign_in.desk.write_as_the_official_tool(&document.to_string());
        sign_in
    }

    fn tokens_of(&self, account: &str, lifetime: Duration) -> Value {
        serde_json::from_str(&self.backend.issue_auth_json(account, lifetime)).unwrap()
    }

    fn client(&self) -> Client<CodexBackend> {
        // Opened where an application opens it, too: inside a run time.
        let session = block_on(async { ChatGptSession::open(self.desk.store()).unwrap() });
        self.backend.client().provider(session).build().unwrap()
    }

    fn call(&self) -> Result<(), Error> {
        call(&self.client())
    }

    fn refreshes(&self) -> usize {
        self.backend.requests_to(Route::REFRESH_TOKEN).len()
    }

    /// One call that has to refresh; `happens` while the request of the refresh is on its way.
    fn call_during_which(&self, happens: impl FnOnce()) -> Result<(), Error> {
        self.backend.inject(Route::REFRESH_TOKEN, Fault::delay(Duration::from_millis(1500)));
        thread::scope(|scope| {
            let call = scope.spawn(|| self.call());
            until("a request", || self.refreshes() > 0);
            happens();
            call.join().unwrap()
        })
    }
}

fn call(client: &Client<CodexBackend>) -> Result<(), Error> {
    block_on(client.usage().get().into_future()).map(drop)
}

/// New tokens, and everything else as it was.
#[track_caller]
fn assert_refreshed(before: &Value, after: &Value) {
    let mut expected = before.clone();
    for member in ["access_token", "refresh_token"] {
        assert_ne!(after["tokens"][member], before["tokens"][member]);
        expected["tokens"][member] = after["tokens"][member].clone();
    }
    assert!(after["last_refresh"].as_str() > before["last_refresh"].as_str());
    expected["last_refresh"] = after["last_refresh"].clone();
    assert_eq!(*after, expected);
}

fn a_session_refreshes_and_unknown_members_survive() {
    let sign_in = SignIn::new(EXPIRED);
    let before = sign_in.desk.document();
    let client = sign_in.client();
    call(&client).unwrap();
    call(&client).unwrap();
    assert_refreshed(&before, &sign_in.desk.document());
    assert_eq!((sign_in.refreshes(), sign_in.desk.entries()), (1, 1));
    // The new refresh token is worth something.
    let token = sign_in.desk.document()["tokens"]["access_token"].as_str().unwrap().to_owned();
    sign_in.backend.revoke_access_token(&token.clone().into());
    sign_in.call().unwrap();
    assert_eq!(sign_in.refreshes(), 2);
    assert!(!traced().contains(&token), "a token was traced");
}

fn the_keyring_is_a_source_and_is_forgotten_with_the_file() {
    let sign_in = SignIn::new(EXPIRED);
    let home = &sign_in.desk.home;
    let file = home.join("auth.json");
    fs::write(&file, r#"{"OPENAI_API_KEY":"sk-file"}"#).unwrap();
    let environment = Environment::from_vars([("CODEX_HOME", home)]);
    let sources = AuthSources::none().and(AuthSource::Keyring).environment(environment);
    block_on(async {
        let builder = sign_in.backend.client();
        let auth = builder.load_auth(&sources).await.unwrap();
        assert_eq!((auth.mode(), auth.source()), (AuthMode::ChatGpt, &*sign_in.desk.store().describe()));
        builder.codex_auth(&auth).unwrap().build().unwrap().usage().get().await.unwrap();
        assert_eq!(sign_in.refreshes(), 1);

        let forgotten = auth.forget();
        assert_eq!((forgotten.removed.len(), forgotten.failed.len()), (2, 0), "{forgotten:?}");
        assert!(sign_in.desk.store().load().unwrap().is_none() && !file.exists());
        let error = sign_in.backend.client().load_auth(&sources).await.unwrap_err();
        assert!(error.kind() == AuthErrorKind::NotFound && error.to_string().contains("the keyring"), "{error}");
    });
}

const PROCESSES: usize = 8;
const TASKS: usize = 8;

fn a_storm_of_processes_refreshes_once() {
    let sign_in = SignIn::new(EXPIRED);
    let before = sign_in.desk.document();
    let mut workers: Vec<Worker> = (0..PROCESSES).map(|_| Worker::start(&sign_in)).collect();
    workers.iter_mut().for_each(Worker::wait_until_ready);
    workers.iter_mut().for_each(|worker| drop(worker.gate.take()));
    for worker in workers {
        assert_eq!(worker.outcome(), json!(vec![Value::Null; TASKS]));
    }
    assert_eq!(sign_in.refreshes(), 1);
    assert_eq!(sign_in.backend.requests_to(Route::GET_USAGE).len(), PROCESSES * TASKS);
    assert_refreshed(&before, &sign_in.desk.document());
    assert_eq!(sign_in.desk.entries(), 1);
}

/// A process that waits at a gate once it has read the keyring.
struct Worker {
    process: Child,
    gate: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start(sign_in: &SignIn) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .arg("worker")
            .arg(&sign_in.desk.home)
            .args([sign_in.backend.codex_base_url(), TASKS.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (gate, output) = (process.stdin.take(), BufReader::new(process.stdout.take().unwrap()));
        Self { process, gate, output }
    }

    fn wait_until_ready(&mut self) {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
    }

    fn outcome(mut self) -> Value {
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        assert!(self.process.wait().unwrap().success());
        serde_json::from_str(&text).unwrap()
    }
}

fn work(home: &str, base_url: &str, tasks: usize) -> Value {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let client = Client::builder()
        .application("worker", "1")
        .codex_base_url(base_url)
        .environment(Environment::empty())
        .provider(ChatGptSession::open(KeyringStore::new(home)).unwrap())
        .build()
        .unwrap();
    println!("ready");
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
    runtime.block_on(async {
        let calls: Vec<_> = (0..tasks).map(|_| tokio::spawn(client.usage().get().into_future())).collect();
        let mut outcomes = Vec::new();
        for call in calls {
            outcomes.push(call.await.unwrap().map_or_else(|error| json!(error.to_string()), |_| Value::Null));
        }
        Value::from(outcomes)
    })
}

// ---- other programs ----

fn what_another_program_saved_is_adopted_after_a_refusal() {
    let sign_in = SignIn::new(HOUR);
    let client = sign_in.client();
    call(&client).unwrap();
    let token = sign_in.desk.document()["tokens"]["access_token"].as_str().unwrap().to_owned();
    let newer = sign_in.tokens_of("acct-1", HOUR);
    sign_in.desk.write_as_the_official_tool(&newer.to_string());
    sign_in.backend.revoke_access_token(&token.into());
    call(&client).unwrap();
    assert_eq!((sign_in.refreshes(), sign_in.desk.document()), (0, newer));
}

fn what_another_program_saves_during_a_refresh_is_adopted() {
    let sign_in = SignIn::new(EXPIRED);
    let newer = sign_in.tokens_of("acct-1", HOUR);
    sign_in.call_during_which(|| sign_in.desk.write_as_the_official_tool(&newer.to_string())).unwrap();
    assert_eq!((sign_in.refreshes(), sign_in.desk.document()), (1, newer.clone()));
    let used = sign_in.backend.requests_to(Route::GET_USAGE);
    let bearer = format!("Bearer {}", newer["tokens"]["access_token"].as_str().unwrap());
    assert_eq!(used.last().unwrap().header("authorization"), Some(&*bearer));
}

fn a_sign_in_to_another_account_is_never_overwritten() {
    let sign_in = SignIn::new(EXPIRED);
    let other = sign_in.tokens_of("acct-2", HOUR);
    let error = sign_in.call_during_which(|| sign_in.desk.write_as_the_official_tool(&other.to_string())).unwrap_err();
    assert_eq!(error.auth_error().unwrap().kind(), AuthErrorKind::AccountMismatch, "{error:?}");
    assert_eq!((sign_in.refreshes(), sign_in.desk.document()), (1, other));
}

fn without_a_place_for_locks_nothing_is_refreshed() {
    let sign_in = SignIn::new(EXPIRED);
    let before = sign_in.desk.document();
    let client = sign_in.client();
    fs::create_dir(sign_in.desk.home.join("auth.json.refresh.lock")).unwrap();
    let error = call(&client).unwrap_err();
    assert!(error.to_string().contains("auth.json.refresh.lock"), "{error}");
    assert_eq!((sign_in.refreshes(), sign_in.desk.document()), (0, before));

    let file = user_home().join("file");
    fs::write(&file, "mine").unwrap();
    let text = fails(KeyringStore::new(&file).swap(None, Some(&numbered(1))), StoreErrorKind::Unwritable);
    assert!(text.contains("file"), "{text}");
    assert_eq!((fs::read_to_string(&file).unwrap(), sign_in.desk.entries()), ("mine".to_owned(), 1));
}

// ---- no keyring ----

#[track_caller]
fn assert_unavailable(store: &KeyringStore, says: &str) {
    for _ in 0..2 {
        let text = fails(store.load(), StoreErrorKind::Unavailable);
        assert!(text.contains("Codex Auth") && text.contains("cannot be reached") && text.contains(says), "{text}");
        fails(store.swap(None, Some(&numbered(1))), StoreErrorKind::Unavailable);
        fails(store.begin_refresh(HANGS), StoreErrorKind::Unavailable);
    }
    let opened = block_on(async { ChatGptSession::open(store.clone()) });
    let error = opened.map(drop).unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::Transient);
    assert!(error.to_string().contains(says), "{error}");
}

fn no_secret_service_is_unavailable() {
    capture_traces();
    assert_unavailable(&KeyringStore::new(user_home().join(".codex")), "no secret service runs");
}

fn no_bus_is_unavailable() {
    capture_traces();
    assert_unavailable(&KeyringStore::new(user_home().join(".codex")), "no secret service runs");
}

fn a_bus_that_says_nothing_is_given_up() {
    capture_traces();
    let store = KeyringStore::new(user_home().join(".codex")).timeout(Duration::from_millis(300));
    assert_unavailable(&store, "did not answer within 300ms");
}

fn the_account_is_a_hash_of_the_path() {
    assert!(!Path::new("~").exists());
    let described = KeyringStore::new("~/.codex").describe();
    assert_eq!(described, "the OS keyring (service `Codex Auth`, account `cli|940db7b1d0e4eb40`)");
}

fn a_locked_keyring_is_unavailable_until_it_is_unlocked() {
    let mut desk = Desk::new();
    desk.store().swap(None, Some(&numbered(1))).unwrap();
    lock_the_keyring();
    // There is nobody here who could be asked for the password.
    let text = fails(desk.store().timeout(Duration::from_secs(5)).load(), StoreErrorKind::Unavailable);
    assert!(text.contains("cannot be reached"), "{text}");
    fails(
        desk.store().timeout(Duration::from_secs(5)).swap(Some(&numbered(1)), Some(&numbered(2))),
        StoreErrorKind::Unavailable,
    );
    desk.daemon.kill().unwrap();
    desk.daemon.wait().unwrap();
    desk.daemon = start_daemon();
    until("a keyring", || desk.store().load().is_ok());
    assert_eq!(desk.store().load().unwrap(), Some(numbered(1)));
}

fn without_a_default_keyring_nothing_is_written() {
    let mut desk = Desk::new();
    desk.daemon.kill().unwrap();
    desk.daemon.wait().unwrap();
    fs::remove_dir_all(user_home().join("data")).unwrap();
    let mut command = Command::new("gnome-keyring-daemon");
    command.args(["--foreground", "--components=secrets"]).stdout(Stdio::null()).stderr(Stdio::null());
    desk.daemon = command.spawn().unwrap();
    until("a keyring", || desk.store().load().is_ok());
    assert_eq!(desk.store().load().unwrap(), None);
    let text = fails(desk.store().swap(None, Some(&numbered(1))), StoreErrorKind::Unavailable);
    assert!(text.contains("no default keyring"), "{text}");
}

fn asking_often_piles_nothing_up() {
    let desk = Desk::new();
    desk.store().swap(None, Some(&numbered(1))).unwrap();
    let open = || ["/proc/self/fd", "/proc/self/task"].map(|folder| fs::read_dir(folder).unwrap().count());
    let before = open();
    (0..40).for_each(|_| drop(desk.store().load().unwrap()));
    until("an end of threads and connections", || open().iter().zip(before).all(|(now, before)| *now <= before + 2));
}

fn lock_the_keyring() {
    let locked = Command::new("dbus-send")
        .args(["--session", "--print-reply", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets"])
        .args(["org.freedesktop.Secret.Service.Lock", "array:objpath:/org/freedesktop/secrets/collection/login"])
        .output();
    assert!(locked.unwrap().status.success());
}

fn a_service_that_stands_still_is_given_up_and_nothing_is_lost() {
    let desk = Desk::new();
    let store = desk.store().timeout(Duration::from_millis(500));
    store.swap(None, Some(&numbered(1))).unwrap();
    desk.signal("-STOP");
    let text = fails(store.load(), StoreErrorKind::Unavailable);
    assert!(text.contains("did not answer within 500ms"), "{text}");
    fails(store.swap(Some(&numbered(1)), Some(&numbered(2))), StoreErrorKind::Unavailable);
    // It was asked before the locks were taken.
    drop(lock_exclusively(&desk.home.join("auth.lock")));
    desk.signal("-CONT");
    until("an answer", || store.load().is_ok());
    assert_eq!(store.load().unwrap(), Some(numbered(1)));
    assert_eq!(store.swap(Some(&numbered(1)), Some(&numbered(2))).unwrap(), SwapOutcome::Done);
}

fn nothing_is_refreshed_while_the_service_is_gone() {
    let mut sign_in = SignIn::new(EXPIRED);
    let before = sign_in.desk.document();
    let client = sign_in.client();
    sign_in.desk.daemon.kill().unwrap();
    sign_in.desk.daemon.wait().unwrap();
    let error = call(&client).unwrap_err();
    assert_eq!(error.auth_error().unwrap().kind(), AuthErrorKind::Transient, "{error:?}");
    assert_eq!(sign_in.refreshes(), 0);
    sign_in.desk.daemon = start_daemon();
    until("a keyring", || sign_in.desk.store().load().is_ok());
    call(&client).unwrap();
    assert_refreshed(&before, &sign_in.desk.document());
}
