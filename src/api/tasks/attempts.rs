//! The attempts at a turn, in their order.

use std::cmp::Ordering;

use super::details::TaskTurn;
use super::status::{TaskStatus, TaskTurnStatus};

/// One attempt at the current turn of a task. Attempts are sorted by their placement; those without one come last,
/// oldest first.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TaskAttempt {
    /// Its number, counted from 1.
    pub number: usize,
    /// The id of its turn.
    pub turn_id: Option<String>,
    /// Its status.
    pub status: TaskStatus,
    /// Its diff, if it has one.
    pub diff: Option<String>,
    /// The assistant's messages.
    pub messages: Vec<String>,
}

/// The attempts in order. `own_diff` is that of the first turn given.
pub(super) fn sort_attempts(turns: Vec<TaskTurn>, own_diff: Option<&str>) -> Vec<TaskAttempt> {
    let mut turns: Vec<(bool, TaskTurn)> =
        turns.into_iter().enumerate().map(|(index, turn)| (index == 0, turn)).collect();
    turns.sort_by(|(_, one), (_, other)| by_placement(one, other));
    let attempt = |(index, (is_own, turn)): (usize, (bool, TaskTurn))| TaskAttempt {
        number: index + 1,
        status: turn.turn_status.as_ref().map_or(TaskStatus::Pending, TaskTurnStatus::task_status),
        diff: turn.unified_diff().or(own_diff.filter(|_| is_own)).map(str::to_owned),
        messages: turn.messages().into_iter().map(str::to_owned).collect(),
        turn_id: turn.id,
    };
    turns.into_iter().enumerate().map(attempt).collect()
}

pub(super) fn unified_diffs(attempts: Vec<TaskAttempt>) -> Vec<String> {
    attempts.into_iter().filter_map(|attempt| attempt.diff).collect()
}

/// With a place before without; two places compare by themselves; else by age, then by id.
pub(super) fn by_placement(one: &TaskTurn, other: &TaskTurn) -> Ordering {
    match (one.attempt_placement, other.attempt_placement) {
        (Some(one), Some(other)) => one.cmp(&other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => by_age(one.created_at, other.created_at).then_with(|| one.id.cmp(&other.id)),
    }
}

fn by_age(one: Option<f64>, other: Option<f64>) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}
