//! The response object and what belongs to it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::item::ResponseItem;
use super::wire_struct::wire_struct;
use crate::limits::{count, null_as_default, open_enum, optional_count};

wire_struct! {
    /// A response as the server describes it: inside events, and where it is asked for whole.
    ///
    /// The Codex backend leaves `output` empty at the end of a stream; the items came as events, and
    /// [`ResponseStream::collect`](crate::responses::ResponseStream::collect) puts them together.
    ModelResponse {
        /// Its id. Empty in an event that tells none, which is not the one that completes a response.
        id: String,
        /// How far it has come.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ResponseStatus>,
        /// The model that answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// When it was made, in seconds since 1970.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        created_at: Option<f64>,
        /// What the model gave.
        #[serde(default, deserialize_with = "null_as_default")]
        output: Vec<ResponseItem>,
        /// What it cost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<TokenUsage>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<ResponseError>,
        /// Why it is incomplete.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        incomplete_details: Option<IncompleteDetails>,
        /// The tier that served it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service_tier: Option<String>,
        /// Whether the model is done, or wants to go on after its tools have run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end_turn: Option<bool>,
    }
}

impl ModelResponse {
    /// What an event tells of a response that cannot be read as a whole: without the members that cannot. Of one that is
    /// told twice, the last counts. What it cost is read, or the response is not.
    pub(super) fn in_part(told: Value) -> Option<Self> {
        let Value::Object(mut members) = told else { return None };
        if !members.get("id").is_some_and(Value::is_string) {
            members.insert("id".to_owned(), "".into());
        }
        let alone = |name: &str, value: &Value| serde_json::from_value::<Self>(json!({ "id": "", name: value }));
        members.retain(|name, value| matches!(name.as_str(), "id" | "usage") || alone(name, value).is_ok());
        serde_json::from_value(Value::Object(members)).ok()
    }

    /// All text of the model's messages, put together.
    #[must_use]
    pub fn output_text(&self) -> String {
        output_text(&self.output)
    }
}

/// All text of the messages among the items.
pub(super) fn output_text(items: &[ResponseItem]) -> String {
    let messages = items.iter().filter_map(|item| match item {
        ResponseItem::Message(message) => Some(message),
        _ => None,
    });
    messages.flat_map(|message| message.content.iter().filter_map(|part| part.text())).collect()
}

open_enum! {
    /// How far a response has come.
    ResponseStatus {
        /// It waits for its turn.
        Queued = "queued",
        /// The model works on it.
        InProgress = "in_progress",
        /// It is whole.
        Completed = "completed",
        /// It ends before it is whole.
        Incomplete = "incomplete",
        /// It failed.
        Failed = "failed",
        /// It was cancelled.
        Cancelled = "cancelled",
    }
}

wire_struct! {
    /// Why a response failed.
    ResponseError {
        /// The server's code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// The server's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    }
}

wire_struct! {
    /// Why a response is incomplete.
    IncompleteDetails {
        /// `max_output_tokens`, `content_filter`, ….
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
}

/// How many tokens a response took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "UsageWire", into = "UsageWire")]
#[non_exhaustive]
pub struct TokenUsage {
    /// All tokens of the input.
    pub input_tokens: u64,
    /// Those of them that were read from the cache.
    pub cached_tokens: u64,
    /// Those of them that were written to the cache.
    pub cache_write_tokens: u64,
    /// All tokens of the output.
    pub output_tokens: u64,
    /// Those of them that were thoughts.
    pub reasoning_tokens: u64,
    /// Input and output together.
    pub total_tokens: u64,
}

#[derive(Serialize, Deserialize)]
struct UsageWire {
    #[serde(deserialize_with = "count")]
    input_tokens: u64,
    #[serde(default)]
    input_tokens_details: Option<InputDetails>,
    #[serde(deserialize_with = "count")]
    output_tokens: u64,
    #[serde(default)]
    output_tokens_details: Option<OutputDetails>,
    #[serde(deserialize_with = "count")]
    total_tokens: u64,
}

#[derive(Serialize, Deserialize, Default)]
struct InputDetails {
    #[serde(deserialize_with = "count")]
    cached_tokens: u64,
    #[serde(default, deserialize_with = "optional_count")]
    cache_write_tokens: Option<u64>,
}

#[derive(Serialize, Deserialize, Default)]
struct OutputDetails {
    #[serde(deserialize_with = "count")]
    reasoning_tokens: u64,
}

impl From<UsageWire> for TokenUsage {
    fn from(wire: UsageWire) -> Self {
        let input = wire.input_tokens_details.unwrap_or_default();
        Self {
            input_tokens: wire.input_tokens,
            cached_tokens: input.cached_tokens,
            cache_write_tokens: input.cache_write_tokens.unwrap_or_default(),
            output_tokens: wire.output_tokens,
            reasoning_tokens: wire.output_tokens_details.unwrap_or_default().reasoning_tokens,
            total_tokens: wire.total_tokens,
        }
    }
}

impl From<TokenUsage> for UsageWire {
    fn from(usage: TokenUsage) -> Self {
        let (cached_tokens, cache_write_tokens) = (usage.cached_tokens, Some(usage.cache_write_tokens));
        Self {
            input_tokens: usage.input_tokens,
            input_tokens_details: Some(InputDetails { cached_tokens, cache_write_tokens }),
            output_tokens: usage.output_tokens,
            output_tokens_details: Some(OutputDetails { reasoning_tokens: usage.reasoning_tokens }),
            total_tokens: usage.total_tokens,
        }
    }
}
