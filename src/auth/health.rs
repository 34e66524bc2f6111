//! How the credentials of a client are.

use crate::error::ReauthReason;

/// How the credentials of a client are.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::auth::{AuthHealth, FileStore};
/// use codex_backend::ChatGptSession;
///
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("auth.json");
/// # std::fs::write(&path, backend.issue_auth_json("acct-1", std::time::Duration::ZERO))?;
/// let client = backend.client().provider(ChatGptSession::open(FileStore::new(&path))?).build()?;
/// assert_eq!(client.auth_health(), AuthHealth::Expiring);
/// client.usage().get().await?; // refreshes first
/// assert_eq!(client.auth_health(), AuthHealth::Ready);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthHealth {
    /// They can be used, and nothing is due. Also said of credentials that cannot tell.
    Ready,
    /// They have expired or soon will, and no refresh is under way.
    Expiring,
    /// They are being refreshed.
    Refreshing,
    /// They have been refreshed, and the store has not taken the new ones yet. They work, and saving them is tried again for as
    /// long as the session lives; if the program ends before that succeeds, the sign-in is lost.
    /// [`settled`](crate::Client::settled) says what stands in the way.
    Unsaved,
    /// A refresh gave the tokens of another user. Nothing was saved; the error of the call that needed the refresh has them
    /// ([`AuthError::into_credentials`](crate::AuthError::into_credentials)).
    OtherUser,
    /// They cannot be refreshed: the user must sign in again.
    ReauthRequired(
        /// Why.
        ReauthReason,
    ),
}
