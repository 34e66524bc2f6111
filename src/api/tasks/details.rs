//! Tasks as the backend sends them: in lists, and in detail.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::diff::DiffStats;
use super::status::{TaskStatusDisplay, TaskSummary, TaskTurnStatus, moment};
use crate::api::endpoint::operations;
use crate::api::request::{ApiRequest, PreparedRequest};
use crate::call::Caller;
use crate::wire::{Wire, open_struct};

operations! {
    for CloudTasks;
    DETAILS: "tasks.details" = GET "{prefix}/tasks/{task_id}", Safe, Bounded;
}

/// A request for the details of a task.
pub(super) fn request_details(caller: &Arc<Caller>, task_id: &str) -> ApiRequest<TaskDetails> {
    PreparedRequest::new(caller, &DETAILS).segment("task_id", task_id).json()
}

open_struct! {
    /// A task in a list.
    pub TaskListItem {
        /// Its id.
        id: String,
        /// Its title.
        title: String,
        /// Whether the user has archived it.
        archived: bool,
        /// Whether it has a turn that the user has not seen.
        has_unread_turn: bool,
        /// Whether the backend generated the title.
        has_generated_title: Option<bool>,
        /// When it last changed, in seconds since 1970.
        updated_at: Option<f64>,
        /// When it was created, in seconds since 1970.
        created_at: Option<f64>,
        /// The state to show.
        task_status_display: Option<TaskStatusDisplay>,
        /// The pull requests made from it.
        pull_requests: Vec<ExternalPullRequest>,
    }
}

impl TaskListItem {
    /// A summary, in the form that lists and details share. In lists it has no environment id.
    #[must_use]
    pub fn summary(&self) -> TaskSummary {
        let display = self.task_status_display.as_ref();
        let mut summary = TaskSummary::of(&self.id, &self.title, display, [self.updated_at, self.created_at]);
        summary.is_review = !self.pull_requests.is_empty();
        summary
    }
}

open_struct! {
    /// A pull request made from a task.
    pub ExternalPullRequest {
        /// Its id at the backend.
        id: Option<String>,
        /// The turn that made it.
        assistant_turn_id: Option<String>,
        /// The pull request itself.
        pull_request: GitPullRequest,
        /// The last commit that the backend pushed to it.
        codex_updated_sha: Option<String>,
    }
}

open_struct! {
    /// A pull request as its host describes it. More members are in the raw answer
    /// ([`with_raw`](crate::ApiRequest::with_raw)).
    pub GitPullRequest {
        /// Its number.
        number: i64,
        /// Its URL.
        url: String,
        /// `open`, `closed`, …
        state: String,
        /// Whether it has been merged.
        merged: bool,
        /// Whether it can be merged.
        mergeable: bool,
        /// Whether it is a draft.
        draft: Option<bool>,
        /// Its title.
        title: Option<String>,
        /// Its text.
        body: Option<String>,
        /// The branch to merge it into.
        base: Option<String>,
        /// Its branch.
        head: Option<String>,
        /// The commit it starts from.
        base_sha: Option<String>,
        /// Its last commit.
        head_sha: Option<String>,
        /// The commit that merged it.
        merge_commit_sha: Option<String>,
    }
}

open_struct! {
    /// The details of a task.
    ///
    /// ```
    /// use codex_backend::tasks::TaskDetails;
    ///
    /// let details: TaskDetails = serde_json::from_str(
    ///     r#"{ "current_assistant_turn": { "output_items": [
    ///         { "type": "message", "content": ["Done.", { "content_type": "image" }] } ] } }"#,
    /// )?;
    /// assert_eq!(details.messages(), ["Done."]);
    /// assert_eq!(details.unified_diff(), None);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub TaskDetails {
        /// The task.
        task: CloudTask,
        /// The user's latest turn.
        current_user_turn: Option<TaskTurn>,
        /// The assistant's latest turn.
        current_assistant_turn: Option<TaskTurn>,
        /// The turn that has the diff, if it is another one.
        current_diff_task_turn: Option<TaskTurn>,
        /// The state to show. Some answers have it in `task` instead.
        task_status_display: Option<TaskStatusDisplay>,
    }
}

open_struct! {
    /// A task, in its details.
    pub CloudTask {
        /// Its id.
        id: String,
        /// Its title.
        title: String,
        /// Whether the user has archived it.
        archived: bool,
        /// The pull requests made from it.
        external_pull_requests: Vec<ExternalPullRequest>,
        /// The environment it runs in.
        environment_id: Option<String>,
        /// When it was created, in seconds since 1970.
        created_at: Option<f64>,
        /// When it last changed, in seconds since 1970.
        updated_at: Option<f64>,
        /// Whether the backend generated the title.
        has_generated_title: Option<bool>,
        /// Whether it has a turn that the user has not seen.
        has_unread_turn: Option<bool>,
        /// Whether it reviews a pull request.
        is_review: Option<bool>,
        /// The turn that is shown.
        current_turn_id: Option<String>,
        /// The state to show.
        task_status_display: Option<TaskStatusDisplay>,
    }
}

open_struct! {
    /// One turn of a task.
    pub TaskTurn {
        /// Its id.
        id: Option<String>,
        /// Its position among the attempts at the same turn, counted from 0.
        attempt_placement: Option<i64>,
        /// Its status.
        turn_status: Option<TaskTurnStatus>,
        /// The ids of the other attempts.
        sibling_turn_ids: Vec<String>,
        /// When it was created, in seconds since 1970.
        created_at: Option<f64>,
        /// The input.
        input_items: Vec<TaskTurnItem>,
        /// The output.
        output_items: Vec<TaskTurnItem>,
        /// The messages while it ran.
        worklog: Option<Worklog>,
        /// Why it failed.
        error: Option<TaskTurnError>,
    }
}

open_struct! {
    /// An item of a turn's input or output.
    pub TaskTurnItem {
        /// `message`, `output_diff`, `pr`, …
        #[serde(rename = "type")]
        kind: String,
        /// Its author.
        role: Option<String>,
        /// Its content.
        content: Vec<TaskFragment>,
        /// The diff, for `output_diff`.
        diff: Option<String>,
        /// The diff, for `pr`.
        output_diff: Option<OutputDiff>,
    }
}

open_struct! {
    /// A diff inside of an item.
    pub OutputDiff {
        /// The unified diff.
        diff: Option<String>,
    }
}

open_struct! {
    /// The messages of a turn while it ran.
    pub Worklog {
        /// The messages.
        messages: Vec<WorklogMessage>,
    }
}

open_struct! {
    /// A message in a worklog.
    pub WorklogMessage {
        /// Its author.
        author: Option<WorklogAuthor>,
        /// Its content.
        content: Option<WorklogContent>,
    }
}

open_struct! {
    /// Who wrote a message in a worklog.
    pub WorklogAuthor {
        /// `assistant`, `user`, …
        role: Option<String>,
    }
}

open_struct! {
    /// The content of a message in a worklog.
    pub WorklogContent {
        /// Its parts.
        parts: Vec<TaskFragment>,
    }
}

open_struct! {
    /// Why a turn failed.
    pub TaskTurnError {
        /// The backend's error code.
        code: Option<String>,
        /// The backend's message.
        message: Option<String>,
    }
}

/// A piece of content: plain text, an object, or something that this crate does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum TaskFragment {
    /// Plain text.
    Text(String),
    /// An object.
    Structured(StructuredTaskFragment),
    /// Anything else.
    Other(Value),
}

open_struct! {
    /// A piece of content that says of what type it is.
    pub StructuredTaskFragment {
        /// `text`, `image`, …
        content_type: Option<String>,
        /// The text.
        text: Option<String>,
    }
}

impl Wire for TaskFragment {}

impl TaskFragment {
    /// The text, if it is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()).filter(|text| !text.trim().is_empty()),
            Self::Structured(StructuredTaskFragment { content_type: Some(kind), text: Some(text) }) => {
                (kind.eq_ignore_ascii_case("text") && !text.is_empty()).then_some(text)
            }
            Self::Structured(_) | Self::Other(_) => None,
        }
    }
}

impl TaskTurnItem {
    fn texts(&self) -> impl Iterator<Item = &str> {
        self.content.iter().filter_map(TaskFragment::text)
    }

    fn unified_diff(&self) -> Option<&str> {
        let diff = match self.kind.as_str() {
            "output_diff" => self.diff.as_deref(),
            "pr" => self.output_diff.as_ref()?.diff.as_deref(),
            _ => None,
        };
        diff.filter(|diff| !diff.is_empty())
    }
}

impl TaskTurn {
    /// The turn's diff, as unified diff.
    #[must_use]
    pub fn unified_diff(&self) -> Option<&str> {
        self.output_items.iter().find_map(TaskTurnItem::unified_diff)
    }

    /// The assistant's messages: those of the output, then those of the worklog.
    #[must_use]
    pub fn messages(&self) -> Vec<&str> {
        let answered = self.output_items.iter().filter(|item| item.kind == "message").flat_map(TaskTurnItem::texts);
        let worklog = self.worklog.iter().flat_map(|worklog| &worklog.messages);
        let on_the_way =
            worklog.filter(|message| message.is_of_assistant()).filter_map(|message| message.content.as_ref());
        answered.chain(on_the_way.flat_map(|content| content.parts.iter().filter_map(TaskFragment::text))).collect()
    }

    /// Why it failed, in one line.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let error = self.error.as_ref()?;
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        match (filled(&error.code), filled(&error.message)) {
            (Some(code), Some(message)) => Some(format!("{code}: {message}")),
            (code, message) => code.or(message),
        }
    }

    /// When it was created. `None` if the backend does not say.
    #[must_use]
    pub fn created_at(&self) -> Option<SystemTime> {
        moment(self.created_at)
    }
}

impl WorklogMessage {
    fn is_of_assistant(&self) -> bool {
        let role = self.author.as_ref().and_then(|author| author.role.as_deref());
        role.is_some_and(|role| role.eq_ignore_ascii_case("assistant"))
    }
}

impl TaskDetails {
    /// The user's prompt: the texts of the current turn, joined with blank lines.
    #[must_use]
    pub fn prompt(&self) -> Option<String> {
        let items = &self.current_user_turn.as_ref()?.input_items;
        let asked = items.iter().filter(|item| {
            item.kind == "message" && item.role.as_deref().is_none_or(|role| role.eq_ignore_ascii_case("user"))
        });
        let texts: Vec<&str> = asked.flat_map(TaskTurnItem::texts).collect();
        (!texts.is_empty()).then(|| texts.join("\n\n"))
    }

    /// The assistant's messages. If there are none and the task failed, the reason of the failure.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        let said: Vec<String> = self.answers().flat_map(TaskTurn::messages).map(str::to_owned).collect();
        match self.failure() {
            Some(failure) if said.is_empty() => vec![format!("Task failed: {failure}")],
            _ => said,
        }
    }

    /// The task's diff, as unified diff. A task may end without one.
    #[must_use]
    pub fn unified_diff(&self) -> Option<&str> {
        self.answers().find_map(TaskTurn::unified_diff)
    }

    /// Why the task failed, in one line.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.current_assistant_turn.as_ref().and_then(TaskTurn::failure)
    }

    /// A summary. The diff statistics are the backend's; if it sends none, they are counted in the diff.
    #[must_use]
    pub fn summary(&self) -> TaskSummary {
        let task = &self.task;
        let display = self.task_status_display.as_ref().or(task.task_status_display.as_ref());
        let mut summary = TaskSummary::of(&task.id, &task.title, display, [task.updated_at, task.created_at]);
        summary.environment_id = task.environment_id.clone();
        summary.is_review = task.is_review.unwrap_or(false);
        summary.attempts_total = summary.attempts_total.or_else(|| {
            let turn = self.attempt_turn()?;
            (!turn.sibling_turn_ids.is_empty()).then_some(turn.sibling_turn_ids.len() + 1)
        });
        if summary.diff_stats == DiffStats::default()
            && let Some(diff) = self.unified_diff()
        {
            summary.diff_stats = DiffStats::of(diff);
        }
        summary
    }

    /// The turn whose attempts are told apart: the one with the diff, else the answer.
    pub(super) fn attempt_turn(&self) -> Option<&TaskTurn> {
        self.answers().find(|turn| turn.unified_diff().is_some()).or(self.current_assistant_turn.as_ref())
    }

    /// The turns to look for an answer in, in this order.
    fn answers(&self) -> impl Iterator<Item = &TaskTurn> {
        self.current_diff_task_turn.iter().chain(&self.current_assistant_turn)
    }
}
