//! A request for a response: its fields, what its route refuses of them, and how it is sent.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::conversation::Conversation;
use super::item::{MessageRole, ResponseItem};
use super::response::ModelResponse;
use super::rules::Rules;
use super::stream::{ReceiveStream, ResponseStream};
use super::tool::ResponseTool;
use super::turn::ResponseTurn;
use crate::call::Caller;
use crate::error::{Error, ErrorKind};
use crate::exchange::{
    CallOptions, LONGEST_EVENT, Operation, Outgoing, Pace, Payload, Receive, Retries, RetryPolicy, Timeouts, ToTheEnd,
};
use crate::limits::open_enum;
use crate::mode::responses::{AnswersInOnePiece, KeepsResponses, TakesParameter, parameter};

/// What is the same for all requests of one route.
#[derive(Debug)]
pub(super) struct CreateRoute {
    pub(super) rules: Rules,
    /// For a response that the server does not keep: a repeat costs tokens and does no harm.
    pub(super) create: Operation,
    /// For one that it keeps: a repeat would leave a second one behind.
    pub(super) create_kept: Operation,
}

pub(super) static CODEX: CreateRoute = CreateRoute {
    rules: Rules::CodexBackend,
    create: create("{codex}/responses", Retries::Safe),
    create_kept: create("{codex}/responses", Retries::IfNotActedOn),
};
pub(super) static OPENAI: CreateRoute = CreateRoute {
    rules: Rules::OpenAiApi,
    create: create("/responses", Retries::Safe),
    create_kept: create("/responses", Retries::IfNotActedOn),
};

const fn create(path: &'static str, repeat: Retries) -> Operation {
    Operation { name: "responses.create", method: Method::POST, path, repeat, pace: Pace::Stream }
}

/// A request for a response, made by [`CodexResponses::create`](crate::CodexResponses::create) or
/// [`OpenAiResponses::create`](crate::OpenAiResponses::create). `M` is the mode of the client it goes through.
///
/// What a mode demands was an argument there. What it refuses does not compile here:
///
/// ```compile_fail,E0277
/// # let client = codex_backend::Client::builder().chatgpt(codex_backend::ChatGptTokens::new("t")).build()?;
/// client.codex_responses().create("gpt-5.5", "Be terse.", "Hello").temperature(0.2);
/// // error[E0277]: the Codex backend refuses the parameter `temperature` of a Responses request
/// # Ok::<(), codex_backend::ConfigError>(())
/// ```
///
/// Send it with [`stream`](Self::stream), [`send`](Self::send) (the OpenAI API alone) or
/// [`run_tools`](Self::run_tools).
///
/// | it | is sent again after a failure | time limit |
/// | --- | --- | --- |
/// | is not kept by the server (`store` is false; always on the Codex backend) | until the first event of the body has come | [`Timeouts::stream_idle`] |
/// | is kept, or runs in the background | only if the server did not act on it | the same |
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// use codex_backend::responses::{ReasoningEffort, Verbosity};
/// use codex_backend::CodexResponses;
///
/// let answer = CodexResponses::new(&client)
///     .create("gpt-5.5", "You are terse.", "Say hello.")
///     .reasoning_effort(ReasoningEffort::Low)
///     .verbosity(Verbosity::Low)
///     .stream()
///     .await?
///     .collect()
///     .await?;
/// assert_eq!(answer.text(), "Hello, world");
/// # Ok(()) }
/// ```
#[must_use = "a request does nothing until it is sent"]
pub struct ResponseRequest<M> {
    pub(super) content: RequestContent,
    pub(super) mode: PhantomData<fn() -> M>,
}

/// All of a request but its mode.
#[derive(Clone)]
pub(super) struct RequestContent {
    pub(super) caller: Arc<Caller>,
    pub(super) route: &'static CreateRoute,
    /// The body, under the names of the wire.
    pub(super) fields: Map<String, Value>,
    /// What could not be written as JSON.
    pub(super) unwritable: Option<Arc<serde_json::Error>>,
    pub(super) conversation: Conversation,
    pub(super) longest_event: usize,
    pub(super) compressed: bool,
    pub(super) options: CallOptions,
}

/// What a request gives the model to answer: text of the user, or items.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseInput(pub(super) Vec<ResponseItem>);

impl From<&str> for ResponseInput {
    fn from(text: &str) -> Self {
        Self(vec![ResponseItem::user(text)])
    }
}

impl From<String> for ResponseInput {
    fn from(text: String) -> Self {
        Self(vec![ResponseItem::user(text)])
    }
}

impl From<ResponseItem> for ResponseInput {
    fn from(item: ResponseItem) -> Self {
        Self(vec![item])
    }
}

impl From<Vec<ResponseItem>> for ResponseInput {
    fn from(items: Vec<ResponseItem>) -> Self {
        Self(items)
    }
}

impl<const N: usize> From<[ResponseItem; N]> for ResponseInput {
    fn from(items: [ResponseItem; N]) -> Self {
        Self(items.into())
    }
}

open_enum! {
    /// How long a model thinks.
    ReasoningEffort {
        /// Not at all.
        None = "none",
        /// As little as it can.
        Minimal = "minimal",
        /// Little.
        Low = "low",
        /// Some.
        Medium = "medium",
        /// Much.
        High = "high",
        /// Very much.
        XHigh = "xhigh",
        /// As much as it can.
        Max = "max",
    }
}

open_enum! {
    /// How a model tells what it thought.
    ReasoningSummary {
        /// As the model likes.
        Auto = "auto",
        /// In short.
        Concise = "concise",
        /// At length.
        Detailed = "detailed",
    }
}

open_enum! {
    /// How many words a model makes.
    Verbosity {
        /// Few.
        Low = "low",
        /// Some.
        Medium = "medium",
        /// Many.
        High = "high",
    }
}

open_enum! {
    /// How a request is served.
    ServiceTier {
        /// As the account's settings say.
        Auto = "auto",
        /// As usual.
        Default = "default",
        /// Sooner, for more.
        Priority = "priority",
        /// Later, for less.
        Flex = "flex",
    }
}

/// Whether the model must use a tool, and which.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ToolChoice {
    /// It may.
    Auto,
    /// It must not.
    None,
    /// It must use one.
    Required,
    /// It must call this function.
    Function(String),
    /// Any other, as JSON.
    Other(Value),
}

impl ToolChoice {
    fn into_json(self) -> Value {
        match self {
            Self::Auto => json!("auto"),
            Self::None => json!("none"),
            Self::Required => json!("required"),
            Self::Function(name) => json!({ "type": "function", "name": name }),
            Self::Other(value) => value,
        }
    }
}

impl<M> ResponseRequest<M> {
    pub(super) fn new(caller: Arc<Caller>, route: &'static CreateRoute) -> Self {
        let content = RequestContent {
            caller,
            route,
            fields: Map::new(),
            unwritable: None,
            conversation: Conversation::default(),
            longest_event: LONGEST_EVENT,
            compressed: false,
            options: CallOptions::default(),
        };
        Self { content, mode: PhantomData }
    }

    /// Takes all fields from a value that an application has already.
    pub(super) fn given(mut self, request: &impl Serialize) -> Self {
        match serde_json::to_value(request) {
            Ok(Value::Object(fields)) => self.content.fields = fields,
            Ok(_) => self.content.unwritable = Some(Arc::new(serde::ser::Error::custom("it is not a JSON object"))),
            Err(error) => self.content.unwritable = Some(Arc::new(error)),
        }
        self
    }

    /// Sets a field by its name on the wire: for what is newer than this crate. What the route refuses is refused when the
    /// request is sent, before a byte leaves.
    pub fn field(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.content.set(&name.into(), value);
        self
    }

    fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.content.set(name, value);
        self
    }

    fn with_in(mut self, object: &str, name: &str, value: impl Serialize) -> Self {
        self.content.set_in(object, name, value);
        self
    }

    /// What the model is and how it is to answer. On the Codex backend it was given at the start, and this replaces it.
    pub fn instructions(self, text: impl Into<String>) -> Self {
        self.with("instructions", text.into())
    }

    /// Adds to the input. Items that a response gave can be given back as they are: the Codex backend, which keeps none,
    /// gets them without the ids by which it would look for them.
    pub fn input(mut self, input: impl Into<ResponseInput>) -> Self {
        self.content.add_input(input.into().0);
        self
    }

    /// Offers a tool to the model.
    pub fn tool(self, tool: impl Into<ResponseTool>) -> Self {
        self.tools([tool.into()])
    }

    /// Offers tools to the model, beside those before.
    pub fn tools(mut self, tools: impl IntoIterator<Item = ResponseTool>) -> Self {
        for tool in tools {
            self.content.push("tools", &tool);
        }
        self
    }

    /// Whether the model must use a tool. Default: it may.
    pub fn tool_choice(self, choice: ToolChoice) -> Self {
        self.with("tool_choice", choice.into_json())
    }

    /// Whether the model may call several tools at once.
    pub fn parallel_tool_calls(self, allowed: bool) -> Self {
        self.with("parallel_tool_calls", allowed)
    }

    /// How long the model thinks.
    pub fn reasoning_effort(self, effort: ReasoningEffort) -> Self {
        self.with_in("reasoning", "effort", effort)
    }

    /// How the model tells what it thought. Default: not at all.
    pub fn reasoning_summary(self, summary: ReasoningSummary) -> Self {
        self.with_in("reasoning", "summary", summary)
    }

    /// How many words the model makes.
    pub fn verbosity(self, verbosity: Verbosity) -> Self {
        self.with_in("text", "verbosity", verbosity)
    }

    /// The answer is JSON that fits this schema. Read it with
    /// [`CollectedResponse::parse`](crate::responses::CollectedResponse::parse).
    ///
    /// The schema is strict: every object lists all its properties as `required` and has
    /// `"additionalProperties": false`.
    pub fn json_schema(self, name: impl Into<String>, schema: Value) -> Self {
        let mut format = json!({ "type": "json_schema", "name": name.into(), "strict": true });
        format["schema"] = schema;
        self.with_in("text", "format", format)
    }

    /// The answer is JSON of a Rust type.
    #[cfg(feature = "schemars")]
    pub fn json_schema_of<T: schemars::JsonSchema>(self) -> Self {
        self.json_schema(super::schema::name_of::<T>(), super::schema::strict_schema_of::<T>())
    }

    /// Asks for something that is otherwise left out, such as `reasoning.encrypted_content` (which is always asked for on
    /// the Codex backend, where the server keeps nothing).
    pub fn include(mut self, what: impl Into<String>) -> Self {
        let what = what.into();
        self.content.push("include", &what);
        self
    }

    /// How the request is served.
    pub fn service_tier(self, tier: ServiceTier) -> Self {
        self.with("service_tier", tier)
    }

    /// Requests with the same key and the same beginning share what the server has worked out about it.
    pub fn prompt_cache_key(self, key: impl Into<String>) -> Self {
        self.with("prompt_cache_key", key.into())
    }

    /// A word for the server about the client, such as `x-codex-installation-id`, the id of its installation.
    pub fn client_metadata(self, name: &str, value: impl Into<String>) -> Self {
        self.with_in("client_metadata", name, value.into())
    }

    /// The conversation's id, as headers `session_id` and `session-id`: it leads the requests of one conversation to the same
    /// place. At most 256 visible ASCII characters, as all ids here.
    pub fn session_id(mut self, id: impl Into<String>) -> Self {
        self.content.conversation.session_id = Some(id.into());
        self
    }

    /// The id of the thread, where a session has several, as headers `thread_id`, `thread-id` and `x-client-request-id`, and
    /// within `x-codex-window-id`. Default: that of the session.
    pub fn thread_id(mut self, id: impl Into<String>) -> Self {
        self.content.conversation.thread_id = Some(id.into());
        self
    }

    /// How often the thread has been made short ([`compact`](Self::compact)) before, within the header `x-codex-window-id`.
    /// Default: never.
    pub fn compactions(mut self, times: u32) -> Self {
        self.content.conversation.compactions = times;
        self
    }

    /// An agent that works for another one: what it is for (`review`, `compact`, …), as header `x-openai-subagent`; and the
    /// thread that it was started from, if any, as header `x-codex-parent-thread-id`.
    pub fn subagent(mut self, name: impl Into<String>, parent_thread_id: Option<String>) -> Self {
        self.content.conversation.subagent = Some(name.into());
        self.content.conversation.parent_thread_id = parent_thread_id;
        self
    }

    /// The turn that the request belongs to.
    pub fn in_turn(mut self, turn: &ResponseTurn) -> Self {
        self.content.conversation.turn = Some(turn.clone());
        self
    }

    /// How random the model is: from 0, not at all, to 2.
    pub fn temperature(self, temperature: f64) -> Self
    where
        M: TakesParameter<parameter::temperature>,
    {
        self.with("temperature", temperature)
    }

    /// From how likely a set the model draws: up to 1, all.
    pub fn top_p(self, share: f64) -> Self
    where
        M: TakesParameter<parameter::top_p>,
    {
        self.with("top_p", share)
    }

    /// How many of the likeliest tokens are told for each place.
    pub fn top_logprobs(self, tokens: u32) -> Self
    where
        M: TakesParameter<parameter::top_logprobs>,
    {
        self.with("top_logprobs", tokens)
    }

    /// How long the answer may be, thoughts included. A longer one ends in [`ErrorKind::Incomplete`].
    pub fn max_output_tokens(self, tokens: u64) -> Self
    where
        M: TakesParameter<parameter::max_output_tokens>,
    {
        self.with("max_output_tokens", tokens)
    }

    /// How many tools that the server runs may be called.
    pub fn max_tool_calls(self, calls: u32) -> Self
    where
        M: TakesParameter<parameter::max_tool_calls>,
    {
        self.with("max_tool_calls", calls)
    }

    /// A pair that is kept with the response: at most 16, names up to 64 characters, values up to 512.
    pub fn metadata(self, name: &str, value: impl Into<String>) -> Self
    where
        M: TakesParameter<parameter::metadata>,
    {
        self.with_in("metadata", name, value.into())
    }

    /// A prompt that is kept on the server, with its variables.
    pub fn prompt(self, prompt: Value) -> Self
    where
        M: TakesParameter<parameter::prompt>,
    {
        self.with("prompt", prompt)
    }

    /// How long what was worked out about the prompt is kept, such as `24h`.
    pub fn prompt_cache_retention(self, retention: impl Into<String>) -> Self
    where
        M: TakesParameter<parameter::prompt_cache_retention>,
    {
        self.with("prompt_cache_retention", retention.into())
    }

    /// An id of the application's user that tells nothing about them.
    pub fn safety_identifier(self, id: impl Into<String>) -> Self
    where
        M: TakesParameter<parameter::safety_identifier>,
    {
        self.with("safety_identifier", id.into())
    }

    /// What happens to an input that is too long: `auto` or `disabled`.
    pub fn truncation(self, how: impl Into<String>) -> Self
    where
        M: TakesParameter<parameter::truncation>,
    {
        self.with("truncation", how.into())
    }

    /// The application's user. [`safety_identifier`](Self::safety_identifier) and
    /// [`prompt_cache_key`](Self::prompt_cache_key) take its place.
    pub fn user(self, user: impl Into<String>) -> Self
    where
        M: TakesParameter<parameter::user>,
    {
        self.with("user", user.into())
    }

    /// Whether the server keeps the response. Default on the OpenAI API: yes.
    pub fn store(self, store: bool) -> Self
    where
        M: KeepsResponses<parameter::store>,
    {
        self.with("store", store)
    }

    /// Whether the model works on when nobody waits for it.
    pub fn background(self, background: bool) -> Self
    where
        M: KeepsResponses<parameter::background>,
    {
        self.with("background", background)
    }

    /// Goes on after a response that the server keeps.
    pub fn previous_response_id(self, id: impl Into<String>) -> Self
    where
        M: KeepsResponses<parameter::previous_response_id>,
    {
        self.with("previous_response_id", id.into())
    }

    /// Belongs to a conversation that the server keeps.
    pub fn conversation(self, id: impl Into<String>) -> Self
    where
        M: KeepsResponses<parameter::conversation>,
    {
        self.with("conversation", id.into())
    }

    /// Sends the body compressed by zstd. It is compressed once for all attempts.
    #[cfg(feature = "zstd")]
    pub fn compressed(mut self) -> Self
    where
        M: crate::mode::responses::TakesCompression,
    {
        self.content.compressed = true;
        self
    }

    /// Another limit on the length of one event's data, in bytes, than 16 MiB. A longer event ends the stream in
    /// [`ErrorKind::ResponseTooLarge`].
    pub fn with_longest_event(mut self, bytes: usize) -> Self {
        self.content.longest_event = bytes;
        self
    }

    /// Other time limits than the client's. The one that counts is [`Timeouts::stream_idle`].
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.content.options.timeouts = Some(timeouts);
        self
    }

    /// Another retry policy than the client's.
    pub fn with_retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.content.options.retry = Some(policy);
        self
    }

    /// Sends the request, and is done when the first event of the answer has come. Dropping the future, or the stream that
    /// it gives, ends the request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when the request breaks the rules of its route: nothing is sent then. Otherwise what the
    /// server or the network said.
    #[must_use = "nothing is asked unless awaited"]
    pub fn stream(self) -> Pin<Box<dyn Future<Output = Result<ResponseStream, Error>> + Send>> {
        let mut content = self.content;
        Box::pin(async move { content.stream().await })
    }

    /// Sends the request, and waits for the whole response.
    ///
    /// A response that failed or is incomplete is no error here: look at its `status`.
    ///
    /// # Errors
    ///
    /// As [`stream`](Self::stream). No byte comes before the model is done, so [`Timeouts::stream_idle`] bounds all of it.
    #[must_use = "nothing is asked unless awaited"]
    pub fn send(self) -> Pin<Box<dyn Future<Output = Result<ModelResponse, Error>> + Send>>
    where
        M: AnswersInOnePiece,
    {
        let mut content = self.content;
        Box::pin(async move {
            let prepared = content.prepare(false)?;
            let answer = prepared.send(&content, ToTheEnd::DEFAULT).await?;
            answer.json(prepared.operation)
        })
    }
}

/// A request as it is sent, however often.
struct Prepared {
    operation: &'static Operation,
    headers: HeaderMap,
    body: Bytes,
}

impl Prepared {
    fn send<'a, R: Receive + 'a>(
        &self,
        content: &'a RequestContent,
        receive: R,
    ) -> impl Future<Output = Result<R::Received, Error>> + Send + use<'a, R> {
        let caller = &content.caller;
        let request = Outgoing {
            operation: self.operation,
            url: caller.base_url().with_target(&caller.path_of(self.operation)),
            headers: self.headers.clone(),
            payload: Payload::Bytes(self.body.clone()),
            options: &content.options,
        };
        caller.send_receiving(request, receive)
    }
}

impl RequestContent {
    pub(super) fn set(&mut self, name: &str, value: impl Serialize) {
        match serde_json::to_value(value) {
            Ok(value) => {
                self.fields.insert(name.to_owned(), value);
            }
            Err(error) => self.unwritable = Some(Arc::new(error)),
        }
    }

    fn set_in(&mut self, object: &str, name: &str, value: impl Serialize) {
        let mut inner = match self.fields.remove(object) {
            Some(Value::Object(inner)) => inner,
            _ => Map::new(),
        };
        match serde_json::to_value(value) {
            Ok(value) => {
                inner.insert(name.to_owned(), value);
            }
            Err(error) => self.unwritable = Some(Arc::new(error)),
        }
        self.fields.insert(object.to_owned(), Value::Object(inner));
    }

    pub(super) fn push(&mut self, list: &str, value: &impl Serialize) {
        let value = match serde_json::to_value(value) {
            Ok(value) => value,
            Err(error) => return self.unwritable = Some(Arc::new(error)),
        };
        match self.fields.get_mut(list) {
            Some(Value::Array(values)) => values.push(value),
            _ => {
                self.fields.insert(list.to_owned(), Value::Array(vec![value]));
            }
        }
    }

    pub(super) fn add_input(&mut self, items: Vec<ResponseItem>) {
        if let Some(Value::String(text)) = self.fields.get("input") {
            let text = ResponseItem::user(text.clone());
            self.set("input", [text]);
        }
        if !self.fields.contains_key("input") {
            self.fields.insert("input".to_owned(), Value::Array(Vec::new()));
        }
        for item in items {
            self.push("input", &item);
        }
    }

    pub(super) async fn stream(&mut self) -> Result<ResponseStream, Error> {
        let prepared = self.prepare(true)?;
        let exchange = self.caller.exchange();
        let receive = ReceiveStream {
            clock: exchange.clock().clone(),
            idle: exchange.bounds(prepared.operation, &self.options).idle(),
            longest_event: self.longest_event,
            turn: self.conversation.turn.clone(),
        };
        prepared.send(self, receive).await
    }

    fn prepare(&mut self, streamed: bool) -> Result<Prepared, Error> {
        let route = self.route;
        let invalid = |message: String| Error::new(ErrorKind::InvalidInput, route.create.name, message);
        if let Some(error) = &self.unwritable {
            return Err(invalid("the request cannot be written as a JSON object".to_owned()).with_source(error.clone()));
        }
        let (rules, fields) = (route.rules, &mut self.fields);
        rules.fill_in(fields, streamed);
        let violations = rules.violations(fields, streamed);
        if !violations.is_empty() {
            return Err(invalid(format!("{}: {}", rules.refusal(), violations.join("; "))));
        }
        let operation = if rules.is_kept(fields) { &route.create_kept } else { &route.create };
        let mut headers = self.conversation.headers().map_err(invalid)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if streamed {
            headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        }
        let body = serde_json::to_vec(&self.fields)
            .map_err(|error| invalid("the request is no JSON".to_owned()).with_source(error))?;
        let body = if self.compressed { self.compress(&body, &mut headers)? } else { body.into() };
        Ok(Prepared { operation, headers, body })
    }

    #[cfg(feature = "zstd")]
    fn compress(&self, body: &[u8], headers: &mut HeaderMap) -> Result<Bytes, Error> {
        const LEVEL: i32 = 3;
        let compressed = zstd::encode_all(body, LEVEL).map_err(|error| {
            let message = "the request cannot be compressed";
            Error::new(ErrorKind::InvalidInput, self.route.create.name, message).with_source(error)
        })?;
        headers.insert(http::header::CONTENT_ENCODING, HeaderValue::from_static("zstd"));
        Ok(compressed.into())
    }

    #[cfg(not(feature = "zstd"))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "the other one of the two")]
    fn compress(&self, body: &[u8], _: &mut HeaderMap) -> Result<Bytes, Error> {
        Ok(Bytes::copy_from_slice(body))
    }
}

impl<M> Clone for ResponseRequest<M> {
    fn clone(&self) -> Self {
        Self { content: self.content.clone(), mode: PhantomData }
    }
}

impl<M> fmt::Debug for ResponseRequest<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = &self.content;
        f.debug_struct("ResponseRequest")
            .field("model", &content.fields.get("model"))
            .field("fields", &content.fields.keys().collect::<Vec<_>>())
            .field("options", &content.options)
            .finish_non_exhaustive()
    }
}

/// Whether a message of the input speaks as the platform.
pub(super) fn is_system(item: &Value) -> bool {
    item.get("role").and_then(Value::as_str) == Some(MessageRole::System.as_str())
}
