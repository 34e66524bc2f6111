//! The model calls functions of the application's.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use codex_backend::ErrorKind;
use codex_backend::responses::{FunctionTool, ResponseEventKind, ResponseItem, TokenUsage, Tools};
use codex_backend::testing::{Backend, Route, ScriptedResponse};
use serde::Deserialize;
use serde_json::{Value, json};

use super::support::{ask, codex, guard, openai};

#[derive(Deserialize)]
struct Numbers {
    a: i64,
    b: i64,
}

fn tool(name: &str) -> FunctionTool {
    FunctionTool::new(name, "", json!({ "type": "object" }))
}

fn tools() -> Tools {
    Tools::new()
        .function(tool("add"), |numbers: Numbers| async move {
            numbers.a.checked_add(numbers.b).ok_or("the sum is too large")
        })
        .function(tool("describe"), |_: Value| async { Ok::<_, String>("plain text") })
        .function(tool("panic"), |_: Value| async {
            if true { panic!("a bug in the function") } else { Ok::<i32, String>(1) }
        })
}

/// What the model was told that the functions gave.
fn outputs(request: &Value) -> Vec<(String, String)> {
    let outputs = request["input"].as_array().unwrap().iter().filter(|item| item["type"] == "function_call_output");
    outputs
        .map(|item| (item["call_id"].as_str().unwrap().to_owned(), item["output"].as_str().unwrap().to_owned()))
        .collect()
}

fn call(name: &str, call_id: &str, arguments: &str) -> Value {
    json!({ "type": "function_call", "name": name, "call_id": call_id, "arguments": arguments, "status": "completed" })
}

#[tokio::test]
async fn every_outcome_of_a_call_is_told_to_the_model() {
    let backend = Backend::start().unwrap();
    backend.script_response(
        ScriptedResponse::items([
            json!({ "type": "reasoning", "summary": [], "encrypted_content": "g" }),
            call("add", "sum", r#"{"a":2,"b":3}"#),
            call("add", "error", &format!(r#"{{"a":{},"b":1}}"#, i64::MAX)),
            call("add", "misfit", r#"{"a":"two"}"#),
            call("add", "no-json", "{"),
            call("describe", "text", "{}"),
            call("panic", "panic", "{}"),
            call("unheard-of", "unknown", "{}"),
        ])
        .header("x-codex-turn-state", "state"),
    );
    let texts = Arc::new(Mutex::new(String::new()));
    let seen = texts.clone();
    let result = guard(ask(&codex(&backend)).run_tools(&tools()).on_event(move |event| {
        if let ResponseEventKind::OutputTextDelta(piece) = &event.kind {
            seen.lock().unwrap().push_str(&piece.delta);
        }
    }))
    .await
    .unwrap();
    assert_eq!((result.rounds, result.last.text().as_str()), (2, "Hello, world"));
    assert_eq!(*texts.lock().unwrap(), "Hello, world");
    assert_eq!(result.usage.total_tokens, 30);
    assert_eq!(result.items.len(), 8 + 7 + 1);
    assert!(matches!(result.items[8], ResponseItem::FunctionCallOutput(_)));

    let requests = backend.requests_to(Route::CREATE_RESPONSE);
    assert_eq!(requests[0].json()["tools"].as_array().unwrap().len(), 3);
    assert_eq!(requests[1].header("x-codex-turn-state"), Some("state"));
    let second = requests[1].json();
    assert_eq!(second["input"][1]["encrypted_content"], "g");
    assert!(second["input"].as_array().unwrap().iter().all(|item| item.get("id").is_none()), "{second}");
    let told = outputs(&second);
    let told_of = |id: &str| told.iter().find(|(call_id, _)| call_id == id).unwrap().1.as_str();
    assert_eq!(told_of("sum"), "5");
    assert_eq!(told_of("error"), r#"{"error":"the sum is too large"}"#);
    assert_eq!(told_of("text"), "plain text");
    assert_eq!(told_of("panic"), r#"{"error":"`panic` failed"}"#);
    assert_eq!(told_of("unknown"), r#"{"error":"there is no function `unheard-of`"}"#);
    for id in ["misfit", "no-json"] {
        assert!(told_of(id).contains("the arguments of `add` do not fit"), "{}", told_of(id));
    }
}

#[tokio::test]
async fn rounds_are_bounded() {
    let backend = Backend::start().unwrap();
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let tools = Tools::new().function(tool("again"), move |_: Value| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, String>(1) }
    });
    for _ in 0..9 {
        backend.script_response(ScriptedResponse::function_call("again", "{}"));
    }
    let request = openai(&backend).openai_responses().create("gpt-5.5", "hello");
    let error = guard(request.run_tools(&tools).with_rounds(3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyRounds);
    assert_eq!((backend.requests().len(), runs.load(Ordering::Relaxed)), (3, 3));
}

#[tokio::test]
async fn a_failure_on_the_way_ends_the_loop_and_custom_tools_are_the_applications() {
    let backend = Backend::start().unwrap();
    backend.script_response(ScriptedResponse::function_call("describe", "{}"));
    backend.script_response(ScriptedResponse::failed("context_length_exceeded", "too long"));
    let error = guard(ask(&codex(&backend)).run_tools(&tools())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContextWindowExceeded);

    backend.script_response(ScriptedResponse::items([
        json!({ "type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "***" }),
        call("describe", "d", "{}"),
    ]));
    let result = guard(ask(&codex(&backend)).run_tools(&tools())).await.unwrap();
    assert_eq!((result.rounds, result.last.custom_tool_calls().count()), (1, 1));
}

#[tokio::test]
async fn what_a_loop_brought_before_an_error_is_not_lost() {
    let backend = Backend::start().unwrap();
    let run = || ask(&codex(&backend)).run_tools(&tools());
    let describe = || backend.script_response(ScriptedResponse::function_call("describe", "{}"));
    let item_types =
        |items: &[ResponseItem]| -> Vec<String> { items.iter().map(|item| item.item_type().to_owned()).collect() };
    let of_a_round = ["function_call", "function_call_output"];

    // Well.
    describe();
    let (result, ended_in) = guard(run().collect_partial()).await;
    assert!(ended_in.is_none(), "{ended_in:?}");
    assert_eq!((result.rounds, result.last.text().as_str(), result.items.len()), (2, "Hello, world", 3));

    // Too many rounds: the last one is whole, and its functions were run.
    describe();
    describe();
    let (result, ended_in) = guard(run().with_rounds(2).collect_partial()).await;
    assert_eq!(ended_in.unwrap().kind(), ErrorKind::TooManyRounds);
    assert_eq!((result.rounds, result.usage.total_tokens), (2, 30));
    assert_eq!(item_types(&result.items), [of_a_round, of_a_round].concat());
    assert_eq!(result.last.function_calls().count(), 1);
    guard(guard(ask(&codex(&backend)).input(result.items).stream()).await.unwrap().collect()).await.unwrap();
    let input = backend.requests().last().unwrap().json()["input"].clone();
    assert_eq!((input.as_array().unwrap().len(), &input[4]["output"]), (5, &json!("plain text")));

    // A later response breaks off: what it said is told, and what it called was not run.
    describe();
    let said =
        json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "I see" }] });
    let usage = json!({ "input_tokens": 1, "output_tokens": 2, "total_tokens": 3 });
    let incomplete = json!({ "id": "r", "incomplete_details": { "reason": "max_output_tokens" }, "usage": usage });
    backend.script_response(ScriptedResponse::events([
        json!({ "type": "response.output_item.done", "output_index": 0, "item": said }),
        json!({ "type": "response.output_item.done", "output_index": 1, "item": call("describe", "c", "{}") }),
        json!({ "type": "response.output_text.delta", "delta": " an" }),
        json!({ "type": "response.incomplete", "response": incomplete }),
    ]));
    let events = Arc::new(AtomicU32::new(0));
    let counted = events.clone();
    let shown = run().on_event(move |event| {
        counted.fetch_add(u32::from(matches!(event.kind, ResponseEventKind::OutputTextDelta(_))), Ordering::Relaxed);
    });
    let (result, ended_in) = guard(shown.collect_partial()).await;
    assert_eq!(ended_in.unwrap().kind(), ErrorKind::Incomplete);
    assert_eq!((result.rounds, result.usage.total_tokens), (2, 15 + 3));
    assert_eq!(item_types(&result.items), of_a_round);
    assert_eq!((result.last.text().as_str(), result.last.function_calls().count()), ("I see an", 1));
    assert_eq!((result.last.id(), events.load(Ordering::Relaxed)), (Some("r"), 1));

    // A later request has no response at all, or the first one has none.
    describe();
    backend.script_response(ScriptedResponse::refused(400, &json!({ "detail": "no" })));
    let (result, ended_in) = guard(run().collect_partial()).await;
    assert_eq!(ended_in.unwrap().kind(), ErrorKind::InvalidRequest);
    assert_eq!((result.rounds, result.last.function_calls().count()), (1, 1));
    assert_eq!(item_types(&result.items), of_a_round);
    backend.script_response(ScriptedResponse::refused(400, &json!({ "detail": "no" })));
    let (result, ended_in) = guard(run().collect_partial()).await;
    assert_eq!((result.rounds, result.items.len(), result.last.id()), (0, 0, None));
    assert_eq!((result.usage.total_tokens, ended_in.map(|error| error.kind())), (0, Some(ErrorKind::InvalidRequest)));
}

#[test]
fn a_sum_of_tokens_is_no_overflow() {
    let most = json!({ "input_tokens": u64::MAX, "output_tokens": 1, "total_tokens": u64::MAX });
    let mut sum: TokenUsage = serde_json::from_value(most).unwrap();
    sum += sum;
    assert_eq!((sum.input_tokens, sum.output_tokens, sum.total_tokens), (u64::MAX, 2, u64::MAX));
}
