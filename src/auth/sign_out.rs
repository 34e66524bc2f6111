//! Signing out: stores forget credentials, and the server revokes them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use secrecy::SecretString;
use serde_json::json;

use super::chatgpt::Tokens;
use super::service_call::ServiceCall;
use super::store::{CredentialStore, StoreError, StoreErrorKind, SwapOutcome};
use super::{AuthContext, AuthMode};
use crate::error::{AuthError, AuthErrorKind};
use crate::exchange::{Operation, Pace, Retries};

const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a refresh of another process is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(45);
/// How often a store is asked again whose content changes while it is being removed.
const TRIES: usize = 16;

pub(crate) static REVOKE: Operation = Operation {
    name: "auth.revoke",
    method: Method::POST,
    path: "/oauth/revoke",
    // A token that has been revoked already is no error.
    retries: Retries::Safe,
    pace: Pace::Bounded,
};

/// Ends a sign-in: forgets the credentials in all stores it is given, or revokes them at the server as well.
///
/// These are two calls because they reach differently far. [`forget`](Self::forget) concerns this machine's stores alone:
/// whoever has a copy of the credentials goes on using them. [`revoke`](Self::revoke) ends them for everybody.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::auth::{CredentialStore, FileStore, SignOut};
///
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("auth.json");
/// # std::fs::write(&path, backend.issue_auth_json("acct-1", std::time::Duration::from_secs(3600)))?;
/// let store = FileStore::new(&path);
/// let revoked = SignOut::of(store.clone()).revoke(&backend.client().auth_context()?).await?;
/// println!("{revoked}"); // says what else has been signed out
/// assert!(store.load()?.is_none());
/// # Ok(()) }
/// ```
#[doc(alias("logout", "log out", "revoke"))]
#[derive(Debug, Clone)]
pub struct SignOut {
    stores: Vec<Arc<dyn CredentialStore>>,
}

impl SignOut {
    /// Of the credentials in this store.
    pub fn of(store: impl CredentialStore) -> Self {
        Self { stores: vec![Arc::new(store)] }
    }

    /// And of those in this one.
    #[must_use]
    pub fn and(mut self, store: impl CredentialStore) -> Self {
        self.stores.push(Arc::new(store));
        self
    }

    pub(super) fn of_all(stores: Vec<Arc<dyn CredentialStore>>) -> Self {
        Self { stores }
    }

    /// Removes the credentials from every store, whatever fails on the way. No server is told: the tokens stay valid, and
    /// clients that hold them go on until they have to be refreshed. Blocks for as long as the stores take.
    #[must_use = "it tells which stores could not be emptied"]
    pub fn forget(&self) -> ForgottenCredentials {
        let mut forgotten = ForgottenCredentials { removed: Vec::new(), failed: Vec::new() };
        for store in &self.stores {
            match remove(&**store) {
                Ok(true) => forgotten.removed.push(store.describe()),
                Ok(false) => {}
                Err(error) => forgotten.failed.push(error),
            }
        }
        forgotten
    }

    /// Tells the server first, and then forgets: `POST /oauth/revoke` for the ChatGPT tokens in the first store that holds
    /// any, retried after a failure, within 10 seconds. With the refresh token, which is what is revoked if there is one,
    /// **everything that came of the same sign-in is signed out**: the official tool on this machine, if the store is its
    /// `auth.json`, and every machine the file was copied to.
    ///
    /// # Errors
    ///
    /// When there are no ChatGPT tokens (other credentials cannot be revoked), when the server did not confirm, or when a
    /// store cannot be read. Nothing has been forgotten then. Dropping the future may leave the tokens revoked and not
    /// forgotten.
    pub async fn revoke(&self, context: &AuthContext) -> Result<RevocationOutcome, AuthError> {
        let stores = self.stores.clone();
        let tokens = blocking(move || tokens_in(&stores)).await??;
        if let Some(issuer) = &tokens.issuer {
            context.services.issuers.check(issuer)?;
        }
        let client_id = tokens.client_id().to_owned();
        let (token, hint) = match tokens.refresh_token {
            Some(token) => (token, RevokedToken::Refresh),
            None => (tokens.access_token, RevokedToken::Access),
        };
        revoke(&token, hint, &client_id, context).await?;
        let sign_out = self.clone();
        let forgotten = blocking(move || sign_out.forget()).await?;
        Ok(RevocationOutcome { token: hint, forgotten })
    }
}

/// What came of [`SignOut::forget`].
#[derive(Debug)]
#[non_exhaustive]
pub struct ForgottenCredentials {
    /// The stores that held something, and no longer do.
    pub removed: Vec<String>,
    /// Why others could not be emptied.
    pub failed: Vec<StoreError>,
}

/// What came of [`SignOut::revoke`]. `Display` says what else has been signed out.
#[derive(Debug)]
#[non_exhaustive]
pub struct RevocationOutcome {
    /// The token that was revoked.
    pub token: RevokedToken,
    /// What was forgotten after that.
    pub forgotten: ForgottenCredentials,
}

/// The token that a sign-out has revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)]
pub enum RevokedToken {
    /// The refresh token, and with it all that came of the sign-in.
    Refresh,
    /// The access token alone, since there was no refresh token.
    Access,
}

impl fmt::Display for RevocationOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.token {
            RevokedToken::Refresh => {
                "the refresh token has been revoked: every program and machine that uses this sign-in, or a copy of it, is \
                 signed out"
            }
            RevokedToken::Access => "the access token has been revoked: whatever uses it is signed out",
        })
    }
}

fn remove(store: &dyn CredentialStore) -> Result<bool, StoreError> {
    if store.is_read_only() {
        return match store.load() {
            Ok(None) => Ok(false),
            _ => Err(StoreError::new(StoreErrorKind::ReadOnly, store.describe(), "it is opened for reading only")),
        };
    }
    // A store that keeps nothing is left as it is, without so much as a lock beside it.
    if store.load()?.is_none() {
        return Ok(false);
    }
    // A refresh that is under way would bring them back.
    let _lease = store.begin_refresh(LOCK_PATIENCE);
    let mut kept = store.load()?;
    for _ in 0..TRIES {
        if kept.is_none() {
            return Ok(false);
        }
        match store.swap(kept.as_ref(), None)? {
            SwapOutcome::Done => return Ok(true),
            SwapOutcome::Changed(now) => kept = now,
        }
    }
    Err(StoreError::new(StoreErrorKind::Locked, store.describe(), "it changes all the time"))
}

fn tokens_in(stores: &[Arc<dyn CredentialStore>]) -> Result<Tokens, AuthError> {
    for store in stores {
        if let Some(stored) = store.load()?
            && stored.mode()? == AuthMode::ChatGpt
        {
            return Tokens::of(&stored);
        }
    }
    let message = "there are no ChatGPT tokens to revoke; other credentials can only be forgotten";
    Err(AuthError::new(AuthErrorKind::NotFound, message))
}

async fn revoke(
    token: &SecretString,
    which: RevokedToken,
    client_id: &str,
    context: &AuthContext,
) -> Result<(), AuthError> {
    use secrecy::ExposeSecret;
    let body = match which {
        RevokedToken::Refresh => json!({
            "token": token.expose_secret(),
            "token_type_hint": "refresh_token",
            "client_id": client_id,
        }),
        RevokedToken::Access => json!({ "token": token.expose_secret(), "token_type_hint": "access_token" }),
    };
    let call = ServiceCall::new(&REVOKE, context.services.revoke_url.clone(), TIMEOUT)
        .json(&body)
        .secret(token.clone(), "token to revoke");
    match call.send(&context.exchange).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let message = format!("the tokens could not be revoked, and have not been forgotten: {error}");
            let kind = if error.is_retryable() { AuthErrorKind::Transient } else { AuthErrorKind::Permanent };
            Err(AuthError::new(kind, message).with_source(error))
        }
    }
}

/// Work of stores, which may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, AuthError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| AuthError::transient("the work on the stores was cut off").with_source(error))
}
