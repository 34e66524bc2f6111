//! The JWT that an agent identity comes in. It holds the private key, so it is a secret, and it is sent nowhere.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::identity::AgentIdentity;
use super::key::AgentKey;
use crate::auth::AuthContext;
use crate::auth::claims::Claims;
use crate::error::{AgentIdentityError, AuthError, JwtRejection};

const ISSUER: &str = "https://chatgpt.com/codex-backend/agent-identity";
const AUDIENCE: &str = "codex-app-server";
/// How long after its end a JWT is still taken, since clocks differ.
const LEEWAY: Duration = Duration::from_secs(60);

impl AgentIdentity {
    /// From a JWT, as `CODEX_ACCESS_TOKEN` and `CODEX_AGENT_IDENTITY` hold it. Its structure is checked first; then the
    /// backend's keys are fetched (`GET` without credentials, 10 s), if the context does not know them from the last
    /// 10 minutes, and its signature, issuer, audience and end are verified. White space around it is ignored. Nothing is
    /// registered, and the JWT is sent nowhere: it holds the private key.
    ///
    /// The context keeps the keys: verify all of a fleet's JWTs with one context, and they are fetched once.
    ///
    /// # Errors
    ///
    /// When the JWT does not hold, or the keys cannot be fetched; see
    /// [`AuthError::agent_identity_error`](crate::AuthError::agent_identity_error).
    pub async fn from_jwt(jwt: impl Into<SecretString>, context: &AuthContext) -> Result<Self, AuthError> {
        verified(jwt.into(), context).await
    }
}

/// The identity in a JWT that holds. What costs no request is checked first.
async fn verified(jwt: SecretString, context: &AuthContext) -> Result<AgentIdentity, AuthError> {
    let parts = Parts::of(jwt.expose_secret().trim())?;
    let claims = Claimed::of(parts.payload)?;
    let key_id = key_id(parts.header)?;
    let key = context.services.agents.signing_key(&key_id, &context.exchange).await?;
    let rejected = |reason| Err(AgentIdentityError::JwtVerification { reason }.into());
    let signature = BASE64_URL_SAFE_NO_PAD.decode(parts.signature).unwrap_or_default();
    if !key.has_signed(parts.signed.as_bytes(), &signature) {
        return rejected(JwtRejection::Signature);
    }
    if claims.iss != ISSUER {
        return rejected(JwtRejection::Issuer);
    }
    if claims.aud != AUDIENCE {
        return rejected(JwtRejection::Audience);
    }
    let now = context.now().duration_since(UNIX_EPOCH).map_err(|_| AgentIdentityError::ClockUnusable)?;
    if claims.exp.saturating_add(LEEWAY.as_secs()) < now.as_secs() {
        return rejected(JwtRejection::Expired);
    }
    claims.into_identity()
}

struct Parts<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// What the signature covers.
    signed: &'a str,
}

impl<'a> Parts<'a> {
    fn of(jwt: &'a str) -> Result<Self, AgentIdentityError> {
        let mut parts = jwt.split('.');
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let (Some(header), Some(payload), Some(signature), None) = (part(), part(), part(), parts.next()) else {
            return Err(AgentIdentityError::JwtFormat);
        };
        Ok(Self { header, payload, signature, signed: &jwt[..header.len() + 1 + payload.len()] })
    }
}

/// The claims; all are needed, save the e-mail address.
#[derive(Deserialize)]
struct Claimed {
    iss: String,
    aud: String,
    // Must be there, and is compared with nothing: an agent may be issued by a clock that is ahead.
    #[serde(rename = "iat")]
    _issued_at: u64,
    exp: u64,
    agent_runtime_id: String,
    agent_private_key: SecretString,
    account_id: String,
    chatgpt_user_id: String,
    email: Option<String>,
    plan_type: String,
    chatgpt_account_is_fedramp: bool,
}

impl Claimed {
    fn of(payload: &str) -> Result<Self, AgentIdentityError> {
        let json = BASE64_URL_SAFE_NO_PAD.decode(payload).map(Zeroizing::new);
        let json = json.map_err(|_| AgentIdentityError::JwtPayloadBase64)?;
        serde_json::from_slice(&json).map_err(|_| AgentIdentityError::JwtPayloadJson)
    }

    fn into_identity(self) -> Result<AgentIdentity, AuthError> {
        let key = AgentKey::from_pkcs8_base64(self.agent_private_key)?;
        let account = Claims {
            account_id: Some(self.account_id),
            user_id: Some(self.chatgpt_user_id),
            email: self.email.filter(|email| !email.is_empty()),
            plan_type: Some(self.plan_type.into()),
            is_fedramp: self.chatgpt_account_is_fedramp,
            residency: None,
            expires_at: UNIX_EPOCH.checked_add(Duration::from_secs(self.exp)),
        };
        AgentIdentity::of_account(self.agent_runtime_id, key, account, None)
    }
}

/// The key that the header names, if the JWT says that it is signed with RS256.
fn key_id(header: &str) -> Result<String, AgentIdentityError> {
    const OTHER_ALGORITHMS: [&str; 11] =
        ["HS256", "HS384", "HS512", "RS384", "RS512", "ES256", "ES384", "PS256", "PS384", "PS512", "EdDSA"];
    let unreadable = |reason| AgentIdentityError::JwtHeader { reason };
    let json = BASE64_URL_SAFE_NO_PAD.decode(header).map_err(|_| unreadable("it is not base64url without padding"))?;
    let header: Value = crate::wire::from_bytes(&json).map_err(|_| unreadable("it is not JSON"))?;
    match header.get("alg").and_then(Value::as_str) {
        Some("RS256") => {}
        Some(other) if OTHER_ALGORITHMS.contains(&other) => {
            return Err(AgentIdentityError::JwtVerification { reason: JwtRejection::Algorithm });
        }
        _ => return Err(unreadable("it names no known algorithm")),
    }
    if header.get("crit").is_some() {
        return Err(unreadable("it demands an extension that is not known"));
    }
    match header.get("kid") {
        Some(Value::String(id)) => Ok(id.clone()),
        None | Some(Value::Null) => Err(AgentIdentityError::JwtNoKeyId),
        Some(_) => Err(unreadable("its key id is not text")),
    }
}
