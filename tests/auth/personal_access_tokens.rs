//! Personal access tokens: verified once, never refreshed. Every secret in here holds the word `MARK`.

use std::time::{Duration, SystemTime};

use codex_backend::auth::{AuthErrorKind, AuthMode, PersonalAccessToken, ReauthReason};
use codex_backend::limits::PlanType;
use codex_backend::mode::Unset;
use codex_backend::testing::{Backend, Fault, ManualClock, Route};
use codex_backend::transport::Environment;
use codex_backend::{AuthError, Client, ClientBuilder, CodexAuth, ErrorKind, OpenAiFileUpload, RetryPolicy};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::support::capture::{assert_debug_hides, assert_error_hides, capture_traces};
use crate::support::guard::guard;
use crate::support::raw::{RawServer, answer};

const TOKEN: &str = "at-MARK-0123456789";
const LIMIT: Duration = Duration::from_secs(30);

async fn verify(
    token: impl Into<SecretString>,
    builder: &ClientBuilder<Unset>,
) -> Result<PersonalAccessToken, AuthError> {
    let context = builder.auth_context().unwrap();
    let verified = guard(PersonalAccessToken::verify(token, &context)).await;
    match &verified {
        Ok(token) => assert_debug_hides(token),
        Err(error) => assert_error_hides(error),
    }
    verified
}

fn impatient(backend: &Backend) -> ClientBuilder<Unset> {
    capture_traces();
    backend.client().retry_policy(RetryPolicy::default().base_delay(Duration::from_millis(1)))
}

/// Until the request has come.
async fn asked(backend: &Backend) {
    guard(async {
        while backend.requests_to(Route::WHOAMI).is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

fn client_of(server: &RawServer) -> ClientBuilder<Unset> {
    capture_traces();
    let builder = Client::builder().codex_base_url(server.codex_base_url()).environment(Environment::empty());
    builder.retry_policy(RetryPolicy::never())
}

fn whoami() -> Value {
    json!({
        "email": null,
        "chatgpt_user_id": "user-123",
        "chatgpt_account_id": "account-123",
        "chatgpt_plan_type": "enterprise",
        "chatgpt_account_is_fedramp": true,
    })
}

fn telling(body: impl AsRef<[u8]> + Send + Sync + 'static) -> RawServer {
    RawServer::start(move |_| answer("HTTP/1.1 200 OK\ncontent-type: application/json", body.as_ref()))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_verified_once_and_opens_every_endpoint() {
    let backend = Backend::start().unwrap();
    let secret = backend.issue_personal_access_token("acct-1");
    let token = verify(secret.clone(), &backend.client()).await.unwrap();
    assert_eq!(token.account_id(), "acct-1");
    let client = backend.client().provider(token).build().unwrap();
    let calls: Vec<_> = (0..20).map(|_| tokio::spawn(client.usage().get().into_future())).collect();
    for call in calls {
        guard(call).await.unwrap().unwrap();
    }
    guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await.unwrap();

    let asked = backend.requests_to(Route::WHOAMI);
    assert_eq!(asked.len(), 1);
    let bearer = format!("Bearer {}", secret.expose_secret());
    assert_eq!(asked[0].header("authorization"), Some(&*bearer));
    assert_eq!((asked[0].header("chatgpt-account-id"), asked[0].header("x-openai-fedramp")), (None, None));
    for request in backend.requests_to(Route::GET_USAGE).iter().chain(&backend.requests_to(Route::CREATE_FILE)) {
        assert_eq!(request.header("authorization"), Some(&*bearer));
        assert_eq!((request.header("chatgpt-account-id"), request.header("x-openai-fedramp")), (Some("acct-1"), None));
    }
}

#[tokio::test]
async fn one_of_a_fedramp_account_says_so_with_each_request() {
    let backend = Backend::start().unwrap();
    backend.add_fedramp_account("acct-gov");
    let token = verify(backend.issue_personal_access_token("acct-gov"), &backend.client()).await.unwrap();
    let client = backend.client().provider(token).build().unwrap();
    client.usage().get().await.unwrap();
    assert_eq!(backend.requests_to(Route::GET_USAGE)[0].header("x-openai-fedramp"), Some("true"));
}

#[tokio::test]
async fn what_the_server_says_about_the_user_is_told() {
    for (said, email, plan, is_workspace) in [
        (json!({}), None, PlanType::Enterprise, true),
        (json!({ "email": "" }), None, PlanType::Enterprise, true),
        (json!({ "email": "a@b.example", "chatgpt_plan_type": "HC" }), Some("a@b.example"), PlanType::Enterprise, true),
        (json!({ "chatgpt_plan_type": "Pro" }), None, PlanType::Pro, false),
        (json!({ "chatgpt_plan_type": "Foo" }), None, PlanType::Other("Foo".to_owned()), false),
        (json!({ "chatgpt_plan_type": "education" }), None, PlanType::Education, true),
        (json!({ "unknown": [1], "email": null }), None, PlanType::Enterprise, true),
    ] {
        let mut body = whoami();
        body.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        let server = telling(body.to_string());
        let token = verify("at-example", &client_of(&server)).await.unwrap();
        let auth = CodexAuth::from(token);
        assert_eq!(auth.mode(), AuthMode::PersonalToken);
        assert_eq!((auth.account_id(), auth.chatgpt_user_id()), (Some("account-123"), Some("user-123")));
        assert_eq!((auth.email(), auth.plan_type(), auth.is_workspace_account()), (email, Some(&plan), is_workspace));
        assert!(auth.is_fedramp() && auth.uses_codex_backend() && auth.expires_at().is_none());
    }
    // An account may have no e-mail address at all.
    let mut without_email = whoami();
    without_email.as_object_mut().unwrap().remove("email");
    let server = telling(without_email.to_string());
    assert!(verify("at-example", &client_of(&server)).await.is_ok());
}

#[tokio::test]
async fn what_is_no_personal_access_token_is_not_sent() {
    let backend = Backend::start().unwrap();
    for (text, kind) in [
        ("", AuthErrorKind::Incomplete),
        ("sk-MARK12345", AuthErrorKind::Incomplete),
        ("MARK.payload.signature", AuthErrorKind::Incomplete),
        (" at-MARK12345", AuthErrorKind::Incomplete),
        ("AT-MARK12345", AuthErrorKind::Incomplete),
        ("at-MARK 12345", AuthErrorKind::InvalidHeaderValue),
        ("at-MARK12345\n", AuthErrorKind::InvalidHeaderValue),
        ("at-MARKé", AuthErrorKind::InvalidHeaderValue),
    ] {
        let error = verify(text, &backend.client()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{text:?}");
    }
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn one_that_the_server_does_not_accept_asks_for_a_new_one() {
    let backend = Backend::start().unwrap();
    let error = verify(TOKEN, &impatient(&backend)).await.unwrap_err();
    assert_eq!(error.reauth_reason(), Some(ReauthReason::NotAccepted));
    assert!(error.needs_sign_in() && error.to_string().contains("personal access token"), "{error}");
    let body = json!({ "error": { "code": "bad", "message": format!("{TOKEN} is not allowed") } }).to_string();
    backend.inject(Route::WHOAMI, Fault::status(403).body(body));
    let error = verify(TOKEN, &impatient(&backend)).await.unwrap_err();
    assert_eq!(error.reauth_reason(), Some(ReauthReason::NotAccepted));
    assert_eq!(backend.requests_to(Route::WHOAMI).len(), 2);
}

#[tokio::test]
async fn it_is_asked_again_after_a_failure_that_may_pass() {
    for fault in [Fault::status(503), Fault::reset_before_headers(), Fault::reset_in_body(), Fault::status(429)] {
        let backend = Backend::start().unwrap();
        backend.inject(Route::WHOAMI, fault.clone());
        let token = verify(backend.issue_personal_access_token("acct-1"), &impatient(&backend)).await;
        assert_eq!(token.unwrap().account_id(), "acct-1");
        assert_eq!(backend.requests_to(Route::WHOAMI).len(), 2);

        // One that lasts is a failure that may pass, and no word about the token.
        backend.inject(Route::WHOAMI, fault.times(3));
        let error = verify(backend.issue_personal_access_token("acct-1"), &impatient(&backend)).await.unwrap_err();
        assert!(error.is_transient() && !error.needs_sign_in(), "{error:?}");
        assert_eq!(backend.requests_to(Route::WHOAMI).len(), 5);
        // It is not remembered.
        assert!(verify(backend.issue_personal_access_token("acct-1"), &impatient(&backend)).await.is_ok());
    }
}

#[tokio::test]
async fn an_answer_that_does_not_tell_the_account_is_an_error() {
    let mut bodies: Vec<String> = ["", "null", "[]", "{}", "{\"chatgpt_user_id\":\"MARK", "<html>MARK</html>"]
        .map(str::to_owned)
        .into_iter()
        .collect();
    for member in ["chatgpt_user_id", "chatgpt_account_id", "chatgpt_plan_type", "chatgpt_account_is_fedramp"] {
        for wrong in [None, Some(Value::Null), Some(json!(5)), Some(json!({ "MARK": "MARK" }))] {
            let mut body = whoami();
            match wrong {
                None => drop(body.as_object_mut().unwrap().remove(member)),
                Some(wrong) => body[member] = wrong,
            }
            bodies.push(body.to_string());
        }
    }
    bodies.push(json!({ "email": ["MARK"], "chatgpt_user_id": "u" }).to_string());
    for body in bodies {
        let server = telling(body.clone());
        let error = verify(TOKEN, &client_of(&server)).await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::Permanent, "{body}");
        assert!(error.to_string().contains("could not be verified"), "{error}");
    }
}

#[tokio::test]
async fn an_account_that_no_header_can_carry_is_an_error() {
    for account_id in ["", "  ", "acct\n1", "acct-é"] {
        let mut body = whoami();
        body["chatgpt_account_id"] = json!(account_id);
        let error = verify(TOKEN, &client_of(&telling(body.to_string()))).await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::InvalidHeaderValue, "{account_id:?}");
        assert!(error.to_string().contains("chatgpt-account-id"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_of_more_than_a_mebibyte_is_an_error() {
    let mut body = whoami();
    body["padding"] = json!("MARK".repeat(1 << 18));
    let error = verify(TOKEN, &client_of(&telling(body.to_string()))).await.unwrap_err();
    assert!(error.to_string().contains("longer than 1 MiB"), "{error}");
    body["padding"] = json!("x".repeat(1 << 19));
    assert!(verify(TOKEN, &client_of(&telling(body.to_string()))).await.is_ok());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Backend::start().unwrap();
    let backend = Backend::start().unwrap();
    let to = format!("{}/v1/user-auth-credential/whoami?token={TOKEN}", elsewhere.codex_base_url());
    backend.inject(Route::WHOAMI, Fault::redirect_to(&to));
    let error = verify(TOKEN, &impatient(&backend)).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::Permanent);
    assert!(error.to_string().contains("redirects"), "{error}");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn verifying_takes_half_a_minute_at_the_most() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::WHOAMI, Fault::stall());
    let clock = ManualClock::starting_at(SystemTime::now());
    let context = backend.client().clock(clock.clone()).auth_context().unwrap();
    let verifying = tokio::spawn(async move { PersonalAccessToken::verify(TOKEN, &context).await });
    guard(clock.until_asleep_for(LIMIT)).await;
    asked(&backend).await;
    clock.advance(LIMIT);
    let error = guard(verifying).await.unwrap().unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("30s"), "{error}");
    assert_eq!(backend.requests_to(Route::WHOAMI).len(), 1);
}

#[tokio::test]
async fn after_a_401_it_is_not_asked_about_and_not_sent_again() {
    let backend = Backend::start().unwrap();
    let secret = backend.issue_personal_access_token("acct-1");
    let token = verify(secret.clone(), &backend.client()).await.unwrap();
    let client = backend.client().provider(token).build().unwrap();
    backend.revoke_access_token(&secret);
    let error = client.usage().get().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, Some("token_revoked")));
    assert!(error.needs_sign_in());
    assert_eq!((backend.requests_to(Route::GET_USAGE).len(), backend.requests_to(Route::WHOAMI).len()), (1, 1));
}

#[tokio::test]
async fn a_caller_that_goes_away_costs_nothing() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::WHOAMI, Fault::stall());
    let context = backend.client().auth_context().unwrap();
    let secret = backend.issue_personal_access_token("acct-1");
    let (first, again) = (secret.clone(), backend.client());
    let verifying = tokio::spawn(async move { PersonalAccessToken::verify(first, &context).await });
    asked(&backend).await;
    verifying.abort();
    assert!(verifying.await.unwrap_err().is_cancelled());
    assert!(verify(secret, &again).await.is_ok());
}

#[tokio::test]
async fn the_service_that_knows_them_can_be_named() {
    let service = telling(whoami().to_string());
    let nowhere = Backend::start().unwrap();
    let named = format!("{}/api/accounts//", service.origin());
    let in_environment = || nowhere.client().environment(Environment::from_vars([("CODEX_AUTHAPI_BASE_URL", &named)]));
    for builder in [in_environment(), nowhere.client().auth_api_base_url(&named)] {
        assert_eq!(verify(TOKEN, &builder).await.unwrap().account_id(), "account-123");
    }
    // Code wins.
    let elsewhere = telling("{}");
    let builder = in_environment().auth_api_base_url(elsewhere.origin());
    assert_eq!(verify(TOKEN, &builder).await.unwrap_err().kind(), AuthErrorKind::Permanent);

    let lines: Vec<_> = service.requests().into_iter().map(|request| request.line).collect();
    assert_eq!(lines, ["GET /api/accounts/v1/user-auth-credential/whoami HTTP/1.1"; 2]);
    assert_eq!(elsewhere.requests()[0].line, "GET /v1/user-auth-credential/whoami HTTP/1.1");
    assert!(nowhere.requests().is_empty());
}
