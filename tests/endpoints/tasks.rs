//! Cloud tasks: created, listed, read.

use codex_backend::tasks::{DiffStats, NewTask, TaskDetails, TaskFilter, TaskListItem, TaskStatus, TaskStatusDisplay};
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::{ChatGptTokens, Client, CloudTasks, ErrorKind};
use serde_json::{Value, json};

use crate::support::{client, guard};

const DIFF: &str = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n";

fn sample() -> Value {
    serde_json::from_str(include_str!("../data/task_details.json")).unwrap()
}

#[tokio::test]
async fn the_sample_of_details_is_understood() {
    let backend = Backend::start().unwrap();
    backend.set_task_details("task_e_01", sample());
    let details = guard(client(&backend).cloud_tasks().details("task_e_01")).await.unwrap();
    assert_eq!(details.prompt().as_deref(), Some("Fix it\n\nplease"));
    assert_eq!(details.messages(), ["Done."]);
    assert_eq!(details.unified_diff(), Some(DIFF));
    assert_eq!(details.failure(), None);
    let summary = details.summary();
    assert_eq!((summary.status, summary.attempts_total), (TaskStatus::Ready, Some(2)));
    assert_eq!(summary.environment_label.as_deref(), Some("acme/web"));
    assert_eq!(summary.environment_id.as_deref(), Some("env_9"));
    let DiffStats { files_modified, lines_added, lines_removed, .. } = summary.diff_stats;
    assert_eq!((files_modified, lines_added, lines_removed), (1, 2, 1));
    let since = summary.updated_at.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(since.as_millis(), 1_776_900_000_250);
}

fn details(value: Value) -> TaskDetails {
    serde_json::from_value(value).unwrap()
}

#[test]
fn messages_come_from_the_answer_and_then_from_the_worklog() {
    let details = details(json!({
        "current_diff_task_turn": { "output_items": [{ "type": "message", "content": ["From the diff's turn."] }] },
        "current_assistant_turn": {
            "output_items": [
                { "type": "message", "content": [" ", { "content_type": "TEXT", "text": "Answered." }, { "text": "typeless" }] },
                { "type": "other", "content": ["no message"] },
                { "type": "message", "content": null },
            ],
            "worklog": { "messages": [
                { "author": { "role": "Assistant" }, "content": { "parts": ["On the way.", 7, null, { "content_type": "image" }] } },
                { "author": { "role": "user" }, "content": { "parts": ["not mine"] } },
                { "author": null, "content": null },
                { "author": { "role": "assistant" }, "content": { "parts": null } },
            ] },
        },
    }));
    assert_eq!(details.messages(), ["From the diff's turn.", "Answered.", "On the way."]);
    assert_eq!(details.prompt(), None);
}

#[test]
fn a_failure_is_the_message_where_there_is_no_other() {
    for (error, expected) in [
        (json!({ "code": "oom", "message": "out of memory" }), Some("oom: out of memory")),
        (json!({ "code": "oom", "message": "" }), Some("oom")),
        (json!({ "message": "out of memory" }), Some("out of memory")),
        (json!({}), None),
        (json!(null), None),
    ] {
        let details = details(json!({ "current_assistant_turn": { "error": error } }));
        assert_eq!(details.failure().as_deref(), expected);
        let said = expected.map(|expected| format!("Task failed: {expected}"));
        assert_eq!(details.messages(), Vec::from_iter(said));
    }
}

#[test]
fn the_diff_is_the_first_that_is_not_empty() {
    let details = details(json!({
        "current_diff_task_turn": { "output_items": [{ "type": "output_diff", "diff": "" }, { "type": "pr" }] },
        "current_assistant_turn": { "output_items": [
            { "type": "message", "diff": "not this" },
            { "type": "output_diff", "diff": DIFF },
            { "type": "pr", "output_diff": { "diff": "later" } },
        ] },
    }));
    assert_eq!(details.unified_diff(), Some(DIFF));
    // The backend counts nothing: it is counted in the diff.
    let stats = details.summary().diff_stats;
    assert_eq!((stats.files_modified, stats.lines_added, stats.lines_removed), (1, 1, 1));
}

#[test]
fn states_of_tasks() {
    let status = |value: Value| serde_json::from_value::<TaskStatusDisplay>(value).unwrap().status();
    for (turn, expected) in [
        ("failed", TaskStatus::Failed),
        ("cancelled", TaskStatus::Failed),
        ("completed", TaskStatus::Ready),
        ("in_progress", TaskStatus::Pending),
        ("pending", TaskStatus::Pending),
        ("of tomorrow", TaskStatus::Pending),
    ] {
        let display = json!({ "latest_turn_status_display": { "turn_status": turn }, "state": "applied" });
        assert_eq!(status(display), expected, "{turn}");
    }
    for (state, expected) in [
        ("pending", TaskStatus::Pending),
        ("ready", TaskStatus::Ready),
        ("applied", TaskStatus::Applied),
        ("error", TaskStatus::Failed),
        ("of tomorrow", TaskStatus::Pending),
    ] {
        assert_eq!(status(json!({ "state": state })), expected, "{state}");
    }
    assert_eq!(status(json!({})), TaskStatus::Pending);
    let outside =
        json!({ "task": { "task_status_display": { "state": "error" } }, "task_status_display": { "state": "ready" } });
    assert_eq!(details(outside).summary().status, TaskStatus::Ready);
}

#[test]
fn a_list_item_is_summed_up_as_well() {
    let item: TaskListItem = serde_json::from_value(json!({
        "id": "t", "title": "T", "created_at": 5.5, "pull_requests": [{ "pull_request": { "number": 7 } }],
        "task_status_display": { "latest_turn_status_display": {
            "turn_status": "completed", "diff_stats": { "files_modified": -1, "lines_added": 3, "lines_removed": null },
            "updated_at": 9.0,
        } },
    }))
    .unwrap();
    let summary = item.summary();
    assert!(summary.is_review);
    assert_eq!((summary.diff_stats.files_modified, summary.diff_stats.lines_added), (0, 3));
    assert_eq!(summary.updated_at.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis(), 5500);
    assert_eq!((summary.environment_id, summary.attempts_total), (None, None));
}

#[tokio::test]
async fn a_task_is_created_with_the_body_that_the_backend_knows() {
    let backend = Backend::start().unwrap();
    backend.add_environment("env_9", "nine", "acme/nine");
    let tasks = client(&backend).cloud_tasks();
    let full = NewTask::new("env_9", "Fix it").branch("main").best_of(3).starting_diff("diff --git …");
    let created = guard(tasks.create(full)).await.unwrap();
    let expected: Value = serde_json::from_str(include_str!("../data/create_task.json")).unwrap();
    assert_eq!(backend.requests_to(Route::CREATE_TASK)[0].json(), expected);
    assert_eq!(guard(tasks.details(&created.id)).await.unwrap().prompt().as_deref(), Some("Fix it"));

    guard(tasks.create(NewTask::new("env_9", "Fix it").branch(" ").starting_diff(""))).await.unwrap();
    let bare = backend.requests_to(Route::CREATE_TASK)[1].json();
    assert!(bare["metadata"].is_null() && bare["new_task"].get("branch").is_none(), "{bare}");
    assert_eq!(bare["input_items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_created_is_refused_before_it_is_sent() {
    let backend = Backend::start().unwrap();
    let tasks = client(&backend).cloud_tasks();
    for task in [
        NewTask::new(" ", "x"),
        NewTask::new("env_web", "\n"),
        NewTask::new("env_web", "x").best_of(0),
        NewTask::new("env_web", "x").best_of(5),
    ] {
        assert_eq!(guard(tasks.create(task)).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    for id in ["", ".", ".."] {
        assert_eq!(guard(tasks.details(id)).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn a_task_is_never_started_twice() {
    let backend = Backend::start().unwrap();
    let tasks = client(&backend).cloud_tasks();
    for fault in [Fault::status(503), Fault::reset_before_headers(), Fault::reset_in_body()] {
        let before = backend.requests_to(Route::CREATE_TASK).len();
        backend.inject(Route::CREATE_TASK, fault);
        let error = guard(tasks.create(NewTask::new("env_web", "x"))).await.unwrap_err();
        assert!(error.may_have_been_sent());
        assert_eq!(backend.requests_to(Route::CREATE_TASK).len(), before + 1);
    }
    // A burst limit is answered before the server does anything.
    backend.inject(Route::CREATE_TASK, Fault::status(429).header("retry-after", "1"));
    guard(tasks.create(NewTask::new("env_web", "x"))).await.unwrap();
}

#[tokio::test]
async fn conflicts_and_unknown_environments_are_typed() {
    let backend = Backend::start().unwrap();
    let tasks = client(&backend).cloud_tasks();
    backend.set_environment_busy("env_web");
    let error = guard(tasks.create(NewTask::new("env_web", "x"))).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, Some("environment_busy")));
    let error = guard(tasks.create(NewTask::new("env_none", "x"))).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("environment_not_found")));
    let error = guard(tasks.details("task_e_none")).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::NotFound, "tasks.details"));
}

#[tokio::test]
async fn an_id_is_read_from_either_place_of_the_answer() {
    let backend = Backend::start().unwrap();
    let tasks = client(&backend).cloud_tasks();
    for (body, expected) in [
        (r#"{"task":{"id":"task_e_01"},"id":"other"}"#, Some("task_e_01")),
        (r#"{"id":"task_e_02","task":null}"#, Some("task_e_02")),
        (r#"{"task":{"id":""}}"#, None),
    ] {
        backend.inject(Route::CREATE_TASK, Fault::status(200).body(body));
        let created = guard(tasks.create(NewTask::new("env_web", "x"))).await;
        match expected {
            Some(id) => assert_eq!(created.unwrap().id, id),
            None => assert_eq!(created.unwrap_err().kind(), ErrorKind::Decode),
        }
    }
}

#[tokio::test]
async fn ids_are_encoded_in_paths_and_queries() {
    let backend = Backend::start().unwrap();
    let origin = format!("http://{}", backend.address());
    let client = backend.client().codex_base_url(origin).chatgpt(backend.chatgpt_tokens()).build().unwrap();
    let tasks = client.cloud_tasks();
    guard(tasks.details("../usage?x=1")).await.unwrap_err();
    let filter = TaskFilter::default().page_size(10).task_filter("mine / shared").environment("env&one");
    guard(tasks.list_matching(filter).from_cursor("next=page").page()).await.unwrap_err();
    let targets: Vec<String> = backend.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets[0], "/api/codex/tasks/..%2Fusage%3Fx%3D1");
    assert_eq!(
        targets[1],
        "/api/codex/tasks/list?limit=10&task_filter=mine+%2F+shared&cursor=next%3Dpage&environment_id=env%26one"
    );
}

#[tokio::test]
async fn attempts_are_in_the_order_of_their_places() {
    let backend = Backend::start().unwrap();
    let tasks = client(&backend).cloud_tasks();
    let id = guard(tasks.create(NewTask::new("env_web", "Fix it").best_of(3))).await.unwrap().id;
    let error = guard(tasks.diff(&id, 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoDiff, "{error}");
    backend.finish_task(&id, DIFF);
    let turn_id = format!("turn_{id}_0");
    let sibling = |id: &str, placement: Value, created_at: Value| {
        json!({
            "id": id, "attempt_placement": placement, "created_at": created_at, "turn_status": "completed",
            "output_items": [{ "type": "output_diff", "diff": format!("{DIFF}{id}") }],
        })
    };
    let turns = json!({ "sibling_turns": [
        sibling("late", json!(null), json!(9)), sibling("b", json!(null), json!(null)), sibling("early", json!(null), json!(2)),
        sibling("third", json!(3), json!(1)), { "turn_status": "completed" }, sibling("first", json!(-1), json!(8)),
        sibling("a", json!(null), json!(null)),
    ] });
    backend.inject(Route::LIST_SIBLING_TURNS, Fault::status(200).body(turns.to_string()).times(2));
    let attempts = guard(tasks.attempts(&id)).await.unwrap();
    let ids: Vec<&str> = attempts.iter().map(|attempt| attempt.turn_id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["first", &turn_id, "third", "early", "late", "a", "b"]);
    assert_eq!((attempts[1].number, attempts[1].diff.as_deref()), (2, Some(DIFF)));
    assert_eq!(guard(tasks.diff(&id, 3)).await.unwrap(), format!("{DIFF}third"));
}

#[tokio::test]
async fn a_task_with_one_attempt_is_asked_about_once() {
    let backend = Backend::start().unwrap();
    backend.add_tasks(1);
    let tasks = client(&backend).cloud_tasks();
    assert_eq!(guard(tasks.attempts("task_e_1")).await.unwrap().len(), 1);
    assert_eq!(backend.requests().len(), 1);
    assert_eq!(guard(tasks.diff("task_e_1", 2)).await.unwrap_err().kind(), ErrorKind::NoDiff);
    assert_eq!(guard(tasks.diff("task_e_1", 0)).await.unwrap_err().kind(), ErrorKind::NoDiff);
}

#[test]
fn addresses_of_tasks() {
    for (base, expected) in [
        ("https://chatgpt.com", "https://chatgpt.com/codex/tasks/T"),
        ("https://chatgpt.com/backend-api", "https://chatgpt.com/codex/tasks/T"),
        ("http://localhost:8080/api/codex", "http://localhost:8080/codex/tasks/T"),
        ("http://localhost:8080/codex", "http://localhost:8080/codex/tasks/T"),
        ("http://localhost:8080", "http://localhost:8080/codex/tasks/T"),
    ] {
        let client = Client::builder().codex_base_url(base).chatgpt(ChatGptTokens::new("token")).build().unwrap();
        assert_eq!(client.cloud_tasks().task_url("T"), expected, "{base}");
    }
    for (text, expected) in [
        ("task_e_1", Some("task_e_1")),
        (" https://chatgpt.com/codex/tasks/task_e_1/?tab=diff#x ", Some("task_e_1")),
        ("", None),
        ("https://chatgpt.com/codex/tasks/#task", Some("tasks")),
    ] {
        assert_eq!(CloudTasks::task_id(text), expected, "{text}");
    }
}
