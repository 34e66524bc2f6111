//! The events of a stream.

use std::fmt;
use std::ops::Deref;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::item::{ContentPart, ResponseItem};
use super::response::ModelResponse;
use crate::limits::{OpenAiRateLimits, RateLimitSnapshot};
use crate::wire::{from_text, null_as_default, open_enum};

/// One event of a [`ResponseStream`](crate::responses::ResponseStream): what it is, and its JSON as received.
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
    /// Its number among the events of its response, if the server numbers them.
    pub sequence_number: Option<u64>,
    raw: ByteString,
}

impl ResponseEvent {
    pub(super) fn new(kind: ResponseEventKind, sequence_number: Option<u64>, raw: ByteString) -> Self {
        Self { kind, sequence_number, raw }
    }

    /// The event's JSON as received. Empty for an event made from the headers of the answer.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The event's JSON, parsed: for members that this crate does not know.
    ///
    /// # Errors
    ///
    /// When it is not JSON, as for events made from headers and some that are
    /// [`Undecodable`](ResponseEventKind::Undecodable), when it contains a number that is too large, or when it is nested
    /// more than 128 levels deep or has more than 1,000,000 values.
    pub fn json(&self) -> Result<Value, serde_json::Error> {
        from_text(&self.raw)
    }
}

/// What an event is. The names are those of the wire: [`OutputTextDelta`](Self::OutputTextDelta) is
/// `response.output_text.delta`.
///
/// `Completed` is the last event of a stream that succeeds. All other ends are an [`Error`](crate::Error).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ResponseEventKind {
    /// The server has accepted the request.
    Created(Box<ModelResponse>),
    /// The response is queued.
    Queued(Box<ModelResponse>),
    /// The model is working on the response.
    InProgress(Box<ModelResponse>),
    /// An item begins.
    OutputItemAdded(ItemEvent),
    /// An item is complete.
    OutputItemDone(ItemEvent),
    /// A part of a message begins.
    ContentPartAdded(PartEvent),
    /// A part of a message is complete.
    ContentPartDone(PartEvent),
    /// The next piece of the model's text.
    OutputTextDelta(TextDelta),
    /// A text is complete.
    OutputTextDone(TextDone),
    /// A text refers to a source.
    OutputTextAnnotationAdded(AnnotationEvent),
    /// The next piece of a refusal.
    RefusalDelta(TextDelta),
    /// A refusal is complete.
    RefusalDone(TextDone),
    /// The next piece of a function's arguments.
    FunctionCallArgumentsDelta(ToolInputDelta),
    /// A function's arguments are complete.
    FunctionCallArgumentsDone(ToolInputDone),
    /// The next piece of a custom tool's input.
    CustomToolCallInputDelta(ToolInputDelta),
    /// A custom tool's input is complete.
    CustomToolCallInputDone(ToolInputDone),
    /// The next piece of the arguments of a tool on an MCP server.
    McpCallArgumentsDelta(ToolInputDelta),
    /// The arguments of a tool on an MCP server are complete.
    McpCallArgumentsDone(ToolInputDone),
    /// The next piece of the code for the interpreter.
    CodeInterpreterCallCodeDelta(ToolInputDelta),
    /// The code for the interpreter is complete.
    CodeInterpreterCallCodeDone(ToolInputDone),
    /// A part of a summary begins.
    ReasoningSummaryPartAdded(PartEvent),
    /// A part of a summary is complete.
    ReasoningSummaryPartDone(PartEvent),
    /// The next piece of a summary.
    ReasoningSummaryTextDelta(TextDelta),
    /// A text of a summary is complete.
    ReasoningSummaryTextDone(TextDone),
    /// The next piece of the model's reasoning.
    ReasoningTextDelta(TextDelta),
    /// A text of the model's reasoning is complete.
    ReasoningTextDone(TextDone),
    /// The progress of a tool that the server runs.
    HostedToolProgress(HostedToolProgress),
    /// A partial image.
    ImageGenerationPartialImage(PartialImage),
    /// The name of the model that answers, when it is first known and when it changes. From the header `openai-model`
    /// of the answer or of an event.
    ServerModel(EventText),
    /// How much of a limit of the Codex backend is used. From headers, or from the event `codex.rate_limits`.
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
    /// Moderation's metadata, as received.
    ModerationMetadata(Value),
    /// The server holds output back for a safety check.
    SafetyBuffering(SafetyBuffering),
    /// The members of `response.metadata` that none of the kinds above covers. If it has no member that they cover, the
    /// whole value, even `null`.
    Metadata(Value),
    /// The response is complete. The last event of its stream.
    Completed(Box<ModelResponse>),
    /// An event of a type that this crate does not know.
    Unknown(UnknownEvent),
    /// An event that is not JSON, has no type, or lacks what its type needs. The stream continues.
    Undecodable(UndecodableEvent),
}

/// Text inside an event: a slice of the bytes received, where the JSON has no escapes. It keeps the whole received
/// chunk in memory, so copy text that is kept for long into a `String`.
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

/// A complete text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextDone {
    /// The item it is part of.
    pub item_id: Option<EventText>,
    /// The item's place in the output.
    pub output_index: Option<u32>,
    /// The part's place in the item's content or summary.
    pub part_index: Option<u32>,
    /// The whole text.
    pub text: EventText,
}

/// The next piece of a tool's input.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolInputDelta {
    /// The item of the call; if the server sends only the call's id, that id.
    pub item_id: Option<EventText>,
    /// The call's id.
    pub call_id: Option<EventText>,
    /// The item's place in the output.
    pub output_index: Option<u32>,
    /// The piece.
    pub delta: EventText,
}

/// The complete input of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolInputDone {
    /// The item of the call; if the server sends only the call's id, that id.
    pub item_id: Option<EventText>,
    /// The call's id.
    pub call_id: Option<EventText>,
    /// The item's place in the output.
    pub output_index: Option<u32>,
    /// The whole input; for functions, JSON as text.
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
    /// The annotation, as received.
    pub annotation: Value,
}

/// The progress of a tool that the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostedToolProgress {
    /// The tool.
    pub tool: HostedTool,
    /// Its stage.
    pub stage: HostedToolStage,
    /// The item of the call.
    pub item_id: Option<EventText>,
    /// The item's place in the output.
    pub output_index: Option<u32>,
}

open_enum! {
    /// A tool that the server runs.
    HostedTool {
        /// File search.
        FileSearch = "file_search_call",
        /// Web search.
        WebSearch = "web_search_call",
        /// Image generation.
        ImageGeneration = "image_generation_call",
        /// A tool on an MCP server.
        Mcp = "mcp_call",
        /// Listing the tools of an MCP server.
        McpListTools = "mcp_list_tools",
        /// The code interpreter.
        CodeInterpreter = "code_interpreter_call",
    }
}

open_enum! {
    /// The stage of a tool that the server runs.
    HostedToolStage {
        /// It has started.
        InProgress = "in_progress",
        /// It is searching.
        Searching = "searching",
        /// It is generating an image.
        Generating = "generating",
        /// It is running code.
        Interpreting = "interpreting",
        /// It is done.
        Completed = "completed",
        /// It failed.
        Failed = "failed",
    }
}

/// A partial image.
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
    /// The reasons.
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
    /// The type, if it has one.
    pub event_type: Option<EventText>,
    /// What is wrong with it, without quoting it.
    pub reason: &'static str,
}
