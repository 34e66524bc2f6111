//! The agents that the server knows, their tasks, and what it demands of their requests.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::asked::Asked;
use super::backend::Backend;
use super::credentials::Accounts;
use super::jwt_key::JwtKey;
use super::reply::Reply;
use super::route::{Access, Way, routes};
use super::world::{World, random};
use crate::auth::agent_identity::{keys, registration};
use crate::auth::{AgentIdentity, AgentKey, seal};
use crate::error::AuthError;

routes! {
    /// The keys that sign JWTs of agent identities.
    AGENT_KEYS = Way::open(&keys::FETCH, keys).at("/backend-api/wham/agent-identities/jwks");
    /// An agent is registered.
    REGISTER_AGENT = Way::codex(&registration::REGISTER_AGENT, register_agent);
    /// A task of an agent is registered.
    REGISTER_TASK = Way::codex(&registration::REGISTER_TASK, register_task).access(Access::Open);
}

/// How far a timestamp may be from the server's clock.
const WINDOW: Duration = Duration::from_secs(5 * 60);
const ISSUER: &str = "https://chatgpt.com/codex-backend/agent-identity";
const AUDIENCE: &str = "codex-app-server";

#[derive(Default, Clone)]
pub(super) struct Agents {
    agents: HashMap<String, Agent>,
    tasks: HashMap<String, Task>,
    jwt_key: Option<Arc<JwtKey>>,
    /// Whether task ids are sealed to the agent's key.
    seals: bool,
}

#[derive(Clone)]
struct Agent {
    key: VerifyingKey,
    account_id: String,
}

#[derive(Clone)]
struct Task {
    agent_runtime_id: String,
    expired: bool,
}

impl Agents {
    fn add(&mut self, identity: &AgentIdentity) {
        if let Ok(key) = VerifyingKey::from_bytes(&identity.key().public_key()) {
            let agent = Agent { key, account_id: identity.account_id().to_owned() };
            self.agents.insert(identity.agent_runtime_id().to_owned(), agent);
        }
    }

    fn add_task(&mut self, agent_runtime_id: &str, task_id: String) {
        self.tasks.insert(task_id, Task { agent_runtime_id: agent_runtime_id.to_owned(), expired: false });
    }

    fn jwt_key(&mut self) -> Option<&JwtKey> {
        if self.jwt_key.is_none() {
            self.jwt_key = JwtKey::generate(format!("key-{}", random())).map(Arc::new);
        }
        self.jwt_key.as_deref()
    }

    /// A JWT that says what claims of this server's agents say, changed by `claims`. A claim that is `null` there is left
    /// out.
    fn sign_jwt(&mut self, claims: &Value) -> String {
        let mut all = json!({ "iss": ISSUER, "aud": AUDIENCE, "iat": 1_700_000_000_u64, "exp": 4_000_000_000_u64 });
        if let (Some(all), Some(claims)) = (all.as_object_mut(), claims.as_object()) {
            all.extend(claims.clone());
            all.retain(|_, value| !value.is_null());
        }
        self.jwt_key().and_then(|key| key.sign(&all)).unwrap_or_default()
    }

    /// The account that an assertion opens, or the answer that refuses it.
    pub(super) fn check(&self, assertion: &str, headers: &HeaderMap, now: SystemTime) -> Result<String, Reply> {
        let invalid = |why| Reply::unauthorized("invalid_assertion", why);
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
            .ok_or_else(|| Reply::unauthorized("agent_not_found", "the agent is not known"))?;
        agent.check(&format!("{agent_runtime_id}:{task_id}:{timestamp}"), &signature, &timestamp, now)?;
        match self.tasks.get(&task_id) {
            Some(task) if task.agent_runtime_id != agent_runtime_id => {
                return Err(Reply::unauthorized("invalid_task_id", "the task is another agent's"));
            }
            Some(Task { expired: false, .. }) => {}
            Some(_) => return Err(Reply::unauthorized("task_expired", "the task has expired")),
            None => return Err(Reply::unauthorized("task_not_found", "the task is not known")),
        }
        match headers.get("chatgpt-account-id").and_then(|value| value.to_str().ok()) {
            Some(account_id) if account_id == agent.account_id => Ok(agent.account_id.clone()),
            Some(_) => Err(Reply::forbidden("account_mismatch", "the agent belongs to another account")),
            None => Err(Reply::unauthorized("missing_account", "no `ChatGPT-Account-ID` header")),
        }
    }
}

impl Agent {
    fn check(&self, signed: &str, signature: &str, timestamp: &str, now: SystemTime) -> Result<(), Reply> {
        let invalid = |why| Err(Reply::unauthorized("invalid_signature", why));
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
            return Err(Reply::unauthorized("timestamp_out_of_range", why));
        }
        Ok(())
    }
}

fn keys(world: &mut World, asked: &Asked<'_>) -> Reply {
    if let Some(refusal) = refuse_credentials(asked.headers) {
        return refusal;
    }
    // A set holds keys of other kinds, too.
    let other = json!({ "kty": "OKP", "crv": "X448", "kid": "other", "alg": "ML-DSA-65", "x": "AA" });
    let own = world.of::<Agents>().jwt_key().map(JwtKey::jwk);
    let keys: Vec<Value> = [Some(other), own].into_iter().flatten().collect();
    Reply::json(&json!({ "keys": keys }))
}

fn register_agent(world: &mut World, asked: &Asked<'_>) -> Reply {
    if !is_json(asked) {
        return Reply::invalid("the body is not declared as JSON");
    }
    let Ok(request) = serde_json::from_slice::<AgentRequest>(asked.body) else {
        return Reply::invalid("not a request to register an agent");
    };
    let about = [request.abom.agent_version, request.abom.agent_harness_id, request.abom.running_location];
    if about.iter().any(|text| text.trim().is_empty()) || request.capabilities != ["responsesapi"] {
        return Reply::invalid("the agent does not say what it is");
    }
    if !request.ttl.is_null() {
        return Reply::invalid("no time to live can be asked for");
    }
    let Some(key) = key_of(&request.agent_public_key) else {
        return Reply::invalid("the public key is not an SSH key of the kind ssh-ed25519");
    };
    let agent_runtime_id = format!("agent-{}", random());
    let agent = Agent { key, account_id: asked.account_id.to_owned() };
    world.of::<Agents>().agents.insert(agent_runtime_id.clone(), agent);
    Reply::json(&json!({ "agent_runtime_id": agent_runtime_id }))
}

fn register_task(world: &mut World, asked: &Asked<'_>) -> Reply {
    if let Some(refusal) = refuse_credentials(asked.headers) {
        return refusal;
    }
    if !is_json(asked) {
        return Reply::invalid("the body is not declared as JSON");
    }
    let Ok(request) = serde_json::from_slice::<TaskRequest>(asked.body) else {
        return Reply::invalid("not a request to register a task");
    };
    let (id, now) = (asked.id("agent_runtime_id"), world.now());
    let agents = world.of::<Agents>();
    let Some(agent) = agents.agents.get(id) else {
        return Reply::error(StatusCode::NOT_FOUND, "agent_not_found", "the agent is not known");
    };
    let signed = format!("{id}:{}", request.timestamp);
    if let Err(refusal) = agent.check(&signed, &request.signature, &request.timestamp, now) {
        return refusal;
    }
    let task_id = format!("task-{}", random());
    let public_key = agent.key.to_montgomery().0;
    agents.add_task(id, task_id.clone());
    if !agents.seals {
        return Reply::json(&json!({ "task_id": task_id }));
    }
    let ephemeral: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
    match seal(task_id.as_bytes(), &public_key, &ephemeral) {
        Some(sealed) => Reply::json(&json!({ "encrypted_task_id": BASE64_STANDARD.encode(sealed) })),
        None => Reply::empty(StatusCode::INTERNAL_SERVER_ERROR),
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
    is_there.then(|| Reply::invalid("credentials where none belong"))
}

fn is_json(asked: &Asked<'_>) -> bool {
    asked.header("content-type") == Some("application/json")
}

impl fmt::Debug for Agents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agents")
            .field("agents", &self.agents.len())
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

/// Agents and their tasks.
impl Backend {
    /// A new agent of an account, known to the server, with a key of its own and without a task. An account that does not
    /// exist is added.
    ///
    /// # Errors
    ///
    /// When the system has no randomness, or the account's id cannot be sent as a header.
    pub fn issue_agent_identity(&self, account_id: &str) -> Result<AgentIdentity, AuthError> {
        let is_fedramp = self.world().of::<Accounts>().is_fedramp_or_new(account_id);
        let id = format!("agent-{}", random());
        let identity = AgentIdentity::new(id, AgentKey::generate()?, account_id)?.fedramp(is_fedramp)?;
        self.add_agent(&identity);
        Ok(identity)
    }

    /// Makes an agent known to the server that was made elsewhere.
    pub fn add_agent(&self, identity: &AgentIdentity) {
        self.world().of::<Agents>().add(identity);
    }

    /// Makes a task known to the server, as if the agent had registered it.
    pub fn add_agent_task(&self, identity: &AgentIdentity, task_id: impl Into<String>) {
        self.world().of::<Agents>().add_task(identity.agent_runtime_id(), task_id.into());
    }

    /// The JWT of a new agent of an account, signed by a key that the server makes when it is first needed and that is
    /// among those it serves. Empty where the system has no randomness.
    #[must_use]
    pub fn issue_agent_jwt(&self, account_id: &str) -> SecretString {
        match self.issue_agent_identity(account_id) {
            Ok(identity) => self.sign_agent_jwt(&identity, &json!({})),
            Err(_) => SecretString::default(),
        }
    }

    /// The JWT of an agent with other claims than it would have (`exp`, `aud`, …); those that are `null` are left out.
    #[must_use]
    pub fn sign_agent_jwt(&self, identity: &AgentIdentity, claims: &Value) -> SecretString {
        let mut all = json!({
            "agent_runtime_id": identity.agent_runtime_id(),
            "agent_private_key": identity.key().to_pkcs8_base64().expose_secret(),
            "account_id": identity.account_id(),
            "chatgpt_user_id": identity.chatgpt_user_id().unwrap_or("user-embedded"),
            "email": identity.email().unwrap_or("user@example.com"),
            "plan_type": identity.plan_type().map_or("pro", |plan| plan.as_str()),
            "chatgpt_account_is_fedramp": identity.is_fedramp(),
        });
        if let (Some(all), Some(claims)) = (all.as_object_mut(), claims.as_object()) {
            all.extend(claims.clone());
        }
        self.world().of::<Agents>().sign_jwt(&all).into()
    }

    /// Refuses all tasks registered so far, with the code `task_expired`.
    pub fn expire_agent_tasks(&self) {
        self.world().of::<Agents>().tasks.values_mut().for_each(|task| task.expired = true);
    }

    /// Refuses all tasks registered so far, with the code `task_not_found`.
    pub fn forget_agent_tasks(&self) {
        self.world().of::<Agents>().tasks.clear();
    }

    /// Whether the ids of tasks are sealed to the agent's key. Default: no.
    pub fn seal_agent_tasks(&self, seals: bool) {
        self.world().of::<Agents>().seals = seals;
    }
}
