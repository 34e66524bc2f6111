//! Plans, rate limits and usage limits: types that errors and endpoints share.
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
