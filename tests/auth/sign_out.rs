//! Signing out: what is forgotten, what is revoked, in which order, and what stays when something fails.
//! Every secret in here holds the word `MARK`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use codex_backend::auth::{
    AuthErrorKind, AuthHealth, AuthSource, AuthSources, CredentialStore, FileStore, ForgottenCredentials, MemoryStore,
    ReauthReason, RevocationOutcome, RevokedToken, SignOut, StoreError, StoreErrorKind, StoredCredentials, SwapOutcome,
};
use codex_backend::mode::Unset;
use codex_backend::testing::{Backend, Fault, ManualClock, RecordedRequest, Route};
use codex_backend::transport::Environment;
use codex_backend::{
    AuthError, ChatGptSession, ChatGptTokens, Client, ClientBuilder, CodexAuth, ConfigError, RetryPolicy,
};
use serde_json::{Value, json};

use crate::support::capture::{assert_debug_hides, assert_error_hides, assert_hidden, capture_traces};
use crate::support::raw::{RawServer, answer};
use crate::support::sign_in::{EXPIRED, HOUR, SignIn, block_on, until};

fn signed_in() -> SignIn {
    capture_traces();
    SignIn::with_foreign_members(HOUR)
}

fn revoke(sign_out: &SignOut, builder: &ClientBuilder<Unset>) -> Result<RevocationOutcome, AuthError> {
    let context = builder.auth_context().unwrap();
    let outcome = block_on(sign_out.revoke(&context));
    match &outcome {
        Ok(revoked) => assert_debug_hides(revoked),
        Err(error) => assert_error_hides(error),
    }
    outcome
}

fn once(backend: &Backend) -> ClientBuilder<Unset> {
    backend.client().retry_policy(RetryPolicy::never())
}

fn revocations(backend: &Backend) -> Vec<Value> {
    backend.requests_to(Route::REVOKE_TOKEN).iter().map(RecordedRequest::json).collect()
}

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    capture_traces();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn text_of(path: impl AsRef<Path>) -> String {
    path.as_ref().to_str().unwrap().to_owned()
}

fn kinds(forgotten: &ForgottenCredentials) -> Vec<StoreErrorKind> {
    forgotten.failed.iter().map(StoreError::kind).collect()
}

/// Of a server that nobody runs.
fn tokens() -> Value {
    json!({
        "auth_mode": "chatgpt",
        "tokens": {
            "id_token": "MARK", "access_token": "MARK-access-token", "refresh_token": "rt_MARK_0123456789",
            "account_id": "acct-1",
        },
    })
}

fn credentials(value: &Value) -> StoredCredentials {
    StoredCredentials::from_json(&value.to_string()).unwrap()
}

// ---- forget ----

#[test]
fn forgetting_empties_every_store_and_tells_no_server() {
    let sign_in = signed_in();
    let memory = Arc::new(MemoryStore::new(credentials(&tokens())));
    let sign_out = SignOut::of(FileStore::new(sign_in.path())).and(memory.clone());
    let forgotten = sign_out.forget();
    assert_eq!(forgotten.removed, [text_of(sign_in.path()), "memory".to_owned()]);
    assert!(forgotten.failed.is_empty());
    assert!(!sign_in.path().exists() && memory.load().unwrap().is_none());
    assert_eq!(sign_in.temporaries(), [""; 0]);
    assert!(sign_in.backend.requests().is_empty());
    // There is no more to forget.
    let again = sign_out.forget();
    assert!(again.removed.is_empty() && again.failed.is_empty());
}

#[test]
fn whoever_holds_the_tokens_goes_on_until_they_are_to_be_refreshed() {
    let sign_in = signed_in();
    let clock = ManualClock::starting_at(SystemTime::now());
    let session = ChatGptSession::open(FileStore::new(sign_in.path())).unwrap();
    let client = sign_in.backend.client().clock(clock.clone()).provider(session).build().unwrap();
    let _forgotten = SignOut::of(FileStore::new(sign_in.path())).forget();
    block_on(client.usage().get().into_future()).unwrap();
    clock.advance(HOUR);
    let error = block_on(client.usage().get().into_future()).unwrap_err();
    assert_eq!(error.auth_error().unwrap().reauth_reason(), Some(ReauthReason::Removed));
    assert!(sign_in.refreshes().is_empty() && !sign_in.path().exists());
}

#[test]
fn a_client_that_still_holds_revoked_tokens_says_so() {
    let sign_in = signed_in();
    let sources = AuthSources::none().and(AuthSource::AuthJson(sign_in.path()));
    block_on(async {
        let auth = sign_in.backend.client().load_auth(&sources).await.unwrap();
        let client = sign_in.backend.client().codex_auth(&auth).unwrap().build().unwrap();
        client.usage().get().await.unwrap();
        auth.revoke(&sign_in.backend.client().auth_context().unwrap()).await.unwrap();
        assert_eq!(client.auth_health(), AuthHealth::ReauthRequired(ReauthReason::Revoked));
        sign_in.backend.inject(Route::GET_USAGE, Fault::unauthorized("token_invalidated").times(9));
        let error = client.usage().get().await.unwrap_err();
        assert_eq!(error.auth_error().unwrap().reauth_reason(), Some(ReauthReason::Revoked), "{error:?}");
    });
    assert!(sign_in.refreshes().is_empty());
}

/// A store that does not do as it is told.
#[derive(Debug)]
enum Stubborn {
    Unreadable,
    Unwritable,
    /// Whoever looks finds something else than the last time.
    Restless(std::sync::atomic::AtomicU64),
}

impl CredentialStore for Stubborn {
    fn describe(&self) -> String {
        "a stubborn store".to_owned()
    }

    fn load(&self) -> Result<Option<StoredCredentials>, StoreError> {
        match self {
            Self::Unreadable => Err(StoreError::new(StoreErrorKind::Unreadable, self.describe(), "it is asleep")),
            Self::Unwritable => Ok(Some(credentials(&tokens()))),
            Self::Restless(count) => {
                let count = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Ok(Some(credentials(&json!({ "OPENAI_API_KEY": "sk-MARK-12345", "count": count }))))
            }
        }
    }

    fn swap(&self, _: Option<&StoredCredentials>, _: Option<&StoredCredentials>) -> Result<SwapOutcome, StoreError> {
        match self {
            Self::Restless(_) => Ok(SwapOutcome::Changed(self.load()?)),
            _ => Err(StoreError::new(StoreErrorKind::Unwritable, self.describe(), "it is full")),
        }
    }
}

#[test]
fn one_store_that_fails_keeps_no_other_from_being_emptied() {
    for (stubborn, kind) in [
        (Stubborn::Unreadable, StoreErrorKind::Unreadable),
        (Stubborn::Unwritable, StoreErrorKind::Unwritable),
        (Stubborn::Restless(0.into()), StoreErrorKind::Locked),
    ] {
        let (folder, last) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::new(credentials(&tokens()))));
        let first = file(&folder, "first.json", r#"{"OPENAI_API_KEY":"sk-MARK-12345"}"#);
        let forgotten = SignOut::of(FileStore::new(&first)).and(stubborn).and(last.clone()).forget();
        assert_eq!(forgotten.removed, [text_of(&first), "memory".to_owned()]);
        assert_eq!(kinds(&forgotten), [kind]);
        assert!(forgotten.failed[0].to_string().contains("a stubborn store"));
        forgotten.failed.iter().for_each(|error| assert_error_hides(error));
        assert_debug_hides(&forgotten);
        assert!(!first.exists() && last.load().unwrap().is_none());
    }
}

#[test]
fn what_is_broken_or_for_reading_only_is_told_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let broken = file(&folder, "broken.json", "{\"MARK");
    let read_only = file(&folder, "read-only.json", &tokens().to_string());
    fs::create_dir(folder.path().join("folder.json")).unwrap();
    let sign_out = SignOut::of(FileStore::new(&broken))
        .and(FileStore::read_only(&read_only))
        .and(FileStore::new(folder.path().join("folder.json")));
    let forgotten = sign_out.forget();
    let expected = [StoreErrorKind::Malformed, StoreErrorKind::ReadOnly, StoreErrorKind::Unreadable];
    assert_eq!((kinds(&forgotten).as_slice(), forgotten.removed.len()), (&expected[..], 0));
    forgotten.failed.iter().for_each(|error| assert_error_hides(error));
    assert_eq!(fs::read_to_string(broken).unwrap(), "{\"MARK");
    assert_eq!(fs::read_to_string(read_only).unwrap(), tokens().to_string());
}

#[test]
fn a_store_that_keeps_nothing_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let sign_out = SignOut::of(FileStore::new(folder.path().join("auth.json")))
        .and(FileStore::read_only(folder.path().join("read-only.json")))
        .and(FileStore::new(missing.join("auth.json")))
        .and(MemoryStore::default());
    let forgotten = sign_out.forget();
    assert!(forgotten.removed.is_empty() && forgotten.failed.is_empty(), "{forgotten:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn behind_a_link_it_is_the_file_that_goes() {
    let folder = tempfile::tempdir().unwrap();
    let target = file(&folder, "real.json", &tokens().to_string());
    let link = folder.path().join("auth.json");
    std::os::unix::fs::symlink("real.json", &link).unwrap();
    assert_eq!(SignOut::of(FileStore::new(&link)).forget().removed, [text_of(&link)]);
    assert!(link.is_symlink() && !target.exists());
}

#[test]
fn a_refresh_under_way_does_not_bring_anything_back() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    sign_in.backend.inject(Route::REFRESH_TOKEN, Fault::delay(Duration::from_millis(400)));
    thread::scope(|scope| {
        let call = scope.spawn(|| sign_in.call());
        until("the refresh", || !sign_in.refreshes().is_empty());
        let forgotten = SignOut::of(FileStore::new(sign_in.path())).forget();
        assert_eq!(forgotten.removed, [text_of(sign_in.path())]);
        // The call has what it needs, since the refresh was finished first.
        call.join().unwrap().unwrap();
    });
    assert!(!sign_in.path().exists());
    assert_eq!((sign_in.refreshes().len(), sign_in.temporaries().len()), (1, 0));
}

// ---- revoke ----

#[test]
fn the_server_is_told_first_and_the_whole_family_ends() {
    let sign_in = signed_in();
    let (before, copy) = (sign_in.document(), sign_in.folder().join("copy.json"));
    fs::copy(sign_in.path(), &copy).unwrap();
    let sign_out = SignOut::of(FileStore::new(sign_in.path()));
    let revoked = revoke(&sign_out, &sign_in.backend.client()).unwrap();
    assert_eq!(revoked.token, RevokedToken::Refresh);
    assert_eq!(
        (revoked.forgotten.removed.as_slice(), revoked.forgotten.failed.len()),
        (&[text_of(sign_in.path())][..], 0)
    );
    assert!(revoked.to_string().contains("every program and machine"), "{revoked}");
    assert!(!sign_in.path().exists());
    let expected = json!({
        "token": before["tokens"]["refresh_token"], "token_type_hint": "refresh_token",
        // Of the client that the record names.
        "client_id": before["tokens"]["oauth_provenance"]["client_id"],
    });
    assert_eq!(revocations(&sign_in.backend), [expected]);
    let request = &sign_in.backend.requests_to(Route::REVOKE_TOKEN)[0];
    assert!(request.header("authorization").is_none() && request.header("cookie").is_none());

    // A copy of the file can no longer be refreshed.
    let clock = ManualClock::starting_at(SystemTime::now() + HOUR);
    let session = ChatGptSession::open(FileStore::new(copy)).unwrap();
    let client = sign_in.backend.client().clock(clock).provider(session).build().unwrap();
    let error = block_on(client.usage().get().into_future()).unwrap_err();
    assert_eq!(error.auth_error().unwrap().reauth_reason(), Some(ReauthReason::Revoked));
}

#[test]
fn without_a_refresh_token_the_access_token_is_revoked() {
    for refresh_token in [Value::Null, json!("")] {
        let sign_in = signed_in();
        let mut document = sign_in.document();
        document["tokens"]["refresh_token"] = refresh_token;
        let access_token = document["tokens"]["access_token"].as_str().unwrap().to_owned();
        fs::write(sign_in.path(), document.to_string()).unwrap();
        let revoked = revoke(&SignOut::of(FileStore::new(sign_in.path())), &sign_in.backend.client()).unwrap();
        assert_eq!(revoked.token, RevokedToken::Access);
        assert!(!revoked.to_string().contains("machine"), "{revoked}");
        let expected = json!({ "token": access_token, "token_type_hint": "access_token" });
        assert_eq!(revocations(&sign_in.backend), [expected]);
        let client = sign_in.backend.client().chatgpt(ChatGptTokens::new(access_token)).build().unwrap();
        assert_eq!(block_on(client.usage().get().into_future()).unwrap_err().code(), Some("token_revoked"));
    }
}

#[test]
fn what_the_server_does_not_confirm_is_not_forgotten() {
    for (fault, transient) in [
        (Fault::status(500).body("oops"), true),
        (Fault::status(429), true),
        (Fault::reset_before_headers(), true),
        (Fault::status(400).body(r#"{"error":"invalid_request"}"#), false),
        (Fault::status(401), false),
        (Fault::redirect_to("http://127.0.0.1:9/oauth/revoke"), false),
    ] {
        let sign_in = signed_in();
        let before = sign_in.document();
        sign_in.backend.inject(Route::REVOKE_TOKEN, fault);
        let error = revoke(&SignOut::of(FileStore::new(sign_in.path())), &once(&sign_in.backend)).unwrap_err();
        assert_eq!((error.is_transient(), error.needs_sign_in()), (transient, false), "{error:?}");
        assert!(error.to_string().contains("have not been forgotten"), "{error}");
        assert_eq!((sign_in.document(), revocations(&sign_in.backend).len()), (before, 1));
        // They still work, and can be revoked.
        sign_in.call().unwrap();
        assert!(revoke(&SignOut::of(FileStore::new(sign_in.path())), &once(&sign_in.backend)).is_ok());
    }
}

#[test]
fn a_failure_that_may_pass_is_tried_again() {
    let sign_in = signed_in();
    sign_in.backend.inject(Route::REVOKE_TOKEN, Fault::status(503));
    let patient = sign_in.backend.client().retry_policy(RetryPolicy::default().base_delay(Duration::from_millis(1)));
    revoke(&SignOut::of(FileStore::new(sign_in.path())), &patient).unwrap();
    assert_eq!(revocations(&sign_in.backend).len(), 2);
}

#[test]
fn revoking_takes_ten_seconds_at_the_most() {
    let sign_in = signed_in();
    sign_in.backend.inject(Route::REVOKE_TOKEN, Fault::stall());
    let clock = ManualClock::starting_at(SystemTime::now());
    let context = sign_in.backend.client().clock(clock.clone()).auth_context().unwrap();
    let sign_out = SignOut::of(FileStore::new(sign_in.path()));
    let error = block_on(async move {
        let revoking = tokio::spawn(async move { sign_out.revoke(&context).await });
        clock.until_asleep_for(Duration::from_secs(10)).await;
        clock.advance(Duration::from_secs(10));
        revoking.await.unwrap().unwrap_err()
    });
    assert!(error.is_transient() && error.to_string().contains("10s"), "{error}");
    assert!(sign_in.path().exists());
}

#[test]
fn other_credentials_can_only_be_forgotten() {
    let backend = Backend::start().unwrap();
    for document in [
        json!({ "OPENAI_API_KEY": "sk-MARK-12345" }),
        json!({ "OPENAI_API_KEY": "sk-MARK-12345", "tokens": tokens()["tokens"] }),
        json!({ "personal_access_token": "at-MARK-12345" }),
        json!({ "auth_mode": "agentIdentity", "agent_identity": "MARK", "tokens": tokens()["tokens"] }),
        json!({ "auth_mode": "bedrockApiKey", "bedrock_api_key": { "api_key": "MARK", "region": "x" } }),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, "auth.json", &document.to_string());
        let sign_out = SignOut::of(FileStore::new(&path));
        let error = revoke(&sign_out, &backend.client()).unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::NotFound, "{document}");
        assert!(path.exists() && error.to_string().contains("only be forgotten"), "{error}");
        assert_eq!(sign_out.forget().removed, [text_of(&path)]);
        assert!(!path.exists());
    }
    assert_eq!(
        revoke(&SignOut::of(MemoryStore::default()), &backend.client()).unwrap_err().kind(),
        AuthErrorKind::NotFound
    );
    assert!(backend.requests().is_empty());
}

#[test]
fn the_first_store_that_holds_tokens_decides_and_all_are_emptied() {
    let sign_in = signed_in();
    let folder = tempfile::tempdir().unwrap();
    let key = file(&folder, "key.json", r#"{"OPENAI_API_KEY":"sk-MARK-12345"}"#);
    let token = sign_in.document()["tokens"]["refresh_token"].clone();
    let sign_out = SignOut::of(MemoryStore::default()).and(FileStore::new(&key)).and(FileStore::new(sign_in.path()));
    let revoked = revoke(&sign_out, &sign_in.backend.client()).unwrap();
    assert_eq!(revocations(&sign_in.backend)[0]["token"], token);
    assert_eq!(revoked.forgotten.removed, [text_of(&key), text_of(sign_in.path())]);
}

#[test]
fn a_store_that_cannot_be_read_ends_it_before_anything_is_sent() {
    let sign_in = signed_in();
    let folder = tempfile::tempdir().unwrap();
    let broken = file(&folder, "broken.json", "{\"MARK");
    let unknown = file(&folder, "unknown.json", r#"{"auth_mode":"MARK"}"#);
    let incomplete = file(&folder, "incomplete.json", r#"{"auth_mode":"chatgpt","tokens":{"access_token":""}}"#);
    for path in [broken, unknown, incomplete] {
        let sign_out = SignOut::of(FileStore::new(&path)).and(FileStore::new(sign_in.path()));
        let error = revoke(&sign_out, &sign_in.backend.client()).unwrap_err();
        assert_ne!(error.kind(), AuthErrorKind::NotFound, "{error}");
        assert!(path.exists() && sign_in.path().exists());
    }
    assert!(sign_in.backend.requests().is_empty());
}

#[test]
fn tokens_of_a_view_for_reading_only_are_revoked_and_stay() {
    let sign_in = signed_in();
    let revoked = revoke(&SignOut::of(FileStore::read_only(sign_in.path())), &sign_in.backend.client()).unwrap();
    assert_eq!(kinds(&revoked.forgotten), [StoreErrorKind::ReadOnly]);
    assert!(revoked.forgotten.removed.is_empty() && sign_in.path().exists());
    assert_eq!(revocations(&sign_in.backend).len(), 1);
}

#[test]
fn a_refresh_under_way_is_revoked_with_the_rest() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    sign_in.backend.inject(Route::REFRESH_TOKEN, Fault::delay(Duration::from_millis(400)));
    thread::scope(|scope| {
        let call = scope.spawn(|| sign_in.call());
        until("the refresh", || !sign_in.refreshes().is_empty());
        let revoked = revoke(&SignOut::of(FileStore::new(sign_in.path())), &sign_in.backend.client()).unwrap();
        assert!(revoked.forgotten.failed.is_empty());
        // Which of the two the server hears first is not for us to say.
        let _either = call.join().unwrap();
    });
    assert!(!sign_in.path().exists());
    assert_eq!(sign_in.temporaries(), [""; 0]);
}

// ---- where ----

/// Notes what it is asked, and is content with everything.
fn service() -> RawServer {
    RawServer::start(|_| answer("HTTP/1.1 200 OK", "{}"))
}

fn lines(server: &RawServer) -> Vec<String> {
    server.requests().into_iter().map(|request| request.line).collect()
}

#[test]
fn the_environment_says_where_tokens_are_revoked() {
    capture_traces();
    let (token_service, revoke_service) = (service(), service());
    let token_url = format!("{}/oauth/token?unified=true", token_service.origin());
    let revoke_url = format!("{}/somewhere/else?x=1", revoke_service.origin());
    let (token, revocation) = ("CODEX_REFRESH_TOKEN_URL_OVERRIDE", "CODEX_REVOKE_TOKEN_URL_OVERRIDE");
    for (vars, expected) in [
        // Without one of its own, beside the one for refreshes: another path, and no query.
        (vec![(token, &token_url)], (vec!["POST /oauth/revoke HTTP/1.1"], vec![])),
        (vec![(revocation, &revoke_url)], (vec![], vec!["POST /somewhere/else?x=1 HTTP/1.1"])),
        (vec![(token, &token_url), (revocation, &revoke_url)], (vec![], vec!["POST /somewhere/else?x=1 HTTP/1.1"])),
    ] {
        let sign_in = signed_in();
        let refresh_token = sign_in.document()["tokens"]["refresh_token"].clone();
        let before = (token_service.requests().len(), revoke_service.requests().len());
        let builder = sign_in.backend.client().environment(Environment::from_vars(vars));
        revoke(&SignOut::of(FileStore::new(sign_in.path())), &builder).unwrap();
        let sent = (lines(&token_service).split_off(before.0), lines(&revoke_service).split_off(before.1));
        assert_eq!(
            sent,
            (expected.0.into_iter().map(str::to_owned).collect(), expected.1.into_iter().map(str::to_owned).collect())
        );
        assert!(sign_in.backend.requests().is_empty() && !sign_in.path().exists());
        let requests = [token_service.requests(), revoke_service.requests()].concat();
        let bodies = requests.iter().map(|request| serde_json::from_slice::<Value>(&request.body).unwrap());
        assert!(bodies.into_iter().any(|body| body["token"] == refresh_token));
    }
}

#[test]
fn code_says_it_louder_than_the_environment() {
    let sign_in = signed_in();
    let (in_code, in_environment) = (service(), service());
    let vars = [
        ("CODEX_REFRESH_TOKEN_URL_OVERRIDE", format!("{}/oauth/token", in_environment.origin())),
        ("CODEX_REVOKE_TOKEN_URL_OVERRIDE", format!("{}/oauth/revoke", in_environment.origin())),
    ];
    let builder = sign_in.backend.client().environment(Environment::from_vars(vars));
    let builder = builder.token_url(format!("{}/token", in_code.origin()));
    revoke(&SignOut::of(FileStore::new(sign_in.path())), &builder).unwrap();
    assert_eq!(lines(&in_code), ["POST /oauth/revoke HTTP/1.1"]);
    assert!(in_environment.requests().is_empty() && sign_in.backend.requests().is_empty());
}

#[test]
fn the_environment_sends_no_token_to_a_foreign_host() {
    for variable in ["CODEX_REFRESH_TOKEN_URL_OVERRIDE", "CODEX_REVOKE_TOKEN_URL_OVERRIDE"] {
        for url in ["https://evil.test/oauth/revoke", "https://auth.openai.com.evil.test/", "http://auth.openai.com/"] {
            let builder = Client::builder().environment(Environment::from_vars([(variable, url)]));
            let error = builder.auth_context().unwrap_err();
            assert!(
                matches!(&error, ConfigError::UntrustedAuthOrigin { setting, .. } if *setting == variable),
                "{error}"
            );
        }
    }
}

// ---- credentials found at run time ----

#[test]
fn credentials_that_were_found_know_their_store() {
    let sign_in = signed_in();
    let sources = |source| AuthSources::none().and(source).environment(Environment::empty());
    let load = |source| block_on(sign_in.backend.client().load_auth(&sources(source))).unwrap();
    let auth = load(AuthSource::AuthJson(sign_in.path()));
    let revoked = block_on(auth.revoke(&sign_in.backend.client().auth_context().unwrap())).unwrap();
    assert_eq!(revoked.forgotten.removed, [text_of(sign_in.path())]);
    assert_eq!(revocations(&sign_in.backend).len(), 1);

    fs::write(sign_in.path(), r#"{"OPENAI_API_KEY":"sk-MARK-12345"}"#).unwrap();
    let read_only = load(AuthSource::ReadOnlyAuthJson(sign_in.path())).forget();
    assert_eq!((kinds(&read_only), sign_in.path().exists()), (vec![StoreErrorKind::ReadOnly], true));
    assert_eq!(load(AuthSource::AuthJson(sign_in.path())).forget().removed, [text_of(sign_in.path())]);
    assert!(!sign_in.path().exists());
}

#[test]
fn credentials_of_the_environment_are_in_no_store() {
    let backend = Backend::start().unwrap();
    let environment = Environment::from_vars([("CODEX_API_KEY", "sk-MARK-12345")]);
    let auth = block_on(CodexAuth::load(&AuthSources::default().environment(environment))).unwrap();
    let forgotten = auth.forget();
    assert!(forgotten.removed.is_empty() && forgotten.failed.is_empty());
    let error = block_on(auth.revoke(&backend.client().auth_context().unwrap())).unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::NotFound);
    assert_hidden(&format!("{error} {error:?}"));
    assert!(backend.requests().is_empty());
}
