//! Waiting for a task.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};

use super::details::{DETAILS, TaskDetails, request_details};
use super::status::TaskSummary;
use crate::call::Caller;
use crate::error::{Error, ErrorKind};

/// The shortest polling interval.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// Waiting for a task, made by [`CloudTasks::wait`](crate::CloudTasks::wait): `.await` it for the details of the task when
/// it is done, or take the [`changes`](Self::changes) on the way.
///
/// The backend is polled, less and less often while nothing changes. A retryable error does not end the waiting.
/// Dropping the future or the stream ends the waiting; the task continues in the cloud.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// # backend.add_task_that_progresses("task_e_1");
/// use std::time::Duration;
/// use futures_util::TryStreamExt;
///
/// let wait = client.cloud_tasks().wait("task_e_1").with_interval(Duration::from_millis(100));
/// let mut changes = wait.changes();
/// while let Some(task) = changes.try_next().await? {
///     println!("{}", task.summary().status);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "waiting does nothing unless awaited"]
pub struct TaskWait {
    caller: Arc<Caller>,
    task_id: String,
    interval: Duration,
    longest_interval: Duration,
    timeout: Duration,
}

impl TaskWait {
    pub(super) fn new(caller: Arc<Caller>, task_id: &str) -> Self {
        Self {
            caller,
            task_id: task_id.to_owned(),
            interval: Duration::from_secs(2),
            longest_interval: Duration::from_secs(30),
            timeout: Duration::from_secs(60 * 60),
        }
    }

    /// The first polling interval, also after each change; then it grows by half each time. Default 2 s, at least 100
    /// ms.
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// The longest polling interval. Default 30 s, at least 100 ms.
    pub fn with_longest_interval(mut self, interval: Duration) -> Self {
        self.longest_interval = interval;
        self
    }

    /// The time-out for the whole wait, from the first request on. Default 1 h; then [`ErrorKind::TaskNotReady`]. The
    /// task continues.
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// The task as it is now, and again whenever its summary has changed. The stream ends after a final status.
    pub fn changes(self) -> TaskChanges {
        let clock = self.caller.exchange().clock();
        let watch = Watch { started: clock.monotonic(), pause: None, last: None, over: false, wait: self };
        TaskChanges { changes: stream::unfold(watch, Watch::next_change).boxed() }
    }
}

/// The state of the polling.
struct Watch {
    wait: TaskWait,
    started: Duration,
    /// The pause before the next request; `None` before the first.
    pause: Option<Duration>,
    last: Option<TaskSummary>,
    over: bool,
}

impl Watch {
    async fn next_change(mut self) -> Option<(Result<TaskDetails, Error>, Self)> {
        if self.over {
            return None;
        }
        let change = self.ask_until_changed().await;
        self.over = match &change {
            Ok(details) => details.summary().status.is_final(),
            Err(_) => true,
        };
        Some((change, self))
    }

    async fn ask_until_changed(&mut self) -> Result<TaskDetails, Error> {
        let clock = self.wait.caller.exchange().clock().clone();
        loop {
            if let Some(pause) = self.pause {
                let waited = clock.monotonic().saturating_sub(self.started);
                let Some(left) = self.wait.timeout.checked_sub(waited).filter(|left| !left.is_zero()) else {
                    let message = format!("the task was not done after {waited:.0?}");
                    return Err(Error::new(ErrorKind::TaskNotReady, DETAILS.name, message).sent(true));
                };
                clock.sleep(pause.min(left)).await;
            }
            let within = |pause: Duration| pause.min(self.wait.longest_interval).max(LEAST_INTERVAL);
            let next = within(self.pause.map_or(self.wait.interval, |pause| pause.saturating_add(pause / 2)));
            match request_details(&self.wait.caller, &self.wait.task_id).await {
                Ok(details) => {
                    let summary = details.summary();
                    if self.last.as_ref() != Some(&summary) {
                        self.pause = Some(within(self.wait.interval));
                        self.last = Some(summary);
                        return Ok(details);
                    }
                    self.pause = Some(next);
                }
                Err(error) if error.is_retryable() => self.pause = Some(error.retry_after().unwrap_or(next).max(next)),
                Err(error) => return Err(error),
            }
        }
    }
}

impl IntoFuture for TaskWait {
    type Output = Result<TaskDetails, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (mut changes, mut last) = (self.changes(), None);
            while let Some(change) = changes.next().await {
                last = Some(change?);
            }
            last.ok_or_else(|| Error::new(ErrorKind::TaskNotReady, DETAILS.name, "the task was not asked for"))
        })
    }
}

/// The changes of a task, made by [`TaskWait::changes`].
#[must_use = "a stream does nothing unless polled"]
pub struct TaskChanges {
    changes: BoxStream<'static, Result<TaskDetails, Error>>,
}

impl Stream for TaskChanges {
    type Item = Result<TaskDetails, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.changes.as_mut().poll_next(context)
    }
}

impl fmt::Debug for TaskChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskChanges").finish_non_exhaustive()
    }
}
