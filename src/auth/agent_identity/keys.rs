//! The keys that sign JWTs of agent identities (a JWKS), fetched from the backend and kept for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::Method;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use serde_json::Value;

use super::single_flight::SingleFlight;
use crate::auth::AuthContext;
use crate::auth::service_call::ServiceCall;
use crate::error::{AgentIdentityError, AuthError, Error};
use crate::exchange::{Operation, Pace, Retries};

/// How long keys are used without asking again.
const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Keys this young are not fetched again because one is missing among them.
const TOO_YOUNG_TO_MISS_ONE: Duration = Duration::from_secs(30);
const TIME_LIMIT: Duration = Duration::from_secs(10);

static FETCH: Operation = Operation {
    name: "auth.agent_identity_keys",
    method: Method::GET,
    path: "/agent-identities/jwks",
    retries: Retries::Safe,
    pace: Pace::Bounded,
};

/// The keys of one backend. However many JWTs are verified at once, they are fetched once; a failure is not kept.
#[derive(Debug, Default)]
pub(crate) struct KeySetCache {
    kept: Mutex<Option<Fetched>>,
    fetching: SingleFlight<Arc<KeySet>>,
}

#[derive(Debug, Clone)]
struct Fetched {
    at: Duration,
    keys: Arc<KeySet>,
}

impl KeySetCache {
    /// The key of that id.
    pub(super) async fn find(&self, id: &str, context: &AuthContext) -> Result<RsaKey, AuthError> {
        let now = context.exchange.clock().monotonic();
        let kept = self.kept().clone();
        if let Some(Fetched { at, keys }) = &kept {
            let age = now.saturating_sub(*at);
            match keys.find(id) {
                Some(key) if age < LIFETIME => return key,
                None if age < TOO_YOUNG_TO_MISS_ONE => return Err(AgentIdentityError::JwtUntrustedKey.into()),
                _ => {}
            }
        }
        let is_the_same = |other: &Fetched| kept.as_ref().is_some_and(|kept| Arc::ptr_eq(&kept.keys, &other.keys));
        let fetching = self.fetching.run(async {
            // Somebody may have fetched them between the look above and this one's turn.
            let newer = self.kept().clone().filter(|fetched| !is_the_same(fetched));
            match newer {
                Some(fetched) => Ok(fetched.keys),
                None => self.fetch(context).await,
            }
        });
        let keys = fetching.await?;
        keys.find(id).unwrap_or_else(|| Err(AgentIdentityError::JwtUntrustedKey.into()))
    }

    async fn fetch(&self, context: &AuthContext) -> Result<Arc<KeySet>, AuthError> {
        let failed = |error: Error| AuthError::from(AgentIdentityError::KeysNotFetched(error));
        let call = ServiceCall::new(&FETCH, context.services.agents.keys_url.clone(), TIME_LIMIT);
        let answer = call.send(&context.exchange).await.map_err(failed)?;
        let keys: Arc<KeySet> = Arc::new(answer.json(&FETCH).map_err(failed)?);
        *self.kept() = Some(Fetched { at: context.exchange.clock().monotonic(), keys: keys.clone() });
        Ok(keys)
    }

    fn kept(&self) -> MutexGuard<'_, Option<Fetched>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl KeySet {
    /// The first key of that id. Keys for other purposes, and of kinds that are not known here, are passed over.
    fn find(&self, id: &str) -> Option<Result<RsaKey, AuthError>> {
        let is = |key: &Value, member: &str, expected: &str, or_absent: bool| match key.get(member) {
            None | Some(Value::Null) => or_absent,
            Some(value) => value.as_str() == Some(expected),
        };
        let key = self.keys.iter().find(|key| {
            is(key, "kid", id, false)
                && is(key, "kty", "RSA", false)
                && is(key, "use", "sig", true)
                && is(key, "alg", "RS256", true)
        })?;
        Some(RsaKey::of(key).map_err(AuthError::from))
    }
}

/// A public RSA key.
#[derive(Debug)]
pub(super) struct RsaKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl RsaKey {
    fn of(key: &Value) -> Result<Self, AgentIdentityError> {
        let number = |member: &str, reason| {
            let text = key.get(member).and_then(Value::as_str);
            let bytes = text.and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok());
            let bytes = bytes.filter(|bytes| bytes.iter().any(|byte| *byte != 0));
            bytes.ok_or(AgentIdentityError::JwtKey { reason })
        };
        let modulus = number("n", "its modulus is not base64url")?;
        let exponent = number("e", "its exponent is not base64url")?;
        if modulus.len() < 256 {
            return Err(AgentIdentityError::JwtKey { reason: "it is shorter than 2048 bits" });
        }
        Ok(Self { modulus, exponent })
    }

    /// RS256, and nothing else.
    pub(super) fn has_signed(&self, text: &[u8], signature: &[u8]) -> bool {
        let key = RsaPublicKeyComponents { n: &self.modulus[..], e: &self.exponent[..] };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, text, signature).is_ok()
    }
}
