//! What is known about the account that credentials open.

use super::claims::Claims;
use super::headers::{ACCOUNT_ID, AuthHeaders};
use super::{AuthMode, CodexAuth};
use crate::limits::PlanType;

/// What is known about the account that credentials open, for endpoints that are there for some accounts alone.
///
/// A client asks its provider ([`AuthProvider::account`](crate::AuthProvider::account)), and reads its own auth headers: the
/// account's id, and the claims of the access token. Credentials that tell nothing of themselves leave some of it unknown;
/// name it then, with the `with_account` of the endpoint.
///
/// ```
/// use codex_backend::auth::AccountFacts;
/// use codex_backend::limits::PlanType;
///
/// let account = AccountFacts::new("acct-1").user_id("user-1").plan_type(PlanType::Business);
/// assert!(account.is_workspace());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct AccountFacts {
    /// The account (workspace).
    pub account_id: Option<String>,
    /// The ChatGPT user.
    pub user_id: Option<String>,
    /// The account's plan.
    pub plan_type: Option<PlanType>,
}

impl AccountFacts {
    /// Of an account whose id is known.
    #[must_use]
    pub fn new(account_id: impl Into<String>) -> Self {
        Self { account_id: Some(account_id.into()), ..Self::default() }
    }

    /// With the ChatGPT user.
    #[must_use]
    pub fn user_id(mut self, user_id: impl Into<String>) -> Self {
        self.user_id = Some(user_id.into());
        self
    }

    /// With the plan.
    #[must_use]
    pub fn plan_type(mut self, plan_type: PlanType) -> Self {
        self.plan_type = Some(plan_type);
        self
    }

    /// Whether it is a workspace of several users, by its plan. An unknown plan is none.
    #[must_use]
    pub fn is_workspace(&self) -> bool {
        self.plan_type.as_ref().is_some_and(PlanType::is_workspace)
    }

    /// Whether its administrators can manage the configuration of Codex, by its plan. An unknown plan has none.
    #[must_use]
    pub fn has_managed_config(&self) -> bool {
        self.plan_type.as_ref().is_some_and(PlanType::has_managed_config)
    }

    /// These, and where they leave something unknown, the others.
    pub(crate) fn or(self, others: Self) -> Self {
        Self {
            account_id: self.account_id.or(others.account_id),
            user_id: self.user_id.or(others.user_id),
            plan_type: self.plan_type.or(others.plan_type),
        }
    }

    pub(crate) fn of(headers: &AuthHeaders) -> Self {
        let text =
            |wanted: &str| headers.iter().find(|(name, _)| *name == wanted).and_then(|(_, value)| value.to_str().ok());
        let token = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let claims = token.and_then(Claims::of).unwrap_or_default();
        Self {
            account_id: text(ACCOUNT_ID.as_str()).map(str::to_owned).or(claims.account_id),
            user_id: claims.user_id,
            plan_type: claims.plan_type,
        }
    }
}

impl From<Claims> for AccountFacts {
    fn from(claims: Claims) -> Self {
        Self { account_id: claims.account_id, user_id: claims.user_id, plan_type: claims.plan_type }
    }
}

impl From<&CodexAuth> for AccountFacts {
    fn from(auth: &CodexAuth) -> Self {
        if auth.mode() == AuthMode::ApiKey {
            return Self::default();
        }
        Self {
            account_id: auth.account_id().map(str::to_owned),
            user_id: auth.chatgpt_user_id().map(str::to_owned),
            plan_type: auth.plan_type().cloned(),
        }
    }
}
