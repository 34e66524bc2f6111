//! Testing an application.
//!
//! The feature `testing` adds [`testing::Backend`](../../testing/struct.Backend.html), an HTTP server on loopback that
//! plays the Codex backend and the OpenAI API. It checks credentials, keeps what it is sent, and fails on demand. An
//! application's tests run against it with the application's own client, over real sockets and without an account.
//!
//! ```toml
//! [dev-dependencies]
//! codex-backend = { version = "0.1", features = ["testing"] }
//! ```
//!
//! # A client for it
//!
//! `Backend::client` gives a builder whose clients talk to this server; it does not read the process's environment. Let the
//! code under test take a client or a builder, so that a test can pass in this one:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use codex_backend::testing::{Backend, Route};
//! use codex_backend::{CodexClient, Error};
//!
//! /// The code under test.
//! async fn publish(client: &CodexClient, report: &str) -> Result<String, Error> {
//!     Ok(client.file_upload().bytes("report.txt", report.to_owned()).await?.uri().to_owned())
//! }
//!
//! let backend = Backend::start()?;
//! let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! let uri = publish(&client, "all is well").await?;
//!
//! // What the server keeps, and what it was asked.
//! let file = &backend.files()[0];
//! assert_eq!((file.file_name(), file.content().unwrap().as_ref()), ("report.txt", &b"all is well"[..]));
//! assert!(file.is_finalized() && uri.ends_with(file.id()));
//! let request = &backend.requests_to(Route::CREATE_FILE)[0];
//! assert_eq!(request.json()["file_size"], 11);
//! assert_eq!(request.header("chatgpt-account-id"), Some("acct-embedded"));
//! # Ok(()) }
//! ```
//!
//! A client with an API key is built with `.api_key(backend.api_key())`. Other methods of `Backend` add accounts with other
//! plans, revoke tokens, issue an `auth.json`, personal access tokens and agents, and set what the endpoints answer
//! (`set_usage`, `add_tasks`, …).
//!
//! # What goes wrong
//!
//! A `Fault` makes the next request to a route fail: with a status, a broken connection, half an answer, or no answer at all.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use codex_backend::ErrorKind;
//! use codex_backend::testing::{Backend, Fault, Route};
//!
//! let backend = Backend::start()?;
//! let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//!
//! // A reset is retried …
//! backend.inject(Route::GET_USAGE, Fault::reset_before_headers());
//! client.usage().get().await?;
//! assert_eq!(backend.requests_to(Route::GET_USAGE).len(), 2);
//!
//! // … and a used-up limit is not.
//! let body = r#"{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached"}}"#;
//! backend.inject(Route::GET_USAGE, Fault::status(429).header("content-type", "application/json").body(body));
//! let error = client.usage().get().await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::UsageLimit);
//! assert_eq!(backend.requests_to(Route::GET_USAGE).len(), 3);
//! # Ok(()) }
//! ```
//!
//! # What the model answers
//!
//! Without a script it answers `Hello, world`. A `ScriptedResponse` answers the next request: with text, the call of a
//! function, an error, or any events, in pieces of any size.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use codex_backend::testing::{Backend, Route, ScriptedResponse};
//!
//! let backend = Backend::start()?;
//! let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! backend.script_response(ScriptedResponse::text("Oslo").in_chunks_of(7));
//!
//! let request = client.codex_responses().create("gpt-5.5", "You are terse.", "The capital of Norway?");
//! assert_eq!(request.stream().await?.collect().await?.text(), "Oslo");
//! assert_eq!(backend.requests_to(Route::CREATE_RESPONSE)[0].json()["instructions"], "You are terse.");
//! # Ok(()) }
//! ```
//!
//! # Time
//!
//! A client takes the time for its waits and time-outs, and for the expiry of tokens, from its clock. With a `ManualClock`
//! the test moves that time, and nobody waits:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::{Duration, SystemTime};
//! use codex_backend::testing::{Backend, Fault, ManualClock, Route};
//!
//! let backend = Backend::start()?;
//! let clock = ManualClock::starting_at(SystemTime::now());
//! let client = backend.client().clock(clock.clone()).chatgpt(backend.chatgpt_tokens()).build()?;
//!
//! backend.inject(Route::GET_USAGE, Fault::status(503).header("retry-after", "30"));
//! let half_a_minute = Duration::from_secs(30);
//! let time = async {
//!     clock.until_asleep_for(half_a_minute).await; // the client has been told to wait
//!     clock.advance(half_a_minute);
//! };
//! let (usage, ()) = tokio::join!(client.usage().get(), time);
//! usage?;
//! assert_eq!(backend.requests_to(Route::GET_USAGE).len(), 2);
//! # Ok(()) }
//! ```
