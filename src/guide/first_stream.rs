//! The first stream: asking a model, and reading what it answers.
//!
//! A model's answer comes as a stream of events. The client decides which handle you use:
//! [`CodexResponses`](crate::CodexResponses) with ChatGPT credentials, [`OpenAiResponses`](crate::OpenAiResponses) with an
//! API key. The other one does not compile.
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
//! The stream ends with [`Completed`](crate::responses::ResponseEventKind::Completed) or with an [`Error`](crate::Error);
//! there is no third way. So with a `?` on each item, half an answer is never taken for a whole one. If you need only the
//! whole answer, [`collect`](crate::responses::ResponseStream::collect) puts it together from all that the server tells, in
//! pieces, when something is done, or at the end:
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
//! // The Codex backend keeps nothing: to go on, send what came before.
//! conversation.extend(answer.items);
//! conversation.push(ResponseItem::user("And now in French."));
//! let next = responses.create("gpt-5.5", "You are terse.", conversation).stream().await?.collect().await?;
//! # assert!(next.id().is_some());
//! # Ok(()) }
//! ```
//!
//! With an API key a request may also set how the model works, such as its temperature, and be answered in one piece:
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
//! What a server sends that is newer than this crate is not lost: an event of an unknown type is
//! [`Unknown`](crate::responses::ResponseEventKind::Unknown), every event has its
//! [`raw`](crate::responses::ResponseEvent::raw) JSON, an item of an unknown kind is
//! [`Other`](crate::responses::ResponseItem::Other), and [`field`](crate::responses::ResponseRequest::field) sets any field
//! of a request.
