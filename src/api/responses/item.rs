//! The items of which inputs and outputs consist.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::wire_struct::wire_struct;
use crate::limits::{null_as_default, open_enum, optional_count};

/// One item of a conversation: what goes to the model and what comes from it, so that an output can be given back as
/// input. What this crate does not know is kept: items as [`Other`](Self::Other), members in `extra`.
///
/// ```
/// use codex_backend::responses::{MessageRole, ResponseItem};
///
/// let item: ResponseItem = serde_json::from_str(
///     r#"{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hello"}],"later":1}"#,
/// )?;
/// let ResponseItem::Message(message) = &item else { panic!("{item:?}") };
/// assert_eq!((&message.role, message.text().as_str()), (&MessageRole::Assistant, "Hello"));
/// assert_eq!(serde_json::to_value(&item)?["later"], 1);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResponseItem {
    /// A message.
    #[serde(deserialize_with = "message")]
    Message(MessageItem),
    /// What the model thought.
    Reasoning(ReasoningItem),
    /// The model calls a function.
    FunctionCall(FunctionCall),
    /// What the function gave.
    FunctionCallOutput(ToolCallOutput),
    /// The model calls a tool that takes text of its own form.
    CustomToolCall(CustomToolCall),
    /// What that tool gave.
    CustomToolCallOutput(ToolCallOutput),
    /// The model asks for a command to be run.
    LocalShellCall(LocalShellCall),
    /// The model searches among tools.
    ToolSearchCall(ToolSearchCall),
    /// What it found.
    ToolSearchOutput(ToolSearchOutput),
    /// The model searched the web.
    WebSearchCall(WebSearchCall),
    /// The model made an image.
    ImageGenerationCall(ImageGenerationCall),
    /// A conversation made short, readable by the server alone.
    #[serde(alias = "compaction_summary")]
    Compaction(CompactionItem),
    /// One of a kind or form that this crate does not know, as it came.
    #[serde(untagged)]
    Other(Value),
}

impl ResponseItem {
    /// A message of the user.
    pub fn user(text: impl Into<String>) -> Self {
        Self::message(MessageRole::User, ContentPart::input_text(text))
    }

    /// A message of the application's developer.
    pub fn developer(text: impl Into<String>) -> Self {
        Self::message(MessageRole::Developer, ContentPart::input_text(text))
    }

    /// A message that the model is to have written.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::message(
            MessageRole::Assistant,
            ContentPart::OutputText(TextPart { text: text.into(), extra: Map::new() }),
        )
    }

    /// What a function gave for the call with this id.
    pub fn function_call_output(call_id: impl Into<String>, output: impl Into<ToolOutput>) -> Self {
        Self::FunctionCallOutput(ToolCallOutput::new(call_id.into(), output.into()))
    }

    /// What a custom tool gave for the call with this id.
    pub fn custom_tool_call_output(call_id: impl Into<String>, output: impl Into<ToolOutput>) -> Self {
        Self::CustomToolCallOutput(ToolCallOutput::new(call_id.into(), output.into()))
    }

    fn message(role: MessageRole, part: ContentPart) -> Self {
        Self::Message(MessageItem {
            id: None,
            role,
            content: vec![part],
            status: None,
            phase: None,
            end_turn: None,
            extra: Map::new(),
        })
    }

    /// The `type` of the item; empty for an [`Other`](Self::Other) that has none.
    #[must_use]
    pub fn item_type(&self) -> &str {
        match self {
            Self::Message(_) => "message",
            Self::Reasoning(_) => "reasoning",
            Self::FunctionCall(_) => "function_call",
            Self::FunctionCallOutput(_) => "function_call_output",
            Self::CustomToolCall(_) => "custom_tool_call",
            Self::CustomToolCallOutput(_) => "custom_tool_call_output",
            Self::LocalShellCall(_) => "local_shell_call",
            Self::ToolSearchCall(_) => "tool_search_call",
            Self::ToolSearchOutput(_) => "tool_search_output",
            Self::WebSearchCall(_) => "web_search_call",
            Self::ImageGenerationCall(_) => "image_generation_call",
            Self::Compaction(_) => "compaction",
            Self::Other(value) => value.get("type").and_then(Value::as_str).unwrap_or(""),
        }
    }

    /// The id that the server gave the item.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Message(item) => item.id.as_deref(),
            Self::Reasoning(item) => item.id.as_deref(),
            Self::FunctionCall(item) => item.id.as_deref(),
            Self::FunctionCallOutput(item) | Self::CustomToolCallOutput(item) => item.id.as_deref(),
            Self::CustomToolCall(item) => item.id.as_deref(),
            Self::LocalShellCall(item) => item.id.as_deref(),
            Self::ToolSearchCall(item) => item.id.as_deref(),
            Self::ToolSearchOutput(item) => item.id.as_deref(),
            Self::WebSearchCall(item) => item.id.as_deref(),
            Self::ImageGenerationCall(item) => item.id.as_deref(),
            Self::Compaction(item) => item.id.as_deref(),
            Self::Other(value) => value.get("id").and_then(Value::as_str),
        }
    }
}

open_enum! {
    /// Who speaks in a message.
    MessageRole {
        /// The user.
        User = "user",
        /// The model.
        Assistant = "assistant",
        /// The application's developer.
        Developer = "developer",
        /// The platform. The Codex backend refuses it; use [`Developer`](Self::Developer).
        System = "system",
    }
}

open_enum! {
    /// How far an item has come.
    ItemStatus {
        /// It is being made.
        InProgress = "in_progress",
        /// It is whole.
        Completed = "completed",
        /// It was cut off.
        Incomplete = "incomplete",
        /// It failed.
        Failed = "failed",
    }
}

open_enum! {
    /// What part a message plays in its turn.
    MessagePhase {
        /// A word on the way.
        Commentary = "commentary",
        /// The answer.
        FinalAnswer = "final_answer",
    }
}

wire_struct! {
    /// A message.
    MessageItem {
        /// The server's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// Who speaks.
        role: MessageRole,
        /// What is said. Plain text is read as one part, and nothing as none.
        #[serde(default, deserialize_with = "content")]
        content: Vec<ContentPart>,
        /// How far it has come.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
        /// What part it plays.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phase: Option<MessagePhase>,
        /// Whether the turn ends with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end_turn: Option<bool>,
    }
}

impl MessageItem {
    /// All text of the message, put together.
    #[must_use]
    pub fn text(&self) -> String {
        self.content.iter().filter_map(ContentPart::text).collect()
    }
}

/// A list of parts, nothing, or plain text, which is left as it came: who says it is not known here.
fn content<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ContentPart>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Content {
        Parts(Vec<ContentPart>),
        Text(String),
    }
    Ok(match Option::deserialize(deserializer)? {
        Some(Content::Parts(parts)) => parts,
        Some(Content::Text(text)) => vec![ContentPart::Other(Value::String(text))],
        None => Vec::new(),
    })
}

/// A message whose plain text is a part like any other.
fn message<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MessageItem, D::Error> {
    let mut message = MessageItem::deserialize(deserializer)?;
    for part in &mut message.content {
        if let ContentPart::Other(Value::String(text)) = part {
            let text = TextPart { text: std::mem::take(text), extra: Map::new() };
            *part = match message.role {
                MessageRole::Assistant => ContentPart::OutputText(text),
                _ => ContentPart::InputText(text),
            };
        }
    }
    Ok(message)
}

wire_struct! {
    /// What the model thought.
    ReasoningItem {
        /// The server's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// A summary for people.
        #[serde(default, deserialize_with = "null_as_default")]
        summary: Vec<ContentPart>,
        /// The thoughts themselves, where the model shows them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<Vec<ContentPart>>,
        /// The thoughts, readable by the server alone: given back, they spare the model thinking the same again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    }
}

impl ReasoningItem {
    /// The summary's parts, put together with blank lines.
    #[must_use]
    pub fn summary_text(&self) -> String {
        self.summary.iter().filter_map(ContentPart::text).collect::<Vec<_>>().join("\n\n")
    }
}

wire_struct! {
    /// The model calls a function.
    FunctionCall {
        /// The server's id of the item.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The id to which the output refers.
        call_id: String,
        /// The function.
        name: String,
        /// The namespace that the function is in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        /// The arguments, as JSON in text; empty when there are none. It is the model's work: it may be no JSON.
        #[serde(default, deserialize_with = "null_as_default")]
        arguments: String,
        /// How far it has come.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
    }
}

impl FunctionCall {
    /// The arguments as a type of the application's.
    ///
    /// # Errors
    ///
    /// When the model wrote something else.
    pub fn parse_arguments<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.arguments)
    }
}

wire_struct! {
    /// The model calls a tool that takes text of its own form.
    CustomToolCall {
        /// The server's id of the item.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The id to which the output refers.
        call_id: String,
        /// The tool.
        name: String,
        /// What it is given.
        #[serde(default, deserialize_with = "null_as_default")]
        input: String,
        /// How far it has come.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
    }
}

wire_struct! {
    /// What a tool gave.
    ToolCallOutput {
        /// The server's id of the item.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The id of the call.
        call_id: String,
        /// What it gave.
        output: ToolOutput,
        /// The tool.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    }
}

impl ToolCallOutput {
    fn new(call_id: String, output: ToolOutput) -> Self {
        Self { id: None, call_id, output, name: None, extra: Map::new() }
    }
}

/// What a tool gave: text, or text and images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ToolOutput {
    /// Text.
    Text(String),
    /// Text and images.
    Parts(Vec<ContentPart>),
}

impl From<String> for ToolOutput {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for ToolOutput {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<ContentPart>> for ToolOutput {
    fn from(parts: Vec<ContentPart>) -> Self {
        Self::Parts(parts)
    }
}

wire_struct! {
    /// The model asks for a command to be run.
    LocalShellCall {
        /// The server's id of the item.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The id to which the output refers.
        #[serde(default)]
        call_id: Option<String>,
        /// How far it has come.
        status: ItemStatus,
        /// What to run.
        action: LocalShellAction,
    }
}

wire_struct! {
    /// A command.
    LocalShellAction {
        /// What kind of action it is: `exec`.
        #[serde(rename = "type")]
        action_type: String,
        /// The program and its arguments.
        #[serde(default, deserialize_with = "null_as_default")]
        command: Vec<String>,
        /// How long it may take, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_count")]
        timeout_ms: Option<u64>,
        /// Where to run it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        working_directory: Option<String>,
    }
}

wire_struct! {
    /// The model searches among tools.
    ToolSearchCall {
        /// The server's id of the item.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The id to which the output refers.
        #[serde(default)]
        call_id: Option<String>,
        /// Who searches.
        execution: String,
        /// What for.
        #[serde(default)]
        arguments: Value,
        /// How far it has come.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
    }
}

wire_struct! {
    /// The tools that were found.
    ToolSearchOutput {
        /// The server's id of the item.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The id of the call.
        #[serde(default)]
        call_id: Option<String>,
        /// How far it has come.
        status: ItemStatus,
        /// Who searched.
        execution: String,
        /// The tools.
        #[serde(default, deserialize_with = "null_as_default")]
        tools: Vec<Value>,
    }
}

wire_struct! {
    /// The model searched the web.
    WebSearchCall {
        /// The server's id of the item.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// How far it has come.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
        /// What it did: `search`, `open_page`, `find_in_page`, with their members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        action: Option<Value>,
    }
}

wire_struct! {
    /// The model made an image.
    ImageGenerationCall {
        /// The server's id of the item.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// How far it has come.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
        /// What was asked for in the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revised_prompt: Option<String>,
        /// The image, in base64.
        #[serde(default)]
        result: Option<String>,
    }
}

wire_struct! {
    /// A conversation made short, readable by the server alone.
    CompactionItem {
        /// The server's id of the item.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The conversation.
        encrypted_content: String,
    }
}

/// A part of a message, of a tool's output, or of a summary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContentPart {
    /// Text for the model.
    InputText(TextPart),
    /// An image for the model.
    InputImage(ImagePart),
    /// A file for the model.
    InputFile(FilePart),
    /// Text of the model.
    OutputText(TextPart),
    /// The model declines.
    Refusal(RefusalPart),
    /// A part of a summary of what the model thought.
    SummaryText(TextPart),
    /// A part of what the model thought.
    ReasoningText(TextPart),
    /// Text, of an older form.
    Text(TextPart),
    /// One of a kind or form that this crate does not know, as it came.
    #[serde(untagged)]
    Other(Value),
}

impl ContentPart {
    /// Text for the model.
    pub fn input_text(text: impl Into<String>) -> Self {
        Self::InputText(TextPart { text: text.into(), extra: Map::new() })
    }

    /// An image for the model, by its URL (`https:`, or `data:` with the image itself).
    pub fn input_image(url: impl Into<String>) -> Self {
        Self::InputImage(ImagePart { image_url: Some(url.into()), file_id: None, detail: None, extra: Map::new() })
    }

    /// A file for the model, by the id under which it was uploaded.
    pub fn input_file(file_id: impl Into<String>) -> Self {
        Self::InputFile(FilePart { file_id: Some(file_id.into()), filename: None, file_data: None, extra: Map::new() })
    }

    /// The part's text, where it is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::InputText(part)
            | Self::OutputText(part)
            | Self::SummaryText(part)
            | Self::ReasoningText(part)
            | Self::Text(part) => Some(&part.text),
            Self::InputImage(_) | Self::InputFile(_) | Self::Refusal(_) | Self::Other(_) => None,
        }
    }
}

wire_struct! {
    /// Text.
    TextPart {
        /// The text.
        #[serde(deserialize_with = "null_as_default")]
        text: String,
    }
}

wire_struct! {
    /// An image for the model.
    ImagePart {
        /// Its URL (`https:`, or `data:` with the image itself).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image_url: Option<String>,
        /// The id under which it was uploaded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file_id: Option<String>,
        /// How closely the model looks: `auto`, `low`, `high`, `original`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    }
}

wire_struct! {
    /// A file for the model.
    FilePart {
        /// The id under which it was uploaded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file_id: Option<String>,
        /// Its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filename: Option<String>,
        /// Its content, as a `data:` URL.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file_data: Option<String>,
    }
}

wire_struct! {
    /// The model declines.
    RefusalPart {
        /// In its words.
        refusal: String,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> ResponseItem {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn every_kind_of_item_is_given_back_as_it_came() {
        for value in [
            json!({ "type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "final_answer",
                "content": [{ "type": "output_text", "text": "a", "annotations": [], "logprobs": [] },
                    { "type": "refusal", "refusal": "no" }, { "type": "later", "x": 1 }] }),
            json!({ "type": "reasoning", "id": "rs_1", "summary": [{ "type": "summary_text", "text": "s" }],
                "encrypted_content": "gAAA" }),
            json!({ "type": "function_call", "call_id": "c", "name": "f", "namespace": "n", "arguments": "{" }),
            json!({ "type": "function_call_output", "call_id": "c", "output": "text" }),
            json!({ "type": "function_call_output", "call_id": "c", "output": [{ "type": "input_text", "text": "t" }] }),
            json!({ "type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": "***" }),
            json!({ "type": "custom_tool_call_output", "call_id": "c", "name": "apply_patch", "output": "ok" }),
            json!({ "type": "local_shell_call", "call_id": null, "status": "in_progress",
                "action": { "type": "exec", "command": ["ls"], "timeout_ms": 5, "env": { "A": "b" } } }),
            json!({ "type": "tool_search_call", "call_id": null, "execution": "server", "arguments": { "q": 1 } }),
            json!({ "type": "tool_search_output", "call_id": "c", "status": "completed", "execution": "client", "tools": [{}] }),
            json!({ "type": "web_search_call", "status": "completed", "action": { "type": "search", "query": "q" } }),
            json!({ "type": "image_generation_call", "id": "ig_1", "status": "generating", "result": "AAAA" }),
            json!({ "type": "compaction", "encrypted_content": "gAAA" }),
            json!({ "type": "brand_new", "anything": [1, 2] }),
            json!({ "type": "message", "role": 7 }),
            json!("not even an object"),
        ] {
            let item = parse(&value);
            assert_eq!(serde_json::to_value(&item).unwrap(), value);
            assert_eq!(item.item_type(), value["type"].as_str().unwrap_or(""), "{value}");
            assert_eq!(item.id(), value["id"].as_str(), "{value}");
        }
    }

    #[test]
    fn only_what_is_not_known_is_other() {
        let is_other = |value: Value| matches!(parse(&value), ResponseItem::Other(_));
        assert!(is_other(json!({ "type": "brand_new" })));
        assert!(is_other(json!({ "type": "message", "content": [] })), "a message of nobody");
        assert!(is_other(json!({ "type": "message", "role": "assistant", "content": 7 })));
        assert!(is_other(json!({ "type": "function_call", "name": "f", "arguments": "{}" })), "nobody can answer it");
        assert!(!is_other(json!({ "type": "message", "role": "narrator", "content": [{ "type": "later" }] })));
        assert!(!is_other(json!({ "type": "compaction_summary", "encrypted_content": "x" })));
        assert!(!is_other(json!({ "type": "reasoning", "id": "rs", "summary": [], "encrypted_content": null })));
    }

    #[test]
    fn content_may_be_missing_or_plain_text() {
        for (told, kept) in [
            (json!({ "type": "message", "role": "assistant" }), json!([])),
            (json!({ "type": "message", "role": "assistant", "content": null }), json!([])),
            (
                json!({ "type": "message", "role": "assistant", "content": "a" }),
                json!([{ "type": "output_text", "text": "a" }]),
            ),
            (
                json!({ "type": "message", "role": "user", "content": "a" }),
                json!([{ "type": "input_text", "text": "a" }]),
            ),
            (
                json!({ "type": "message", "role": "user", "content": ["a", { "type": "text", "text": null }] }),
                json!([{ "type": "input_text", "text": "a" }, { "type": "text", "text": "" }]),
            ),
        ] {
            let item = parse(&told);
            assert!(matches!(item, ResponseItem::Message(_)), "{told}");
            assert_eq!(serde_json::to_value(&item).unwrap()["content"], kept, "{told}");
        }
    }

    #[test]
    fn calls_without_anything_to_say_are_calls() {
        for told in [
            json!({ "type": "function_call", "call_id": "c", "name": "f" }),
            json!({ "type": "function_call", "call_id": "c", "name": "f", "arguments": null }),
        ] {
            assert!(matches!(parse(&told), ResponseItem::FunctionCall(call) if call.arguments.is_empty()), "{told}");
        }
        let custom = parse(&json!({ "type": "custom_tool_call", "call_id": "c", "name": "f", "input": null }));
        assert!(matches!(custom, ResponseItem::CustomToolCall(call) if call.input.is_empty()));
        let shell = parse(&json!({ "type": "local_shell_call", "status": "completed",
            "action": { "type": "exec", "command": null, "timeout_ms": 1000.0 } }));
        let ResponseItem::LocalShellCall(shell) = shell else { panic!("{shell:?}") };
        assert_eq!((shell.action.command.len(), shell.action.timeout_ms), (0, Some(1000)));
    }
}
