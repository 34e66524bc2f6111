//! What the server said when it refused auth headers, and what comes of it.

use std::time::SystemTime;

use http::StatusCode;

/// What the server said when it refused auth headers.
///
/// ```
/// use codex_backend::auth::AuthRefusal;
///
/// let refusal = AuthRefusal::new(http::StatusCode::UNAUTHORIZED, 7).with_code("token_expired");
/// assert_eq!((refusal.generation, refusal.code.as_deref()), (7, Some("token_expired")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthRefusal {
    /// The status, 401.
    pub status: StatusCode,
    /// The generation of the headers that were refused.
    pub generation: u64,
    /// The generation of those that this call was refused with first.
    pub first_generation: u64,
    /// The server's code, such as `token_expired` or `task_not_found`.
    pub code: Option<String>,
    /// The server's clock, from the `Date` header.
    pub server_date: Option<SystemTime>,
    /// How often this call has been refused, this time included.
    pub count: u32,
}

impl AuthRefusal {
    /// A first refusal of headers of that generation.
    #[must_use]
    pub fn new(status: StatusCode, generation: u64) -> Self {
        Self { status, generation, first_generation: generation, code: None, server_date: None, count: 1 }
    }

    /// With the server's code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// With the server's clock.
    #[must_use]
    pub fn with_server_date(mut self, date: SystemTime) -> Self {
        self.server_date = Some(date);
        self
    }
}

/// What comes of a refusal.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::auth::{AuthRecovery, AuthRefusal};
///
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// // Tokens that the caller holds cannot be refreshed here.
/// let refusal = AuthRefusal::new(http::StatusCode::UNAUTHORIZED, 0);
/// assert_eq!(client.auth_refused(refusal).await?, AuthRecovery::GiveUp);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthRecovery {
    /// The provider now has other headers: retry the request.
    Retry,
    /// The provider has nothing better: the refusal stands.
    GiveUp,
}
