//! The first stream: asking a model, and reading what it answers.
//!
//! A model's answer comes as a stream of events. Which handle you take follows from the client: [`CodexResponses`](crate::CodexResponses) with
//! ChatGPT credentials, [`OpenAiResponses`](crate::OpenAiResponses) with an API key. The other one does not compile.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! use codex_backend::responses::ResponseEventKind;
//! use codex_backend::CodexResponses;
//! use futures_util::StreamExt;
//!
//! let responses = CodexResponses::new(&client);
//! let mut stream = responses.create("gpt-5.5", "You are terse.", "Say hello.").stream().await?;
//! while let Some(event) = stream.next().await {
//!     match event?.kind {
//!         ResponseEventKind::OutputTextDelta(piece) => print!("{}", piece.delta),
//!         ResponseEventKind::Completed(response) => println!("\n{:?}", response.usage),
//!         _ => {}
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! The stream ends well with [`Completed`](crate::responses::ResponseEventKind::Completed), or in an [`Error`](crate::Error); there is no third way, so a
//! `?` on each item is all it takes not to mistake half an answer for a whole one. If only the whole answer counts, let
//! [`collect`](crate::responses::ResponseStream::collect) put it together:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! use codex_backend::responses::ResponseItem;
//!
//! let responses = client.codex_responses();
//! let mut conversation = vec![ResponseItem::user("Say hello.")];
//! let answer = responses.create("gpt-5.5", "You are terse.", conversation.clone()).stream().await?.collect().await?;
//! assert_eq!(answer.text(), "Hello, world");
//!
//! // To go on, give back what came: the Codex backend keeps nothing.
//! conversation.extend(answer.items);
//! conversation.push(ResponseItem::user("And now in French."));
//! let next = responses.create("gpt-5.5", "You are terse.", conversation).stream().await?.collect().await?;
//! # assert!(next.id().is_some());
//! # Ok(()) }
//! ```
//!
//! With an API key the same request may tune the model, and be answered in one piece:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().api_key(backend.api_key()).build()?;
//! let answer = client.openai_responses().create("gpt-5.5", "Say hello.").temperature(0.2).send().await?;
//! assert_eq!(answer.output_text(), "Hello, world");
//! # Ok(()) }
//! ```
//!
//! What is newer than this crate is still there: an event of an unknown type is
//! [`Unknown`](crate::responses::ResponseEventKind::Unknown), every event has its [`raw`](crate::responses::ResponseEvent::raw) JSON, an item of an unknown kind
//! is [`Other`](crate::responses::ResponseItem::Other), and [`field`](crate::responses::ResponseRequest::field) sets any field of a request.
