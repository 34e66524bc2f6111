//! Moving over from async-openai.
//!
//! | async-openai | here |
//! | --- | --- |
//! | `Client::with_config(OpenAIConfig::new().with_api_key(key))` | `Client::builder().api_key(key).build()?` |
//! | `client.responses().create(request)` | `client.openai_responses().create(model, input).send()` |
//! | `client.responses().create_stream(request)` | `….stream()` |
//! | `CreateResponseArgs::default().model(m).input(i).build()?` | `create(m, i)`, then setters; `create_from(&request)` takes the old value |
//! | `ResponseStreamEvent::ResponseOutputTextDelta(event)` | [`ResponseEventKind::OutputTextDelta`](crate::responses::ResponseEventKind::OutputTextDelta)`(piece)` |
//! | an event that the library does not know ends in an error | [`ResponseEventKind::Unknown`](crate::responses::ResponseEventKind::Unknown), and the stream goes on |
//! | a stream that breaks off ends like one that is complete | it ends with [`ErrorKind::Truncated`](crate::ErrorKind::Truncated) |
//! | `OpenAIError::ApiError` | [`Error`](crate::Error), with [`kind`](crate::Error::kind), [`code`](crate::Error::code), [`request_id`](crate::Error::request_id) |
//! | `client.files().create(…)` | `client.openai_files().path(…)`, `.bytes(…)` |
//! | `client.models().list()` | `client.openai_models().list()` |
//!
//! Requests that an application already builds, with async-openai's types or any type that implements `Serialize`, can be
//! sent as they are:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().api_key(backend.api_key()).build()?;
//! #[derive(serde::Serialize)]
//! struct OldRequest {
//!     model: String,
//!     input: String,
//!     temperature: Option<f32>,
//! }
//!
//! let old = OldRequest { model: "gpt-5.5".into(), input: "Say hello.".into(), temperature: None };
//! let answer = client.openai_responses().create_from(&old).send().await?;
//! assert_eq!(answer.output_text(), "Hello, world");
//! # Ok(()) }
//! ```
//!
//! With ChatGPT credentials, `client.codex_responses().create_from(&old)` checks the request before it is sent, and names
//! each field that the Codex backend would refuse.
