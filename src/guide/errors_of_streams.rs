//! Errors of streams: how a response can end, and what to do about it.
//!
//! Every call fails with one type, [`Error`](crate::Error). Its [`kind`](crate::Error::kind) tells what happened, and its
//! predicates tell what to do.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use codex_backend::testing::{Backend, ScriptedResponse};
//! # let backend = Backend::start()?;
//! # backend.script_response(ScriptedResponse::failed("context_length_exceeded", "Your input is too long."));
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! use codex_backend::ErrorKind;
//!
//! let stream = client.codex_responses().create("gpt-5.5", "You are terse.", "Hello").stream().await?;
//! let (so_far, ended_in) = stream.collect_partial().await;
//! let Some(error) = ended_in else { return Ok(println!("{}", so_far.text())) };
//! match error.kind() {
//!     ErrorKind::ContextWindowExceeded => println!("shorten the conversation, with `compact()`"),
//!     ErrorKind::UsageLimit => println!("used up until {:?}", error.usage_limit().and_then(|limit| limit.resets_at)),
//!     ErrorKind::Incomplete => println!("cut off: {:?}, after {}", error.code(), so_far.text()),
//!     _ if error.needs_sign_in() => println!("sign in again"),
//!     _ if error.is_retryable() => println!("try again in {:?}", error.retry_after()),
//!     _ => println!("{error}"),
//! }
//! # assert_eq!(error.kind(), ErrorKind::ContextWindowExceeded);
//! # Ok(()) }
//! ```
//!
//! | kind | who says so, and about what | retried by the client |
//! | --- | --- | --- |
//! | [`ContextWindowExceeded`](crate::ErrorKind::ContextWindowExceeded), [`PolicyViolation`](crate::ErrorKind::PolicyViolation), [`InvalidRequest`](crate::ErrorKind::InvalidRequest), [`InvalidImage`](crate::ErrorKind::InvalidImage) | the server, about the request | no |
//! | [`InvalidInput`](crate::ErrorKind::InvalidInput) | this crate, about the request, before anything is sent | no |
//! | [`UsageLimit`](crate::ErrorKind::UsageLimit), [`QuotaExceeded`](crate::ErrorKind::QuotaExceeded), [`NotIncluded`](crate::ErrorKind::NotIncluded) | the server, about the account | no |
//! | [`RateLimited`](crate::ErrorKind::RateLimited) | the server, about too many requests in a short time | after the time that the server names; without one, on the OpenAI API, and on the Codex backend if a response fails with `slow_down` |
//! | [`Overloaded`](crate::ErrorKind::Overloaded), [`Server`](crate::ErrorKind::Server), [`Interrupted`](crate::ErrorKind::Interrupted), [`Truncated`](crate::ErrorKind::Truncated), [`Timeout`](crate::ErrorKind::Timeout) | the server, or the way to it | until the first event of the body has come, where the server keeps nothing |
//! | [`Incomplete`](crate::ErrorKind::Incomplete) | the server, about a response that it cut off | no |
//!
//! An error keeps the server's words and code whatever it comes in: an event without a type, an event named `error` with text,
//! a field `error`, a JSON body in place of a stream, a list, JSON within a string. It ends the stream as an event would, and
//! the request is not retried. An answer in an encoding that was not asked for is a [`Decode`](crate::ErrorKind::Decode) that
//! names the encoding.
//!
//! [`events_delivered`](crate::Error::events_delivered) says how many events a stream had given. Once it has given one,
//! nothing is retried: no event comes twice. On the Codex backend a response that fails at once, with `rate_limit_exceeded`,
//! `slow_down` or `server_is_overloaded`, is retried before its stream has given any.
