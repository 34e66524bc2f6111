//! Plans, rate limits and usage limits: types that errors and endpoints share.

mod headers;
mod rate_limit;
mod wire;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use serde_json::Value;

pub use self::headers::{OpenAiRateLimit, OpenAiRateLimits};
pub use self::rate_limit::{
    Credits, LimitWindow, RateLimitReachedReason, RateLimitSnapshot, RateLimitWindow, SnapshotWindow, SpendControl,
    SpendLimit,
};
pub(crate) use self::wire::{
    Tolerant, Wire, count, from_json, null_as_default, open_enum, open_struct, optional_count, read_member, whole,
};

open_enum! {
    /// A ChatGPT plan.
    ///
    /// ```
    /// use codex_backend::limits::PlanType;
    ///
    /// assert_eq!(PlanType::from("hc".to_owned()), PlanType::Enterprise);
    /// assert_eq!(PlanType::from("platinum".to_owned()).as_str(), "platinum");
    /// ```
    PlanType {
        /// No account.
        Guest = "guest",
        /// Free.
        Free = "free",
        /// Go.
        Go = "go",
        /// Plus.
        Plus = "plus",
        /// Pro.
        Pro = "pro",
        /// Pro Lite.
        ProLite = "prolite",
        /// A workspace without a plan.
        FreeWorkspace = "free_workspace",
        /// Team.
        Team = "team",
        /// Self-serve business, by usage.
        SelfServeBusinessUsageBased = "self_serve_business_usage_based",
        /// Business.
        Business = "business",
        /// Enterprise, by usage.
        EnterpriseUsageBased = "enterprise_cbp_usage_based",
        /// Enterprise.
        Enterprise = "enterprise" | "hc",
        /// Education.
        Education = "edu" | "education",
        /// Quorum.
        Quorum = "quorum",
        /// Schools.
        K12 = "k12",
    }
}

impl PlanType {
    /// The plan of a name that may be written in any case. One that is not known keeps its spelling.
    pub(crate) fn in_any_case(name: String) -> Self {
        match Self::from(name.to_ascii_lowercase()) {
            Self::Other(_) => Self::Other(name),
            known => known,
        }
    }

    /// Whether the administrators of accounts with this plan can manage the configuration of Codex.
    #[must_use]
    pub fn has_managed_config(&self) -> bool {
        match self {
            Self::Business | Self::EnterpriseUsageBased | Self::Enterprise | Self::Education => true,
            Self::Other(name) => {
                matches!(name.as_str(), "ent26" | "enterprise_cbp_automation" | "edu_plus" | "edu_pro")
            }
            _ => false,
        }
    }

    /// Whether accounts with this plan are workspaces of several users.
    #[must_use]
    pub fn is_workspace(&self) -> bool {
        const LATER: [&str; 6] = [
            "ent26",
            "enterprise_cbp_automation",
            "self_serve_business_prolite",
            "self_serve_business_pro_lite",
            "edu_plus",
            "edu_pro",
        ];
        match self {
            Self::Team
            | Self::SelfServeBusinessUsageBased
            | Self::Business
            | Self::EnterpriseUsageBased
            | Self::Enterprise
            | Self::Education => true,
            Self::Other(name) => LATER.contains(&name.as_str()),
            _ => false,
        }
    }
}

/// The usage limit of a plan, as the error about it describes it.
///
/// Wire: the members `plan_type`, `resets_at` (Unix seconds) and `resets_in_seconds` of the error object of a 429 with
/// type `usage_limit_reached`, or of the same error inside a stream; and the headers `x-codex-…` beside it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct UsageLimit {
    /// The plan whose limit it is.
    pub plan_type: Option<PlanType>,
    /// When the limit resets; has passed only where the server told a moment that had, and no time left.
    pub resets_at: Option<SystemTime>,
    /// The limit that was reached, where the server describes it.
    pub rate_limits: Option<RateLimitSnapshot>,
    /// An offer of the server, for the user to read.
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
