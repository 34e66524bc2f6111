//! The items of inputs and outputs.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::wire::{from_text, null_as_default, open_enum, optional_count, wire_struct};

/// One item of a conversation, in an input or in an output; an output can be given back as input. What this crate does not
/// know is kept: items as [`Other`](Self::Other), members in `extra`.
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
    /// The model's reasoning.
    Reasoning(ReasoningItem),
    /// The model calls a function.
    FunctionCall(FunctionCall),
    /// What the function returned.
    FunctionCallOutput(ToolCallOutput),
    /// The model calls a tool that takes free-form text.
    CustomToolCall(CustomToolCall),
    /// What that tool returned.
    CustomToolCallOutput(ToolCallOutput),
    /// The model asks for a command to be run.
    LocalShellCall(LocalShellCall),
    /// The model searches among tools.
    ToolSearchCall(ToolSearchCall),
    /// The tools that it found.
    ToolSearchOutput(ToolSearchOutput),
    /// The model searched the web.
    WebSearchCall(WebSearchCall),
    /// The model made an image.
    ImageGenerationCall(ImageGenerationCall),
    /// A compacted conversation, which only the server can read.
    #[serde(alias = "compaction_summary")]
    Compaction(CompactionItem),
    /// One of a kind or form that this crate does not know, as received.
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

    /// A message of the model.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::message(
            MessageRole::Assistant,
            ContentPart::OutputText(TextPart { text: text.into(), extra: Map::new() }),
        )
    }

    /// What a function returned for the call with this id.
    pub fn function_call_output(call_id: impl Into<String>, output: impl Into<ToolOutput>) -> Self {
        Self::FunctionCallOutput(ToolCallOutput::new(call_id.into(), output.into()))
    }

    /// What a custom tool returned for the call with this id.
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

    /// The id of the call that the item is, or answers.
    #[must_use]
    pub fn call_id(&self) -> Option<&str> {
        match self {
            Self::FunctionCall(item) => Some(&item.call_id),
            Self::FunctionCallOutput(item) | Self::CustomToolCallOutput(item) => Some(&item.call_id),
            Self::CustomToolCall(item) => Some(&item.call_id),
            Self::LocalShellCall(item) => item.call_id.as_deref(),
            Self::ToolSearchCall(item) => item.call_id.as_deref(),
            Self::ToolSearchOutput(item) => item.call_id.as_deref(),
            Self::Other(value) => value.get("call_id").and_then(Value::as_str),
            _ => None,
        }
    }

    /// Whether the server says that the item is not done.
    pub(super) fn is_in_progress(&self) -> bool {
        let status = match self {
            Self::Message(item) => item.status.as_ref(),
            Self::FunctionCall(item) => item.status.as_ref(),
            Self::CustomToolCall(item) => item.status.as_ref(),
            Self::LocalShellCall(item) => Some(&item.status),
            Self::ToolSearchCall(item) => item.status.as_ref(),
            Self::ToolSearchOutput(item) => Some(&item.status),
            Self::WebSearchCall(item) => item.status.as_ref(),
            Self::ImageGenerationCall(item) => item.status.as_ref(),
            Self::Other(value) => return value.get("status").and_then(Value::as_str) == Some("in_progress"),
            _ => None,
        };
        status == Some(&ItemStatus::InProgress)
    }
}

open_enum! {
    /// The author of a message.
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
    /// The status of an item.
    ItemStatus {
        /// In progress.
        InProgress = "in_progress",
        /// Complete.
        Completed = "completed",
        /// Cut off.
        Incomplete = "incomplete",
        /// Failed.
        Failed = "failed",
    }
}

open_enum! {
    /// The role of a message in its turn.
    MessagePhase {
        /// A comment before the answer.
        Commentary = "commentary",
        /// The answer.
        FinalAnswer = "final_answer",
    }
}

wire_struct! {
    /// A message.
    MessageItem {
        /// The server's id.
        id?: String,
        /// The author.
        role: MessageRole,
        /// The content. Plain text is read as one part, a missing or `null` content as no parts.
        #[serde(default, deserialize_with = "content")]
        content: Vec<ContentPart>,
        /// Its status.
        status?: ItemStatus,
        /// Its role in the turn.
        phase?: MessagePhase,
        /// Whether it ends the turn.
        end_turn?: bool,
    }
}

impl MessageItem {
    /// All text of the message, joined.
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
    /// The model's reasoning.
    ReasoningItem {
        /// The server's id.
        id?: String,
        /// A summary for people.
        #[serde(default, deserialize_with = "null_as_default")]
        summary: Vec<ContentPart>,
        /// The reasoning itself, if the model shows it.
        content?: Vec<ContentPart>,
        /// The reasoning, which only the server can read. Given back as input, it saves the model reasoning the same twice.
        encrypted_content?: String,
    }
}

impl ReasoningItem {
    /// The summary's parts, joined with blank lines.
    #[must_use]
    pub fn summary_text(&self) -> String {
        self.summary.iter().filter_map(ContentPart::text).collect::<Vec<_>>().join("\n\n")
    }
}

wire_struct! {
    /// The model calls a function.
    FunctionCall {
        /// The server's id of the item.
        id?: String,
        /// The id that the output refers to.
        call_id: String,
        /// The function.
        name: String,
        /// The namespace that the function is in.
        namespace?: String,
        /// The arguments, as JSON text; empty if there are none. The model writes them: they may not be valid JSON. A server
        /// may send them as an object, which is read as its text.
        #[serde(default, deserialize_with = "text_or_json")]
        arguments: String,
        /// Its status.
        status?: ItemStatus,
    }
}

/// Text, nothing, or JSON where its text should stand.
fn text_or_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        Value::Null => String::new(),
        value => value.to_string(),
    })
}

impl FunctionCall {
    /// The arguments, parsed into a type of yours. Empty ones are read as `{}`.
    ///
    /// # Errors
    ///
    /// When the arguments are not JSON of this type.
    pub fn parse_arguments<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        let arguments = self.arguments.trim();
        from_text(if arguments.is_empty() { "{}" } else { arguments })
    }
}

wire_struct! {
    /// The model calls a tool that takes free-form text.
    CustomToolCall {
        /// The server's id of the item.
        id?: String,
        /// The id that the output refers to.
        call_id: String,
        /// The tool.
        name: String,
        /// Its input.
        #[serde(default, deserialize_with = "text_or_json")]
        input: String,
        /// Its status.
        status?: ItemStatus,
    }
}

wire_struct! {
    /// What a tool returned.
    ToolCallOutput {
        /// The server's id of the item.
        id?: String,
        /// The id of the call.
        call_id: String,
        /// What it returned.
        output: ToolOutput,
        /// The tool.
        name?: String,
    }
}

impl ToolCallOutput {
    fn new(call_id: String, output: ToolOutput) -> Self {
        Self { id: None, call_id, output, name: None, extra: Map::new() }
    }
}

/// What a tool returned: text, or text and images.
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
        id?: String,
        /// The id that the output refers to.
        #[serde(default)]
        call_id: Option<String>,
        /// Its status.
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
        /// Its time-out, in milliseconds.
        #[serde(deserialize_with = "optional_count")]
        timeout_ms?: u64,
        /// Where to run it.
        working_directory?: String,
    }
}

wire_struct! {
    /// The model searches among tools.
    ToolSearchCall {
        /// The server's id of the item.
        id?: String,
        /// The id that the output refers to.
        #[serde(default)]
        call_id: Option<String>,
        /// Who runs the search: `server` or `client`.
        execution: String,
        /// The arguments of the search.
        #[serde(default)]
        arguments: Value,
        /// Its status.
        status?: ItemStatus,
    }
}

wire_struct! {
    /// The tools that were found.
    ToolSearchOutput {
        /// The server's id of the item.
        id?: String,
        /// The id of the call.
        #[serde(default)]
        call_id: Option<String>,
        /// Its status.
        status: ItemStatus,
        /// Who ran the search: `server` or `client`.
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
        id?: String,
        /// Its status.
        status?: ItemStatus,
        /// What it did: `search`, `open_page`, `find_in_page`, with their members.
        action?: Value,
    }
}

wire_struct! {
    /// The model made an image.
    ImageGenerationCall {
        /// The server's id of the item.
        id?: String,
        /// Its status.
        status?: ItemStatus,
        /// The prompt that was used in the end.
        revised_prompt?: String,
        /// The image, in base64.
        #[serde(default)]
        result: Option<String>,
    }
}

wire_struct! {
    /// A compacted conversation, which only the server can read.
    CompactionItem {
        /// The server's id of the item.
        id?: String,
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
    /// A part of a summary of the model's reasoning.
    SummaryText(TextPart),
    /// A part of the model's reasoning.
    ReasoningText(TextPart),
    /// Text, in an older form.
    Text(TextPart),
    /// One of a kind or form that this crate does not know, as received.
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

    /// The part's text, if it is text.
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
        image_url?: String,
        /// The id under which it was uploaded.
        file_id?: String,
        /// The level of detail: `auto`, `low`, `high`, `original`.
        detail?: String,
    }
}

wire_struct! {
    /// A file for the model.
    FilePart {
        /// The id under which it was uploaded.
        file_id?: String,
        /// Its name.
        filename?: String,
        /// Its content, as a `data:` URL.
        file_data?: String,
    }
}

wire_struct! {
    /// The model declines.
    RefusalPart {
        /// The model's explanation.
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
