//! The Responses API: ask a model, with text, images, files and tools, and read the answer as a stream of events.
//!
//! [`CodexResponses`] is for a `Client<CodexBackend>`, [`OpenAiResponses`] for a `Client<OpenAiApi>`. Both make a
//! [`ResponseRequest`], whose setters depend on the client: what a route refuses does not compile.
//!
//! | to | see |
//! | --- | --- |
//! | send a request | [`stream`](ResponseRequest::stream), [`send`](ResponseRequest::send) (OpenAI API only) |
//! | read the answer | [`ResponseStream`], [`ResponseEventKind`], [`CollectedResponse`] |
//! | build an input, or give an output back as input | [`ResponseItem`], [`ContentPart`] |
//! | let the model call functions | [`Tools`], [`run_tools`](ResponseRequest::run_tools), [`FunctionTool`] |
//! | get JSON that fits a schema | [`json_schema`](ResponseRequest::json_schema) |
//! | shorten a conversation | [`compact`](ResponseRequest::compact) |
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! let answer = client.codex_responses().create("gpt-5.5", "Be terse.", "Hello").stream().await?.collect().await?;
//! println!("{}", answer.text());
//! # assert!(!answer.text().is_empty());
//! # Ok(()) }
//! ```

mod collected;
mod collected_output;
mod conversation;
mod decode;
mod event;
mod item;
mod plain_object;
pub(crate) mod request;
mod response;
mod rules;
#[cfg(feature = "schemars")]
mod schema;
mod stream;
mod tool;
mod tool_loop;
mod turn;

use http::header::ACCEPT;
use http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::collected::CollectedResponse;
pub use self::event::{
    AnnotationEvent, EventText, HostedTool, HostedToolProgress, HostedToolStage, ItemEvent, PartEvent, PartialImage,
    ResponseEvent, ResponseEventKind, SafetyBuffering, TextDelta, TextDone, ToolInputDelta, ToolInputDone,
    UndecodableEvent, UnknownEvent,
};
pub use self::item::{
    CompactionItem, ContentPart, CustomToolCall, FilePart, FunctionCall, ImageGenerationCall, ImagePart, ItemStatus,
    LocalShellAction, LocalShellCall, MessageItem, MessagePhase, MessageRole, ReasoningItem, RefusalPart, ResponseItem,
    TextPart, ToolCallOutput, ToolOutput, ToolSearchCall, ToolSearchOutput, WebSearchCall,
};
pub use self::request::{
    ReasoningEffort, ReasoningSummary, ResponseInput, ResponseRequest, ServiceTier, ToolChoice, Verbosity,
};
pub use self::response::{IncompleteDetails, ModelResponse, ResponseError, ResponseStatus, TokenUsage};
pub use self::stream::ResponseStream;
pub use self::tool::{CustomTool, FunctionTool, HostedToolOptions, NamespaceTool, ResponseTool, ToolSearchTool};
pub use self::tool_loop::{ToolLoop, ToolLoopEvents, ToolLoopResult, Tools};
pub use self::turn::ResponseTurn;

use self::conversation::id_value;
use self::request::{CODEX, OPENAI};
use self::response::readable_usage;
use self::rules::Rules;
use self::stream::ReceiveStream;
use super::request::{ApiRequest, Page, PagedRequest, PreparedRequest};
use crate::api::endpoint::{Accepts, endpoint, operations};
use crate::exchange::{LONGEST_EVENT, Retries, VERSION};
use crate::mode::{CodexBackend, OpenAiApi};
use crate::wire::{null_as_default, open_struct, wire_struct};

operations! {
    for CodexResponses;
    COMPACT_CODEX: "responses.compact" = POST "{codex}/responses/compact", Safe, Stream;
}
operations! {
    for OpenAiResponses;
    RETRIEVE: "openai_responses.retrieve" = GET "/responses/{response_id}", Safe, Bounded;
    // The path of the one before, requested as a stream.
    FOLLOW: "openai_responses.follow" = GET "/responses/{response_id}", Safe, Stream;
    // A second time there is nothing left to delete, which is an error.
    DELETE: "openai_responses.delete" = DELETE "/responses/{response_id}", IfNotActedOn, Bounded;
    CANCEL: "openai_responses.cancel" = POST "/responses/{response_id}/cancel", Safe, Bounded;
    INPUT_ITEMS: "openai_responses.input_items" = GET "/responses/{response_id}/input_items", Safe, Bounded;
    INPUT_TOKENS: "openai_responses.input_tokens" = POST "/responses/input_tokens", Safe, Bounded;
    COMPACT: "openai_responses.compact" = POST "/responses/compact", Safe, Stream;
}

endpoint! {
    /// Asks models through the Codex backend. Accepts a `Client<CodexBackend>`.
    ///
    /// The backend stores no responses, answers only with a stream, requires instructions, and refuses parameters that tune the
    /// model (`temperature`, `max_output_tokens`, …). So instructions are an argument here, constants are filled in, and
    /// setters of refused parameters do not compile.
    ///
    /// `POST /codex/responses` and `POST /codex/responses/compact`, or below `/api/codex` where the base URL does not end in
    /// `/backend-api`. See [`ResponseRequest`] for retries and time-outs.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// use codex_backend::CodexResponses;
    ///
    /// let responses = CodexResponses::new(&client);
    /// let answer = responses.create("gpt-5.5", "You are terse.", "Say hello.").stream().await?.collect().await?;
    /// assert_eq!(answer.text(), "Hello, world");
    /// # Ok(()) }
    /// ```
    ///
    /// Based on the `responses` routes of the Codex backend, as the official tool uses them.
    #[doc(alias("chat completion", "chat completions", "prompt"))]
    pub CodexResponses by new, codex_responses, else OpenAiResponses where CodexBackend: Accepts<CodexResponses>
}

endpoint! {
    /// Asks models through the OpenAI API. Accepts a `Client<OpenAiApi>`.
    ///
    /// | method | path | retried after a failure | time-out |
    /// | --- | --- | --- | --- |
    /// | [`create`](Self::create) | `POST /responses` | see [`ResponseRequest`] | stream idle |
    /// | [`retrieve`](Self::retrieve) | `GET /responses/{response_id}` | yes | attempt, call |
    /// | [`follow`](Self::follow) | the same, as a stream | until the first event of the body has come | stream idle |
    /// | [`cancel`](Self::cancel) | `POST /responses/{response_id}/cancel` | yes | attempt, call |
    /// | [`delete`](Self::delete) | `DELETE /responses/{response_id}` | only if the server did not act on it | attempt, call |
    /// | [`input_items`](Self::input_items) | `GET /responses/{response_id}/input_items` | yes | attempt, call, each page |
    /// | [`input_tokens`](Self::input_tokens) | `POST /responses/input_tokens` | yes | attempt, call |
    /// | [`compact`](ResponseRequest::compact) | `POST /responses/compact` | yes | stream idle |
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().api_key(backend.api_key()).build()?;
    /// use codex_backend::OpenAiResponses;
    ///
    /// let responses = OpenAiResponses::new(&client);
    /// let answer = responses.create("gpt-5.5", "Say hello.").max_output_tokens(50).send().await?;
    /// assert_eq!(answer.output_text(), "Hello, world");
    /// assert_eq!(responses.retrieve(&answer.id).await?.id, answer.id);
    /// # Ok(()) }
    /// ```
    #[doc(alias("chat completion", "chat completions", "prompt"))]
    pub OpenAiResponses by new, openai_responses, else CodexResponses where OpenAiApi: Accepts<OpenAiResponses>
}

impl CodexResponses {
    /// A request to a model: the model's slug, the instructions, and the input.
    pub fn create(
        &self,
        model: impl Into<String>,
        instructions: impl Into<String>,
        input: impl Into<ResponseInput>,
    ) -> ResponseRequest<CodexBackend> {
        let mut request = ResponseRequest::new(self.caller.clone(), &CODEX);
        request.content.set("model", model.into());
        request.instructions(instructions).input(input)
    }

    /// A request that the application has in types of its own or of another crate, serialized with serde.
    ///
    /// What the backend requires and refuses is checked at run time, before anything is sent; the error names each rule that
    /// the request breaks. `store` and `stream` may be left out. `instructions` may stand in the input, as a developer's message,
    /// and tools as an item `additional_tools`: then `tools` are left out too. An input that is text becomes a message. Items lose the ids
    /// that another server gave them, since the backend stores no items.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// use codex_backend::ErrorKind;
    ///
    /// let request = serde_json::json!({ "model": "gpt-5.5", "input": "Hello", "temperature": 0.2 });
    /// let error = client.codex_responses().create_from(&request).stream().await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidInput);
    /// assert!(error.message().contains("`instructions` are missing") && error.message().contains("`temperature`"));
    /// # Ok(()) }
    /// ```
    pub fn create_from(&self, request: &impl Serialize) -> ResponseRequest<CodexBackend> {
        ResponseRequest::new(self.caller.clone(), &CODEX).given(request)
    }
}

impl OpenAiResponses {
    /// A request to a model: the model's id, and the input.
    pub fn create(&self, model: impl Into<String>, input: impl Into<ResponseInput>) -> ResponseRequest<OpenAiApi> {
        let mut request = ResponseRequest::new(self.caller.clone(), &OPENAI);
        request.content.set("model", model.into());
        request.input(input)
    }

    /// A request that the application has in types of its own or of another crate, serialized with serde. `stream`, if
    /// present, must agree with how the request is sent: true for `stream()`, false for `send()`.
    pub fn create_from(&self, request: &impl Serialize) -> ResponseRequest<OpenAiApi> {
        ResponseRequest::new(self.caller.clone(), &OPENAI).given(request)
    }

    /// A stored response.
    pub fn retrieve(&self, response_id: &str) -> ApiRequest<ModelResponse> {
        self.request(&RETRIEVE).segment("response_id", response_id).json()
    }

    /// The events of a response in the background, from its beginning or after the event with this
    /// [`sequence_number`](ResponseEvent::sequence_number).
    pub fn follow(&self, response_id: &str, starting_after: Option<u64>) -> ApiRequest<ResponseStream> {
        let request = self.request(&FOLLOW).segment("response_id", response_id).query("stream", "true");
        let request = request.query_if("starting_after", starting_after.map(|number| number.to_string()).as_deref());
        request.header(ACCEPT, "text/event-stream").received(|request| ReceiveStream {
            clock: request.clock(),
            idle: request.idle(),
            whole: request.stream_limit(),
            longest_event: LONGEST_EVENT,
            retries_failures: false,
            turn: None,
        })
    }

    /// Deletes a stored response. Retried only if the server did not act on it, because a second deletion would fail.
    pub fn delete(&self, response_id: &str) -> ApiRequest<DeletedObject> {
        self.request(&DELETE).segment("response_id", response_id).exact_json()
    }

    /// Cancels a response in the background.
    pub fn cancel(&self, response_id: &str) -> ApiRequest<ModelResponse> {
        self.request(&CANCEL).segment("response_id", response_id).json()
    }

    /// The input items of a stored response, page by page, newest first.
    pub fn input_items(&self, response_id: &str) -> PagedRequest<ResponseItem> {
        let (caller, response_id) = (self.caller.clone(), response_id.to_owned());
        PagedRequest::new(INPUT_ITEMS.name, move |cursor| {
            let request = PreparedRequest::new(&caller, &INPUT_ITEMS);
            let request = request.segment("response_id", &response_id).query_if("after", cursor);
            request.json::<ListPage<ResponseItem>>().and_then(|page| Ok(page.into()))
        })
    }

    /// Counts the input tokens of a request, without running it.
    pub fn input_tokens(&self, request: &ResponseRequest<OpenAiApi>) -> ApiRequest<InputTokens> {
        request.content.checked(self.request(&INPUT_TOKENS), &NOT_OF_INPUT).json()
    }
}

/// Fields of a request that do not change how many tokens its input has.
const NOT_OF_INPUT: [&str; 5] = ["stream", "store", "background", "include", "stream_options"];
/// The fields that compacting takes.
const COMPACTED: [&str; 10] = [
    "model",
    "input",
    "instructions",
    "tools",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "service_tier",
    "prompt_cache_key",
    "previous_response_id",
];

impl<M> ResponseRequest<M> {
    /// Has the server compact the input instead of answering it: the output replaces the input in further requests. For an
    /// empty input nothing is sent, and the output is empty.
    ///
    /// Fields that only concern an answer are left out. The headers are those of the conversation; the installation's id
    /// ([`client_metadata`](Self::client_metadata)) is sent as a header too.
    pub fn compact(self) -> ApiRequest<CompactedResponse> {
        let content = &self.content;
        let operation = match content.route.rules {
            Rules::CodexBackend => &COMPACT_CODEX,
            Rules::OpenAiApi => &COMPACT,
        };
        let others: Vec<&str> =
            content.fields.keys().map(String::as_str).filter(|name| !COMPACTED.contains(name)).collect();
        let mut request = PreparedRequest::new(&content.caller, operation);
        match content.headers_to_compact() {
            Ok(headers) => request = request.headers(headers),
            Err(reason) => request = request.refused(Some(reason)),
        }
        let is_empty = content.fields.get("input").and_then(Value::as_array).is_some_and(Vec::is_empty);
        if is_empty && !content.fields.contains_key("previous_response_id") {
            request = request.answered(r#"{"output":[]}"#);
        }
        content.checked(request, &others).json()
    }
}

/// The name of the client's installation.
const INSTALLATION_ID: &str = "x-codex-installation-id";

open_struct! {
    /// The token count of an input.
    #[derive(Eq)]
    pub InputTokens {
        /// The number.
        input_tokens: u64,
    }
}

open_struct! {
    /// What the server deleted.
    #[derive(Eq)]
    pub DeletedObject {
        /// Its id.
        id: String,
        /// Whether it was deleted.
        deleted: bool,
    }
}

wire_struct! {
    /// An input that was compacted.
    CompactedResponse {
        /// The items that replace it.
        #[serde(default, deserialize_with = "null_as_default")]
        output: Vec<ResponseItem>,
        /// The tokens that it took, if the server reports them.
        #[serde(deserialize_with = "readable_usage")]
        usage?: TokenUsage,
    }
}

/// A page of a list of the OpenAI API.
#[derive(Debug, Deserialize)]
pub(in crate::api) struct ListPage<T> {
    data: Vec<T>,
    #[serde(default)]
    last_id: Option<String>,
    #[serde(default)]
    has_more: bool,
}

impl<T> From<ListPage<T>> for Page<T> {
    fn from(page: ListPage<T>) -> Self {
        Self::new(page.data, page.last_id.filter(|_| page.has_more))
    }
}

impl request::RequestContent {
    /// The headers of a request to compact the input, or what is wrong with them.
    fn headers_to_compact(&self) -> Result<HeaderMap, String> {
        let mut headers = self.conversation.headers()?;
        if self.route.rules == Rules::CodexBackend {
            headers.insert(VERSION, self.caller.exchange().compatible_version().clone());
        }
        // In the body of other requests.
        if let Some(id) = self.fields.get("client_metadata").and_then(|words| words.get(INSTALLATION_ID)?.as_str()) {
            headers.insert(HeaderName::from_static(INSTALLATION_ID), id_value("id of the installation", id)?);
        }
        Ok(headers)
    }

    /// The request with this one's fields as its body, without some of them.
    fn checked(&self, request: PreparedRequest, without: &[&str]) -> PreparedRequest {
        let unwritable = self.unwritable.as_deref().map(request::unwritable);
        let mut fields = self.fields.clone();
        fields.retain(|name, value: &mut Value| !without.contains(&name.as_str()) && !value.is_null());
        self.route.rules.settle_input(&mut fields);
        if self.route.rules == Rules::CodexBackend {
            fields.entry("tools").or_insert_with(|| Value::Array(Vec::new()));
            fields.entry("parallel_tool_calls").or_insert(Value::Bool(false));
        }
        let request = request.refused(unwritable).with_options(self.options).body(&fields);
        match self.route.rules {
            Rules::CodexBackend => request.with_retries(Retries::IfWanted),
            Rules::OpenAiApi => request,
        }
    }
}
