//! The agent of the vectors, and a backend that knows it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use codex_backend::auth::{AgentIdentity, AgentIdentityError, AgentKey, AgentProvider, AuthContext};
use codex_backend::testing::{Backend, Fault, ManualClock, Route};
use codex_backend::{AuthError, Client, CodexBackend, Error};
use secrecy::SecretString;
use serde_json::{Value, json};

pub(crate) const KEY: &str = "MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";
pub(crate) const TIMESTAMP: &str = "2026-04-23T00:00:00Z";
pub(crate) const ACCOUNT: &str = "account-123";

pub(crate) fn vectors() -> Value {
    serde_json::from_str(include_str!("../data/agent_identity.json")).unwrap()
}

pub(crate) fn key() -> AgentKey {
    AgentKey::from_pkcs8_base64(KEY).unwrap()
}

pub(crate) fn at(timestamp: &str) -> SystemTime {
    humantime::parse_rfc3339(timestamp).unwrap()
}

/// A record of the vectors' agent.
pub(crate) fn record(changes: &Value) -> SecretString {
    let mut record = json!({
        "agent_runtime_id": "agent-123",
        "agent_private_key": KEY,
        "account_id": ACCOUNT,
        "chatgpt_user_id": "user-123",
        "email": "user@example.com",
        "plan_type": "pro",
        "chatgpt_account_is_fedramp": false,
    });
    record.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    record.as_object_mut().unwrap().retain(|_, value| *value != json!("[absent]"));
    record.to_string().into()
}

pub(crate) fn agent_123() -> AgentIdentity {
    AgentIdentity::from_record(record(&json!({}))).unwrap()
}

/// A backend whose clock, and whose clients' clocks, stand at the vectors' moment, and which knows their agent.
pub(crate) struct Stage {
    pub(crate) backend: Backend,
    pub(crate) clock: ManualClock,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let (backend, clock) = (Backend::start().unwrap(), ManualClock::starting_at(at(TIMESTAMP)));
        backend.set_clock(clock.clone());
        backend.add_account(ACCOUNT);
        backend.add_agent(&agent_123());
        Self { backend, clock }
    }

    pub(crate) fn context(&self) -> AuthContext {
        self.backend.client().clock(self.clock.clone()).auth_context().unwrap()
    }

    pub(crate) fn client(&self, agent: impl AgentProvider) -> Client<CodexBackend> {
        self.backend.client().clock(self.clock.clone()).agent_identity(agent).build().unwrap()
    }

    /// What comes of a registration that is answered with this.
    pub(crate) async fn registering(&self, answer: Fault) -> Result<SecretString, AuthError> {
        self.backend.inject(Route::REGISTER_TASK, answer.times(9));
        agent_123().register(&self.context()).await.map(|agent| agent.task_id())
    }

    pub(crate) fn registrations(&self) -> usize {
        self.backend.requests_to(Route::REGISTER_TASK).len()
    }
}

pub(crate) fn json_answer(body: &str) -> Fault {
    Fault::status(200).header("content-type", "application/json").body(body.to_owned())
}

#[track_caller]
pub(crate) fn detail(error: &AuthError) -> &AgentIdentityError {
    error.agent_identity_error().unwrap_or_else(|| panic!("not about an agent identity: {error:?}"))
}

pub(crate) async fn usage(client: &Client<CodexBackend>) -> Result<(), Error> {
    client.usage().get().await.map(drop)
}

pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) fn after_epoch(count: u64) -> SystemTime {
    UNIX_EPOCH + seconds(count)
}

/// For requests that no client of this crate would send.
pub(crate) fn plain_http() -> reqwest::Client {
    static PROVIDER: std::sync::Once = std::sync::Once::new();
    PROVIDER.call_once(|| rustls::crypto::ring::default_provider().install_default().unwrap());
    reqwest::Client::new()
}
