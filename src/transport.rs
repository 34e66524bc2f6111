//! What goes over the network, and how: retries, time-outs, the [`Transport`] trait for an HTTP stack of your own, clocks,
//! and the [`Environment`] that settings are read from.
//!
//! An application needs little of it: [`RetryPolicy`] and [`Timeouts`], given to the
//! [`ClientBuilder`](crate::ClientBuilder) or to a single request.
//!
//! ```
//! use std::time::Duration;
//! use codex_backend::transport::{RetryPolicy, Timeouts};
//! use codex_backend::{ChatGptTokens, Client};
//!
//! let client = Client::builder()
//!     .chatgpt(ChatGptTokens::new("access-token"))
//!     .timeouts(Timeouts::default().call(Duration::from_secs(45)))
//!     .retry_policy(RetryPolicy::default().max_attempts(5))
//!     .build()?;
//! # Ok::<(), codex_backend::ConfigError>(())
//! ```

pub use crate::environment::Environment;
pub use crate::exchange::{
    Body, Clock, RetryPolicy, SystemClock, Timeouts, Transport, TransportError, TransportFuture, TransportRequest,
};
