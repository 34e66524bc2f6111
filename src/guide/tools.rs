//! Tools: functions of the application that a model may call.
//!
//! Register functions in [`Tools`](crate::responses::Tools), and
//! [`run_tools`](crate::responses::ResponseRequest::run_tools) goes back and forth between the model and them until the
//! model has what it needs.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use codex_backend::testing::{Backend, ScriptedResponse};
//! # let backend = Backend::start()?;
//! # backend.script_response(ScriptedResponse::function_call("read_file", r#"{"path":"notes.txt"}"#));
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! use codex_backend::responses::{FunctionTool, ResponseEventKind, Tools};
//!
//! #[derive(serde::Deserialize)]
//! struct ReadFile {
//!     path: String,
//! }
//!
//! let parameters = serde_json::json!({
//!     "type": "object",
//!     "properties": { "path": { "type": "string" } },
//!     "required": ["path"],
//!     "additionalProperties": false,
//! });
//! let tools = Tools::new().function(
//!     FunctionTool::new("read_file", "Reads a text file.", parameters).strict(true),
//!     |arguments: ReadFile| async move { tokio::fs::read_to_string(arguments.path).await },
//! );
//!
//! let request = client.codex_responses().create("gpt-5.5", "You are terse.", "What do my notes say?");
//! let result = request
//!     .run_tools(&tools)
//!     .with_rounds(8)
//!     .on_event(|event| {
//!         if let ResponseEventKind::OutputTextDelta(piece) = &event.kind {
//!             print!("{}", piece.delta);
//!         }
//!     })
//!     .await?;
//! println!("\n{} rounds, {} tokens", result.rounds, result.usage.total_tokens);
//! # assert_eq!(result.rounds, 2);
//! # Ok(()) }
//! ```
//!
//! Whatever goes wrong with a call (arguments that do not fit, an error, a panic, a function that does not exist) is told
//! to the model, which can then call it in another way or explain. The number of rounds is bounded. When a loop ends in an
//! error, [`collect_partial`](crate::responses::ToolLoop::collect_partial) in place of `.await` gives the rounds before it
//! too. [`events`](crate::responses::ToolLoop::events) gives the events as a stream, without a callback. With the feature
//! `schemars`, `FunctionTool::of` makes the schema from the type of the arguments.
//!
//! A call runs once, even if the server tells it twice. At most eight functions run at the same time
//! ([`with_functions_at_once`](crate::responses::ToolLoop::with_functions_at_once)). A function that returns
//! [`ContentPart`](crate::responses::ContentPart)s gives the model an image or a file, not their JSON. A
//! [`tool_choice`](crate::responses::ResponseRequest::tool_choice) that forces a call holds for the first response; after
//! that the model may answer ([`with_forced_choice_kept`](crate::responses::ToolLoop::with_forced_choice_kept) changes
//! that).
//!
//! To answer calls yourself, take them from [`function_calls`](crate::responses::CollectedResponse::function_calls), and
//! give back [`ResponseItem::function_call_output`](crate::responses::ResponseItem::function_call_output) for each, after
//! the items that came. Requests of one turn share a [`ResponseTurn`](crate::responses::ResponseTurn).
