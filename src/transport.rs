//! The network settings of a client: retries, time-outs, clocks, the [`Environment`] that settings are read from, and the
//! [`Transport`] trait for an HTTP stack of your own.
//!
//! Most applications need only [`RetryPolicy`] and [`Timeouts`]. Both can be set for a client, on its
//! [`ClientBuilder`](crate::ClientBuilder), and for a single request. Proxies and certificates are set on the builder too.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! use codex_backend::{RetryPolicy, Timeouts};
//! use std::time::Duration;
//!
//! let client = backend
//!     .client()
//!     .chatgpt(backend.chatgpt_tokens())
//!     .timeouts(Timeouts::default().call(Duration::from_secs(45)))
//!     .retry_policy(RetryPolicy::default().max_attempts(5))
//!     .build()?;
//! let usage = client.usage().get().with_retry_policy(RetryPolicy::never()).await?; // this request is sent once
//! # drop(usage);
//! # Ok(()) }
//! ```

pub use crate::environment::Environment;
pub use crate::exchange::{
    Body, Clock, RetryPolicy, SystemClock, Timeouts, Transport, TransportError, TransportFuture, TransportRequest,
};
