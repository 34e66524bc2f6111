//! Functions that the model may call, and going on until it has what it needs.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::collected::CollectedResponse;
use super::event::ResponseEvent;
use super::item::{FunctionCall, ResponseItem};
use super::request::{RequestContent, ResponseRequest};
use super::response::TokenUsage;
use super::tool::FunctionTool;
use super::turn::ResponseTurn;
use crate::api::request::awaited;
use crate::error::{Error, ErrorKind};

/// How many rounds there are at the most, unless told otherwise.
const ROUNDS: u32 = 16;

/// Functions of the application's that a model may call, by name.
///
/// A function takes its arguments as a type of its own and gives anything that can be written as JSON, or an error, whose
/// text goes to the model so that it can do better. Clones share the functions.
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
#[derive(Clone, Default)]
pub struct Tools {
    functions: BTreeMap<String, Function>,
}

#[derive(Clone)]
struct Function {
    tool: FunctionTool,
    run: Run,
}

/// Gives what the model is told.
type Run = Arc<dyn Fn(&FunctionCall) -> BoxFuture<'static, String> + Send + Sync>;

impl Tools {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function. One of the same name takes the place of the one before.
    #[must_use]
    pub fn function<A, F, R, T, E>(mut self, tool: FunctionTool, function: F) -> Self
    where
        A: DeserializeOwned,
        F: Fn(A) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize,
        E: fmt::Display,
    {
        let run = Arc::new(move |call: &FunctionCall| -> BoxFuture<'static, String> {
            let name = call.name.clone();
            let arguments: A = match call.parse_arguments() {
                Ok(arguments) => arguments,
                Err(error) => {
                    let text = failure(&format!("the arguments of `{name}` do not fit: {error}"));
                    return Box::pin(async { text });
                }
            };
            let running = function(arguments);
            Box::pin(async move {
                match running.await.map(|value| serde_json::to_value(value)) {
                    // Text goes as it is, without quotes.
                    Ok(Ok(serde_json::Value::String(text))) => text,
                    Ok(Ok(value)) => value.to_string(),
                    Ok(Err(error)) => failure(&format!("what `{name}` gave cannot be written as JSON: {error}")),
                    Err(error) => failure(&error.to_string()),
                }
            })
        });
        self.functions.insert(tool.name.clone(), Function { tool, run });
        self
    }

    /// Runs one call. Whatever goes wrong is told to the model.
    async fn run(&self, call: &FunctionCall) -> String {
        let Some(function) = self.functions.get(&call.name) else {
            return failure(&format!("there is no function `{}`", call.name));
        };
        // A function that panics must not take the conversation with it.
        let running = AssertUnwindSafe(async { (function.run)(call).await }).catch_unwind();
        running.await.unwrap_or_else(|_| failure(&format!("`{}` failed", call.name)))
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

impl<M> ResponseRequest<M> {
    /// Sends the request, runs the functions that the model calls, gives it what they gave, and so on until it calls none;
    /// `.await` it.
    ///
    /// Calls of one round run at the same time. A call of a function that does not exist, arguments that do not fit, an
    /// error and a panic are all told to the model. Each round is a request of its own, repeated by itself as any other; all
    /// belong to one [`ResponseTurn`]. Calls of custom tools end the loop: they are the application's to answer. Dropping it
    /// ends the round that is under way.
    ///
    /// # Errors
    ///
    /// As [`stream`](Self::stream), in whichever round, and [`ErrorKind::TooManyRounds`].
    /// [`collect_partial`](ToolLoop::collect_partial) gives what came up to then as well.
    pub fn run_tools(mut self, tools: &Tools) -> ToolLoop {
        for function in tools.functions.values() {
            self = self.tool(function.tool.clone());
        }
        let mut content = self.content;
        content.conversation.turn.get_or_insert_with(ResponseTurn::new);
        ToolLoop { content, tools: tools.clone(), rounds: ROUNDS, on_event: None }
    }
}

/// A conversation between the model and the application's functions, made by [`ResponseRequest::run_tools`]; `.await` it.
#[must_use = "nothing is asked unless awaited"]
pub struct ToolLoop {
    content: RequestContent,
    tools: Tools,
    rounds: u32,
    on_event: Option<EventCallback>,
}

type EventCallback = Box<dyn FnMut(&ResponseEvent) + Send>;

/// How such a conversation ended.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ToolLoopResult {
    /// The last response; one that broke off, as far as it came. Empty when there was none.
    pub last: CollectedResponse,
    /// All that was said beyond the request's own input: what the model gave and what the functions gave. Of a response that
    /// broke off there is nothing here, since the functions that it calls were not run; see [`last`](Self::last).
    pub items: Vec<ResponseItem>,
    /// How many responses there were, one that broke off included.
    pub rounds: u32,
    /// What they cost together, as far as the server told it.
    pub usage: TokenUsage,
}

impl ToolLoop {
    /// How many responses are asked for at the most. Default 16. If the model still calls functions then, the loop ends in
    /// [`ErrorKind::TooManyRounds`].
    pub fn with_rounds(mut self, rounds: u32) -> Self {
        self.rounds = rounds.max(1);
        self
    }

    /// Called with each event as it comes, to show text while it is written. Keep it short.
    pub fn on_event(mut self, callback: impl FnMut(&ResponseEvent) + Send + 'static) -> Self {
        self.on_event = Some(Box::new(callback));
        self
    }

    /// Goes on until the model calls no function, and gives what came; and the error, if the loop ended in one.
    ///
    /// What the model and the functions have done is not lost then: the same request with
    /// [`items`](ToolLoopResult::items) behind its input goes on from there. Dropping the future ends the round that is under
    /// way, and loses all rounds.
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
    pub async fn collect_partial(mut self) -> (ToolLoopResult, Option<Error>) {
        let mut result = ToolLoopResult::default();
        let ended_in = self.go_on(&mut result).await.err();
        (result, ended_in)
    }

    async fn run(self) -> Result<ToolLoopResult, Error> {
        match self.collect_partial().await {
            (result, None) => Ok(result),
            (_, Some(error)) => Err(error),
        }
    }

    /// Puts what comes into `result` as it comes.
    async fn go_on(&mut self, result: &mut ToolLoopResult) -> Result<(), Error> {
        while result.rounds < self.rounds {
            let stream = self.content.stream().await?;
            let on_event = &mut self.on_event;
            let (last, ended_in) =
                stream.collect_showing(|event| on_event.iter_mut().for_each(|call| call(event))).await;
            result.rounds += 1;
            result.usage += last.usage().unwrap_or_default();
            result.last = last;
            if let Some(error) = ended_in {
                return Err(error);
            }
            let last = &result.last;
            result.items.extend(last.items.iter().cloned());
            let calls: Vec<&FunctionCall> = last.function_calls().collect();
            if calls.is_empty() || last.custom_tool_calls().next().is_some() {
                return Ok(());
            }
            let outputs = join_all(calls.iter().map(|call| self.tools.run(call))).await;
            let outputs = calls.iter().zip(outputs);
            let outputs: Vec<ResponseItem> =
                outputs.map(|(call, output)| ResponseItem::function_call_output(&call.call_id, output)).collect();
            result.items.extend(outputs.iter().cloned());
            self.content.add_input(last.items.clone());
            self.content.add_input(outputs);
        }
        let operation = self.content.route.create.name;
        let message = format!("the model still calls functions after {} responses", self.rounds);
        Err(Error::new(ErrorKind::TooManyRounds, operation, message).sent(true))
    }
}

awaited!(ToolLoop => ToolLoopResult);

impl fmt::Debug for ToolLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolLoop").field("tools", &self.tools).field("rounds", &self.rounds).finish_non_exhaustive()
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
