//! What other clients were found to get wrong, row by row.

use codex_backend::testing::{Backend, Fault, Route, ScriptedResponse};
use codex_backend::{ErrorKind, ResponseEventKind as Kind};
use serde_json::json;

use super::support::{ask, codex, guard, play};

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
    backend.inject(Route::CreateResponse, Fault::unauthorized("token_invalidated").times(9));
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
    backend.inject(Route::CreateResponse, fault.times(9));
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
        .inject(Route::CreateResponse, Fault::redirect_to(&format!("{}/codex/responses", elsewhere.codex_base_url())));
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
