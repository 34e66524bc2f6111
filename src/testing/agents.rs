//! The agents that the server knows, their tasks, and what it demands of their requests.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{random, refuse};
use super::jwt_key::JwtKey;
use super::server::Reply;
use crate::auth::{AgentIdentity, seal};

/// How far a timestamp may be from the server's clock.
const WINDOW: Duration = Duration::from_secs(5 * 60);
const ISSUER: &str = "https://chatgpt.com/codex-backend/agent-identity";
const AUDIENCE: &str = "codex-app-server";

#[derive(Default)]
pub(super) struct Agents {
    agents: HashMap<String, Agent>,
    tasks: HashMap<String, Task>,
    jwt_key: Option<JwtKey>,
    /// Whether task ids are sealed to the agent's key.
    pub(super) seals: bool,
}

struct Agent {
    key: VerifyingKey,
    account_id: String,
}

struct Task {
    agent_runtime_id: String,
    expired: bool,
}

impl Agents {
    pub(super) fn add(&mut self, identity: &AgentIdentity) {
        if let Ok(key) = VerifyingKey::from_bytes(&identity.key().public_key()) {
            let agent = Agent { key, account_id: identity.account_id().to_owned() };
            self.agents.insert(identity.agent_runtime_id().to_owned(), agent);
        }
    }

    pub(super) fn add_task(&mut self, agent_runtime_id: &str, task_id: String) {
        self.tasks.insert(task_id, Task { agent_runtime_id: agent_runtime_id.to_owned(), expired: false });
    }

    pub(super) fn expire_tasks(&mut self) {
        self.tasks.values_mut().for_each(|task| task.expired = true);
    }

    pub(super) fn forget_tasks(&mut self) {
        self.tasks.clear();
    }

    fn jwt_key(&mut self) -> Option<&JwtKey> {
        if self.jwt_key.is_none() {
            self.jwt_key = JwtKey::generate(format!("key-{}", random()));
        }
        self.jwt_key.as_ref()
    }

    /// A JWT that says what claims of this server's agents say, changed by `claims`. A claim that is `null` there is left
    /// out.
    pub(super) fn sign_jwt(&mut self, claims: &Value) -> String {
        let mut all = json!({ "iss": ISSUER, "aud": AUDIENCE, "iat": 1_700_000_000_u64, "exp": 4_000_000_000_u64 });
        if let (Some(all), Some(claims)) = (all.as_object_mut(), claims.as_object()) {
            all.extend(claims.clone());
            all.retain(|_, value| !value.is_null());
        }
        self.jwt_key().and_then(|key| key.sign(&all)).unwrap_or_default()
    }

    /// `GET …/agent-identities/jwks`
    pub(super) fn keys(&mut self, headers: &HeaderMap) -> Reply {
        if let Some(refusal) = refuse_credentials(headers) {
            return refusal;
        }
        // A set holds keys of other kinds, too.
        let other = json!({ "kty": "OKP", "crv": "X448", "kid": "other", "alg": "ML-DSA-65", "x": "AA" });
        let keys: Vec<Value> = [Some(other), self.jwt_key().map(JwtKey::jwk)].into_iter().flatten().collect();
        Reply::json(&json!({ "keys": keys }))
    }

    /// `POST /v1/agent/register`, by a request that opens that account.
    pub(super) fn register_agent(&mut self, account_id: String, headers: &HeaderMap, body: &[u8]) -> Reply {
        if !is_json(headers) {
            return bad_request("the body is not declared as JSON");
        }
        let Ok(request) = serde_json::from_slice::<AgentRequest>(body) else {
            return bad_request("not a request to register an agent");
        };
        let about = [request.abom.agent_version, request.abom.agent_harness_id, request.abom.running_location];
        if about.iter().any(|text| text.trim().is_empty()) || request.capabilities != ["responsesapi"] {
            return bad_request("the agent does not say what it is");
        }
        if !request.ttl.is_null() {
            return bad_request("no time to live can be asked for");
        }
        let Some(key) = key_of(&request.agent_public_key) else {
            return bad_request("the public key is not an SSH key of the kind ssh-ed25519");
        };
        let agent_runtime_id = format!("agent-{}", random());
        self.agents.insert(agent_runtime_id.clone(), Agent { key, account_id });
        Reply::json(&json!({ "agent_runtime_id": agent_runtime_id }))
    }

    /// `POST /v1/agent/{agent_runtime_id}/task/register`
    pub(super) fn register_task(&mut self, segment: &str, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Reply {
        if let Some(refusal) = refuse_credentials(headers) {
            return refusal;
        }
        if !is_json(headers) {
            return bad_request("the body is not declared as JSON");
        }
        let Ok(request) = serde_json::from_slice::<TaskRequest>(body) else {
            return bad_request("not a request to register a task");
        };
        let id = percent_decode_str(segment).decode_utf8_lossy().into_owned();
        let Some(agent) = self.agents.get(&id) else {
            return refuse(StatusCode::NOT_FOUND, "agent_not_found", "the agent is not known");
        };
        let signed = format!("{id}:{}", request.timestamp);
        if let Err(refusal) = agent.check(&signed, &request.signature, &request.timestamp, now) {
            return refusal;
        }
        let task_id = format!("task-{}", random());
        let public_key = agent.key.to_montgomery().0;
        self.add_task(&id, task_id.clone());
        if !self.seals {
            return Reply::json(&json!({ "task_id": task_id }));
        }
        let ephemeral: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
        match seal(task_id.as_bytes(), &public_key, &ephemeral) {
            Some(sealed) => Reply::json(&json!({ "encrypted_task_id": BASE64_STANDARD.encode(sealed) })),
            None => Reply::empty(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// The account that an assertion opens, or the answer that refuses it.
    pub(super) fn check(&self, assertion: &str, headers: &HeaderMap, now: SystemTime) -> Result<String, Reply> {
        let invalid = |why| refuse(StatusCode::UNAUTHORIZED, "invalid_assertion", why);
        if headers.get_all("authorization").iter().count() > 1 {
            return Err(invalid("more than one `Authorization` header"));
        }
        let json = BASE64_URL_SAFE_NO_PAD.decode(assertion);
        let json = json.map_err(|_| invalid("the assertion is not base64url without padding"))?;
        let envelope: Envelope = serde_json::from_slice(&json)
            .map_err(|_| invalid("the assertion is not a JSON object with its four members"))?;
        let Envelope { agent_runtime_id, task_id, timestamp, signature } = envelope;
        let agent = self
            .agents
            .get(&agent_runtime_id)
            .ok_or_else(|| refuse(StatusCode::UNAUTHORIZED, "agent_not_found", "the agent is not known"))?;
        agent.check(&format!("{agent_runtime_id}:{task_id}:{timestamp}"), &signature, &timestamp, now)?;
        match self.tasks.get(&task_id) {
            Some(task) if task.agent_runtime_id != agent_runtime_id => {
                return Err(refuse(StatusCode::UNAUTHORIZED, "invalid_task_id", "the task is another agent's"));
            }
            Some(Task { expired: false, .. }) => {}
            Some(_) => return Err(refuse(StatusCode::UNAUTHORIZED, "task_expired", "the task has expired")),
            None => return Err(refuse(StatusCode::UNAUTHORIZED, "task_not_found", "the task is not known")),
        }
        match headers.get("chatgpt-account-id").and_then(|value| value.to_str().ok()) {
            Some(account_id) if account_id == agent.account_id => Ok(agent.account_id.clone()),
            Some(_) => Err(refuse(StatusCode::FORBIDDEN, "account_mismatch", "the agent belongs to another account")),
            None => Err(refuse(StatusCode::UNAUTHORIZED, "missing_account", "no `ChatGPT-Account-ID` header")),
        }
    }
}

impl Agent {
    fn check(&self, signed: &str, signature: &str, timestamp: &str, now: SystemTime) -> Result<(), Reply> {
        let invalid = |why| Err(refuse(StatusCode::UNAUTHORIZED, "invalid_signature", why));
        let Some(signature) = BASE64_STANDARD.decode(signature).ok().and_then(|it| Signature::from_slice(&it).ok())
        else {
            return invalid("the signature is not base64 of 64 bytes");
        };
        if self.key.verify_strict(signed.as_bytes(), &signature).is_err() {
            return invalid("the signature is not the agent's");
        }
        let time = humantime::parse_rfc3339(timestamp).ok();
        let canonical = |time| humantime::format_rfc3339_seconds(time).to_string();
        let Some(time) = time.filter(|time| canonical(*time) == timestamp) else {
            return invalid("the timestamp is not RFC 3339 in whole seconds of UTC");
        };
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if seconds(time).abs_diff(seconds(now)) > WINDOW.as_secs() {
            let why = "the timestamp is more than five minutes from the server's clock";
            return Err(refuse(StatusCode::UNAUTHORIZED, "timestamp_out_of_range", why));
        }
        Ok(())
    }
}

/// In any order, and nothing beside them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    agent_runtime_id: String,
    task_id: String,
    timestamp: String,
    signature: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskRequest {
    timestamp: String,
    signature: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentRequest {
    abom: About,
    agent_public_key: String,
    capabilities: Vec<String>,
    // Without a default of its own, a member of this type may be `null` and may not be left out.
    ttl: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    agent_version: String,
    agent_harness_id: String,
    running_location: String,
}

fn key_of(ssh: &str) -> Option<VerifyingKey> {
    const HEAD: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0\x20";
    let blob = BASE64_STANDARD.decode(ssh.strip_prefix("ssh-ed25519 ")?).ok()?;
    VerifyingKey::from_bytes(blob.strip_prefix(HEAD)?.try_into().ok()?).ok()
}

/// A signature is all the credential that such a request may carry.
fn refuse_credentials(headers: &HeaderMap) -> Option<Reply> {
    let is_there = ["authorization", "chatgpt-account-id", "cookie"].into_iter().any(|name| headers.contains_key(name));
    is_there.then(|| bad_request("credentials where none belong"))
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get("content-type").and_then(|value| value.to_str().ok()) == Some("application/json")
}

fn bad_request(why: &str) -> Reply {
    refuse(StatusCode::BAD_REQUEST, "invalid_request", why)
}

impl fmt::Debug for Agents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agents")
            .field("agents", &self.agents.len())
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}
