//! Waits that a server asks for, and retries that it does not want.

use std::time::Duration;

use codex_backend::responses::ResponseEventKind as Kind;
use codex_backend::testing::{Backend, Fault, Route, ScriptedResponse};
use codex_backend::{Error, ErrorKind, RetryPolicy};
use serde_json::{Value, json};

use super::support::{ask, codex, guard, openai, read};

fn failed(event_type: &str, code: &str, message: &str, headers: &Value) -> ScriptedResponse {
    let error = json!({ "code": code, "message": message });
    let event = match event_type {
        "error" => json!({ "type": "error", "error": error, "headers": headers }),
        _ => {
            json!({ "type": event_type, "response": { "id": "r", "status": "failed", "error": error }, "headers": headers })
        }
    };
    let created = json!({ "type": "response.created", "response": { "id": "r" } });
    match event_type {
        "error" => ScriptedResponse::events([event]),
        _ => ScriptedResponse::events([created, event]),
    }
}

/// The text of an answer, or the error that it ended in, and how often the backend was asked.
async fn asked(script: ScriptedResponse) -> (Result<String, Error>, usize) {
    let backend = Backend::start().unwrap();
    backend.script_response(script);
    backend.script_response(ScriptedResponse::text("later"));
    let answer = match guard(ask(&codex(&backend)).stream()).await {
        Ok(stream) => guard(stream.collect()).await.map(|answer| answer.text()),
        Err(error) => Err(error),
    };
    (answer, backend.requests().len())
}

#[tokio::test]
async fn a_response_that_fails_at_once_is_retried_if_the_server_wants_that() {
    let told = json!({ "Retry-After": "0.02" });
    let (none, sentence) = (json!({}), "Please try again in 20ms.");
    for event in ["response.failed", "error"] {
        for code in ["rate_limit_exceeded", "slow_down", "server_is_overloaded"] {
            for (message, headers) in [("busy", &told), (sentence, &none)] {
                let (answer, times) = asked(failed(event, code, message, headers)).await;
                assert_eq!((answer.unwrap().as_str(), times), ("later", 2), "{event} {code} {message}");
            }
            let (answer, times) = asked(failed(event, code, "busy", &none)).await;
            let retried = event == "response.failed" && code == "slow_down";
            assert_eq!((answer.is_ok(), times), (retried, 1 + usize::from(retried)), "{event} {code} without a wait");
        }
        for code in ["flex_unavailable", "usage_limit_reached", "insufficient_quota", "of_tomorrow"] {
            let (answer, times) = asked(failed(event, code, sentence, &told)).await;
            let error = answer.unwrap_err();
            assert_eq!((error.code(), times), (Some(code), 1), "{event}");
        }
    }
}

#[tokio::test]
async fn a_wait_that_is_too_long_ends_the_call_and_is_told() {
    for (event, message, headers) in
        [("response.failed", "try again in 61s", json!({})), ("error", "busy", json!({ "retry-after": 61 }))]
    {
        let (answer, times) = asked(failed(event, "slow_down", message, &headers)).await;
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), times), (ErrorKind::RateLimited, 1), "{error:?}");
        assert_eq!((error.retry_after(), error.events_delivered()), (Some(Duration::from_secs(61)), Some(0)));
        assert!(error.to_string().contains("retry after 61 s"), "{error}");
    }
}

#[tokio::test]
async fn once_something_else_is_told_nothing_is_retried() {
    let delta = json!({ "type": "response.output_text.delta", "delta": "x" });
    let error = json!({ "code": "slow_down", "message": "try again in 1ms" });
    let failed = json!({ "type": "response.failed", "response": { "id": "r", "error": error } });
    let (answer, times) = asked(ScriptedResponse::events([delta, failed])).await;
    assert_eq!((answer.unwrap_err().kind(), times), (ErrorKind::RateLimited, 1));
}

#[tokio::test]
async fn a_response_that_takes_its_time_is_told_to_have_begun() {
    let backend = Backend::start().unwrap();
    let created = json!({ "type": "response.created", "response": { "id": "r" } });
    backend.script_response(ScriptedResponse::events([created]).stall());
    let stream = guard(ask(&codex(&backend)).with_retry_policy(RetryPolicy::never()).stream()).await.unwrap();
    let mut events = stream;
    let first = guard(futures_util::StreamExt::next(&mut events)).await.unwrap().unwrap();
    assert!(matches!(first.kind, Kind::Created(_)) || first.raw().is_empty(), "{first:?}");
}

#[tokio::test]
async fn a_429_of_a_model_call_is_retried_if_it_names_a_wait() {
    let body = json!({ "error": { "code": "rate_limit_exceeded", "message": "busy" } }).to_string();
    for (status, header, times) in
        [(429, None, 1), (429, Some("0"), 2), (503, None, 2), (503, Some("0"), 2), (429, Some("61"), 1)]
    {
        let backend = Backend::start().unwrap();
        let mut fault = Fault::status(status).body(body.clone());
        if let Some(wait) = header {
            fault = fault.header("retry-after", wait);
        }
        backend.inject(Route::CREATE_RESPONSE, fault);
        let answered = guard(ask(&codex(&backend)).stream()).await;
        assert_eq!(backend.requests().len(), times, "{status} {header:?}");
        assert_eq!(answered.is_ok(), times == 2, "{status} {header:?}");
        // Whoever compacts calls a model too.
        backend.inject(Route::COMPACT_RESPONSE, Fault::status(429).body(body.clone()));
        let error = guard(ask(&codex(&backend)).compact()).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::RateLimited, 1));
    }
    // Everybody else's rule is another.
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::status(429).body(body.clone()));
    guard(codex(&backend).usage().get()).await.unwrap();
    backend.inject(Route::CREATE_RESPONSE, Fault::status(429).body(body));
    guard(openai(&backend).openai_responses().create("m", "hi").send()).await.unwrap();
    backend.script_response(failed("response.failed", "slow_down", "try again in 1ms", &json!({})));
    let stream = guard(openai(&backend).openai_responses().create("m", "hi").stream()).await.unwrap();
    let (events, ended_in) = read(stream).await;
    assert!(events.iter().any(|event| matches!(event.kind, Kind::Created(_))));
    assert_eq!(ended_in.unwrap().kind(), ErrorKind::RateLimited);
}
