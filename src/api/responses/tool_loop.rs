//! Functions that the model may call, and the loop that runs them until the model calls none.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::collected::CollectedResponse;
use super::event::ResponseEvent;
use super::item::{ContentPart, FunctionCall, ResponseItem, ToolOutput};
use super::request::{RequestContent, ResponseRequest};
use super::response::TokenUsage;
use super::rules::{ENCRYPTED_REASONING, Rules};
use super::stream::ResponseStream;
use super::tool::FunctionTool;
use super::turn::ResponseTurn;
use crate::api::request::awaited;
use crate::error::{Error, ErrorKind};

/// The default maximum number of rounds.
const ROUNDS: u32 = 16;
/// The default maximum number of functions that run at the same time.
const AT_ONCE: usize = 8;

/// Functions of the application's that a model may call, by name.
///
/// A function takes its arguments as a deserializable type and returns anything that can be written as JSON, or an error,
/// whose text goes to the model so that it can correct itself. Clones share the functions.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::testing::{Backend, ScriptedResponse};
/// use codex_backend::responses::{FunctionTool, Tools};
///
/// #[derive(serde::Deserialize)]
/// struct Place {
///     city: String,
/// }
///
/// let schema = serde_json::json!({ "type": "object", "properties": { "city": { "type": "string" } } });
/// let tools = Tools::new().function(
///     FunctionTool::new("get_weather", "The weather in a city.", schema),
///     |place: Place| async move { Ok::<_, std::io::Error>(format!("rain in {}", place.city)) },
/// );
///
/// # let backend = Backend::start()?;
/// # backend.script_response(ScriptedResponse::function_call("get_weather", r#"{"city":"Oslo"}"#));
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// let request = client.codex_responses().create("gpt-5.5", "You are terse.", "Weather in Oslo?");
/// let answer = request.run_tools(&tools).await?;
/// assert_eq!((answer.rounds, answer.last.text().as_str()), (2, "Hello, world"));
/// # Ok(()) }
/// ```
#[doc(alias("tool", "function calling"))]
#[derive(Clone, Default)]
pub struct Tools {
    functions: BTreeMap<String, Function>,
}

#[derive(Clone)]
struct Function {
    tool: FunctionTool,
    run: Run,
}

/// Returns the output for the model.
type Run = Arc<dyn Fn(&FunctionCall) -> BoxFuture<'static, ToolOutput> + Send + Sync>;

impl Tools {
    /// No functions yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function. It replaces one of the same name.
    ///
    /// The model gets what it returns as JSON, text as it is, and a [`ToolOutput`] or [`ContentPart`]s as the parts that they
    /// are: a function can give an image.
    #[must_use]
    pub fn function<A, F, R, T, E>(mut self, tool: FunctionTool, function: F) -> Self
    where
        A: DeserializeOwned,
        F: Fn(A) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize + 'static,
        E: fmt::Display,
    {
        let has_parameters = has_parameters(&tool.parameters);
        let run = Arc::new(move |call: &FunctionCall| -> BoxFuture<'static, ToolOutput> {
            let name = call.name.clone();
            if has_parameters && call.arguments.trim().is_empty() {
                let text = failure(&format!("the arguments of `{name}` are missing"));
                return Box::pin(async { text.into() });
            }
            let arguments: A = match call.parse_arguments() {
                Ok(arguments) => arguments,
                Err(error) => {
                    let text = failure(&format!("the arguments of `{name}` do not fit: {error}"));
                    return Box::pin(async { text.into() });
                }
            };
            let running = function(arguments);
            Box::pin(async move {
                let text = match running.await {
                    Ok(value) => match output(value) {
                        Ok(output) => return output,
                        Err(error) => failure(&format!("what `{name}` returned cannot be written as JSON: {error}")),
                    },
                    Err(error) => failure(&error.to_string()),
                };
                text.into()
            })
        });
        self.functions.insert(tool.name.clone(), Function { tool, run });
        self
    }

    /// Runs one call. What goes wrong is the output for the model.
    async fn run(&self, call: &FunctionCall) -> ToolOutput {
        let Some(function) = self.functions.get(&call.name) else {
            return failure(&format!("there is no function `{}`", call.name)).into();
        };
        // A function that panics must not take the conversation with it.
        let running = AssertUnwindSafe(async { (function.run)(call).await }).catch_unwind();
        running.await.unwrap_or_else(|_| failure(&format!("`{}` failed", call.name)).into())
    }
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.functions.keys()).finish()
    }
}

fn failure(message: &str) -> String {
    serde_json::json!({ "error": message }).to_string()
}

/// What a function returned, for the model.
fn output<T: Serialize + 'static>(value: T) -> Result<ToolOutput, serde_json::Error> {
    let any: &dyn Any = &value;
    if let Some(output) = any.downcast_ref::<ToolOutput>() {
        return Ok(output.clone());
    }
    if let Some(parts) = any.downcast_ref::<Vec<ContentPart>>() {
        return Ok(parts.clone().into());
    }
    if let Some(part) = any.downcast_ref::<ContentPart>() {
        return Ok(vec![part.clone()].into());
    }
    Ok(match serde_json::to_value(value)? {
        // Text goes as it is, without quotes.
        Value::String(text) => text.into(),
        value => value.to_string().into(),
    })
}

/// Whether the schema of a function's arguments names any.
fn has_parameters(schema: &Value) -> bool {
    schema.get("properties").and_then(Value::as_object).is_some_and(|properties| !properties.is_empty())
}

impl<M> ResponseRequest<M> {
    /// Sends the request, runs the functions that the model calls, sends what they returned, and so on until the model
    /// calls none. `.await` the loop for its result, or use its [`events`](ToolLoop::events) as they arrive.
    ///
    /// The calls of one round run concurrently, [eight at a time](ToolLoop::with_functions_at_once), and one after the other
    /// where the request says so ([`parallel_tool_calls`](Self::parallel_tool_calls)). A call of a function that does not
    /// exist, arguments that do not fit, an error and a panic do not end the loop: the model gets a message about them as the
    /// output. Each round is a request of its own, with its own retries; all belong to one [`ResponseTurn`]. A call of a tool
    /// of any other kind that the application has to answer, such as a custom tool, ends the loop; the functions that were
    /// called beside it have been run. Dropping the future or the stream cancels the request, or the functions, under way.
    ///
    /// A call runs once: one that a later response tells again, with the same id, name and arguments, gets the output that it
    /// had. A [`tool_choice`](Self::tool_choice) that forces a call holds for the first response only, since the model could
    /// never answer otherwise; see [`with_forced_choice_kept`](ToolLoop::with_forced_choice_kept).
    ///
    /// If the OpenAI API is asked not to store responses (`store(false)`), items go back without their ids, which it does not
    /// know, and the model's reasoning goes back encrypted, which is asked for: from the beginning if the request says how to
    /// reason, otherwise once the model has reasoned.
    ///
    /// # Errors
    ///
    /// As [`stream`](Self::stream), in any round, [`ErrorKind::TooManyRounds`], and [`ErrorKind::Decode`] for a call of a
    /// function that cannot be read and has no id under which the model could be told.
    /// [`collect_partial`](ToolLoop::collect_partial) and [`events`](ToolLoop::events) also give what came before the error.
    pub fn run_tools(mut self, tools: &Tools) -> ToolLoop {
        for function in tools.functions.values() {
            self = self.tool(function.tool.clone());
        }
        let mut content = self.content;
        content.conversation.turn.get_or_insert_with(ResponseTurn::new);
        if keeps_nothing(&content) && content.fields.contains_key("reasoning") {
            include_reasoning(&mut content);
        }
        ToolLoop {
            content,
            tools: Arc::new(tools.clone()),
            rounds: ROUNDS,
            at_once: AT_ONCE,
            keeps_choice: false,
            on_event: None,
        }
    }
}

/// A conversation between the model and the application's functions, made by [`ResponseRequest::run_tools`]: `.await` it,
/// or take its [`events`](Self::events).
#[must_use = "nothing is sent unless awaited"]
pub struct ToolLoop {
    content: RequestContent,
    tools: Arc<Tools>,
    rounds: u32,
    at_once: usize,
    keeps_choice: bool,
    on_event: Option<EventCallback>,
}

type EventCallback = Box<dyn FnMut(&ResponseEvent) + Send>;

/// How such a conversation ended.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ToolLoopResult {
    /// The last response; if it broke off, as much of it as arrived. Empty if there was none.
    pub last: CollectedResponse,
    /// All items beyond the request's own input: the model's output and what the functions returned; without ids and
    /// without reasoning that cannot be read, where they would go back to an OpenAI API that stores none. A response that broke
    /// off adds nothing, since the functions that it calls were not run; see [`last`](Self::last).
    pub items: Vec<ResponseItem>,
    /// The number of responses, including one that broke off.
    pub rounds: u32,
    /// The tokens of all responses, as far as the server reported them.
    pub usage: TokenUsage,
}

impl ToolLoop {
    /// The maximum number of responses. Default 16. If the model still calls functions then, the loop ends in
    /// [`ErrorKind::TooManyRounds`].
    pub fn with_rounds(mut self, rounds: u32) -> Self {
        self.rounds = rounds.max(1);
        self
    }

    /// How many functions may run at the same time. Default 8.
    pub fn with_functions_at_once(mut self, functions: usize) -> Self {
        self.at_once = functions.max(1);
        self
    }

    /// Whether a tool choice that forces a call holds for all responses. Default `false`: it holds for the first one, and the
    /// choice is automatic then.
    pub fn with_forced_choice_kept(mut self, kept: bool) -> Self {
        self.keeps_choice = kept;
        self
    }

    /// Called with each event as it arrives, for example to show text as it is written. The loop waits for it, so keep
    /// it short. For events without a callback, see [`events`](Self::events).
    pub fn on_event(mut self, callback: impl FnMut(&ResponseEvent) + Send + 'static) -> Self {
        self.on_event = Some(Box::new(callback));
        self
    }

    /// Runs the loop, and returns its result together with the error, if it ended in one.
    ///
    /// What the model and the functions did before the error is kept: the same request with
    /// [`items`](ToolLoopResult::items) after its input continues from there. Dropping the future cancels the loop, and loses
    /// all of its rounds.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use codex_backend::testing::{Backend, ScriptedResponse};
    /// # use codex_backend::responses::{FunctionTool, Tools};
    /// # let backend = Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// # backend.script_response(ScriptedResponse::function_call("roll", "{}"));
    /// # let schema = serde_json::json!({ "type": "object", "properties": {} });
    /// # let roll = FunctionTool::new("roll", "Rolls a die.", schema);
    /// # let tools = Tools::new().function(roll, |_: serde_json::Value| async { Ok::<_, std::io::Error>(4) });
    /// use codex_backend::responses::ResponseTurn;
    /// use codex_backend::ErrorKind;
    ///
    /// let request = client.codex_responses().create("gpt-5.5", "You are terse.", "Roll a die.");
    /// let request = request.in_turn(&ResponseTurn::new());
    /// let (so_far, ended_in) = request.clone().run_tools(&tools).with_rounds(1).collect_partial().await;
    /// let error = ended_in.expect("the model is not done");
    /// assert_eq!((error.kind(), so_far.rounds, so_far.items.len()), (ErrorKind::TooManyRounds, 1, 2));
    ///
    /// // What has been said and done is not lost.
    /// let answer = request.input(so_far.items).run_tools(&tools).await?;
    /// println!("{}, for {} tokens", answer.last.text(), so_far.usage.total_tokens + answer.usage.total_tokens);
    /// # assert_eq!((answer.rounds, answer.last.text().as_str()), (1, "Hello, world"));
    /// # Ok(()) }
    /// ```
    pub async fn collect_partial(self) -> (ToolLoopResult, Option<Error>) {
        let mut events = self.events();
        let mut ended_in = None;
        while let Some(event) = poll_fn(|context| events.poll_event(context)).await {
            match event {
                Ok(event) => events.keep(event),
                Err(error) => ended_in = Some(error),
            }
        }
        (events.into_result(), ended_in)
    }

    async fn run(self) -> Result<ToolLoopResult, Error> {
        match self.collect_partial().await {
            (result, None) => Ok(result),
            (_, Some(error)) => Err(error),
        }
    }

    /// The events of all responses of the loop, as they arrive. The loop runs only while the stream is polled.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use codex_backend::testing::{Backend, ScriptedResponse};
    /// # use codex_backend::responses::{FunctionTool, Tools};
    /// # let backend = Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// # backend.script_response(ScriptedResponse::function_call("roll", "{}"));
    /// # let schema = serde_json::json!({ "type": "object", "properties": {} });
    /// # let roll = FunctionTool::new("roll", "Rolls a die.", schema);
    /// # let tools = Tools::new().function(roll, |_: serde_json::Value| async { Ok::<_, std::io::Error>(4) });
    /// use codex_backend::responses::ResponseEventKind;
    /// use futures_util::TryStreamExt;
    ///
    /// let request = client.codex_responses().create("gpt-5.5", "You are terse.", "Roll a die.");
    /// let mut events = request.run_tools(&tools).events();
    /// let mut text = String::new();
    /// while let Some(event) = events.try_next().await? {
    ///     if let ResponseEventKind::OutputTextDelta(piece) = &event.kind {
    ///         text.push_str(&piece.delta);
    ///     }
    /// }
    /// let result = events.into_result();
    /// assert_eq!((result.rounds, text), (2, result.last.text()));
    /// # Ok(()) }
    /// ```
    pub fn events(self) -> ToolLoopEvents {
        let Self { content, tools, rounds, at_once, keeps_choice, on_event } = self;
        let in_turns = content.fields.get("parallel_tool_calls") == Some(&Value::Bool(false));
        let at_once = if in_turns { 1 } else { at_once };
        let (step, answered, result) = (Step::send(content), Vec::new(), ToolLoopResult::default());
        ToolLoopEvents { tools, rounds, at_once, keeps_choice, on_event, step, answered, result }
    }
}

/// The events of a tool loop, made by [`ToolLoop::events`]: a `Stream` of `Result<ResponseEvent, Error>`.
///
/// The events of one response follow those of the one before; each complete response ends with
/// [`Completed`](crate::responses::ResponseEventKind::Completed). Between two responses the functions run. The stream
/// ends after the last response, or with the error that ended the loop. It uses no task: dropping it cancels the
/// request, or the functions, under way.
#[must_use = "a stream does nothing unless polled"]
pub struct ToolLoopEvents {
    tools: Arc<Tools>,
    rounds: u32,
    at_once: usize,
    keeps_choice: bool,
    on_event: Option<EventCallback>,
    step: Step,
    /// The calls so far, with their outputs.
    answered: Vec<(FunctionCall, ToolOutput)>,
    /// Without the response that is being read.
    result: ToolLoopResult,
}

/// What a loop does at the moment. The request goes through all steps, since each round adds to its input.
enum Step {
    Sending(BoxFuture<'static, (RequestContent, Result<ResponseStream, Error>)>),
    Reading(Box<Reading>),
    /// Gives what the functions returned.
    RunningFunctions(BoxFuture<'static, (RequestContent, Vec<(FunctionCall, ToolOutput)>)>),
    Ended,
}

struct Reading {
    content: RequestContent,
    stream: ResponseStream,
    collected: CollectedResponse,
}

impl Step {
    fn send(mut content: RequestContent) -> Self {
        Self::Sending(Box::pin(async move {
            let stream = content.stream().await;
            (content, stream)
        }))
    }
}

impl ToolLoopEvents {
    /// The result of the loop so far. If the stream has not ended, this cancels the loop, and the response that was
    /// being read counts as broken off.
    #[must_use]
    pub fn into_result(mut self) -> ToolLoopResult {
        self.end_response();
        self.result
    }

    /// The next event, which the caller has to [`keep`](Self::keep) before it polls again.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<ResponseEvent, Error>>> {
        loop {
            let next = match &mut self.step {
                Step::Sending(sending) => match ready!(sending.poll_unpin(context)) {
                    (content, Ok(stream)) => {
                        let collected = CollectedResponse::default();
                        Ok(Step::Reading(Box::new(Reading { content, stream, collected })))
                    }
                    (_, Err(error)) => Err(error),
                },
                Step::Reading(reading) => match ready!(reading.stream.poll_next_unpin(context)) {
                    Some(Ok(event)) => {
                        if let Some(callback) = &mut self.on_event {
                            callback(&event);
                        }
                        return Poll::Ready(Some(Ok(event)));
                    }
                    Some(Err(error)) => {
                        self.end_response();
                        Err(error)
                    }
                    None => self.end_response().map_or(Ok(Step::Ended), |content| self.run_functions(content)),
                },
                Step::RunningFunctions(running) => {
                    let (content, answers) = ready!(running.poll_unpin(context));
                    self.take_answers(content, answers)
                }
                Step::Ended => return Poll::Ready(None),
            };
            match next {
                Ok(step) => self.step = step,
                Err(error) => {
                    self.step = Step::Ended;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn keep(&mut self, event: ResponseEvent) {
        if let Step::Reading(reading) = &mut self.step {
            reading.collected.add(event);
        }
    }

    /// Puts the response that was being read into the result, if there is one, and gives the request back.
    fn end_response(&mut self) -> Option<RequestContent> {
        let Step::Reading(reading) = std::mem::replace(&mut self.step, Step::Ended) else { return None };
        let Reading { content, mut stream, collected } = *reading;
        let last = collected.finish(stream.take_last_response());
        self.result.rounds += 1;
        self.result.usage += last.usage().unwrap_or_default();
        self.result.last = last;
        Some(content)
    }

    /// After a response that is whole: runs the functions that it calls.
    fn run_functions(&mut self, content: RequestContent) -> Result<Step, Error> {
        let last = &self.result.last;
        let items = last.items.iter();
        if keeps_nothing(&content) {
            self.result.items.extend(items.filter_map(on_its_own));
        } else {
            self.result.items.extend(items.cloned());
        }
        let mut calls: Vec<FunctionCall> = last.function_calls().cloned().collect();
        let unreadable: Vec<FunctionCall> = last.items.iter().filter_map(unreadable_call).collect();
        if let Some(call) = unreadable.iter().find(|call| call.call_id.is_empty()) {
            let message = format!("the call of the function `{}` cannot be read, and has no id", call.name);
            return Err(Error::new(ErrorKind::Decode, content.route.create.name, message).sent(true));
        }
        let refused = |call: FunctionCall| {
            let output = failure(&format!("the call of `{}` cannot be read", call.name)).into();
            (call, output)
        };
        let mut answers: Vec<(FunctionCall, ToolOutput)> = unreadable.into_iter().map(refused).collect();
        if calls.is_empty() && answers.is_empty() {
            return Ok(Step::Ended);
        }
        calls.retain(|call| match self.answered.iter().find(|(known, _)| is_same_call(known, call)) {
            Some((_, output)) => {
                answers.push((call.clone(), output.clone()));
                false
            }
            None => true,
        });
        let (tools, at_once) = (self.tools.clone(), self.at_once);
        Ok(Step::RunningFunctions(Box::pin(async move {
            let running = calls.into_iter().map(|call| {
                let tools = &tools;
                async move {
                    let output = tools.run(&call).await;
                    (call, output)
                }
            });
            answers.extend(stream::iter(running).buffered(at_once).collect::<Vec<_>>().await);
            (content, answers)
        })))
    }

    /// Tells the model what its calls gave, unless some are left that only the application can answer.
    fn take_answers(
        &mut self,
        mut content: RequestContent,
        answers: Vec<(FunctionCall, ToolOutput)>,
    ) -> Result<Step, Error> {
        // In the order of the calls.
        let place = |call: &FunctionCall| {
            self.result.last.items.iter().position(|item| item.call_id() == Some(call.call_id.as_str()))
        };
        let mut answers = answers;
        answers.sort_by_key(|(call, _)| place(call));
        let outputs: Vec<ResponseItem> = answers
            .iter()
            .map(|(call, output)| ResponseItem::function_call_output(&call.call_id, output.clone()))
            .collect();
        for answer in answers {
            if !self.answered.iter().any(|(known, _)| is_same_call(known, &answer.0)) {
                self.answered.push(answer);
            }
        }
        self.result.items.extend(outputs.iter().cloned());
        let last = &self.result.last;
        if last.custom_tool_calls().next().is_some() {
            return Ok(Step::Ended);
        }
        if keeps_nothing(&content) {
            if last.items.iter().any(|item| matches!(item, ResponseItem::Reasoning(_))) {
                include_reasoning(&mut content);
            }
            content.add_input(last.items.iter().filter_map(on_its_own).collect());
        } else {
            content.add_input(last.items.clone());
        }
        content.add_input(outputs);
        if !self.keeps_choice {
            release_choice(&mut content);
        }
        self.next_round(content)
    }

    fn next_round(&self, content: RequestContent) -> Result<Step, Error> {
        if self.result.rounds < self.rounds {
            return Ok(Step::send(content));
        }
        let message = format!("the model still calls functions after {} responses", self.rounds);
        Err(Error::new(ErrorKind::TooManyRounds, content.route.create.name, message).sent(true))
    }
}

/// Whether two responses tell the same call.
fn is_same_call(one: &FunctionCall, other: &FunctionCall) -> bool {
    !one.call_id.is_empty()
        && one.call_id == other.call_id
        && one.name == other.name
        && one.arguments == other.arguments
}

/// What can be told of a call of a function in a form that this crate does not know.
fn unreadable_call(item: &ResponseItem) -> Option<FunctionCall> {
    let ResponseItem::Other(told) = item else { return None };
    let member = |name: &str| told.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let call = FunctionCall {
        id: None,
        call_id: member("call_id"),
        name: member("name"),
        namespace: None,
        arguments: String::new(),
        status: None,
        extra: Map::new(),
    };
    (member("type") == "function_call").then_some(call)
}

/// Whether the items of this loop can be told to the server only as a whole, since it stores none.
fn keeps_nothing(content: &RequestContent) -> bool {
    content.route.rules == Rules::OpenAiApi && content.fields.get("store") == Some(&Value::Bool(false))
}

/// The item as a server can read it that does not know it; nothing, if it cannot.
fn on_its_own(item: &ResponseItem) -> Option<ResponseItem> {
    if matches!(item, ResponseItem::Reasoning(reasoning) if reasoning.encrypted_content.is_none()) {
        return None;
    }
    let mut fields = Map::new();
    fields.insert("input".to_owned(), Value::Array(vec![serde_json::to_value(item).ok()?]));
    // The backend's rule for items holds for any server that stores none.
    Rules::CodexBackend.settle_input(&mut fields);
    let settled = fields.get_mut("input")?.get_mut(0)?.take();
    serde_json::from_value(settled).ok()
}

fn include_reasoning(content: &mut RequestContent) {
    let included = content.fields.get("include").and_then(Value::as_array);
    if !included.is_some_and(|included| included.iter().any(|what| what == ENCRYPTED_REASONING)) {
        content.push("include", &ENCRYPTED_REASONING);
    }
}

/// A choice that forces a call leaves the model no way to answer, once its calls have been.
fn release_choice(content: &mut RequestContent) {
    let Some(choice) = content.fields.get_mut("tool_choice") else { return };
    match choice {
        Value::String(word) if matches!(word.as_str(), "auto" | "none") => {}
        Value::Object(members) if members.get("type").is_some_and(|kind| kind == "allowed_tools") => {
            members.insert("mode".to_owned(), "auto".into());
        }
        Value::Null => {}
        choice => *choice = "auto".into(),
    }
}

impl Stream for ToolLoopEvents {
    type Item = Result<ResponseEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let event = ready!(self.poll_event(context));
        if let Some(Ok(event)) = &event {
            self.keep(event.clone());
        }
        Poll::Ready(event)
    }
}

awaited!(ToolLoop => ToolLoopResult);

impl fmt::Debug for ToolLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolLoop").field("tools", &self.tools).field("rounds", &self.rounds).finish_non_exhaustive()
    }
}

impl fmt::Debug for ToolLoopEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolLoopEvents")
            .field("tools", &self.tools)
            .field("rounds", &self.result.rounds)
            .finish_non_exhaustive()
    }
}

impl std::ops::AddAssign for TokenUsage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.cache_write_tokens = self.cache_write_tokens.saturating_add(other.cache_write_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(other.reasoning_tokens);
        self.total_tokens = self.total_tokens.saturating_add(other.total_tokens);
    }
}
