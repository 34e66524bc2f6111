//! Usage: how much of the plan's rate limits is used, the credits that reset a limit, and the usage of single threads.
//!
//! Everything is reached through [`Usage`], for a `Client<CodexBackend>`. The types that errors and streams share with it
//! (windows, credits, plans) are in [`limits`](crate::limits).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! for limit in client.usage().get().await?.snapshots() {
//!     let Some(window) = limit.primary else { continue };
//!     println!("{}: {} % of {:?} used", limit.limit_id, window.used_percent, window.kind());
//! }
//! # Ok(()) }
//! ```

use std::collections::HashSet;

use serde::Serialize;

use super::request::ApiRequest;
use crate::api::endpoint::{Accepts, endpoint, operations};
use crate::error::{Error, ErrorKind};
use crate::limits::{
    Credits, LimitWindow, PlanType, RateLimitReachedReason, RateLimitSnapshot, RateLimitWindow, SpendControl,
};
use crate::wire::{open_enum, open_struct};

operations! {
    for Usage;
    GET: "usage.get" = GET "{prefix}/usage", Safe, Bounded;
    LIST_RESET_CREDITS: "usage.list_reset_credits" = GET "{prefix}/rate-limit-reset-credits", Safe, Bounded;
    // The body has an idempotency key.
    REDEEM_RESET_CREDIT: "usage.redeem_reset_credit" = POST "{prefix}/rate-limit-reset-credits/consume", Safe, Bounded;
    THREADS: "usage.threads" = POST "{prefix}/usage/thread_usage/query", Safe, Bounded;
}

/// The maximum number of threads in one request.
const MOST_THREADS: usize = 100;

endpoint! {
    /// How much of the plan's limits is used, and credits that reset them. Accepts a `Client<CodexBackend>`.
    ///
    /// `GET /wham/usage`, or `/api/codex/usage` where the base URL does not end in `/backend-api`; the other requests
    /// are below the same prefix. All of them are retried after a failure.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// use codex_backend::limits::{LimitWindow, PlanType};
    /// use codex_backend::Usage;
    ///
    /// let usage = Usage::new(&client).get().await?;
    /// assert_eq!(usage.plan_type, Some(PlanType::Plus));
    /// let window = usage.window(LimitWindow::FiveHours);
    /// assert_eq!(window.map(|window| window.used_percent), Some(37.0));
    /// # Ok(()) }
    /// ```
    ///
    /// Based on the `usage` and `rate-limit-reset-credits` routes of the Codex backend, as the official tool uses them.
    #[doc(alias("rate limit", "quota", "usage limit", "credits"))]
    pub Usage by new, usage where CodexBackend: Accepts<Usage>
}

impl Usage {
    /// The current state of the account's limits.
    pub fn get(&self) -> ApiRequest<UsageReport> {
        self.request(&GET).json()
    }

    /// The credits that reset a limit at once. `GET {prefix}/rate-limit-reset-credits`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// use codex_backend::usage::ResetOutcome;
    ///
    /// let usage = client.usage();
    /// assert_eq!(usage.reset_credits().await?.available_count, 1);
    /// let redeemed = usage.redeem_reset_credit("a-key-of-mine-1").await?;
    /// assert_eq!(redeemed.code, Some(ResetOutcome::Reset));
    /// # Ok(()) }
    /// ```
    pub fn reset_credits(&self) -> ApiRequest<ResetCredits> {
        self.request(&LIST_RESET_CREDITS).json()
    }

    /// Redeems a credit, which the backend chooses: the limits are reset at once.
    /// `POST {prefix}/rate-limit-reset-credits/consume`.
    ///
    /// The idempotency key is a text of your choice, such as a UUID, that is used for this redemption only. With the
    /// same key the backend redeems at most one credit, however often the request is sent. So the request is retried
    /// after a failure, and may be made again with the same key.
    pub fn redeem_reset_credit(&self, idempotency_key: impl Into<String>) -> ApiRequest<RedeemedReset> {
        self.redeem(&RedeemRequest { redeem_request_id: idempotency_key.into(), credit_id: None })
    }

    /// Redeems the credit with that id; otherwise as [`redeem_reset_credit`](Self::redeem_reset_credit).
    pub fn redeem_reset_credit_with_id(
        &self,
        idempotency_key: impl Into<String>,
        credit_id: impl Into<String>,
    ) -> ApiRequest<RedeemedReset> {
        let credit_id = Some(credit_id.into());
        self.redeem(&RedeemRequest { redeem_request_id: idempotency_key.into(), credit_id })
    }

    fn redeem(&self, body: &RedeemRequest) -> ApiRequest<RedeemedReset> {
        let blank = body.redeem_request_id.trim().is_empty();
        let reason =
            blank.then(|| "the idempotency key is blank: it has to tell this redemption from others".to_owned());
        self.request(&REDEEM_RESET_CREDIT).body(body).refused(reason).exact_json()
    }

    /// The estimated usage of single threads. Threads for which the backend has no estimate are left out.
    /// `POST {prefix}/usage/thread_usage/query`, with 1 to 100 different ids.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// # backend.set_thread_usage("thread-1", 2_500_000);
    /// let threads = client.usage().threads(["thread-1", "thread-2"]).await?;
    /// assert_eq!(threads.len(), 1);
    /// assert_eq!(threads[0].credits(), Some(2.5));
    /// # Ok(()) }
    /// ```
    pub fn threads<I>(&self, thread_ids: I) -> ApiRequest<Vec<ThreadUsage>>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let thread_ids: Vec<String> = thread_ids.into_iter().map(Into::into).collect();
        let asked: HashSet<String> = thread_ids.iter().cloned().collect();
        let reason = if !(1..=MOST_THREADS).contains(&thread_ids.len()) {
            Some(format!("{} thread ids were given: it can be 1 to {MOST_THREADS}", thread_ids.len()))
        } else if asked.len() < thread_ids.len() {
            Some("a thread id was given twice".to_owned())
        } else {
            thread_ids.iter().any(|id| id.trim().is_empty()).then(|| "a thread id is blank".to_owned())
        };
        let request = self.request(&THREADS);
        request
            .body(&ThreadUsageQuery { thread_ids })
            .refused(reason)
            .json()
            .and_then(move |answer: ThreadUsageAnswer| answer.check(asked))
    }
}

#[derive(Serialize)]
struct RedeemRequest {
    redeem_request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    credit_id: Option<String>,
}

#[derive(Serialize)]
struct ThreadUsageQuery {
    thread_ids: Vec<String>,
}

open_struct! {
    ThreadUsageAnswer {
        threads: Vec<ThreadUsage>,
    }
}

impl ThreadUsageAnswer {
    /// Checks that each thread was requested, and is there once. No estimate does not mean no usage.
    fn check(self, mut asked: HashSet<String>) -> Result<Vec<ThreadUsage>, Error> {
        if self.threads.iter().any(|thread| !asked.remove(&thread.thread_id)) {
            let message = "the answer tells of a thread twice, or of one that was not asked about";
            return Err(Error::new(ErrorKind::Decode, THREADS.name, message).sent(true));
        }
        Ok(self.threads.into_iter().filter(|thread| thread.estimated_usage_credits_micros.is_some()).collect())
    }
}

open_struct! {
    /// The answer of the backend's `usage` route. Members that are missing or `null` are `None` or empty.
    pub UsageReport {
        /// The account's plan.
        plan_type: Option<PlanType>,
        /// The limits on Codex itself.
        rate_limit: Option<RateLimitStatus>,
        /// Credits bought in addition to the plan.
        credits: Option<Credits>,
        /// Limits on single features.
        additional_rate_limits: Vec<AdditionalRateLimit>,
        /// Why the limit is reached, if it is.
        rate_limit_reached_type: Option<RateLimitReached>,
        /// Credits that reset a limit at once.
        rate_limit_reset_credits: Option<ResetCreditCount>,
        /// The spend limits of the workspace.
        spend_control: Option<SpendControl>,
    }
}

impl UsageReport {
    /// The window of Codex's own limit with this length, be it the primary or the secondary one.
    #[must_use]
    pub fn window(&self, kind: LimitWindow) -> Option<&RateLimitWindow> {
        let windows = self.rate_limit.as_ref()?.windows();
        windows.into_iter().flatten().find(|window| window.kind() == Some(kind))
    }

    /// All limits, in the form that errors and streams share: first that of Codex itself, with credits and spend
    /// limits, then those of single features.
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
    /// The state of a limit and its windows.
    pub RateLimitStatus {
        /// Whether a request would be accepted.
        allowed: bool,
        /// Whether the limit is reached.
        limit_reached: bool,
        /// The primary window. Which length is primary has changed before, so look at the length.
        primary_window: Option<RateLimitWindow>,
        /// The secondary window.
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
    pub AdditionalRateLimit {
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
    pub RateLimitReached {
        /// The reason.
        #[serde(rename = "type")]
        reason: Option<RateLimitReachedReason>,
    }
}

open_struct! {
    /// The number of credits that reset a limit at once.
    #[derive(Eq)]
    pub ResetCreditCount {
        /// The number that can be redeemed.
        available_count: i64,
    }
}

open_struct! {
    /// The credits that reset a limit at once.
    #[derive(Eq)]
    pub ResetCredits {
        /// The number that can be redeemed.
        available_count: i64,
        /// The credits.
        credits: Vec<ResetCredit>,
    }
}

open_struct! {
    /// A credit that resets a limit at once.
    #[derive(Eq)]
    pub ResetCredit {
        /// Its id.
        id: Option<String>,
        /// What it resets.
        reset_type: Option<String>,
        /// Whether it can be redeemed.
        status: Option<ResetCreditStatus>,
        /// When it was granted, as the backend writes it.
        granted_at: Option<String>,
        /// When it expires, as the backend writes it.
        expires_at: Option<String>,
        /// A line to show.
        title: Option<String>,
        /// A text to show.
        description: Option<String>,
    }
}

open_enum! {
    /// The state of a [`ResetCredit`].
    ResetCreditStatus {
        /// It can be redeemed.
        Available = "available",
    }
}

open_struct! {
    /// The result of redeeming a credit.
    #[derive(Eq)]
    pub RedeemedReset {
        /// The outcome.
        code: Option<ResetOutcome>,
        /// The number of windows that were reset.
        windows_reset: i64,
    }
}

open_enum! {
    /// The outcome of redeeming a credit.
    ResetOutcome {
        /// The limits were reset.
        Reset = "reset",
        /// There was nothing to reset; the credit is kept.
        NothingToReset = "nothing_to_reset",
        /// There is no credit.
        NoCredit = "no_credit",
        /// The credit, or the idempotency key, has been used.
        AlreadyRedeemed = "already_redeemed",
    }
}

open_struct! {
    /// The estimated usage of one thread. `micros` are millionths.
    #[derive(Eq)]
    pub ThreadUsage {
        /// The thread's id.
        thread_id: String,
        /// In credits.
        estimated_usage_credits_micros: Option<i64>,
        /// In US dollars.
        estimated_usage_usd_micros: Option<i64>,
        /// The usage by model and effort.
        groups: Vec<ThreadUsageGroup>,
    }
}

impl ThreadUsage {
    /// In credits.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    pub fn credits(&self) -> Option<f64> {
        self.estimated_usage_credits_micros.map(|micros| micros as f64 / 1e6)
    }
}

open_struct! {
    /// A part of the usage of one thread.
    #[derive(Eq)]
    pub ThreadUsageGroup {
        /// The model.
        model: Option<String>,
        /// The reasoning effort.
        reasoning_effort: Option<String>,
        /// The speed that was asked for.
        speed: Option<String>,
        /// In millionths of a credit.
        estimated_usage_credits_micros: i64,
        /// Input tokens that were new and not cached.
        net_new_input_tokens: Option<i64>,
        /// Input tokens that were cached.
        cached_input_tokens: Option<i64>,
        /// Input tokens.
        input_tokens: Option<i64>,
        /// Output tokens.
        output_tokens: Option<i64>,
        /// All tokens.
        total_tokens: Option<i64>,
    }
}
