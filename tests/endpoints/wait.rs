//! Waiting for the end of a cloud task.

use std::time::Duration;

use codex_backend::tasks::TaskStatus;
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::{Client, CodexBackend, ErrorKind, RetryPolicy};
use futures_util::{StreamExt, TryStreamExt};

use crate::clock::WaitLog;
use crate::support::{client, guard};

const SECOND: Duration = Duration::from_secs(1);

fn client_and_waits(backend: &Backend) -> (Client<CodexBackend>, WaitLog) {
    let log = WaitLog::default();
    let builder = backend.client().chatgpt(backend.chatgpt_tokens()).retry_policy(RetryPolicy::never());
    (builder.clock(log.clone()).build().unwrap(), log)
}

#[tokio::test]
async fn a_task_is_asked_about_less_and_less_often_until_it_is_done() {
    let backend = Backend::start().unwrap();
    backend.add_task_that_progresses("task_e_1");
    let (client, log) = client_and_waits(&backend);
    let wait = client.cloud_tasks().wait("task_e_1").with_interval(2 * SECOND).with_longest_interval(4 * SECOND);
    let changes: Vec<_> = guard(wait.changes().try_collect::<Vec<_>>()).await.unwrap();
    let states: Vec<TaskStatus> = changes.iter().map(|details| details.summary().status).collect();
    assert_eq!(states, [TaskStatus::Pending, TaskStatus::Ready]);
    assert_eq!(log.waits(), [2 * SECOND, 3 * SECOND, 4 * SECOND]);
}

#[tokio::test]
async fn waiting_gives_the_details_of_a_task_that_is_done_or_has_failed() {
    let backend = Backend::start().unwrap();
    backend.add_tasks(1);
    backend.add_task_that_progresses("task_e_2");
    let tasks = client(&backend).cloud_tasks();
    assert!(guard(tasks.wait("task_e_1")).await.unwrap().unified_diff().is_some());
    backend.fail_task("task_e_2", "oom", "out of memory");
    let failed = guard(tasks.wait("task_e_2")).await.unwrap();
    assert_eq!(failed.summary().status, TaskStatus::Failed);
    assert_eq!(failed.messages(), ["Task failed: oom: out of memory"]);
}

#[tokio::test]
async fn waiting_is_bounded() {
    let backend = Backend::start().unwrap();
    backend.set_task_details("task_e_1", serde_json::json!({ "task": { "id": "task_e_1" } }));
    let (client, log) = client_and_waits(&backend);
    let wait = client.cloud_tasks().wait("task_e_1").with_timeout(10 * SECOND).with_longest_interval(4 * SECOND);
    let error = guard(wait).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TaskNotReady);
    assert!(error.is_retryable() && error.to_string().contains("10s"), "{error}");
    assert_eq!(log.waits().iter().sum::<Duration>(), 10 * SECOND);
}

#[tokio::test]
async fn what_may_pass_is_waited_out_and_what_does_not_ends_the_waiting() {
    let backend = Backend::start().unwrap();
    backend.add_tasks(1);
    let (client, log) = client_and_waits(&backend);
    backend.inject(Route::GET_TASK, Fault::status(503).times(2));
    backend.inject(Route::GET_TASK, Fault::status(429).header("retry-after", "9"));
    guard(client.cloud_tasks().wait("task_e_1")).await.unwrap();
    assert_eq!(log.waits(), [2 * SECOND, 3 * SECOND, 9 * SECOND]);

    // However long a server asks to wait, and whatever pause is set, the limit holds.
    backend.inject(Route::GET_TASK, Fault::status(429).header("retry-after", "18000000000000000000").times(2));
    let wait = client.cloud_tasks().wait("task_e_1").with_longest_interval(Duration::MAX);
    let error = guard(wait.with_interval(Duration::MAX).with_timeout(10 * SECOND)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TaskNotReady);

    let mut changes = client.cloud_tasks().wait("task_e_none").changes();
    assert_eq!(guard(changes.next()).await.unwrap().unwrap_err().kind(), ErrorKind::NotFound);
    assert!(guard(changes.next()).await.is_none());
}

#[tokio::test]
async fn a_stream_that_is_dropped_asks_no_more() {
    let backend = Backend::start().unwrap();
    backend.add_task_that_progresses("task_e_1");
    let mut changes = client(&backend).cloud_tasks().wait("task_e_1").changes();
    guard(changes.next()).await.unwrap().unwrap();
    drop(changes);
    guard(client(&backend).usage().get()).await.unwrap();
    assert_eq!(backend.requests_to(Route::GET_TASK).len(), 1);
}

#[tokio::test]
async fn there_is_a_pause_between_questions_however_short_it_is_to_be() {
    const LEAST: Duration = Duration::from_millis(100);
    for (interval, longest, expected) in
        [(Duration::ZERO, 30 * SECOND, [LEAST, LEAST * 3 / 2, LEAST * 9 / 4]), (2 * SECOND, Duration::ZERO, [LEAST; 3])]
    {
        let backend = Backend::start().unwrap();
        backend.add_task_that_progresses("task_e_1");
        let (client, log) = client_and_waits(&backend);
        let wait = client.cloud_tasks().wait("task_e_1").with_interval(interval).with_longest_interval(longest);
        guard(wait).await.unwrap();
        assert_eq!(log.waits(), expected);
    }
}
