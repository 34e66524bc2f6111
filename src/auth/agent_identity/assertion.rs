//! What a request carries: the agent's signature over its id, its task and the second.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::clock::timestamp;
use super::identity::AgentIdentity;
use crate::auth::AuthHeaders;
use crate::error::AuthError;

/// A task, and the headers of the second in which they were last asked for: the signature is deterministic and the
/// timestamp has whole seconds, so that all requests of one second carry the same bytes.
#[derive(Debug)]
pub(super) struct Task {
    id: SecretString,
    generation: u64,
    signed: ArcSwapOption<Signed>,
    /// Held by the one who signs.
    signing: Mutex<()>,
}

#[derive(Debug)]
struct Signed {
    second: u64,
    headers: AuthHeaders,
}

/// The members in the order of their names.
#[derive(Serialize)]
struct Envelope<'a> {
    agent_runtime_id: &'a str,
    signature: &'a str,
    task_id: &'a str,
    timestamp: &'a str,
}

impl Task {
    pub(super) fn new(id: SecretString, generation: u64) -> Self {
        Self { id, generation, signed: ArcSwapOption::empty(), signing: Mutex::default() }
    }

    pub(super) fn id(&self) -> &SecretString {
        &self.id
    }

    /// Counts tasks, not signatures.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The headers for that second.
    pub(super) fn headers(&self, identity: &AgentIdentity, second: u64) -> Result<AuthHeaders, AuthError> {
        if let Some(headers) = self.signed_for(second) {
            return Ok(headers);
        }
        let _turn = self.signing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(headers) = self.signed_for(second) {
            return Ok(headers);
        }
        let headers = self.sign(identity, second)?;
        self.signed.store(Some(Arc::new(Signed { second, headers: headers.clone() })));
        Ok(headers)
    }

    fn signed_for(&self, second: u64) -> Option<AuthHeaders> {
        let signed = self.signed.load();
        signed.as_ref().filter(|signed| signed.second == second).map(|signed| signed.headers.clone())
    }

    fn sign(&self, identity: &AgentIdentity, second: u64) -> Result<AuthHeaders, AuthError> {
        let (agent_runtime_id, task_id) = (identity.agent_runtime_id(), self.id.expose_secret());
        let timestamp = timestamp(second);
        let signature = identity.key().sign(&format!("{agent_runtime_id}:{task_id}:{timestamp}"));
        let envelope = Envelope { agent_runtime_id, signature: &signature, task_id, timestamp: &timestamp };
        let envelope =
            serde_json::to_vec(&envelope).map_err(|_| AuthError::permanent("an assertion cannot be written"))?;
        let assertion = format!("AgentAssertion {}", BASE64_URL_SAFE_NO_PAD.encode(envelope));
        let lasting = identity.inner.lasting_headers.clone().of_generation(self.generation);
        lasting.with_header(AUTHORIZATION, &assertion)
    }
}
