//! Plans, rate limits and usage limits: types that errors and endpoints share.

mod headers;
mod plan;
mod rate_limit;
mod usage_limit;
mod wire;

pub use self::headers::{OpenAiRateLimit, OpenAiRateLimits};
pub use self::plan::PlanType;
pub use self::rate_limit::{
    Credits, LimitWindow, RateLimitReachedReason, RateLimitSnapshot, RateLimitWindow, SnapshotWindow, SpendControl,
    SpendLimit,
};
pub use self::usage_limit::UsageLimit;
pub(crate) use self::wire::{
    Tolerant, Wire, count, from_json, null_as_default, open_enum, open_struct, optional_count, read_member, whole,
};
