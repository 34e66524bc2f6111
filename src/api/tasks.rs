//! Cloud tasks: work that the Codex backend does in a cloud environment, from a prompt to a diff on your disk.
//!
//! Everything is reached through [`CloudTasks`], for a `Client<CodexBackend>`: [`create`](CloudTasks::create) starts a task,
//! [`wait`](CloudTasks::wait) polls it until it is done, [`diff`](CloudTasks::diff) gets the result, and
//! [`WorkingTree::apply`] applies it with `git`. Where a task runs is the matter of [`environments`](crate::environments).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! # backend.add_tasks(2);
//! use futures_util::TryStreamExt;
//!
//! let tasks: Vec<_> = client.cloud_tasks().list().items().try_collect().await?;
//! for task in tasks.iter().map(|task| task.summary()) {
//!     println!("{} {:?} {}", task.id, task.status, task.title);
//! }
//! # assert_eq!(tasks.len(), 2);
//! # Ok(()) }
//! ```

mod attempts;
mod create;
mod details;
mod diff;
mod status;
mod wait;

pub use self::attempts::TaskAttempt;
use self::attempts::{sort_attempts, unified_diffs};
pub(crate) use self::create::CREATE;
use self::create::CreateAnswer;
pub use self::create::{CreatedTask, NewTask};
pub(crate) use self::details::DETAILS;
use self::details::request_details;
pub use self::details::{
    CloudTask, ExternalPullRequest, GitPullRequest, OutputDiff, StructuredTaskFragment, TaskDetails, TaskFragment,
    TaskListItem, TaskTurn, TaskTurnError, TaskTurnItem, Worklog, WorklogAuthor, WorklogContent, WorklogMessage,
};
pub(crate) use self::diff::{DiffHeaders, is_unified_diff, with_modes_of_what_is_deleted};
pub use self::diff::{DiffStats, WireDiffStats};
pub use self::status::{LatestTurnStatus, TaskState, TaskStatus, TaskStatusDisplay, TaskSummary, TaskTurnStatus};
pub use self::wait::{TaskChanges, TaskWait};
use super::request::{ApiRequest, Page, PagedRequest, PreparedRequest};
pub use super::working_tree::{ApplyOutcome, ApplyStatus, GitError, WorkingTree};
use crate::api::endpoint::{Accepts, endpoint, operations};
use crate::error::{Error, ErrorKind};
use crate::wire::{Exact, open_struct};

operations! {
    for CloudTasks;
    LIST: "tasks.list" = GET "{prefix}/tasks/list", Safe, Bounded;
    SIBLING_TURNS: "tasks.sibling_turns" = GET "{prefix}/tasks/{task_id}/turns/{turn_id}/sibling_turns", Safe, Bounded;
}

endpoint! {
    /// Cloud tasks: work that the Codex backend does in a cloud environment, and that ends in a diff. Accepts a
    /// `Client<CodexBackend>`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// use codex_backend::tasks::{NewTask, TaskStatus};
    /// use codex_backend::CloudTasks;
    ///
    /// let tasks = CloudTasks::new(&client);
    /// let created = tasks.create(NewTask::new("env_web", "Fix the flaky test")).await?;
    /// # backend.finish_task(&created.id, "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n");
    /// let task = tasks.wait(&created.id).await?;
    /// assert_eq!(task.summary().status, TaskStatus::Ready);
    /// println!("{}", task.unified_diff().unwrap_or("no diff"));
    /// # Ok(()) }
    /// ```
    ///
    /// Based on the `tasks` routes of the Codex backend, as the official tool uses them.
    #[doc(alias("cloud task", "task"))]
    pub CloudTasks by new, cloud_tasks where CodexBackend: Accepts<CloudTasks>
}

impl CloudTasks {
    /// The current tasks of all environments, newest first, 20 per page. `GET {prefix}/tasks/list`.
    pub fn list(&self) -> PagedRequest<TaskListItem> {
        self.list_matching(TaskFilter::default())
    }

    /// The tasks that match a filter; otherwise as [`list`](Self::list).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// # backend.add_tasks(3);
    /// use codex_backend::tasks::TaskFilter;
    ///
    /// let of_web = TaskFilter::default().environment("env_web").page_size(2);
    /// let page = client.cloud_tasks().list_matching(of_web).page().await?;
    /// assert_eq!(page.items.len(), 2);
    /// # Ok(()) }
    /// ```
    pub fn list_matching(&self, filter: TaskFilter) -> PagedRequest<TaskListItem> {
        let caller = self.caller.clone();
        PagedRequest::new(LIST.name, move |cursor| {
            let TaskFilter { page_size, task_filter, environment_id } = &filter;
            let wrong = !(1..=20).contains(page_size);
            PreparedRequest::new(&caller, &LIST)
                .query("limit", &page_size.to_string())
                .query("task_filter", task_filter)
                .query_if("cursor", cursor)
                .query_if("environment_id", environment_id.as_deref())
                .refused(wrong.then(|| format!("a page of {page_size} tasks was asked for: it can be 1 to 20")))
                .json::<TaskListAnswer>()
                .and_then(|answer| Ok(Page::new(answer.items, answer.cursor.0)))
        })
    }

    /// The details of a task: prompt, messages, diff. `GET {prefix}/tasks/{task_id}`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// # backend.add_tasks(1);
    /// let details = client.cloud_tasks().details("task_e_1").await?;
    /// assert_eq!(details.prompt().as_deref(), Some("Do 1"));
    /// # Ok(()) }
    /// ```
    pub fn details(&self, task_id: &str) -> ApiRequest<TaskDetails> {
        request_details(&self.caller, task_id)
    }

    /// The other attempts at a turn, in the order of [`TaskAttempt`]s.
    /// `GET {prefix}/tasks/{task_id}/turns/{turn_id}/sibling_turns`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// # use codex_backend::tasks::NewTask;
    /// let tasks = client.cloud_tasks();
    /// let created = tasks.create(NewTask::new("env_web", "Fix it").best_of(3)).await?;
    /// let turn = tasks.details(&created.id).await?.current_assistant_turn.unwrap();
    /// assert_eq!(tasks.sibling_turns(&created.id, turn.id.as_deref().unwrap()).await?.len(), 2);
    /// # Ok(()) }
    /// ```
    pub fn sibling_turns(&self, task_id: &str, turn_id: &str) -> ApiRequest<Vec<TaskTurn>> {
        let request = self.request(&SIBLING_TURNS).segment("task_id", task_id).segment("turn_id", turn_id);
        request.json::<SiblingTurnsAnswer>().and_then(|answer| {
            let mut turns = answer.sibling_turns;
            turns.retain(|turn| turn.id.is_some());
            turns.sort_by(attempts::by_placement);
            Ok(turns)
        })
    }

    /// All attempts at the current turn of a task: its own, and its siblings. One request, or two if there are
    /// siblings.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// # use codex_backend::tasks::NewTask;
    /// let tasks = client.cloud_tasks();
    /// let created = tasks.create(NewTask::new("env_web", "Fix it").best_of(2)).await?;
    /// # backend.finish_task(&created.id, "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n");
    /// for attempt in tasks.attempts(&created.id).await? {
    ///     println!("{}: {} bytes of diff", attempt.number, attempt.diff.map_or(0, |diff| diff.len()));
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When one of the requests fails.
    pub async fn attempts(&self, task_id: &str) -> Result<Vec<TaskAttempt>, Error> {
        let details = self.details(task_id).await?;
        let mut turns: Vec<TaskTurn> = details.attempt_turn().cloned().into_iter().collect();
        if let Some(own) = turns.first()
            && !own.sibling_turn_ids.is_empty()
            && let Some(turn_id) = own.id.as_deref()
        {
            turns.extend(self.sibling_turns(task_id, turn_id).await?);
        }
        Ok(sort_attempts(turns, details.unified_diff()))
    }

    /// The diff of one attempt at the current turn, counted from 1.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoDiff`] when there is none: the task may still be running, or have fewer attempts. Otherwise when
    /// a request fails.
    #[doc(alias("patch"))]
    pub async fn diff(&self, task_id: &str, attempt: usize) -> Result<String, Error> {
        let diffs = unified_diffs(self.attempts(task_id).await?);
        let count = diffs.len();
        let found = attempt.checked_sub(1).and_then(|index| diffs.into_iter().nth(index));
        found.ok_or_else(|| {
            let message = match count {
                0 => "the task has no diff".to_owned(),
                _ => format!("there is no attempt {attempt}: {count} attempts have a diff"),
            };
            Error::new(ErrorKind::NoDiff, DETAILS.name, message).sent(true)
        })
    }

    /// Starts a task. `POST {prefix}/tasks`. Retried only if it is certain that the backend did not act on it: a second
    /// request would start a second task.
    #[allow(clippy::needless_pass_by_value, reason = "a task is started once")]
    pub fn create(&self, task: NewTask) -> ApiRequest<CreatedTask> {
        let request = self.request(&CREATE).body(&task.body()).refused(task.flaw());
        request.json().and_then(CreateAnswer::into_task)
    }

    /// Waits until a task is done. See [`TaskWait`].
    pub fn wait(&self, task_id: &str) -> TaskWait {
        TaskWait::new(self.caller.clone(), task_id)
    }

    /// The web page of the task, for people.
    ///
    /// ```
    /// use codex_backend::{ChatGptTokens, Client, CloudTasks};
    ///
    /// let client = Client::builder().chatgpt(ChatGptTokens::new("access-token")).build()?;
    /// assert_eq!(client.cloud_tasks().task_url("task_e_1"), "https://chatgpt.com/codex/tasks/task_e_1");
    /// assert_eq!(CloudTasks::task_id("https://chatgpt.com/codex/tasks/task_e_1?tab=diff"), Some("task_e_1"));
    /// # Ok::<(), codex_backend::ConfigError>(())
    /// ```
    #[must_use]
    pub fn task_url(&self, task_id: &str) -> String {
        let base = self.caller.base_url().as_str();
        let site = base.strip_suffix("/backend-api").or_else(|| base.strip_suffix("/api/codex")).unwrap_or(base);
        let id = crate::exchange::path_segment(task_id).unwrap_or_default();
        format!("{}/codex/tasks/{id}", site.strip_suffix("/codex").unwrap_or(site))
    }

    /// The task id in a user's input: an id, or the URL of a task. `None` if it is neither.
    #[must_use]
    pub fn task_id(text: &str) -> Option<&str> {
        let path = text.trim().split(['#', '?']).next().unwrap_or_default();
        path.trim_end_matches('/').rsplit('/').next().filter(|id| !id.is_empty())
    }
}

/// Which tasks to list.
///
/// ```
/// use codex_backend::tasks::TaskFilter;
///
/// let filter = TaskFilter::default().environment("env_web").page_size(5);
/// # assert_ne!(filter, TaskFilter::default());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFilter {
    page_size: u32,
    task_filter: String,
    environment_id: Option<String>,
}

impl Default for TaskFilter {
    fn default() -> Self {
        Self { page_size: 20, task_filter: "current".to_owned(), environment_id: None }
    }
}

impl TaskFilter {
    /// The number of tasks per page: 1 to 20. Default 20.
    #[must_use]
    pub fn page_size(mut self, tasks: u32) -> Self {
        self.page_size = tasks;
        self
    }

    /// The backend's own filter. Default `current`: those that are not archived.
    #[must_use]
    pub fn task_filter(mut self, filter: impl Into<String>) -> Self {
        self.task_filter = filter.into();
        self
    }

    /// Only tasks of the environment with this id.
    #[must_use]
    pub fn environment(mut self, environment_id: impl Into<String>) -> Self {
        self.environment_id = Some(environment_id.into());
        self
    }
}

open_struct! {
    TaskListAnswer {
        items: Vec<TaskListItem>,
        cursor: Exact<Option<String>>,
    }
}

open_struct! {
    SiblingTurnsAnswer {
        sibling_turns: Vec<TaskTurn>,
    }
}
