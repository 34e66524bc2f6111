//! The identity of a workload: exchanged, kept, exchanged again, and always for the same subject. Every secret in here
//! holds the word `MARK`.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use codex_backend::auth::{
    AuthErrorKind, AuthMode, AuthRecovery, AuthRefusal, AuthSources, CredentialRestrictions, ReauthReason,
    SignInMethod, WorkloadIdentity,
};
use codex_backend::limits::PlanType;
use codex_backend::mode::Unset;
use codex_backend::testing::{Backend, Fault, ManualClock, Route};
use codex_backend::transport::Environment;
use codex_backend::{AuthError, Client, ClientBuilder, CodexBackend, Error, OpenAiFileUpload, RetryPolicy};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::capture::{assert_debug_hides, assert_error_hides, capture_traces};
use crate::support::guard::guard;
use crate::support::raw::{RawRequest, RawServer, answer};

const HOUR: Duration = Duration::from_secs(3600);
const WINDOW: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_secs(30);
const MILLISECOND: Duration = Duration::from_millis(1);

/// The file in which a platform keeps the identity token.
struct TokenFile {
    folder: tempfile::TempDir,
}

impl TokenFile {
    fn holding(text: impl AsRef<[u8]>) -> Self {
        capture_traces();
        let file = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(file.path(), text).unwrap();
        file
    }

    fn of(backend: &Backend) -> Self {
        Self::holding(format!("\n {} \n", backend.issue_workload_identity("rule-1", "acct-1")))
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    fn identity(&self) -> WorkloadIdentity {
        WorkloadIdentity::new(" rule-1 ", self.path()).unwrap()
    }
}

fn once(backend: &Backend) -> ClientBuilder<Unset> {
    backend.client().retry_policy(RetryPolicy::never())
}

async fn usage(client: &Client<CodexBackend>) -> Result<(), Error> {
    let outcome = guard(client.usage().get()).await.map(drop);
    if let Err(error) = &outcome {
        assert_error_hides(error);
        error.auth_error().into_iter().for_each(|error| assert_error_hides(error));
    }
    outcome
}

fn auth_error(outcome: Result<(), Error>) -> AuthError {
    outcome.unwrap_err().auth_error().unwrap().clone()
}

fn exchanges(backend: &Backend) -> usize {
    backend.requests_to(Route::EXCHANGE_IDENTITY).len()
}

/// Until so many requests have come.
async fn until_exchanged(backend: &Backend, count: usize) {
    guard(async {
        while exchanges(backend) < count {
            tokio::time::sleep(MILLISECOND).await;
        }
    })
    .await;
}

async fn generation(client: &Client<CodexBackend>) -> u64 {
    guard(client.auth_headers()).await.unwrap().generation()
}

#[tokio::test]
async fn it_is_exchanged_once_and_opens_every_endpoint() {
    let backend = Backend::start().unwrap();
    let assertion = backend.issue_workload_identity("rule-1", "acct-1");
    let file = TokenFile::holding(&assertion);
    let client = backend.client().provider(file.identity()).build().unwrap();
    assert_eq!(exchanges(&backend), 0, "nothing is sent before the first request");
    usage(&client).await.unwrap();
    guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await.unwrap();
    let sent = backend.requests_to(Route::EXCHANGE_IDENTITY);
    assert_eq!(sent.len(), 1);
    let form: HashMap<String, String> = url::form_urlencoded::parse(&sent[0].body).into_owned().collect();
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", &assertion),
        ("federation_rule_id", "rule-1"),
    ];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert!(sent[0].header("authorization").is_none() && sent[0].header("cookie").is_none());
    assert_eq!(backend.requests_to(Route::GET_USAGE)[0].header("chatgpt-account-id"), Some("acct-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_calls_exchange_once() {
    let backend = Backend::start().unwrap();
    let file = TokenFile::of(&backend);
    let identity = file.identity();
    let clients = [0, 1].map(|_| once(&backend).provider(identity.clone()).build().unwrap());
    backend.inject(Route::EXCHANGE_IDENTITY, Fault::delay(Duration::from_millis(300)));
    let callers: Vec<_> = (0..60)
        .map(|number| {
            let client = clients[number % 2].clone();
            tokio::spawn(async move { usage(&client).await })
        })
        .collect();
    for caller in callers {
        guard(caller).await.unwrap().unwrap();
    }
    assert_eq!(exchanges(&backend), 1);
}

#[tokio::test]
async fn a_failure_is_shared_and_does_not_poison_what_follows() {
    let backend = Backend::start().unwrap();
    let file = TokenFile::of(&backend);
    let client = once(&backend).provider(file.identity()).build().unwrap();
    backend.inject(Route::EXCHANGE_IDENTITY, Fault::status(503).body("MARK"));
    let outcomes = futures_util::future::join_all((0..20).map(|_| client.auth_headers())).await;
    for outcome in outcomes {
        assert!(outcome.unwrap_err().is_transient());
    }
    assert_eq!(exchanges(&backend), 1);
    usage(&client).await.unwrap();
    assert_eq!(exchanges(&backend), 2);
}

#[tokio::test]
async fn a_failure_that_may_pass_is_tried_again_at_once() {
    for fault in [Fault::status(500), Fault::reset_before_headers(), Fault::reset_in_body(), Fault::status(429)] {
        let backend = Backend::start().unwrap();
        let file = TokenFile::of(&backend);
        backend.inject(Route::EXCHANGE_IDENTITY, fault);
        let policy = RetryPolicy::default().base_delay(MILLISECOND);
        let client = backend.client().retry_policy(policy).provider(file.identity()).build().unwrap();
        usage(&client).await.unwrap();
        assert_eq!(exchanges(&backend), 2);
    }
}

#[tokio::test]
async fn after_a_401_it_is_exchanged_again_and_generations_count() {
    let backend = Backend::start().unwrap();
    let file = TokenFile::of(&backend);
    let client = backend.client().provider(file.identity()).build().unwrap();
    usage(&client).await.unwrap();
    assert_eq!(generation(&client).await, 0);
    backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired"));
    usage(&client).await.unwrap();
    assert_eq!((generation(&client).await, exchanges(&backend)), (1, 2));
    // Many that were refused with the same token, some of them late, cost one exchange.
    let refusals = (0..20).map(|_| client.auth_refused(AuthRefusal::new(StatusCode::UNAUTHORIZED, 1)));
    for recovery in guard(futures_util::future::join_all(refusals)).await {
        assert_eq!(recovery.unwrap(), AuthRecovery::Retry);
    }
    client.auth_refused(AuthRefusal::new(StatusCode::UNAUTHORIZED, 0)).await.unwrap();
    assert_eq!((generation(&client).await, exchanges(&backend)), (2, 3));
    // A token that was refused is not used on because the exchange fails.
    backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired"));
    backend.inject(Route::EXCHANGE_IDENTITY, Fault::status(400).body(r#"{"error":"invalid_grant"}"#));
    let error = auth_error(usage(&client).await);
    assert_eq!(error.reauth_reason(), Some(ReauthReason::NotAccepted));
    usage(&client).await.unwrap();
}

#[tokio::test]
async fn refused_three_times_it_gives_up() {
    let backend = Backend::start().unwrap();
    let file = TokenFile::of(&backend);
    let client = backend.client().provider(file.identity()).build().unwrap();
    backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired").times(3));
    assert_eq!(auth_error(usage(&client).await).reauth_reason(), Some(ReauthReason::RefusedAgain));
    assert_eq!((backend.requests_to(Route::GET_USAGE).len(), exchanges(&backend)), (3, 3));
}

// ---- a service of which the test says what it answers ----

/// Answers exchanges with what `exchanged` makes of their number, and everything else with an empty object.
fn service(exchanged: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static) -> RawServer {
    let count = Mutex::new(0);
    RawServer::start(move |request| {
        if !is_exchange(request) {
            return answer("HTTP/1.1 200 OK", "{}");
        }
        let mut count = count.lock().unwrap();
        *count += 1;
        exchanged(*count - 1)
    })
}

fn is_exchange(request: &RawRequest) -> bool {
    request.line.starts_with("POST /oauth/token ")
}

fn asked(server: &RawServer) -> usize {
    server.requests().iter().filter(|request| is_exchange(request)).count()
}

fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    answer("HTTP/1.1 200 OK\ncontent-type: application/json", body)
}

fn exchanged() -> Value {
    json!({
        "access_token": "MARK-access-token",
        "token_type": "bEARER",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "expires_in": "3600",
        "scope": "codex",
        "user_id": "user-1",
        "chatgpt_account_id": "acct-1",
        "chatgpt_account_user_id": "user-1__acct-1",
    })
}

fn with(members: &Value) -> Value {
    let mut body = exchanged();
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

fn jwt(auth: &Value) -> String {
    let claims = json!({ "https://api.openai.com/auth": auth });
    format!("e30.{}.MARK-signature", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn client_of(server: &RawServer, identity: WorkloadIdentity) -> ClientBuilder<CodexBackend> {
    let builder = Client::builder().codex_base_url(server.codex_base_url()).environment(Environment::empty());
    builder.retry_policy(RetryPolicy::never()).provider(identity)
}

/// The error of a first call, when the exchange is answered so.
async fn refused_when(body: &Value) -> AuthError {
    let (text, file) = (body.to_string(), TokenFile::holding("MARK-assertion"));
    let server = service(move |_| ok(&text));
    let client = client_of(&server, file.identity()).build().unwrap();
    let error = auth_error(usage(&client).await);
    assert_eq!((asked(&server), server.requests().len()), (1, 1), "{body}");
    error
}

#[tokio::test]
async fn an_answer_that_is_incomplete_or_wrong_is_an_error() {
    for member in [
        "access_token",
        "token_type",
        "issued_token_type",
        "expires_in",
        "user_id",
        "chatgpt_account_id",
        "chatgpt_account_user_id",
    ] {
        let mut body = exchanged();
        body.as_object_mut().unwrap().remove(member);
        assert_eq!(refused_when(&body).await.kind(), AuthErrorKind::Permanent, "without {member}");
        for wrong in [Value::Null, json!([]), json!({ "MARK": "MARK" }), json!(true)] {
            let error = refused_when(&with(&json!({ member: wrong }))).await;
            assert_eq!(error.kind(), AuthErrorKind::Permanent, "{member}");
            assert!(error.to_string().contains("cannot be used"), "{error}");
        }
    }
    for (members, said) in [
        (json!({ "token_type": "mac" }), "token_type"),
        (json!({ "issued_token_type": "urn:ietf:params:oauth:token-type:jwt" }), "issued_token_type"),
        (json!({ "expires_in": 0 }), "expires_in"),
        (json!({ "expires_in": 3601 }), "expires_in"),
        (json!({ "expires_in": -1 }), "cannot be used"),
        (json!({ "expires_in": 1.5 }), "cannot be used"),
        (json!({ "user_id": "" }), "account and the user"),
        (json!({ "chatgpt_account_id": "  " }), "account and the user"),
        (json!({ "chatgpt_account_user_id": "\t" }), "account and the user"),
    ] {
        let error = refused_when(&with(&members)).await;
        assert_eq!(error.kind(), AuthErrorKind::Permanent, "{members}");
        assert!(error.to_string().contains(said), "{members}: {error}");
    }
    for body in ["", "MARK", "[]", "{\"access_token\":\"MARK"] {
        let file = TokenFile::holding("MARK-assertion");
        let client = client_of(&service(move |_| ok(body)), file.identity()).build().unwrap();
        assert_eq!(auth_error(usage(&client).await).kind(), AuthErrorKind::Permanent, "{body}");
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_sent_or_is_somebody_elses_is_an_error() {
    for (members, kind) in [
        (json!({ "access_token": "" }), AuthErrorKind::Incomplete),
        (json!({ "access_token": "MARK\n" }), AuthErrorKind::InvalidHeaderValue),
        (json!({ "chatgpt_account_id": "acct\n1" }), AuthErrorKind::InvalidHeaderValue),
        (json!({ "access_token": jwt(&json!({ "chatgpt_user_id": "user-2" })) }), AuthErrorKind::AccountMismatch),
        (json!({ "access_token": jwt(&json!({ "chatgpt_account_id": "acct-2" })) }), AuthErrorKind::AccountMismatch),
    ] {
        assert_eq!(refused_when(&with(&members)).await.kind(), kind, "{members}");
    }
}

#[tokio::test]
async fn an_answer_of_more_than_a_mebibyte_is_an_error() {
    let error = refused_when(&with(&json!({ "scope": "MARK".repeat(1 << 18) }))).await;
    assert!(error.to_string().contains("longer than 1 MiB"), "{error}");
}

#[tokio::test]
async fn what_the_service_refuses_is_told() {
    for (status, body, reason, transient) in [
        (400, r#"{"error":"invalid_grant","error_description":"MARK-assertion"}"#, Some(()), false),
        (401, "MARK-assertion", Some(()), false),
        (403, "", Some(()), false),
        (404, "", None, false),
        (429, "", None, true),
        (500, "MARK-assertion", None, true),
        (307, "", None, false),
    ] {
        let file = TokenFile::holding("MARK-assertion");
        let head = format!("HTTP/1.1 {status} Told\nlocation: http://127.0.0.1:9/?assertion=MARK-assertion");
        let server = service(move |_| answer(&head, body));
        let client = client_of(&server, file.identity()).build().unwrap();
        let error = auth_error(usage(&client).await);
        assert_eq!(error.reauth_reason(), reason.map(|()| ReauthReason::NotAccepted), "{status}");
        assert_eq!((error.is_transient(), asked(&server)), (transient, 1), "{status}");
        assert!(error.to_string().contains("identity of the workload"), "{error}");
    }
}

#[tokio::test]
async fn the_first_subject_is_the_only_one() {
    for other in [
        json!({ "chatgpt_account_id": "acct-2" }),
        json!({ "user_id": "user-2" }),
        json!({ "chatgpt_account_user_id": "user-1__acct-2" }),
    ] {
        let (file, text) = (TokenFile::holding("MARK-assertion"), with(&other).to_string());
        let server = service(move |number| ok(if number == 1 { text.clone() } else { exchanged().to_string() }));
        let client = client_of(&server, file.identity()).build().unwrap();
        usage(&client).await.unwrap();
        let refusal = || client.auth_refused(AuthRefusal::new(StatusCode::UNAUTHORIZED, 0));
        let error = guard(refusal()).await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::AccountMismatch, "{other}");
        assert_eq!(generation(&client).await, 0);
        // The first one again is welcome.
        assert_eq!(guard(refusal()).await.unwrap(), AuthRecovery::Retry);
        assert_eq!((generation(&client).await, asked(&server)), (1, 3));
    }
}

#[tokio::test]
async fn tokens_that_cannot_be_used_decide_nothing_about_the_subject() {
    for unusable in [
        json!({ "access_token": jwt(&json!({ "chatgpt_account_id": "acct-1" })), "chatgpt_account_id": "acct-2" }),
        json!({ "access_token": "MARK words", "user_id": "user-2" }),
    ] {
        let (file, text) = (TokenFile::holding("MARK-assertion"), with(&unusable).to_string());
        let server = service(move |number| ok(if number == 0 { text.clone() } else { exchanged().to_string() }));
        let client = client_of(&server, file.identity()).build().unwrap();
        usage(&client).await.unwrap_err();
        usage(&client).await.unwrap();
    }
}

// ---- time ----

fn lived(lifetime: u64) -> RawServer {
    service(move |number| {
        ok(with(&json!({ "access_token": format!("MARK-{number}"), "expires_in": lifetime })).to_string())
    })
}

fn on(clock: &ManualClock, server: &RawServer, file: &TokenFile) -> Client<CodexBackend> {
    client_of(server, file.identity()).clock(clock.clone()).build().unwrap()
}

#[tokio::test]
async fn it_is_exchanged_two_minutes_before_its_end_or_at_half_of_its_life() {
    for (lifetime, due) in [(3600, 3480), (300, 180), (240, 120), (200, 100), (60, 30), (2, 1)] {
        let (server, file) = (lived(lifetime), TokenFile::holding("MARK-assertion"));
        let clock = ManualClock::starting_at(SystemTime::now());
        let client = on(&clock, &server, &file);
        for round in 0..3 {
            assert_eq!((generation(&client).await, asked(&server)), (round as u64, round + 1), "{lifetime}");
            clock.advance(Duration::from_secs(due) - MILLISECOND);
            assert_eq!((generation(&client).await, asked(&server)), (round as u64, round + 1), "{lifetime}");
            clock.advance(MILLISECOND);
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_changes_nothing() {
    let (server, file) = (lived(3600), TokenFile::holding("MARK-assertion"));
    let clock = ManualClock::starting_at(SystemTime::now());
    let client = on(&clock, &server, &file);
    assert_eq!(generation(&client).await, 0);
    clock.set_now(SystemTime::UNIX_EPOCH);
    assert_eq!(generation(&client).await, 0);
    clock.advance(HOUR - WINDOW);
    assert_eq!(generation(&client).await, 1);
}

#[tokio::test]
async fn while_the_exchange_fails_the_token_before_is_used_to_its_end_and_not_longer() {
    let backend = Backend::start().unwrap();
    let file = TokenFile::of(&backend);
    let clock = ManualClock::starting_at(SystemTime::now());
    let client = once(&backend).clock(clock.clone()).provider(file.identity()).build().unwrap();
    assert_eq!(generation(&client).await, 0);
    backend.inject(Route::EXCHANGE_IDENTITY, Fault::status(503).times(99));
    clock.advance(HOUR - WINDOW);
    // Each failure is followed by half a minute of peace.
    for failures in 1..=3 {
        for later in [Duration::ZERO, PAUSE - MILLISECOND] {
            clock.advance(later);
            assert_eq!((generation(&client).await, exchanges(&backend)), (0, 1 + failures));
        }
        clock.advance(MILLISECOND);
    }
    // The pause of this failure reaches beyond the end of the token.
    clock.advance(PAUSE - MILLISECOND);
    assert_eq!((generation(&client).await, exchanges(&backend)), (0, 5));
    clock.advance(MILLISECOND);
    for exchanged in [6, 7] {
        let error = guard(client.auth_headers()).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert_eq!(exchanges(&backend), exchanged);
    }
}

#[tokio::test]
async fn a_refusal_of_the_service_ends_the_use_of_the_token_before() {
    let backend = Backend::start().unwrap();
    let file = TokenFile::of(&backend);
    let clock = ManualClock::starting_at(SystemTime::now());
    let client = once(&backend).clock(clock.clone()).provider(file.identity()).build().unwrap();
    assert_eq!(generation(&client).await, 0);
    clock.advance(HOUR - WINDOW);
    backend.inject(Route::EXCHANGE_IDENTITY, Fault::status(400).body(r#"{"error":"invalid_grant"}"#));
    let error = guard(client.auth_headers()).await.unwrap_err();
    assert_eq!(error.reauth_reason(), Some(ReauthReason::NotAccepted));
    assert_eq!(generation(&client).await, 1);
}

#[tokio::test]
async fn while_one_exchanges_the_others_use_the_token_before() {
    let backend = Arc::new(Backend::start().unwrap());
    let file = TokenFile::of(&backend);
    let clock = ManualClock::starting_at(SystemTime::now());
    let client = once(&backend).clock(clock.clone()).provider(file.identity()).build().unwrap();
    assert_eq!(generation(&client).await, 0);
    clock.advance(HOUR - WINDOW);
    backend.inject(Route::EXCHANGE_IDENTITY, Fault::stall());
    let exchanging = tokio::spawn({
        let client = client.clone();
        async move { client.auth_headers().await }
    });
    guard(clock.until_asleep_for(PAUSE)).await;
    until_exchanged(&backend, 2).await;
    assert_eq!(generation(&client).await, 0);
    // Half a minute is what an exchange may take; it is a failure like others.
    clock.advance(PAUSE);
    assert_eq!(guard(exchanging).await.unwrap().unwrap().generation(), 0);
    clock.advance(PAUSE);
    assert_eq!((generation(&client).await, exchanges(&backend)), (1, 3));
}

#[tokio::test]
async fn a_caller_that_goes_away_costs_nothing() {
    let backend = Backend::start().unwrap();
    let file = TokenFile::of(&backend);
    let client = once(&backend).provider(file.identity()).build().unwrap();
    backend.inject(Route::EXCHANGE_IDENTITY, Fault::stall());
    let [first, second] = [0, 1].map(|_| {
        let client = client.clone();
        tokio::spawn(async move { usage(&client).await })
    });
    until_exchanged(&backend, 1).await;
    first.abort();
    guard(second).await.unwrap().unwrap();
    assert_eq!(exchanges(&backend), 2);
}

// ---- the file ----

#[tokio::test]
async fn the_file_is_read_anew_for_each_exchange() {
    let backend = Backend::start().unwrap();
    let file = TokenFile::of(&backend);
    let client = once(&backend).provider(file.identity()).build().unwrap();
    usage(&client).await.unwrap();
    let newer = backend.issue_workload_identity("rule-1", "acct-1");
    fs::write(file.path(), &newer).unwrap();
    client.auth_refused(AuthRefusal::new(StatusCode::UNAUTHORIZED, 0)).await.unwrap();
    let body = backend.requests_to(Route::EXCHANGE_IDENTITY)[1].body.clone();
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    assert_eq!(form["assertion"], newer);
}

#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_the_token() {
    let backend = Backend::start().unwrap();
    let file = TokenFile::holding(format!("\u{feff}{}\n", backend.issue_workload_identity("rule-1", "acct-1")));
    usage(&once(&backend).provider(file.identity()).build().unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_an_error_and_nothing_is_sent() {
    let backend = Backend::start().unwrap();
    let long = "M".repeat((16 << 10) + 1);
    for (content, kind, said) in [
        (&b""[..], AuthErrorKind::Incomplete, "is blank"),
        (b" \n\t ", AuthErrorKind::Incomplete, "is blank"),
        (b"MARK\xff", AuthErrorKind::Transient, "cannot be read"),
        (long.as_bytes(), AuthErrorKind::Permanent, "longer than 16 KiB"),
    ] {
        let file = TokenFile::holding(content);
        let client = once(&backend).provider(file.identity()).build().unwrap();
        let error = auth_error(usage(&client).await);
        assert_eq!(error.kind(), kind, "{error}");
        let path = file.path();
        assert!(error.to_string().contains(said) && error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    // The platform may not have written it yet, or be about to replace it.
    let file = TokenFile::of(&backend);
    let content = fs::read(file.path()).unwrap();
    let client = once(&backend).provider(file.identity()).build().unwrap();
    fs::remove_file(file.path()).unwrap();
    assert!(auth_error(usage(&client).await).is_transient());
    fs::create_dir(file.path()).unwrap();
    assert!(auth_error(usage(&client).await).is_transient());
    assert!(backend.requests().is_empty());
    fs::remove_dir(file.path()).unwrap();
    fs::write(file.path(), content).unwrap();
    usage(&client).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_in_place_of_the_file_is_an_error_and_no_hang() {
    let backend = Backend::start().unwrap();
    let file = TokenFile::of(&backend);
    fs::remove_file(file.path()).unwrap();
    let made = std::process::Command::new("mkfifo").arg(file.path()).status();
    assert!(made.unwrap().success(), "`mkfifo` makes no pipe here");
    let client = once(&backend).provider(file.identity()).build().unwrap();
    let error = auth_error(usage(&client).await);
    assert!(error.is_transient() && error.to_string().contains("no regular file"), "{error}");
}

#[tokio::test]
async fn the_longest_token_is_sent_whole() {
    let server = service(|_| ok(exchanged().to_string()));
    let assertion = "M".repeat(16 << 10);
    let file = TokenFile::holding(&assertion);
    usage(&client_of(&server, file.identity()).build().unwrap()).await.unwrap();
    let body = String::from_utf8(server.requests()[0].body.clone()).unwrap();
    assert!(body.contains(&format!("assertion={assertion}&")));
}

// ---- the two variables, and restrictions ----

#[test]
fn what_cannot_be_a_configuration_is_refused_at_once() {
    for (rule_id, path) in
        [("", "/token"), ("  ", "/token"), ("rule-1", "token"), ("rule-1", "./token"), ("rule-1", "")]
    {
        let error = WorkloadIdentity::new(rule_id, path).unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::Incomplete, "{rule_id:?} {path:?}");
    }
}

#[tokio::test]
async fn both_variables_are_needed_and_half_of_them_is_never_passed_over() {
    let backend = Backend::start().unwrap();
    let file = TokenFile::of(&backend);
    let path = file.path();
    let path = path.to_str().unwrap();
    let (rule, token) = ("OPENAI_FEDERATION_RULE_ID", "OPENAI_IDENTITY_TOKEN_FILE");
    let key = ("CODEX_API_KEY", "sk-MARK-0123456789");
    let none = Environment::from_vars([key, (rule, " "), (token, "")]);
    assert!(WorkloadIdentity::from_environment(&none).unwrap().is_none());
    for (vars, named) in [
        (vec![key, (rule, "rule-1")], token),
        (vec![key, (token, path)], rule),
        (vec![key, (rule, "rule-1"), (token, " ")], token),
        (vec![key, (rule, "\t"), (token, path)], rule),
        (vec![key, (rule, "rule-1"), (token, "relative/token")], token),
    ] {
        let environment = Environment::from_vars(vars);
        let error = WorkloadIdentity::from_environment(&environment).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
        let sources = AuthSources::default().environment(environment);
        let error = backend.client().load_auth(&sources).await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::Incomplete);
    }
    let sources = AuthSources::default().environment(Environment::from_vars([key, (rule, "rule-1"), (token, path)]));
    let auth = backend.client().load_auth(&sources).await.unwrap();
    assert_eq!((auth.mode(), auth.source()), (AuthMode::ChatGptAuthTokens, rule));
    assert_eq!((auth.account_id(), auth.chatgpt_user_id()), (Some("acct-1"), Some("user-embedded")));
    assert_eq!(auth.plan_type(), Some(&PlanType::Pro));
    assert!(auth.expires_at().unwrap() > SystemTime::now() + HOUR / 2);
    // What was exchanged to find that out is what the client uses.
    usage(&backend.client().codex_auth(&auth).unwrap().build().unwrap()).await.unwrap();
    assert_eq!(exchanges(&backend), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_rule_that_is_no_text_is_an_error() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let not_text = OsString::from_vec(b"MARK\xff".to_vec());
    let environment = Environment::from_vars([
        ("OPENAI_FEDERATION_RULE_ID", not_text),
        ("OPENAI_IDENTITY_TOKEN_FILE", OsString::from("/token")),
    ]);
    let error = WorkloadIdentity::from_environment(&environment).unwrap_err();
    assert!(error.to_string().contains("OPENAI_FEDERATION_RULE_ID is not Unicode"), "{error}");
    assert_error_hides(&error);
}

#[tokio::test]
async fn restrictions_hold_for_each_exchange() {
    for (restrictions, allowed) in [
        (CredentialRestrictions::default().workspaces(["acct-1"]), true),
        (CredentialRestrictions::default().sign_in_method(SignInMethod::ChatGpt), true),
        (CredentialRestrictions::default().workspaces(["acct-2"]), false),
        (CredentialRestrictions::default().sign_in_method(SignInMethod::Api), false),
    ] {
        let backend = Backend::start().unwrap();
        let file = TokenFile::of(&backend);
        let identity = WorkloadIdentity::restricted("rule-1", file.path(), restrictions).unwrap();
        let outcome = usage(&once(&backend).provider(identity).build().unwrap()).await;
        assert_eq!(outcome.is_ok(), allowed, "{outcome:?}");
        assert_eq!(backend.requests_to(Route::GET_USAGE).len(), usize::from(allowed));
        if !allowed {
            assert_eq!(auth_error(outcome).kind(), AuthErrorKind::NotAllowed);
        }
    }
}

#[tokio::test]
async fn it_shows_whose_it_is_and_no_token() {
    let server = service(|_| ok(exchanged().to_string()));
    let file = TokenFile::holding("MARK-assertion");
    let identity = file.identity();
    assert_debug_hides(&identity);
    usage(&client_of(&server, identity.clone()).build().unwrap()).await.unwrap();
    assert_debug_hides(&identity);
    assert!(format!("{identity:?}").contains("acct-1"), "{identity:?}");
}
