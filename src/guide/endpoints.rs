//! All requests that this crate sends, by handle: path, retries and time-outs.
//!
//! Paths follow the client's base URL. `{prefix}` is `/wham` below a base URL with `/backend-api`, else `/api/codex`;
//! `{codex}` is `/codex` or `/api/codex` in the same way. A path without either is the same everywhere, and those of the Codex
//! backend are then served by the ChatGPT host alone, below `/backend-api`.
//!
//! *Retried after a failure* is about failures of the network and errors of the server (5xx). A request is also retried
//! where it is certain that the server did not act on it: there was no connection, or a burst limit refused it.
//! [`RetryPolicy`](crate::RetryPolicy) says how often and when. After a 401 any request may be retried with new
//! credentials, since the server did not act on it.
//!
//! *Time-outs* names those of [`Timeouts`](crate::Timeouts) that bound the request. The name of the operation is what errors
//! and spans show.
#![doc = include_str!("endpoints.md")]
