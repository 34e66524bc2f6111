//! The record of an agent identity, as `auth.json` holds it.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{AgentIdentity, AgentKey, secret_json};
use crate::auth::claims::Claims;
use crate::error::{AgentIdentityError, AuthError};
use crate::limits::PlanType;

/// Whether there is enough in it to be taken for an agent identity.
pub(super) fn has_material(record: &Map<String, Value>) -> bool {
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
