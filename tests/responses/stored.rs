//! Responses that the OpenAI API keeps, counting and compacting.

use codex_backend::ErrorKind;
use codex_backend::responses::{ResponseItem, ResponseStatus};
use codex_backend::testing::{Backend, Route};
use serde_json::json;

use super::support::{ask, codex, guard, openai, read};

#[tokio::test]
async fn a_kept_response_is_retrieved_followed_cancelled_and_deleted() {
    let backend = Backend::start().unwrap();
    let responses = openai(&backend).openai_responses();
    let id = guard(responses.create("gpt-5.5", "hello").background(true).send()).await.unwrap().id;
    assert_eq!(guard(responses.retrieve(&id)).await.unwrap().status, Some(ResponseStatus::Completed));

    let (events, ended_in) = read(guard(responses.follow(&id, None)).await.unwrap()).await;
    assert!(ended_in.is_none());
    let seen = events[3].sequence_number;
    let (rest, ended_in) = read(guard(responses.follow(&id, seen)).await.unwrap()).await;
    assert!(ended_in.is_none());
    assert_eq!(rest.len(), events.len() - 4);
    assert_eq!(rest[0].raw(), events[4].raw());

    assert_eq!(guard(responses.cancel(&id)).await.unwrap().status, Some(ResponseStatus::Cancelled));
    assert!(guard(responses.delete(&id)).await.unwrap().deleted);
    for error in [
        guard(responses.retrieve(&id)).await.unwrap_err(),
        guard(responses.delete(&id)).await.unwrap_err(),
        guard(responses.follow(&id, None)).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    let before = backend.requests().len();
    for error in
        [guard(responses.retrieve("..")).await.unwrap_err(), guard(responses.follow("", None)).await.unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(backend.requests().len(), before);
}

#[tokio::test]
async fn the_items_of_an_input_come_page_by_page() {
    let backend = Backend::start().unwrap();
    let responses = openai(&backend).openai_responses();
    let input: Vec<ResponseItem> = (0..5).map(|n| ResponseItem::user(n.to_string())).collect();
    let id = guard(responses.create("gpt-5.5", input).send()).await.unwrap().id;
    let items = guard(responses.input_items(&id).all()).await.unwrap();
    let texts: Vec<String> = items
        .iter()
        .map(|item| match item {
            ResponseItem::Message(message) => message.text(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(texts, ["4", "3", "2", "1", "0"]);
    assert_eq!(backend.requests_to(Route::LIST_INPUT_ITEMS).len(), 3);
}

#[tokio::test]
async fn going_on_after_a_response_that_is_not_there_is_refused_by_the_server() {
    let backend = Backend::start().unwrap();
    let responses = openai(&backend).openai_responses();
    let id = guard(responses.create("gpt-5.5", "hello").send()).await.unwrap().id;
    guard(responses.create("gpt-5.5", "more").previous_response_id(id).send()).await.unwrap();
    let error = guard(responses.create("gpt-5.5", "more").previous_response_id("resp_0").send()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, Some("previous_response_not_found")));
}

#[tokio::test]
async fn inputs_are_counted_and_made_short() {
    let backend = Backend::start().unwrap();
    let responses = openai(&backend).openai_responses();
    let request = responses.create("gpt-5.5", "hello").store(false).temperature(0.5);
    assert_eq!(guard(responses.input_tokens(&request)).await.unwrap().input_tokens, 11);
    assert!(backend.requests_to(Route::COUNT_INPUT_TOKENS)[0].json().get("store").is_none());

    let short = guard(request.compact()).await.unwrap();
    assert!(matches!(&short.output[..], [ResponseItem::Compaction(item)] if item.encrypted_content == "gAAAAembedded"));
    let sent = &backend.requests_to(Route::COMPACT_RESPONSE)[0];
    assert_eq!(sent.target, "/v1/responses/compact");
    assert_eq!(sent.json().get("temperature"), None);

    let short = guard(ask(&codex(&backend)).session_id("s").compact()).await.unwrap();
    assert_eq!(short.output.len(), 1);
    let sent = &backend.requests_to(Route::COMPACT_RESPONSE)[1];
    assert_eq!(sent.target, "/backend-api/codex/responses/compact");
    let input = json!([{ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hello" }] }]);
    assert_eq!(
        sent.json(),
        json!({ "model": "gpt-5.5", "instructions": "You are a test agent.", "input": input, "tools": [],
            "parallel_tool_calls": false })
    );
    // What came is given back as input.
    let next = codex(&backend).codex_responses().create("gpt-5.5", "i", short.output).input("go on");
    guard(guard(next.stream()).await.unwrap().collect()).await.unwrap();
    assert_eq!(backend.requests_to(Route::CREATE_RESPONSE)[0].json()["input"][0]["type"], "compaction");
}

#[tokio::test]
async fn nothing_is_not_made_shorter() {
    let backend = Backend::start().unwrap();
    let nothing = codex(&backend).codex_responses().create("gpt-5.5", "i", Vec::new());
    assert!(guard(nothing.clone().compact()).await.unwrap().output.is_empty());
    assert_eq!(guard(nothing.clone().compact().with_raw()).await.unwrap().raw, json!({ "output": [] }));
    let error = guard(nothing.session_id("").compact()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "what cannot be sent is refused all the same");
    let responses = openai(&backend).openai_responses();
    assert!(guard(responses.create("gpt-5.5", Vec::new()).compact()).await.unwrap().output.is_empty());
    assert!(backend.requests().is_empty());
    // What a response that is kept was given counts too.
    let after = responses.create("gpt-5.5", Vec::new()).previous_response_id("resp_1");
    assert_eq!(guard(after.compact()).await.unwrap().output.len(), 1);
    assert_eq!(backend.requests_to(Route::COMPACT_RESPONSE)[0].json()["previous_response_id"], "resp_1");
}

#[tokio::test]
async fn text_of_a_request_that_is_at_hand_is_made_short_as_a_message() {
    let backend = Backend::start().unwrap();
    let request = json!({ "model": "gpt-5.5", "instructions": "i", "input": "hello" });
    guard(codex(&backend).codex_responses().create_from(&request).compact()).await.unwrap();
    let input = &backend.requests_to(Route::COMPACT_RESPONSE)[0].json()["input"];
    assert_eq!(input[0]["content"][0], json!({ "type": "input_text", "text": "hello" }));
}
