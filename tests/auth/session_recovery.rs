//! What a session does when its tokens are refused, when they are short-lived, and when its store or the token endpoint
//! does not do as it should.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use codex_backend::auth::{
    AuthErrorKind, AuthHealth, AuthRecovery, AuthRefusal, CredentialStore, FileStore, MemoryStore, ReauthReason,
    RefreshLease, StoreError, StoreErrorKind, StoredCredentials, SwapOutcome,
};
use codex_backend::testing::{Backend, Fault, ManualClock, RecordedRequest, Route};
use codex_backend::{ChatGptSession, Client, CodexBackend, Error, ErrorKind, OpenAiFileUpload};
use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::capture::{capture_traces, traced};
use crate::support::guard::guard;
use crate::support::sign_in::{EXPIRED, HOUR, SignIn, replace_without_locks};

const MINUTE: Duration = Duration::from_secs(60);
const MILLISECOND: Duration = Duration::from_millis(1);

async fn usage(client: &Client<CodexBackend>) -> Result<(), Error> {
    guard(client.usage().get()).await.map(drop)
}

fn client(sign_in: &SignIn) -> Client<CodexBackend> {
    sign_in.client_of(ChatGptSession::open(FileStore::new(sign_in.path())).unwrap())
}

fn on(clock: &ManualClock, backend: &Backend, store: impl CredentialStore) -> Client<CodexBackend> {
    backend.client().clock(clock.clone()).provider(ChatGptSession::open(store).unwrap()).build().unwrap()
}

/// The tokens that requests for usage carried, in order.
fn carried(sign_in: &SignIn) -> Vec<String> {
    let token = |request: RecordedRequest| request.header("authorization").unwrap().replace("Bearer ", "");
    sign_in.backend.requests_to(Route::GET_USAGE).into_iter().map(token).collect()
}

fn kept(sign_in: &SignIn) -> String {
    sign_in.document()["tokens"]["access_token"].as_str().unwrap().to_owned()
}

fn refuse(sign_in: &SignIn, times: u32) {
    sign_in.backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired").times(times));
}

fn reason(error: &Error) -> Option<ReauthReason> {
    error.auth_error().and_then(codex_backend::AuthError::reauth_reason)
}

// ---- the order of recovery ----

#[tokio::test]
async fn the_store_comes_first_and_the_refresh_token_second() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    let (client, first) = (client(&sign_in), kept(&sign_in));
    replace_without_locks(&sign_in.path(), &sign_in.backend.issue_auth_json("acct-1", HOUR));
    let second = kept(&sign_in);
    refuse(&sign_in, 2);
    usage(&client).await.unwrap();
    assert_eq!((carried(&sign_in), sign_in.refreshes().len()), (vec![first, second, kept(&sign_in)], 1));
}

#[tokio::test]
async fn tokens_that_are_refused_to_the_end_ask_for_a_sign_in() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    let client = client(&sign_in);
    replace_without_locks(&sign_in.path(), &sign_in.backend.issue_auth_json("acct-1", HOUR));
    refuse(&sign_in, 9);
    let error = usage(&client).await.unwrap_err();
    assert_eq!((error.kind(), reason(&error)), (ErrorKind::Auth, Some(ReauthReason::RefusedAgain)));
    assert_eq!((error.status(), error.code()), (Some(http::StatusCode::UNAUTHORIZED), Some("token_expired")));
    assert!(error.needs_sign_in() && !error.is_retryable() && error.request_id().is_some());
    assert_eq!((carried(&sign_in).len(), sign_in.refreshes().len()), (3, 1));
}

#[tokio::test]
async fn without_anything_newer_in_the_store_a_call_is_sent_twice() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    let clock = ManualClock::starting_at(SystemTime::now());
    let client = on(&clock, &sign_in.backend, FileStore::new(sign_in.path()));
    refuse(&sign_in, 2);
    let error = usage(&client).await.unwrap_err();
    assert_eq!((reason(&error), error.attempts()), (Some(ReauthReason::RefusedAgain), 2));
    assert_eq!((carried(&sign_in).len(), sign_in.refreshes().len()), (2, 1));
    // A token that is seconds old is not the problem.
    clock.advance(MINUTE - MILLISECOND);
    refuse(&sign_in, 1);
    let error = usage(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, Some("token_expired")));
    assert_eq!((carried(&sign_in).len(), sign_in.refreshes().len()), (3, 1));
    // One that is a minute old may be.
    clock.advance(MILLISECOND);
    refuse(&sign_in, 1);
    usage(&client).await.unwrap();
    assert_eq!(sign_in.refreshes().len(), 2);
}

#[tokio::test]
async fn tokens_that_another_process_refreshed_a_moment_ago_may_be_refreshed() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    let client = client(&sign_in);
    replace_without_locks(&sign_in.path(), &sign_in.backend.issue_auth_json("acct-1", HOUR));
    // Adopted by what was to be a refresh.
    usage(&client).await.unwrap();
    assert_eq!(sign_in.refreshes().len(), 0);
    sign_in.revoke_access_token_in_use();
    usage(&client).await.unwrap();
    assert_eq!(sign_in.refreshes().len(), 1);
}

#[tokio::test]
async fn every_endpoint_recovers_alike() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    let client = client(&sign_in);
    for (route, refreshes) in [(Route::CREATE_FILE, 1), (Route::FINALIZE_FILE, 1)] {
        sign_in.backend.inject(route, Fault::unauthorized("token_expired"));
        let outcome = guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await;
        assert_eq!(
            (outcome.is_ok(), sign_in.refreshes().len()),
            (route == Route::CREATE_FILE, refreshes),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_burst_of_refusals_is_answered_by_one_refresh_however_late_some_come() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    let client = client(&sign_in);
    let generation = guard(client.auth_headers()).await.unwrap().generation();
    let refusal = || AuthRefusal::new(http::StatusCode::UNAUTHORIZED, generation);
    let burst = guard(join_all((0..30).map(|_| client.auth_refused(refusal())))).await;
    assert!(burst.into_iter().all(|recovery| recovery.unwrap() == AuthRecovery::Retry));
    assert_eq!(guard(client.auth_refused(refusal())).await.unwrap(), AuthRecovery::Retry);
    assert_eq!(guard(client.auth_headers()).await.unwrap().generation(), generation + 1);
    assert_eq!(sign_in.refreshes().len(), 1);
}

#[tokio::test]
async fn a_refresh_that_fails_for_now_ends_the_call_and_is_tried_again_by_the_next() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    let (client, before) = (client(&sign_in), sign_in.document());
    refuse(&sign_in, 2);
    sign_in.backend.inject(Route::REFRESH_TOKEN, Fault::status(503));
    let error = usage(&client).await.unwrap_err();
    assert!(error.is_retryable() && !error.needs_sign_in() && error.may_have_been_sent(), "{error:?}");
    assert_eq!((sign_in.document(), client.auth_health()), (before, AuthHealth::Ready));
    usage(&client).await.unwrap();
    assert_eq!((carried(&sign_in).len(), sign_in.refreshes().len()), (3, 2));
}

#[tokio::test]
async fn a_dead_refresh_token_is_not_sent_for_each_refusal() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    let client = client(&sign_in);
    sign_in.backend.inject(Route::REFRESH_TOKEN, Fault::unauthorized("refresh_token_expired").times(9));
    refuse(&sign_in, 2);
    for _ in 0..2 {
        let error = usage(&client).await.unwrap_err();
        assert_eq!((reason(&error), error.may_have_been_sent()), (Some(ReauthReason::Expired), true));
    }
    assert_eq!(sign_in.refreshes().len(), 1);
    // The access token may work all the same.
    usage(&client).await.unwrap();
    // And a new sign-in mends it.
    replace_without_locks(&sign_in.path(), &sign_in.backend.issue_auth_json("acct-1", HOUR));
    refuse(&sign_in, 1);
    usage(&client).await.unwrap();
    assert_eq!((sign_in.refreshes().len(), client.auth_health()), (1, AuthHealth::Ready));
}

#[tokio::test]
async fn without_a_refresh_token_a_401_asks_for_a_sign_in() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    let mut document = sign_in.document();
    document["tokens"]["refresh_token"] = Value::Null;
    fs::write(sign_in.path(), document.to_string()).unwrap();
    let client = client(&sign_in);
    refuse(&sign_in, 1);
    assert_eq!(reason(&usage(&client).await.unwrap_err()), Some(ReauthReason::NoRefreshToken));
    usage(&client).await.unwrap();
    assert!(sign_in.refreshes().is_empty());
}

#[tokio::test]
async fn with_a_view_for_reading_only_a_401_is_the_servers_answer_unless_the_file_has_changed() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    let session = ChatGptSession::open(FileStore::read_only(sign_in.path())).unwrap();
    let client = sign_in.client_of(session);
    refuse(&sign_in, 1);
    let error = usage(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.code(), error.attempts()), (ErrorKind::Unauthorized, Some("token_expired"), 1));
    assert!(error.needs_sign_in());
    replace_without_locks(&sign_in.path(), &sign_in.backend.issue_auth_json("acct-1", HOUR));
    refuse(&sign_in, 1);
    usage(&client).await.unwrap();
    assert!(sign_in.refreshes().is_empty());
    assert_eq!(fs::read_dir(sign_in.folder()).unwrap().count(), 1, "there are locks beside the file");
}

type Change = fn(&Path);

#[tokio::test]
async fn a_401_that_finds_the_store_broken_costs_no_refresh_token() {
    let cases: [(Change, AuthErrorKind); 6] = [
        (|path| fs::write(path, "{\"").unwrap(), AuthErrorKind::Permanent),
        (|path| fs::write(path, "[".repeat(100_000)).unwrap(), AuthErrorKind::Permanent),
        (|path| fs::write(path, "{\"tokens\":\0}").unwrap(), AuthErrorKind::Permanent),
        (|path| fs::write(path, r#"{"OPENAI_API_KEY":"sk-12345"}"#).unwrap(), AuthErrorKind::Incomplete),
        (|path| fs::remove_file(path).unwrap(), AuthErrorKind::ReauthRequired),
        (
            |path| {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            },
            AuthErrorKind::Permanent,
        ),
    ];
    for (change, kind) in cases {
        let sign_in = SignIn::with_foreign_members(HOUR);
        let client = client(&sign_in);
        change(&sign_in.path());
        refuse(&sign_in, 1);
        let error = usage(&client).await.unwrap_err();
        assert_eq!((error.kind(), error.auth_error().unwrap().kind()), (ErrorKind::Auth, kind), "{error:?}");
        // What is held works on.
        usage(&client).await.unwrap();
        assert!(sign_in.refreshes().is_empty());
    }
}

#[tokio::test]
async fn a_401_that_finds_another_account_adopts_nothing_and_refreshes_nothing() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    let (client, first) = (client(&sign_in), kept(&sign_in));
    let other = sign_in.backend.issue_auth_json("acct-2", HOUR);
    replace_without_locks(&sign_in.path(), &other);
    refuse(&sign_in, 1);
    let error = usage(&client).await.unwrap_err();
    assert_eq!(error.auth_error().unwrap().kind(), AuthErrorKind::AccountMismatch);
    usage(&client).await.unwrap();
    assert_eq!(carried(&sign_in), [first.clone(), first]);
    assert_eq!((sign_in.document(), sign_in.refreshes().len()), (serde_json::from_str::<Value>(&other).unwrap(), 0));
}

// ---- short lives and wrong clocks ----

fn jwt(claims: &Value) -> String {
    format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn ending(end: SystemTime, number: u32) -> String {
    let end = end.duration_since(UNIX_EPOCH).unwrap().as_secs();
    jwt(&json!({ "exp": end, "jti": number, "https://api.openai.com/auth": { "chatgpt_account_id": "acct-1" } }))
}

/// The next refreshes give these tokens.
fn give(sign_in: &SignIn, access_tokens: impl IntoIterator<Item = String>) {
    for access_token in access_tokens {
        let body = json!({ "access_token": access_token, "refresh_token": format!("rt_{access_token}") }).to_string();
        sign_in.backend.inject(Route::REFRESH_TOKEN, Fault::status(200).body(body));
    }
}

async fn used(client: &Client<CodexBackend>) -> String {
    let headers = guard(client.auth_headers()).await.unwrap();
    headers.iter().next().unwrap().1.to_str().unwrap().replace("Bearer ", "")
}

/// As calls do that come one after the other, with time between them for a refresh in the background.
async fn used_again_and_again(client: &Client<CodexBackend>) -> Vec<String> {
    let mut tokens = Vec::new();
    for _ in 0..20 {
        tokens.push(used(client).await);
        tokio::time::sleep(MILLISECOND).await;
    }
    tokens.dedup();
    tokens
}

#[tokio::test]
async fn tokens_that_live_shorter_than_the_windows_are_used_and_not_refreshed_for_each_call() {
    for lifetime in [20, 40, 200] {
        let sign_in = SignIn::with_foreign_members(EXPIRED);
        let clock = ManualClock::starting_at(SystemTime::now());
        let client = on(&clock, &sign_in.backend, FileStore::new(sign_in.path()));
        let lifetime = Duration::from_secs(lifetime);
        let first = ending(clock_now(&clock) + lifetime, 1);
        give(&sign_in, [first.clone()]);
        assert_eq!(used_again_and_again(&client).await, [&*first]);
        assert_eq!((sign_in.refreshes().len(), client.auth_health()), (1, AuthHealth::Ready));
        // At their end, or when they have been used for a minute, it is time for others.
        clock.advance(lifetime.min(MINUTE));
        let second = ending(clock_now(&clock) + HOUR, 2);
        give(&sign_in, [second.clone()]);
        guard(async { while used_again_and_again(&client).await.last() != Some(&second) {} }).await;
        assert_eq!(sign_in.refreshes().len(), 2);
    }
}

fn clock_now(clock: &ManualClock) -> SystemTime {
    codex_backend::transport::Clock::now(clock)
}

#[tokio::test]
async fn a_clock_that_is_far_ahead_does_not_cost_a_refresh_token_for_each_call() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    let clock = ManualClock::starting_at(SystemTime::now() + HOUR * 24);
    let client = on(&clock, &sign_in.backend, FileStore::new(sign_in.path()));
    for _ in 0..5 {
        usage(&client).await.unwrap();
    }
    assert_eq!(sign_in.refreshes().len(), 1);
    clock.advance(MINUTE);
    usage(&client).await.unwrap();
    assert_eq!(sign_in.refreshes().len(), 2);
}

#[tokio::test]
async fn a_clock_that_is_set_back_uses_what_it_has() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    let clock = ManualClock::starting_at(SystemTime::now());
    let client = on(&clock, &sign_in.backend, FileStore::new(sign_in.path()));
    clock.advance(HOUR - MINUTE * 4);
    clock.set_now(UNIX_EPOCH);
    usage(&client).await.unwrap();
    assert_eq!((sign_in.refreshes().len(), client.auth_health()), (0, AuthHealth::Ready));
    // The server knows better, and then they are refreshed.
    sign_in.revoke_access_token_in_use();
    usage(&client).await.unwrap();
    assert_eq!(sign_in.refreshes().len(), 1);
}

#[tokio::test]
async fn the_windows_are_those_that_are_documented() {
    let end = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    for (before_end, refreshed) in [(301, false), (300, true), (240, true), (0, true)] {
        let sign_in = SignIn::with_foreign_members(HOUR);
        let mut document = sign_in.document();
        document["tokens"]["access_token"] = json!(ending(end, 0));
        fs::write(sign_in.path(), document.to_string()).unwrap();
        let clock = ManualClock::starting_at(end - Duration::from_secs(before_end));
        let client = on(&clock, &sign_in.backend, FileStore::new(sign_in.path()));
        used_again_and_again(&client).await;
        guard(async {
            while client.auth_health() == AuthHealth::Refreshing {
                tokio::time::sleep(MILLISECOND).await;
            }
        })
        .await;
        assert_eq!(sign_in.refreshes().len(), usize::from(refreshed), "{before_end}");
    }
}

#[tokio::test]
async fn an_end_beyond_all_time_is_no_reason_to_panic() {
    for exp in [json!(u64::MAX), json!(i64::MAX), json!(9_223_372_036_u64), json!(-5), json!(1.5), json!("soon")] {
        let sign_in = SignIn::with_foreign_members(EXPIRED);
        let claims = json!({ "exp": exp, "https://api.openai.com/auth": { "chatgpt_account_id": "acct-1" } });
        give(&sign_in, [jwt(&claims)]);
        let client = client(&sign_in);
        assert_eq!(used(&client).await, jwt(&claims));
        assert_eq!(client.auth_health(), AuthHealth::Ready);
    }
}

// ---- what the token endpoint answers ----

#[tokio::test]
async fn members_that_are_absent_null_or_empty_keep_their_old_values() {
    let new = ending(SystemTime::now() + HOUR, 1);
    let id_token = ending(SystemTime::now() + HOUR, 2);
    for (answered, replaced) in [
        (json!({ "access_token": new }), vec![]),
        (json!({ "access_token": new, "refresh_token": null, "id_token": null }), vec![]),
        (json!({ "access_token": new, "refresh_token": "", "id_token": "" }), vec![]),
        (json!({ "access_token": new, "id_token": id_token, "scope": "x" }), vec![("id_token", &*id_token)]),
        // The official tool would refuse the file.
        (json!({ "access_token": new, "id_token": "no-jwt" }), vec![]),
        (json!({ "access_token": new, "refresh_token": "rt-new" }), vec![("refresh_token", "rt-new")]),
    ] {
        let sign_in = SignIn::with_foreign_members(EXPIRED);
        let mut expected = sign_in.document();
        sign_in.backend.inject(Route::REFRESH_TOKEN, Fault::status(200).body(answered.to_string()));
        assert_eq!(used(&client(&sign_in)).await, new);
        expected["tokens"]["access_token"] = json!(new);
        for (member, value) in replaced {
            expected["tokens"][member] = json!(value);
        }
        let mut document = sign_in.document();
        assert_ne!(document["last_refresh"], expected["last_refresh"]);
        document["last_refresh"] = expected["last_refresh"].clone();
        assert_eq!(document, expected);
    }
}

#[tokio::test]
async fn an_answer_without_an_access_token_is_an_error_and_its_refresh_token_is_kept() {
    for (answered, has_refresh_token) in [
        (json!({}), false),
        (json!({ "access_token": null, "refresh_token": "rt-new" }), true),
        (json!({ "access_token": "", "refresh_token": "rt-new" }), true),
        (json!({ "error": "access_token" }), false),
    ] {
        let sign_in = SignIn::with_foreign_members(EXPIRED);
        let mut expected = sign_in.document();
        if has_refresh_token {
            expected["tokens"]["refresh_token"] = json!("rt-new");
        }
        sign_in.backend.inject(Route::REFRESH_TOKEN, Fault::status(200).body(answered.to_string()));
        let error = usage(&client(&sign_in)).await.unwrap_err();
        assert_eq!(error.auth_error().unwrap().kind(), AuthErrorKind::Permanent, "{answered}");
        assert_eq!((sign_in.document(), sign_in.refreshes().len()), (expected, 1));
    }
}

#[tokio::test]
async fn tokens_that_cannot_tell_their_account_keep_the_one_there_was() {
    // The account was known from the token alone, and the new one does not tell it.
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    let mut document = sign_in.document();
    document["tokens"]["account_id"] = Value::Null;
    document["tokens"]["id_token"] = json!("opaque");
    fs::write(sign_in.path(), document.to_string()).unwrap();
    let client = client(&sign_in);
    give(&sign_in, ["opaque-new".to_owned()]);
    let headers = http::HeaderMap::from(&guard(client.auth_headers()).await.unwrap());
    assert_eq!(headers["chatgpt-account-id"], "acct-1");
    assert_eq!(sign_in.document()["tokens"]["account_id"], "acct-1");
    assert_eq!(kept(&sign_in), "opaque-new");
}

#[tokio::test]
async fn an_account_that_comes_to_light_does_not_lose_the_tokens() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    let mut document = sign_in.document();
    for member in ["id_token", "access_token"] {
        document["tokens"][member] = json!("opaque");
    }
    document["tokens"]["account_id"] = Value::Null;
    fs::write(sign_in.path(), document.to_string()).unwrap();
    let session = ChatGptSession::open(FileStore::new(sign_in.path())).unwrap();
    let client = sign_in.client_of(session.clone());
    assert_eq!(session.account_id(), None);
    // The server does not know that token, which is reason enough to refresh it.
    usage(&client).await.unwrap();
    assert_eq!((session.account_id().as_deref(), sign_in.refreshes().len()), (Some("acct-1"), 1));
}

// ---- stores that do not do as they should ----

/// Something beside the tokens is another each time that it is looked at.
#[derive(Debug)]
struct Restless {
    tokens: Value,
    count: AtomicU64,
}

impl Restless {
    fn now(&self) -> StoredCredentials {
        let mut document = self.tokens.clone();
        document["count"] = json!(self.count.fetch_add(1, Ordering::Relaxed));
        StoredCredentials::from_json(&document.to_string()).unwrap()
    }
}

impl CredentialStore for Restless {
    fn describe(&self) -> String {
        "a restless store".to_owned()
    }

    fn load(&self) -> Result<Option<StoredCredentials>, StoreError> {
        Ok(Some(self.now()))
    }

    fn swap(&self, _: Option<&StoredCredentials>, _: Option<&StoredCredentials>) -> Result<SwapOutcome, StoreError> {
        Ok(SwapOutcome::Changed(Some(self.now())))
    }
}

#[tokio::test]
async fn a_store_that_changes_all_the_time_keeps_no_call_waiting() {
    let backend = Backend::start().unwrap();
    let tokens = serde_json::from_str(&backend.issue_auth_json("acct-1", EXPIRED)).unwrap();
    let store = Arc::new(Restless { tokens, count: AtomicU64::new(0) });
    let client = backend.client().provider(ChatGptSession::open(store.clone()).unwrap()).build().unwrap();
    usage(&client).await.unwrap();
    usage(&client).await.unwrap();
    assert_eq!(backend.requests_to(Route::REFRESH_TOKEN).len(), 1);
    assert!(store.count.load(Ordering::Relaxed) < 100, "it is asked all the time");
}

/// Can be read, and says so too late that it cannot be written.
#[derive(Debug)]
struct Full(MemoryStore);

#[derive(Debug)]
struct FullLease;

impl CredentialStore for Full {
    fn describe(&self) -> String {
        "a full store".to_owned()
    }

    fn load(&self) -> Result<Option<StoredCredentials>, StoreError> {
        self.0.load()
    }

    fn swap(&self, _: Option<&StoredCredentials>, _: Option<&StoredCredentials>) -> Result<SwapOutcome, StoreError> {
        Err(StoreError::new(StoreErrorKind::Unwritable, self.describe(), "there is no room"))
    }

    fn begin_refresh(&self, _: Duration) -> Result<Box<dyn RefreshLease + '_>, StoreError> {
        Ok(Box::new(FullLease))
    }
}

impl RefreshLease for FullLease {
    fn save(&mut self, _: &StoredCredentials, _: &StoredCredentials) -> Result<SwapOutcome, StoreError> {
        Err(StoreError::new(StoreErrorKind::Unwritable, "a full store", "there is no room"))
    }
}

#[tokio::test]
async fn what_a_store_does_not_take_is_used_as_long_as_the_session_lives() {
    let backend = Backend::start().unwrap();
    let credentials = StoredCredentials::from_json(&backend.issue_auth_json("acct-1", EXPIRED)).unwrap();
    let session = ChatGptSession::open(Full(MemoryStore::new(credentials))).unwrap();
    let client = backend.client().provider(session.clone()).build().unwrap();
    usage(&client).await.unwrap();
    // The old ones in the store are not taken for newer ones.
    let refusal = AuthRefusal::new(http::StatusCode::UNAUTHORIZED, client.auth_headers().await.unwrap().generation());
    assert_eq!(guard(client.auth_refused(refusal)).await.unwrap(), AuthRecovery::GiveUp);
    usage(&client).await.unwrap();
    assert_eq!(backend.requests_to(Route::REFRESH_TOKEN).len(), 1);
}

/// Saves nothing while there is no room.
#[derive(Debug)]
struct Outage {
    kept: MemoryStore,
    has_room: AtomicBool,
}

#[derive(Debug)]
struct OutageLease<'a>(&'a Outage);

impl CredentialStore for Outage {
    fn describe(&self) -> String {
        "a store with an outage".to_owned()
    }

    fn load(&self) -> Result<Option<StoredCredentials>, StoreError> {
        self.kept.load()
    }

    fn swap(
        &self,
        expected: Option<&StoredCredentials>,
        new: Option<&StoredCredentials>,
    ) -> Result<SwapOutcome, StoreError> {
        if self.has_room.load(Ordering::Relaxed) {
            return self.kept.swap(expected, new);
        }
        Err(StoreError::new(StoreErrorKind::Unwritable, self.describe(), "there is no room"))
    }

    fn begin_refresh(&self, _: Duration) -> Result<Box<dyn RefreshLease + '_>, StoreError> {
        Ok(Box::new(OutageLease(self)))
    }
}

impl RefreshLease for OutageLease<'_> {
    fn save(&mut self, expected: &StoredCredentials, new: &StoredCredentials) -> Result<SwapOutcome, StoreError> {
        self.0.swap(Some(expected), Some(new))
    }
}

/// A client whose refreshed tokens have not been saved for longer than a refresh has patience.
async fn in_an_outage(backend: &Backend) -> (Arc<Outage>, Client<CodexBackend>) {
    let credentials = StoredCredentials::from_json(&backend.issue_auth_json("acct-1", EXPIRED)).unwrap();
    let store = Arc::new(Outage { kept: MemoryStore::new(credentials), has_room: AtomicBool::new(false) });
    let clock = ManualClock::starting_at(SystemTime::now());
    let client = on(&clock, backend, store.clone());
    usage(&client).await.unwrap();
    assert_eq!(client.auth_health(), AuthHealth::Unsaved);
    clock.advance(Duration::from_secs(61));
    let error = guard(client.settled()).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    for said in ["are not saved in a store with an outage", "there is no room"] {
        assert!(error.to_string().contains(said), "{error}");
    }
    (store, client)
}

#[tokio::test]
async fn an_outage_longer_than_any_patience_loses_nothing_while_the_session_lives() {
    let backend = Backend::start().unwrap();
    let (store, client) = in_an_outage(&backend).await;
    let before = store.load().unwrap();
    usage(&client).await.unwrap();
    assert_eq!(client.auth_health(), AuthHealth::Unsaved);

    store.has_room.store(true, Ordering::Relaxed);
    let mut health = client.watch_auth_health();
    while guard(health.next()).await != Some(AuthHealth::Ready) {}
    guard(client.settled()).await.unwrap();
    assert_ne!(store.load().unwrap(), before);
    assert_eq!(backend.requests_to(Route::REFRESH_TOKEN).len(), 1);
    // What was saved is the newest: it can be used once more.
    let session = ChatGptSession::open(store.clone()).unwrap();
    let token = client.auth_headers().await.unwrap();
    let bearer = token.iter().find(|(name, _)| *name == "authorization").unwrap().1.to_str().unwrap().to_owned();
    backend.revoke_access_token(&bearer.trim_start_matches("Bearer ").into());
    usage(&backend.client().chatgpt(session).build().unwrap()).await.unwrap();
    assert_eq!(backend.requests_to(Route::REFRESH_TOKEN).len(), 2);
}

#[tokio::test]
async fn tokens_that_are_not_saved_are_refreshed_again_with_the_newest_refresh_token() {
    let backend = Backend::start().unwrap();
    let (store, client) = in_an_outage(&backend).await;
    let used = client.auth_headers().await.unwrap().generation();
    store.has_room.store(true, Ordering::Relaxed);
    let refusal = AuthRefusal::new(http::StatusCode::UNAUTHORIZED, used);
    assert_eq!(guard(client.auth_refused(refusal)).await.unwrap(), AuthRecovery::Retry);
    guard(client.settled()).await.unwrap();
    assert_eq!(client.auth_health(), AuthHealth::Ready);
    usage(&client).await.unwrap();
}

#[tokio::test]
async fn what_was_never_saved_is_told_when_the_last_handle_goes() {
    capture_traces();
    let backend = Backend::start().unwrap();
    let (_store, client) = in_an_outage(&backend).await;
    drop(client);
    while !traced().contains("were never saved, and are lost") {
        tokio::time::sleep(MILLISECOND).await;
    }
}

#[test]
fn the_last_handle_may_go_while_a_refresh_is_under_way() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    let before = sign_in.document();
    sign_in.backend.inject(Route::REFRESH_TOKEN, Fault::delay(Duration::from_millis(300)));
    let client = client(&sign_in);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let call = runtime.spawn({
        let usage = client.usage();
        async move { usage.get().await }
    });
    crate::support::sign_in::until("the refresh", || !sign_in.refreshes().is_empty());
    call.abort();
    drop(client);
    runtime.shutdown_background();
    crate::support::sign_in::until("what was refreshed", || sign_in.document() != before);
    crate::support::sign_in::until("the end of the refresh", || sign_in.temporaries().is_empty());
    sign_in.call().unwrap();
    assert_eq!(sign_in.refreshes().len(), 1);
}
