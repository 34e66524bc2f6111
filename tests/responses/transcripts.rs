//! Every recorded transcript, however it is split, gives the events that are expected of it.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use codex_backend::responses::{ResponseEvent, ResponseEventKind as Kind, ResponseItem, ResponseStream};
use codex_backend::testing::ScriptedResponse;
use codex_backend::{Error, ErrorKind};
use futures_util::stream;
use serde_json::{Value, json};

use super::support::{play, read};

fn data(name: &str) -> Vec<u8> {
    std::fs::read(Path::new("tests/data/sse").join(name)).unwrap()
}

/// What is expected of each transcript: of those that were given, and of those for what these lack.
fn transcripts() -> BTreeMap<String, Value> {
    let mut transcripts = BTreeMap::new();
    for folder in ["", "further/"] {
        let expected: BTreeMap<String, Value> =
            serde_json::from_slice(&data(&format!("{folder}EXPECTED.json"))).unwrap();
        transcripts.extend(expected.into_iter().map(|(name, events)| (format!("{folder}{name}"), events)));
    }
    transcripts
}

/// The stream's events, as a client of April 2026 reported them: it left out what it did not use.
fn projected(events: &[ResponseEvent], ended_in: Option<&Error>) -> Value {
    let mut projected: Vec<Value> = events.iter().filter_map(project).collect();
    projected.extend(ended_in.map(project_error));
    Value::Array(projected)
}

fn project(event: &ResponseEvent) -> Option<Value> {
    Some(match &event.kind {
        Kind::Created(_) => json!({ "event": "created" }),
        Kind::OutputItemAdded(added) => {
            json!({ "event": "output_item_added", "item_type": item_type(&added.item, event)? })
        }
        Kind::OutputItemDone(done) => {
            json!({ "event": "output_item_done", "item_type": item_type(&done.item, event)? })
        }
        Kind::OutputTextDelta(piece) => json!({ "event": "output_text_delta", "delta": &*piece.delta }),
        Kind::CustomToolCallInputDelta(piece) => json!({
            "event": "tool_call_input_delta", "delta": &*piece.delta, "item_id": piece.item_id.as_deref(),
            "call_id": piece.call_id.as_deref(),
        }),
        Kind::ReasoningSummaryPartAdded(part) => {
            json!({ "event": "reasoning_summary_part_added", "summary_index": part.part_index })
        }
        Kind::ReasoningSummaryTextDelta(piece) => json!({
            "event": "reasoning_summary_delta", "delta": &*piece.delta, "summary_index": piece.part_index,
        }),
        Kind::ReasoningTextDelta(piece) => json!({
            "event": "reasoning_content_delta", "delta": &*piece.delta, "content_index": piece.part_index,
        }),
        Kind::ServerModel(model) => json!({ "event": "server_model", "model": &**model }),
        Kind::VerificationRecommended(names) => {
            // The only one that it knew.
            let known = names.iter().find(|name| *name == "trusted_access_for_cyber")?;
            json!({ "event": "model_verifications", "verifications": [known] })
        }
        Kind::Completed(response) => json!({
            "event": "completed", "response_id": response.id,
            "usage": response.usage.map(|usage| json!({
                "cached_input_tokens": usage.cached_tokens, "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens, "reasoning_output_tokens": usage.reasoning_tokens,
                "total_tokens": usage.total_tokens,
            })),
        }),
        _ => return None,
    })
}

/// An item that does not parse was skipped: one of a type that is not known, or a message without parts.
fn item_type<'a>(item: &'a ResponseItem, event: &ResponseEvent) -> Option<&'a str> {
    let is_skipped = match item {
        ResponseItem::Other(_) => true,
        ResponseItem::Message(_) => !event.json().unwrap()["item"]["content"].is_array(),
        _ => false,
    };
    (!is_skipped).then(|| item.item_type())
}

/// The error as that client reported it, which told fewer kinds apart.
fn project_error(error: &Error) -> Value {
    let stream = |message: &str| json!({ "error": "stream", "message": message });
    let event = event_of(error);
    let told = &event["response"]["error"];
    let message = || told.get("message").and_then(Value::as_str).unwrap_or("");
    let or = |otherwise: &str| Some(message()).filter(|said| !said.trim().is_empty()).unwrap_or(otherwise).to_owned();
    match error.kind() {
        ErrorKind::ContextWindowExceeded => json!({ "error": "context_window_exceeded" }),
        ErrorKind::QuotaExceeded => json!({ "error": "quota_exceeded" }),
        ErrorKind::NotIncluded => json!({ "error": "usage_not_included" }),
        ErrorKind::Overloaded => json!({ "error": "server_overloaded" }),
        // In its newer versions a limit of its own.
        ErrorKind::RateLimited if error.code() == Some("slow_down") => json!({ "error": "server_overloaded" }),
        ErrorKind::PolicyViolation => {
            let message = or("This request has been flagged for possible cybersecurity risk.");
            json!({ "error": "cyber_policy", "message": message })
        }
        ErrorKind::InvalidRequest if matches!(error.code(), Some("invalid_prompt" | "bio_policy")) => {
            json!({ "error": "invalid_request", "message": or("Invalid request.") })
        }
        ErrorKind::Incomplete => {
            let reason = error.code().unwrap_or("unknown");
            stream(&format!("Incomplete response returned, reason: {reason}"))
        }
        ErrorKind::Truncated => stream("stream closed before response.completed"),
        ErrorKind::Timeout => stream("idle timeout waiting for SSE"),
        // It skipped the event, and the body ended.
        ErrorKind::Decode if event["type"] == "response.completed" && event["response"].is_null() => {
            stream("stream closed before response.completed")
        }
        // Which member it is, is told to nobody: the decoder's sentence may quote the answer.
        ErrorKind::Decode if error.body().is_some() => stream("failed to parse ResponseCompleted"),
        ErrorKind::Decode | ErrorKind::Interrupted | ErrorKind::ResponseTooLarge => stream(error.message()),
        // Whatever else a server says of a response that failed: it may be retried.
        _ if told.is_null() => stream("response.failed event received"),
        kind => {
            let delay = error.retry_after().filter(|_| kind == ErrorKind::RateLimited);
            let delay = delay.map(|delay| delay.as_secs_f64());
            json!({ "error": "retryable", "message": message(), "delay_seconds": delay })
        }
    }
}

/// The event that the stream ended in.
fn event_of(error: &Error) -> Value {
    error.body().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default()
}

/// What is stated to differ: a top-level `error` event is an error, with its words, and a number that is missing makes usage
/// unknown, not the answer unreadable.
fn check(name: &str, events: &[ResponseEvent], ended_in: Option<&Error>, expected: &Value, how: &str) {
    if name == "27_top_level_error_event.txt" {
        assert_eq!(projected(events, None), json!([{ "event": "created" }]), "{name}, {how}");
        let error = ended_in.unwrap();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("server_error")), "{name}, {how}");
        assert!(error.message().contains("boom"), "{error}");
        return;
    }
    if name == "further/completed_usage_lacks_total.txt" {
        let completed = json!({ "event": "completed", "response_id": "r", "usage": null });
        let expected = json!([{ "event": "created" }, completed]);
        assert_eq!(projected(events, ended_in), expected, "{name}, {how}");
        return;
    }
    let mut expected = expected.clone();
    for event in expected.as_array_mut().unwrap() {
        if let Some(("failed to parse ResponseCompleted", _)) =
            event["message"].as_str().and_then(|message| message.split_once(':'))
        {
            event["message"] = json!("failed to parse ResponseCompleted");
        }
    }
    assert_eq!(projected(events, ended_in), expected, "{name}, {how}");
    // What the server said stands in the error's own sentence too.
    if let Some(error) = ended_in
        && let Some(said) = event_of(error)["response"]["error"]["message"].as_str()
    {
        let said: Vec<&str> = said.split_whitespace().collect();
        assert!(error.message().ends_with(&said.join(" ")), "{name}, {how}: {error}");
    }
}

#[tokio::test]
async fn every_transcript_over_a_socket_in_chunks_of_every_size() {
    for (name, expected) in transcripts() {
        let body = data(&name);
        for size in [1, 2, 3, 7, 64, 1000, usize::MAX] {
            let (events, ended_in) = play(ScriptedResponse::transcript(body.clone()).in_chunks_of(size)).await;
            check(&name, &events, ended_in.as_ref(), &expected, &format!("chunks of {size}"));
        }
    }
}

#[tokio::test]
async fn every_transcript_behind_a_byte_order_mark_and_split_in_two_anywhere() {
    for (name, expected) in transcripts() {
        let body = Bytes::from([b"\xef\xbb\xbf".as_slice(), &data(&name)].concat());
        for split in (0..body.len()).step_by(if body.len() > 1000 { 13 } else { 1 }) {
            let chunks = [body.slice(..split), body.slice(split..)].map(Ok::<_, std::io::Error>);
            let (events, ended_in) = read(ResponseStream::from_chunks(stream::iter(chunks))).await;
            check(&name, &events, ended_in.as_ref(), &expected, &format!("split at {split}"));
        }
    }
}

#[tokio::test]
async fn nothing_that_a_transcript_says_is_lost() {
    let (events, _) = play(ScriptedResponse::transcript(data("19_noise_is_skipped.txt"))).await;
    let from_body: Vec<&ResponseEvent> = events.iter().filter(|event| !event.raw().is_empty()).collect();
    let told: Vec<String> = from_body
        .iter()
        .map(|event| match &event.kind {
            Kind::Unknown(unknown) => format!("unknown {}", unknown.event_type),
            Kind::Undecodable(undecodable) => {
                format!("undecodable {} ({})", undecodable.event_type.as_deref().unwrap_or("-"), undecodable.reason)
            }
            Kind::OutputItemDone(done) => format!("item {}", serde_json::to_string(&done.item).unwrap()),
            other => format!("{other:?}").split('(').next().unwrap().to_owned(),
        })
        .collect();
    assert_eq!(
        told,
        [
            "Created",
            "OutputTextDelta",
            "undecodable - (it is not a JSON object)",
            "unknown keepalive",
            "undecodable - (it has no type)",
            "unknown response.brand_new.thing",
            "undecodable response.output_text.delta (a member that its type needs is missing or wrong)",
            r#"item {"type":"message","role":"assistant","content":[]}"#,
            "Completed",
        ]
    );
    assert_eq!(from_body[5].json().unwrap()["x"], 1);
    assert_eq!(from_body[3].sequence_number, Some(9));
}

#[tokio::test]
async fn limits_inside_a_stream_are_told() {
    let (events, _) = play(ScriptedResponse::transcript(data("24_codex_rate_limits_event.txt"))).await;
    let Some(Kind::RateLimits(snapshot)) =
        events.iter().map(|event| &event.kind).find(|kind| matches!(kind, Kind::RateLimits(_)))
    else {
        panic!("{events:?}")
    };
    assert_eq!(snapshot.limit_id, "codex");
    assert_eq!(snapshot.secondary.unwrap().used_percent, 5.5);
    assert_eq!(snapshot.credits.as_ref().unwrap().balance.as_deref(), Some("123"));
}
