//! How much of the plan's limits is used.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use http::Method;
use serde::{Deserialize, Serialize};

use crate::call::Caller;
use crate::client::Client;
use crate::error::Error;
use crate::exchange::{CallOptions, Operation, Pace, Payload, Repeat, RetryPolicy, Timeouts};
use crate::limits::{PlanType, RateLimitReachedReason, RateLimitWindow};
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
/// use codex_backend::{PlanType, Usage};
///
/// let usage = Usage::new(&client).get().await?;
/// assert_eq!(usage.plan_type, Some(PlanType::Plus));
/// let window = usage.rate_limit.and_then(|limit| limit.primary_window);
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
    pub fn get(&self) -> UsageRequest {
        UsageRequest { caller: self.caller.clone(), options: CallOptions::default() }
    }
}

/// A request for the account's limits, made by [`Usage::get`]; `.await` it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// use std::time::Duration;
/// use codex_backend::{RetryPolicy, Timeouts};
///
/// let quick = Timeouts::default().call(Duration::from_secs(5));
/// let usage = client.usage().get().with_timeouts(quick).with_retry_policy(RetryPolicy::never()).await?;
/// # assert!(usage.credits.is_some());
/// # Ok(()) }
/// ```
#[must_use = "a request does nothing unless awaited"]
pub struct UsageRequest {
    caller: Arc<Caller>,
    options: CallOptions,
}

impl UsageRequest {
    /// Other time limits than the client's.
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.options.timeouts = Some(timeouts);
        self
    }

    /// Another retry policy than the client's.
    pub fn with_retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.options.retry = Some(policy);
        self
    }
}

impl IntoFuture for UsageRequest {
    type Output = Result<UsageReport, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let path = format!("{}/usage", self.caller.base_url().style().prefix());
            self.caller.send(&GET, &path, Payload::Empty, &self.options).await?.json(&GET)
        })
    }
}

impl fmt::Debug for UsageRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsageRequest").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The answer of the backend's `usage` route. Members that the backend leaves out or sends as `null` are `None` or empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UsageReport {
    /// The account's plan.
    #[serde(default)]
    pub plan_type: Option<PlanType>,
    /// The limits on Codex itself.
    #[serde(default)]
    pub rate_limit: Option<RateLimitStatus>,
    /// Credits bought beside the plan.
    #[serde(default)]
    pub credits: Option<Credits>,
    /// Limits on single features.
    #[serde(default, deserialize_with = "null_as_default")]
    pub additional_rate_limits: Vec<AdditionalRateLimit>,
    /// Why the limit is reached, when it is.
    #[serde(default)]
    pub rate_limit_reached_type: Option<RateLimitReached>,
    /// Credits that reset a limit at once.
    #[serde(default)]
    pub rate_limit_reset_credits: Option<ResetCredits>,
    /// What the workspace may spend.
    #[serde(default)]
    pub spend_control: Option<SpendControl>,
}

/// Whether more may be used, and in which windows it is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RateLimitStatus {
    /// Whether a request would be let through.
    pub allowed: bool,
    /// Whether the limit is reached.
    pub limit_reached: bool,
    /// The first window. Tell it by its length: which window comes first has changed before.
    #[serde(default)]
    pub primary_window: Option<RateLimitWindow>,
    /// The second window.
    #[serde(default)]
    pub secondary_window: Option<RateLimitWindow>,
}

/// The limit on one feature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AdditionalRateLimit {
    /// The name to show.
    pub limit_name: String,
    /// The feature's id.
    pub metered_feature: String,
    /// Its windows.
    #[serde(default)]
    pub rate_limit: Option<RateLimitStatus>,
}

/// Credits bought beside the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Credits {
    /// Whether there are any.
    pub has_credits: bool,
    /// Whether they are without limit.
    pub unlimited: bool,
    /// How many, as a decimal number in text.
    #[serde(default)]
    pub balance: Option<String>,
    /// How many local messages they are about good for: the least and the most.
    #[serde(default, deserialize_with = "null_as_default")]
    pub approx_local_messages: Vec<serde_json::Value>,
    /// How many cloud messages they are about good for: the least and the most.
    #[serde(default, deserialize_with = "null_as_default")]
    pub approx_cloud_messages: Vec<serde_json::Value>,
}

/// Why a limit is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RateLimitReached {
    /// The reason.
    #[serde(rename = "type")]
    pub reason: RateLimitReachedReason,
}

/// Credits that reset a limit at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResetCredits {
    /// How many can be redeemed.
    pub available_count: i64,
}

/// What the workspace may spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SpendControl {
    /// Whether the limit is reached.
    #[serde(default)]
    pub reached: bool,
    /// The user's own limit.
    #[serde(default)]
    pub individual_limit: Option<SpendLimit>,
}

/// A limit on spending. Amounts are decimal numbers in text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SpendLimit {
    /// The limit.
    pub limit: String,
    /// What is used of it.
    pub used: String,
    /// What is left of it.
    pub remaining: String,
    /// What is used of it, in percent.
    pub used_percent: i64,
    /// What is left of it, in percent.
    pub remaining_percent: i64,
    /// How long until it starts anew, in seconds.
    pub reset_after_seconds: i64,
    /// When it starts anew, in seconds since 1970.
    pub reset_at: i64,
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
