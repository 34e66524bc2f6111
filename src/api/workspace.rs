//! Workspace settings: what a workspace allows its members.
//!
//! Everything is reached through [`WorkspacePolicy`], for a `Client<CodexBackend>` whose account is a workspace.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # backend.add_account_with_plan("acct-team", "team");
//! # let tokens = codex_backend::ChatGptTokens::new(backend.issue_access_token("acct-team"));
//! # let client = backend.client().chatgpt(tokens).build()?;
//! if client.workspace_policy().allows_plugins().await? {
//!     println!("members may use plugins");
//! }
//! # Ok(()) }
//! ```

use std::sync::Arc;
use std::time::Duration;

use super::cache::TtlCache;
use super::request::{ApiRequest, Needs, Requirement};
use crate::api::endpoint::{Accepts, endpoint, operations};
use crate::auth::AccountFacts;
use crate::call::Caller;
use crate::error::Error;
use crate::exchange::CallOptions;
use crate::wire::open_struct;

operations! {
    for WorkspacePolicy;
    SETTINGS: "workspace.settings" = GET "/accounts/{account_id}/settings", Safe, Bounded;
}

/// How long settings are cached.
const TIME_TO_LIVE: Duration = Duration::from_secs(15 * 60);
/// The permission to use plugins.
const USE_PLUGINS: &str = "chatgpt.workspace_plugin.use";

/// What a workspace allows its members. Accepts a `Client<CodexBackend>`. If its account is not a workspace, the error
/// is [`ErrorKind::NotAWorkspace`](crate::ErrorKind::NotAWorkspace), before anything is sent.
///
/// Only the ChatGPT host has this route, below `/backend-api`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// use codex_backend::{ChatGptTokens, WorkspacePolicy};
///
/// backend.add_account_with_plan("acct-team", "team");
/// let tokens = ChatGptTokens::new(backend.issue_access_token("acct-team"));
/// let client = backend.client().chatgpt(tokens).build()?;
/// let policy = WorkspacePolicy::new(&client);
/// assert!(policy.settings().await?.allows_plugins());
/// # Ok(()) }
/// ```
///
/// Based on the `accounts/{account_id}/settings` route of the Codex backend, as the official tool uses it.
#[doc(alias("organization", "workspace"))]
#[derive(Debug, Clone)]
pub struct WorkspacePolicy {
    caller: Arc<Caller>,
    account: Option<AccountFacts>,
    remembered: Arc<TtlCache<(String, String), bool>>,
}

endpoint! { WorkspacePolicy by new, workspace_policy where CodexBackend: Accepts<WorkspacePolicy> }

impl WorkspacePolicy {
    fn with_caller(caller: Arc<Caller>) -> Self {
        let remembered = TtlCache::new(caller.exchange().clock().clone(), TIME_TO_LIVE);
        Self { caller, account: None, remembered: Arc::new(remembered) }
    }

    /// Sets what is known about the account. Default: what the credentials say.
    #[must_use]
    pub fn with_account(mut self, account: impl Into<AccountFacts>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// The settings of the workspace. `GET /accounts/{account_id}/settings`.
    pub fn settings(&self) -> ApiRequest<WorkspaceSettings> {
        let requirement = Requirement { account: self.account.clone(), needs: Needs::Workspace };
        self.request(&SETTINGS).requiring(requirement).exact_json()
    }

    /// Whether the user can use plugins. For an account that is not a workspace the answer is yes, without a request.
    /// The handle and its clones cache it for 15 minutes.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// assert!(client.workspace_policy().allows_plugins().await?);
    /// assert!(backend.requests().is_empty()); // the account is a user's own
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the request for the settings fails.
    pub async fn allows_plugins(&self) -> Result<bool, Error> {
        let account = match &self.account {
            Some(account) => account.clone(),
            None => self.caller.account(&SETTINGS, &CallOptions::default()).await?,
        };
        let Some(account_id) = account.account_id.clone().filter(|_| account.is_workspace()) else {
            return Ok(true);
        };
        let key = (self.caller.base_url().as_str().to_owned(), account_id);
        if let Some(remembered) = self.remembered.get(&key) {
            return Ok(remembered);
        }
        let asking = Self { account: Some(account), ..self.clone() };
        let allowed = asking.settings().await?.allows_plugins();
        self.remembered.keep(key, allowed);
        Ok(allowed)
    }
}

open_struct! {
    /// The settings of a workspace.
    #[derive(Eq)]
    pub WorkspaceSettings {
        /// Settings of beta features.
        beta_settings: BetaSettings,
        /// The user's permissions, in the newer form of the answer.
        permissions: Option<Vec<String>>,
    }
}

open_struct! {
    /// A workspace's settings of beta features.
    #[derive(Eq)]
    pub BetaSettings {
        /// Whether plugins may be used.
        #[serde(alias = "plugins")]
        enable_plugins: Option<bool>,
    }
}

impl WorkspaceSettings {
    /// Whether the user can use plugins. Allowed if the answer does not say.
    #[must_use]
    pub fn allows_plugins(&self) -> bool {
        let permitted = |permissions: &Vec<String>| permissions.iter().any(|permission| permission == USE_PLUGINS);
        self.beta_settings.enable_plugins.unwrap_or(true) && self.permissions.as_ref().is_none_or(permitted)
    }
}
