//! One request on its way to the transport, and what it carries.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use url::Url;

use super::body::Body;
use super::limit::Activity;
use super::operation::Operation;
use super::retry::{Retries, RetryPolicy};
use super::timeouts::Timeouts;
use crate::error::Error;

/// One request, ready to be sent as often as its operation allows.
pub(crate) struct Outgoing<'a> {
    pub(crate) operation: &'static Operation,
    pub(crate) url: Url,
    /// A server named the URL, and it must not lead into the network around this machine.
    pub(crate) public_hosts_only: bool,
    /// Beside those of the application's identity and of auth.
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload<'a>,
    pub(crate) options: &'a CallOptions,
}

/// What a single call sets differently from its client.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct CallOptions {
    pub(crate) timeouts: Option<Timeouts>,
    pub(crate) retry: Option<RetryPolicy>,
    /// In place of what the operation says.
    pub(crate) retries: Option<Retries>,
}

/// What a request carries.
pub(crate) enum Payload<'a> {
    Empty,
    Bytes(Bytes),
    Source(&'a mut dyn PayloadSource),
}

/// A payload that is read while it is sent.
pub(crate) trait PayloadSource: Send {
    /// The content from its start, for the given attempt, counted from 1. `activity`, where there is an idle limit, is
    /// touched whenever bytes are handed over.
    fn open(&mut self, attempt: u32, activity: Option<Activity>) -> BoxFuture<'_, Result<Body, Error>>;

    /// Whether the content can be read from its start again.
    fn is_replayable(&self) -> bool;

    /// Whether all of the content has been handed over in the last attempt.
    fn is_handed_over(&self) -> bool;

    /// Why the content could not be read to its end, if that is why an attempt failed.
    fn take_failure(&mut self) -> Option<Error>;
}
