use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::diff::DiffStats;
use super::status::{TaskStatusDisplay, TaskSummary, TaskTurnStatus, moment};
use crate::limits::{Wire, open_struct};

open_struct! {
    /// A task as lists tell of it.
    pub TaskListItem {
        /// Its id.
        id: String,
        /// Its title.
        title: String,
        /// Whether the user has put it away.
        archived: bool,
        /// Whether there is something the user has not seen.
        has_unread_turn: bool,
        /// Whether the title was made by the backend.
        has_generated_title: Option<bool>,
        /// When it last changed, in seconds since 1970.
        updated_at: Option<f64>,
        /// When it was started, in seconds since 1970.
        created_at: Option<f64>,
        /// What is shown of its state.
        task_status_display: Option<TaskStatusDisplay>,
        /// Pull requests that came of it.
        pull_requests: Vec<ExternalPullRequest>,
    }
}

impl TaskListItem {
    /// The task in short, in the form that lists and details share. Lists do not tell the environment's id.
    #[must_use]
    pub fn summary(&self) -> TaskSummary {
        let display = self.task_status_display.as_ref();
        let mut summary = TaskSummary::of(&self.id, &self.title, display, [self.updated_at, self.created_at]);
        summary.is_review = !self.pull_requests.is_empty();
        summary
    }
}

open_struct! {
    /// A pull request that came of a task.
    pub ExternalPullRequest {
        /// Its id at the backend.
        id: Option<String>,
        /// The turn that made it.
        assistant_turn_id: Option<String>,
        /// The pull request itself.
        pull_request: GitPullRequest,
        /// The last commit that the backend put there.
        codex_updated_sha: Option<String>,
    }
}

open_struct! {
    /// A pull request at its host. Further members are in the raw answer.
    pub GitPullRequest {
        /// Its number.
        number: i64,
        /// Where it is.
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
        /// The branch it is to be merged into.
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
    /// All that the backend tells of a task.
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
        /// What the user asked last.
        current_user_turn: Option<TaskTurn>,
        /// What was answered.
        current_assistant_turn: Option<TaskTurn>,
        /// The answer that holds the diff, where it is another one.
        current_diff_task_turn: Option<TaskTurn>,
        /// What is shown of its state. Some answers have it in the task.
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
        /// Whether the user has put it away.
        archived: bool,
        /// Pull requests that came of it.
        external_pull_requests: Vec<ExternalPullRequest>,
        /// The environment it runs in.
        environment_id: Option<String>,
        /// When it was started, in seconds since 1970.
        created_at: Option<f64>,
        /// When it last changed, in seconds since 1970.
        updated_at: Option<f64>,
        /// Whether the title was made by the backend.
        has_generated_title: Option<bool>,
        /// Whether there is something the user has not seen.
        has_unread_turn: Option<bool>,
        /// Whether it reviews a pull request.
        is_review: Option<bool>,
        /// The turn that is shown.
        current_turn_id: Option<String>,
        /// What is shown of its state.
        task_status_display: Option<TaskStatusDisplay>,
    }
}

open_struct! {
    /// One turn of a task.
    pub TaskTurn {
        /// Its id.
        id: Option<String>,
        /// Its place among the attempts at the same turn, counted from 0.
        attempt_placement: Option<i64>,
        /// How far it has come.
        turn_status: Option<TaskTurnStatus>,
        /// The other attempts.
        sibling_turn_ids: Vec<String>,
        /// When it was started, in seconds since 1970.
        created_at: Option<f64>,
        /// What went in.
        input_items: Vec<TaskTurnItem>,
        /// What came out.
        output_items: Vec<TaskTurnItem>,
        /// What was said on the way.
        worklog: Option<Worklog>,
        /// Why it failed.
        error: Option<TaskTurnError>,
    }
}

open_struct! {
    /// Something that went into a turn or came out of it.
    pub TaskTurnItem {
        /// `message`, `output_diff`, `pr`, …
        #[serde(rename = "type")]
        kind: String,
        /// Who said it.
        role: Option<String>,
        /// What was said.
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
    /// What was said while a turn ran.
    pub Worklog {
        /// The messages.
        messages: Vec<WorklogMessage>,
    }
}

open_struct! {
    /// A message in a worklog.
    pub WorklogMessage {
        /// Who said it.
        author: Option<WorklogAuthor>,
        /// What was said.
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
        /// The backend's code.
        code: Option<String>,
        /// The backend's sentence.
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
    /// The text, where it is some.
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
    /// The diff that the turn ended in.
    #[must_use]
    pub fn unified_diff(&self) -> Option<&str> {
        self.output_items.iter().find_map(TaskTurnItem::unified_diff)
    }

    /// What the assistant said: in the answer, then on the way.
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

    /// When it was started. `None` where the backend does not tell.
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
    /// What the user asked: the texts of the current turn, with a blank line between.
    #[must_use]
    pub fn prompt(&self) -> Option<String> {
        let items = &self.current_user_turn.as_ref()?.input_items;
        let asked = items.iter().filter(|item| {
            item.kind == "message" && item.role.as_deref().is_none_or(|role| role.eq_ignore_ascii_case("user"))
        });
        let texts: Vec<&str> = asked.flat_map(TaskTurnItem::texts).collect();
        (!texts.is_empty()).then(|| texts.join("\n\n"))
    }

    /// What the assistant said. Where it said nothing and the task failed, why.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        let said: Vec<String> = self.answers().flat_map(TaskTurn::messages).map(str::to_owned).collect();
        match self.failure() {
            Some(failure) if said.is_empty() => vec![format!("Task failed: {failure}")],
            _ => said,
        }
    }

    /// The diff that the task ended in, as unified diff. A task may end without.
    #[must_use]
    pub fn unified_diff(&self) -> Option<&str> {
        self.answers().find_map(TaskTurn::unified_diff)
    }

    /// Why the task failed, in one line.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.current_assistant_turn.as_ref().and_then(TaskTurn::failure)
    }

    /// The task in short. The statistics are the backend's; where it has none, they are counted in the diff.
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
