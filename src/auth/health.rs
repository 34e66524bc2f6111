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
/// client.usage().get().await?; // renews first
/// assert_eq!(client.auth_health(), AuthHealth::Ready);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthHealth {
    /// They can be used, and nothing is due. Also said of credentials that cannot tell.
    Ready,
    /// They have expired or soon will, and no renewal is under way.
    Expiring,
    /// They are being renewed.
    Renewing,
    /// They cannot be renewed: the user must sign in again.
    ReauthRequired(
        /// Why.
        ReauthReason,
    ),
}
