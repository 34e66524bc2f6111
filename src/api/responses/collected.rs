//! A response that is put together from the events of its stream.

use super::collected_output::CollectedOutput;
use super::event::{ResponseEvent, ResponseEventKind};
use super::item::{CustomToolCall, FunctionCall, ResponseItem};
use super::response::{ModelResponse, TokenUsage, output_text};
use crate::limits::{OpenAiRateLimits, RateLimitSnapshot};

/// A response assembled from its stream. Made by [`ResponseStream::collect`](crate::responses::ResponseStream::collect).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// let answer = client.codex_responses().create("gpt-5.5", "You are terse.", "Hello").stream().await?.collect().await?;
/// assert_eq!(answer.text(), "Hello, world");
/// assert_eq!(answer.usage().map(|usage| usage.total_tokens), Some(15));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CollectedResponse {
    /// The response as its last event described it. Its own `output` may be empty.
    pub response: Option<ModelResponse>,
    /// The complete items of the output, in order: each once, however the server told it, in pieces, when it was done, or in
    /// the last description of the response. To continue the conversation, give them back as input.
    pub items: Vec<ResponseItem>,
    /// How much of each limit of the Codex backend is used, as last reported.
    pub rate_limits: Vec<RateLimitSnapshot>,
    /// What remains of the OpenAI API's rate limits.
    pub openai_rate_limits: Option<OpenAiRateLimits>,
    /// The model that answered, if the server names it.
    pub server_model: Option<String>,
    /// The version of the model catalogue on the server.
    pub models_etag: Option<String>,
    output: CollectedOutput,
    /// Text of messages that are not complete.
    unfinished_text: String,
}

impl CollectedResponse {
    pub(super) fn add(&mut self, event: ResponseEvent) {
        match event.kind {
            ResponseEventKind::Created(response)
            | ResponseEventKind::Queued(response)
            | ResponseEventKind::InProgress(response) => self.describe(*response),
            ResponseEventKind::Completed(response) => {
                self.describe(*response);
                self.output.is_complete = true;
            }
            ResponseEventKind::RateLimits(snapshot) => {
                match self.rate_limits.iter_mut().find(|known| known.limit_id == snapshot.limit_id) {
                    Some(known) => *known = *snapshot,
                    None => self.rate_limits.push(*snapshot),
                }
            }
            ResponseEventKind::OpenAiRateLimits(limits) => self.openai_rate_limits = Some(limits),
            ResponseEventKind::ServerModel(model) => self.server_model = Some(model.to_string()),
            ResponseEventKind::ModelsEtag(etag) => self.models_etag = Some(etag.to_string()),
            kind => self.output.add(kind),
        }
    }

    /// The last description counts; one without an id is of the same response.
    fn describe(&mut self, mut response: ModelResponse) {
        if let Some(known) = self.response.take().filter(|_| response.id.is_empty()) {
            response.id = known.id;
        }
        self.response = Some(response);
    }

    pub(super) fn finish(mut self, last: Option<Box<ModelResponse>>) -> Self {
        if let Some(last) = last {
            self.describe(*last);
        }
        let snapshot = self.response.as_ref().map_or(&[][..], |response| &response.output);
        (self.items, self.unfinished_text) = std::mem::take(&mut self.output).finish(snapshot);
        self
    }

    /// The response's id.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.response.as_ref().map(|response| response.id.as_str()).filter(|id| !id.is_empty())
    }

    /// All text of the model's messages; of a response that broke off, as far as it came.
    #[must_use]
    pub fn text(&self) -> String {
        output_text(&self.items) + &self.unfinished_text
    }

    /// The tokens that it took.
    #[must_use]
    pub fn usage(&self) -> Option<TokenUsage> {
        self.response.as_ref()?.usage
    }

    /// The functions that the model calls.
    pub fn function_calls(&self) -> impl Iterator<Item = &FunctionCall> {
        self.items.iter().filter_map(|item| match item {
            ResponseItem::FunctionCall(call) => Some(call),
            _ => None,
        })
    }

    /// The custom tools that the model calls.
    pub fn custom_tool_calls(&self) -> impl Iterator<Item = &CustomToolCall> {
        self.items.iter().filter_map(|item| match item {
            ResponseItem::CustomToolCall(call) => Some(call),
            _ => None,
        })
    }

    /// The summaries of the model's reasoning, joined with blank lines.
    #[must_use]
    pub fn reasoning_summary(&self) -> String {
        let summaries = self.items.iter().filter_map(|item| match item {
            ResponseItem::Reasoning(reasoning) => Some(reasoning.summary_text()),
            _ => None,
        });
        summaries.filter(|summary| !summary.is_empty()).collect::<Vec<_>>().join("\n\n")
    }

    /// The text, parsed as JSON into a type of the application's: for a request with a JSON schema.
    ///
    /// # Errors
    ///
    /// When the text is not JSON of this type.
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        crate::wire::from_text(&self.text())
    }
}
