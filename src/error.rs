//! The errors of requests ([`Error`]), of credentials ([`AuthError`]) and of building a client ([`ConfigError`]).

#[cfg(feature = "agent-identity")]
mod agent_identity;
mod auth;
mod config;
mod kind;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

#[cfg(feature = "agent-identity")]
pub use self::agent_identity::{AgentIdentityError, ClockSkew, JwtRejection};
pub use self::auth::{AuthError, AuthErrorKind, ReauthReason};
pub use self::config::ConfigError;
pub use self::kind::ErrorKind;
use crate::limits::UsageLimit;

type Source = Box<dyn StdError + Send + Sync>;

/// What went wrong with a call: one opaque value, one word wide.
///
/// `Display` is one line that says what happened, to which call, and what to do about it. It never holds a
/// credential: server texts are scrubbed and capped before they are kept. [`kind()`](Self::kind) classifies; the
/// predicates answer the questions a caller has next.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::{ErrorKind, OpenAiFileUpload};
///
/// let backend = codex_backend::testing::Backend::start()?;
/// let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// let error = OpenAiFileUpload::new(&client).path("no-such-file.pdf").await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::FileNotFound);
/// assert!(!error.may_have_been_sent());
/// # Ok(()) }
/// ```
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    operation: &'static str,
    message: String,
    sent: bool,
    attempts: u32,
    status: Option<StatusCode>,
    code: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    server_date: Option<std::time::SystemTime>,
    usage_limit: Option<UsageLimit>,
    body: Option<String>,
    events_delivered: Option<u64>,
    source: Option<Source>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                operation,
                message: message.into(),
                sent: false,
                attempts: 0,
                status: None,
                code: None,
                request_id: None,
                retry_after: None,
                server_date: None,
                usage_limit: None,
                body: None,
                events_delivered: None,
                source: None,
            }),
        }
    }

    pub(crate) fn from_auth(operation: &'static str, error: AuthError) -> Self {
        Self::new(ErrorKind::Auth, operation, error.to_string()).with_source(error)
    }

    /// The same failure, known to be one of the credentials themselves.
    pub(crate) fn with_auth(mut self, error: AuthError) -> Self {
        self.inner.kind = ErrorKind::Auth;
        self.inner.message = error.to_string();
        self.with_source(error)
    }

    pub(crate) fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.inner.kind = kind;
        self
    }

    /// Marks the error as one of a request whose bytes may have reached the server.
    pub(crate) fn sent(mut self, sent: bool) -> Self {
        self.inner.sent = sent;
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.inner.attempts = attempts;
        self
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.inner.status = Some(status);
        self.inner.sent = true;
        self
    }

    pub(crate) fn with_code(mut self, code: Option<String>) -> Self {
        self.inner.code = code;
        self
    }

    pub(crate) fn with_request_id(mut self, request_id: Option<String>) -> Self {
        self.inner.request_id = request_id;
        self
    }

    pub(crate) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.inner.retry_after = retry_after;
        self
    }

    pub(crate) fn with_server_date(mut self, date: Option<std::time::SystemTime>) -> Self {
        self.inner.server_date = date;
        self
    }

    pub(crate) fn with_usage_limit(mut self, limit: Option<UsageLimit>) -> Self {
        self.inner.usage_limit = limit;
        self
    }

    pub(crate) fn with_body(mut self, body: Option<String>) -> Self {
        self.inner.body = body;
        self
    }

    /// Says how far a stream had come.
    pub(crate) fn after_events(mut self, events: u64) -> Self {
        self.inner.events_delivered = Some(events);
        self
    }

    /// What went wrong, as a class.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The call that failed, such as `files.create`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.inner.operation
    }

    /// The sentence about what happened, without the call and without advice; scrubbed of credentials.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The HTTP status of the answer, where there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.inner.status
    }

    /// The server's own code for the failure (`token_expired`, `usage_limit_reached`, …), where it gave one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.inner.code.as_deref()
    }

    /// The id under which the server logged the request: `x-request-id`, else `x-oai-request-id`, else `cf-ray`
    /// (`x-ms-request-id` where blob storage answered).
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.inner.request_id.as_deref()
    }

    /// The start of the server's answer, scrubbed of credentials and cut to 4 KiB.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        self.inner.body.as_deref()
    }

    /// How long the server asked to wait, or how long it is until the usage limit resets.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.inner.retry_after
    }

    /// The usage limit that was reached, for [`ErrorKind::UsageLimit`].
    #[must_use]
    pub fn usage_limit(&self) -> Option<&UsageLimit> {
        self.inner.usage_limit.as_ref()
    }

    /// How often the request was sent, or tried to be sent, before this error was returned.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.inner.attempts
    }

    /// How many events a stream had delivered when this ended it; `None` for an error that no stream ended in.
    #[must_use]
    pub fn events_delivered(&self) -> Option<u64> {
        self.inner.events_delivered
    }

    /// The server's clock when it answered, from the `Date` header.
    #[must_use]
    pub fn server_date(&self) -> Option<std::time::SystemTime> {
        self.inner.server_date
    }

    /// The credential error behind [`ErrorKind::Auth`].
    #[must_use]
    pub fn auth_error(&self) -> Option<&AuthError> {
        self.inner.source.as_ref()?.downcast_ref()
    }

    /// Why a client could not be built, for [`ErrorKind::Config`].
    #[must_use]
    pub fn config_error(&self) -> Option<&ConfigError> {
        self.inner.source.as_ref()?.downcast_ref()
    }

    /// Whether the server may have received the request and acted on it.
    #[must_use]
    pub fn may_have_been_sent(&self) -> bool {
        self.inner.sent
    }

    /// Whether the same call has a chance to succeed later without a change by the caller.
    ///
    /// It does not say that a retry is harmless: see [`may_have_been_sent()`](Self::may_have_been_sent).
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.inner.kind {
            ErrorKind::Auth => self.auth_error().is_some_and(AuthError::is_transient),
            kind => kind.is_transient(),
        }
    }

    /// Whether the user must sign in again (or the key be replaced) before the call can succeed.
    #[must_use]
    pub fn needs_sign_in(&self) -> bool {
        match self.inner.kind {
            ErrorKind::Unauthorized => true,
            ErrorKind::Auth => self.auth_error().is_some_and(AuthError::needs_sign_in),
            _ => false,
        }
    }

    /// Whether a time-out of this client ended the call.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.inner.kind == ErrorKind::Timeout
    }

    /// Whether no connection could be made.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.inner.kind == ErrorKind::Connect
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.inner;
        write!(f, "{}: {}", inner.operation, inner.message)?;
        let mut details = Vec::new();
        if let Some(status) = inner.status {
            details.push(format!("HTTP {}", status.as_u16()));
        }
        if let Some(code) = &inner.code {
            details.push(format!("code {code}"));
        }
        if let Some(id) = &inner.request_id {
            details.push(format!("request id {id}"));
        }
        if let Some(events) = inner.events_delivered {
            details.push(format!("after {events} event{}", if events == 1 { "" } else { "s" }));
        }
        if inner.attempts > 1 {
            details.push(format!("{} attempts", inner.attempts));
        }
        if let Some(wait) = inner.retry_after {
            details.push(format!("retry after {} s", wait.as_secs_f64().ceil()));
        }
        if !details.is_empty() {
            write!(f, " ({})", details.join(", "))?;
        }
        match inner.kind.advice() {
            Some(advice) => write!(f, ". {advice}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.inner;
        let mut debug = f.debug_struct("Error");
        debug
            .field("kind", &inner.kind)
            .field("operation", &inner.operation)
            .field("message", &inner.message)
            .field("may_have_been_sent", &inner.sent)
            .field("attempts", &inner.attempts);
        if let Some(status) = inner.status {
            debug.field("status", &status.as_u16());
        }
        if let Some(code) = &inner.code {
            debug.field("code", code);
        }
        if let Some(id) = &inner.request_id {
            debug.field("request_id", id);
        }
        if let Some(wait) = &inner.retry_after {
            debug.field("retry_after", wait);
        }
        if let Some(events) = inner.events_delivered {
            debug.field("events_delivered", &events);
        }
        if let Some(body) = &inner.body {
            debug.field("body", body);
        }
        if let Some(source) = &inner.source {
            debug.field("source", source);
        }
        debug.finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.inner.source.as_deref()?;
        // Where its sentence is already this error's message, what comes next in the chain is what caused it.
        if source.is::<AuthError>() || source.is::<ConfigError>() { source.source() } else { Some(source) }
    }
}

/// With [`ErrorKind::Auth`]; [`Error::auth_error`] gives it back.
impl From<AuthError> for Error {
    fn from(error: AuthError) -> Self {
        Self::from_auth("auth", error)
    }
}

/// With [`ErrorKind::Config`], and [`Error::config_error`] gives it back; credentials that cannot be used are
/// [`ErrorKind::Auth`], as everywhere.
impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Credentials(error) => Self::from_auth("client.build", error),
            error => Self::new(ErrorKind::Config, "client.build", error.to_string()).with_source(error),
        }
    }
}
