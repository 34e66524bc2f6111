//! Starting a task.

use serde_json::{Value, json};

use crate::api::endpoint::operations;
use crate::error::{Error, ErrorKind};
use crate::wire::open_struct;

operations! {
    for CloudTasks;
    CREATE: "tasks.create" = POST "{prefix}/tasks", IfNotActedOn, Bounded;
}

/// The maximum number of attempts at one task.
const MOST_ATTEMPTS: u32 = 4;

/// A task to be started.
///
/// ```
/// use codex_backend::tasks::NewTask;
///
/// let task = NewTask::new("env_web", "Fix the flaky test").branch("main").best_of(3);
/// # let _ = task;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a task is started by `CloudTasks::create`"]
pub struct NewTask {
    environment_id: String,
    prompt: String,
    branch: Option<String>,
    attempts: u32,
    starting_diff: Option<String>,
    qa_mode: bool,
}

impl NewTask {
    /// A task for the environment with this id, with a prompt that says what to do.
    pub fn new(environment_id: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self {
            environment_id: environment_id.into(),
            prompt: prompt.into(),
            branch: None,
            attempts: 1,
            starting_diff: None,
            qa_mode: false,
        }
    }

    /// The git ref to start from, usually a branch. Default, also for a blank one: the environment's default branch.
    ///
    /// [`WorkingTree::branch`](crate::tasks::WorkingTree::branch) finds the user's current one.
    pub fn branch(mut self, branch: impl Into<String>) -> Self {
        self.branch = Some(branch.into()).filter(|branch: &String| !branch.trim().is_empty());
        self
    }

    /// The number of parallel attempts to choose from: 1 to 4. Default 1.
    pub fn best_of(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// A unified diff to apply before the work starts. A blank one is ignored.
    pub fn starting_diff(mut self, diff: impl Into<String>) -> Self {
        self.starting_diff = Some(diff.into()).filter(|diff: &String| !diff.trim().is_empty());
        self
    }

    /// Whether the environment runs in its quality-assurance mode. Default: no.
    pub fn qa_mode(mut self, qa_mode: bool) -> Self {
        self.qa_mode = qa_mode;
        self
    }

    /// Why it cannot be started.
    pub(super) fn flaw(&self) -> Option<String> {
        if self.environment_id.trim().is_empty() {
            return Some("the environment's id is blank".to_owned());
        }
        if self.prompt.trim().is_empty() {
            return Some("the prompt is blank".to_owned());
        }
        let attempts = self.attempts;
        (!(1..=MOST_ATTEMPTS).contains(&attempts))
            .then(|| format!("{attempts} attempts were asked for: it can be 1 to {MOST_ATTEMPTS}"))
    }

    pub(super) fn body(&self) -> Value {
        let mut items = vec![json!({
            "type": "message", "role": "user", "content": [{ "content_type": "text", "text": self.prompt }],
        })];
        if let Some(diff) = &self.starting_diff {
            items.push(json!({ "type": "pre_apply_patch", "output_diff": { "diff": diff } }));
        }
        let mut new_task = json!({ "environment_id": self.environment_id, "run_environment_in_qa_mode": self.qa_mode });
        if let Some(branch) = &self.branch {
            new_task["branch"] = branch.as_str().into();
        }
        let mut body = json!({ "new_task": new_task, "input_items": items });
        if self.attempts > 1 {
            body["metadata"] = json!({ "best_of_n": self.attempts });
        }
        body
    }
}

/// A new task.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedTask {
    /// Its id.
    pub id: String,
}

open_struct! {
    pub(super) CreateAnswer {
        task: Option<CreatedId>,
        id: Option<String>,
    }
}

open_struct! {
    pub(super) CreatedId {
        id: Option<String>,
    }
}

impl CreateAnswer {
    pub(super) fn into_task(self) -> Result<CreatedTask, Error> {
        let filled = |id: Option<String>| id.filter(|id| !id.is_empty());
        let id = filled(self.task.and_then(|task| task.id)).or_else(|| filled(self.id)).ok_or_else(|| {
            Error::new(
                ErrorKind::Decode,
                CREATE.name,
                "the server returned no task id; the task may be running nevertheless",
            )
            .sent(true)
        })?;
        Ok(CreatedTask { id })
    }
}
