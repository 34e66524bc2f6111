//! A request for a response: its fields, what its route refuses of them, and how it is sent.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::conversation::Conversation;
use super::item::ResponseItem;
use super::response::ModelResponse;
use super::rules::Rules;
use super::stream::{ReceiveStream, ResponseStream};
use super::tool::ResponseTool;
use super::turn::ResponseTurn;
use crate::api::endpoint::operations;
use crate::api::request::{PreparedRequest, with_call_options};
use crate::call::Caller;
use crate::error::{Error, ErrorKind};
use crate::exchange::{CallOptions, LONGEST_EVENT, Operation, Retries, VERSION};
use crate::mode::mistakes::{AwaitedRequest, UnsentRequest};
use crate::mode::responses::{AnswersInOnePiece, KeepsResponses, TakesParameter, parameter};
use crate::wire::open_enum;

// How a request is retried depends on whether its response is stored; see `RequestContent::prepare`.
operations! {
    for CodexResponses;
    CREATE_CODEX: "responses.create" = POST "{codex}/responses",
        IfNotActedOn as "until the first event of the body has come", Stream;
}
operations! {
    for OpenAiResponses;
    CREATE: "openai_responses.create" = POST "/responses",
        IfNotActedOn as "if it is not stored, until the first event has come; else only if the server did not act on it",
        Stream;
}

/// What all requests of one route share.
#[derive(Debug)]
pub(super) struct CreateRoute {
    pub(super) rules: Rules,
    pub(super) create: &'static Operation,
}

pub(super) static CODEX: CreateRoute = CreateRoute { rules: Rules::CodexBackend, create: &CREATE_CODEX };
pub(super) static OPENAI: CreateRoute = CreateRoute { rules: Rules::OpenAiApi, create: &CREATE };

/// A request for a response, made by [`CodexResponses::create`](crate::CodexResponses::create) or
/// [`OpenAiResponses::create`](crate::OpenAiResponses::create). `M` is the mode of the client it goes through.
///
/// What a mode requires is an argument of `create`. A setter of what it refuses does not compile:
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
/// | the response | the request is retried after a failure | time-out |
/// | --- | --- | --- |
/// | is not stored (`store` is false; always on the Codex backend) | until the first event of the body has come | [`Timeouts::stream_idle`](crate::Timeouts::stream_idle) |
/// | is stored, or runs in the background | only if the server did not act on it | the same |
///
/// On the Codex backend the server says whether it wants a retry. A 429 is retried if it names a wait, and so is a response that
/// fails, before anything else is told of it, with `rate_limit_exceeded`, `slow_down` or `server_is_overloaded`; of a response
/// that fails with `slow_down` the wait may be missing. `flex_unavailable` is never retried. A wait that is longer than
/// [`RetryPolicy::max_retry_after`](crate::RetryPolicy::max_retry_after) ends the call, and the error tells it.
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

/// For the compiler's message about how to send it.
#[doc(hidden)]
impl<M> Future for ResponseRequest<M>
where
    UnsentRequest<M>: AwaitedRequest,
{
    type Output = Result<ModelResponse, Error>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        UnsentRequest::<M>::never()
    }
}

/// All of a request but its mode.
#[derive(Clone)]
pub(super) struct RequestContent {
    pub(super) caller: Arc<Caller>,
    pub(super) route: &'static CreateRoute,
    /// The body, under the names of the wire.
    pub(super) fields: Map<String, Value>,
    /// The field that could not be serialized.
    pub(super) unwritable: Option<Arc<serde_json::Error>>,
    pub(super) conversation: Conversation,
    pub(super) longest_event: usize,
    pub(super) compressed: bool,
    pub(super) options: CallOptions,
}

/// The input of a request: text of the user, or items.
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
    /// The reasoning effort of a model.
    ReasoningEffort {
        /// Not at all.
        None = "none",
        /// The least that is possible.
        Minimal = "minimal",
        /// A little.
        Low = "low",
        /// Some.
        Medium = "medium",
        /// Much.
        High = "high",
        /// Very much.
        XHigh = "xhigh",
        /// The most that is possible.
        Max = "max",
    }
}

open_enum! {
    /// How a model summarizes its reasoning.
    ReasoningSummary {
        /// As the model chooses.
        Auto = "auto",
        /// Short.
        Concise = "concise",
        /// Detailed.
        Detailed = "detailed",
    }
}

open_enum! {
    /// The verbosity of a model.
    Verbosity {
        /// Short answers.
        Low = "low",
        /// Some.
        Medium = "medium",
        /// Long answers.
        High = "high",
    }
}

open_enum! {
    /// The service tier of a request.
    ServiceTier {
        /// According to the account's settings.
        Auto = "auto",
        /// The standard tier.
        Default = "default",
        /// Faster, at a higher price.
        Priority = "priority",
        /// Slower, at a lower price.
        Flex = "flex",
    }
}

/// Whether the model must use a tool, and which.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// It must not use a tool.
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

    /// Takes all fields from a value of the application's.
    pub(super) fn given(mut self, request: &impl Serialize) -> Self {
        match serde_json::to_value(request) {
            Ok(Value::Object(fields)) => self.content.fields = fields,
            Ok(_) => self.content.unwritable = Some(Arc::new(serde::ser::Error::custom("it is not a JSON object"))),
            Err(error) => self.content.unwritable = Some(Arc::new(error)),
        }
        self
    }

    /// Sets a field by its name on the wire, for fields that this crate does not know. What the route refuses is an error when
    /// the request is sent, before anything leaves.
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

    /// The instructions of the model. On the Codex backend this replaces those that were given to `create`.
    pub fn instructions(self, text: impl Into<String>) -> Self {
        self.with("instructions", text.into())
    }

    /// Adds to the input. The output items of a response can be given back unchanged; for the Codex backend, which
    /// stores no items, their ids are left out.
    pub fn input(mut self, input: impl Into<ResponseInput>) -> Self {
        self.content.add_input(input.into().0);
        self
    }

    /// Adds a tool that the model may use.
    pub fn tool(self, tool: impl Into<ResponseTool>) -> Self {
        self.tools([tool.into()])
    }

    /// Adds tools that the model may use.
    pub fn tools(mut self, tools: impl IntoIterator<Item = ResponseTool>) -> Self {
        for tool in tools {
            self.content.push("tools", &tool);
        }
        self
    }

    /// Whether the model must use a tool. Default: the model decides.
    pub fn tool_choice(self, choice: ToolChoice) -> Self {
        self.with("tool_choice", choice.into_json())
    }

    /// Whether the model may call several tools at once.
    pub fn parallel_tool_calls(self, allowed: bool) -> Self {
        self.with("parallel_tool_calls", allowed)
    }

    /// The reasoning effort. Default: the model's own.
    pub fn reasoning_effort(self, effort: ReasoningEffort) -> Self {
        self.with_in("reasoning", "effort", effort)
    }

    /// The reasoning effort of a model that takes a number.
    pub fn reasoning_effort_number(self, effort: u32) -> Self {
        self.with_in("reasoning", "effort", effort)
    }

    /// How the model summarizes its reasoning. Default: not at all.
    pub fn reasoning_summary(self, summary: ReasoningSummary) -> Self {
        self.with_in("reasoning", "summary", summary)
    }

    /// The verbosity. Default: the model's own.
    pub fn verbosity(self, verbosity: Verbosity) -> Self {
        self.with_in("text", "verbosity", verbosity)
    }

    /// Structured output: the answer is JSON that fits this schema. Parse it with
    /// [`CollectedResponse::parse`](crate::responses::CollectedResponse::parse).
    ///
    /// The schema is strict: every object lists all its properties as `required` and has
    /// `"additionalProperties": false`.
    #[doc(alias("structured output", "json schema", "response_format"))]
    pub fn json_schema(self, name: impl Into<String>, schema: Value) -> Self {
        let mut format = json!({ "type": "json_schema", "name": name.into(), "strict": true });
        format["schema"] = schema;
        self.with_in("text", "format", format)
    }

    /// Structured output: the answer is JSON of a Rust type, whose schema is derived, in the order of its fields. If no strict
    /// schema describes the type ([table](crate::guide::structured_output)), the request is
    /// [`ErrorKind::InvalidInput`], which names the field.
    #[cfg(feature = "schemars")]
    pub fn json_schema_of<T: schemars::JsonSchema>(mut self) -> Self {
        match super::schema::strict_schema_of::<T>() {
            Ok(schema) => self.json_schema(super::schema::name_of::<T>(), schema),
            Err(refused) => {
                self.content.unwritable = Some(Arc::new(serde::ser::Error::custom(refused)));
                self
            }
        }
    }

    /// Asks for output that is otherwise left out, such as `reasoning.encrypted_content` (always included on the Codex backend,
    /// which stores nothing).
    pub fn include(mut self, what: impl Into<String>) -> Self {
        let what = what.into();
        self.content.push("include", &what);
        self
    }

    /// The service tier.
    pub fn service_tier(self, tier: ServiceTier) -> Self {
        self.with("service_tier", tier)
    }

    /// The key of the server's prompt cache: requests with the same key and the same beginning share cached tokens.
    pub fn prompt_cache_key(self, key: impl Into<String>) -> Self {
        self.with("prompt_cache_key", key.into())
    }

    /// Metadata about the client, such as `x-codex-installation-id`, the id of its installation.
    pub fn client_metadata(self, name: &str, value: impl Into<String>) -> Self {
        self.with_in("client_metadata", name, value.into())
    }

    /// The conversation's id, as headers `session_id` and `session-id`: requests of one conversation are routed to the same
    /// place. 1 to 256 visible ASCII characters, as for all ids here.
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

    /// How often the thread has been compacted ([`compact`](Self::compact)) before, as part of the header `x-codex-window-id`.
    /// Default 0.
    pub fn compactions(mut self, times: u32) -> Self {
        self.content.conversation.compactions = times;
        self
    }

    /// The request is a subagent's: what the subagent is for (`review`, `compact`, …), as header `x-openai-subagent`; and the
    /// thread that started it, if any, as header `x-codex-parent-thread-id`.
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

    /// The sampling temperature, from 0 to 2.
    pub fn temperature(self, temperature: f64) -> Self
    where
        M: TakesParameter<parameter::temperature>,
    {
        self.with("temperature", temperature)
    }

    /// Nucleus sampling: the probability mass that tokens are drawn from, up to 1.
    pub fn top_p(self, share: f64) -> Self
    where
        M: TakesParameter<parameter::top_p>,
    {
        self.with("top_p", share)
    }

    /// How many of the most likely tokens are returned at each position.
    pub fn top_logprobs(self, tokens: u32) -> Self
    where
        M: TakesParameter<parameter::top_logprobs>,
    {
        self.with("top_logprobs", tokens)
    }

    /// The maximum number of output tokens, reasoning included. A longer answer ends in [`ErrorKind::Incomplete`].
    pub fn max_output_tokens(self, tokens: u64) -> Self
    where
        M: TakesParameter<parameter::max_output_tokens>,
    {
        self.with("max_output_tokens", tokens)
    }

    /// The maximum number of calls of tools that the server runs.
    pub fn max_tool_calls(self, calls: u32) -> Self
    where
        M: TakesParameter<parameter::max_tool_calls>,
    {
        self.with("max_tool_calls", calls)
    }

    /// A pair that is stored with the response: at most 16 pairs, names up to 64 characters, values up to 512.
    pub fn metadata(self, name: &str, value: impl Into<String>) -> Self
    where
        M: TakesParameter<parameter::metadata>,
    {
        self.with_in("metadata", name, value.into())
    }

    /// A prompt that is stored on the server, with its variables.
    pub fn prompt(self, prompt: Value) -> Self
    where
        M: TakesParameter<parameter::prompt>,
    {
        self.with("prompt", prompt)
    }

    /// How long the prompt stays cached, such as `24h`.
    pub fn prompt_cache_retention(self, retention: impl Into<String>) -> Self
    where
        M: TakesParameter<parameter::prompt_cache_retention>,
    {
        self.with("prompt_cache_retention", retention.into())
    }

    /// An id of the application's user that does not identify the person, such as a hash.
    pub fn safety_identifier(self, id: impl Into<String>) -> Self
    where
        M: TakesParameter<parameter::safety_identifier>,
    {
        self.with("safety_identifier", id.into())
    }

    /// What happens to an input that is too long: `auto` (items are dropped) or `disabled` (an error).
    pub fn truncation(self, how: impl Into<String>) -> Self
    where
        M: TakesParameter<parameter::truncation>,
    {
        self.with("truncation", how.into())
    }

    /// How the server keeps the context small: for compaction, `[{ "type": "compaction", "compact_threshold": 100_000 }]`. What it
    /// makes is a [`Compaction`](ResponseItem::Compaction) item of the output.
    pub fn context_management(self, strategies: impl Serialize) -> Self
    where
        M: TakesParameter<parameter::context_management>,
    {
        self.with("context_management", strategies)
    }

    /// The application's user. Replaced by [`safety_identifier`](Self::safety_identifier) and
    /// [`prompt_cache_key`](Self::prompt_cache_key).
    pub fn user(self, user: impl Into<String>) -> Self
    where
        M: TakesParameter<parameter::user>,
    {
        self.with("user", user.into())
    }

    /// Whether the server stores the response. Default on the OpenAI API: yes.
    pub fn store(self, store: bool) -> Self
    where
        M: KeepsResponses<parameter::store>,
    {
        self.with("store", store)
    }

    /// Whether the response is made in the background, without an open connection.
    pub fn background(self, background: bool) -> Self
    where
        M: KeepsResponses<parameter::background>,
    {
        self.with("background", background)
    }

    /// Continues after a stored response.
    pub fn previous_response_id(self, id: impl Into<String>) -> Self
    where
        M: KeepsResponses<parameter::previous_response_id>,
    {
        self.with("previous_response_id", id.into())
    }

    /// The stored conversation that the request belongs to.
    pub fn conversation(self, id: impl Into<String>) -> Self
    where
        M: KeepsResponses<parameter::conversation>,
    {
        self.with("conversation", id.into())
    }

    /// Compresses the body with zstd, once for all attempts.
    #[cfg(feature = "zstd")]
    pub fn compressed(mut self) -> Self
    where
        M: crate::mode::responses::TakesCompression,
    {
        self.content.compressed = true;
        self
    }

    /// The maximum length of one event's data, in bytes. Default 16 MiB. A longer event ends the stream in
    /// [`ErrorKind::ResponseTooLarge`].
    pub fn with_longest_event(mut self, bytes: usize) -> Self {
        self.content.longest_event = bytes;
        self
    }

    with_call_options!("this request; only the time-outs of streams apply", content.options);

    /// Sends the request. The future is ready when the first event of the answer has arrived; until then a failure may
    /// be retried. Dropping the future or the stream cancels the request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when the request breaks the rules of its route; nothing is sent then. Otherwise the
    /// error of the server or of the network.
    #[must_use = "nothing is sent unless awaited"]
    pub fn stream(self) -> Pin<Box<dyn Future<Output = Result<ResponseStream, Error>> + Send>> {
        let mut content = self.content;
        Box::pin(async move { content.stream().await })
    }

    /// Sends the request, and waits for the whole response, without a stream. Dropping the future cancels the request.
    ///
    /// A response that failed or is incomplete is not an error here: see its `status`.
    ///
    /// # Errors
    ///
    /// As [`stream`](Self::stream). Nothing arrives before the model has finished, so [`Timeouts::stream_idle`](crate::Timeouts::stream_idle) is the
    /// time-out for the whole response.
    #[must_use = "nothing is sent unless awaited"]
    pub fn send(self) -> Pin<Box<dyn Future<Output = Result<ModelResponse, Error>> + Send>>
    where
        M: AnswersInOnePiece,
    {
        let mut content = self.content;
        Box::pin(async move { content.prepare(false)?.json().await })
    }
}

/// What is wrong with a request that cannot be serialized. What serde says may quote the application, but not if a type has no
/// strict schema.
pub(super) fn unwritable(error: &serde_json::Error) -> String {
    let said = error.to_string();
    if said.starts_with("the schema of `") { said } else { "the request cannot be written as a JSON object".to_owned() }
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
        let inner = self.fields.entry(object).or_insert_with(|| json!({}));
        if !inner.is_object() {
            *inner = json!({});
        }
        match serde_json::to_value(value) {
            Ok(value) => inner[name] = value,
            Err(error) => self.unwritable = Some(Arc::new(error)),
        }
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
        let mut request = self.prepare(true)?;
        let receive = ReceiveStream {
            clock: request.clock(),
            idle: request.idle(),
            whole: request.stream_limit(),
            longest_event: self.longest_event,
            retries_failures: self.route.rules == Rules::CodexBackend && request.may_retry(),
            turn: self.conversation.turn.clone(),
        };
        request.send(receive).await
    }

    fn prepare(&mut self, streamed: bool) -> Result<PreparedRequest, Error> {
        let route = self.route;
        let invalid = |message: String| Error::new(ErrorKind::InvalidInput, route.create.name, message);
        if let Some(error) = &self.unwritable {
            return Err(invalid(unwritable(error)).with_source(error.clone()));
        }
        let (rules, fields) = (route.rules, &mut self.fields);
        rules.fill_in(fields, streamed);
        let violations = rules.violations(fields, streamed);
        if !violations.is_empty() {
            return Err(invalid(format!("{}: {}", rules.refusal(), violations.join("; "))));
        }
        // A retry costs tokens, and does no harm if the response is not stored; otherwise it could store a second one.
        let retries = match rules {
            Rules::CodexBackend => Retries::IfWanted,
            Rules::OpenAiApi if rules.is_kept(fields) => Retries::IfNotActedOn,
            Rules::OpenAiApi => Retries::Safe,
        };
        let mut headers = self.conversation.headers().map_err(invalid)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if rules == Rules::CodexBackend {
            headers.insert(VERSION, self.caller.exchange().compatible_version().clone());
        }
        if streamed {
            headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        }
        let body = serde_json::to_vec(&self.fields)
            .map_err(|error| invalid("the request is no JSON".to_owned()).with_source(error))?;
        let body = if self.compressed { self.compress(&body, &mut headers)? } else { body.into() };
        let request = PreparedRequest::new(&self.caller, route.create).headers(headers).bytes(body);
        Ok(request.with_options(self.options).with_retries(retries))
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
