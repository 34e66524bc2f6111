//! The record of an agent identity, as `auth.json` holds it.

use secrecy::zeroize::{Zeroize, Zeroizing};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};

use super::identity::AgentIdentity;
use super::key::AgentKey;
use crate::auth::AuthContext;
use crate::auth::claims::Claims;
use crate::auth::store::StoredCredentials;
use crate::error::{AgentIdentityError, AuthError};
use crate::limits::PlanType;

impl AgentIdentity {
    /// From a record, the JSON object that `auth.json` holds under `agent_identity`. A `task_id` in it is used, without
    /// registering again. Makes no request.
    ///
    /// # Errors
    ///
    /// When a member is missing, or the key or an id cannot be used.
    pub fn from_record(record: impl Into<SecretString>) -> Result<Self, AuthError> {
        let record = record.into();
        let mut parsed = crate::wire::from_text(record.expose_secret()).unwrap_or(Value::Null);
        let incomplete = AgentIdentityError::RecordIncomplete { member: "agent_runtime_id" };
        let identity = parsed.as_object().ok_or(incomplete.into()).and_then(identity);
        if let Some(Value::String(key)) = parsed.get_mut("agent_private_key") {
            key.zeroize();
        }
        identity
    }

    /// From the `agent_identity` of stored credentials, in both of its forms: a JWT, which is verified, or a record.
    ///
    /// # Errors
    ///
    /// When there is none, or as [`from_jwt`](Self::from_jwt) and [`from_record`](Self::from_record).
    pub async fn from_stored(stored: &StoredCredentials, context: &AuthContext) -> Result<Self, AuthError> {
        match stored.document.get("agent_identity") {
            Some(Value::String(jwt)) if !jwt.trim().is_empty() => Self::from_jwt(jwt.as_str(), context).await,
            Some(Value::Object(record)) if has_material(record) => identity(record),
            _ => Err(AgentIdentityError::MissingMaterial.into()),
        }
    }

    /// The record, as `auth.json` holds it, with the task that it was made with. Whoever has it is the agent.
    #[must_use]
    pub fn to_record(&self) -> SecretString {
        text(self, self.inner.task_id.as_ref())
    }
}

/// Whether there is enough in it to be taken for an agent identity.
fn has_material(record: &Map<String, Value>) -> bool {
    ["agent_runtime_id", "agent_private_key"].into_iter().all(|member| filled(record, member).is_some())
}

pub(super) fn identity(record: &Map<String, Value>) -> Result<AgentIdentity, AuthError> {
    let incomplete = |member| AgentIdentityError::RecordIncomplete { member };
    let text = |member: &'static str| record.get(member).and_then(Value::as_str).ok_or_else(|| incomplete(member));
    let optional = |member: &'static str| match record.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(_)) => Ok(filled(record, member)),
        Some(_) => Err(incomplete(member)),
    };
    let is_fedramp = record.get("chatgpt_account_is_fedramp").and_then(Value::as_bool);
    let account = Claims {
        account_id: Some(text("account_id")?.to_owned()),
        user_id: Some(text("chatgpt_user_id")?.to_owned()),
        email: optional("email")?.map(str::to_owned),
        plan_type: Some(plan(text("plan_type")?)),
        is_fedramp: is_fedramp.ok_or_else(|| incomplete("chatgpt_account_is_fedramp"))?,
        ..Claims::default()
    };
    let key = AgentKey::from_pkcs8_base64(text("agent_private_key")?)?;
    let task_id = optional("task_id")?.map(SecretString::from);
    AgentIdentity::of_account(text("agent_runtime_id")?.to_owned(), key, account, task_id)
}

/// A plan as records spell it: without the second names that JWTs have for some.
fn plan(text: &str) -> PlanType {
    let plan = PlanType::from(text.to_owned());
    if plan.as_str() == text { plan } else { PlanType::Other(text.to_owned()) }
}

fn filled<'a>(record: &'a Map<String, Value>, member: &str) -> Option<&'a str> {
    record.get(member)?.as_str().filter(|text| !text.trim().is_empty())
}

/// The record as text, with that task.
pub(super) fn text(identity: &AgentIdentity, task_id: Option<&SecretString>) -> SecretString {
    secret_json(&Record::of(identity, &identity.inner.key.to_pkcs8_base64(), task_id))
}

/// The record as the value of a document.
pub(super) fn value(identity: &AgentIdentity) -> Value {
    let key = identity.inner.key.to_pkcs8_base64();
    serde_json::to_value(Record::of(identity, &key, identity.inner.task_id.as_ref())).unwrap_or_default()
}

#[derive(Serialize)]
struct Record<'a> {
    agent_runtime_id: &'a str,
    agent_private_key: &'a str,
    account_id: &'a str,
    chatgpt_user_id: &'a str,
    email: &'a str,
    plan_type: &'a str,
    chatgpt_account_is_fedramp: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<&'a str>,
}

impl<'a> Record<'a> {
    fn of(identity: &'a AgentIdentity, key: &'a SecretString, task_id: Option<&'a SecretString>) -> Self {
        Self {
            agent_runtime_id: identity.agent_runtime_id(),
            agent_private_key: key.expose_secret(),
            account_id: identity.account_id(),
            chatgpt_user_id: identity.chatgpt_user_id().unwrap_or_default(),
            email: identity.email().unwrap_or_default(),
            plan_type: identity.plan_type().map_or("unknown", PlanType::as_str),
            chatgpt_account_is_fedramp: identity.is_fedramp(),
            task_id: task_id.map(ExposeSecret::expose_secret),
        }
    }
}

/// JSON text that may hold a secret.
fn secret_json(value: &impl Serialize) -> SecretString {
    let text = Zeroizing::new(serde_json::to_vec(value).unwrap_or_default());
    String::from_utf8_lossy(&text).into_owned().into()
}
