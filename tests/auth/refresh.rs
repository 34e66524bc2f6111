//! ChatGPT tokens that are kept in a file and refreshed, against a server on which a refresh token works once.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use codex_backend::auth::{
    AuthErrorKind, CredentialStore, FileStore, MemoryStore, RefreshLease, StoreError, StoredCredentials, SwapOutcome,
};
use codex_backend::testing::{Backend, Fault, ManualClock, Route};
use codex_backend::{ChatGptSession, Client, CodexBackend, CodexResponses, ErrorKind, Timeouts};
use serde_json::{Value, json};

const EXPIRED: Duration = Duration::ZERO;
const HOUR: Duration = Duration::from_secs(60 * 60);

struct World {
    backend: Backend,
    folder: tempfile::TempDir,
}

impl World {
    fn with_tokens_for(lifetime: Duration) -> Self {
        let world = Self { backend: Backend::start().unwrap(), folder: tempfile::tempdir().unwrap() };
        world.write(&world.backend.issue_auth_json("acct-1", lifetime));
        world
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("auth.json")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
    }

    fn file(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.path()).unwrap()).unwrap()
    }

    fn client(&self) -> Client<CodexBackend> {
        let session = ChatGptSession::open(FileStore::new(self.path())).unwrap();
        self.backend.client().provider(session).build().unwrap()
    }

    fn refreshes(&self) -> usize {
        self.backend.requests_to(Route::REFRESH_TOKEN).len()
    }

    fn leftovers(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.folder.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.ends_with(".lock") && name != "auth.json").collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_callers_cause_one_refresh() {
    let world = World::with_tokens_for(EXPIRED);
    let client = world.client();
    let calls = (0..100).map(|_| {
        tokio::spawn({
            let usage = client.usage();
            async move { usage.get().await }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(world.refreshes(), 1);
    let sent = &world.backend.requests_to(Route::REFRESH_TOKEN)[0];
    assert_eq!(sent.json()["grant_type"], "refresh_token");
    assert_eq!(sent.json()["client_id"], "app_EMoamEEZ73f0CkXaXp7hrann");
    assert!(sent.header("authorization").is_none() && sent.header("cookie").is_none());
}

#[tokio::test]
async fn what_a_refresh_does_not_change_stays_to_the_letter() {
    let world = World::with_tokens_for(EXPIRED);
    let tokens = &world.file()["tokens"];
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let (id_token, access_token, refresh_token) = (text("id_token"), text("access_token"), text("refresh_token"));
    let written = format!(
        "{{\n  \"zeta\": 123456789012345678901234567890, \"tokens\": {{\n    \"rank\": 1.50,\n    \"id_token\": \"{id_token}\",\n    \
         \"access_token\": \"{access_token}\",\n    \"refresh_token\": \"{refresh_token}\",\n    \
         \"account_id\": \"acct-1\"\n  }},\n  \"last_refresh\": \"2026-01-01T00:00:00Z\",\n  \"auth_mode\": \"chatgpt\",\n  \
         \"mine\": {{ \"caf\\u00e9\": [1E2, null] }}\n}}"
    );
    world.write(&written);
    world.client().usage().get().await.unwrap();

    let after = std::fs::read_to_string(world.path()).unwrap();
    let now = world.file();
    let expected = written
        .replace(&access_token, now["tokens"]["access_token"].as_str().unwrap())
        .replace(&refresh_token, now["tokens"]["refresh_token"].as_str().unwrap())
        .replace("2026-01-01T00:00:00Z", now["last_refresh"].as_str().unwrap())
        .replace("7890, ", "7890,\n  ");
    assert_eq!(after, expected);
}

#[tokio::test]
async fn a_refresh_keeps_everything_else_in_the_file() {
    let world = World::with_tokens_for(EXPIRED);
    let mut before = world.file();
    before["mine"] = json!({ "deep": [1, null] });
    before["tokens"]["login_owner_id"] = json!("owner");
    world.write(&before.to_string());

    world.client().usage().get().await.unwrap();

    let mut after = world.file();
    assert_ne!(after["tokens"]["access_token"], before["tokens"]["access_token"]);
    assert_ne!(after["tokens"]["refresh_token"], before["tokens"]["refresh_token"]);
    assert!(after["last_refresh"].as_str().unwrap() > before["last_refresh"].as_str().unwrap());
    for member in ["access_token", "refresh_token"] {
        after["tokens"][member] = before["tokens"][member].clone();
    }
    after["last_refresh"] = before["last_refresh"].clone();
    assert_eq!(after, before);
    assert_eq!(world.leftovers(), [""; 0]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_refresh_follows_links_and_tightens_the_mode() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::with_tokens_for(EXPIRED);
    std::fs::set_permissions(world.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let link = world.folder.path().join("link.json");
    std::os::unix::fs::symlink("auth.json", &link).unwrap();

    let session = ChatGptSession::open(FileStore::new(&link)).unwrap();
    let client = world.backend.client().provider(session).build().unwrap();
    client.usage().get().await.unwrap();

    assert!(link.is_symlink());
    assert_eq!(std::fs::metadata(world.path()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read(&link).unwrap(), std::fs::read(world.path()).unwrap());
}

#[tokio::test]
async fn a_token_about_to_expire_is_used_while_it_is_refreshed() {
    let world = World::with_tokens_for(Duration::from_secs(200));
    let old = format!("Bearer {}", world.file()["tokens"]["access_token"].as_str().unwrap());
    world.backend.inject(Route::REFRESH_TOKEN, Fault::delay(Duration::from_millis(200)));
    let session = ChatGptSession::open(FileStore::new(world.path())).unwrap();
    let client = world.backend.client().provider(session.clone()).build().unwrap();
    let used =
        |call: usize| world.backend.requests_to(Route::GET_USAGE)[call].header("authorization").unwrap().to_owned();

    client.usage().get().await.unwrap();
    assert_eq!(used(0), old);
    until(|| session.expires_at().unwrap() > SystemTime::now() + HOUR / 2).await;
    client.usage().get().await.unwrap();
    assert_ne!(used(1), old);
    assert_eq!(world.refreshes(), 1);
}

/// In the window in which a token is used while it is refreshed.
const SOON: Duration = Duration::from_secs(200);

#[tokio::test]
async fn the_call_that_started_a_refresh_waits_for_its_save_and_no_other_does() {
    let world = World::with_tokens_for(SOON);
    let before = world.file();
    world.backend.inject(Route::REFRESH_TOKEN, Fault::delay(Duration::from_secs(1)));
    let client = world.client();
    let first = tokio::spawn(client.usage().get().into_future());
    until(|| world.refreshes() == 1).await;
    client.usage().get().await.unwrap();
    assert_eq!(world.file(), before);
    first.await.unwrap().unwrap();
    assert_ne!(world.file(), before);
}

#[tokio::test]
async fn a_stream_is_handed_over_at_once_and_its_end_waits_for_the_save() {
    let world = World::with_tokens_for(SOON);
    let before = world.file();
    world.backend.inject(Route::REFRESH_TOKEN, Fault::delay(Duration::from_secs(1)));
    let responses = CodexResponses::new(&world.client());
    let stream = responses.create("gpt-5.5", "You are terse.", "Hello").stream().await.unwrap();
    assert_eq!(world.file(), before);
    stream.collect().await.unwrap();
    assert_ne!(world.file(), before);
}

#[tokio::test]
async fn the_deadline_of_a_call_ends_its_wait_for_the_save_and_not_the_refresh() {
    let world = World::with_tokens_for(SOON);
    let before = world.file();
    world.backend.inject(Route::REFRESH_TOKEN, Fault::delay(Duration::from_millis(1_500)));
    let client = world.client();
    client.usage().get().with_timeouts(Timeouts::default().call(Duration::from_millis(500))).await.unwrap();
    assert_eq!(world.file(), before);
    client.settled().await.unwrap();
    assert_ne!(world.file(), before);
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_token_that_is_far_from_its_end_is_left_alone() {
    let world = World::with_tokens_for(Duration::from_secs(330));
    world.client().usage().get().await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn after_a_401_the_file_is_read_before_the_refresh_token_is_used() {
    let world = World::with_tokens_for(HOUR);
    let client = world.client();
    let first = world.file();
    world.write(&world.backend.issue_auth_json("acct-1", HOUR));
    let token: secrecy::SecretString = first["tokens"]["access_token"].as_str().unwrap().into();
    world.backend.revoke_access_token(&token);

    client.usage().get().await.unwrap();

    assert_eq!(world.refreshes(), 0);
    assert_eq!(world.backend.requests_to(Route::GET_USAGE).len(), 2);
}

#[tokio::test]
async fn a_burst_of_401s_costs_one_refresh() {
    let world = World::with_tokens_for(HOUR);
    let client = world.client();
    let token: secrecy::SecretString = world.file()["tokens"]["access_token"].as_str().unwrap().into();
    world.backend.revoke_access_token(&token);
    let calls = futures_util::future::join_all((0..50).map(|_| client.usage().get().into_future())).await;
    assert!(calls.iter().all(Result::is_ok), "{calls:?}");
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_does_not_cost_the_refresh_token() {
    let world = World::with_tokens_for(EXPIRED);
    let client = world.client();
    client.usage().get().await.unwrap();
    world.backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired").times(3));
    let error = client.usage().get().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(error.needs_sign_in());
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_dead_refresh_token_asks_for_a_sign_in_and_is_not_sent_again() {
    let codes = [
        "refresh_token_reused",
        "refresh_token_expired",
        "refresh_token_invalidated",
        "invalid_grant",
        "app_session_expired",
    ];
    for (code, status) in codes.into_iter().zip([400, 401, 403, 500, 400]) {
        for body in [
            json!({ "error": { "code": code, "message": "no" } }),
            json!({ "error": code }),
            json!({ "code": code, "error": "invalid_request" }),
        ] {
            let world = World::with_tokens_for(EXPIRED);
            let before = world.file();
            world.backend.inject(Route::REFRESH_TOKEN, Fault::status(status).body(body.to_string()).times(9));
            let client = world.client();
            for _ in 0..2 {
                let error = client.usage().get().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Auth, "{code}");
                assert_eq!(error.auth_error().unwrap().kind(), AuthErrorKind::ReauthRequired, "{status} {body}");
                assert!(error.needs_sign_in() && !error.may_have_been_sent());
            }
            assert_eq!((world.refreshes(), world.file()), (1, before), "{status} {body}");

            // A new sign-in mends it, without a restart.
            world.write(&world.backend.issue_auth_json("acct-1", HOUR));
            client.usage().get().await.unwrap();
            assert_eq!(world.refreshes(), 1);
        }
    }
}

#[tokio::test]
async fn a_client_that_is_not_known_is_a_mistake_of_the_configuration_and_costs_nothing() {
    let world = World::with_tokens_for(EXPIRED);
    let before = world.file();
    world.backend.inject(Route::REFRESH_TOKEN, Fault::status(401).body(r#"{"error":"invalid_client"}"#));
    let client = world.client();
    let error = client.usage().get().await.unwrap_err();
    assert_eq!(error.auth_error().unwrap().kind(), AuthErrorKind::Permanent, "{error:?}");
    assert!(!error.needs_sign_in());
    assert_eq!(world.file(), before);
    client.usage().get().await.unwrap();
}

#[tokio::test]
async fn an_answer_without_tokens_is_not_asked_for_again() {
    let world = World::with_tokens_for(EXPIRED);
    world.backend.inject(Route::REFRESH_TOKEN, Fault::status(200).body(r#"{"expires_in":3600}"#).times(9));
    let client = world.client();
    for _ in 0..2 {
        let error = client.usage().get().await.unwrap_err();
        assert!(error.to_string().contains("without an access token"), "{error}");
    }
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn after_a_switch_of_workspace_the_document_says_which_account_is_meant() {
    let world = World::with_tokens_for(EXPIRED);
    let mut switched = world.file();
    switched["tokens"]["account_id"] = json!("acct-2");
    world.write(&switched.to_string());
    let client = world.client();
    for _ in 0..2 {
        // The server answers with the tokens of the home account.
        let headers = http::HeaderMap::from(&client.auth_headers().await.unwrap());
        assert_eq!(headers["chatgpt-account-id"], "acct-2");
    }
    assert_eq!(world.refreshes(), 1);
    let after = world.file();
    assert_eq!(after["tokens"]["account_id"], "acct-2");
    for token in ["access_token", "refresh_token"] {
        assert_ne!(after["tokens"][token], switched["tokens"][token]);
    }
}

#[tokio::test]
async fn a_refresh_is_the_records_own_clients_and_says_why_it_is_made() {
    let proactive = World::with_tokens_for(EXPIRED);
    let mut document = proactive.file();
    document["tokens"]["oauth_provenance"] = json!({ "issuer": "https://auth.openai.com", "client_id": "app_other" });
    proactive.write(&document.to_string());
    proactive.client().usage().get().await.unwrap();

    let refused = World::with_tokens_for(HOUR);
    refused.backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired"));
    refused.client().usage().get().await.unwrap();

    let scheduled = World::with_tokens_for(HOUR);
    let mut document = scheduled.file();
    document["tokens"]["access_token"] = json!("opaque");
    scheduled.write(&document.to_string());
    let client = scheduled.client();
    client.auth_headers().await.unwrap();
    client.settled().await.unwrap();

    for (world, reason, client_id) in [
        (&proactive, "proactive_expiry", "app_other"),
        (&refused, "unauthorized_recovery", "app_EMoamEEZ73f0CkXaXp7hrann"),
        (&scheduled, "scheduled", "app_EMoamEEZ73f0CkXaXp7hrann"),
    ] {
        let sent = world.backend.requests_to(Route::REFRESH_TOKEN)[0].json();
        assert_eq!((&sent["refresh_reason"], &sent["client_id"]), (&json!(reason), &json!(client_id)));
    }
}

#[tokio::test]
async fn a_refresh_token_of_an_unknown_issuer_never_leaves() {
    for (issuer, is_known) in [
        ("https://auth.example", false),
        ("https://auth.openai.com.evil.test", false),
        ("http://auth.openai.com", false),
        ("no URL", false),
        ("http://127.0.0.1:9", true),
        ("https://auth.openai.com/", true),
    ] {
        let world = World::with_tokens_for(EXPIRED);
        let mut document = world.file();
        document["tokens"]["oauth_provenance"] = json!({ "issuer": issuer });
        world.write(&document.to_string());
        let outcome = world.client().usage().get().await;
        if is_known {
            outcome.unwrap();
            continue;
        }
        let kind = outcome.unwrap_err().auth_error().unwrap().kind();
        assert_eq!((kind, world.refreshes()), (AuthErrorKind::UnknownIssuer, 0), "{issuer}");
        assert_eq!(world.file(), document);
        let sign_out = codex_backend::auth::SignOut::of(FileStore::new(world.path()));
        let error = sign_out.revoke(&world.backend.client().auth_context().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::UnknownIssuer);
        assert_eq!(world.backend.requests_to(Route::REVOKE_TOKEN).len(), 0);
    }
}

#[tokio::test]
async fn with_a_clock_that_is_a_day_ahead_many_processes_refresh_once() {
    let world = World::with_tokens_for(HOUR);
    let clock = ManualClock::starting_at(SystemTime::now() + 24 * HOUR);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let session = ChatGptSession::open(FileStore::new(world.path())).unwrap();
            world.backend.client().clock(clock.clone()).provider(session).build().unwrap()
        })
        .collect();
    for client in &clients {
        client.usage().get().await.unwrap();
    }
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_byte_order_mark_a_number_with_a_fraction_and_padding_are_read() {
    use base64::Engine;
    let world = World::with_tokens_for(HOUR);
    world.write(&format!("\u{feff}{}", world.file()));
    world.client().usage().get().await.unwrap();

    let claims = r#""https://api.openai.com/auth":{"chatgpt_account_id":"acct-9"}"#;
    for exp in ["1000000000", "1000000000.5", "1e9"] {
        let payload = base64::prelude::BASE64_URL_SAFE.encode(format!(r#"{{"exp":{exp},{claims}}} "#));
        let document = json!({ "tokens": { "access_token": format!("e30.{payload}.c2ln") } });
        world.write(&document.to_string());
        let session = ChatGptSession::open(FileStore::new(world.path())).unwrap();
        assert_eq!(session.account_id().as_deref(), Some("acct-9"), "{payload}");
        let end = session.expires_at().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(end.as_secs(), 1_000_000_000);
    }
}

#[tokio::test]
async fn the_loser_of_a_race_adopts_what_the_winner_saved() {
    let world = World::with_tokens_for(EXPIRED);
    let newer = world.backend.issue_auth_json("acct-1", HOUR);
    let body = json!({ "error": "refresh_token_reused" }).to_string();
    world.backend.inject(Route::REFRESH_TOKEN, Fault::delay(Duration::from_millis(300)));
    world.backend.inject(Route::REFRESH_TOKEN, Fault::status(401).body(body));
    let client = world.client();
    let usage = client.usage();
    let call = tokio::spawn(async move { usage.get().await });
    until(|| world.refreshes() == 1).await;
    // The official tool does not take our lock: it saves while our request is on its way.
    world.write(&newer);
    call.await.unwrap().unwrap();
    assert_eq!(world.file(), serde_json::from_str::<Value>(&newer).unwrap());
}

#[tokio::test]
async fn a_failure_that_may_pass_costs_nothing() {
    let world = World::with_tokens_for(Duration::from_secs(20));
    let before = world.file();
    let client = world.client();
    for fault in [Fault::status(500).body("oops"), Fault::reset_before_headers(), Fault::reset_in_body()] {
        world.backend.inject(Route::REFRESH_TOKEN, fault);
        client.usage().get().await.unwrap();
    }
    assert_eq!((world.refreshes(), world.file()), (3, before));
    assert_eq!(world.leftovers(), [""; 0]);
}

#[tokio::test]
async fn an_expired_token_and_a_failure_that_may_pass_is_a_transient_error() {
    let world = World::with_tokens_for(EXPIRED);
    world.backend.inject(Route::REFRESH_TOKEN, Fault::status(503));
    let client = world.client();
    let error = client.usage().get().await.unwrap_err();
    assert!(error.is_retryable() && !error.needs_sign_in(), "{error:?}");
    client.usage().get().await.unwrap();
}

#[tokio::test]
async fn an_answer_without_an_access_token_is_an_error() {
    let world = World::with_tokens_for(EXPIRED);
    let before = world.file();
    world.backend.inject(Route::REFRESH_TOKEN, Fault::status(200).body(r#"{"refresh_token":"rt_new"}"#));
    let error = world.client().usage().get().await.unwrap_err();
    assert!(error.to_string().contains("without an access token"), "{error}");
    // The refresh token that came with it is the only one that works now.
    let mut expected = before.clone();
    expected["tokens"]["refresh_token"] = json!("rt_new");
    assert_eq!(world.file(), expected);

    let world = World::with_tokens_for(EXPIRED);
    let before = world.file();
    world.backend.inject(Route::REFRESH_TOKEN, Fault::status(200).body(r#"{"expires_in":3600}"#));
    assert!(world.client().usage().get().await.unwrap_err().to_string().contains("without an access token"));
    assert_eq!(world.file(), before);
}

#[tokio::test]
async fn another_account_in_the_file_is_an_error_and_never_a_mixture() {
    let world = World::with_tokens_for(EXPIRED);
    let client = world.client();
    let other = world.backend.issue_auth_json("acct-2", HOUR);
    world.write(&other);
    let error = client.usage().get().await.unwrap_err();
    assert_eq!(error.auth_error().unwrap().kind(), AuthErrorKind::AccountMismatch);
    assert_eq!((world.refreshes(), world.file()), (0, serde_json::from_str::<Value>(&other).unwrap()));
}

#[tokio::test]
async fn a_file_for_reading_only_is_followed_and_its_refresh_token_never_used() {
    let world = World::with_tokens_for(EXPIRED);
    let session = ChatGptSession::open(FileStore::read_only(world.path())).unwrap();
    let client = world.backend.client().provider(session).build().unwrap();
    let error = client.usage().get().await.unwrap_err();
    assert!(error.to_string().contains("reading only"), "{error}");
    world.write(&world.backend.issue_auth_json("acct-1", HOUR));
    client.usage().get().await.unwrap();
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_found_out_before_the_refresh_token_is_used() {
    let world = World::with_tokens_for(EXPIRED);
    std::fs::create_dir(world.folder.path().join("auth.json.refresh.lock")).unwrap();
    let error = world.client().usage().get().await.unwrap_err();
    assert!(error.to_string().contains("auth.json.refresh.lock"), "{error}");
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_written_for_a_while_is_retried_and_nobody_waits_for_it() {
    let world = World::with_tokens_for(EXPIRED);
    let before = world.file();
    world.backend.inject(Route::REFRESH_TOKEN, Fault::delay(Duration::from_millis(300)));
    let client = world.client();
    let call = tokio::spawn({
        let usage = client.usage();
        async move { usage.get().await }
    });
    until(|| world.refreshes() == 1).await;
    // What the save needs is taken away while the request is on its way.
    let lock = world.folder.path().join("auth.lock");
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();

    call.await.unwrap().unwrap();
    client.usage().get().await.unwrap();
    assert_eq!(world.file(), before);
    std::fs::remove_dir(&lock).unwrap();
    until(|| world.file() != before).await;
    world.client().usage().get().await.unwrap();
    assert_eq!(world.refreshes(), 1);
}

/// Panics when it is to be refreshed for the first time.
#[derive(Debug)]
struct Fragile {
    kept: MemoryStore,
    panicked: AtomicBool,
}

impl CredentialStore for Fragile {
    fn describe(&self) -> String {
        "a fragile store".to_owned()
    }

    fn load(&self) -> Result<Option<StoredCredentials>, StoreError> {
        self.kept.load()
    }

    fn swap(
        &self,
        expected: Option<&StoredCredentials>,
        new: Option<&StoredCredentials>,
    ) -> Result<SwapOutcome, StoreError> {
        self.kept.swap(expected, new)
    }

    fn begin_refresh(&self, patience: Duration) -> Result<Box<dyn RefreshLease + '_>, StoreError> {
        assert!(self.panicked.swap(true, Ordering::Relaxed), "a mistake in the application");
        self.kept.begin_refresh(patience)
    }
}

#[tokio::test]
async fn a_store_that_panics_fails_one_refresh_and_not_all_that_follow() {
    let backend = Backend::start().unwrap();
    let credentials = StoredCredentials::from_json(&backend.issue_auth_json("acct-1", EXPIRED)).unwrap();
    let store = Fragile { kept: MemoryStore::new(credentials), panicked: AtomicBool::new(false) };
    let client = backend.client().provider(ChatGptSession::open(store).unwrap()).build().unwrap();
    let error = client.usage().get().await.unwrap_err();
    assert!(error.to_string().contains("cut off") && error.is_retryable(), "{error:?}");
    client.usage().get().await.unwrap();
}

#[tokio::test]
async fn another_user_of_the_same_account_is_another_sign_in() {
    let world = World::with_tokens_for(EXPIRED);
    let client = world.client();
    let other = as_user(&world.backend.issue_auth_json("acct-1", HOUR), "user-other");
    world.write(&other);
    let error = client.usage().get().await.unwrap_err();
    assert_eq!(error.auth_error().unwrap().kind(), AuthErrorKind::AccountMismatch);
    assert_eq!(world.refreshes(), 0);
}

#[test]
fn a_refresh_is_finished_and_saved_although_the_run_time_is_gone() {
    let world = World::with_tokens_for(EXPIRED);
    let before = world.file();
    world.backend.inject(Route::REFRESH_TOKEN, Fault::delay(Duration::from_millis(300)));
    {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let client = world.client();
        runtime.spawn(async move { client.usage().get().await });
        while world.refreshes() == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        runtime.shutdown_background();
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while world.file() == before {
        assert!(std::time::Instant::now() < deadline, "the refreshed tokens were lost");
        std::thread::sleep(Duration::from_millis(5));
    }
    // What was saved works.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { world.client().usage().get().await }).unwrap();
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_cancelled_caller_does_not_cancel_the_refresh() {
    let world = World::with_tokens_for(EXPIRED);
    let before = world.file();
    world.backend.inject(Route::REFRESH_TOKEN, Fault::delay(Duration::from_millis(200)));
    let usage = world.client().usage();
    let call = tokio::spawn(async move { usage.get().await });
    until(|| world.refreshes() == 1).await;
    call.abort();
    until(|| world.file() != before).await;
}

#[tokio::test]
async fn the_clock_is_the_clients() {
    let world = World::with_tokens_for(HOUR);
    let clock = ManualClock::starting_at(SystemTime::now());
    let session = ChatGptSession::open(FileStore::new(world.path())).unwrap();
    let client = world.backend.client().clock(clock.clone()).provider(session).build().unwrap();
    client.usage().get().await.unwrap();
    clock.advance(HOUR - Duration::from_secs(10));
    client.usage().get().await.unwrap();
    assert_eq!(world.refreshes(), 1);
    // A clock that was set back makes an old token look young; it is used, and nothing breaks.
    clock.set_now(SystemTime::UNIX_EPOCH);
    client.usage().get().await.unwrap();
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_moment_that_no_timestamp_can_carry_loses_no_tokens() {
    for moment in [SystemTime::UNIX_EPOCH - HOUR, SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_800)] {
        let world = World::with_tokens_for(HOUR);
        let before = world.file();
        let token: secrecy::SecretString = before["tokens"]["access_token"].as_str().unwrap().into();
        world.backend.revoke_access_token(&token);
        let session = ChatGptSession::open(FileStore::new(world.path())).unwrap();
        let clock = ManualClock::starting_at(moment);
        let client = world.backend.client().clock(clock).provider(session).build().unwrap();
        client.usage().get().await.unwrap();
        assert_eq!(world.refreshes(), 1);
        let after = world.file();
        assert_ne!(after["tokens"]["refresh_token"], before["tokens"]["refresh_token"]);
        assert_eq!(after["last_refresh"], before["last_refresh"]);
    }
}

#[tokio::test]
async fn expired_tokens_that_another_process_saved_are_refreshed_and_not_sent() {
    let world = World::with_tokens_for(EXPIRED);
    let client = world.client();
    world.write(&world.backend.issue_auth_json("acct-1", EXPIRED));
    client.usage().get().await.unwrap();
    assert_eq!(world.refreshes(), 1);
    assert_eq!(world.backend.requests_to(Route::GET_USAGE).len(), 1);
}

#[tokio::test]
async fn memory_keeps_tokens_too() {
    let backend = Backend::start().unwrap();
    let credentials = StoredCredentials::from_json(&backend.issue_auth_json("acct-1", EXPIRED)).unwrap();
    let session = ChatGptSession::open(MemoryStore::new(credentials)).unwrap();
    let client = backend.client().provider(session.clone()).build().unwrap();
    client.usage().get().await.unwrap();
    assert_eq!(session.account_id().as_deref(), Some("acct-1"));
    assert!(session.expires_at().unwrap() > SystemTime::now());
}

#[test]
fn what_is_no_sign_in_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.json");
    let open = |text: Option<&[u8]>| {
        let _absent = std::fs::remove_file(&path);
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        ChatGptSession::open(FileStore::new(&path)).unwrap_err().to_string()
    };
    let deep = "[".repeat(100_000);
    let huge = vec![b' '; 10 << 20];
    for (text, said) in [
        (None, "there are no credentials"),
        (Some(&b"{\"OPENAI_API_KEY\":\"sk-MARK\"}"[..]), "`apikey`"),
        (Some(b"{\"auth_mode\":\"bedrockApiKey\"}"), "`bedrockApiKey`"),
        (Some(b"{\"auth_mode\":\"MARK\"}"), "not known"),
        (Some(b"{\"tokens\":{\"access_token\":\"\"}}"), "tokens.access_token"),
        (Some(b"{}"), "no `tokens`"),
        (Some(b"[]"), "not a JSON object"),
        (Some(b"{\"tokens\":{\"access_token\":\"MARK"), "ends too early (line 1"),
        (Some(b"{\n  MARK"), "line 2, column 3"),
        (Some(b"\0\0\0"), "not JSON"),
        (Some(b"\xff\xfe"), "not UTF-8"),
        (Some(deep.as_bytes()), "nested more than 128 levels deep"),
        (Some(&huge), "larger than 1 MiB"),
    ] {
        let error = open(text);
        assert!(error.contains(said) && !error.contains("MARK"), "{said}: {error}");
        assert!(error.contains("auth.json") || !said.contains("line"), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let error = ChatGptSession::open(FileStore::new(&path)).unwrap_err().to_string();
    assert!(error.contains("not a regular file") || error.contains("directory"), "{error}");
    assert!(Path::new(&path).is_dir());
}

/// The same credentials, with another user in the claims of the access token.
fn as_user(auth_json: &str, user_id: &str) -> String {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
    let mut document: Value = serde_json::from_str(auth_json).unwrap();
    let token = document["tokens"]["access_token"].as_str().unwrap().to_owned();
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("not a JWT") };
    let mut claims: Value = serde_json::from_slice(&BASE64.decode(claims).unwrap()).unwrap();
    claims["https://api.openai.com/auth"]["chatgpt_user_id"] = json!(user_id);
    document["tokens"]["access_token"] = json!(format!("{header}.{}.{signature}", BASE64.encode(claims.to_string())));
    document.to_string()
}

async fn until(mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it did not come to pass");
}

#[tokio::test]
async fn the_request_that_refreshes_has_a_time_out_and_is_not_retried() {
    let world = World::with_tokens_for(EXPIRED);
    world.backend.inject(Route::REFRESH_TOKEN, Fault::stall());
    let clock = ManualClock::starting_at(SystemTime::now());
    let session = ChatGptSession::open(FileStore::new(world.path())).unwrap();
    let session = session.refresh_timeout(Duration::from_secs(7));
    let client = world.backend.client().provider(session).clock(clock.clone()).build().unwrap();
    let call = tokio::spawn(async move { client.usage().get().await });
    clock.until_asleep_for(Duration::from_secs(7)).await;
    while world.refreshes() == 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(7));
    let error = call.await.unwrap().unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("7s"), "{error}");
    assert_eq!(world.refreshes(), 1);
}
