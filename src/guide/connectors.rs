//! Connectors, plugins and workspaces.
//!
//! [`Connectors::directory`](crate::Connectors::directory) goes through all pages of the directory, adds what the workspace has
//! of its own, and remembers the result for an hour. What is remembered belongs to the handle and its clones, so keep it:
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
//! ## What a type cannot know
//!
//! That an account is a workspace, or has a certain plan, is known only when the program runs. The endpoints ask the
//! credentials, and where those say no, nothing is sent:
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
//! Credentials that tell nothing of themselves leave it unknown. What you know, you can say:
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
//! ## For anyone
//!
//! What is featured is public, so [`FeaturedPlugins`](crate::FeaturedPlugins) accepts every client. It asks the ChatGPT host,
//! and only credentials of the Codex backend go along; an API key stays at home.
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! let anyone = backend.client().without_credentials().build()?;
//! println!("{}", anyone.featured_plugins().list().await?.join(", "));
//! # Ok(()) }
//! ```
