//! What is wrong with an agent identity, in detail.

use std::error::Error as StdError;
use std::time::Duration;

use crate::error::{AuthError, AuthErrorKind, Error, ReauthReason};

/// What is wrong with an agent identity, in detail. It is the source of the [`AuthError`] that a call or a constructor
/// returns: [`AuthError::agent_identity_error`] finds it there.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::auth::{AgentIdentity, AgentIdentityError};
///
/// # let backend = codex_backend::testing::Backend::start()?;
/// let context = backend.client().auth_context()?;
/// let error = AgentIdentity::from_jwt("not.a-jwt", &context).await.unwrap_err();
/// assert!(matches!(error.agent_identity_error(), Some(AgentIdentityError::JwtFormat)));
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentIdentityError {
    /// The credentials say that they are an agent identity, and hold none.
    #[error("there is no `agent_identity` in the credentials")]
    MissingMaterial,
    /// A member of the record is missing, or has another type than expected.
    #[error("the agent identity's record has no usable `{member}`")]
    RecordIncomplete {
        /// The member.
        member: &'static str,
    },
    /// An id is blank, longer than 4096 bytes, or holds a control character.
    #[error("the agent identity's `{member}` cannot be used: {reason}")]
    InvalidId {
        /// Which id.
        member: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The JWT is not three parts.
    #[error("the agent identity's JWT is not three non-empty parts joined by dots")]
    JwtFormat,
    /// The JWT's payload is not base64url without padding.
    #[error("the payload of the agent identity's JWT is not base64url without padding")]
    JwtPayloadBase64,
    /// The JWT's payload is not JSON with all the claims that are needed.
    #[error("the payload of the agent identity's JWT is not JSON with all the claims that are needed")]
    JwtPayloadJson,
    /// The keys that sign JWTs could not be fetched.
    #[error("the keys to verify the agent identity's JWT with could not be fetched: {0}")]
    KeysNotFetched(#[source] Error),
    /// The JWT's header cannot be read, or names an algorithm that does not exist.
    #[error("the header of the agent identity's JWT cannot be read: {reason}")]
    JwtHeader {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The JWT's header names no key.
    #[error("the header of the agent identity's JWT names no key (`kid`)")]
    JwtNoKeyId,
    /// The JWT is signed by a key that the backend does not have.
    #[error("the agent identity's JWT is signed by a key that the backend does not know")]
    JwtUntrustedKey,
    /// The key that signs the JWT is broken.
    #[error("the backend's key for the agent identity's JWT cannot be used: {reason}")]
    JwtKey {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The JWT does not hold.
    #[error("the agent identity's JWT does not hold: {reason}")]
    JwtVerification {
        /// Why not.
        reason: JwtRejection,
    },
    /// The private key is not base64.
    #[error("the agent's private key is not base64 in the standard alphabet with padding")]
    PrivateKeyBase64,
    /// The private key is not a PKCS#8 Ed25519 key, or the public key beside it is another one's.
    #[error("the agent's private key is not an Ed25519 key in PKCS#8, or the public key in it does not belong to it")]
    PrivateKeyPkcs8,
    /// There is no service to register with.
    #[error(
        "agents cannot be registered for the backend at {base_url}: it belongs to no known environment. Name the service \
         with `.auth_api_base_url(..)`"
    )]
    UnsupportedEnvironment {
        /// The backend's base URL.
        base_url: String,
    },
    /// The registration did not get through.
    #[error("{operation} failed after {attempts} attempts: {source}")]
    RegistrationTransport {
        /// What was to be registered: `auth.register_agent` or `auth.register_task`.
        operation: &'static str,
        /// How often it was tried.
        attempts: u32,
        /// What happened to the last attempt.
        source: Error,
    },
    /// The registration was refused.
    #[error("{operation} was refused after {attempts} attempts: HTTP {status}{}{body}{}", if body.is_empty() { "" } else { ": " }, skew_note(*.skew))]
    RegistrationStatus {
        /// What was to be registered: `auth.register_agent` or `auth.register_task`.
        operation: &'static str,
        /// How often it was tried.
        attempts: u32,
        /// The HTTP status.
        status: u16,
        /// The start of what the server said, cut to 512 characters and scrubbed of credentials.
        body: String,
        /// By how much the clocks differ, where a signature was refused (401) and that is more than a minute.
        skew: Option<ClockSkew>,
        /// The last answer.
        source: Error,
    },
    /// The registration succeeded, and its answer cannot be read.
    #[error("the answer to {operation} cannot be read: {reason}")]
    RegistrationAnswer {
        /// What was registered: `auth.register_agent` or `auth.register_task`.
        operation: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The task was registered, and its id was left out.
    #[error("the answer to auth.register_task holds no task id")]
    TaskIdOmitted,
    /// The sealed task id is not base64.
    #[error("the sealed task id is not base64 in the standard alphabet with padding")]
    SealedTaskIdBase64,
    /// The sealed task id cannot be opened by this agent's key.
    #[error("the sealed task id cannot be opened by this agent's key")]
    SealedTaskIdNotOpened,
    /// The sealed task id is not text.
    #[error("the sealed task id is not UTF-8")]
    SealedTaskIdUtf8,
    /// The backend refused the task of a request that had been refused before and was retried.
    #[error("the backend refused the task also when the request was retried ({code}){}", skew_note(*.skew))]
    TaskRefused {
        /// The server's code.
        code: String,
        /// By how much the clocks differ, where that is more than a minute.
        skew: Option<ClockSkew>,
    },
    /// The backend refused the assertion, and the clocks are far apart.
    #[error("the backend refused the assertion{}{}", .code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default(), skew_note(Some(*.skew)))]
    WrongClock {
        /// The server's code, where it gave one.
        code: Option<String>,
        /// By how much the clocks differ.
        skew: ClockSkew,
    },
    /// The clock of this machine shows a time before 1970 or after 9999.
    #[error("the clock shows a time that no assertion can carry")]
    ClockUnusable,
    /// An agent of one's own could not be had. A ChatGPT session goes on without one.
    #[error("an agent identity cannot be had now: {operation} failed after {attempts} attempts: {message}")]
    BootstrapUnavailable {
        /// What failed: `auth.register_agent` or `auth.register_task`.
        operation: &'static str,
        /// How often it was tried.
        attempts: u32,
        /// What happened to the last attempt.
        message: String,
    },
}

/// Why a JWT does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum JwtRejection {
    /// It is not signed with RS256.
    #[error("it is not signed with RS256")]
    Algorithm,
    /// The signature is not that of the key.
    #[error("its signature is wrong")]
    Signature,
    /// `iss` is another one.
    #[error("its issuer is not the Codex backend")]
    Issuer,
    /// `aud` is another one.
    #[error("it is meant for another audience")]
    Audience,
    /// `exp` has passed by more than a minute.
    #[error("it has expired")]
    Expired,
}

/// How far this machine's clock is from the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum ClockSkew {
    /// This machine's clock shows an earlier time, by that much.
    Behind(Duration),
    /// This machine's clock shows a later time, by that much.
    Ahead(Duration),
}

fn skew_note(skew: Option<ClockSkew>) -> String {
    let (by, direction) = match skew {
        None => return String::new(),
        Some(ClockSkew::Behind(by)) => (by, "behind"),
        Some(ClockSkew::Ahead(by)) => (by, "ahead of"),
    };
    format!(
        ": this machine's clock is {} {direction} the server's. Set the clock, or let the agent follow the server's",
        humantime::format_duration(Duration::from_secs(by.as_secs()))
    )
}

impl AuthError {
    /// What is wrong with the agent identity, where that is what failed.
    #[must_use]
    pub fn agent_identity_error(&self) -> Option<&AgentIdentityError> {
        let mut next: Option<&(dyn StdError + 'static)> = self.source();
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}

impl From<AgentIdentityError> for AuthError {
    fn from(error: AgentIdentityError) -> Self {
        use AgentIdentityError as E;
        if let E::JwtVerification { reason: JwtRejection::Expired } = &error {
            return Self::reauth_because(ReauthReason::Expired, error.to_string()).with_source(error);
        }
        let kind = match &error {
            E::MissingMaterial | E::RecordIncomplete { .. } => AuthErrorKind::Incomplete,
            E::BootstrapUnavailable { .. } => AuthErrorKind::Transient,
            E::KeysNotFetched(source) if source.is_retryable() => AuthErrorKind::Transient,
            E::RegistrationTransport { source, .. } if source.is_retryable() => AuthErrorKind::Transient,
            E::RegistrationStatus { status: 429 | 500..=599, .. } => AuthErrorKind::Transient,
            _ => AuthErrorKind::Permanent,
        };
        Self::new(kind, error.to_string()).with_source(error)
    }
}
