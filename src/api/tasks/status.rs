//! The status of tasks and turns, and the summary of a task.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::diff::{DiffStats, WireDiffStats};
use crate::wire::{open_enum, open_struct};

/// The status of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskStatus {
    /// Waiting or running.
    Pending,
    /// Done.
    Ready,
    /// Done, and its diff has been applied.
    Applied,
    /// Failed or cancelled.
    Failed,
}

impl TaskStatus {
    /// Whether it is final: anything but [`Pending`](Self::Pending).
    #[must_use]
    pub fn is_final(self) -> bool {
        self != Self::Pending
    }
}

impl std::fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Applied => "applied",
            Self::Failed => "failed",
        })
    }
}

open_enum! {
    /// The status of a turn, in the backend's words.
    TaskTurnStatus {
        /// Waiting.
        Pending = "pending",
        /// Running.
        InProgress = "in_progress",
        /// Done.
        Completed = "completed",
        /// Failed.
        Failed = "failed",
        /// Cancelled by the user.
        Cancelled = "cancelled",
    }
}

impl TaskTurnStatus {
    /// The same as a [`TaskStatus`]. An unknown status counts as pending.
    #[must_use]
    pub fn task_status(&self) -> TaskStatus {
        match self {
            Self::Completed => TaskStatus::Ready,
            Self::Failed | Self::Cancelled => TaskStatus::Failed,
            _ => TaskStatus::Pending,
        }
    }
}

open_enum! {
    /// The state of a task, in the backend's words, if no turn has one.
    TaskState {
        /// Waiting or running.
        Pending = "pending",
        /// Done.
        Ready = "ready",
        /// Done, and its diff has been applied.
        Applied = "applied",
        /// Failed.
        Error = "error",
    }
}

open_struct! {
    /// The state of a task, to show to a user.
    pub TaskStatusDisplay {
        /// The name of the environment.
        environment_label: Option<String>,
        /// The state, if no turn has one.
        state: Option<TaskState>,
        /// The latest turn.
        latest_turn_status_display: Option<LatestTurnStatus>,
    }
}

open_struct! {
    /// The state of the latest turn, to show to a user.
    pub LatestTurnStatus {
        /// Its status.
        turn_status: Option<TaskTurnStatus>,
        /// The statistics of its diff.
        diff_stats: Option<WireDiffStats>,
        /// The ids of the other attempts.
        sibling_turn_ids: Option<Vec<String>>,
        /// When it last changed, in seconds since 1970.
        updated_at: Option<f64>,
        /// When it was created, in seconds since 1970.
        created_at: Option<f64>,
    }
}

impl TaskStatusDisplay {
    /// The status of the task.
    #[must_use]
    pub fn status(&self) -> TaskStatus {
        let turn = self.latest_turn_status_display.as_ref().and_then(|turn| turn.turn_status.as_ref());
        match (turn, &self.state) {
            (Some(turn), _) => turn.task_status(),
            (None, Some(TaskState::Ready)) => TaskStatus::Ready,
            (None, Some(TaskState::Applied)) => TaskStatus::Applied,
            (None, Some(TaskState::Error)) => TaskStatus::Failed,
            (None, _) => TaskStatus::Pending,
        }
    }
}

/// A summary of a task, in the form that lists and details share.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TaskSummary {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its status.
    pub status: TaskStatus,
    /// When it last changed. `None` if the backend does not say.
    pub updated_at: Option<SystemTime>,
    /// The id of the environment it runs in. `None` in lists.
    pub environment_id: Option<String>,
    /// The name of the environment it runs in.
    pub environment_label: Option<String>,
    /// The statistics of its diff.
    pub diff_stats: DiffStats,
    /// Whether it reviews a pull request.
    pub is_review: bool,
    /// The number of attempts. `None` if the backend does not say.
    pub attempts_total: Option<usize>,
}

impl TaskSummary {
    pub(super) fn of(id: &str, title: &str, display: Option<&TaskStatusDisplay>, times: [Option<f64>; 2]) -> Self {
        let turn = display.and_then(|display| display.latest_turn_status_display.as_ref());
        let of_turn = turn.map(|turn| [turn.updated_at, turn.created_at]).unwrap_or_default();
        let stats = turn.and_then(|turn| turn.diff_stats.as_ref());
        let siblings = turn.and_then(|turn| turn.sibling_turn_ids.as_ref());
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            status: display.map_or(TaskStatus::Pending, TaskStatusDisplay::status),
            updated_at: times.into_iter().chain(of_turn).find_map(moment),
            environment_id: None,
            environment_label: display.and_then(|display| display.environment_label.clone()),
            diff_stats: stats.map(DiffStats::from).unwrap_or_default(),
            is_review: false,
            attempts_total: siblings.map(|siblings| siblings.len() + 1),
        }
    }
}

/// Seconds since 1970 as a `SystemTime`.
pub(super) fn moment(seconds: Option<f64>) -> Option<SystemTime> {
    let since = Duration::try_from_secs_f64(seconds?).ok()?;
    UNIX_EPOCH.checked_add(since)
}
