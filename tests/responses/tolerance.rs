//! Members of an event that are odd, missing or somewhere else lose nothing that can still be told.

use codex_backend::ErrorKind;
use codex_backend::responses::{ResponseEvent, ResponseEventKind as Kind, ResponseStream, SafetyBuffering};
use serde_json::{Value, json};

use super::support::read;

fn stream(events: &[Value]) -> ResponseStream {
    ResponseStream::from_transcript(events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>())
}

/// The events of a stream that ends too early behind them.
async fn told(events: &[Value]) -> Vec<ResponseEvent> {
    let (events, ended_in) = read(stream(events)).await;
    assert_eq!(ended_in.unwrap().kind(), ErrorKind::Truncated);
    events
}

#[tokio::test]
async fn a_response_needs_no_more_than_its_id_to_be_complete() {
    for (name, odd) in [
        ("status", json!(5)),
        ("model", json!({})),
        ("created_at", json!("today")),
        ("output", json!({})),
        ("error", json!("none")),
        ("incomplete_details", json!(false)),
        ("service_tier", json!([])),
        ("end_turn", json!("yes")),
    ] {
        let usage = json!({ "input_tokens": 1, "output_tokens": 2, "total_tokens": 3 });
        let mut response = json!({ "id": "r", "model": "gpt-a", "later": 7, "usage": usage });
        response[name] = odd;
        let (events, ended_in) = read(stream(&[json!({ "type": "response.completed", "response": response })])).await;
        assert!(ended_in.is_none(), "{name}: {ended_in:?}");
        let Kind::Completed(completed) = &events[0].kind else { panic!("{events:?}") };
        assert_eq!((completed.id.as_str(), completed.usage.unwrap().total_tokens), ("r", 3), "{name}");
        assert_eq!((completed.model.is_some(), &completed.extra["later"]), (name != "model", &json!(7)), "{name}");
    }
    // Without an id, it is not known to be complete.
    let (_, ended_in) = read(stream(&[json!({ "type": "response.completed", "response": { "id": null } })])).await;
    assert_eq!(ended_in.unwrap().kind(), ErrorKind::Decode);
}

#[tokio::test]
async fn a_response_that_begins_or_fails_need_not_tell_its_id() {
    let events = told(&[json!({ "type": "response.created", "response": {} })]).await;
    assert!(matches!(&events[0].kind, Kind::Created(response) if response.id.is_empty()), "{events:?}");

    let events = [
        json!({ "type": "response.created", "response": { "id": "r" } }),
        json!({ "type": "response.in_progress", "response": { "status": "in_progress", "usage": "much" } }),
        json!({ "type": "response.incomplete", "response": { "incomplete_details": { "reason": "content_filter" } } }),
    ];
    let (collected, ended_in) = stream(&events).collect_partial().await;
    assert_eq!(ended_in.unwrap().code(), Some("content_filter"));
    assert_eq!(collected.id(), Some("r"));
    assert!(collected.response.unwrap().incomplete_details.is_some(), "the last word counts");
    let (collected, _) = stream(&events[1..2]).collect_partial().await;
    assert_eq!(collected.id(), None);
}

#[tokio::test]
async fn an_event_needs_no_more_than_its_type_does() {
    let events = told(&[
        json!({ "type": "response.output_text.delta", "delta": "a", "output_index": "0", "input": {}, "sequence_number": -1 }),
        json!({ "type": "response.output_item.done", "item": { "type": "reasoning", "summary": [] }, "text": [] }),
        json!({ "type": "response.output_text.delta", "delta": ["a"], "item_id": "i" }),
    ])
    .await;
    assert!(
        matches!(&events[0].kind, Kind::OutputTextDelta(piece) if piece.delta == "a" && piece.output_index.is_none())
    );
    assert!(matches!(&events[1].kind, Kind::OutputItemDone(done) if done.item.item_type() == "reasoning"));
    let Kind::Undecodable(undecodable) = &events[2].kind else { panic!("{events:?}") };
    assert_eq!(undecodable.event_type.as_deref(), Some("response.output_text.delta"));
}

#[tokio::test]
async fn an_event_about_the_stream_itself_is_told_whatever_it_holds() {
    for (event, metadata) in [
        (json!({ "type": "response.metadata" }), json!(null)),
        (json!({ "type": "response.metadata", "metadata": {} }), json!({})),
        (json!({ "type": "response.metadata", "headers": { "x-later": "1" } }), json!(null)),
        (
            json!({ "type": "response.metadata", "metadata": { "openai_verification_recommendation": "text" } }),
            json!({ "openai_verification_recommendation": "text" }),
        ),
    ] {
        let events = told(std::slice::from_ref(&event)).await;
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(matches!(&events[0].kind, Kind::Metadata(told) if *told == metadata), "{events:?}");
        assert_eq!(events[0].json().unwrap(), event);
    }
}

#[tokio::test]
async fn the_model_is_told_by_the_headers_that_name_it() {
    let events = told(&[
        json!({ "type": "response.created", "response": { "id": "r", "headers": { "x-other": "1" } },
            "headers": { "OpenAI-Model": "gpt-beside" } }),
        json!({ "type": "response.in_progress", "response": { "id": "r", "headers": { "openai-model": "gpt-within" } },
            "headers": { "openai-model": "gpt-beside" } }),
        json!({ "type": "response.output_text.delta", "delta": "a",
            "safety_buffering": { "use_cases": ["u"], "reasons": null } }),
    ])
    .await;
    let models = events.iter().filter_map(|event| match &event.kind {
        Kind::ServerModel(model) => Some(model.to_string()),
        _ => None,
    });
    assert_eq!(models.collect::<Vec<_>>(), ["gpt-beside", "gpt-within"]);
    assert!(events.iter().any(|event| matches!(&event.kind, Kind::SafetyBuffering(told) if told.use_cases == ["u"])));
}

#[tokio::test]
async fn an_event_of_any_type_may_carry_headers_and_a_word_about_safety_buffering() {
    let texts = ["output_text", "refusal", "reasoning_text", "reasoning_summary_text", "function_call_arguments"];
    let texts = texts.into_iter().chain(["custom_tool_call_input", "mcp_call_arguments", "code_interpreter_call_code"]);
    let parts = ["output_item", "content_part", "reasoning_summary_part"];
    let responses = ["created", "queued", "in_progress", "completed", "incomplete", "failed", "metadata"];
    let types = texts
        .flat_map(|text| [format!("response.{text}.delta"), format!("response.{text}.done")])
        .chain(parts.into_iter().flat_map(|part| [format!("response.{part}.added"), format!("response.{part}.done")]))
        .chain(responses.map(|response| format!("response.{response}")))
        .chain(["image_generation_call.partial_image", "web_search_call.searching"].map(|of| format!("response.{of}")))
        .chain(["response.output_text.annotation.added", "error", "codex.rate_limits", "later"].map(str::to_owned));
    // Whether it holds what its type needs, or not.
    let whole = json!({ "delta": "a", "text": "a", "refusal": "a", "arguments": "a", "input": "a", "code": "a",
        "content_index": 0, "item_id": "i", "item": { "type": "later" }, "part": { "type": "later" }, "annotation": {},
        "partial_image_b64": "AAAA", "response": { "id": "r" },
        "rate_limits": { "primary": { "used_percent": 1, "window_minutes": 60, "reset_at": 1_700_000_000 } } });
    for event_type in types {
        for mut event in [whole.clone(), json!({})] {
            let is_whole = event != json!({});
            event["type"] = json!(event_type);
            event["headers"] = json!({ "openai-model": "gpt-b", "x-codex-safety-buffering-faster-model": "gpt-fast" });
            event["safety_buffering"] = json!({ "use_cases": ["u"] });
            let (events, _) = read(stream(&[event])).await;
            let told = |is: &dyn Fn(&Kind) -> bool| events.iter().filter(|event| is(&event.kind)).count();
            assert_eq!(told(&|kind| matches!(kind, Kind::ServerModel(model) if model == "gpt-b")), 1, "{events:?}");
            let faster = |told: &SafetyBuffering| told.retry_model.as_deref() == Some("gpt-fast");
            let buffers = |kind: &Kind| matches!(kind, Kind::SafetyBuffering(told) if faster(told));
            assert_eq!(told(&buffers), 1, "{events:?}");
            let ends = ["response.incomplete", "response.failed", "error"].contains(&event_type.as_str());
            assert_eq!(events.len(), if ends || (event_type == "response.completed" && !is_whole) { 2 } else { 3 });
            assert!(!is_whole || told(&|kind| matches!(kind, Kind::Undecodable(_))) == 0, "{events:?}");
        }
    }
}

#[tokio::test]
async fn limits_that_cannot_be_read_do_not_take_the_place_of_those_that_can() {
    let limits = |windows: Value| json!({ "type": "codex.rate_limits", "rate_limits": windows });
    let events = [
        limits(json!({ "primary": { "used_percent": 42, "window_minutes": 60, "reset_at": 1_700_000_000 } })),
        limits(json!({ "primary": { "window_minutes": 60 } })),
        limits(json!("none")),
    ];
    let kinds = told(&events).await;
    assert!(
        matches!(kinds[1].kind, Kind::Undecodable(_)) && matches!(kinds[2].kind, Kind::Undecodable(_)),
        "{kinds:?}"
    );
    let (collected, _) = stream(&events).collect_partial().await;
    assert_eq!(collected.rate_limits[0].primary.unwrap().used_percent, 42.0);
}
