//! What other clients were found to get wrong, row by row.

use codex_backend::ErrorKind;
use codex_backend::responses::{MessageRole, ResponseEventKind as Kind, ResponseItem, ResponseStream};
use codex_backend::testing::{Backend, Fault, Route, ScriptedResponse};
use serde_json::json;

use super::support::{ask, codex, guard, play, read};

#[tokio::test]
async fn an_event_of_an_unknown_type_is_an_event() {
    let (events, ended_in) = play(ScriptedResponse::events([
        json!({ "type": "response.of_tomorrow", "item_id": 7, "delta": { "a": [1] } }),
        json!({ "type": "response.completed", "response": { "id": "r", "output": [{ "type": "of_tomorrow" }], "new": {} } }),
    ]))
    .await;
    assert!(ended_in.is_none());
    let unknown = events.iter().find(|event| event.raw().contains("of_tomorrow")).unwrap();
    // Its members may have any type.
    assert!(matches!(&unknown.kind, Kind::Unknown(event) if event.event_type == "response.of_tomorrow"), "{unknown:?}");
    assert_eq!(unknown.json().unwrap()["delta"]["a"][0], 1);
    assert!(matches!(events.last().unwrap().kind, Kind::Completed(_)));
}

/// The one event that the JSON means, which no header made.
async fn decoded(json: &str) -> Kind {
    let (mut events, _) = read(ResponseStream::from_transcript(format!("data: {json}\n\n"))).await;
    assert_eq!(events.len(), 1, "{json}: {events:?}");
    let event = events.remove(0);
    assert_eq!(event.raw(), json);
    event.kind
}

#[tokio::test]
async fn text_is_text_whatever_stands_beside_it() {
    for json in [
        r#"{"type":"response.output_text.delta","delta":"no","delta":"hi","output_index":1,"content_index":2}"#,
        r#"{"type":"response.refusal.delta","type":"response.output_text.delta","delta":"hi","output_index":1,"content_index":2}"#,
        r#"{"type":"response.output_text.delta","delta":"hi","output_index":1.0,"content_index":2e0}"#,
        r#"{"type":"response.output_text.delta","delta":"hi","output_index":1,"content_index":2,"item_id":7}"#,
        r#"{"type":"response.output_text.delta","delta":"hi","output_index":1,"content_index":2,"text":{},"item":null}"#,
        r#"{"type":"response.output_text.delta","delta":"hi","output_index":1,"content_index":2,"call_id":[null]}"#,
        r#"{"type":"response.output_text.delta","delta":"hi","output_index":1,"content_index":2,"sequence_number":-1}"#,
    ] {
        let Kind::OutputTextDelta(piece) = decoded(json).await else { panic!("{json}") };
        assert_eq!(
            (&*piece.delta, piece.item_id, piece.output_index, piece.part_index),
            ("hi", None, Some(1), Some(2)),
            "{json}"
        );
    }
    for index in ["1.5", "-1", "4294967296", "\"1\"", "null", "true", "1e300"] {
        let json = format!(r#"{{"type":"response.output_text.delta","delta":"hi","output_index":{index}}}"#);
        let Kind::OutputTextDelta(piece) = decoded(&json).await else { panic!("{json}") };
        assert_eq!((&*piece.delta, piece.output_index), ("hi", None), "{json}");
    }
    for json in [
        r#"{"type":"response.output_text.delta","delta":"hi","delta":null}"#,
        r#"{"type":"response.output_text.delta","delta":["hi"]}"#,
        r#"{"type":"response.output_item.done","item":null}"#,
    ] {
        let Kind::Undecodable(event) = decoded(json).await else { panic!("{json}") };
        assert!(event.event_type.is_some_and(|name| name.starts_with("response.output_")), "{json}");
    }
}

#[tokio::test]
async fn items_are_items_whatever_they_lack() {
    for item in [
        r#"{"type":"message","role":"assistant","content":"hi"}"#,
        r#"{"type":"message","role":"assistant","content":[{"type":"output_text","text":"hi"}],"status":null,"phase":"of_tomorrow"}"#,
        r#"{"type":"message","role":"user","content":null,"role":"assistant","content":"hi"}"#,
        r#"{"role":"assistant","content":[{"text":"hi","type":"output_text","annotations":null}],"type":"message"}"#,
    ] {
        let json = format!(r#"{{"type":"response.output_item.done","output_index":0.0,"item":{item}}}"#);
        let Kind::OutputItemDone(done) = decoded(&json).await else { panic!("{json}") };
        let ResponseItem::Message(message) = &*done.item else { panic!("{json}: {done:?}") };
        assert_eq!((&message.role, message.text().as_str()), (&MessageRole::Assistant, "hi"), "{json}");
    }
}

#[tokio::test]
async fn a_response_is_read_without_the_members_that_cannot_be() {
    for response in ["{}", r#"{"id":null}"#, r#"{"id":7,"output":"none"}"#] {
        let json = format!(r#"{{"type":"response.created","response":{response}}}"#);
        assert!(matches!(decoded(&json).await, Kind::Created(response) if response.id.is_empty()), "{json}");
    }
    let json = r#"{"type":"response.completed","response":{"id":"r","id":"s","service_tier":1,"status":{},"output":{},
        "model":"m","error":"none","usage":{"input_tokens":3.0,"output_tokens":2,"total_tokens":5,
        "input_tokens_details":{"cached_tokens":1.0,"cache_write_tokens":null},"output_tokens_details":null}}}"#;
    let Kind::Completed(response) = decoded(&json.replace('\n', "")).await else { panic!() };
    assert_eq!((response.id.as_str(), response.model.as_deref(), response.service_tier), ("s", Some("m"), None));
    let usage = response.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens, usage.total_tokens), (3, 1, 0, 5));
    // What it cost is not guessed, and does not cost the answer.
    for usage in [
        "{}",
        "7",
        r#"{"input_tokens":1}"#,
        r#"{"input_tokens":1.5,"output_tokens":1,"total_tokens":3}"#,
        r#"{"input_tokens":-1,"output_tokens":1,"total_tokens":3}"#,
        r#"{"input_tokens":1,"output_tokens":null,"total_tokens":3}"#,
        r#"{"input_tokens":1,"output_tokens":1,"total_tokens":2,"input_tokens_details":{}}"#,
        r#"{"input_tokens":1,"output_tokens":1,"total_tokens":2,"output_tokens_details":{"reasoning_tokens":null}}"#,
    ] {
        let json = format!(r#"{{"type":"response.completed","response":{{"id":"r","usage":{usage}}}}}"#);
        let Kind::Completed(response) = decoded(&json).await else { panic!("{json}") };
        assert_eq!((response.id.as_str(), response.usage), ("r", None), "{json}");
    }
}

#[tokio::test]
async fn single_bytes_line_endings_comments_and_long_characters_are_all_one() {
    let body = ": hello\r\n\r\nevent: x\r\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"👋 wörld\"}\r\n\r\n\
                data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\"}}\r\r";
    let (events, ended_in) = play(ScriptedResponse::transcript(body).in_chunks_of(1)).await;
    assert!(ended_in.is_none());
    assert!(
        events.iter().any(|event| matches!(&event.kind, Kind::OutputTextDelta(piece) if piece.delta == "👋 wörld"))
    );
}

#[tokio::test]
async fn an_end_without_a_terminal_event_is_truncation() {
    let event = json!({ "type": "response.output_text.delta", "delta": "half" });
    let (_, ended_in) = play(ScriptedResponse::events([event]).then("data: [DONE]\n\n")).await;
    assert_eq!(ended_in.unwrap().kind(), ErrorKind::Truncated);
}

#[tokio::test]
async fn a_failure_before_an_open_socket_comes_at_once_with_code_and_message() {
    let (_, ended_in) = play(ScriptedResponse::failed("server_error", "the model fell over").stall()).await;
    let error = ended_in.unwrap();
    assert_eq!(error.code(), Some("server_error"));
    assert!(error.message().contains("the model fell over"), "{error}");
}

#[tokio::test]
async fn dead_credentials_are_not_tried_again() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::CREATE_RESPONSE, Fault::unauthorized("token_invalidated").times(9));
    let error = guard(ask(&codex(&backend)).stream()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, Some("token_invalidated")));
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn a_usage_limit_is_not_tried_again_and_tells_when_it_resets() {
    let backend = Backend::start().unwrap();
    let body = json!({ "error": { "type": "usage_limit_reached", "message": "The usage limit has been reached",
        "plan_type": "plus", "resets_in_seconds": 9568 } });
    let fault = Fault::status(429)
        .header("x-codex-primary-used-percent", "100")
        .header("x-codex-primary-window-minutes", "300")
        .header("x-codex-promo-message", " Upgrade ")
        .body(body.to_string());
    backend.inject(Route::CREATE_RESPONSE, fault.times(9));
    let error = guard(ask(&codex(&backend)).stream()).await.unwrap_err();
    assert_eq!((error.kind(), backend.requests().len()), (ErrorKind::UsageLimit, 1));
    assert!((9500..=9568).contains(&error.retry_after().unwrap().as_secs()), "{error}");
    let limit = error.usage_limit().unwrap();
    assert_eq!(limit.plan_type.as_ref().unwrap().as_str(), "plus");
    assert!(limit.resets_at.is_some());
    assert_eq!(limit.rate_limits.as_ref().unwrap().primary.unwrap().used_percent, 100.0);
    assert_eq!(limit.promo_message.as_deref(), Some("Upgrade"));
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let (backend, elsewhere) = (Backend::start().unwrap(), Backend::start().unwrap());
    backend
        .inject(Route::CREATE_RESPONSE, Fault::redirect_to(&format!("{}/codex/responses", elsewhere.codex_base_url())));
    let error = guard(ask(&codex(&backend)).stream()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redirect);
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn nothing_shows_a_credential() {
    let backend = Backend::start().unwrap();
    let token = backend.issue_access_token("acct-1");
    let secret = secrecy::ExposeSecret::expose_secret(&token).to_owned();
    let client = backend.client().chatgpt(codex_backend::ChatGptTokens::new(token.clone())).build().unwrap();
    backend.script_response(ScriptedResponse::failed("server_error", &format!("you sent Bearer {secret}")));
    let request = client.codex_responses().create("gpt-5.5", "i", "hello");
    let shown = format!("{request:?}");
    let stream = guard(request.stream()).await.unwrap();
    let shown = format!("{shown}{stream:?}");
    let error = guard(stream.collect()).await.unwrap_err();
    let shown = format!("{shown}{error}{error:?}");
    assert!(shown.contains("[hidden]") && !shown.contains(&secret), "{shown}");
}
