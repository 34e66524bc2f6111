//! Every recorded transcript, however it is split, gives the events that are expected of it.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use codex_backend::testing::ScriptedResponse;
use codex_backend::{Error, ErrorKind, ResponseEvent, ResponseEventKind as Kind, ResponseItem, ResponseStream};
use futures_util::stream;
use serde_json::{Value, json};

use super::support::{play, read};

fn data(name: &str) -> Vec<u8> {
    std::fs::read(Path::new("tests/data/sse").join(name)).unwrap()
}

fn transcripts() -> BTreeMap<String, Value> {
    serde_json::from_slice(&data("EXPECTED.json")).unwrap()
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
            json!({ "event": "output_item_added", "item_type": item_type(&added.item)? })
        }
        Kind::OutputItemDone(done) => json!({ "event": "output_item_done", "item_type": item_type(&done.item)? }),
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

/// An item that does not parse was skipped.
fn item_type(item: &ResponseItem) -> Option<&str> {
    (!matches!(item, ResponseItem::Other(_))).then(|| item.item_type())
}

fn project_error(error: &Error) -> Value {
    let said = || error.message().split_once(": ").map_or(error.message(), |(_, said)| said);
    match error.kind() {
        ErrorKind::ContextWindowExceeded => json!({ "error": "context_window_exceeded" }),
        ErrorKind::QuotaExceeded => json!({ "error": "quota_exceeded" }),
        ErrorKind::NotIncluded => json!({ "error": "usage_not_included" }),
        ErrorKind::RateLimited => {
            let delay = error.retry_after().map(|delay| delay.as_secs_f64());
            json!({ "error": "retryable", "message": said(), "delay_seconds": delay })
        }
        ErrorKind::Incomplete => {
            let message = format!("Incomplete response returned, reason: {}", error.code().unwrap());
            json!({ "error": "stream", "message": message })
        }
        ErrorKind::Truncated => json!({ "error": "stream", "message": "stream closed before response.completed" }),
        ErrorKind::Decode => {
            json!({ "error": "stream", "message": "failed to parse ResponseCompleted: missing field `id`" })
        }
        kind => panic!("{kind:?}: {error}"),
    }
}

/// What is stated to differ: a top-level `error` event is an error, with its words.
fn check(name: &str, events: &[ResponseEvent], ended_in: Option<&Error>, expected: &Value, how: &str) {
    if name == "27_top_level_error_event.txt" {
        assert_eq!(projected(events, None), json!([{ "event": "created" }]), "{name}, {how}");
        let error = ended_in.unwrap();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("server_error")), "{name}, {how}");
        assert!(error.message().contains("boom"), "{error}");
        return;
    }
    assert_eq!(&projected(events, ended_in), expected, "{name}, {how}");
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
            r#"item {"role":"assistant","type":"message"}"#,
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
