//! Every vector, through the public types.

use codex_backend::auth::{
    AgentAuthApi, AgentDescription, AgentIdentity, AgentIdentityError, AgentKey, StoredCredentials,
};
use codex_backend::limits::PlanType;
use codex_backend::testing::{Fault, ManualClock, Route};
use codex_backend::transport::Environment;
use codex_backend::{AuthError, ChatGptTokens, Client, ConfigError};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::support::{
    ACCOUNT, KEY, Stage, TIMESTAMP, agent_123, at, detail, json_answer, key, plain_http, record, usage, vectors,
};

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}"))
}

fn cases(value: &Value) -> &Vec<Value> {
    value.as_array().filter(|cases| !cases.is_empty()).expect("cases")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How the vectors name an error.
fn class(error: &AuthError) -> &'static str {
    match detail(error) {
        AgentIdentityError::JwtFormat => "format",
        AgentIdentityError::JwtPayloadBase64 => "payload_base64",
        AgentIdentityError::JwtPayloadJson => "payload_json",
        AgentIdentityError::JwtHeader { .. } => "header",
        AgentIdentityError::JwtNoKeyId => "missing_kid",
        AgentIdentityError::JwtUntrustedKey => "untrusted_kid",
        AgentIdentityError::JwtKey { .. } => "key",
        AgentIdentityError::JwtVerification { .. } => "verify",
        AgentIdentityError::RegistrationAnswer { .. } => "decode_response",
        AgentIdentityError::TaskIdOmitted => "omitted_task_id",
        AgentIdentityError::SealedTaskIdBase64 => "encrypted_task_id_base64",
        AgentIdentityError::SealedTaskIdNotOpened => "encrypted_task_id_decrypt",
        AgentIdentityError::SealedTaskIdUtf8 => "encrypted_task_id_utf8",
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys() {
    let vector = &vectors()["key"];
    for form in ["pkcs8_v1_der_base64", "pkcs8_v2_der_base64"] {
        let key = AgentKey::from_pkcs8_base64(text(&vector[form])).unwrap();
        assert_eq!(hex(&key.public_key()), text(&vector["public_key_hex"]));
        assert_eq!(key.ssh_public_key(), text(&vector["ssh_public_key"]));
        assert_eq!(key.to_pkcs8_base64().expose_secret(), text(&vector["pkcs8_v2_der_base64"]));
    }
}

#[test]
fn key_generation() {
    let vector = &vectors()["key_generation"];
    let key = AgentKey::from_random(&[7; 64]);
    assert_eq!(key.ssh_public_key(), text(&vector["ssh_public_key"]));
    assert_eq!(key.to_pkcs8_base64().expose_secret(), text(&vector["pkcs8_v2_der_base64"]));
}

#[tokio::test]
async fn the_request_that_registers_a_task() {
    let (stage, vector) = (Stage::new(), &vectors()["task_registration_request"]);
    agent_123().register(&stage.context()).await.unwrap();
    let request = &stage.backend.requests_to(Route::REGISTER_TASK)[0];
    assert_eq!(request.method, text(&vector["method"]));
    assert_eq!(request.target, format!("/backend-api{}", text(&vector["path"])));
    assert_eq!(request.header("content-type"), vector["content_type"].as_str());
    assert_eq!(request.json(), serde_json::from_str::<Value>(text(&vector["body_json"])).unwrap());
    for name in ["authorization", "chatgpt-account-id", "cookie"] {
        assert_eq!(request.header(name), None, "{name}");
    }
    assert!(request.header("originator").is_some() && request.header("user-agent").is_some());
}

async fn headers_of(vector: &Value, is_fedramp: bool) -> (String, Vec<(String, String)>) {
    let timestamp = vector["timestamp"].as_str().unwrap_or(TIMESTAMP);
    let member = |name: &str, default| vector[name].as_str().unwrap_or(default).to_owned();
    let identity = AgentIdentity::from_record(record(&json!({
        "agent_runtime_id": member("agent_runtime_id", "agent-123"),
        "task_id": member("task_id", "task-123"),
        "chatgpt_account_is_fedramp": is_fedramp,
    })));
    let client = Client::builder().environment(Environment::empty()).clock(ManualClock::starting_at(at(timestamp)));
    let agent = identity.unwrap().register(&client.auth_context().unwrap()).await.unwrap();
    let headers = client.agent_identity(agent).build().unwrap().auth_headers().await.unwrap();
    let mut all: Vec<(String, String)> =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    all.sort();
    (all[0].1.clone(), all)
}

#[tokio::test]
async fn assertions() {
    let vectors = vectors();
    let assertions = vectors
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, vector)| name.starts_with("assertion") && vector.get("signature_base64").is_some());
    let mut count = 0;
    for (name, vector) in assertions {
        let (authorization, _) = headers_of(vector, false).await;
        assert_eq!(authorization, text(&vector["authorization_header_value"]), "{name}");
        count += 1;
    }
    assert!(count >= 2);
}

#[tokio::test]
async fn the_backend_takes_the_members_in_another_order() {
    let (stage, vectors) = (Stage::new(), vectors());
    stage.backend.add_agent_task(&agent_123(), "task-123");
    for name in ["assertion", "assertion_alternate_field_order"] {
        let answer = plain_http()
            .get(format!("{}/wham/usage", stage.backend.codex_base_url()))
            .header("authorization", text(&vectors[name]["authorization_header_value"]))
            .header("chatgpt-account-id", ACCOUNT)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{name}");
    }
}

#[tokio::test]
async fn header_sets() {
    let vectors = vectors();
    for (name, is_fedramp) in [("not_fedramp", false), ("fedramp", true)] {
        let (_, headers) = headers_of(&json!({}), is_fedramp).await;
        let mut expected: Vec<(String, String)> = vectors["headers"][name]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), text(value).to_owned()))
            .collect();
        expected.sort();
        assert_eq!(headers, expected, "{name}");
    }
}

#[tokio::test]
async fn sealed_task_ids() {
    let vectors = vectors();
    let sealed: Vec<&Value> = vectors
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, vector)| name.starts_with("sealed_box") && vector.get("sealed_base64").is_some())
        .map(|(_, vector)| vector)
        .collect();
    assert!(!sealed.is_empty());
    for vector in sealed {
        let answer = json_answer(&json!({ "encrypted_task_id": vector["sealed_base64"] }).to_string());
        let task_id = Stage::new().registering(answer).await.unwrap();
        assert_eq!(task_id.expose_secret(), text(&vector["plaintext"]));
    }
    for case in cases(&vectors["sealed_box_negative"]) {
        let stage = Stage::new();
        let answer = json_answer(&json!({ "encrypted_task_id": case["sealed_base64"] }).to_string());
        let error = stage.registering(answer).await.unwrap_err();
        assert_eq!(class(&error), format!("encrypted_task_id_{}", text(&case["expect_error"])), "{case}");
        assert_eq!(stage.registrations(), 1, "an answer is not asked for again");
    }
}

#[tokio::test]
async fn answers_to_a_task_registration() {
    for case in cases(&vectors()["task_registration_responses"]["cases"]) {
        let outcome = Stage::new().registering(json_answer(text(&case["body"]))).await;
        match case["task_id"].as_str() {
            Some(task_id) => assert_eq!(outcome.unwrap().expose_secret(), task_id, "{case}"),
            None => assert_eq!(class(&outcome.unwrap_err()), text(&case["error"]), "{case}"),
        }
    }
}

#[tokio::test]
async fn the_request_that_registers_an_agent() {
    let (stage, vector) = (Stage::new(), &vectors()["agent_register_request"]);
    let token = stage.backend.issue_access_token(ACCOUNT);
    let description = AgentDescription::new("codex-cli", "0.0.0").session_source("cli");
    let answer = text(&vector["response_json"]).to_owned();
    stage.backend.inject(Route::REGISTER_AGENT, json_answer(&answer));
    let tokens = ChatGptTokens::new(token.clone());
    let identity = AgentIdentity::create(key(), &tokens, &description, &stage.context()).await.unwrap();
    assert_eq!(identity.agent_runtime_id(), "agent-123");
    let request = &stage.backend.requests_to(Route::REGISTER_AGENT)[0];
    assert_eq!(request.target, format!("/backend-api{}", text(&vector["path"])));
    assert_eq!(request.header("authorization"), Some(format!("Bearer {}", token.expose_secret()).as_str()));
    let mut expected: Value = serde_json::from_str(text(&vector["body_json"])).unwrap();
    expected["abom"]["running_location"] = format!("cli-{}", std::env::consts::OS).into();
    assert_eq!(request.json(), expected);
    assert_eq!(request.header("x-openai-fedramp"), None);
}

#[tokio::test]
async fn jwts() {
    let vector = &vectors()["jwt"];
    let stage = Stage::new();
    stage.backend.inject(Route::AGENT_KEYS, json_answer(&vector["jwks"].to_string()));
    // One context: the keys are fetched for the first that gets so far.
    let context = stage.context();
    for case in cases(&vector["cases"]) {
        let outcome = AgentIdentity::from_jwt(text(&case["jwt"]), &context).await;
        let expected = match (text(&case["payload_only"]), text(&case["verified"])) {
            ("ok", verified) => verified,
            (structure, _) => structure,
        };
        match expected.strip_prefix("error:") {
            None => {
                let identity = outcome.unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_eq!((identity.agent_runtime_id(), identity.account_id()), ("agent-123", ACCOUNT), "{case}");
                let description = text(&case["description"]);
                assert_eq!(identity.is_fedramp(), description.contains("fedramp account"), "{case}");
                assert_eq!(identity.email().is_none(), description.contains("email"), "{case}");
                let is_known = !matches!(identity.plan_type(), Some(PlanType::Other(_)));
                assert_eq!(is_known, !description.contains("unknown plan_type"), "{case}");
            }
            Some(expected) => assert_eq!(class(&outcome.unwrap_err()), expected, "{case}"),
        }
    }
    assert_eq!(stage.backend.requests_to(Route::AGENT_KEYS).len(), 1);
}

#[test]
fn urls() {
    let vectors = vectors();
    for case in cases(&vectors["urls"]["cases"]) {
        let base = text(&case["base"]);
        let context = |api| {
            let builder = Client::builder().environment(Environment::empty()).codex_base_url(base);
            builder.agent_auth_api(api).auth_context()
        };
        let of_environment = match context(AgentAuthApi::OfEnvironment) {
            Ok(context) => context,
            // Only a prefix of it looks like a known host: no URL follows from it at all.
            Err(ConfigError::UntrustedOrigin { .. }) => {
                assert_eq!(case["environment"], Value::Null, "{case}");
                continue;
            }
            Err(error) => panic!("{case}: {error}"),
        };
        let is_loopback = base.starts_with("http://localhost") || base.starts_with("http://127.");
        let expected = match case["authapi"].as_str() {
            // Not production: the backend itself.
            None if is_loopback => Some(of_environment.base_url()),
            authapi => authapi,
        };
        let found = of_environment.agent_auth_api_base_url().map(|url| url.as_str().trim_end_matches('/'));
        assert_eq!(found, expected, "{case}");
        let backend = context(AgentAuthApi::AtTheBackend).unwrap();
        let normalized = backend.agent_auth_api_base_url().unwrap().as_str().trim_end_matches('/').to_owned();
        assert_eq!(normalized, text(&case["normalized_seed"]), "{case}");
        let production = context(AgentAuthApi::Production).unwrap();
        let production = production.agent_auth_api_base_url().unwrap().as_str().to_owned();
        assert_eq!(production, "https://auth.openai.com/api/accounts", "{case}");
        // Bases that are completed with `/backend-api` have their keys below that.
        if of_environment.base_url() == base.trim_end_matches('/') {
            assert_eq!(of_environment.agent_keys_url().as_str(), text(&case["jwks"]), "{case}");
        } else {
            let keys = of_environment.agent_keys_url().as_str().to_owned();
            assert_eq!(keys, format!("{}/wham/agent-identities/jwks", of_environment.base_url()), "{case}");
        }
    }
}

#[tokio::test]
async fn urls_of_a_given_service() {
    for case in cases(&vectors()["urls"]["authapi_cases"]) {
        let recorder = super::tasks::Recorder::default();
        let builder = Client::builder()
            .environment(Environment::empty())
            .auth_api_base_url(text(&case["authapi_base"]))
            .transport(recorder.clone());
        let context = builder.auth_context().unwrap();
        agent_123().register(&context).await.unwrap_err();
        let backend = Stage::new();
        let tokens = ChatGptTokens::new(backend.backend.issue_access_token(ACCOUNT));
        let description = AgentDescription::new("test", "1");
        AgentIdentity::create(key(), &tokens, &description, &context).await.unwrap_err();
        let mut urls = recorder.urls();
        urls.dedup();
        assert_eq!(urls, [text(&case["task_register"]), text(&case["agent_register"])], "{case}");
    }
}

#[tokio::test]
async fn stored_forms() {
    let vectors = vectors();
    let forms = vectors["auth_json"].as_object().unwrap().values().filter_map(|form| form.get("document"));
    let mut count = 0;
    for document in forms {
        let stage = Stage::new();
        stage.backend.inject(Route::AGENT_KEYS, json_answer(&vectors["jwt"]["jwks"].to_string()));
        let stored = StoredCredentials::from_json(&document.to_string()).unwrap();
        let identity = AgentIdentity::from_stored(&stored, &stage.context()).await.unwrap();
        assert_eq!((identity.agent_runtime_id(), identity.account_id()), ("agent-123", ACCOUNT));
        assert_eq!(identity.chatgpt_user_id(), Some("user-123"));
        assert_eq!(identity.plan_type(), Some(&PlanType::Pro));
        let kept = &document["agent_identity"];
        let email = kept["email"].as_str().or(kept.is_string().then_some("user@example.com"));
        assert_eq!(identity.email(), email.filter(|email| !email.is_empty()));
        let agent = identity.register(&stage.context()).await.unwrap();
        match kept["task_id"].as_str() {
            Some(task_id) => {
                assert_eq!((agent.task_id().expose_secret(), stage.registrations()), (task_id, 0));
            }
            None => assert_eq!(stage.registrations(), 1),
        }
        if kept.is_object() {
            let mut expected = kept.clone();
            expected["email"] = json!(identity.email().unwrap_or_default());
            let record: Value = serde_json::from_str(identity.to_record().expose_secret()).unwrap();
            assert_eq!(record, expected);
        }
        count += 1;
    }
    assert!(count >= 4);
}

#[tokio::test]
async fn bodies_of_refusals_are_cut() {
    for case in cases(&vectors()["error_body_truncation"]["cases"]) {
        let error =
            Stage::new().registering(Fault::status(400).body(text(&case["body"]).to_owned())).await.unwrap_err();
        match detail(&error) {
            AgentIdentityError::RegistrationStatus { status: 400, body, .. } => assert_eq!(body, text(&case["shown"])),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn which_refusals_are_tried_again() {
    let vector = &vectors()["retry_classification"];
    for (list, attempts) in [("retryable_status", 3), ("final_status", 1)] {
        for status in cases(&vector[list]) {
            let (stage, status) = (Stage::new(), u16::try_from(status.as_u64().unwrap()).unwrap());
            let error = stage.registering(Fault::status(status)).await.unwrap_err();
            assert_eq!(stage.registrations(), attempts, "{status}");
            assert_eq!(error.is_transient(), attempts == 3, "{status}: {error}");
        }
    }
}

#[tokio::test]
async fn which_refusals_are_about_the_task() {
    for case in cases(&vectors()["task_invalid_401"]["cases"]) {
        let stage = Stage::new();
        let client = stage.client(agent_123().register(&stage.context()).await.unwrap());
        let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
        stage.backend.inject(Route::GET_USAGE, Fault::status(status).body(text(&case["body"]).to_owned()));
        let outcome = usage(&client).await;
        let is_about_task = case["task_invalid"].as_bool().unwrap();
        assert_eq!((outcome.is_ok(), stage.registrations() - 1), (is_about_task, usize::from(is_about_task)), "{case}");
    }
}

#[test]
fn the_key_of_the_vectors_is_the_tests_key() {
    assert_eq!(KEY, text(&vectors()["key"]["pkcs8_v1_der_base64"]));
}
