//! The rate limits of the Codex backend: windows, credits, spend limits, and snapshots of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::plan::PlanType;
use crate::wire::{open_enum, open_struct};

open_struct! {
    /// A window in which usage is counted.
    ///
    /// ```
    /// use codex_backend::limits::{LimitWindow, RateLimitWindow};
    ///
    /// let window: RateLimitWindow = serde_json::from_str(r#"{"used_percent": 37, "limit_window_seconds": 18000}"#)?;
    /// assert_eq!((window.kind(), window.window_minutes()), (Some(LimitWindow::FiveHours), Some(300)));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub RateLimitWindow {
        /// The used share, in percent.
        used_percent: f64,
        /// Its length, in seconds.
        limit_window_seconds: i64,
        /// The time until it resets, in seconds.
        reset_after_seconds: i64,
        /// When it resets, in seconds since 1970.
        reset_at: i64,
    }
}

impl RateLimitWindow {
    /// Which window it is, by its length. `None` if the length is not known.
    #[must_use]
    pub fn kind(&self) -> Option<LimitWindow> {
        LimitWindow::of(self.limit_window_seconds)
    }

    /// Its length in minutes, rounded up. `None` if the length is not known.
    #[must_use]
    pub fn window_minutes(&self) -> Option<i64> {
        minutes(self.limit_window_seconds)
    }

    /// When it resets. `None` if that is not known.
    #[must_use]
    pub fn resets_at(&self) -> Option<SystemTime> {
        moment(self.reset_at)
    }

    fn snapshot(&self) -> SnapshotWindow {
        SnapshotWindow {
            used_percent: self.used_percent,
            window_minutes: self.window_minutes(),
            resets_at: self.resets_at(),
        }
    }
}

/// A window by its length. The backend calls windows primary and secondary, and which length is which has changed
/// before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitWindow {
    /// Five hours.
    FiveHours,
    /// A day.
    Day,
    /// A week.
    Week,
    /// A month: 28 to 31 days.
    Month,
    /// Any other length.
    Other(Duration),
}

impl LimitWindow {
    pub(crate) fn of(seconds: i64) -> Option<Self> {
        const DAY: u64 = 24 * 60 * 60;
        let length = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
        Some(match length {
            18_000 => Self::FiveHours,
            DAY => Self::Day,
            length if length == 7 * DAY => Self::Week,
            length if (28 * DAY..=31 * DAY).contains(&length) => Self::Month,
            length => Self::Other(Duration::from_secs(length)),
        })
    }
}

fn minutes(seconds: i64) -> Option<i64> {
    (seconds > 0).then(|| seconds / 60 + i64::from(seconds % 60 != 0))
}

fn moment(seconds: i64) -> Option<SystemTime> {
    let since = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(since))
}

open_struct! {
    /// Credits bought in addition to the plan.
    #[derive(Eq)]
    pub Credits {
        /// Whether there are credits.
        has_credits: bool,
        /// Whether they are unlimited.
        unlimited: bool,
        /// The balance, as a decimal number in text.
        balance: Option<String>,
        /// The approximate number of local messages that they allow: minimum and maximum.
        approx_local_messages: Vec<Value>,
        /// The approximate number of cloud messages that they allow: minimum and maximum.
        approx_cloud_messages: Vec<Value>,
    }
}

open_struct! {
    /// The spend limits of the workspace.
    pub SpendControl {
        /// Whether the limit is reached.
        reached: bool,
        /// The user's own limit.
        individual_limit: Option<SpendLimit>,
    }
}

open_struct! {
    /// A limit on spending. Amounts are decimal numbers in text.
    pub SpendLimit {
        /// The limit.
        limit: String,
        /// The used amount.
        used: String,
        /// The remaining amount.
        remaining: String,
        /// The used share, in percent.
        used_percent: f64,
        /// The remaining share, in percent.
        remaining_percent: f64,
        /// The time until it resets, in seconds.
        reset_after_seconds: i64,
        /// When it resets, in seconds since 1970.
        reset_at: i64,
    }
}

impl SpendLimit {
    /// When it resets. `None` if that is not known.
    #[must_use]
    pub fn resets_at(&self) -> Option<SystemTime> {
        moment(self.reset_at)
    }
}

open_enum! {
    /// Which limit it is that was reached.
    RateLimitReachedReason {
        /// The plan's rate limit.
        RateLimit = "rate_limit_reached",
        /// The workspace's credits; the user owns it.
        WorkspaceOwnerCreditsDepleted = "workspace_owner_credits_depleted",
        /// The workspace's credits; the user is a member.
        WorkspaceMemberCreditsDepleted = "workspace_member_credits_depleted",
        /// The workspace's usage limit; the user owns it.
        WorkspaceOwnerUsageLimit = "workspace_owner_usage_limit_reached",
        /// The workspace's usage limit; the user is a member.
        WorkspaceMemberUsageLimit = "workspace_member_usage_limit_reached",
    }
}

/// The state of one limit at one moment. Usage reports, errors and streams all use this form.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// let snapshot = client.usage().get().await?.snapshot();
/// assert_eq!(snapshot.limit_id, "codex");
/// let primary = snapshot.primary.expect("the sample has one");
/// assert_eq!((primary.used_percent, primary.window_minutes), (37.0, Some(300)));
/// # Ok(()) }
/// ```
#[doc(alias("rate limit", "quota"))]
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct RateLimitSnapshot {
    /// The id of what is limited: `codex`, or a feature's.
    pub limit_id: String,
    /// The name to show; `codex` itself has none.
    pub limit_name: Option<String>,
    /// The primary window.
    pub primary: Option<SnapshotWindow>,
    /// The secondary window.
    pub secondary: Option<SnapshotWindow>,
    /// Credits bought in addition to the plan.
    pub credits: Option<Credits>,
    /// The spend limits of the workspace.
    pub spend_control: Option<SpendControl>,
    /// The account's plan.
    pub plan_type: Option<PlanType>,
    /// Why the limit is reached, if known.
    pub reached: Option<RateLimitReachedReason>,
}

/// One window of a [`RateLimitSnapshot`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct SnapshotWindow {
    /// The used share, in percent.
    pub used_percent: f64,
    /// Its length, in minutes.
    pub window_minutes: Option<i64>,
    /// When it resets.
    pub resets_at: Option<SystemTime>,
}

impl SnapshotWindow {
    /// Which window it is, by its length. `None` if the length is not known.
    #[must_use]
    pub fn kind(&self) -> Option<LimitWindow> {
        LimitWindow::of(self.window_minutes?.saturating_mul(60))
    }
}

impl RateLimitSnapshot {
    pub(crate) fn new(limit_id: &str, plan_type: Option<&PlanType>, windows: [Option<&RateLimitWindow>; 2]) -> Self {
        let [primary, secondary] = windows.map(|window| window.map(RateLimitWindow::snapshot));
        Self {
            limit_id: limit_id.to_owned(),
            limit_name: None,
            primary,
            secondary,
            credits: None,
            spend_control: None,
            plan_type: plan_type.cloned(),
            reached: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_in_minutes_are_rounded_up() {
        for (seconds, expected) in [
            (-1, None),
            (0, None),
            (1, Some(1)),
            (60, Some(1)),
            (61, Some(2)),
            (300, Some(5)),
            (3600, Some(60)),
            (18_000, Some(300)),
            (604_800, Some(10_080)),
            (i64::MAX, Some(i64::MAX / 60 + 1)),
        ] {
            assert_eq!(minutes(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn windows_are_told_by_their_length() {
        for (seconds, expected) in [
            (-5, None),
            (0, None),
            (18_000, Some(LimitWindow::FiveHours)),
            (86_400, Some(LimitWindow::Day)),
            (604_800, Some(LimitWindow::Week)),
            (2_592_000, Some(LimitWindow::Month)),
            (2_678_400, Some(LimitWindow::Month)),
            (3600, Some(LimitWindow::Other(Duration::from_secs(3600)))),
        ] {
            assert_eq!(LimitWindow::of(seconds), expected, "{seconds}");
        }
    }
}
