//! How much is used.
//!
//! [`Usage`](crate::Usage) tells the state of the account's limits. Limits are counted in windows, and the backend calls the
//! two it shows *primary* and *secondary*. Which is which has changed before, so tell a window by its length:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! use codex_backend::limits::LimitWindow;
//!
//! let usage = client.usage().get().await?;
//! if let Some(window) = usage.window(LimitWindow::Week) {
//!     println!("{} % of the week, anew at {:?}", window.used_percent, window.resets_at());
//! }
//! # assert_eq!(usage.window(LimitWindow::Week).unwrap().used_percent, 12.0);
//! # Ok(()) }
//! ```
//!
//! Limits on single features come beside it. [`UsageReport::snapshots`](crate::usage::UsageReport::snapshots) puts all of them into
//! one form, which is that of [`RateLimitSnapshot`](crate::limits::RateLimitSnapshot): Codex itself first, then each feature.
//!
//! ## When a limit is reached
//!
//! A call that is refused because of a limit fails with [`ErrorKind::UsageLimit`](crate::ErrorKind::UsageLimit) and is not
//! sent again; the error tells when the limit resets. A credit that resets it at once is redeemed under a key of yours. The
//! same key never redeems two, so it is safe to send again:
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
//!         Some(ResetOutcome::Reset | ResetOutcome::AlreadyRedeemed) => println!("the limits start anew"),
//!         other => println!("nothing came of it: {other:?}"),
//!     }
//! }
//! # assert_eq!(usage.reset_credits().await?.available_count, 0);
//! # Ok(()) }
//! ```
//!
//! A member of a workspace may ask its owner for more, by
//! [`Accounts::send_nudge_email`](crate::Accounts::send_nudge_email). That is an e-mail to a person: it is sent once, whatever
//! the retry policy says.
//!
//! ## What this crate does not know
//!
//! Words of the backend that are new are kept as `Other`, and members that are new are in the raw answer:
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
