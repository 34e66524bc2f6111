//! The agent that is kept beside the tokens of a sign-in, in the same document.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::identity::AgentIdentity;
use super::record;
use crate::auth::claims::Claims;
use crate::auth::store::{CredentialStore, StoreError, StoreErrorKind, StoredCredentials, SwapOutcome};

/// How often a document that others change is tried to be saved.
pub(super) const MOST_SAVES: u32 = 10;

/// Puts a new task in place of the one that was refused, if that is the one that is kept with the agent. Where it cannot
/// be kept, a later process registers one of its own.
pub(super) async fn keep_new_task(
    store: Arc<dyn CredentialStore>,
    identity: AgentIdentity,
    refused: SecretString,
    new: SecretString,
) {
    let keep = move || {
        for _ in 0..MOST_SAVES {
            let Some(kept) = store.load()? else { return Ok(()) };
            let mut document = kept.document.clone();
            let task_id = document.get_mut("agent_identity").and_then(|agent| {
                let is_ours = agent.get("agent_runtime_id")? == identity.agent_runtime_id();
                agent.get_mut("task_id").filter(|task_id| is_ours && **task_id == refused.expose_secret())
            });
            let Some(task_id) = task_id else { return Ok(()) };
            *task_id = new.expose_secret().into();
            if let SwapOutcome::Done = store.swap(Some(&kept), Some(&kept.with_document(document)))? {
                return Ok(());
            }
        }
        Err(StoreError::new(StoreErrorKind::Unavailable, store.describe(), "it keeps changing"))
    };
    if let Err(error) = tokio::task::spawn_blocking(keep).await.unwrap_or(Ok(())) {
        tracing::warn!(%error, "the agent's new task is not kept");
    }
}

/// The agent that is kept, if it is one of that account and user and its key can be read.
pub(super) fn identity_in(stored: &StoredCredentials, account: &Claims) -> Option<AgentIdentity> {
    let kept = stored.document.get("agent_identity")?.as_object()?;
    let identity = record::identity(kept).ok()?;
    let is_theirs = Some(identity.account_id()) == account.account_id.as_deref()
        && identity.chatgpt_user_id() == account.user_id.as_deref();
    is_theirs.then_some(identity)
}

/// The document with the agent in it, and everything else as it was, also what is not known of the agent itself.
pub(super) fn with_agent(stored: &StoredCredentials, identity: &AgentIdentity) -> StoredCredentials {
    let mut document = stored.document.clone();
    let agent = record::value(identity);
    let is_same = |kept: &Value| kept.get("agent_runtime_id") == agent.get("agent_runtime_id");
    match (document.get_mut("agent_identity").filter(|kept| is_same(kept)), agent) {
        (Some(Value::Object(kept)), Value::Object(agent)) => kept.extend(agent),
        (_, agent) => drop(document.insert("agent_identity".to_owned(), agent)),
    }
    stored.with_document(document)
}
