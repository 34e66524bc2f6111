//! The Responses API: scripted streams, requests checked as the real servers check them, responses that are kept.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::accounts::random;
use super::models::Models;
use super::recorded::Route;
use super::server::Reply;

/// One answer to a request for a response, in the order in which they are
/// [scripted](super::Backend::script_response). Without a script the server says `Hello, world`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::ErrorKind;
/// use codex_backend::testing::{Backend, ScriptedResponse};
///
/// let backend = Backend::start()?;
/// let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// let ask = || client.codex_responses().create("gpt-5.5", "Be terse.", "Hello").stream();
///
/// // Byte by byte.
/// backend.script_response(ScriptedResponse::text("All is well.").in_chunks_of(1));
/// assert_eq!(ask().await?.collect().await?.text(), "All is well.");
///
/// // The connection breaks in the middle.
/// backend.script_response(ScriptedResponse::events([serde_json::json!({ "type": "response.in_progress",
///     "response": { "id": "resp_1" } })]).cut());
/// assert_eq!(ask().await?.collect().await.unwrap_err().kind(), ErrorKind::Interrupted);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct ScriptedResponse {
    headers: Vec<(HeaderName, HeaderValue)>,
    content: Content,
    /// Behind the content.
    steps: Vec<Step>,
    chunk: usize,
    pause: Duration,
}

#[derive(Debug, Clone)]
enum Content {
    /// These items, as a whole and proper response.
    Items(Vec<Value>),
    /// These bytes.
    Bytes(Bytes),
    /// None: an error in place of a stream.
    Refusal(StatusCode, Bytes),
}

#[derive(Debug, Clone)]
enum Step {
    Bytes(Bytes),
    Pause(Duration),
    Cut,
    Stall,
}

impl ScriptedResponse {
    fn new(content: Content) -> Self {
        Self { headers: Vec::new(), content, steps: Vec::new(), chunk: usize::MAX, pause: Duration::ZERO }
    }

    /// The model says this.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::items([json!({
            "type": "message", "role": "assistant", "status": "completed", "phase": "final_answer",
            "content": [{ "type": "output_text", "text": text, "annotations": [] }],
        })])
    }

    /// The model calls a function. The call's id is `call_` and the function's name.
    #[must_use]
    pub fn function_call(name: &str, arguments: &str) -> Self {
        Self::items([json!({
            "type": "function_call", "status": "completed", "name": name, "arguments": arguments,
            "call_id": format!("call_{name}"),
        })])
    }

    /// The model gives these items. Each gets an id.
    #[must_use]
    pub fn items(items: impl IntoIterator<Item = Value>) -> Self {
        Self::new(Content::Items(items.into_iter().collect()))
    }

    /// These events, and the end of the stream.
    #[must_use]
    pub fn events(events: impl IntoIterator<Item = Value>) -> Self {
        Self::transcript(events.into_iter().map(|event| frame(&event)).collect::<String>())
    }

    /// This body as it is.
    #[must_use]
    pub fn transcript(body: impl Into<Bytes>) -> Self {
        Self::new(Content::Bytes(body.into()))
    }

    /// The response fails with this code.
    #[must_use]
    pub fn failed(code: &str, message: &str) -> Self {
        let error = json!({ "code": code, "message": message });
        let response = json!({ "id": "resp_failed", "object": "response", "status": "failed", "error": error });
        Self::events([
            json!({ "type": "response.created", "response": { "id": "resp_failed" } }),
            json!({ "type": "response.failed", "response": response }),
        ])
    }

    /// There is no response but this error. A status that does not exist becomes 500.
    #[must_use]
    pub fn refused(status: u16, body: &Value) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(Content::Refusal(status, body.to_string().into()))
    }

    /// With this header. What is not a legal header is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            self.headers.push((name, value));
        }
        self
    }

    /// In pieces of this many bytes.
    #[must_use]
    pub fn in_chunks_of(mut self, bytes: usize) -> Self {
        self.chunk = bytes.max(1);
        self
    }

    /// With a pause before each piece.
    #[must_use]
    pub fn with_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Then more bytes.
    #[must_use]
    pub fn then(mut self, bytes: impl Into<Bytes>) -> Self {
        self.steps.push(Step::Bytes(bytes.into()));
        self
    }

    /// Then nothing for a while.
    #[must_use]
    pub fn then_pause(mut self, pause: Duration) -> Self {
        self.steps.push(Step::Pause(pause));
        self
    }

    /// Then the connection is reset.
    #[must_use]
    pub fn cut(mut self) -> Self {
        self.steps.push(Step::Cut);
        self
    }

    /// Then nothing, and the connection stays open.
    #[must_use]
    pub fn stall(mut self) -> Self {
        self.steps.push(Step::Stall);
        self
    }
}

/// How a streamed body goes on.
pub(super) enum BodyStep {
    Chunk(Bytes),
    Reset,
}

/// A body that is sent step by step.
pub(super) struct ScriptedBody {
    steps: VecDeque<Step>,
    chunk: usize,
    pause: Duration,
}

impl ScriptedBody {
    pub(super) async fn next(&mut self) -> Option<BodyStep> {
        loop {
            match self.steps.pop_front()? {
                Step::Bytes(bytes) if bytes.is_empty() => {}
                Step::Bytes(mut bytes) => {
                    if !self.pause.is_zero() {
                        tokio::time::sleep(self.pause).await;
                    }
                    let piece = bytes.split_to(self.chunk.min(bytes.len()));
                    self.steps.push_front(Step::Bytes(bytes));
                    return Some(BodyStep::Chunk(piece));
                }
                Step::Pause(pause) => tokio::time::sleep(pause).await,
                Step::Cut => {
                    // Time for what was sent before to leave.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    return Some(BodyStep::Reset);
                }
                Step::Stall => std::future::pending().await,
            }
        }
    }
}

/// The scripts, and the responses that are kept.
#[derive(Debug, Default)]
pub(super) struct Responses {
    scripts: VecDeque<ScriptedResponse>,
    kept: BTreeMap<String, Kept>,
}

#[derive(Debug)]
struct Kept {
    response: Value,
    input: Vec<Value>,
}

impl Responses {
    pub(super) fn script(&mut self, script: ScriptedResponse) {
        self.scripts.push_back(script);
    }

    pub(super) fn is_route(route: Route) -> bool {
        matches!(
            route,
            Route::CREATE_RESPONSE
                | Route::COMPACT_RESPONSE
                | Route::RETRIEVE_RESPONSE
                | Route::DELETE_RESPONSE
                | Route::CANCEL_RESPONSE
                | Route::LIST_INPUT_ITEMS
                | Route::COUNT_INPUT_TOKENS
        )
    }

    pub(super) fn answer(
        &mut self,
        route: Route,
        id: Option<&str>,
        target: (&str, &str),
        headers: &HeaderMap,
        body: &Bytes,
        models: &Models,
    ) -> Reply {
        let (path, query) = target;
        let is_codex = !path.starts_with("/v1/");
        let body = match decompressed(headers, body, is_codex) {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        let fields: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
        match (route, id) {
            (Route::CREATE_RESPONSE, _) => {
                let refusal = match is_codex {
                    true => refused_by_codex(&fields, headers, models),
                    false => self.refused_by_openai(&fields),
                };
                // The version of the catalogue is told in a header.
                refusal.unwrap_or_else(|| self.create(&fields, is_codex.then_some(&models.etag)))
            }
            (Route::COMPACT_RESPONSE, _) => {
                let item = json!({ "type": "compaction", "encrypted_content": "gAAAAembedded" });
                Reply::json(&json!({ "output": [item] }))
            }
            (Route::COUNT_INPUT_TOKENS, _) => {
                Reply::json(&json!({ "object": "response.input_tokens", "input_tokens": 11 }))
            }
            (_, Some(id)) => self.kept(route, id, query),
            _ => Reply::error(StatusCode::NOT_FOUND, "not_found", "no id"),
        }
    }

    fn kept(&mut self, route: Route, id: &str, query: &str) -> Reply {
        let Some(kept) = self.kept.get_mut(id) else {
            return Reply::error(StatusCode::NOT_FOUND, "not_found", &format!("Response with id '{id}' not found."));
        };
        match route {
            Route::DELETE_RESPONSE => {
                self.kept.remove(id);
                Reply::json(&json!({ "id": id, "object": "response", "deleted": true }))
            }
            Route::CANCEL_RESPONSE => {
                kept.response["status"] = json!("cancelled");
                Reply::json(&kept.response)
            }
            Route::LIST_INPUT_ITEMS => {
                // Two on a page, the newest first.
                let items: Vec<Value> = kept.input.iter().rev().cloned().collect();
                let after = query.split('&').find_map(|pair| pair.strip_prefix("after="));
                let start =
                    after.and_then(|after| items.iter().position(|item| item["id"] == after)).map_or(0, |at| at + 1);
                let page: Vec<Value> = items[start..].iter().take(2).cloned().collect();
                let has_more = start + page.len() < items.len();
                let last_id = page.last().map(|item| item["id"].clone());
                Reply::json(&json!({ "object": "list", "data": page, "last_id": last_id, "has_more": has_more }))
            }
            _ if query.split('&').any(|pair| pair == "stream=true") => {
                let output = kept.response["output"].as_array().cloned().unwrap_or_default();
                let after = query.split('&').find_map(|pair| pair.strip_prefix("starting_after=")?.parse::<u64>().ok());
                let events = events_of(id, "", &output, true);
                let missed = events
                    .iter()
                    .filter(|event| after.is_none_or(|after| event["sequence_number"].as_u64() > Some(after)));
                let bytes: String = missed.map(frame).collect();
                streamed(ScriptedResponse::transcript(bytes), Bytes::new())
            }
            _ => Reply::json(&kept.response),
        }
    }

    fn create(&mut self, fields: &Map<String, Value>, models_etag: Option<&String>) -> Reply {
        let mut script = self.scripts.pop_front().unwrap_or_else(|| ScriptedResponse::text("Hello, world"));
        let id = format!("resp_{}", random());
        let model = fields.get("model").and_then(Value::as_str).unwrap_or("").to_owned();
        let mut bytes = Bytes::new();
        let mut whole = Value::Null;
        if let Content::Items(items) = &mut script.content {
            for item in items.iter_mut().filter(|item| item["id"].is_null()) {
                item["id"] = json!(format!("item_{}", random()));
            }
            bytes = events_of(&id, &model, items, models_etag.is_none()).iter().map(frame).collect::<String>().into();
            whole = response(&id, &model, "completed", items, true);
            if fields.get("store") != Some(&json!(false)) {
                let mut input = match fields.get("input") {
                    Some(Value::Array(items)) => items.clone(),
                    Some(text) => vec![json!({ "type": "message", "role": "user", "content": text })],
                    None => Vec::new(),
                };
                for item in input.iter_mut().filter(|item| item["id"].is_null()) {
                    item["id"] = json!(format!("item_{}", random()));
                }
                self.kept.insert(id, Kept { response: whole.clone(), input });
            }
        }
        if let Some(etag) = models_etag {
            script = script.header("x-models-etag", etag);
        }
        let mut reply = match script.content {
            Content::Refusal(status, body) => Reply::bytes(status, "application/json", body),
            _ if fields.get("stream") == Some(&json!(true)) => return streamed(script, bytes),
            Content::Items(_) => Reply::json(&whole),
            Content::Bytes(bytes) => Reply::bytes(StatusCode::OK, "application/json", bytes),
        };
        reply.add_headers(script.headers);
        reply
    }

    fn refused_by_openai(&self, fields: &Map<String, Value>) -> Option<Reply> {
        let refuse = |param: &str, code: &str, message: String| {
            let error = json!({ "message": message, "type": "invalid_request_error", "param": param, "code": code });
            Some(Reply::bytes(StatusCode::BAD_REQUEST, "application/json", json!({ "error": error }).to_string()))
        };
        if !fields.get("model").is_some_and(Value::is_string) && !fields.contains_key("prompt") {
            return refuse("model", "missing_required_parameter", "Missing required parameter: 'model'.".to_owned());
        }
        for number in ["temperature", "top_p"] {
            if fields.get(number).is_some_and(|value| !value.as_f64().is_some_and(|value| (0.0..=2.0).contains(&value)))
            {
                return refuse(number, "invalid_value", format!("Invalid value for '{number}'."));
            }
        }
        if let Some(previous) = fields.get("previous_response_id").and_then(Value::as_str)
            && !self.kept.contains_key(previous)
        {
            let message = format!("Previous response with id '{previous}' not found.");
            return refuse("previous_response_id", "previous_response_not_found", message);
        }
        None
    }
}

/// What the backend refuses, in its words.
fn refused_by_codex(fields: &Map<String, Value>, headers: &HeaderMap, models: &Models) -> Option<Reply> {
    const UNSUPPORTED: [&str; 20] = [
        "max_output_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "frequency_penalty",
        "presence_penalty",
        "user",
        "truncation",
        "context_management",
        "prompt_cache_retention",
        "prompt_cache_options",
        "safety_identifier",
        "prompt_cache_breakpoint",
        // Of the OpenAI API alone. No client has been seen to send them to the backend.
        "previous_response_id",
        "background",
        "conversation",
        "max_tool_calls",
        "metadata",
        "prompt",
        "top_logprobs",
    ];
    if fields.get("store") != Some(&json!(false)) {
        return Some(detail("Store must be set to false"));
    }
    if fields.get("stream") != Some(&json!(true)) {
        return Some(detail("Stream must be set to true"));
    }
    if !fields.get("instructions").is_some_and(Value::is_string) {
        return Some(detail("Instructions are required"));
    }
    if let Some(name) = UNSUPPORTED.iter().find(|name| fields.contains_key(**name)) {
        return Some(detail(&format!("Unsupported parameter: {name}")));
    }
    let Some(input) = fields.get("input").and_then(Value::as_array) else {
        return Some(detail("Input must be a list"));
    };
    if input.iter().any(|item| item["role"] == "system") {
        return Some(detail("System messages are not allowed"));
    }
    let model = fields.get("model").and_then(Value::as_str).unwrap_or_default();
    if !models.can_be_used(model, headers) {
        return Some(detail(&format!("The '{model}' model is not supported when using Codex with a ChatGPT account.")));
    }
    None
}

/// An error of the Codex backend, which is in another form than those of the OpenAI API.
fn detail(text: &str) -> Reply {
    Reply::bytes(StatusCode::BAD_REQUEST, "application/json", json!({ "detail": text }).to_string())
}

fn decompressed(headers: &HeaderMap, body: &Bytes, is_codex: bool) -> Result<Bytes, Reply> {
    match headers.get("content-encoding").map(HeaderValue::as_bytes) {
        None => Ok(body.clone()),
        #[cfg(feature = "zstd")]
        Some(b"zstd") if is_codex => match zstd::decode_all(&body[..]) {
            Ok(body) => Ok(body.into()),
            Err(_) => Err(detail("The body is no zstd")),
        },
        Some(_) if is_codex => Err(detail("The encoding of the body is not known")),
        Some(_) => Err(Reply::error(
            StatusCode::BAD_REQUEST,
            "invalid_body",
            "We could not parse the JSON body of your request.",
        )),
    }
}

fn streamed(script: ScriptedResponse, items: Bytes) -> Reply {
    let content = match script.content {
        Content::Bytes(bytes) => bytes,
        Content::Items(_) | Content::Refusal(..) => items,
    };
    let steps = std::iter::once(Step::Bytes(content)).chain(script.steps).collect();
    let mut reply = Reply::streamed(ScriptedBody { steps, chunk: script.chunk, pause: script.pause });
    reply.add_headers(script.headers);
    reply
}

fn frame(event: &Value) -> String {
    let name = event["type"].as_str().unwrap_or("message");
    format!("event: {name}\ndata: {event}\n\n")
}

fn response(id: &str, model: &str, status: &str, output: &[Value], is_whole: bool) -> Value {
    let usage = json!({
        "input_tokens": 10, "input_tokens_details": { "cached_tokens": 4 },
        "output_tokens": 5, "output_tokens_details": { "reasoning_tokens": 2 }, "total_tokens": 15,
    });
    json!({
        "id": id, "object": "response", "created_at": 1_777_000_000, "status": status, "model": model, "output": output,
        "error": null, "incomplete_details": null, "usage": if is_whole { usage } else { Value::Null },
    })
}

/// The events of a response that gives these items.
fn events_of(id: &str, model: &str, items: &[Value], tells_output: bool) -> Vec<Value> {
    let mut events = vec![
        json!({ "type": "response.created", "response": response(id, model, "in_progress", &[], false) }),
        json!({ "type": "response.in_progress", "response": response(id, model, "in_progress", &[], false) }),
    ];
    for (index, item) in items.iter().enumerate() {
        let mut begun = item.clone();
        begun["status"] = json!("in_progress");
        let at = |mut event: Value| {
            event["item_id"] = item["id"].clone();
            event["output_index"] = json!(index);
            event
        };
        match item["type"].as_str() {
            Some("message") => {
                begun["content"] = json!([]);
                events.push(json!({ "type": "response.output_item.added", "output_index": index, "item": begun }));
                for (place, part) in item["content"].as_array().into_iter().flatten().enumerate() {
                    let at_part = |mut event: Value| {
                        event["content_index"] = json!(place);
                        at(event)
                    };
                    let text = part["text"].as_str().unwrap_or("");
                    let empty = json!({ "type": "output_text", "text": "", "annotations": [] });
                    events.push(at_part(json!({ "type": "response.content_part.added", "part": empty })));
                    for piece in text.split_inclusive(' ') {
                        events.push(at_part(json!({ "type": "response.output_text.delta", "delta": piece })));
                    }
                    events.push(at_part(json!({ "type": "response.output_text.done", "text": text })));
                    events.push(at_part(json!({ "type": "response.content_part.done", "part": part })));
                }
            }
            Some("function_call") => {
                begun["arguments"] = json!("");
                events.push(json!({ "type": "response.output_item.added", "output_index": index, "item": begun }));
                let arguments = item["arguments"].as_str().unwrap_or("");
                events.push(at(json!({ "type": "response.function_call_arguments.delta", "delta": arguments })));
                events.push(at(json!({ "type": "response.function_call_arguments.done", "arguments": arguments })));
            }
            _ => events.push(json!({ "type": "response.output_item.added", "output_index": index, "item": begun })),
        }
        events.push(json!({ "type": "response.output_item.done", "output_index": index, "item": item }));
    }
    let output = if tells_output { items } else { &[] };
    events.push(json!({ "type": "response.completed", "response": response(id, model, "completed", output, true) }));
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    events
}

impl super::World {
    /// What models and public files are asked for.
    pub(super) fn answer_api(
        &mut self,
        route: Route,
        id: Option<&str>,
        target: (&str, &str),
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Reply {
        if Responses::is_route(route) {
            return self.responses.answer(route, id, target, headers, body, &self.models);
        }
        let (path, query) = target;
        match route {
            Route::LIST_MODELS if !path.starts_with("/v1/") => return self.models.catalogue(query),
            Route::LIST_MODELS | Route::RETRIEVE_MODEL => return self.models.list(id),
            _ => {}
        }
        if path.starts_with("/v1/") {
            return self.api_files.answer(route, id, query, headers, body);
        }
        Reply::error(StatusCode::NOT_FOUND, "not_found", "no id")
    }
}
