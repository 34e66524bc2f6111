//! How much is used.
//!
//! [`Usage`](crate::Usage) tells how much of the account's limits is used. A limit counts within a window of time, and the
//! backend calls the two windows that it shows *primary* and *secondary*. Which is which has changed before, so pick a
//! window by its length:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! use codex_backend::limits::LimitWindow;
//!
//! let usage = client.usage().get().await?;
//! if let Some(window) = usage.window(LimitWindow::Week) {
//!     println!("{} % of the week, resets at {:?}", window.used_percent, window.resets_at());
//! }
//! # assert_eq!(usage.window(LimitWindow::Week).unwrap().used_percent, 12.0);
//! # Ok(()) }
//! ```
//!
//! Single features may have limits of their own. [`UsageReport::snapshots`](crate::usage::UsageReport::snapshots) puts all
//! of them into one form, which is that of [`RateLimitSnapshot`](crate::limits::RateLimitSnapshot): Codex itself first,
//! then each feature.
//!
//! ## When a limit is reached
//!
//! A call that is refused because of a limit fails with [`ErrorKind::UsageLimit`](crate::ErrorKind::UsageLimit) and is not
//! retried; the error tells when the limit resets. A *reset credit* resets it at once. You redeem one under a key of your
//! own; the same key never redeems a second one, so the request is safe to retry:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! use codex_backend::usage::ResetOutcome;
//!
//! let usage = client.usage();
//! if usage.reset_credits().await?.available_count > 0 {
//!     match usage.redeem_reset_credit("a UUID of yours, kept until this is done").await?.code {
//!         Some(ResetOutcome::Reset | ResetOutcome::AlreadyRedeemed) => println!("the limits are reset"),
//!         other => println!("not reset: {other:?}"),
//!     }
//! }
//! # assert_eq!(usage.reset_credits().await?.available_count, 0);
//! # Ok(()) }
//! ```
//!
//! A member of a workspace may ask its owner for more, with
//! [`Accounts::send_nudge_email`](crate::Accounts::send_nudge_email). That sends an e-mail to a person, so the request is
//! never retried, whatever the retry policy says.
//!
//! ## What this crate does not know
//!
//! A word of the backend that is new is kept, as `Other`, and a member that is new is in the raw answer:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! # backend.set_usage(serde_json::json!({ "plan_type": "platinum", "weather": "fine" }));
//! let usage = client.usage().get().with_raw().await?;
//! assert_eq!(usage.value.plan_type.unwrap().as_str(), "platinum");
//! assert_eq!(usage.raw["weather"], "fine");
//! # Ok(()) }
//! ```
