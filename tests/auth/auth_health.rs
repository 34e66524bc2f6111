//! How a client's credentials are: asked for, and watched.

use std::fs;
use std::time::{Duration, SystemTime};

use codex_backend::auth::{AuthContext, AuthFuture, AuthHeaders, AuthHealth, BearerCommand, FileStore, ReauthReason};
use codex_backend::testing::{Backend, Fault, ManualClock, Route};
use codex_backend::{AuthError, AuthProvider, ChatGptSession, Client, CodexBackend};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde_json::{Value, json};

use crate::support::guard::guard;
use crate::support::sign_in::{EXPIRED, HOUR, SignIn, replace_without_locks};

const WINDOW: Duration = Duration::from_secs(300);
const EIGHT_DAYS: Duration = Duration::from_secs(8 * 24 * 60 * 60);
const MILLISECOND: Duration = Duration::from_millis(1);

fn client(sign_in: &SignIn, clock: &ManualClock) -> Client<CodexBackend> {
    client_of(sign_in, FileStore::new(sign_in.path()), clock)
}

fn client_of(sign_in: &SignIn, store: FileStore, clock: &ManualClock) -> Client<CodexBackend> {
    let session = ChatGptSession::open(store).unwrap();
    sign_in.backend.client().clock(clock.clone()).provider(session).build().unwrap()
}

/// A clock that shows when the token in the file ends, less this.
fn before_end(sign_in: &SignIn, left: Duration) -> ManualClock {
    let session = ChatGptSession::open(FileStore::new(sign_in.path())).unwrap();
    ManualClock::starting_at(session.expires_at().unwrap() - left)
}

async fn usage(client: &Client<CodexBackend>) -> Result<(), codex_backend::Error> {
    guard(client.usage().get()).await.map(drop)
}

async fn until(client: &Client<CodexBackend>, expected: AuthHealth) {
    guard(async {
        while client.auth_health() != expected {
            tokio::time::sleep(MILLISECOND).await;
        }
    })
    .await;
}

async fn next(watch: &mut BoxStream<'static, AuthHealth>) -> AuthHealth {
    guard(watch.next()).await.unwrap()
}

/// Nothing has changed for whoever watches.
async fn is_quiet(watch: &mut BoxStream<'static, AuthHealth>) -> bool {
    for _ in 0..100 {
        tokio::task::yield_now().await;
        if futures_util::poll!(watch.next()).is_ready() {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn the_advisory_window_begins_five_minutes_before_the_end() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    for (left, expected) in [
        (HOUR, AuthHealth::Ready),
        (WINDOW + MILLISECOND, AuthHealth::Ready),
        (WINDOW, AuthHealth::Expiring),
        (Duration::from_secs(30), AuthHealth::Expiring),
        (Duration::ZERO, AuthHealth::Expiring),
    ] {
        let clock = before_end(&sign_in, left);
        assert_eq!(client(&sign_in, &clock).auth_health(), expected, "{left:?}");
    }
    let clock = before_end(&sign_in, Duration::ZERO);
    clock.advance(HOUR);
    assert_eq!(client(&sign_in, &clock).auth_health(), AuthHealth::Expiring);
    assert!(sign_in.backend.requests().is_empty(), "to ask makes no request");
}

#[tokio::test]
async fn a_token_that_does_not_tell_its_end_is_old_after_eight_days() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    let mut document = sign_in.document();
    document["tokens"]["access_token"] = json!("opaque");
    document["tokens"]["id_token"] = json!("opaque");
    document["last_refresh"] = json!("2026-04-23T00:00:00.5Z");
    fs::write(sign_in.path(), document.to_string()).unwrap();
    let last_refresh = SystemTime::UNIX_EPOCH + Duration::from_millis(1_776_902_400_500);
    for (age, expected) in [
        (EIGHT_DAYS - MILLISECOND, AuthHealth::Ready),
        (EIGHT_DAYS, AuthHealth::Expiring),
        (Duration::ZERO, AuthHealth::Ready),
    ] {
        let clock = ManualClock::starting_at(last_refresh + age);
        assert_eq!(client(&sign_in, &clock).auth_health(), expected, "{age:?}");
    }
    // Nor does it tell how old it is.
    document["last_refresh"] = Value::Null;
    fs::write(sign_in.path(), document.to_string()).unwrap();
    let clock = ManualClock::starting_at(last_refresh + EIGHT_DAYS * 100);
    assert_eq!(client(&sign_in, &clock).auth_health(), AuthHealth::Ready);
}

#[tokio::test]
async fn a_refresh_is_seen_from_its_beginning_to_its_end() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    sign_in.backend.inject(Route::REFRESH_TOKEN, Fault::delay(Duration::from_millis(300)));
    let client = sign_in.client_of(ChatGptSession::open(FileStore::new(sign_in.path())).unwrap());
    let mut watch = client.watch_auth_health();
    assert_eq!(next(&mut watch).await, AuthHealth::Expiring);
    assert!(is_quiet(&mut watch).await);
    let call = tokio::spawn({
        let client = client.clone();
        async move { usage(&client).await }
    });
    assert_eq!(next(&mut watch).await, AuthHealth::Refreshing);
    assert_eq!(client.auth_health(), AuthHealth::Refreshing);
    assert_eq!(next(&mut watch).await, AuthHealth::Ready);
    guard(call).await.unwrap().unwrap();
    assert!(is_quiet(&mut watch).await);
    assert_eq!((client.auth_health(), sign_in.refreshes().len()), (AuthHealth::Ready, 1));
}

#[tokio::test]
async fn whoever_watches_learns_that_a_window_begins() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    let clock = before_end(&sign_in, HOUR);
    let client = client(&sign_in, &clock);
    let mut watch = client.watch_auth_health();
    assert_eq!(next(&mut watch).await, AuthHealth::Ready);
    assert!(is_quiet(&mut watch).await);
    clock.advance(HOUR - WINDOW - MILLISECOND);
    assert!(is_quiet(&mut watch).await);
    clock.advance(MILLISECOND);
    assert_eq!(next(&mut watch).await, AuthHealth::Expiring);
    // At the very moment at which it begins, too, there is no more to say.
    assert!(is_quiet(&mut watch).await);
    // A clock that is set back makes the token look young.
    clock.set_now(SystemTime::UNIX_EPOCH);
    assert_eq!(client.auth_health(), AuthHealth::Ready);
}

#[tokio::test]
async fn a_watcher_that_comes_late_is_told_what_is_and_not_what_was() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    let client = sign_in.client_of(ChatGptSession::open(FileStore::new(sign_in.path())).unwrap());
    let mut early = client.watch_auth_health();
    usage(&client).await.unwrap();
    let mut late = client.watch_auth_health();
    for watch in [&mut early, &mut late] {
        assert_eq!(next(watch).await, AuthHealth::Ready);
        assert!(is_quiet(watch).await);
    }
}

#[tokio::test]
async fn it_is_told_why_the_user_has_to_sign_in() {
    for (code, reason) in [
        ("refresh_token_reused", ReauthReason::Reused),
        ("refresh_token_expired", ReauthReason::Expired),
        ("refresh_token_invalidated", ReauthReason::Revoked),
        ("REFRESH_TOKEN_EXPIRED", ReauthReason::Expired),
        ("invalid_grant", ReauthReason::NotAccepted),
    ] {
        let sign_in = SignIn::with_foreign_members(EXPIRED);
        let body = json!({ "error": { "code": code } }).to_string();
        sign_in.backend.inject(Route::REFRESH_TOKEN, Fault::status(400).body(body));
        let client = sign_in.client_of(ChatGptSession::open(FileStore::new(sign_in.path())).unwrap());
        let mut watch = client.watch_auth_health();
        assert_eq!(next(&mut watch).await, AuthHealth::Expiring);
        let error = usage(&client).await.unwrap_err();
        assert_eq!(error.auth_error().unwrap().reauth_reason(), Some(reason), "{code}");
        assert_eq!(client.auth_health(), AuthHealth::ReauthRequired(reason));
        assert_eq!(next(&mut watch).await, AuthHealth::ReauthRequired(reason));
        assert!(is_quiet(&mut watch).await);

        // A new sign-in is taken over from the store, and mends it.
        replace_without_locks(&sign_in.path(), &sign_in.backend.issue_auth_json("acct-1", HOUR));
        usage(&client).await.unwrap();
        assert_eq!((client.auth_health(), next(&mut watch).await), (AuthHealth::Ready, AuthHealth::Ready));
        assert_eq!(sign_in.refreshes().len(), 1);
    }
}

#[tokio::test]
async fn the_server_itself_tells_reuse_and_revocation() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    let copy = sign_in.document();
    let refreshes = || sign_in.client_of(ChatGptSession::open(FileStore::new(sign_in.path())).unwrap());
    usage(&refreshes()).await.unwrap();
    // As a machine does that has a copy of the file.
    replace_without_locks(&sign_in.path(), &copy.to_string());
    let second = refreshes();
    usage(&second).await.unwrap_err();
    assert_eq!(second.auth_health(), AuthHealth::ReauthRequired(ReauthReason::Reused));

    let sign_in = SignIn::with_foreign_members(EXPIRED);
    let client = sign_in.client_of(ChatGptSession::open(FileStore::new(sign_in.path())).unwrap());
    let context = sign_in.backend.client().auth_context().unwrap();
    let copy = sign_in.folder().join("copy.json");
    fs::copy(sign_in.path(), &copy).unwrap();
    guard(codex_backend::auth::SignOut::of(FileStore::new(copy)).revoke(&context)).await.unwrap();
    usage(&client).await.unwrap_err();
    assert_eq!(client.auth_health(), AuthHealth::ReauthRequired(ReauthReason::Revoked));
}

#[tokio::test]
async fn without_a_refresh_token_or_a_file_there_is_no_refresh() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    let mut document = sign_in.document();
    document["tokens"]["refresh_token"] = json!("");
    fs::write(sign_in.path(), document.to_string()).unwrap();
    let client = sign_in.client_of(ChatGptSession::open(FileStore::new(sign_in.path())).unwrap());
    assert_eq!(client.auth_health(), AuthHealth::Expiring);
    usage(&client).await.unwrap_err();
    assert_eq!(client.auth_health(), AuthHealth::ReauthRequired(ReauthReason::NoRefreshToken));

    let sign_in = SignIn::with_foreign_members(EXPIRED);
    let client = sign_in.client_of(ChatGptSession::open(FileStore::new(sign_in.path())).unwrap());
    fs::remove_file(sign_in.path()).unwrap();
    usage(&client).await.unwrap_err();
    assert_eq!(client.auth_health(), AuthHealth::ReauthRequired(ReauthReason::Removed));
    assert!(sign_in.refreshes().is_empty());
}

#[tokio::test]
async fn a_sign_in_that_was_removed_is_noticed_by_a_401_too() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    let client = sign_in.client_of(ChatGptSession::open(FileStore::new(sign_in.path())).unwrap());
    let kept = sign_in.document();
    fs::remove_file(sign_in.path()).unwrap();
    sign_in.backend.inject(Route::GET_USAGE, Fault::unauthorized("token_revoked"));
    let error = usage(&client).await.unwrap_err();
    assert_eq!(error.auth_error().unwrap().reauth_reason(), Some(ReauthReason::Removed));
    assert_eq!(client.auth_health(), AuthHealth::ReauthRequired(ReauthReason::Removed));
    // It may come back, and was not the worse for it.
    fs::write(sign_in.path(), kept.to_string()).unwrap();
    sign_in.backend.inject(Route::GET_USAGE, Fault::unauthorized("token_revoked"));
    usage(&client).await.unwrap();
    assert_eq!((client.auth_health(), sign_in.refreshes().len()), (AuthHealth::Ready, 1));
}

#[tokio::test]
async fn a_failure_that_may_pass_leaves_them_expiring() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    sign_in.backend.inject(Route::REFRESH_TOKEN, Fault::status(503));
    let client = sign_in.client_of(ChatGptSession::open(FileStore::new(sign_in.path())).unwrap());
    let mut watch = client.watch_auth_health();
    assert_eq!(next(&mut watch).await, AuthHealth::Expiring);
    usage(&client).await.unwrap_err();
    assert_eq!(client.auth_health(), AuthHealth::Expiring);
    usage(&client).await.unwrap();
    assert_eq!(client.auth_health(), AuthHealth::Ready);
    guard(async { while watch.next().await != Some(AuthHealth::Ready) {} }).await;
}

#[tokio::test]
async fn a_background_refresh_makes_them_ready_without_a_caller_that_waits() {
    let sign_in = SignIn::with_foreign_members(Duration::from_secs(200));
    let client = sign_in.client_of(ChatGptSession::open(FileStore::new(sign_in.path())).unwrap());
    assert_eq!(client.auth_health(), AuthHealth::Expiring);
    usage(&client).await.unwrap();
    until(&client, AuthHealth::Ready).await;
    assert_eq!(sign_in.refreshes().len(), 1);
}

#[tokio::test]
async fn what_another_process_saved_makes_them_ready_as_soon_as_it_is_taken_over() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    let client = sign_in.client_of(ChatGptSession::open(FileStore::new(sign_in.path())).unwrap());
    let mut watch = client.watch_auth_health();
    assert_eq!(next(&mut watch).await, AuthHealth::Expiring);
    replace_without_locks(&sign_in.path(), &sign_in.backend.issue_auth_json("acct-1", HOUR));
    usage(&client).await.unwrap();
    assert_eq!(client.auth_health(), AuthHealth::Ready);
    guard(async { while watch.next().await != Some(AuthHealth::Ready) {} }).await;
    assert!(sign_in.refreshes().is_empty());
}

#[tokio::test]
async fn a_view_for_reading_only_is_as_its_file_is() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    let clock = ManualClock::starting_at(SystemTime::now());
    let client = client_of(&sign_in, FileStore::read_only(sign_in.path()), &clock);
    assert_eq!(client.auth_health(), AuthHealth::Expiring);
    usage(&client).await.unwrap_err();
    assert_eq!(client.auth_health(), AuthHealth::Expiring);
    replace_without_locks(&sign_in.path(), &sign_in.backend.issue_auth_json("acct-1", HOUR));
    usage(&client).await.unwrap();
    assert_eq!(client.auth_health(), AuthHealth::Ready);
}

#[tokio::test]
async fn clones_of_a_session_are_watched_as_one() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    let session = ChatGptSession::open(FileStore::new(sign_in.path())).unwrap();
    let (mine, theirs) = (sign_in.client_of(session.clone()), sign_in.client_of(session));
    let mut watch = theirs.watch_auth_health();
    assert_eq!(next(&mut watch).await, AuthHealth::Expiring);
    usage(&mine).await.unwrap();
    guard(async { while watch.next().await != Some(AuthHealth::Ready) {} }).await;
    assert_eq!(theirs.auth_health(), AuthHealth::Ready);
    // The stream holds what it needs.
    drop((mine, theirs));
    assert!(is_quiet(&mut watch).await);
}

#[tokio::test]
async fn credentials_that_cannot_tell_are_ready_and_stay_so() {
    let backend = Backend::start().unwrap();
    let held = backend.client().chatgpt(backend.chatgpt_tokens()).build().unwrap();
    let key = backend.client().api_key(backend.api_key()).build().unwrap();
    let command = backend.client().provider(BearerCommand::new("no-such-program")).build().unwrap();
    assert_eq!([held.auth_health(), key.auth_health(), command.auth_health()], [AuthHealth::Ready; 3]);
    for mut watch in [held.watch_auth_health(), key.watch_auth_health(), command.watch_auth_health()] {
        assert_eq!(next(&mut watch).await, AuthHealth::Ready);
        assert!(is_quiet(&mut watch).await);
    }
}

#[tokio::test]
async fn a_provider_of_the_applications_own_can_tell() {
    struct Own(tokio::sync::watch::Receiver<AuthHealth>);
    impl AuthProvider for Own {
        type Route = CodexBackend;
        fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
            AuthFuture::ready(AuthHeaders::new(0).with_bearer(&"token".into()))
        }
        fn health(&self, _: &AuthContext) -> AuthHealth {
            *self.0.borrow()
        }
        fn health_after<'a>(&'a self, seen: AuthHealth, _: &'a AuthContext) -> AuthFuture<'a, AuthHealth> {
            let mut changes = self.0.clone();
            AuthFuture::boxed(async move {
                let changed = changes.wait_for(|health| *health != seen).await;
                changed.map(|health| *health).map_err(|_| AuthError::permanent("nobody tells any more"))
            })
        }
    }
    let (tell, told) = tokio::sync::watch::channel(AuthHealth::Ready);
    let client = Backend::start().unwrap().client().provider(std::sync::Arc::new(Own(told))).build().unwrap();
    let mut watch = client.watch_auth_health();
    assert_eq!(next(&mut watch).await, AuthHealth::Ready);
    for health in [AuthHealth::Refreshing, AuthHealth::ReauthRequired(ReauthReason::Other), AuthHealth::Ready] {
        tell.send(health).unwrap();
        assert_eq!((next(&mut watch).await, client.auth_health()), (health, health));
    }
    drop(tell);
    assert_eq!(guard(watch.next()).await, None);
}
