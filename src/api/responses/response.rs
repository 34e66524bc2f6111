//! The response object and what belongs to it.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::item::ResponseItem;
use crate::wire::{count, null_as_default, open_enum, optional_count, wire_struct};

wire_struct! {
    /// A response as the server describes it: in events, and in answers to requests without a stream.
    ///
    /// The Codex backend leaves `output` empty at the end of a stream;
    /// [`ResponseStream::collect`](crate::responses::ResponseStream::collect) assembles the items from the events.
    ModelResponse {
        /// Its id. Empty in an event without one; the event that completes a response always has it.
        id: String,
        /// Its status.
        status?: ResponseStatus,
        /// The model that answers.
        model?: String,
        /// When it was created, in seconds since 1970.
        created_at?: f64,
        /// The output of the model.
        #[serde(default, deserialize_with = "null_as_default")]
        output: Vec<ResponseItem>,
        /// The tokens that it took. `None`, too, where the server leaves out one of the numbers or sends something else.
        #[serde(deserialize_with = "readable_usage")]
        usage?: TokenUsage,
        /// Why it failed.
        error?: ResponseError,
        /// Why it is incomplete.
        incomplete_details?: IncompleteDetails,
        /// The tier that served it.
        service_tier?: String,
        /// Whether the model has finished its turn; if not, it wants to continue after its tools have run.
        end_turn?: bool,
    }
}

impl ModelResponse {
    /// Reads an event's response that cannot be read as a whole, without the members that cannot be read. Of a member
    /// that is there twice, the last counts.
    pub(super) fn in_part(told: Value) -> Option<Self> {
        let Value::Object(mut members) = told else { return None };
        if !members.get("id").is_some_and(Value::is_string) {
            members.insert("id".to_owned(), "".into());
        }
        let alone = |name: &str, value: &Value| serde_json::from_value::<Self>(json!({ "id": "", name: value }));
        members.retain(|name, value| name == "id" || alone(name, value).is_ok());
        serde_json::from_value(Value::Object(members)).ok()
    }

    /// All text of the model's messages, joined.
    #[must_use]
    pub fn output_text(&self) -> String {
        output_text(&self.output)
    }
}

/// A number that is not known must not be taken for zero, and does not cost the answer that it belongs to.
pub(super) fn readable_usage<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TokenUsage>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Told {
        Usage(TokenUsage),
        Other(IgnoredAny),
    }
    Ok(match Option::deserialize(deserializer)? {
        Some(Told::Usage(usage)) => Some(usage),
        Some(Told::Other(_)) | None => None,
    })
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
    /// The status of a response.
    ResponseStatus {
        /// Queued.
        Queued = "queued",
        /// In progress.
        InProgress = "in_progress",
        /// Complete.
        Completed = "completed",
        /// Ended before it was complete.
        Incomplete = "incomplete",
        /// Failed.
        Failed = "failed",
        /// Cancelled.
        Cancelled = "cancelled",
    }
}

wire_struct! {
    /// Why a response failed.
    ResponseError {
        /// The server's error code.
        code?: String,
        /// The server's message.
        message?: String,
    }
}

wire_struct! {
    /// Why a response is incomplete.
    IncompleteDetails {
        /// `max_output_tokens`, `content_filter`, ….
        reason?: String,
    }
}

/// The number of tokens that a response took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "UsageWire", into = "UsageWire")]
#[non_exhaustive]
pub struct TokenUsage {
    /// All input tokens.
    pub input_tokens: u64,
    /// The input tokens that were read from the prompt cache.
    pub cached_tokens: u64,
    /// The input tokens that were written to the prompt cache.
    pub cache_write_tokens: u64,
    /// All output tokens.
    pub output_tokens: u64,
    /// The output tokens that were reasoning.
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
