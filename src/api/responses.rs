//! Asking models: requests typed by mode, streams of events, and what belongs to them.

mod collected;
mod conversation;
mod event;
mod item;
mod plain_object;
mod request;
mod response;
mod rules;
#[cfg(feature = "schemars")]
mod schema;
mod stream;
mod tool;
mod tool_loop;
mod turn;
mod wire_struct;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::header::ACCEPT;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
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
pub use self::tool_loop::{ToolLoop, ToolLoopResult, Tools};
pub use self::turn::ResponseTurn;

use self::conversation::id_value;
use self::request::{CODEX, OPENAI};
use self::rules::Rules;
use self::stream::ReceiveStream;
use self::wire_struct::wire_struct;
use super::pager::{Page, PagedRequest};
use super::request::ApiRequest;
use crate::call::Caller;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::exchange::{CallOptions, LONGEST_EVENT, Operation, Outgoing, Pace, Payload, Retries, path_segment};
use crate::limits::{null_as_default, open_struct};
use crate::mode::sealed::Sealed;
use crate::mode::{Accepts, CodexBackend, Endpoint, OpenAiApi};

static RETRIEVE: Operation = stored("responses.retrieve", Method::GET, "/responses/{response_id}", Retries::Safe);
// A second time there would be nothing left to delete, which is an error.
static DELETE: Operation =
    stored("responses.delete", Method::DELETE, "/responses/{response_id}", Retries::IfNotActedOn);
static CANCEL: Operation = stored("responses.cancel", Method::POST, "/responses/{response_id}/cancel", Retries::Safe);
static INPUT_ITEMS: Operation =
    stored("responses.input_items", Method::GET, "/responses/{response_id}/input_items", Retries::Safe);
static INPUT_TOKENS: Operation =
    stored("responses.input_tokens", Method::POST, "/responses/input_tokens", Retries::Safe);
static FOLLOW: Operation = Operation {
    name: "responses.follow",
    method: Method::GET,
    path: "/responses/{response_id}",
    retries: Retries::Safe,
    pace: Pace::Stream,
};
static COMPACT: Operation = compact("/responses/compact");
static COMPACT_CODEX: Operation = compact("{codex}/responses/compact");

const fn stored(name: &'static str, method: Method, path: &'static str, repeat: Retries) -> Operation {
    Operation { name, method, path, repeat, pace: Pace::Bounded }
}

const fn compact(path: &'static str) -> Operation {
    Operation { name: "responses.compact", method: Method::POST, path, repeat: Retries::Safe, pace: Pace::Stream }
}

/// Asks models through the Codex backend. Accepts a `Client<CodexBackend>`.
///
/// The backend keeps no responses and answers only with a stream; it demands instructions, and refuses what tunes the
/// model (`temperature`, `max_output_tokens`, …). So instructions are an argument here, constants are filled in, and
/// setters of the rest do not compile.
///
/// `POST /codex/responses` and `POST /codex/responses/compact`, or below `/api/codex` where the base URL does not end in
/// `/backend-api`. See [`ResponseRequest`] for what is sent again and for time limits.
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
#[derive(Debug, Clone)]
pub struct CodexResponses {
    caller: Arc<Caller>,
}

impl Sealed for CodexResponses {}
impl Endpoint for CodexResponses {
    type Accepted = CodexBackend;
    const NAME: &'static str = "CodexResponses";
}

/// Asks models through the OpenAI API. Accepts a `Client<OpenAiApi>`.
///
/// | method | path | sent again after a failure | time limit |
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
#[derive(Debug, Clone)]
pub struct OpenAiResponses {
    caller: Arc<Caller>,
}

impl Sealed for OpenAiResponses {}
impl Endpoint for OpenAiResponses {
    type Accepted = OpenAiApi;
    const NAME: &'static str = "OpenAiResponses";
}

impl<M> Client<M> {
    /// Asks models through the Codex backend: [`CodexResponses::new`] as a method.
    #[must_use]
    pub fn codex_responses(&self) -> CodexResponses
    where
        M: Accepts<CodexResponses>,
    {
        CodexResponses::new(self)
    }

    /// Asks models through the OpenAI API: [`OpenAiResponses::new`] as a method.
    #[must_use]
    pub fn openai_responses(&self) -> OpenAiResponses
    where
        M: Accepts<OpenAiResponses>,
    {
        OpenAiResponses::new(self)
    }
}

impl CodexResponses {
    /// With a client for the Codex backend.
    #[must_use]
    pub fn new<M>(client: &Client<M>) -> Self
    where
        M: Accepts<Self>,
    {
        Self { caller: client.caller().clone() }
    }

    /// A request to a model: its slug, how it is to answer, and what.
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

    /// A request that an application has already, in types of its own or of another crate's.
    ///
    /// What the backend demands and refuses is then checked when the request is sent, before a byte leaves, and each rule
    /// that it breaks is named. `store` and `stream` may be left out; an input that is text becomes a message; and items
    /// lose the ids by which another server kept them, since this one keeps none.
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
    /// With a client for the OpenAI API.
    #[must_use]
    pub fn new<M>(client: &Client<M>) -> Self
    where
        M: Accepts<Self>,
    {
        Self { caller: client.caller().clone() }
    }

    /// A request to a model: its id, and what it is to answer.
    pub fn create(&self, model: impl Into<String>, input: impl Into<ResponseInput>) -> ResponseRequest<OpenAiApi> {
        let mut request = ResponseRequest::new(self.caller.clone(), &OPENAI);
        request.content.set("model", model.into());
        request.input(input)
    }

    /// A request that an application has already, in types of its own or of another crate's. `stream`, if it is there,
    /// must fit the way in which the request is sent.
    pub fn create_from(&self, request: &impl Serialize) -> ResponseRequest<OpenAiApi> {
        ResponseRequest::new(self.caller.clone(), &OPENAI).given(request)
    }

    /// A response that the server keeps.
    pub fn retrieve(&self, response_id: &str) -> ApiRequest<ModelResponse> {
        ApiRequest::json(&self.caller, &RETRIEVE).segment("response_id", response_id)
    }

    /// The events of a response in the background, from its beginning or after the event with this
    /// [`sequence_number`](ResponseEvent::sequence_number).
    #[must_use = "nothing is asked unless awaited"]
    pub fn follow(
        &self,
        response_id: &str,
        starting_after: Option<u64>,
    ) -> Pin<Box<dyn Future<Output = Result<ResponseStream, Error>> + Send>> {
        let (caller, segment) = (self.caller.clone(), path_segment(response_id));
        Box::pin(async move {
            let invalid = || Error::new(ErrorKind::InvalidInput, FOLLOW.name, "that id cannot be part of a path");
            let path = FOLLOW.path.replace("{response_id}", &segment.ok_or_else(invalid)?);
            let after = starting_after.map(|number| format!("&starting_after={number}")).unwrap_or_default();
            let options = CallOptions::default();
            let exchange = caller.exchange();
            let receive = ReceiveStream {
                clock: exchange.clock().clone(),
                idle: exchange.bounds(&FOLLOW, &options).idle(),
                longest_event: LONGEST_EVENT,
                turn: None,
            };
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
            let url = caller.base_url().with_target(&format!("{path}?stream=true{after}"));
            let request = Outgoing { operation: &FOLLOW, url, headers, payload: Payload::Empty, options: &options };
            caller.send_receiving(request, receive).await
        })
    }

    /// Deletes a response that the server keeps.
    pub fn delete(&self, response_id: &str) -> ApiRequest<DeletedObject> {
        ApiRequest::json(&self.caller, &DELETE).segment("response_id", response_id)
    }

    /// Ends a response in the background.
    pub fn cancel(&self, response_id: &str) -> ApiRequest<ModelResponse> {
        ApiRequest::json(&self.caller, &CANCEL).segment("response_id", response_id)
    }

    /// The items that a response was given, page by page, the newest first.
    pub fn input_items(&self, response_id: &str) -> PagedRequest<ResponseItem> {
        let (caller, response_id) = (self.caller.clone(), response_id.to_owned());
        PagedRequest::new(INPUT_ITEMS.name, move |cursor| {
            let request: ApiRequest<ListPage<ResponseItem>> = ApiRequest::json(&caller, &INPUT_ITEMS);
            let request = request.segment("response_id", &response_id).query_if("after", cursor);
            request.and_then(|page| Ok(page.into()))
        })
    }

    /// How many tokens the input of a request would take.
    pub fn input_tokens(&self, request: &ResponseRequest<OpenAiApi>) -> ApiRequest<InputTokens> {
        request.content.checked(ApiRequest::json(&self.caller, &INPUT_TOKENS), &NOT_OF_INPUT)
    }
}

/// What a request has beside its input and what shapes it.
const NOT_OF_INPUT: [&str; 5] = ["stream", "store", "background", "include", "stream_options"];
/// What compacting looks at.
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
    /// Has the server make the input short, in place of answering it: its output takes the input's place in further
    /// requests. Nothing is as short as can be: for an empty list nothing is sent, and the output is empty.
    ///
    /// What only concerns an answer is left out. The headers are those of the conversation, and the installation's id
    /// ([`client_metadata`](Self::client_metadata)) is one of them here.
    pub fn compact(self) -> ApiRequest<CompactedResponse> {
        let content = &self.content;
        let operation = match content.route.rules {
            Rules::CodexBackend => &COMPACT_CODEX,
            Rules::OpenAiApi => &COMPACT,
        };
        let others: Vec<&str> =
            content.fields.keys().map(String::as_str).filter(|name| !COMPACTED.contains(name)).collect();
        let mut request = ApiRequest::json(&content.caller, operation);
        match content.headers_to_compact() {
            Ok(headers) => request = request.headers(headers),
            Err(reason) => request = request.refused(Some(reason)),
        }
        let is_empty = content.fields.get("input").and_then(Value::as_array).is_some_and(Vec::is_empty);
        if is_empty && !content.fields.contains_key("previous_response_id") {
            request = request.answered(r#"{"output":[]}"#);
        }
        content.checked(request, &others)
    }
}

/// The name of the client's installation.
const INSTALLATION_ID: &str = "x-codex-installation-id";

open_struct! {
    /// How many tokens an input takes.
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
        /// Whether it is gone.
        deleted: bool,
    }
}

wire_struct! {
    /// An input that was made short.
    CompactedResponse {
        /// What takes its place.
        #[serde(default, deserialize_with = "null_as_default")]
        output: Vec<ResponseItem>,
        /// What it cost, where the server tells it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<TokenUsage>,
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
    /// The headers of a request to make the input short, or what is wrong with them.
    fn headers_to_compact(&self) -> Result<HeaderMap, String> {
        let mut headers = self.conversation.headers()?;
        // In the body of other requests.
        if let Some(id) = self.fields.get("client_metadata").and_then(|words| words.get(INSTALLATION_ID)?.as_str()) {
            headers.insert(HeaderName::from_static(INSTALLATION_ID), id_value("id of the installation", id)?);
        }
        Ok(headers)
    }

    /// The request with this one's fields as its body, without some of them.
    fn checked<T>(&self, request: ApiRequest<T>, without: &[&str]) -> ApiRequest<T> {
        let unwritable = self.unwritable.as_ref().map(|_| "the request cannot be written as a JSON object".to_owned());
        let mut fields = self.fields.clone();
        fields.retain(|name, value: &mut Value| !without.contains(&name.as_str()) && !value.is_null());
        self.route.rules.settle_input(&mut fields);
        if self.route.rules == Rules::CodexBackend {
            fields.entry("tools").or_insert_with(|| Value::Array(Vec::new()));
            fields.entry("parallel_tool_calls").or_insert(Value::Bool(false));
        }
        request.refused(unwritable).with_options(self.options).body(&fields)
    }
}
