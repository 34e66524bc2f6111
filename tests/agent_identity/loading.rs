//! JWTs and their keys, and agent identities among the credentials that are found at run time.

use std::sync::Arc;

use codex_backend::auth::{
    AgentIdentity, AgentIdentityError, AuthErrorKind, AuthMode, AuthSource, AuthSources, JwtRejection,
    StoredCredentials,
};
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::transport::Environment;
use codex_backend::{AnyClient, CodexAuth};
use futures_util::future::join_all;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::support::{ACCOUNT, Stage, agent_123, detail, json_answer, plain_http, record, seconds, usage};

async fn load(backend: &Backend, jwt: impl Into<SecretString>) -> Result<AgentIdentity, AgentIdentityErrorText> {
    let context = backend.client().auth_context().unwrap();
    AgentIdentity::from_jwt(jwt, &context)
        .await
        .map_err(|error| AgentIdentityErrorText(format!("{:?}", detail(&error))))
}

#[derive(Debug, PartialEq)]
struct AgentIdentityErrorText(String);

fn part(value: &Value) -> String {
    use base64::Engine;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test]
async fn claims_are_checked_against_the_clock_and_the_names() {
    let stage = Stage::new();
    let now = stage.clock.clone();
    let now = codex_backend::transport::Clock::now(&now).duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let identity = agent_123();
    for (claims, expected) in [
        (json!({}), None),
        (json!({ "exp": now - 59 }), None),
        (json!({ "exp": now - 60 }), None),
        (json!({ "exp": now - 61 }), Some(JwtRejection::Expired)),
        (json!({ "exp": u64::MAX }), None),
        (json!({ "iat": now + 10_000, "nbf": now + 10_000 }), None),
        (json!({ "iss": "https://chatgpt.com/codex-backend/agent-identity/" }), Some(JwtRejection::Issuer)),
        (json!({ "aud": "codex-app-server2" }), Some(JwtRejection::Audience)),
        (json!({ "unknown": [1, 2] }), None),
    ] {
        let jwt = stage.backend.sign_agent_jwt(&identity, &claims);
        let outcome = AgentIdentity::from_jwt(jwt, &stage.context()).await;
        match expected {
            None => assert_eq!(outcome.unwrap().agent_runtime_id(), "agent-123", "{claims}"),
            Some(expected) => {
                let error = outcome.unwrap_err();
                assert_eq!(error.needs_sign_in(), expected == JwtRejection::Expired);
                match detail(&error) {
                    AgentIdentityError::JwtVerification { reason } => assert_eq!(*reason, expected, "{claims}"),
                    other => panic!("{claims}: {other:?}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn a_claim_that_is_missing_or_of_another_type_is_found_before_any_request() {
    let stage = Stage::new();
    for claims in [
        json!({ "exp": null }),
        json!({ "iat": null }),
        json!({ "iss": null }),
        json!({ "aud": ["codex-app-server"] }),
        json!({ "exp": -1 }),
        json!({ "exp": 1.5 }),
        json!({ "exp": "4000000000" }),
        json!({ "account_id": null }),
        json!({ "agent_runtime_id": null }),
        json!({ "agent_private_key": 7 }),
        json!({ "plan_type": null }),
        json!({ "chatgpt_user_id": null }),
        json!({ "chatgpt_account_is_fedramp": "false" }),
    ] {
        let jwt = stage.backend.sign_agent_jwt(&agent_123(), &claims);
        let outcome = load(&stage.backend, jwt).await.unwrap_err();
        assert_eq!(outcome.0, "JwtPayloadJson", "{claims}");
    }
    assert_eq!(stage.backend.requests().len(), 0);
}

#[tokio::test]
async fn the_structure_is_checked_before_any_request() {
    let backend = Backend::start().unwrap();
    let jwt = backend.issue_agent_jwt("acct-1");
    let parts: Vec<&str> = jwt.expose_secret().split('.').collect();
    let header = |value: Value| format!("{}.{}.{}", part(&value), parts[1], parts[2]);
    for (text, expected) in [
        (String::new(), "JwtFormat"),
        ("a.b".to_owned(), "JwtFormat"),
        (format!("{}.x", jwt.expose_secret()), "JwtFormat"),
        (format!("{}..{}", parts[0], parts[2]), "JwtFormat"),
        (format!("{}.{}.", parts[0], parts[1]), "JwtFormat"),
        (format!("{}.{}=.{}", parts[0], parts[1], parts[2]), "JwtPayloadBase64"),
        (format!("{}.e30.{}", parts[0], parts[2]), "JwtPayloadJson"),
        (format!("!.{}.{}", parts[1], parts[2]), "JwtHeader { reason: \"it is not base64url without padding\" }"),
        (header(json!({ "alg": "none", "kid": "x" })), "JwtHeader { reason: \"it names no known algorithm\" }"),
        (header(json!({ "kid": "x" })), "JwtHeader { reason: \"it names no known algorithm\" }"),
        (header(json!({ "alg": "rs256", "kid": "x" })), "JwtHeader { reason: \"it names no known algorithm\" }"),
        (header(json!({ "alg": "HS256", "kid": "x" })), "JwtVerification { reason: Algorithm }"),
        (header(json!({ "alg": "EdDSA", "kid": "x" })), "JwtVerification { reason: Algorithm }"),
        (header(json!({ "alg": "RS512", "kid": "x" })), "JwtVerification { reason: Algorithm }"),
        (header(json!({ "alg": "RS256" })), "JwtNoKeyId"),
        (header(json!({ "alg": "RS256", "kid": null })), "JwtNoKeyId"),
        (
            header(json!({ "alg": "RS256", "kid": "x", "crit": ["b64"] })),
            "JwtHeader { reason: \"it demands an extension that is not known\" }",
        ),
    ] {
        assert_eq!(load(&backend, text.clone()).await.unwrap_err().0, expected, "{text}");
    }
    assert_eq!(backend.requests().len(), 0);
    // White space around it is no part of it.
    load(&backend, format!("\n {} \n", jwt.expose_secret())).await.unwrap();
}

#[tokio::test]
async fn keys_of_other_kinds_are_passed_over_and_broken_ones_named() {
    let backend = Backend::start().unwrap();
    let jwt = backend.issue_agent_jwt("acct-1");
    let url = format!("{}/wham/agent-identities/jwks", backend.codex_base_url());
    let keys = plain_http().get(url).send().await.unwrap().bytes().await.unwrap();
    let keys: Value = serde_json::from_slice(&keys).unwrap();
    let good = keys["keys"][1].clone();
    let changed = |member: &str, value: Value| {
        let mut key = good.clone();
        key[member] = value;
        key
    };
    let untrusted = "JwtUntrustedKey";
    let broken = |reason: &str| format!("JwtKey {{ reason: {reason:?} }}");
    for (set, expected) in [
        (json!([good]), None),
        (
            json!([{ "kty": "EC", "kid": good["kid"], "crv": "P-256" }, changed("use", json!("enc")), 5, null, good]),
            None,
        ),
        (json!([changed("alg", Value::Null)]), None),
        (json!([]), Some(untrusted.to_owned())),
        (json!([changed("kid", json!("other"))]), Some(untrusted.to_owned())),
        (json!([changed("alg", json!("RS384"))]), Some(untrusted.to_owned())),
        (json!([changed("n", json!("%"))]), Some(broken("its modulus is not base64url"))),
        (json!([changed("e", json!(""))]), Some(broken("its exponent is not base64url"))),
        (json!([changed("n", json!("AQAB"))]), Some(broken("it is shorter than 2048 bits"))),
        (json!([changed("e", json!("AQ"))]), Some("JwtVerification { reason: Signature }".to_owned())),
    ] {
        backend.inject(Route::AGENT_KEYS, json_answer(&json!({ "keys": set }).to_string()));
        let outcome = load(&backend, jwt.clone()).await.err().map(|error| error.0);
        assert_eq!(outcome, expected, "{set}");
    }
    for (answer, status) in
        [(Fault::status(404), "404"), (json_answer("{}"), "Decode"), (json_answer("<html>"), "Decode")]
    {
        backend.inject(Route::AGENT_KEYS, answer);
        let outcome = load(&backend, jwt.clone()).await.unwrap_err().0;
        assert!(outcome.starts_with("KeysNotFetched(") && outcome.contains(status), "{outcome}");
    }
    // A failure that may pass is retried, within the ten seconds.
    let fetched = backend.requests_to(Route::AGENT_KEYS).len();
    backend.inject(Route::AGENT_KEYS, Fault::status(503));
    load(&backend, jwt).await.unwrap();
    assert_eq!(backend.requests_to(Route::AGENT_KEYS).len(), fetched + 2);
    for request in backend.requests_to(Route::AGENT_KEYS).iter().skip(1) {
        assert!(request.header("authorization").is_none() && request.header("originator").is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_keys_are_fetched_once_under_load_and_again_when_they_are_old() {
    let stage = Stage::new();
    let jwts: Vec<SecretString> =
        (0..50).map(|number| stage.backend.issue_agent_jwt(&format!("acct-{number}"))).collect();
    let context = Arc::new(stage.context());
    let start = Arc::new(tokio::sync::Barrier::new(jwts.len()));
    let verifying = jwts.iter().cloned().map(|jwt| {
        let (context, start) = (context.clone(), start.clone());
        tokio::spawn(async move {
            start.wait().await;
            AgentIdentity::from_jwt(jwt, &context).await.map(drop)
        })
    });
    for outcome in join_all(verifying).await {
        outcome.unwrap().unwrap();
    }
    assert_eq!(stage.backend.requests_to(Route::AGENT_KEYS).len(), 1);
    stage.clock.advance(seconds(599));
    AgentIdentity::from_jwt(jwts[0].clone(), &context).await.unwrap();
    assert_eq!(stage.backend.requests_to(Route::AGENT_KEYS).len(), 1);
    stage.clock.advance(seconds(1));
    AgentIdentity::from_jwt(jwts[0].clone(), &context).await.unwrap();
    assert_eq!(stage.backend.requests_to(Route::AGENT_KEYS).len(), 2);
}

#[tokio::test]
async fn a_key_that_is_missing_is_looked_for_again_but_not_all_the_time() {
    let stage = Stage::new();
    let (context, jwt) = (stage.context(), stage.backend.issue_agent_jwt("acct-1"));
    stage.backend.inject(Route::AGENT_KEYS, json_answer(r#"{"keys":[]}"#));
    for _ in 0..5 {
        let error = AgentIdentity::from_jwt(jwt.clone(), &context).await.unwrap_err();
        assert!(matches!(detail(&error), AgentIdentityError::JwtUntrustedKey));
    }
    assert_eq!(stage.backend.requests_to(Route::AGENT_KEYS).len(), 1);
    stage.clock.advance(seconds(30));
    AgentIdentity::from_jwt(jwt, &context).await.unwrap();
    assert_eq!(stage.backend.requests_to(Route::AGENT_KEYS).len(), 2);
}

#[tokio::test]
async fn a_failed_fetch_fails_those_who_wait_and_not_the_next() {
    let backend = Backend::start().unwrap();
    let (context, jwt) = (backend.client().auth_context().unwrap(), backend.issue_agent_jwt("acct-1"));
    backend.inject(Route::AGENT_KEYS, Fault::status(403));
    let outcomes = join_all((0..20).map(|_| AgentIdentity::from_jwt(jwt.clone(), &context))).await;
    assert!(outcomes.iter().all(Result::is_err));
    assert_eq!(backend.requests_to(Route::AGENT_KEYS).len(), 1);
    AgentIdentity::from_jwt(jwt, &context).await.unwrap();
}

#[tokio::test]
async fn the_key_in_a_jwt_is_checked_when_it_is_loaded() {
    let stage = Stage::new();
    for (key, expected) in [("%", "PrivateKeyBase64"), ("AAAA", "PrivateKeyPkcs8")] {
        let jwt = stage.backend.sign_agent_jwt(&agent_123(), &json!({ "agent_private_key": key }));
        assert_eq!(load(&stage.backend, jwt).await.unwrap_err().0, expected);
    }
    for email in [json!(""), Value::Null] {
        let jwt = stage.backend.sign_agent_jwt(&agent_123(), &json!({ "email": email }));
        assert_eq!(load(&stage.backend, jwt).await.unwrap().email(), None);
    }
    let jwt = stage.backend.sign_agent_jwt(&agent_123(), &json!({ "plan_type": "hc" }));
    assert_eq!(
        load(&stage.backend, jwt).await.unwrap().plan_type(),
        Some(&codex_backend::limits::PlanType::Enterprise)
    );
}

fn sources(vars: &[(&str, &str)]) -> AuthSources {
    AuthSources::default().environment(Environment::from_vars(vars.iter().copied()))
}

#[tokio::test]
async fn both_variables_lead_to_an_agent() {
    let backend = Backend::start().unwrap();
    let jwt = backend.issue_agent_jwt("acct-1");
    for variable in ["CODEX_ACCESS_TOKEN", "CODEX_AGENT_IDENTITY"] {
        let context = backend.client().auth_context().unwrap();
        let auth = CodexAuth::load_with(&sources(&[(variable, jwt.expose_secret())]), &context).await.unwrap();
        assert_eq!((auth.mode(), auth.source(), auth.account_id()), (AuthMode::Agent, variable, Some("acct-1")));
        assert!(auth.uses_codex_backend() && auth.expires_at().is_some());
        let client = backend.client().codex_auth(&auth).unwrap().build().unwrap();
        usage(&client).await.unwrap();
    }
    assert_eq!(backend.requests_to(Route::REGISTER_TASK).len(), 2);
}

#[tokio::test]
async fn a_jwt_that_does_not_hold_is_an_error_that_names_the_variable_and_nothing_else_is_tried() {
    let backend = Backend::start().unwrap();
    let context = backend.client().auth_context().unwrap();
    let found = sources(&[("CODEX_ACCESS_TOKEN", "not-a-jwt"), ("CODEX_AGENT_IDENTITY", "neither.is.this")]);
    let error = CodexAuth::load_with(&found, &context).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::Permanent);
    assert!(matches!(detail(&error), AgentIdentityError::JwtFormat), "{error}");
    assert!(
        error.to_string().starts_with("CODEX_ACCESS_TOKEN: ") && !error.to_string().contains("not-a-jwt"),
        "{error}"
    );
}

#[tokio::test]
async fn auth_json_in_both_forms() {
    let stage = Stage::new();
    let jwt = stage.backend.sign_agent_jwt(&agent_123(), &json!({}));
    let with_task: Value = serde_json::from_str(record(&json!({ "task_id": "task-kept" })).expose_secret()).unwrap();
    let without: Value = serde_json::from_str(record(&json!({})).expose_secret()).unwrap();
    stage.backend.add_agent_task(&agent_123(), "task-kept");
    for (member, registrations) in [(json!(jwt.expose_secret()), 1), (without, 1), (with_task, 0)] {
        let (folder, before) = (tempfile::tempdir().unwrap(), stage.registrations());
        let path = folder.path().join("auth.json");
        let document = json!({ "auth_mode": "agentIdentity", "OPENAI_API_KEY": null, "agent_identity": member });
        std::fs::write(&path, document.to_string()).unwrap();
        let found = AuthSources::none().and(AuthSource::AuthJson(path.clone()));
        let auth = CodexAuth::load_with(&found, &stage.context()).await.unwrap();
        assert_eq!((auth.mode(), auth.account_id()), (AuthMode::Agent, Some(ACCOUNT)));
        let client = stage.backend.client().clock(stage.clock.clone()).codex_auth(&auth).unwrap().build().unwrap();
        usage(&client).await.unwrap();
        assert_eq!(stage.registrations(), before + registrations);
        // In this mode nothing is written back.
        let after: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(after, document);
    }
}

#[tokio::test]
async fn the_mode_without_material_and_material_without_the_mode() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.json");
    let found = AuthSources::none().and(AuthSource::AuthJson(path.clone()));
    std::fs::write(&path, r#"{"auth_mode":"agentIdentity"}"#).unwrap();
    let error = CodexAuth::load_with(&found, &stage.context()).await.unwrap_err();
    assert!(matches!(detail(&error), AgentIdentityError::MissingMaterial), "{error}");
    assert!(error.to_string().contains("auth.json"), "{error}");
    let agent: Value = serde_json::from_str(record(&json!({})).expose_secret()).unwrap();
    std::fs::write(&path, json!({ "agent_identity": agent, "OPENAI_API_KEY": "sk-1" }).to_string()).unwrap();
    assert_eq!(CodexAuth::load_with(&found, &stage.context()).await.unwrap().mode(), AuthMode::OpenAiKey);
}

#[tokio::test]
async fn agents_that_the_application_brings_along() {
    let stage = Stage::new();
    let registered = agent_123().register(&stage.context()).await.unwrap();
    for auth in [CodexAuth::from(registered), CodexAuth::from(agent_123().lazy())] {
        assert_eq!((auth.mode(), auth.email()), (AuthMode::Agent, Some("user@example.com")));
        let client = stage.backend.client().clock(stage.clock.clone()).codex_auth(&auth).unwrap().build().unwrap();
        let client = AnyClient::from(client).into_codex_backend().unwrap();
        usage(&client).await.unwrap();
    }
}

#[tokio::test]
async fn stored_credentials_in_a_store_of_ones_own() {
    let stage = Stage::new();
    let document =
        json!({ "agent_identity": serde_json::from_str::<Value>(record(&json!({})).expose_secret()).unwrap() });
    let stored = StoredCredentials::from_json(&document.to_string()).unwrap();
    let identity = AgentIdentity::from_stored(&stored, &stage.context()).await.unwrap();
    assert_eq!(identity.agent_runtime_id(), "agent-123");
}
