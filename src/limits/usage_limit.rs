//! The usage limit of a plan, as the error about it describes it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use serde_json::Value;

use super::headers;
use super::plan::PlanType;
use super::rate_limit::RateLimitSnapshot;

/// The usage limit of a plan, as the error about it describes it.
///
/// Wire: the members `plan_type`, `resets_at` (Unix seconds) and `resets_in_seconds` of the error object of a 429 with
/// type `usage_limit_reached`, or of the same error inside a stream; and the headers `x-codex-…` beside it.
#[doc(alias("usage limit", "quota"))]
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct UsageLimit {
    /// The plan whose limit it is.
    pub plan_type: Option<PlanType>,
    /// When the limit resets. In the past only if the server sent such a time and no remaining time.
    pub resets_at: Option<SystemTime>,
    /// The limit that was reached, if the server describes it.
    pub rate_limits: Option<RateLimitSnapshot>,
    /// A message of the server for the user, such as an offer to upgrade.
    pub promo_message: Option<String>,
}

impl UsageLimit {
    pub(crate) fn from_error(error: &Value, headers: &HeaderMap, now: SystemTime) -> Self {
        let seconds = |name: &str| Duration::try_from_secs_f64(error.get(name)?.as_f64()?).ok();
        // A moment that has passed is stale; the time left is then the better word.
        let at = seconds("resets_at").and_then(|since| UNIX_EPOCH.checked_add(since));
        let within = || seconds("resets_in_seconds").and_then(|left| now.checked_add(left));
        let plan_type = error.get("plan_type").and_then(|plan| plan.as_str());
        let active = headers::text(headers, "x-codex-active-limit").unwrap_or("");
        let mut rate_limits = RateLimitSnapshot::from_headers(headers, active);
        // Why it is reached is told for whichever limit is active.
        let reached = headers::text(headers, "x-codex-rate-limit-reached-type").map(|reason| reason.to_owned().into());
        rate_limits.reached = rate_limits.reached.or(reached);
        Self {
            plan_type: plan_type.map(|plan| plan.to_owned().into()),
            resets_at: at.filter(|at| *at > now).or_else(within).or(at),
            rate_limits: Some(rate_limits).filter(|limits| limits.says_something() || limits.reached.is_some()),
            promo_message: headers::text(headers, "x-codex-promo-message").map(str::to_owned),
        }
    }
}
