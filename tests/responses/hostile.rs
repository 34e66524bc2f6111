//! Bodies that are made to cost more than they should.

use codex_backend::models::RefreshStrategy;
use codex_backend::responses::{ResponseEventKind as Kind, ResponseItem, ResponseStream};
use codex_backend::testing::{Backend, Fault, Route, ScriptedResponse};
use codex_backend::{ErrorKind, RetryPolicy};
use serde_json::{Value, json};

use super::support::{ask, codex, guard, openai, read};

/// An array nested in itself, behind the key with which `serde_json` marks text that it parses anew: each such text starts
/// its count of levels at zero, so that `texts` of them make a value with a hundred times as many levels.
fn nested(texts: usize, written: impl Fn(&str) -> String) -> String {
    let mut inner = "1".to_owned();
    for _ in 0..texts {
        let text = Value::from(inner).to_string();
        inner = format!(
            r#"{}{{"{}":{text}}}{}"#,
            "[".repeat(100),
            written("$serde_json::private::RawValue"),
            "]".repeat(100)
        );
    }
    inner
}

fn escaped(key: &str) -> String {
    key.bytes().map(|byte| format!("\\u{byte:04x}")).collect()
}

/// Deep by that key, plainly or in escapes; deep by itself; and wide.
fn hostile() -> Vec<(&'static str, String, ErrorKind)> {
    vec![
        ("1,000 levels in 36 KB", nested(11, str::to_owned), ErrorKind::Decode),
        ("with escaped keys", nested(10, escaped), ErrorKind::Decode),
        ("100,000 levels", "[".repeat(100_000) + &"]".repeat(100_000), ErrorKind::ResponseTooLarge),
        ("a million objects", format!("[{}{{}}]", "{\"\":{}},".repeat(500_000)), ErrorKind::ResponseTooLarge),
        ("a million numbers", format!("[{}0]", "0,".repeat(1_000_000)), ErrorKind::ResponseTooLarge),
    ]
}

#[tokio::test]
async fn an_error_body_costs_no_more_than_its_text() {
    let backend = Backend::start().unwrap();
    let client = codex(&backend);
    for (what, json, _) in hostile() {
        for body in [json.clone(), format!(r#"{{"error":{{"code":"of_tomorrow","details":{json}}}}}"#)] {
            backend.inject(Route::GET_USAGE, Fault::status(400).header("content-type", "application/json").body(body));
            let error = guard(client.usage().get()).await.unwrap_err();
            assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::InvalidRequest, 400), "{what}");
            assert!(error.body().is_some_and(|body| !body.is_empty()), "{what}");
        }
    }
}

#[tokio::test]
async fn an_answer_beyond_the_bounds_is_a_typed_error() {
    let backend = Backend::start().unwrap();
    let (client, api) = (codex(&backend), openai(&backend));
    for (what, json, kind) in hostile() {
        let answer = |body: String| Fault::status(200).header("content-type", "application/json").body(body);
        // A member that only the raw answer has.
        backend.inject(Route::GET_USAGE, answer(format!(r#"{{"plan_type":"plus","of_tomorrow":{json}}}"#)));
        let error = guard(client.usage().get().with_raw()).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (kind, 1), "{what}: {error:?}");
        // A list of values, and members that are kept.
        backend.inject(Route::LIST_MODELS, answer(format!(r#"{{"models":[{{"slug":"m","of_tomorrow":{json}}}]}}"#)));
        let error = guard(client.codex_models().catalogue(RefreshStrategy::Online)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{what}: {error:?}");
        let response = format!(r#"{{"id":"r","status":"completed","output":[{{"type":"of_tomorrow","v":{json}}}]}}"#);
        backend.inject(Route::CREATE_RESPONSE, answer(response));
        let error = guard(api.openai_responses().create("m", "hi").send()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{what}: {error:?}");
    }
}

#[tokio::test]
async fn an_event_beyond_the_bounds_ends_its_stream() {
    for (what, json, kind) in hostile() {
        for event in [
            format!(r#"{{"type":"response.output_item.done","item":{{"type":"of_tomorrow","v":{json}}}}}"#),
            format!(r#"{{"type":"response.output_item.done","item":{json}}}"#),
            format!(r#"{{"type":"response.content_part.done","part":{{"type":"output_text","text":"","v":{json}}}}}"#),
            format!(r#"{{"type":"response.output_text.annotation.added","annotation":{json}}}"#),
            format!(r#"{{"type":"response.metadata","metadata":{json}}}"#),
            format!(r#"{{"type":"of_tomorrow","headers":{json}}}"#),
            format!(r#"{{"type":"response.created","response":{{"id":"r","headers":{{}},"v":{json}}}}}"#),
            format!(
                r#"{{"type":"response.completed","response":{{"id":"r","output":[{{"type":"message","role":"assistant","content":[{json}]}}]}}}}"#
            ),
            format!(r#"{{"type":"response.incomplete","response":{{"incomplete_details":{json}}}}}"#),
        ] {
            let (events, ended_in) = read(ResponseStream::from_transcript(format!("data: {event}\n\n"))).await;
            let error = ended_in.unwrap();
            assert_eq!((events.len(), error.kind()), (0, kind), "{what}: {}", &event[..60]);
        }
        // What nobody reads is told, and cannot be made a value.
        let event = format!(r#"{{"type":"of_tomorrow","v":{json}}}"#);
        let (events, _) = read(ResponseStream::from_transcript(format!("data: {event}\n\n"))).await;
        assert!(matches!(events[0].kind, Kind::Unknown(_)), "{what}");
        assert_eq!(events[0].raw(), event);
        assert!(events[0].json().is_err(), "{what}");
        let error = format!(r#"{{"type":"error","error":{{"code":"slow_down","details":{json}}}}}"#);
        let (_, ended_in) = read(ResponseStream::from_transcript(format!("data: {error}\n\n"))).await;
        assert_eq!(ended_in.unwrap().kind(), ErrorKind::Server, "{what}");
    }
}

#[tokio::test]
async fn what_a_model_writes_is_bounded_too() {
    for (what, json, _) in hostile() {
        let item = json!({ "type": "function_call", "call_id": "c", "name": "f", "arguments": json });
        let ResponseItem::FunctionCall(call) = serde_json::from_value(item).unwrap() else { panic!() };
        assert!(call.parse_arguments::<Value>().is_err(), "{what}");
    }
    let backend = Backend::start().unwrap();
    backend.script_response(ScriptedResponse::text(&nested(3, str::to_owned)));
    let stream = guard(ask(&codex(&backend)).with_retry_policy(RetryPolicy::never()).stream()).await.unwrap();
    let answer = guard(stream.collect()).await.unwrap();
    assert!(answer.text().starts_with("[[") && answer.parse::<Value>().is_err());
}
