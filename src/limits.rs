//! Rate limits, usage limits, credits and plans: the types that errors, streams and [`Usage`](crate::Usage) share.
//!
//! A [`RateLimitSnapshot`] tells how much of one limit of the Codex backend is used: [`usage`](crate::usage) returns it, and so
//! do streams. [`OpenAiRateLimits`] are the `x-ratelimit-…` headers of the OpenAI API. A [`UsageLimit`] is in the error when
//! the plan's limit is reached ([`Error::usage_limit`](crate::Error::usage_limit)).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! use codex_backend::limits::{LimitWindow, PlanType};
//!
//! let usage = client.usage().get().await?;
//! assert_eq!(usage.plan_type, Some(PlanType::Plus));
//! println!("{:?}", usage.window(LimitWindow::FiveHours));
//! # Ok(()) }
//! ```

mod headers;
mod plan;
mod rate_limit;
mod usage_limit;

pub use self::headers::{OpenAiRateLimit, OpenAiRateLimits};
pub use self::plan::PlanType;
pub use self::rate_limit::{
    Credits, LimitWindow, RateLimitReachedReason, RateLimitSnapshot, RateLimitWindow, SnapshotWindow, SpendControl,
    SpendLimit,
};
pub use self::usage_limit::UsageLimit;
