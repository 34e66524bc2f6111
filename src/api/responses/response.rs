//! The response object and what belongs to it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::item::ResponseItem;
use super::wire_struct::wire_struct;
use crate::limits::{null_as_default, open_enum};

wire_struct! {
    /// A response as the server describes it: inside events, and where it is asked for whole.
    ///
    /// The Codex backend leaves `output` empty at the end of a stream; the items came as events, and
    /// [`ResponseStream::collect`](crate::ResponseStream::collect) puts them together.
    ModelResponse {
        /// Its id. Empty where an event does not tell it.
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
    /// What an event says of its response. A member that cannot be read, and be it the id, does not lose the others.
    pub(super) fn of_event(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok().or_else(|| Self::of_members(json, &["id", "usage"]))
    }

    /// What the last event says of a response that is complete: its id must be there, and what it cost be readable.
    pub(super) fn of_last_event(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok().or_else(|| Self::of_members(json, &[]))
    }

    /// Without those of the optional members that cannot be read.
    fn of_members(json: &str, optional: &[&str]) -> Option<Self> {
        const OPTIONAL: [&str; 8] =
            ["status", "model", "created_at", "output", "error", "incomplete_details", "service_tier", "end_turn"];
        let mut members: Map<String, Value> = serde_json::from_str(json).ok()?;
        for name in OPTIONAL.iter().chain(optional) {
            let mut alone = json!({ "id": "" });
            if let Some(member) = members.get(*name) {
                alone[*name] = member.clone();
            }
            if Self::deserialize(&alone).is_err() {
                members.remove(*name);
            }
        }
        if optional.contains(&"id") {
            members.entry("id").or_insert(json!(""));
        }
        Self::deserialize(Value::Object(members)).ok()
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
    input_tokens: u64,
    #[serde(default)]
    input_tokens_details: Option<InputDetails>,
    output_tokens: u64,
    #[serde(default)]
    output_tokens_details: Option<OutputDetails>,
    total_tokens: u64,
}

#[derive(Serialize, Deserialize, Default)]
struct InputDetails {
    cached_tokens: u64,
    #[serde(default)]
    cache_write_tokens: u64,
}

#[derive(Serialize, Deserialize, Default)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl From<UsageWire> for TokenUsage {
    fn from(wire: UsageWire) -> Self {
        let input = wire.input_tokens_details.unwrap_or_default();
        Self {
            input_tokens: wire.input_tokens,
            cached_tokens: input.cached_tokens,
            cache_write_tokens: input.cache_write_tokens,
            output_tokens: wire.output_tokens,
            reasoning_tokens: wire.output_tokens_details.unwrap_or_default().reasoning_tokens,
            total_tokens: wire.total_tokens,
        }
    }
}

impl From<TokenUsage> for UsageWire {
    fn from(usage: TokenUsage) -> Self {
        let (cached_tokens, cache_write_tokens) = (usage.cached_tokens, usage.cache_write_tokens);
        Self {
            input_tokens: usage.input_tokens,
            input_tokens_details: Some(InputDetails { cached_tokens, cache_write_tokens }),
            output_tokens: usage.output_tokens,
            output_tokens_details: Some(OutputDetails { reasoning_tokens: usage.reasoning_tokens }),
            total_tokens: usage.total_tokens,
        }
    }
}
