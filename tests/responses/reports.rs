//! Inputs on which other clients failed, and what a user expects of them.

use std::path::Path;

use codex_backend::responses::{CollectedResponse, ModelResponse, ResponseItem, ResponseStream};
use codex_backend::testing::{Backend, ScriptedResponse};
use codex_backend::{Error, ErrorKind};
use serde_json::{Value, json};

use super::support::{ask, codex, guard, openai};

fn report(name: &str) -> String {
    std::fs::read_to_string(Path::new("tests/data/reports").join(name)).unwrap()
}

async fn collected(name: &str) -> CollectedResponse {
    let stream = ResponseStream::from_transcript(report(name));
    guard(stream.collect()).await.unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn transcript(events: &[Value]) -> ResponseStream {
    ResponseStream::from_transcript(events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>())
}

async fn collect(events: &[Value]) -> CollectedResponse {
    guard(transcript(events).collect()).await.unwrap()
}

fn types(answer: &CollectedResponse) -> Vec<&str> {
    answer.items.iter().map(ResponseItem::item_type).collect()
}

fn message(id: &str, text: &str) -> Value {
    let content = json!([{ "type": "output_text", "text": text, "annotations": [] }]);
    json!({ "type": "message", "id": id, "role": "assistant", "status": "completed", "content": content })
}

#[tokio::test]
async fn a_counter_that_is_not_told_does_not_cost_the_answer() {
    for name in ["01-usage-null-counter.txt", "01b-usage-missing-counter.txt", "01c-usage-empty.txt"] {
        let answer = collected(name).await;
        assert_eq!((answer.text().as_str(), answer.usage(), answer.items.len()), ("four", None, 1), "{name}");
    }
    let whole: ModelResponse = serde_json::from_str(&report("01d-usage-null-counter-whole.json")).unwrap();
    assert_eq!((whole.output_text().as_str(), whole.usage), ("four", None));
}

#[tokio::test]
async fn what_only_the_last_description_tells_is_there() {
    let answer = collected("08-call-only-in-completed-output.txt").await;
    let calls: Vec<_> = answer.function_calls().map(|call| (&*call.name, &*call.arguments)).collect();
    assert_eq!((calls, answer.items.len()), (vec![("get_time", r#"{"zone":"Oslo"}"#)], 2));
    let answer = collected("08b-message-only-in-the-last-snapshot.txt").await;
    assert_eq!((answer.text().as_str(), types(&answer)), ("the answer", vec!["reasoning", "message"]));

    let server = |name: &str| json!({ "type": "mcp_list_tools", "id": name, "server_label": name, "tools": [] });
    let output = json!([server("a"), server("b"), { "type": "mcp_call", "id": "mcp_1", "name": "n", "server_label": "a",
        "arguments": "{}", "output": "o" }, message("m", "done")]);
    let answer = collect(&[
        json!({ "type": "response.output_item.added", "output_index": 2, "item": { "type": "mcp_call", "id": "mcp_1",
            "name": "n", "server_label": "a", "arguments": "", "status": "in_progress" } }),
        json!({ "type": "response.output_text.delta", "item_id": "m", "output_index": 3, "content_index": 0, "delta": "do" }),
        json!({ "type": "response.completed", "response": { "id": "r", "output": output } }),
    ])
    .await;
    assert_eq!(serde_json::to_value(&answer.items).unwrap(), output);
}

#[tokio::test]
async fn what_only_a_done_event_tells_is_there() {
    let answer = collected("33-text-told-only-when-done.txt").await;
    assert_eq!((answer.text().as_str(), answer.items.len()), ("whole text", 1));
}

#[tokio::test]
async fn an_item_that_is_told_twice_is_the_same_one() {
    for name in ["09-same-call-done-twice.txt", "09b-second-time-without-arguments.txt"] {
        let answer = collected(name).await;
        let calls: Vec<_> = answer.function_calls().map(|call| &*call.arguments).collect();
        assert_eq!((calls, answer.items.len()), (vec![r#"{"amount":5}"#], 1), "{name}");
    }
    // Two that say the same are two, and the same place for both does not make them one.
    let done = |item: Value| json!({ "type": "response.output_item.done", "output_index": 0, "item": item });
    for (first, second) in [(message("m1", "a"), message("m2", "a")), (message("", "a"), message("", "b"))] {
        let completed = json!({ "type": "response.completed", "response": { "id": "r", "output": [first, second] } });
        let answer = collect(&[done(first.clone()), done(second.clone()), completed]).await;
        assert_eq!(answer.items.len(), 2, "{:?}", answer.items);
    }
    // An id that changes with each event does not make two of one.
    let answer = collect(&[
        json!({ "type": "response.output_item.added", "output_index": 0, "item": { "type": "message", "id": "a",
            "role": "assistant", "status": "in_progress", "content": [] } }),
        json!({ "type": "response.output_text.delta", "item_id": "b", "output_index": 0, "content_index": 0, "delta": "hi" }),
        json!({ "type": "response.output_text.done", "item_id": "c", "output_index": 0, "content_index": 0, "text": "hi" }),
        done(message("d", "hi")),
        json!({ "type": "response.completed", "response": { "id": "r", "output": [message("e", "hi")] } }),
    ])
    .await;
    assert_eq!((answer.items.len(), answer.text().as_str()), (1, "hi"));
}

#[tokio::test]
async fn what_broke_off_is_no_item_and_its_text_is_kept() {
    let stream = transcript(&[
        json!({ "type": "response.output_item.added", "output_index": 0, "item": { "type": "function_call", "id": "fc",
            "call_id": "c", "name": "pay", "arguments": "", "status": "in_progress" } }),
        json!({ "type": "response.function_call_arguments.delta", "item_id": "fc", "output_index": 0, "delta": "{\"a" }),
        json!({ "type": "response.output_text.delta", "item_id": "m", "output_index": 1, "content_index": 0, "delta": "half" }),
        json!({ "type": "response.incomplete", "response": { "id": "r", "output": [message("n", "whole")],
            "incomplete_details": { "reason": "max_output_tokens" } } }),
    ]);
    let (answer, ended_in) = guard(stream.collect_partial()).await;
    assert_eq!(ended_in.unwrap().code(), Some("max_output_tokens"));
    assert_eq!((types(&answer), answer.text().as_str()), (vec!["message"], "wholehalf"));
}

/// How a stream with this body ends, and how often the request was sent.
async fn error_of(script: ScriptedResponse) -> (Error, usize) {
    let backend = Backend::start().unwrap();
    backend.script_response(script);
    let stream = guard(ask(&codex(&backend)).stream()).await;
    let error = match stream {
        Ok(stream) => guard(stream.collect()).await.unwrap_err(),
        Err(error) => error,
    };
    (error, backend.requests().len())
}

#[tokio::test]
async fn an_error_in_any_clothes_keeps_its_words_and_is_not_retried() {
    let wrapped = r#"{"error":{"message":"inner words","code":"c"}}"#;
    let as_text = serde_json::to_string(wrapped).unwrap();
    let pretty = "{\n  \"error\": {\n    \"message\": \"inner words\",\n    \"code\": \"c\"\n  }\n}";
    let cases = [
        (report("02-error-event-plain-text.txt"), ErrorKind::Server, None, "try again in a minute"),
        ("event: error\ndata: {\"message\":\"inner words\"}\n\n".to_owned(), ErrorKind::Server, None, "inner words"),
        ("event: error\ndata: cut off words".to_owned(), ErrorKind::Server, None, "cut off words"),
        (
            report("03-error-body-without-data-field.txt"),
            ErrorKind::InvalidRequest,
            Some("exceed_context_size_error"),
            "6009 tokens",
        ),
        (
            report("04-error-object-without-type.txt"),
            ErrorKind::RateLimited,
            Some("rate_limit_exceeded"),
            "for model m",
        ),
        (report("04b-error-as-sse-field.txt"), ErrorKind::Server, Some("server_error"), "the slot was lost"),
        (report("05-200-with-error-object.json"), ErrorKind::Server, None, "Vision is not loaded"),
        (format!("data: [{wrapped}]\n\n"), ErrorKind::Server, Some("c"), "inner words"),
        (
            "data: {\"errors\":[{\"message\":\"inner words\",\"code\":\"c\"}]}\n\n".to_owned(),
            ErrorKind::Server,
            Some("c"),
            "inner words",
        ),
        (format!("data: {as_text}\n\n"), ErrorKind::Server, Some("c"), "inner words"),
        (format!("data: \u{feff}{wrapped}\n\n"), ErrorKind::Server, Some("c"), "inner words"),
        (format!("\u{feff}{wrapped}"), ErrorKind::Server, Some("c"), "inner words"),
        (pretty.to_owned(), ErrorKind::Server, Some("c"), "inner words"),
        ("data: {\"detail\":\"inner words\"}\n\n".to_owned(), ErrorKind::Server, None, "inner words"),
    ];
    for (body, kind, code, words) in cases {
        for media_type in ["text/event-stream", "application/json"] {
            if media_type == "application/json" && serde_json::from_str::<Value>(&body).is_err() {
                continue;
            }
            for chunk in [1, usize::MAX] {
                let script = ScriptedResponse::transcript(body.clone()).header("content-type", media_type);
                let (error, sent) = error_of(script.in_chunks_of(chunk)).await;
                assert_eq!((error.kind(), error.code(), sent), (kind, code, 1), "{body}: {error:?}");
                assert!(error.message().contains(words), "{body}: {error}");
            }
        }
    }
    // In the middle of a stream as well.
    let body = format!("data: {{\"type\":\"response.output_text.delta\",\"delta\":\"a\"}}\n\n{wrapped}\n\n");
    let (error, _) = error_of(ScriptedResponse::transcript(body).stall()).await;
    assert_eq!((error.code(), error.events_delivered().is_some_and(|events| events > 0)), (Some("c"), true));
}

#[tokio::test]
async fn what_is_no_error_does_not_become_one() {
    for body in ["{\"a\":1}\n\n", "event: error\n\n", "data: {\"type\":\"later\",\"error\":{\"message\":\"m\"}}\n\n"] {
        let completed = "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\"}}\n\n";
        let stream = ResponseStream::from_transcript(format!("{body}{completed}"));
        assert_eq!(guard(stream.collect()).await.unwrap().id(), Some("r"), "{body}");
    }
}

#[tokio::test]
async fn an_answer_in_one_piece_may_be_an_error() {
    let backend = Backend::start().unwrap();
    let client = openai(&backend);
    for (body, words) in [
        (report("05-200-with-error-object.json"), "Vision is not loaded"),
        (r#"[{"error":{"message":"inner words"}}]"#.to_owned(), "inner words"),
        (r#"{"errors":[{"message":"inner words"}],"success":false}"#.to_owned(), "inner words"),
    ] {
        backend.script_response(ScriptedResponse::transcript(body));
        let error = guard(client.openai_responses().create("m", "q").send()).await.unwrap_err();
        assert!(error.message().contains(words) && error.kind() == ErrorKind::Server, "{error:?}");
    }
    assert_eq!(backend.requests().len(), 3);
    // The numbers are not known, the answer is.
    backend.script_response(ScriptedResponse::transcript(report("01d-usage-null-counter-whole.json")));
    let whole = guard(client.openai_responses().create("m", "q").send()).await.unwrap();
    assert_eq!((whole.output_text().as_str(), whole.usage), ("four", None));
}

#[tokio::test]
async fn an_encoding_that_nobody_asked_for_is_named() {
    let bytes = |name: &str| std::fs::read(Path::new("tests/data/reports").join(name)).unwrap();
    let (error, sent) =
        error_of(ScriptedResponse::transcript(bytes("40-stream.gz")).header("content-encoding", "gzip")).await;
    assert_eq!((error.kind(), sent), (ErrorKind::Decode, 1));
    assert!(error.message().contains("`gzip`"), "{error}");

    let backend = Backend::start().unwrap();
    let usage = bytes("40-usage.gz");
    backend.script_response(ScriptedResponse::transcript(usage).header("content-encoding", "gzip"));
    let error = guard(openai(&backend).openai_responses().create("m", "q").send()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Decode && error.message().contains("`gzip`"), "{error}");
}

#[tokio::test]
async fn items_of_every_type_are_collected_and_given_back_as_they_came() {
    let call = |item_type: &str| {
        json!({ "type": item_type, "id": "i", "call_id": "c", "status": "completed",
            "action": { "commands": ["ls"], "timeout_ms": null }, "later": [1.5, null] })
    };
    let items: Vec<Value> = [
        "shell_call",
        "shell_call_output",
        "apply_patch_call",
        "apply_patch_call_output",
        "computer_call",
        "computer_call_output",
        "mcp_call",
        "mcp_list_tools",
        "mcp_approval_request",
        "mcp_approval_response",
        "image_generation_call",
        "code_interpreter_call",
        "file_search_call",
        "web_search_call",
        "additional_tools",
        "configuration_update",
        "of_tomorrow",
    ]
    .map(call)
    .into();
    for when_done in [true, false] {
        let done =
            items.iter().enumerate().filter(|_| when_done).map(
                |(place, item)| json!({ "type": "response.output_item.done", "output_index": place, "item": item }),
            );
        let output = if when_done { json!([]) } else { json!(items) };
        let completed = json!({ "type": "response.completed", "response": { "id": "r", "output": output } });
        let answer = collect(&done.chain([completed]).collect::<Vec<_>>()).await;
        let mut collected = serde_json::to_value(&answer.items).unwrap();
        // The image itself is always written, even where there is none.
        collected[10].as_object_mut().unwrap().retain(|name, value| name != "result" || !value.is_null());
        assert_eq!(collected, json!(items));
        assert!(answer.items.iter().all(|item| item.id() == Some("i")));
    }
}
