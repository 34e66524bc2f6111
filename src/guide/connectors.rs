//! Connectors, plugins and workspaces.
//!
//! [`Connectors::directory`](crate::Connectors::directory) reads all pages of the directory, adds the workspace's own
//! connectors, and caches the result for an hour. The cache belongs to the handle and its clones, so keep the handle:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! let connectors = client.connectors();
//! let names: Vec<String> = connectors.directory().await?.iter().map(|it| it.name.clone()).collect();
//! assert_eq!(names, ["Google Drive", "Slack"]);
//! # Ok(()) }
//! ```
//!
//! ## What types cannot check
//!
//! Whether an account is a workspace, or has a certain plan, is known only when the program runs. Some endpoints need one;
//! they look into the credentials, and if these belong to another kind of account, nothing is sent:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! use codex_backend::ErrorKind;
//!
//! let error = client.workspace_policy().settings().await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::NotAWorkspace);
//! assert!(!error.may_have_been_sent());
//! # Ok(()) }
//! ```
//!
//! Some credentials do not tell which account or plan they belong to. Then say what you know:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # backend.add_account_with_plan("acct-team", "team");
//! # let tokens = codex_backend::ChatGptTokens::new(backend.issue_access_token("acct-team"));
//! # let client = backend.client().chatgpt(tokens).build()?;
//! use codex_backend::auth::AccountFacts;
//! use codex_backend::limits::PlanType;
//!
//! let account = AccountFacts::new("acct-team").plan_type(PlanType::Team);
//! assert!(client.workspace_policy().with_account(account).allows_plugins().await?);
//! # Ok(()) }
//! ```
//!
//! ## For any client
//!
//! The list of featured plugins is public, so [`FeaturedPlugins`](crate::FeaturedPlugins) accepts every client. The request
//! goes to the Codex backend and carries credentials only if they are the Codex backend's: an API key is never sent there.
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! let anyone = backend.client().without_credentials().build()?;
//! println!("{}", anyone.featured_plugins().list().await?.join(", "));
//! # Ok(()) }
//! ```
