//! Where credentials are kept: the trait, and the stores built in.

mod file;
mod journal;
#[cfg(feature = "keyring")]
mod keyring;
mod locks;
mod memory;
mod rewrite;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

pub use self::file::FileStore;
#[cfg(feature = "keyring")]
pub use self::keyring::KeyringStore;
pub use self::memory::MemoryStore;
use self::rewrite::{Layout, rewrite};
use super::AuthMode;
use crate::error::{AuthError, AuthErrorKind};

/// A place that keeps the credentials of **one** account.
///
/// Its methods may block; they are called on threads where that does no harm. Implement it to keep credentials in a
/// database or a vault: the one thing that must hold is that [`swap`](Self::swap) compares and replaces in one step, so
/// that two writers cannot both win.
#[doc(alias("vault", "token storage"))]
pub trait CredentialStore: fmt::Debug + Send + Sync + 'static {
    /// How to name the store to a person: a path, or a service and an entry. No secret.
    fn describe(&self) -> String;

    /// What is kept now.
    ///
    /// # Errors
    ///
    /// When something is there that cannot be read. "Nothing is there" is `None`, and never stands for an error.
    fn load(&self) -> Result<Option<StoredCredentials>, StoreError>;

    /// Replaces `expected` by `new`, if `expected` is what is kept. `None` stands for nothing: expected, when credentials
    /// are kept for the first time; new, when they are removed.
    ///
    /// # Errors
    ///
    /// When the store cannot be written. What was kept is then still there.
    fn swap(
        &self,
        expected: Option<&StoredCredentials>,
        new: Option<&StoredCredentials>,
    ) -> Result<SwapOutcome, StoreError>;

    /// Whether the store may only be read. Refresh tokens of such a store are never used: the new one would be lost.
    fn is_read_only(&self) -> bool {
        false
    }

    /// Prepares a refresh, **before** the refresh token is used: waits, for `patience` at the most, until no other process
    /// is refreshing the same credentials, and makes sure that the new tokens can be saved.
    ///
    /// The default excludes no other process, and checks only that the store is not for reading only.
    ///
    /// # Errors
    ///
    /// When another process still refreshes after `patience`, or when the store cannot be written.
    fn begin_refresh(&self, patience: Duration) -> Result<Box<dyn RefreshLease + '_>, StoreError> {
        let _ = patience;
        if self.is_read_only() {
            return Err(StoreError::new(StoreErrorKind::ReadOnly, self.describe(), "it is opened for reading only"));
        }
        Ok(Box::new(PlainLease { store: self }))
    }
}

/// The store that is shared: by a session, for example, and by whoever signs out of it later.
impl<S: CredentialStore + ?Sized> CredentialStore for Arc<S> {
    fn describe(&self) -> String {
        (**self).describe()
    }

    fn load(&self) -> Result<Option<StoredCredentials>, StoreError> {
        (**self).load()
    }

    fn swap(
        &self,
        expected: Option<&StoredCredentials>,
        new: Option<&StoredCredentials>,
    ) -> Result<SwapOutcome, StoreError> {
        (**self).swap(expected, new)
    }

    fn is_read_only(&self) -> bool {
        (**self).is_read_only()
    }

    fn begin_refresh(&self, patience: Duration) -> Result<Box<dyn RefreshLease + '_>, StoreError> {
        (**self).begin_refresh(patience)
    }
}

/// The right to refresh the credentials of a store. It ends when dropped.
pub trait RefreshLease: fmt::Debug + Send {
    /// Saves the new tokens, as [`CredentialStore::swap`] does.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    fn save(&mut self, expected: &StoredCredentials, new: &StoredCredentials) -> Result<SwapOutcome, StoreError>;
}

struct PlainLease<'a, S: ?Sized> {
    store: &'a S,
}

impl<S: CredentialStore + ?Sized> RefreshLease for PlainLease<'_, S> {
    fn save(&mut self, expected: &StoredCredentials, new: &StoredCredentials) -> Result<SwapOutcome, StoreError> {
        self.store.swap(Some(expected), Some(new))
    }
}

impl<S: ?Sized> fmt::Debug for PlainLease<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainLease")
    }
}

/// What came of [`CredentialStore::swap`].
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::exhaustive_enums)]
pub enum SwapOutcome {
    /// The new credentials are kept.
    Done,
    /// Something else than expected is kept, and still is: this.
    Changed(Option<StoredCredentials>),
}

/// Credentials as a store keeps them: one JSON object, in the shape of the official tool's `auth.json`. Members that this
/// crate does not know stay in it, to the letter. `Debug` shows none of it.
#[derive(Clone)]
pub struct StoredCredentials {
    pub(in crate::auth) document: Map<String, Value>,
    /// The text it was read from.
    original: Option<Arc<str>>,
}

impl StoredCredentials {
    /// From JSON text.
    ///
    /// # Errors
    ///
    /// When the text is not one JSON object. The error tells the place and quotes nothing.
    pub fn from_json(text: &str) -> Result<Self, MalformedCredentials> {
        let at = |reason, line, column| MalformedCredentials { reason, line, column };
        // Editors put a byte-order mark in front.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if let Err(excess) = crate::wire::check(text.as_bytes()) {
            return Err(at(excess.as_str(), 1, 1));
        }
        match serde_json::from_str(text) {
            Ok(Value::Object(document)) => Ok(Self { document, original: Some(text.into()) }),
            Ok(_) => Err(at("it is not a JSON object", 1, 1)),
            Err(error) => {
                let reason = match error.classify() {
                    serde_json::error::Category::Eof => "it ends too early",
                    _ => "it is not JSON",
                };
                Err(at(reason, error.line(), error.column()))
            }
        }
    }

    /// As JSON text, for a store to keep. Whoever has it can use the credentials.
    #[must_use]
    pub fn to_json(&self) -> String {
        rewrite(self.original.as_deref(), &self.document, Layout::Compact)
    }

    fn to_pretty_json(&self) -> String {
        rewrite(self.original.as_deref(), &self.document, Layout::Pretty)
    }

    /// These credentials with another content, which is written over the text they were read from.
    pub(in crate::auth) fn with_document(&self, document: Map<String, Value>) -> Self {
        Self { document, original: self.original.clone() }
    }
}

/// By what they say, however it is spelled.
impl PartialEq for StoredCredentials {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

impl StoredCredentials {
    /// Those of an agent, as a JWT.
    pub(in crate::auth) fn of_agent_identity(jwt: String) -> Self {
        let document = Map::from_iter([("agent_identity".to_owned(), Value::String(jwt))]);
        Self { document, original: None }
    }

    /// A member that is text, trimmed; `None` where there is none, or a blank one.
    pub(in crate::auth) fn text(&self, member: &str) -> Option<String> {
        let text = self.document.get(member).and_then(Value::as_str).map(str::trim);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// The kind of credentials: the `auth_mode`, else what is there, in the official tool's order.
    pub(in crate::auth) fn mode(&self) -> Result<AuthMode, AuthError> {
        let is_there = |name: &str| self.document.get(name).is_some_and(|value| !value.is_null());
        match self.document.get("auth_mode").filter(|mode| !mode.is_null()) {
            Some(mode) => mode.as_str().and_then(AuthMode::from_wire).ok_or_else(|| {
                AuthError::new(
                    AuthErrorKind::Incomplete,
                    "the stored credentials have an `auth_mode` that is not known",
                )
            }),
            // A blank key beside tokens is a key that was taken out.
            None if is_there("tokens") && self.text("OPENAI_API_KEY").is_none() && is_there("OPENAI_API_KEY") => {
                Ok(AuthMode::ChatGpt)
            }
            None => Ok([
                ("personal_access_token", AuthMode::PersonalToken),
                ("bedrock_api_key", AuthMode::BedrockApiKey),
                ("bedrock_access_keys", AuthMode::BedrockAccessKeys),
                ("OPENAI_API_KEY", AuthMode::OpenAiKey),
            ]
            .into_iter()
            .find(|(member, _)| is_there(member))
            .map_or(AuthMode::ChatGpt, |(_, mode)| mode)),
        }
    }
}

impl fmt::Debug for StoredCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredCredentials([hidden])")
    }
}

/// A text that does not hold credentials. Tells the place, and quotes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (line {line}, column {column})")]
pub struct MalformedCredentials {
    reason: &'static str,
    line: usize,
    column: usize,
}

/// Why a store could not be read or written. Names the store; holds nothing of what is in it.
#[derive(Debug, thiserror::Error)]
#[error("the credentials in {store} {}: {reason}", kind.verb())]
pub struct StoreError {
    kind: StoreErrorKind,
    store: String,
    reason: String,
    #[source]
    source: Option<io::Error>,
}

/// The classes of [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Something is there, and it cannot be read.
    Unreadable,
    /// What is there does not have the shape of credentials.
    Malformed,
    /// The store cannot be written.
    Unwritable,
    /// The store is for reading only.
    ReadOnly,
    /// Another process held a lock for longer than was waited.
    Locked,
    /// The store cannot be reached: the service that keeps it does not run, stays locked or does not answer.
    Unavailable,
    /// The credentials need more room than the store has for them.
    TooLarge,
}

impl StoreErrorKind {
    fn verb(self) -> &'static str {
        match self {
            Self::Unreadable => "cannot be read",
            Self::Malformed => "are broken",
            Self::Unwritable | Self::ReadOnly | Self::TooLarge => "cannot be saved",
            Self::Locked => "are locked by another process",
            Self::Unavailable => "cannot be reached",
        }
    }
}

impl StoreError {
    /// An error of a store of your own. Neither text may hold a secret.
    pub fn new(kind: StoreErrorKind, store: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { kind, store: store.into(), reason: reason.into(), source: None }
    }

    pub(super) fn io(kind: StoreErrorKind, store: impl Into<String>, error: io::Error) -> Self {
        Self { kind, store: store.into(), reason: error.to_string(), source: Some(error) }
    }

    /// What went wrong, as a class.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> Self {
        let kind = match error.kind {
            StoreErrorKind::Locked | StoreErrorKind::Unavailable | StoreErrorKind::Unwritable => {
                AuthErrorKind::Transient
            }
            _ => AuthErrorKind::Permanent,
        };
        Self::new(kind, error.to_string()).with_source(error)
    }
}
