//! ChatGPT tokens that the caller holds and keeps fresh.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::auth::claims::Claims;
use crate::auth::{AuthHeaders, HeldHeaders};
use crate::error::{AuthError, AuthErrorKind};
use crate::mode::CodexBackend;

/// ChatGPT tokens that the caller holds and keeps fresh.
///
/// Sent as `Authorization: Bearer …`, `ChatGPT-Account-ID` when the account is known, `X-OpenAI-Fedramp: true` for
/// FedRAMP accounts only, and `x-openai-internal-codex-residency` when the token's claims bind the workspace to a
/// region. The account is the caller's or the one in the token's claims; when both name one, they must agree.
///
/// ```
/// use codex_backend::{ChatGptTokens, Client, CodexBackend};
///
/// let tokens = ChatGptTokens::new("access-token").account_id("acct-1");
/// let client: Client<CodexBackend> = Client::builder().chatgpt(tokens).build()?;
/// # Ok::<(), codex_backend::ConfigError>(())
/// ```
#[doc(alias("access token", "token", "bearer"))]
#[derive(Clone)]
pub struct ChatGptTokens {
    access_token: SecretString,
    account_id: Option<String>,
    fedramp: bool,
}

impl ChatGptTokens {
    /// With an access token, as the ChatGPT sign-in gives it.
    #[must_use]
    pub fn new(access_token: impl Into<SecretString>) -> Self {
        Self { access_token: access_token.into(), account_id: None, fedramp: false }
    }

    /// The account (workspace) to act in.
    #[must_use]
    pub fn account_id(mut self, account_id: impl Into<String>) -> Self {
        self.account_id = Some(account_id.into());
        self
    }

    /// Whether the account is a FedRAMP one. The token's own claim can say so too.
    #[must_use]
    pub fn fedramp(mut self, is_fedramp: bool) -> Self {
        self.fedramp = is_fedramp;
        self
    }

    /// Whose tokens they are, as far as is known.
    pub(in crate::auth) fn account(&self) -> Claims {
        let claims = Claims::of(self.access_token.expose_secret()).unwrap_or_default();
        Claims {
            account_id: self.account_id.clone().or(claims.account_id),
            is_fedramp: self.fedramp || claims.is_fedramp,
            ..claims
        }
    }

    #[cfg(feature = "agent-identity")]
    pub(in crate::auth) fn access_token(&self) -> &SecretString {
        &self.access_token
    }

    pub(crate) fn into_provider(self) -> Result<HeldHeaders<CodexBackend>, AuthError> {
        self.checked_account()?;
        Ok(HeldHeaders::new(self.headers(0)?))
    }

    pub(in crate::auth) fn headers(&self, generation: u64) -> Result<AuthHeaders, AuthError> {
        self.account().headers(&self.access_token, generation)
    }

    /// Whose tokens they are. The account given and the one in the token's claims must agree.
    pub(in crate::auth) fn checked_account(&self) -> Result<Claims, AuthError> {
        let claims = Claims::of(self.access_token.expose_secret()).unwrap_or_default();
        if let (Some(given), Some(claimed)) = (&self.account_id, &claims.account_id)
            && given != claimed
        {
            return Err(AuthError::new(
                AuthErrorKind::AccountMismatch,
                format!("the account given is `{given:?}`, but the access token is for `{claimed:?}`"),
            ));
        }
        Ok(self.account())
    }
}

impl fmt::Debug for ChatGptTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatGptTokens")
            .field("account_id", &self.account_id)
            .field("fedramp", &self.fedramp)
            .finish_non_exhaustive()
    }
}
