//! How much of the plan's limits is used.

use std::sync::Arc;

use http::Method;

use super::request::ApiRequest;
use crate::call::Caller;
use crate::client::Client;
use crate::exchange::{Operation, Pace, Repeat};
use crate::limits::{
    Credits, LimitWindow, PlanType, RateLimitReachedReason, RateLimitSnapshot, RateLimitWindow, SpendControl,
    open_struct,
};
use crate::mode::sealed::Sealed;
use crate::mode::{Accepts, CodexBackend, Endpoint};

static GET: Operation = Operation {
    name: "usage.get",
    method: Method::GET,
    path: "{prefix}/usage",
    repeat: Repeat::Safe,
    pace: Pace::Bounded,
};

/// Asks the Codex backend how much of the plan's limits is used. Accepts a `Client<CodexBackend>`.
///
/// `GET /wham/usage`, or `/api/codex/usage` where the base URL does not end in `/backend-api`. It changes nothing, so it
/// is sent again after a failure.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// use codex_backend::{LimitWindow, PlanType, Usage};
///
/// let usage = Usage::new(&client).get().await?;
/// assert_eq!(usage.plan_type, Some(PlanType::Plus));
/// let window = usage.window(LimitWindow::FiveHours);
/// assert_eq!(window.map(|window| window.used_percent), Some(37));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Usage {
    caller: Arc<Caller>,
}

impl Sealed for Usage {}
impl Endpoint for Usage {
    type Accepted = CodexBackend;
    const NAME: &'static str = "Usage";
}

impl<M> Client<M> {
    /// How much of the plan's limits is used: [`Usage::new`] as a method.
    #[must_use]
    pub fn usage(&self) -> Usage
    where
        M: Accepts<Usage>,
    {
        Usage::new(self)
    }
}

impl Usage {
    /// With a client for the Codex backend.
    #[must_use]
    pub fn new<M>(client: &Client<M>) -> Self
    where
        M: Accepts<Self>,
    {
        Self { caller: client.caller().clone() }
    }

    /// The state of the account's limits now.
    pub fn get(&self) -> ApiRequest<UsageReport> {
        ApiRequest::json(&self.caller, &GET)
    }
}

open_struct! {
    /// The answer of the backend's `usage` route. Members that the backend leaves out or sends as `null` are `None` or
    /// empty.
    #[derive(Eq)]
    UsageReport {
        /// The account's plan.
        plan_type: Option<PlanType>,
        /// The limits on Codex itself.
        rate_limit: Option<RateLimitStatus>,
        /// Credits bought beside the plan.
        credits: Option<Credits>,
        /// Limits on single features.
        additional_rate_limits: Vec<AdditionalRateLimit>,
        /// Why the limit is reached, when it is.
        rate_limit_reached_type: Option<RateLimitReached>,
        /// Credits that reset a limit at once.
        rate_limit_reset_credits: Option<ResetCreditCount>,
        /// What the workspace may spend.
        spend_control: Option<SpendControl>,
    }
}

impl UsageReport {
    /// The window of Codex itself that has this length, whichever place it stands in.
    #[must_use]
    pub fn window(&self, kind: LimitWindow) -> Option<&RateLimitWindow> {
        let windows = self.rate_limit.as_ref()?.windows();
        windows.into_iter().flatten().find(|window| window.kind() == Some(kind))
    }

    /// Each limit in the form that all places share: first that of Codex itself, with credits and spending, then one for
    /// each single feature.
    #[must_use]
    pub fn snapshots(&self) -> Vec<RateLimitSnapshot> {
        let windows = |status: &Option<RateLimitStatus>| {
            status.as_ref().map(|status| status.windows().map(Option::<&RateLimitWindow>::cloned)).unwrap_or_default()
        };
        let snapshot = |id: &str, status: &Option<RateLimitStatus>| {
            let [primary, secondary] = windows(status);
            RateLimitSnapshot::new(id, self.plan_type.as_ref(), [primary.as_ref(), secondary.as_ref()])
        };
        let mut codex = snapshot("codex", &self.rate_limit);
        codex.credits = self.credits.clone();
        codex.spend_control = self.spend_control.clone();
        codex.reached = self.rate_limit_reached_type.as_ref().and_then(|reached| reached.reason.clone());
        let features = self.additional_rate_limits.iter().map(|feature| RateLimitSnapshot {
            limit_name: Some(feature.limit_name.clone()),
            ..snapshot(&feature.metered_feature, &feature.rate_limit)
        });
        std::iter::once(codex).chain(features).collect()
    }

    /// The snapshot of Codex itself.
    #[must_use]
    pub fn snapshot(&self) -> RateLimitSnapshot {
        // There is always one.
        self.snapshots().swap_remove(0)
    }
}

open_struct! {
    /// Whether more may be used, and in which windows it is counted.
    #[derive(Eq)]
    RateLimitStatus {
        /// Whether a request would be let through.
        allowed: bool,
        /// Whether the limit is reached.
        limit_reached: bool,
        /// The first window. Tell it by its length: which window comes first has changed before.
        primary_window: Option<RateLimitWindow>,
        /// The second window.
        secondary_window: Option<RateLimitWindow>,
    }
}

impl RateLimitStatus {
    fn windows(&self) -> [Option<&RateLimitWindow>; 2] {
        [self.primary_window.as_ref(), self.secondary_window.as_ref()]
    }
}

open_struct! {
    /// The limit on one feature.
    #[derive(Eq)]
    AdditionalRateLimit {
        /// The name to show.
        limit_name: String,
        /// The feature's id.
        metered_feature: String,
        /// Its windows.
        rate_limit: Option<RateLimitStatus>,
    }
}

open_struct! {
    /// Why a limit is reached.
    #[derive(Eq)]
    RateLimitReached {
        /// The reason.
        #[serde(rename = "type")]
        reason: Option<RateLimitReachedReason>,
    }
}

open_struct! {
    /// How many credits there are that reset a limit at once.
    #[derive(Eq)]
    ResetCreditCount {
        /// How many can be redeemed.
        available_count: i64,
    }
}
