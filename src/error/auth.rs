//! Errors of credentials.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// Why a provider has no auth headers to give. Cheap to clone, so that one failure can answer many waiting callers.
///
/// ```
/// use codex_backend::AuthError;
///
/// let error = AuthError::transient("the token service did not answer");
/// assert!(error.is_transient() && !error.needs_sign_in());
/// ```
#[derive(Clone)]
pub struct AuthError {
    inner: Arc<Inner>,
}

struct Inner {
    kind: AuthErrorKind,
    reauth: Option<ReauthReason>,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The classes of [`AuthError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthErrorKind {
    /// A credential, or a value that goes along with it, cannot be sent as an HTTP header.
    InvalidHeaderValue,
    /// Two sources name different accounts.
    AccountMismatch,
    /// The credentials are missing or incomplete.
    Incomplete,
    /// No credentials were found.
    NotFound,
    /// The credentials are of a kind that this version of the crate cannot use.
    Unsupported,
    /// The credentials are of another mode than is needed.
    OtherMode,
    /// The application's [`CredentialRestrictions`](crate::auth::CredentialRestrictions) do not allow the credentials.
    NotAllowed,
    /// The refresh token was issued by somebody who is neither the backend's issuer nor named in code. It was not sent.
    UnknownIssuer,
    /// A failure that may pass; the credentials are not known to be bad.
    Transient,
    /// A failure that a retry does not mend.
    Permanent,
    /// The user must sign in again; [`AuthError::reauth_reason`] tells why.
    ReauthRequired,
}

/// Why the user must sign in again.
///
/// ```
/// use codex_backend::auth::ReauthReason;
/// use codex_backend::AuthError;
///
/// let error = AuthError::reauth_required("the vault has no token for this user");
/// assert_eq!(error.reauth_reason(), Some(ReauthReason::Other));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReauthReason {
    /// The refresh token has expired (`refresh_token_expired`), or the JWT of an agent identity.
    Expired,
    /// The refresh token has been used already, by another program or another machine (`refresh_token_reused`).
    Reused,
    /// The refresh token has been revoked (`refresh_token_invalidated`).
    Revoked,
    /// The server does not accept the credential, and says no more (401, `invalid_grant`).
    NotAccepted,
    /// The server refuses the credentials also after they have been refreshed.
    RefusedAgain,
    /// The credentials have been removed from their store.
    Removed,
    /// There is no refresh token.
    NoRefreshToken,
    /// A reason of the application's own provider.
    Other,
}

impl ReauthReason {
    fn sentence(self) -> &'static str {
        match self {
            Self::Expired => "the refresh token has expired",
            Self::Reused => "the refresh token has been used already, by another program or another machine",
            Self::Revoked => "the refresh token has been revoked",
            Self::NotAccepted => "the credentials are not accepted any more",
            Self::RefusedAgain => "the server refuses the credentials, also after they have been refreshed",
            Self::Removed => "the credentials have been removed",
            Self::NoRefreshToken => "there is no refresh token to refresh the credentials with",
            Self::Other => "the credentials cannot be used any more",
        }
    }
}

impl fmt::Display for ReauthReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl AuthError {
    pub(crate) fn new(kind: AuthErrorKind, message: impl Into<String>) -> Self {
        Self { inner: Arc::new(Inner { kind, reauth: None, message: message.into(), source: None }) }
    }

    /// The user must sign in again, for one of the reasons this crate knows.
    pub(crate) fn reauth(reason: ReauthReason) -> Self {
        Self::reauth_because(reason, reason.sentence())
    }

    /// As [`reauth`](Self::reauth), in words of its own.
    pub(crate) fn reauth_because(reason: ReauthReason, message: impl Into<String>) -> Self {
        let kind = AuthErrorKind::ReauthRequired;
        Self { inner: Arc::new(Inner { kind, reauth: Some(reason), message: message.into(), source: None }) }
    }

    /// A failure that may pass. The message must not hold a credential: it is shown and logged.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(AuthErrorKind::Transient, message)
    }

    /// A failure that a retry does not mend. The message must not hold a credential: it is shown and logged.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(AuthErrorKind::Permanent, message)
    }

    /// The user must sign in again. The reason must not hold a credential: it is shown and logged.
    pub fn reauth_required(reason: impl Into<String>) -> Self {
        Self::reauth_because(ReauthReason::Other, reason)
    }

    /// Adds the error that caused this one. Its `Debug` and `Display` must not hold a credential.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let Inner { kind, reauth, ref message, source: _ } = *self.inner;
        Self { inner: Arc::new(Inner { kind, reauth, message: message.clone(), source: Some(source.into()) }) }
    }

    /// The same failure, said of the credentials from that place.
    pub(crate) fn of_source(self, source: &str) -> Self {
        let Inner { kind, reauth, ref message, .. } = *self.inner;
        let message = format!("{source}: {message}");
        Self { inner: Arc::new(Inner { kind, reauth, message, source: Some(Box::new(self)) }) }
    }

    /// What went wrong, as a class.
    #[must_use]
    pub fn kind(&self) -> AuthErrorKind {
        self.inner.kind
    }

    /// Why the user must sign in again, for [`AuthErrorKind::ReauthRequired`].
    #[must_use]
    pub fn reauth_reason(&self) -> Option<ReauthReason> {
        self.inner.reauth
    }

    /// Whether the same credentials may work later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.inner.kind == AuthErrorKind::Transient
    }

    /// Whether the user must sign in again.
    #[must_use]
    pub fn needs_sign_in(&self) -> bool {
        self.inner.kind == AuthErrorKind::ReauthRequired
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        match self.inner.kind {
            AuthErrorKind::ReauthRequired => f.write_str("; sign in again"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("AuthError");
        debug.field("kind", &self.inner.kind).field("message", &self.inner.message);
        if let Some(source) = &self.inner.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl StdError for AuthError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}
