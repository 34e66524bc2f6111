//! Managed configuration.
//!
//! Administrators of Business, Enterprise and Education accounts can say what Codex may do on the machines of their users.
//! A program that acts for such a user asks the backend at its start. If it gets no answer, it stops, rather than go on as if
//! nothing were demanded:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # backend.add_account_with_plan("acct-corp", "business");
//! # backend.set_config_bundle(serde_json::json!({ "requirements_toml": { "enterprise_managed": [
//! #     { "id": "req_1", "name": "Base policy", "contents": "allowed_approval_policies = [\"never\"]" } ] } }));
//! # let tokens = codex_backend::ChatGptTokens::new(backend.issue_access_token("acct-corp"));
//! # let client = backend.client().chatgpt(tokens).build()?;
//! # let folder = tempfile::tempdir()?;
//! use codex_backend::managed_config::ConfigCache;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Policy {
//!     #[serde(default)]
//!     allowed_approval_policies: Vec<String>,
//! }
//!
//! let cache = ConfigCache::in_folder(folder.path());
//! let loaded = client.managed_config().load_bundle().with_cache(cache).await?;
//! for fragment in loaded.value.iter().flat_map(|bundle| bundle.requirements()) {
//!     let policy: Policy = fragment.parse()?;
//!     println!("{}: {:?}", fragment.name, policy.allowed_approval_policies);
//! }
//! # assert!(loaded.value.is_some());
//! # Ok(()) }
//! ```
//!
//! [`ManagedLoad`](crate::managed_config::ManagedLoad) describes the steps of loading, its time-outs and what happens when
//! one fails.
//!
//! ## The cache
//!
//! With a cache file, the next start needs no request. The file names its account and user and the time at which it
//! expires, and it is signed; [`CacheStatus`](crate::managed_config::CacheStatus) tells why a file was not used. The key of
//! the signature is public: it detects damage, and is no protection from somebody who changes the file on purpose. By
//! default the file is this crate's own;
//! [`ConfigCache::shared_with_official_tool`](crate::managed_config::ConfigCache::shared_with_official_tool) uses those of
//! the official tool.
//!
//! ## While the program runs
//!
//! [`ManagedLoad::refreshes_every`](crate::managed_config::ManagedLoad::refreshes_every) is a stream that loads again after
//! each interval, while it is polled:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # backend.add_account_with_plan("acct-corp", "business");
//! # let tokens = codex_backend::ChatGptTokens::new(backend.issue_access_token("acct-corp"));
//! # let client = backend.client().chatgpt(tokens).build()?;
//! use std::time::Duration;
//! use futures_util::StreamExt;
//!
//! # let interval = Duration::from_millis(1); /*
//! let interval = Duration::from_secs(15 * 60);
//! # */
//! let mut refreshes = client.managed_config().load_bundle().refreshes_every(interval);
//! match refreshes.next().await {
//!     Some(Ok(loaded)) => println!("loaded: {:?}", loaded.value),
//!     Some(Err(error)) => println!("what was loaded before still holds: {error}"),
//!     None => println!("the account has no managed configuration any more"),
//! }
//! # Ok(()) }
//! ```
