//! The events of a stream.

use std::fmt;
use std::ops::Deref;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::item::{ContentPart, ResponseItem};
use super::response::ModelResponse;
use crate::limits::{OpenAiRateLimits, RateLimitSnapshot};
use crate::wire::{null_as_default, open_enum};

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
    /// The response is queued.
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
    /// The next piece of the model's reasoning.
    ReasoningTextDelta(TextDelta),
    /// A text of the model's reasoning is whole.
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
    /// What remains of the OpenAI API's rate limits. From headers.
    OpenAiRateLimits(OpenAiRateLimits),
    /// The version of the model catalogue on the server. From the header `x-models-etag`.
    ModelsEtag(EventText),
    /// The server's count of input tokens already includes earlier reasoning. From the header `x-reasoning-included`.
    ReasoningIncluded,
    /// The state to send with further requests of the same turn. From `x-codex-turn-state`;
    /// [`ResponseTurn`](crate::responses::ResponseTurn) does it by itself.
    TurnState(EventText),
    /// The server recommends that the user completes these verifications, by their names.
    VerificationRecommended(Vec<String>),
    /// Moderation's metadata, as it came.
    ModerationMetadata(Value),
    /// The server holds output back for a safety check.
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

/// Text inside an event: a slice of the bytes received, where the JSON has no escapes. It keeps the whole chunk in memory;
/// make a `String` of text that is kept for long.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct EventText(pub(super) ByteString);

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
    /// The number of this partial image.
    pub index: Option<u32>,
    /// The image, in base64.
    pub image: EventText,
}

/// The server holds output back for a safety check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SafetyBuffering {
    /// The use cases that it concerns.
    #[serde(default, deserialize_with = "null_as_default")]
    pub use_cases: Vec<String>,
    /// Why.
    #[serde(default, deserialize_with = "null_as_default")]
    pub reasons: Vec<String>,
    /// A model that would answer without it.
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
