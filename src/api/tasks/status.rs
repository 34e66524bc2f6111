use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::diff::DiffStats;
use crate::limits::{open_enum, open_struct};

/// How far a task has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskStatus {
    /// It is waiting or running.
    Pending,
    /// It is done.
    Ready,
    /// Its diff has been applied.
    Applied,
    /// It failed, or was cancelled.
    Failed,
}

impl TaskStatus {
    /// Whether nothing more will come of it by itself.
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
    /// How far a turn has come, in the backend's words.
    TaskTurnStatus {
        /// It waits.
        Pending = "pending",
        /// It runs.
        InProgress = "in_progress",
        /// It is done.
        Completed = "completed",
        /// It failed.
        Failed = "failed",
        /// The user ended it.
        Cancelled = "cancelled",
    }
}

impl TaskTurnStatus {
    /// The same in the words for tasks. What this crate does not know counts as running.
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
    /// The state of a task, in the backend's words, where no turn tells it.
    TaskState {
        /// It waits or runs.
        Pending = "pending",
        /// It is done.
        Ready = "ready",
        /// Its diff has been applied.
        Applied = "applied",
        /// It failed.
        Error = "error",
    }
}

open_struct! {
    /// What is shown of a task's state.
    pub TaskStatusDisplay {
        /// The name of the environment.
        environment_label: Option<String>,
        /// The state, where no turn tells it.
        state: Option<TaskState>,
        /// The latest turn.
        latest_turn_status_display: Option<LatestTurnStatus>,
    }
}

open_struct! {
    /// What is shown of the latest turn's state.
    pub LatestTurnStatus {
        /// How far it has come.
        turn_status: Option<TaskTurnStatus>,
        /// How much it changed.
        diff_stats: Option<WireDiffStats>,
        /// The other attempts.
        sibling_turn_ids: Option<Vec<String>>,
        /// When it last changed, in seconds since 1970.
        updated_at: Option<f64>,
        /// When it was started, in seconds since 1970.
        created_at: Option<f64>,
    }
}

open_struct! {
    /// How much a diff changes, as the backend counts it.
    #[derive(Eq)]
    pub WireDiffStats {
        /// Files.
        files_modified: i64,
        /// Lines that are new.
        lines_added: i64,
        /// Lines that are gone.
        lines_removed: i64,
    }
}

impl TaskStatusDisplay {
    /// The state.
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

/// A task in short, in the form that lists and details share.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TaskSummary {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// How far it has come.
    pub status: TaskStatus,
    /// When it last changed. `None` where the backend does not tell.
    pub updated_at: Option<SystemTime>,
    /// The id of the environment it runs in. `None` in lists.
    pub environment_id: Option<String>,
    /// The name of the environment it runs in.
    pub environment_label: Option<String>,
    /// How much its diff changes.
    pub diff_stats: DiffStats,
    /// Whether it reviews a pull request.
    pub is_review: bool,
    /// How many attempts there are. `None` where the backend does not tell.
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

/// Seconds since 1970 as a moment.
pub(super) fn moment(seconds: Option<f64>) -> Option<SystemTime> {
    let since = Duration::try_from_secs_f64(seconds?).ok()?;
    UNIX_EPOCH.checked_add(since)
}
