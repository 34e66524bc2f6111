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
    WrongMode,
    /// A failure that may pass; the credentials are not known to be bad.
    Transient,
    /// A failure that repeating does not mend.
    Permanent,
    /// The user must sign in again.
    ReauthRequired,
}

impl AuthError {
    pub(crate) fn new(kind: AuthErrorKind, message: impl Into<String>) -> Self {
        Self { inner: Arc::new(Inner { kind, message: message.into(), source: None }) }
    }

    /// A failure that may pass. The message must not hold a credential: it is shown and logged.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(AuthErrorKind::Transient, message)
    }

    /// A failure that repeating does not mend. The message must not hold a credential: it is shown and logged.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(AuthErrorKind::Permanent, message)
    }

    /// The user must sign in again. The reason must not hold a credential: it is shown and logged.
    pub fn reauth_required(reason: impl Into<String>) -> Self {
        Self::new(AuthErrorKind::ReauthRequired, reason)
    }

    /// Adds the error that caused this one. Its `Debug` and `Display` must not hold a credential.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let (kind, message) = (self.inner.kind, self.inner.message.clone());
        Self { inner: Arc::new(Inner { kind, message, source: Some(source.into()) }) }
    }

    /// What went wrong, as a class.
    #[must_use]
    pub fn kind(&self) -> AuthErrorKind {
        self.inner.kind
    }

    /// What is wrong with the agent identity, where that is what failed.
    #[cfg(feature = "agent-identity")]
    #[must_use]
    pub fn agent_identity_error(&self) -> Option<&super::AgentIdentityError> {
        let mut next: Option<&(dyn StdError + 'static)> = self.source();
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
        }
        None
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
