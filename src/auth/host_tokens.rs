use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::fetched::{Fetch, Fetched, Fresh};
use super::{
    AccountFacts, AuthContext, AuthFuture, AuthMode, AuthProvider, AuthRecovery, AuthRefusal, ChatGptTokens,
    CredentialRestrictions,
};
use crate::error::{AuthError, AuthErrorKind};
use crate::mode::CodexBackend;

/// How long the host application may take for its answer.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// ChatGPT tokens that a host application gives: it is asked before the first request, and again after a 401.
///
/// Any number of requests ask it once. It has 10 seconds for each answer; its future is dropped then. The tokens after a 401
/// must be for the same account as those before.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::auth::{HostTokenRequest, HostTokens};
/// use codex_backend::ChatGptTokens;
///
/// # let backend = std::sync::Arc::new(codex_backend::testing::Backend::start()?);
/// # let host = backend.clone();
/// let tokens = HostTokens::new(move |request: HostTokenRequest| {
///     // Over a pipe, from a window of the application, …
///     let access_token = host.issue_access_token(request.previous_account_id.as_deref().unwrap_or("acct-1"));
///     async move { Ok(ChatGptTokens::new(access_token)) }
/// });
/// let client = backend.client().provider(tokens).build()?;
/// client.usage().get().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct HostTokens {
    fetched: Arc<Fetched<Host>>,
}

/// What the host application is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostTokenRequest {
    /// Whether the tokens given before were refused (401). Otherwise they are the first.
    pub unauthorized: bool,
    /// The account of the tokens given before, where it is known.
    pub previous_account_id: Option<String>,
}

struct Host {
    ask: Box<dyn Fn(HostTokenRequest) -> BoxFuture<'static, Result<ChatGptTokens, AuthError>> + Send + Sync>,
    restrictions: CredentialRestrictions,
}

impl HostTokens {
    /// The tokens that `ask` gives. Its errors end the calls that need them: give an [`AuthError::transient`] for what may
    /// pass, an [`AuthError::reauth_required`] when the user has to sign in.
    pub fn new<A, T>(ask: A) -> Self
    where
        A: Fn(HostTokenRequest) -> T + Send + Sync + 'static,
        T: Future<Output = Result<ChatGptTokens, AuthError>> + Send + 'static,
    {
        Self::restricted(CredentialRestrictions::default(), ask)
    }

    /// As [`new`](Self::new), and tokens that are not allowed are an error.
    pub fn restricted<A, T>(restrictions: CredentialRestrictions, ask: A) -> Self
    where
        A: Fn(HostTokenRequest) -> T + Send + Sync + 'static,
        T: Future<Output = Result<ChatGptTokens, AuthError>> + Send + 'static,
    {
        let ask = Box::new(move |request| -> BoxFuture<'static, _> { Box::pin(ask(request)) });
        Self { fetched: Arc::new(Fetched::new(Host { ask, restrictions })) }
    }
}

impl Fetch for Host {
    fn fetch<'a>(
        &'a self,
        previous: Option<&'a Fresh>,
        generation: u64,
        context: &'a AuthContext,
    ) -> BoxFuture<'a, Result<Fresh, AuthError>> {
        let previous_account_id = previous.and_then(|previous| previous.account.account_id.clone());
        let request = HostTokenRequest { unauthorized: previous.is_some(), previous_account_id };
        Box::pin(async move {
            let mut answer = (self.ask)(request.clone());
            let answer = context.exchange.within(TIME_LIMIT, answer.as_mut()).await;
            let tokens = answer.ok_or_else(|| {
                AuthError::transient(format!("the host application gave no tokens within {TIME_LIMIT:?}"))
            })??;
            let account = tokens.checked_account()?;
            if request.previous_account_id.is_some() && request.previous_account_id != account.account_id {
                let message = "the host application gave the tokens of another account than before";
                return Err(AuthError::new(AuthErrorKind::AccountMismatch, message));
            }
            self.restrictions.check(AuthMode::ChatGptAuthTokens, account.account_id.as_deref())?;
            let headers = tokens.headers(generation)?;
            Ok(Fresh { headers, account, fetch_again_after: None, lifetime: None })
        })
    }
}

impl AuthProvider for HostTokens {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a> {
        self.fetched.auth_headers(context)
    }

    fn refused<'a>(&'a self, refusal: &'a AuthRefusal, context: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
        AuthFuture::boxed(self.fetched.recover(refusal, context))
    }

    fn account(&self) -> AccountFacts {
        self.fetched.account().unwrap_or_default().into()
    }
}

impl fmt::Debug for HostTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account_id = self.fetched.account().and_then(|account| account.account_id);
        f.debug_struct("HostTokens").field("account_id", &account_id).finish_non_exhaustive()
    }
}
