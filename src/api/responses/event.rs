//! The events of a stream, and how they are decoded.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;

use bytestring::ByteString;
use http::HeaderMap;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::item::{ContentPart, ResponseItem};
use super::plain_object::PlainObject;
use super::response::ModelResponse;
use crate::exchange::headers_of_json;
use crate::limits::{OpenAiRateLimits, RateLimitSnapshot, null_as_default, open_enum, whole};

/// One event of a [`ResponseStream`](crate::responses::ResponseStream): what it is, and its JSON as it came.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::responses::{ResponseEventKind, ResponseStream};
/// use futures_util::StreamExt;
///
/// let transcript = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"Hello\",\"later\":7}\n\n";
/// let mut stream = ResponseStream::from_transcript(transcript);
/// let event = stream.next().await.unwrap()?;
/// let ResponseEventKind::OutputTextDelta(delta) = &event.kind else { panic!("{event:?}") };
/// assert_eq!(&*delta.delta, "Hello");
/// assert!(event.raw().ends_with(r#""later":7}"#));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ResponseEvent {
    /// What the event is.
    pub kind: ResponseEventKind,
    /// Its place among the events of its response, where the server numbers them.
    pub sequence_number: Option<u64>,
    raw: ByteString,
}

impl ResponseEvent {
    pub(super) fn new(kind: ResponseEventKind, sequence_number: Option<u64>, raw: ByteString) -> Self {
        Self { kind, sequence_number, raw }
    }

    /// The event's JSON as it came. Empty for an event that the headers of the answer made.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The event's JSON, parsed: for members that this crate does not know.
    ///
    /// # Errors
    ///
    /// When it is no JSON, as for the headers' events and some that are [`Undecodable`](ResponseEventKind::Undecodable); or
    /// when it holds a number that is too large.
    pub fn json(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_str(&self.raw)
    }
}

/// What an event is. The names are those of the wire: [`OutputTextDelta`](Self::OutputTextDelta) is
/// `response.output_text.delta`.
///
/// `Completed` is the last event of a stream that succeeds. All other ends are an [`Error`](crate::Error).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ResponseEventKind {
    /// The server has taken the request.
    Created(Box<ModelResponse>),
    /// The response waits for its turn.
    Queued(Box<ModelResponse>),
    /// The model works on it.
    InProgress(Box<ModelResponse>),
    /// An item begins.
    OutputItemAdded(ItemEvent),
    /// An item is whole.
    OutputItemDone(ItemEvent),
    /// A part of a message begins.
    ContentPartAdded(PartEvent),
    /// A part of a message is whole.
    ContentPartDone(PartEvent),
    /// The next piece of the model's text.
    OutputTextDelta(TextDelta),
    /// A text is whole.
    OutputTextDone(TextDone),
    /// A text refers to a source.
    OutputTextAnnotationAdded(AnnotationEvent),
    /// The next piece of a refusal.
    RefusalDelta(TextDelta),
    /// A refusal is whole.
    RefusalDone(TextDone),
    /// The next piece of a function's arguments.
    FunctionCallArgumentsDelta(ToolInputDelta),
    /// A function's arguments are whole.
    FunctionCallArgumentsDone(ToolInputDone),
    /// The next piece of what a custom tool is given.
    CustomToolCallInputDelta(ToolInputDelta),
    /// What a custom tool is given is whole.
    CustomToolCallInputDone(ToolInputDone),
    /// The next piece of the arguments of a tool on an MCP server.
    McpCallArgumentsDelta(ToolInputDelta),
    /// The arguments of a tool on an MCP server are whole.
    McpCallArgumentsDone(ToolInputDone),
    /// The next piece of the code that the interpreter is to run.
    CodeInterpreterCallCodeDelta(ToolInputDelta),
    /// The code that the interpreter is to run is whole.
    CodeInterpreterCallCodeDone(ToolInputDone),
    /// A part of a summary begins.
    ReasoningSummaryPartAdded(PartEvent),
    /// A part of a summary is whole.
    ReasoningSummaryPartDone(PartEvent),
    /// The next piece of a summary.
    ReasoningSummaryTextDelta(TextDelta),
    /// A text of a summary is whole.
    ReasoningSummaryTextDone(TextDone),
    /// The next piece of the model's thoughts.
    ReasoningTextDelta(TextDelta),
    /// A text of the model's thoughts is whole.
    ReasoningTextDone(TextDone),
    /// A tool that the server runs has come further.
    HostedToolProgress(HostedToolProgress),
    /// An image so far.
    ImageGenerationPartialImage(PartialImage),
    /// The model that answers, when it is told for the first time or changes. From `openai-model`, in the headers of the
    /// answer or of an event.
    ServerModel(EventText),
    /// How much of a limit of the Codex backend is used. From headers, where they tell anything of it, or
    /// `codex.rate_limits`.
    RateLimits(Box<RateLimitSnapshot>),
    /// How much may still be asked of the OpenAI API. From headers.
    OpenAiRateLimits(OpenAiRateLimits),
    /// The version of the model catalogue on the server. From the header `x-models-etag`.
    ModelsEtag(EventText),
    /// The input's reasoning counts as part of it already. From the header `x-reasoning-included`.
    ReasoningIncluded,
    /// The state to send with the further requests of the same turn. From `x-codex-turn-state`; a
    /// [`ResponseTurn`](crate::responses::ResponseTurn) does it by itself.
    TurnState(EventText),
    /// The server recommends that the user verifies something about them.
    VerificationRecommended(Vec<String>),
    /// What moderation said.
    ModerationMetadata(Value),
    /// The server holds output back to look at it more closely.
    SafetyBuffering(SafetyBuffering),
    /// Other members of `response.metadata`; all of an event of that type that holds nothing else of the above, be it
    /// `null`.
    Metadata(Value),
    /// The response is whole. The last event of its stream.
    Completed(Box<ModelResponse>),
    /// An event of a type that this crate does not know.
    Unknown(UnknownEvent),
    /// An event that is no JSON, has no type, or lacks what its type needs. The stream goes on.
    Undecodable(UndecodableEvent),
}

/// Text inside an event: a slice of the bytes that came, where the JSON allows it. Keeping one keeps the chunk it came in;
/// make a `String` of what is to be kept for long.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct EventText(ByteString);

impl Deref for EventText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for EventText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl PartialEq<str> for EventText {
    fn eq(&self, other: &str) -> bool {
        &**self == other
    }
}

impl PartialEq<&str> for EventText {
    fn eq(&self, other: &&str) -> bool {
        &**self == *other
    }
}

impl From<&str> for EventText {
    fn from(text: &str) -> Self {
        Self(ByteString::from(text))
    }
}

impl From<EventText> for String {
    fn from(text: EventText) -> Self {
        text.to_string()
    }
}

/// An item of the output.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ItemEvent {
    /// Its place in the output.
    pub output_index: Option<u32>,
    /// The item.
    pub item: Box<ResponseItem>,
}

/// A part of a message or of a summary.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PartEvent {
    /// The item it is part of.
    pub item_id: Option<EventText>,
    /// The item's place in the output.
    pub output_index: Option<u32>,
    /// The part's place in the item's content or summary.
    pub part_index: Option<u32>,
    /// The part.
    pub part: Option<Box<ContentPart>>,
}

/// The next piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextDelta {
    /// The item it is part of.
    pub item_id: Option<EventText>,
    /// The item's place in the output.
    pub output_index: Option<u32>,
    /// The part's place in the item's content or summary.
    pub part_index: Option<u32>,
    /// The piece.
    pub delta: EventText,
}

/// A text that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextDone {
    /// The item it is part of.
    pub item_id: Option<EventText>,
    /// The item's place in the output.
    pub output_index: Option<u32>,
    /// The part's place in the item's content or summary.
    pub part_index: Option<u32>,
    /// All of it.
    pub text: EventText,
}

/// The next piece of what a tool is given.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolInputDelta {
    /// The item of the call; where the server tells only the call's id, that.
    pub item_id: Option<EventText>,
    /// The call's id.
    pub call_id: Option<EventText>,
    /// The item's place in the output.
    pub output_index: Option<u32>,
    /// The piece.
    pub delta: EventText,
}

/// What a tool is given, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolInputDone {
    /// The item of the call; where the server tells only the call's id, that.
    pub item_id: Option<EventText>,
    /// The call's id.
    pub call_id: Option<EventText>,
    /// The item's place in the output.
    pub output_index: Option<u32>,
    /// All of it: JSON in text for functions.
    pub input: EventText,
}

/// A text refers to a source.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AnnotationEvent {
    /// The item it is part of.
    pub item_id: Option<EventText>,
    /// The item's place in the output.
    pub output_index: Option<u32>,
    /// The part's place in the item's content.
    pub part_index: Option<u32>,
    /// The annotation, as it came.
    pub annotation: Value,
}

/// A tool that the server runs has come further.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostedToolProgress {
    /// The tool.
    pub tool: HostedTool,
    /// How far it has come.
    pub stage: HostedToolStage,
    /// The item of the call.
    pub item_id: Option<EventText>,
    /// The item's place in the output.
    pub output_index: Option<u32>,
}

open_enum! {
    /// A tool that the server runs.
    HostedTool {
        /// Search in files.
        FileSearch = "file_search_call",
        /// Search in the web.
        WebSearch = "web_search_call",
        /// Images.
        ImageGeneration = "image_generation_call",
        /// A tool on an MCP server.
        Mcp = "mcp_call",
        /// Asking an MCP server for its tools.
        McpListTools = "mcp_list_tools",
        /// The code interpreter.
        CodeInterpreter = "code_interpreter_call",
    }
}

open_enum! {
    /// How far a tool has come that the server runs.
    HostedToolStage {
        /// It has begun.
        InProgress = "in_progress",
        /// It searches.
        Searching = "searching",
        /// It makes an image.
        Generating = "generating",
        /// It runs code.
        Interpreting = "interpreting",
        /// It is done.
        Completed = "completed",
        /// It failed.
        Failed = "failed",
    }
}

/// An image so far.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartialImage {
    /// The item of the call.
    pub item_id: Option<EventText>,
    /// The item's place in the output.
    pub output_index: Option<u32>,
    /// Which of the images on the way it is.
    pub index: Option<u32>,
    /// The image, in base64.
    pub image: EventText,
}

/// The server holds output back to look at it more closely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SafetyBuffering {
    /// For which uses.
    #[serde(default, deserialize_with = "null_as_default")]
    pub use_cases: Vec<String>,
    /// Why.
    #[serde(default, deserialize_with = "null_as_default")]
    pub reasons: Vec<String>,
    /// A model that would answer without.
    #[serde(default)]
    pub retry_model: Option<String>,
}

/// An event of a type that this crate does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownEvent {
    /// The type, as the server spelled it.
    pub event_type: EventText,
}

/// An event that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UndecodableEvent {
    /// The type, where it has one.
    pub event_type: Option<EventText>,
    /// What is wrong with it. Does not quote it.
    pub reason: &'static str,
}

/// What a decoded event means for its stream.
pub(super) enum Decoded {
    /// It goes on; the number is the event's place.
    Event(ResponseEventKind, Option<u64>),
    /// It goes on, and there is nothing to tell.
    Nothing,
    /// It ends, well.
    Completed(Box<ModelResponse>, Option<u64>),
    /// The end of a response that is whole, which cannot be read.
    CompletedUnreadably,
    /// It ends incomplete.
    Incomplete(Option<Box<ModelResponse>>),
    /// It ends in the error that the event describes.
    Failed(Option<Box<ModelResponse>>),
}

/// Decodes an event. Goes before it: what it carries besides, into `before`.
pub(super) fn decode(raw: &ByteString, before: &mut Vec<ResponseEventKind>) -> Decoded {
    let mut wire = Wire::default();
    if PlainObject::of(raw).is_some_and(|plain| Members(&mut wire).visit_map(plain).is_ok()) {
        return interpret(raw, &wire, before);
    }
    wire = Wire::default();
    let mut json = serde_json::Deserializer::from_str(raw);
    match json.deserialize_map(Members(&mut wire)).and_then(|()| json.end()) {
        Ok(()) => interpret(raw, &wire, before),
        Err(_) => decode_leniently(raw, before),
    }
}

fn interpret(raw: &ByteString, wire: &Wire<'_>, before: &mut Vec<ResponseEventKind>) -> Decoded {
    let Some(event_type) = &wire.event_type else {
        return Decoded::Event(not_decoded(None, "it has no type"), None);
    };
    let text = |text: &Str<'_>| text.share(raw);
    let optional = |part: &Option<Str<'_>>| part.as_ref().map(text);
    let (item_id, output_index) = (|| optional(&wire.item_id), wire.output_index);
    let part_index = wire.content_index.or(wire.summary_index);

    let text_delta =
        || Some(TextDelta { item_id: item_id(), output_index, part_index, delta: text(wire.delta.as_ref()?) });
    let text_done = |whole: &Option<Str<'_>>| {
        Some(TextDone { item_id: item_id(), output_index, part_index, text: text(whole.as_ref()?) })
    };
    // Where only the call's id is told, it stands for the item's.
    let call_item_id = || item_id().or_else(|| optional(&wire.call_id));
    let input_delta = || {
        let call_id = optional(&wire.call_id);
        Some(ToolInputDelta { item_id: call_item_id(), call_id, output_index, delta: text(wire.delta.as_ref()?) })
    };
    let input_done = |whole: &Option<Str<'_>>| {
        let call_id = optional(&wire.call_id);
        Some(ToolInputDone { item_id: call_item_id(), call_id, output_index, input: text(whole.as_ref()?) })
    };
    let item = || Some(ItemEvent { output_index, item: Box::new(item(wire.item?)?) });
    let part = || {
        let part = wire.part.and_then(parse).map(Box::new);
        PartEvent { item_id: item_id(), output_index, part_index, part }
    };
    let response = || {
        let told = wire.response?;
        parse(told).or_else(|| ModelResponse::in_part(parse(told)?)).map(Box::new)
    };

    use ResponseEventKind as Kind;
    let kind = match &*event_type.0 {
        "response.output_text.delta" => text_delta().map(Kind::OutputTextDelta),
        "response.reasoning_summary_text.delta" => {
            text_delta().filter(|delta| delta.part_index.is_some()).map(Kind::ReasoningSummaryTextDelta)
        }
        "response.reasoning_text.delta" => {
            text_delta().filter(|delta| delta.part_index.is_some()).map(Kind::ReasoningTextDelta)
        }
        "response.function_call_arguments.delta" => input_delta().map(Kind::FunctionCallArgumentsDelta),
        "response.custom_tool_call_input.delta" => {
            input_delta().filter(|delta| delta.item_id.is_some()).map(Kind::CustomToolCallInputDelta)
        }
        "response.refusal.delta" => text_delta().map(Kind::RefusalDelta),
        "response.mcp_call_arguments.delta" => input_delta().map(Kind::McpCallArgumentsDelta),
        "response.code_interpreter_call_code.delta" => input_delta().map(Kind::CodeInterpreterCallCodeDelta),
        "response.output_item.added" => item().map(Kind::OutputItemAdded),
        "response.output_item.done" => item().map(Kind::OutputItemDone),
        "response.content_part.added" => Some(Kind::ContentPartAdded(part())),
        "response.content_part.done" => Some(Kind::ContentPartDone(part())),
        "response.output_text.done" => text_done(&wire.text).map(Kind::OutputTextDone),
        "response.output_text.annotation.added" => {
            let annotation = wire.annotation.and_then(parse);
            annotation.map(|annotation| {
                Kind::OutputTextAnnotationAdded(AnnotationEvent {
                    item_id: item_id(),
                    output_index,
                    part_index,
                    annotation,
                })
            })
        }
        "response.refusal.done" => text_done(&wire.refusal).map(Kind::RefusalDone),
        "response.reasoning_text.done" => text_done(&wire.text).map(Kind::ReasoningTextDone),
        "response.reasoning_summary_text.done" => text_done(&wire.text).map(Kind::ReasoningSummaryTextDone),
        "response.reasoning_summary_part.added" => {
            part_index.is_some().then(|| Kind::ReasoningSummaryPartAdded(part()))
        }
        "response.reasoning_summary_part.done" => Some(Kind::ReasoningSummaryPartDone(part())),
        "response.function_call_arguments.done" => input_done(&wire.arguments).map(Kind::FunctionCallArgumentsDone),
        "response.custom_tool_call_input.done" => input_done(&wire.input).map(Kind::CustomToolCallInputDone),
        "response.mcp_call_arguments.done" => input_done(&wire.arguments).map(Kind::McpCallArgumentsDone),
        "response.code_interpreter_call_code.done" => input_done(&wire.code).map(Kind::CodeInterpreterCallCodeDone),
        "response.image_generation_call.partial_image" => wire.partial_image_b64.as_ref().map(|image| {
            let index = wire.partial_image_index;
            Kind::ImageGenerationPartialImage(PartialImage {
                item_id: item_id(),
                output_index,
                index,
                image: text(image),
            })
        }),
        "response.created" => response().map(Kind::Created),
        "response.queued" => response().map(Kind::Queued),
        "response.in_progress" => response().map(Kind::InProgress),
        "response.completed" => {
            carried_by_any(wire, before);
            return match response().filter(|response| !response.id.is_empty()) {
                Some(response) => Decoded::Completed(response, wire.sequence_number),
                None => Decoded::CompletedUnreadably,
            };
        }
        "response.incomplete" => {
            carried_by_any(wire, before);
            return Decoded::Incomplete(response());
        }
        "response.failed" | "error" => {
            carried_by_any(wire, before);
            return Decoded::Failed(response());
        }
        "codex.rate_limits" => {
            let snapshot = RateLimitSnapshot::from_event(raw).map(Box::new).map(Kind::RateLimits);
            let kind = snapshot.unwrap_or_else(|| not_decoded(Some(text(event_type)), MISFIT));
            return Decoded::Event(kind, wire.sequence_number);
        }
        "response.metadata" => {
            carried_by_any(wire, before);
            return Decoded::Event(carried_by_metadata(wire, before), wire.sequence_number);
        }
        other => Some(match hosted_tool(other) {
            Some((tool, stage)) => {
                Kind::HostedToolProgress(HostedToolProgress { tool, stage, item_id: item_id(), output_index })
            }
            None => Kind::Unknown(UnknownEvent { event_type: text(event_type) }),
        }),
    };
    carried_by_any(wire, before);
    let kind = kind.unwrap_or_else(|| not_decoded(Some(text(event_type)), MISFIT));
    Decoded::Event(kind, wire.sequence_number)
}

const MISFIT: &str = "a member that its type needs is missing or wrong";

/// Decodes an event that is unlike what servers send. Of a member that is told twice the last counts, and one that has
/// another type than this crate knows counts as missing.
#[cold]
fn decode_leniently(raw: &ByteString, before: &mut Vec<ResponseEventKind>) -> Decoded {
    if &**raw == "[DONE]" {
        return Decoded::Nothing;
    }
    let Ok(members) = serde_json::from_str::<HashMap<String, &RawValue>>(raw) else {
        return Decoded::Event(not_decoded(None, "it is not a JSON object"), None);
    };
    let json = |name: &str| members.get(name).copied().filter(|value| value.get() != "null");
    let text = |name: &str| json(name).and_then(parse::<Str<'_>>);
    let number = |name: &str| json(name).and_then(parse).and_then(|number| whole(&number));
    let index = |name: &str| number(name).and_then(|number| u32::try_from(number).ok());
    let wire = Wire {
        event_type: text("type"),
        sequence_number: number("sequence_number"),
        item_id: text("item_id"),
        call_id: text("call_id"),
        output_index: index("output_index"),
        content_index: index("content_index"),
        summary_index: index("summary_index"),
        delta: text("delta"),
        text: text("text"),
        refusal: text("refusal"),
        arguments: text("arguments"),
        input: text("input"),
        code: text("code"),
        partial_image_b64: text("partial_image_b64"),
        partial_image_index: index("partial_image_index"),
        item: json("item"),
        part: json("part"),
        response: json("response"),
        annotation: json("annotation"),
        headers: json("headers"),
        metadata: json("metadata"),
        safety_buffering: json("safety_buffering"),
    };
    interpret(raw, &wire, before)
}

fn not_decoded(event_type: Option<EventText>, reason: &'static str) -> ResponseEventKind {
    ResponseEventKind::Undecodable(UndecodableEvent { event_type, reason })
}

/// What headers say that comes as events: those of the answer, in the order in which they are told.
pub(super) fn header_events(headers: &HeaderMap) -> Vec<ResponseEventKind> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(EventText::from);
    let mut events = Vec::new();
    events.extend(server_model(headers).map(ResponseEventKind::ServerModel));
    // An event about a limit of which nothing is said would tell nothing.
    let snapshots = RateLimitSnapshot::all_from_headers(headers).into_iter().filter(RateLimitSnapshot::says_something);
    events.extend(snapshots.map(|snapshot| ResponseEventKind::RateLimits(Box::new(snapshot))));
    events.extend(OpenAiRateLimits::from_headers(headers).map(ResponseEventKind::OpenAiRateLimits));
    events.extend(text("x-models-etag").map(ResponseEventKind::ModelsEtag));
    events.extend(headers.contains_key("x-reasoning-included").then_some(ResponseEventKind::ReasoningIncluded));
    events.extend(text(TURN_STATE).map(ResponseEventKind::TurnState));
    events
}

/// The header that carries the state of a turn.
pub(super) const TURN_STATE: &str = "x-codex-turn-state";

fn server_model(headers: &HeaderMap) -> Option<EventText> {
    let model = ["openai-model", "x-openai-model"].into_iter().find_map(|name| headers.get(name))?;
    model.to_str().ok().map(str::trim).filter(|model| !model.is_empty()).map(EventText::from)
}

/// What an event of any type may carry: headers, and a word about safety buffering.
fn carried_by_any(wire: &Wire<'_>, before: &mut Vec<ResponseEventKind>) {
    // Those within the response count before those beside it.
    let mentions_headers = wire.response.filter(|response| response.get().contains("\"headers\""));
    if mentions_headers.is_none() && wire.headers.is_none() && wire.safety_buffering.is_none() {
        return;
    }
    let inner = mentions_headers.and_then(parse::<Value>).and_then(|response| response.get("headers").cloned());
    let beside = wire.headers.and_then(parse::<Value>);
    let headers: Vec<HeaderMap> = [inner, beside].into_iter().flatten().map(|told| headers_of_json(&told)).collect();
    before.extend(headers.iter().find_map(server_model).map(ResponseEventKind::ServerModel));
    let Some(mut buffering) = wire.safety_buffering.and_then(parse::<SafetyBuffering>) else { return };
    if buffering.retry_model.is_none() {
        let faster = headers.iter().find_map(|headers| headers.get("x-codex-safety-buffering-faster-model"));
        buffering.retry_model = faster.and_then(|value| value.to_str().ok()).map(str::to_owned);
    }
    before.push(ResponseEventKind::SafetyBuffering(buffering));
}

/// What `response.metadata` says: all but the last into `before`.
fn carried_by_metadata(wire: &Wire<'_>, before: &mut Vec<ResponseEventKind>) -> ResponseEventKind {
    let mut kinds = Vec::new();
    if let Some(headers) = wire.headers.and_then(parse::<Value>).map(|headers| headers_of_json(&headers)) {
        let state = headers.get(TURN_STATE).and_then(|value| value.to_str().ok());
        kinds.extend(state.map(|state| ResponseEventKind::TurnState(state.into())));
    }
    let mut metadata = wire.metadata.and_then(parse::<Value>).unwrap_or_default();
    if let Value::Object(members) = &mut metadata {
        const VERIFICATION: &str = "openai_verification_recommendation";
        if members.get(VERIFICATION).is_some_and(Value::is_array)
            && let Some(Value::Array(recommended)) = members.remove(VERIFICATION)
        {
            let mut names: Vec<String> = Vec::new();
            for name in recommended.iter().filter_map(Value::as_str) {
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
            kinds.extend((!names.is_empty()).then_some(ResponseEventKind::VerificationRecommended(names)));
        }
        let moderation = members.remove("openai_chatgpt_moderation_metadata");
        kinds.extend(moderation.map(ResponseEventKind::ModerationMetadata));
    }
    let is_empty = metadata.is_null() || metadata.as_object().is_some_and(Map::is_empty);
    // Something must be told, or what the event says besides would be lost with it.
    let last = if is_empty { kinds.pop() } else { None };
    before.extend(kinds);
    last.unwrap_or(ResponseEventKind::Metadata(metadata))
}

/// `response.web_search_call.searching` and its like.
fn hosted_tool(event_type: &str) -> Option<(HostedTool, HostedToolStage)> {
    let (tool, stage) = event_type.strip_prefix("response.")?.split_once('.')?;
    let (tool, stage) = (HostedTool::from(tool.to_owned()), HostedToolStage::from(stage.to_owned()));
    let is_known = !matches!(tool, HostedTool::Other(_)) && !matches!(stage, HostedToolStage::Other(_));
    is_known.then_some((tool, stage))
}

/// An item. Of a member that is told twice, the last counts.
fn item(raw: &RawValue) -> Option<ResponseItem> {
    match parse(raw)? {
        ResponseItem::Other(value) => serde_json::from_value(value).ok(),
        item => Some(item),
    }
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// The members that any event may have.
#[derive(Default)]
struct Wire<'a> {
    event_type: Option<Str<'a>>,
    sequence_number: Option<u64>,
    item_id: Option<Str<'a>>,
    call_id: Option<Str<'a>>,
    output_index: Option<u32>,
    content_index: Option<u32>,
    summary_index: Option<u32>,
    delta: Option<Str<'a>>,
    text: Option<Str<'a>>,
    refusal: Option<Str<'a>>,
    arguments: Option<Str<'a>>,
    input: Option<Str<'a>>,
    code: Option<Str<'a>>,
    partial_image_b64: Option<Str<'a>>,
    partial_image_index: Option<u32>,
    item: Option<&'a RawValue>,
    part: Option<&'a RawValue>,
    response: Option<&'a RawValue>,
    annotation: Option<&'a RawValue>,
    headers: Option<&'a RawValue>,
    metadata: Option<&'a RawValue>,
    safety_buffering: Option<&'a RawValue>,
}

/// The name of a member.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Member {
    Type,
    SequenceNumber,
    ItemId,
    CallId,
    OutputIndex,
    ContentIndex,
    SummaryIndex,
    Delta,
    Text,
    Refusal,
    Arguments,
    Input,
    Code,
    #[serde(rename = "partial_image_b64")]
    PartialImageB64,
    PartialImageIndex,
    Item,
    Part,
    Response,
    Annotation,
    Headers,
    Metadata,
    SafetyBuffering,
    #[serde(other)]
    Other,
}

/// Reads the members in one pass, each to its place: what a derived decoder makes is moved several times.
struct Members<'w, 'a>(&'w mut Wire<'a>);

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let wire = self.0;
        while let Some(member) = members.next_key()? {
            match member {
                Member::Type => read(&mut members, &mut wire.event_type)?,
                Member::SequenceNumber => read(&mut members, &mut wire.sequence_number)?,
                Member::ItemId => read(&mut members, &mut wire.item_id)?,
                Member::CallId => read(&mut members, &mut wire.call_id)?,
                Member::OutputIndex => read(&mut members, &mut wire.output_index)?,
                Member::ContentIndex => read(&mut members, &mut wire.content_index)?,
                Member::SummaryIndex => read(&mut members, &mut wire.summary_index)?,
                Member::Delta => read(&mut members, &mut wire.delta)?,
                Member::Text => read(&mut members, &mut wire.text)?,
                Member::Refusal => read(&mut members, &mut wire.refusal)?,
                Member::Arguments => read(&mut members, &mut wire.arguments)?,
                Member::Input => read(&mut members, &mut wire.input)?,
                Member::Code => read(&mut members, &mut wire.code)?,
                Member::PartialImageB64 => read(&mut members, &mut wire.partial_image_b64)?,
                Member::PartialImageIndex => read(&mut members, &mut wire.partial_image_index)?,
                Member::Item => read(&mut members, &mut wire.item)?,
                Member::Part => read(&mut members, &mut wire.part)?,
                Member::Response => read(&mut members, &mut wire.response)?,
                Member::Annotation => read(&mut members, &mut wire.annotation)?,
                Member::Headers => read(&mut members, &mut wire.headers)?,
                Member::Metadata => read(&mut members, &mut wire.metadata)?,
                Member::SafetyBuffering => read(&mut members, &mut wire.safety_buffering)?,
                Member::Other => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Reads a member's value, which is told once.
fn read<'de, A: MapAccess<'de>, T: Deserialize<'de>>(members: &mut A, place: &mut Option<T>) -> Result<(), A::Error> {
    if place.is_some() {
        return Err(A::Error::custom("a member is told twice"));
    }
    *place = members.next_value()?;
    Ok(())
}

/// Text that is borrowed from the event where it has no escapes. (`Option<Cow<str>>` would always copy.)
struct Str<'a>(Cow<'a, str>);

impl Str<'_> {
    fn share(&self, raw: &ByteString) -> EventText {
        EventText(match &self.0 {
            Cow::Borrowed(text) => raw.slice_ref(text),
            Cow::Owned(text) => ByteString::from(text.clone()),
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Str<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Str<'de>, E> {
                Ok(Str(Cow::Borrowed(text)))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Str<'de>, E> {
                Ok(Str(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
