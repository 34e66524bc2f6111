//! What the embedded backend demands: it refuses what a careless client would send.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use codex_backend::auth::{AgentIdentity, AgentKey};
use codex_backend::testing::Backend;
use http::HeaderMap;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::support::{ACCOUNT, Stage, agent_123, plain_http, usage};

/// An assertion that is right, and can be made wrong: the agent's own signing is the client's, so a second client signs
/// for what is asked.
struct Request {
    backend: Backend,
    identity: AgentIdentity,
    signer: ring::signature::Ed25519KeyPair,
}

impl Request {
    fn new() -> Self {
        let backend = Backend::start().unwrap();
        backend.add_account(ACCOUNT);
        let identity = agent_123();
        backend.add_agent(&identity);
        backend.add_agent_task(&identity, "task-123");
        let signer = ring::signature::Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        Self { backend, identity, signer }
    }

    fn sign(&self, text: &str) -> String {
        BASE64_STANDARD.encode(self.signer.sign(text.as_bytes()))
    }

    fn envelope(&self, task_id: &str, timestamp: &str) -> Value {
        let id = self.identity.agent_runtime_id();
        let signature = self.sign(&format!("{id}:{task_id}:{timestamp}"));
        json!({ "agent_runtime_id": id, "task_id": task_id, "timestamp": timestamp, "signature": signature })
    }

    async fn get_usage(&self, headers: &[(&str, &str)]) -> (u16, Value) {
        let mut request = plain_http().get(format!("{}/wham/usage", self.backend.codex_base_url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answered(request).await
    }

    async fn with_envelope(&self, envelope: &Value) -> (u16, Value) {
        let assertion = format!("AgentAssertion {}", BASE64_URL_SAFE_NO_PAD.encode(envelope.to_string()));
        self.get_usage(&[("authorization", &assertion), ("chatgpt-account-id", ACCOUNT)]).await
    }

    async fn register(&self, body: &Value, headers: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}/v1/agent/agent-123/task/register", self.backend.codex_base_url());
        let mut map = HeaderMap::new();
        map.insert("content-type", "application/json".parse().unwrap());
        for (name, value) in headers {
            map.insert(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        answered(plain_http().post(url).headers(map).body(body.to_string())).await
    }
}

async fn answered(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

fn off_by(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let then = now.checked_add_signed(seconds).unwrap();
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(then)).to_string()
}

fn without(envelope: &Value, member: &str) -> Value {
    let mut envelope = envelope.clone();
    envelope.as_object_mut().unwrap().remove(member);
    envelope
}

fn with(envelope: &Value, member: &str, value: Value) -> Value {
    let mut envelope = envelope.clone();
    envelope[member] = value;
    envelope
}

#[tokio::test]
async fn a_right_request_is_answered() {
    let request = Request::new();
    assert_eq!(request.with_envelope(&request.envelope("task-123", &now())).await.0, 200);
    let near = off_by(-290);
    assert_eq!(request.with_envelope(&request.envelope("task-123", &near)).await.0, 200);
}

#[tokio::test]
async fn wrong_assertions_are_refused() {
    let request = Request::new();
    let right = request.envelope("task-123", &now());
    let stranger = AgentIdentity::new("agent-999", AgentKey::generate().unwrap(), ACCOUNT).unwrap();
    request.backend.add_agent(&stranger);
    request.backend.add_agent_task(&stranger, "task-of-another");
    let mixed_up = request.sign(&format!("agent-123:{}", now()));
    for (what, code, envelope) in [
        ("too old", "timestamp_out_of_range", request.envelope("task-123", &off_by(-310))),
        ("from the future", "timestamp_out_of_range", request.envelope("task-123", &off_by(310))),
        ("another timestamp than signed", "invalid_signature", with(&right, "timestamp", json!(off_by(-30)))),
        ("another task than signed", "invalid_signature", with(&right, "task_id", json!("task-124"))),
        ("the signature of a registration", "invalid_signature", with(&right, "signature", json!(mixed_up))),
        ("no signature", "invalid_signature", with(&right, "signature", json!(""))),
        ("milliseconds", "invalid_signature", request.envelope("task-123", &now().replace('Z', ".123Z"))),
        ("no zone", "invalid_signature", request.envelope("task-123", now().trim_end_matches('Z'))),
        ("a task that is not known", "task_not_found", request.envelope("task-999", &now())),
        ("a task of another agent", "invalid_task_id", request.envelope("task-of-another", &now())),
        ("an agent that is not known", "agent_not_found", with(&right, "agent_runtime_id", json!("agent-0"))),
        ("a member too many", "invalid_assertion", with(&right, "extra", json!(1))),
        ("no task", "invalid_assertion", without(&right, "task_id")),
        ("no timestamp", "invalid_assertion", without(&right, "timestamp")),
        ("a number", "invalid_assertion", with(&right, "task_id", json!(123))),
    ] {
        let (status, body) = request.with_envelope(&envelope).await;
        assert_eq!((status, body["error"]["code"].as_str()), (401, Some(code)), "{what}: {body}");
    }
    request.backend.expire_agent_tasks();
    let (status, body) = request.with_envelope(&request.envelope("task-123", &now())).await;
    assert_eq!((status, &body["error"]["code"]), (401, &json!("task_expired")));
}

#[tokio::test]
async fn wrong_headers_are_refused() {
    let request = Request::new();
    let json = request.envelope("task-123", &now()).to_string();
    let right = BASE64_URL_SAFE_NO_PAD.encode(&json);
    let (bare, padded) = (format!("AgentAssertion {right}"), format!("AgentAssertion {right}="));
    let account = ("chatgpt-account-id", ACCOUNT);
    let (lower, bearer) = (format!("agentassertion {right}"), format!("Bearer {right}"));
    let (spaces, standard) = (format!("AgentAssertion  {right}"), format!("AgentAssertion {json}"));
    for (what, expected, headers) in [
        ("all right", 200, vec![("authorization", bare.as_str()), account]),
        ("no account", 401, vec![("authorization", bare.as_str())]),
        ("another account", 403, vec![("authorization", bare.as_str()), ("chatgpt-account-id", "account-124")]),
        ("a FedRAMP header", 403, vec![("authorization", bare.as_str()), account, ("x-openai-fedramp", "true")]),
        ("padding", 401, vec![("authorization", padded.as_str()), account]),
        ("another case", 401, vec![("authorization", lower.as_str()), account]),
        ("another scheme", 401, vec![("authorization", bearer.as_str()), account]),
        ("two spaces", 401, vec![("authorization", spaces.as_str()), account]),
        ("bare JSON", 401, vec![("authorization", standard.as_str()), account]),
        ("no assertion", 401, vec![account]),
        ("two assertions", 401, vec![("authorization", bare.as_str()), ("authorization", bare.as_str()), account]),
    ] {
        assert_eq!(request.get_usage(&headers).await.0, expected, "{what}");
    }
}

#[tokio::test]
async fn a_fedramp_account_needs_its_header() {
    let backend = Backend::start().unwrap();
    backend.add_fedramp_account("acct-gov");
    let identity = backend.issue_agent_identity("acct-gov").unwrap();
    usage(&backend.client().agent_identity(identity.lazy()).build().unwrap()).await.unwrap();
    let careless = identity.fedramp(false).unwrap();
    let error = usage(&backend.client().agent_identity(careless.lazy()).build().unwrap()).await.unwrap_err();
    assert_eq!(error.code(), Some("fedramp_required"));
}

#[tokio::test]
async fn wrong_registrations_are_refused() {
    let request = Request::new();
    let body = |timestamp: &str| json!({ "timestamp": timestamp, "signature": request.sign(&format!("agent-123:{timestamp}")) });
    let right = body(&now());
    assert_eq!(request.register(&right, &[]).await.0, 200);
    let token = format!("Bearer {}", request.backend.issue_access_token(ACCOUNT).expose_secret());
    let of_assertion = request.sign(&format!("agent-123:task-123:{}", now()));
    for (what, expected, body, headers) in [
        ("a bearer token beside it", 400, right.clone(), vec![("authorization", token.as_str())]),
        ("an account beside it", 400, right.clone(), vec![("chatgpt-account-id", ACCOUNT)]),
        ("no JSON", 400, right.clone(), vec![("content-type", "text/plain")]),
        ("a third member", 400, with(&right, "task_id", json!("task-1")), vec![]),
        ("no signature", 400, without(&right, "signature"), vec![]),
        ("another text signed", 401, with(&right, "signature", json!(of_assertion)), vec![]),
        ("another timestamp", 401, with(&right, "timestamp", json!(off_by(-30))), vec![]),
        ("too old", 401, body(&off_by(-310)), vec![]),
        ("milliseconds", 401, body(&now().replace('Z', ".5Z")), vec![]),
    ] {
        assert_eq!(request.register(&body, &headers).await.0, expected, "{what}");
    }
    let url = format!("{}/v1/agent/agent-0/task/register", request.backend.codex_base_url());
    let unknown = plain_http().post(url).header("content-type", "application/json").body(right.to_string());
    assert_eq!(answered(unknown).await.0, 404);
}

#[tokio::test]
async fn wrong_registrations_of_agents_are_refused() {
    let stage = Stage::new();
    let token = format!("Bearer {}", stage.backend.issue_access_token(ACCOUNT).expose_secret());
    let right = json!({
        "abom": { "agent_version": "1", "agent_harness_id": "test", "running_location": "cli-linux" },
        "agent_public_key": agent_123().key().ssh_public_key(),
        "capabilities": ["responsesapi"],
        "ttl": null,
    });
    let url = format!("{}/v1/agent/register", stage.backend.codex_base_url());
    let send = |body: Value, token: Option<String>| {
        let mut request = plain_http().post(&url).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        answered(request.body(body.to_string()))
    };
    assert_eq!(send(right.clone(), Some(token.clone())).await.0, 200);
    assert_eq!(send(right.clone(), None).await.0, 401);
    for (what, body) in [
        ("no ttl", without(&right, "ttl")),
        ("a ttl", with(&right, "ttl", json!(60))),
        ("no capabilities", without(&right, "capabilities")),
        ("other capabilities", with(&right, "capabilities", json!([]))),
        (
            "a comment behind the key",
            with(&right, "agent_public_key", json!(format!("{} me", agent_123().key().ssh_public_key()))),
        ),
        ("no abom", without(&right, "abom")),
        ("a member too many", with(&right, "extra", json!(1))),
    ] {
        assert_eq!(send(body, Some(token.clone())).await.0, 400, "{what}");
    }
}

#[tokio::test]
async fn credentials_do_not_belong_to_the_request_for_keys() {
    let request = Request::new();
    let url = format!("{}/wham/agent-identities/jwks", request.backend.codex_base_url());
    let (status, keys) = answered(plain_http().get(&url)).await;
    assert_eq!((status, keys["keys"][1]["kty"].as_str()), (200, Some("RSA")));
    let token = format!("Bearer {}", request.backend.issue_access_token(ACCOUNT).expose_secret());
    assert_eq!(answered(plain_http().get(&url).header("authorization", token)).await.0, 400);
}
