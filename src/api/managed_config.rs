//! Managed configuration: the settings and requirements that administrators set for their users. Feature `managed-config`.
//!
//! Everything is reached through [`ManagedConfig`], for a `Client<CodexBackend>`.
//! [`load_bundle`](ManagedConfig::load_bundle) is for the start of a program: with a cache, retries and a time-out. The result
//! is TOML, which [`ConfigFragment::parse`] reads into a type of yours.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! let loaded = client.managed_config().load_bundle().await?;
//! match loaded.value {
//!     Some(bundle) => println!("{} requirements", bundle.requirements().len()),
//!     None => println!("{:?}", loaded.source), // here: `NotEligible`, since the plan is Pro
//! }
//! # Ok(()) }
//! ```

mod cache;
pub(crate) mod document;
mod error;
mod load;
mod wire;

use std::sync::Arc;

pub use self::cache::{CacheStatus, ConfigCache};
pub use self::document::ManagedDocument;
pub use self::error::ManagedConfigError;
pub use self::load::{ConfigLoadSource, LoadedConfig, ManagedLoad, ManagedRefreshes};
pub use self::wire::{ConfigBundle, ConfigFragment, ConfigRequirements, DeliveredConfig, ManagedLayers};
use super::request::ApiRequest;
use crate::api::endpoint::{Accepts, endpoint};
use crate::auth::AccountFacts;
use crate::call::Caller;

/// Managed configuration: the settings and requirements that administrators set for Codex on their users' machines. Two
/// documents have it: the requirements, and their successor, the bundle. Feature `managed-config`. Accepts a
/// `Client<CodexBackend>`.
///
/// Accounts with a Business, Enterprise or Education plan have it. [`load_bundle`](Self::load_bundle) and
/// [`load_requirements`](Self::load_requirements) are for the start of a program: with a cache, retries and a time-out.
/// [`bundle`](Self::bundle) and [`requirements`](Self::requirements) are the plain requests.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let folder = tempfile::tempdir()?;
/// use codex_backend::managed_config::{ConfigCache, ConfigLoadSource};
/// use codex_backend::{ChatGptTokens, ManagedConfig};
///
/// backend.add_account_with_plan("acct-corp", "enterprise");
/// backend.set_config_bundle(serde_json::json!({ "requirements_toml": { "enterprise_managed": [
///     { "id": "req_1", "name": "Base policy", "contents": "allowed_approval_policies = [\"never\"]" },
/// ] } }));
/// let tokens = ChatGptTokens::new(backend.issue_access_token("acct-corp"));
/// let config = ManagedConfig::new(&backend.client().chatgpt(tokens).build()?);
///
/// let cache = ConfigCache::in_folder(folder.path());
/// let loaded = config.load_bundle().with_cache(cache.clone()).await?;
/// for fragment in loaded.value.expect("there is one").requirements() {
///     let policy: std::collections::BTreeMap<String, Vec<String>> = fragment.parse()?;
///     assert_eq!(policy["allowed_approval_policies"], ["never"]);
/// }
/// let again = config.load_bundle().with_cache(cache).await?;
/// assert_eq!(again.source, ConfigLoadSource::Cache);
/// # Ok(()) }
/// ```
///
/// Based on the `config` routes of the Codex backend, as the official tool uses them.
#[doc(alias("requirements.toml", "mdm", "policy"))]
#[derive(Debug, Clone)]
pub struct ManagedConfig {
    caller: Arc<Caller>,
    account: Option<AccountFacts>,
}

endpoint! { ManagedConfig by new, managed_config where CodexBackend: Accepts<ManagedConfig> }

impl ManagedConfig {
    fn with_caller(caller: Arc<Caller>) -> Self {
        Self { caller, account: None }
    }

    /// Sets what is known about the account. Default: what the credentials say.
    #[must_use]
    pub fn with_account(mut self, account: impl Into<AccountFacts>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Requests the requirements. `GET {prefix}/config/requirements`. If the account's plan has no managed
    /// configuration, the error is [`ErrorKind::NotEligible`](crate::ErrorKind::NotEligible), and nothing is sent.
    pub fn requirements(&self) -> ApiRequest<ConfigRequirements> {
        document::request(&self.caller, self.account.clone())
    }

    /// Requests the bundle. `GET {prefix}/config/bundle`. If the account's plan has no managed configuration, the error
    /// is [`ErrorKind::NotEligible`](crate::ErrorKind::NotEligible), and nothing is sent.
    pub fn bundle(&self) -> ApiRequest<ConfigBundle> {
        document::request(&self.caller, self.account.clone())
    }

    /// Loads the requirements, with cache, retries and a time-out. See [`ManagedLoad`].
    pub fn load_requirements(&self) -> ManagedLoad<ConfigRequirements> {
        ManagedLoad::new(self.caller.clone(), self.account.clone())
    }

    /// Loads the bundle, with cache, retries and a time-out. See [`ManagedLoad`].
    pub fn load_bundle(&self) -> ManagedLoad<ConfigBundle> {
        ManagedLoad::new(self.caller.clone(), self.account.clone())
    }
}
