//! Personal access tokens of ChatGPT users.

use std::fmt;
use std::time::Duration;

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::claims::Claims;
use super::service_call::ServiceCall;
use super::service_urls::below;
use super::{AccountFacts, AuthContext, AuthFuture, AuthHeaders, AuthProvider};
use crate::error::{AuthError, AuthErrorKind, Error, ReauthReason};
use crate::exchange::{Operation, Pace, Retries};
use crate::limits::PlanType;
use crate::mode::CodexBackend;

/// How personal access tokens begin.
const PREFIX: &str = "at-";
const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) static WHOAMI: Operation = Operation {
    name: "auth.whoami",
    method: Method::GET,
    path: "/v1/user-auth-credential/whoami",
    retries: Retries::Safe,
    pace: Pace::Bounded,
};

/// A personal access token (`at-…`) of a ChatGPT user, verified: the server has said whose it is.
///
/// Sent as `Authorization: Bearer …`, `ChatGPT-Account-ID` always, and `X-OpenAI-Fedramp: true` for FedRAMP accounts. It
/// is never refreshed: when the server refuses it, a new one has to be made.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::auth::PersonalAccessToken;
///
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let token = backend.issue_personal_access_token("acct-1");
/// let builder = backend.client();
/// let token = PersonalAccessToken::verify(token, &builder.auth_context()?).await?;
/// assert_eq!(token.account_id(), "acct-1");
/// let client = builder.provider(token).build()?;
/// client.usage().get().await?;
/// # Ok(()) }
/// ```
#[doc(alias("access token", "pat"))]
#[derive(Clone)]
pub struct PersonalAccessToken {
    account_id: String,
    account: Claims,
    headers: AuthHeaders,
}

/// What the server says about a token. All but the e-mail address must be there.
#[derive(Deserialize)]
struct Whoami {
    #[serde(default)]
    email: Option<String>,
    chatgpt_user_id: String,
    chatgpt_account_id: String,
    chatgpt_plan_type: String,
    chatgpt_account_is_fedramp: bool,
}

impl PersonalAccessToken {
    /// Asks the server once whose token it is: `GET /v1/user-auth-credential/whoami`, retried after a failure, within 30
    /// seconds.
    ///
    /// # Errors
    ///
    /// When the text is no personal access token (nothing is sent then), when the server does not accept it, when it
    /// cannot be asked, or when its answer does not tell the account. Dropping the future cancels the request.
    pub async fn verify(token: impl Into<SecretString>, context: &AuthContext) -> Result<Self, AuthError> {
        let token = token.into();
        if !Self::is_one(token.expose_secret()) {
            let message = "this is not a personal access token: those begin with `at-`";
            return Err(AuthError::new(AuthErrorKind::Incomplete, message));
        }
        let url = below(&context.services.accounts_url, WHOAMI.path);
        let call = ServiceCall::new(&WHOAMI, url, TIMEOUT).bearer(&token, "personal access token")?;
        let answer = call.send(&context.exchange).await.map_err(refused)?;
        let whoami: Whoami = answer.json(&WHOAMI).map_err(|error| {
            AuthError::permanent(format!("the personal access token could not be verified: {error}"))
        })?;
        let account = Claims {
            account_id: Some(whoami.chatgpt_account_id.clone()),
            user_id: Some(whoami.chatgpt_user_id),
            email: whoami.email.filter(|email| !email.is_empty()),
            plan_type: Some(PlanType::in_any_case(whoami.chatgpt_plan_type)),
            is_fedramp: whoami.chatgpt_account_is_fedramp,
            ..Claims::default()
        };
        let headers = account.headers(&token, 0)?;
        Ok(Self { account_id: whoami.chatgpt_account_id, account, headers })
    }

    /// Whether a text is a personal access token, by its beginning.
    pub(super) fn is_one(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// The account (workspace) the token is for.
    #[must_use]
    pub fn account_id(&self) -> &str {
        &self.account_id
    }

    pub(super) fn account(&self) -> Claims {
        self.account.clone()
    }
}

impl AuthProvider for PersonalAccessToken {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        AuthFuture::ready(Ok(self.headers.clone()))
    }

    fn account(&self) -> AccountFacts {
        self.account.clone().into()
    }
}

fn refused(error: Error) -> AuthError {
    match error.status().map(|status| status.as_u16()) {
        Some(401 | 403) => {
            AuthError::reauth_because(ReauthReason::NotAccepted, "the personal access token is not accepted")
        }
        _ if error.is_retryable() => {
            AuthError::transient(format!("the personal access token could not be verified: {error}"))
        }
        _ => AuthError::permanent(format!("the personal access token could not be verified: {error}")),
    }
    .with_source(error)
}

impl fmt::Debug for PersonalAccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonalAccessToken").field("account_id", &self.account_id).finish_non_exhaustive()
    }
}
