//! The Responses API: scripted streams, requests checked as the real servers check them, responses that are kept.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::backend::Backend;
use super::models::Models;
use super::reply::{Reply, ScriptedBody, Step};
use super::route::{Way, routes};
use super::world::{World, random};
use crate::api::responses;
use crate::api::responses::request;

routes! {
    /// A response is created, by the backend or the OpenAI API.
    CREATE_RESPONSE =
        Way::codex(&request::CREATE_CODEX, create_codex), Way::openai(&request::CREATE, create_openai);
    /// A conversation is compacted, by the backend or the OpenAI API.
    COMPACT_RESPONSE =
        Way::codex(&responses::COMPACT_CODEX, compact_codex), Way::openai(&responses::COMPACT, compact_openai);
    /// A response that was kept is read or followed.
    RETRIEVE_RESPONSE = Way::openai(&responses::RETRIEVE, retrieve);
    /// A response that was kept is deleted.
    DELETE_RESPONSE = Way::openai(&responses::DELETE, delete);
    /// A response is cancelled.
    CANCEL_RESPONSE = Way::openai(&responses::CANCEL, cancel);
    /// The input of a response that was kept, page by page.
    LIST_INPUT_ITEMS = Way::openai(&responses::INPUT_ITEMS, input_items);
    /// The tokens of an input are counted.
    COUNT_INPUT_TOKENS = Way::openai(&responses::INPUT_TOKENS, input_tokens);
}

/// One answer to a request for a response, in the order in which they are
/// [scripted](crate::testing::Backend::script_response). Without a script the server says `Hello, world`.
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

/// The scripts, and the responses that are kept.
#[derive(Debug, Default, Clone)]
struct Responses {
    scripts: VecDeque<ScriptedResponse>,
    kept: BTreeMap<String, Kept>,
}

#[derive(Debug, Clone)]
struct Kept {
    response: Value,
    input: Vec<Value>,
}

type Fields = Map<String, Value>;

fn create_codex(world: &mut World, asked: &Asked<'_>) -> Reply {
    let fields = match decompressed(asked) {
        Ok(fields) => fields,
        Err(refusal) => return refusal,
    };
    let models = world.of::<Models>();
    if let Some(refusal) = refused_by_codex(&fields, asked, models) {
        return refusal;
    }
    // The version of the catalogue is told in a header.
    let etag = models.etag.clone();
    world.of::<Responses>().create(&fields, Some(&etag))
}

fn create_openai(world: &mut World, asked: &Asked<'_>) -> Reply {
    if let Some(refusal) = refused_encoding(asked) {
        return refusal;
    }
    let (fields, responses) = (fields(asked.body), world.of::<Responses>());
    responses.refused_by_openai(&fields).unwrap_or_else(|| responses.create(&fields, None))
}

fn compact_codex(_: &mut World, asked: &Asked<'_>) -> Reply {
    decompressed(asked).map_or_else(|refusal| refusal, |_| compacted())
}

fn compact_openai(_: &mut World, asked: &Asked<'_>) -> Reply {
    refused_encoding(asked).unwrap_or_else(compacted)
}

fn compacted() -> Reply {
    let item = json!({ "type": "compaction", "encrypted_content": "gAAAAembedded" });
    Reply::json(&json!({ "output": [item] }))
}

fn input_tokens(_: &mut World, asked: &Asked<'_>) -> Reply {
    let count = || Reply::json(&json!({ "object": "response.input_tokens", "input_tokens": 11 }));
    refused_encoding(asked).unwrap_or_else(count)
}

fn retrieve(world: &mut World, asked: &Asked<'_>) -> Reply {
    let id = asked.id("response_id");
    world.of::<Responses>().answer(id, |kept| {
        if asked.query("stream") != Some("true") {
            return Reply::json(&kept.response);
        }
        let output = kept.response["output"].as_array().cloned().unwrap_or_default();
        let after = asked.query("starting_after").and_then(|after| after.parse::<u64>().ok());
        let events = events_of(id, "", &output, true);
        let missed =
            events.iter().filter(|event| after.is_none_or(|after| event["sequence_number"].as_u64() > Some(after)));
        let bytes: String = missed.map(frame).collect();
        streamed(ScriptedResponse::transcript(bytes), Bytes::new())
    })
}

fn delete(world: &mut World, asked: &Asked<'_>) -> Reply {
    let id = asked.id("response_id");
    match world.of::<Responses>().kept.remove(id) {
        Some(_) => Reply::json(&json!({ "id": id, "object": "response", "deleted": true })),
        None => no_such_response(id),
    }
}

fn cancel(world: &mut World, asked: &Asked<'_>) -> Reply {
    world.of::<Responses>().answer(asked.id("response_id"), |kept| {
        kept.response["status"] = json!("cancelled");
        Reply::json(&kept.response)
    })
}

/// Two on a page, the newest first.
fn input_items(world: &mut World, asked: &Asked<'_>) -> Reply {
    world.of::<Responses>().answer(asked.id("response_id"), |kept| {
        let items: Vec<Value> = kept.input.iter().rev().cloned().collect();
        let after = asked.query("after");
        let start = after.and_then(|after| items.iter().position(|item| item["id"] == after)).map_or(0, |at| at + 1);
        let page: Vec<Value> = items[start..].iter().take(2).cloned().collect();
        let has_more = start + page.len() < items.len();
        let last_id = page.last().map(|item| item["id"].clone());
        Reply::json(&json!({ "object": "list", "data": page, "last_id": last_id, "has_more": has_more }))
    })
}

fn no_such_response(id: &str) -> Reply {
    Reply::not_found(&format!("Response with id '{id}' not found."))
}

impl Responses {
    /// An answer about a response that is kept.
    fn answer(&mut self, id: &str, answer: impl FnOnce(&mut Kept) -> Reply) -> Reply {
        self.kept.get_mut(id).map_or_else(|| no_such_response(id), answer)
    }

    fn create(&mut self, fields: &Fields, models_etag: Option<&String>) -> Reply {
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

    fn refused_by_openai(&self, fields: &Fields) -> Option<Reply> {
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
fn refused_by_codex(fields: &Fields, asked: &Asked<'_>, models: &Models) -> Option<Reply> {
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
    let instructs = |item: &Value| item["type"] == "additional_tools" || item["role"] == "developer";
    let in_input = fields.get("input").and_then(Value::as_array).into_iter().flatten().any(instructs);
    if !fields.get("instructions").map_or(in_input, Value::is_string) {
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
    if !models.can_be_used(model, asked.headers) {
        return Some(detail(&format!("The '{model}' model is not supported when using Codex with a ChatGPT account.")));
    }
    None
}

/// An error of the Codex backend, which is in another form than those of the OpenAI API.
fn detail(text: &str) -> Reply {
    Reply::bytes(StatusCode::BAD_REQUEST, "application/json", json!({ "detail": text }).to_string())
}

/// The fields of a request to the backend, which takes compressed ones.
fn decompressed(asked: &Asked<'_>) -> Result<Fields, Reply> {
    match asked.header("content-encoding") {
        None => Ok(fields(asked.body)),
        #[cfg(feature = "zstd")]
        Some("zstd") => match zstd::decode_all(&asked.body[..]) {
            Ok(body) => Ok(fields(&body)),
            Err(_) => Err(detail("The body is no zstd")),
        },
        Some(_) => Err(detail("The encoding of the body is not known")),
    }
}

/// The OpenAI API takes no compressed requests.
fn refused_encoding(asked: &Asked<'_>) -> Option<Reply> {
    let why = "We could not parse the JSON body of your request.";
    let is_encoded = asked.headers.contains_key("content-encoding");
    is_encoded.then(|| Reply::error(StatusCode::BAD_REQUEST, "invalid_body", why))
}

fn fields(body: &[u8]) -> Fields {
    serde_json::from_slice(body).unwrap_or_default()
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

/// Responses.
impl Backend {
    /// How the server answers the next request for a response. Scripts are used up in the order in which they are given.
    pub fn script_response(&self, script: ScriptedResponse) {
        self.world().of::<Responses>().scripts.push_back(script);
    }
}
