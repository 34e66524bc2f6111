//! Every class of error that the protocol knows, once. What the types make impossible stands at the end.

use codex_backend::auth::{
    AgentDescription, AgentIdentity, AgentIdentityError, AuthErrorKind, FileStore, JwtRejection, ManagedAgent,
    StoredCredentials,
};
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::{AuthError, ChatGptSession, ChatGptTokens};
use serde_json::json;

use super::support::{KEY, Stage, agent_123, detail, json_answer, key, record};

/// The detail's name, the kind, and whether the same may work later.
#[track_caller]
fn assert_is(error: &AuthError, name: &str, kind: AuthErrorKind) {
    let debug = format!("{:?}", detail(error));
    assert!(debug.starts_with(name), "{debug} is not {name}");
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.is_transient(), kind == AuthErrorKind::Transient);
    let shown = format!("{error} {error:?} {debug}");
    assert!(!shown.contains(KEY) && !shown.contains(&KEY[22..]), "{shown}");
}

async fn of_jwt(backend: &Backend, jwt: impl Into<secrecy::SecretString>) -> AuthError {
    AgentIdentity::from_jwt(jwt, &backend.client().auth_context().unwrap()).await.unwrap_err()
}

#[tokio::test]
async fn missing_material() {
    let stored = StoredCredentials::from_json(r#"{"auth_mode":"agentIdentity"}"#).unwrap();
    let error = AgentIdentity::from_stored(&stored, &Stage::new().context()).await.unwrap_err();
    assert_is(&error, "MissingMaterial", AuthErrorKind::Incomplete);
}

#[tokio::test]
async fn the_structure_of_a_jwt() {
    let backend = Backend::start().unwrap();
    for (jwt, name) in [("a.b", "JwtFormat"), ("a.b=.c", "JwtPayloadBase64"), ("a.e30.c", "JwtPayloadJson")] {
        assert_is(&of_jwt(&backend, jwt).await, name, AuthErrorKind::Permanent);
    }
}

#[tokio::test]
async fn the_keys_cannot_be_fetched() {
    let backend = Backend::start().unwrap();
    let jwt = backend.issue_agent_jwt("acct-1");
    for (fault, kind) in [
        (Fault::reset_before_headers(), AuthErrorKind::Transient),
        (Fault::status(500), AuthErrorKind::Transient),
        (Fault::status(404), AuthErrorKind::Permanent),
        (Fault::truncated_json(), AuthErrorKind::Permanent),
    ] {
        backend.inject(Route::AGENT_KEYS, fault.times(3));
        let error = of_jwt(&backend, jwt.clone()).await;
        assert_is(&error, "KeysNotFetched", kind);
        // The rest of the three, where fewer were needed.
        while of_jwt_is_refused(&backend, &jwt).await {}
    }
}

async fn of_jwt_is_refused(backend: &Backend, jwt: &secrecy::SecretString) -> bool {
    AgentIdentity::from_jwt(jwt.clone(), &backend.client().auth_context().unwrap()).await.is_err()
}

#[tokio::test]
async fn the_verification_of_a_jwt() {
    let stage = Stage::new();
    let cases = super::support::vectors()["jwt"]["cases"].clone();
    let jwks = super::support::vectors()["jwt"]["jwks"].clone();
    let of_vectors = |description: &str| {
        let case = cases.as_array().unwrap().iter().find(|case| case["description"] == description).unwrap();
        case["jwt"].as_str().unwrap().to_owned()
    };
    let context = stage.context();
    stage.backend.inject(Route::AGENT_KEYS, json_answer(&jwks.to_string()));
    for (description, name) in [("alg none with kid", "JwtHeader"), ("no kid in the header", "JwtNoKeyId")] {
        let error = AgentIdentity::from_jwt(of_vectors(description), &context).await.unwrap_err();
        assert_is(&error, name, AuthErrorKind::Permanent);
    }
    for (description, reason) in [("wrong audience", JwtRejection::Audience), ("alg EdDSA", JwtRejection::Algorithm)] {
        let error = AgentIdentity::from_jwt(of_vectors(description), &context).await.unwrap_err();
        assert_is(&error, &format!("JwtVerification {{ reason: {reason:?}"), AuthErrorKind::Permanent);
    }
    // Signed by another server's key, whose id is not known; and by one whose id is.
    let error =
        AgentIdentity::from_jwt(Backend::start().unwrap().issue_agent_jwt("acct-1"), &context).await.unwrap_err();
    assert_is(&error, "JwtUntrustedKey", AuthErrorKind::Permanent);
    let jwt = of_vectors("valid RS256 token");
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", signature.chars().rev().collect::<String>());
    let error = AgentIdentity::from_jwt(forged, &context).await.unwrap_err();
    assert_is(&error, "JwtVerification { reason: Signature", AuthErrorKind::Permanent);
    let expired = stage.backend.sign_agent_jwt(&agent_123(), &json!({ "exp": 1_700_000_000 }));
    assert_is(
        &of_jwt(&stage.backend, expired).await,
        "JwtVerification { reason: Expired",
        AuthErrorKind::ReauthRequired,
    );
    let issuer = stage.backend.sign_agent_jwt(&agent_123(), &json!({ "iss": "https://chatgpt.com" }));
    assert_is(&of_jwt(&stage.backend, issuer).await, "JwtVerification { reason: Issuer", AuthErrorKind::Permanent);
    let mut broken = jwks;
    broken["keys"][0]["n"] = json!("%");
    stage.backend.inject(Route::AGENT_KEYS, json_answer(&broken.to_string()));
    assert_is(&of_jwt(&stage.backend, jwt).await, "JwtKey", AuthErrorKind::Permanent);
}

#[test]
fn the_private_key() {
    for (key, name) in [("%", "PrivateKeyBase64"), ("AAAA", "PrivateKeyPkcs8")] {
        let error = AgentIdentity::from_record(record(&json!({ "agent_private_key": key }))).unwrap_err();
        assert_is(&error, name, AuthErrorKind::Permanent);
    }
}

#[tokio::test]
async fn an_unknown_environment() {
    let builder = codex_backend::Client::builder().environment(codex_backend::transport::Environment::empty());
    let context = builder.codex_base_url("https://eu.chatgpt.com/backend-api").auth_context().unwrap();
    let error = agent_123().register(&context).await.unwrap_err();
    assert_is(&error, "UnsupportedEnvironment", AuthErrorKind::Permanent);
    assert!(error.to_string().contains("eu.chatgpt.com"), "{error}");
}

#[tokio::test]
async fn the_registration_does_not_get_through() {
    let stage = Stage::new();
    let error = stage.registering(Fault::reset_before_headers()).await.unwrap_err();
    assert_is(&error, "RegistrationTransport", AuthErrorKind::Transient);
    assert_eq!(stage.registrations(), 3);
    // Nobody is there.
    let context = {
        let gone = Backend::start().unwrap();
        gone.client().auth_context().unwrap()
    };
    let error = agent_123().register(&context).await.unwrap_err();
    assert_is(&error, "RegistrationTransport", AuthErrorKind::Transient);
    match detail(&error) {
        AgentIdentityError::RegistrationTransport { operation, attempts, .. } => {
            assert_eq!((*operation, *attempts), ("auth.register_task", 3));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_registration_that_is_not_answered_in_time() {
    let stage = Stage::new();
    stage.backend.inject(Route::REGISTER_TASK, Fault::stall().times(9));
    let context = stage.context();
    let registering = tokio::spawn(async move { agent_123().register(&context).await.map(drop) });
    for attempt in 1..=3 {
        while stage.registrations() < attempt {
            tokio::task::yield_now().await;
        }
        stage.clock.until_asleep_for(super::support::seconds(30)).await;
        stage.clock.advance(super::support::seconds(30));
    }
    let error = registering.await.unwrap().unwrap_err();
    assert_is(&error, "RegistrationTransport", AuthErrorKind::Transient);
    assert_eq!(stage.registrations(), 3);
}

#[tokio::test]
async fn the_registration_is_refused() {
    for (status, kind) in
        [(429, AuthErrorKind::Transient), (502, AuthErrorKind::Transient), (404, AuthErrorKind::Permanent)]
    {
        let error = Stage::new().registering(Fault::status(status).body("why not")).await.unwrap_err();
        assert_is(&error, "RegistrationStatus", kind);
        assert!(error.to_string().ends_with(&format!("HTTP {status}: why not")), "{error}");
    }
    // Redirects are not followed.
    let stage = Stage::new();
    let error = stage.registering(Fault::redirect_to("http://127.0.0.1:9/")).await.unwrap_err();
    assert_is(&error, "RegistrationStatus", AuthErrorKind::Permanent);
    assert_eq!(stage.registrations(), 1);
}

#[tokio::test]
async fn the_answer_to_a_registration_is_of_no_use() {
    for (body, name) in [
        ("", "RegistrationAnswer"),
        ("[]", "RegistrationAnswer"),
        (r#"{"task_id":5}"#, "RegistrationAnswer"),
        (r#"{"task_id":"a","task_id":"b"}"#, "RegistrationAnswer"),
        ("{}", "TaskIdOmitted"),
        (r#"{"task_id":null,"encryptedTaskId":null}"#, "TaskIdOmitted"),
        (r#"{"encrypted_task_id":"%"}"#, "SealedTaskIdBase64"),
        (r#"{"encryptedTaskId":"AAAA"}"#, "SealedTaskIdNotOpened"),
        (r#"{"encrypted_task_id":""}"#, "SealedTaskIdNotOpened"),
    ] {
        let stage = Stage::new();
        assert_is(&stage.registering(json_answer(body)).await.unwrap_err(), name, AuthErrorKind::Permanent);
        assert_eq!(stage.registrations(), 1);
    }
    let long = format!(r#"{{"task_id":"{}"}}"#, "x".repeat(65 << 10));
    assert_is(
        &Stage::new().registering(json_answer(&long)).await.unwrap_err(),
        "RegistrationAnswer",
        AuthErrorKind::Permanent,
    );
    let not_text = json!({ "encrypted_task_id": super::support::vectors()["sealed_box_negative"][3]["sealed_base64"] });
    let error = Stage::new().registering(json_answer(&not_text.to_string())).await.unwrap_err();
    assert_is(&error, "SealedTaskIdUtf8", AuthErrorKind::Permanent);
}

#[tokio::test]
async fn an_agent_of_ones_own_is_not_to_be_had() {
    let backend = Backend::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.json");
    std::fs::write(&path, backend.issue_auth_json("acct-1", std::time::Duration::from_secs(3600))).unwrap();
    backend.inject(Route::REGISTER_AGENT, Fault::status(503).times(3));
    let session = ChatGptSession::open(FileStore::new(&path)).unwrap();
    let managed = ManagedAgent::new(session, AgentDescription::new("test", "1"));
    let error = managed.register(&backend.client().auth_context().unwrap()).await.unwrap_err();
    assert_is(&error, "BootstrapUnavailable", AuthErrorKind::Transient);
    match detail(&error) {
        AgentIdentityError::BootstrapUnavailable { operation, attempts, .. } => {
            assert_eq!((*operation, *attempts), ("auth.register_agent", 3));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tokens_that_do_not_tell_whose_they_are_register_no_agent() {
    let stage = Stage::new();
    let tokens = ChatGptTokens::new("opaque").account_id("acct-1");
    let error = AgentIdentity::create(key(), &tokens, &AgentDescription::new("test", "1"), &stage.context()).await;
    assert_eq!(error.unwrap_err().kind(), AuthErrorKind::Incomplete);
    assert_eq!(stage.backend.requests().len(), 0);
}

/// A key and a runtime id are one identity, and a task belongs to the agent that registered it: one cannot be used with
/// another. A header without a task, and a bearer token of an agent, have no method that would give them.
#[tokio::test]
async fn no_bearer_token_is_ever_sent() {
    let stage = Stage::new();
    let client = stage.client(agent_123().lazy());
    super::support::usage(&client).await.unwrap();
    for request in stage.backend.requests() {
        assert!(!request.header("authorization").is_some_and(|value| value.starts_with("Bearer")), "{request:?}");
    }
    let mut other = stage.backend.issue_agent_identity("account-123").unwrap();
    let theirs: serde_json::Value =
        serde_json::from_str(secrecy::ExposeSecret::expose_secret(&other.to_record())).unwrap();
    let mut theirs = theirs;
    let task = agent_123().register(&stage.context()).await.unwrap().task_id();
    theirs["task_id"] = json!(secrecy::ExposeSecret::expose_secret(&task));
    other = AgentIdentity::from_record(theirs.to_string()).unwrap();
    // The backend does not take the task of another agent; the agent then registers its own.
    super::support::usage(&stage.client(other.lazy())).await.unwrap();
    let codes: Vec<_> = stage.backend.requests_to(Route::REGISTER_TASK).iter().map(|it| it.target.clone()).collect();
    assert!(codes.last().unwrap().contains(other.agent_runtime_id()), "{codes:?}");
}
