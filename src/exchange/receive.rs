//! How a successful answer becomes what its caller gets: read to its end, or handed on as a stream.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};

use super::answer::{self, Answer, LONGEST_ERROR_BODY};
use super::body::Body;
use super::limit::Activity;
use super::operation::Operation;
use super::scrub::Scrubber;
use super::transport_error::TransportError;
use crate::error::{Error, ErrorKind};

/// The longest successful answer that is read into memory.
const LONGEST_ANSWER: usize = 64 << 20;

/// Work that an answer is followed by.
pub(crate) type Afterwards = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Makes of a successful answer what its caller gets. As long as this fails, the request may be retried.
pub(crate) trait Receive: Send + Sync {
    type Received: Send;

    /// What an attempt must carry that may have been learnt from the answer to the one before.
    fn add_headers(&self, _headers: &mut HeaderMap) {}

    /// `activity`, where there is an idle limit, is touched whenever bytes come.
    fn receive(
        &self,
        opened: Opened,
        activity: Option<&Activity>,
    ) -> impl Future<Output = Result<Self::Received, NotReceived>> + Send;

    /// Lets what was received, if it goes on, wait for `last` at its end. What has ended already gives it back.
    fn end_after(_received: &mut Self::Received, last: Afterwards) -> Option<Afterwards> {
        Some(last)
    }

    /// The status of the answer that was received.
    fn status(received: &Self::Received) -> StatusCode;

    /// The id that the server gave the request.
    fn request_id(received: &Self::Received) -> Option<String>;
}

/// A successful answer of which the head has been read.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) operation: &'static Operation,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    pub(crate) attempts: u32,
    pub(crate) scrubber: Scrubber,
}

impl Opened {
    pub(crate) fn request_id(&self) -> Option<String> {
        answer::request_id(&self.headers).map(|id| self.scrubber.clean_line(id))
    }

    /// An error about the answer, with the start of its body. If the body tells an error, it is that one, and is `Ok`.
    pub(crate) async fn refuse(
        &mut self,
        kind: ErrorKind,
        message: String,
        now: SystemTime,
        activity: Option<&Activity>,
    ) -> Result<Error, Error> {
        let request_id = self.request_id();
        let collected = collect(&mut self.body, LONGEST_ERROR_BODY, activity).await;
        let bytes = collected.into_start();
        if let Ok(text) = str::from_utf8(&bytes)
            && answer::tells_error(text)
        {
            let error = answer::event_error(self.operation, text, now, &self.scrubber);
            let request_id = error.request_id().map(str::to_owned).or(request_id);
            return Ok(error.with_attempts(self.attempts).with_request_id(request_id));
        }
        let error = Error::new(kind, self.operation.name, message)
            .with_status(self.status)
            .with_request_id(request_id)
            .with_body(Some(self.scrubber.clean(&String::from_utf8_lossy(&bytes))));
        Err(error)
    }
}

/// Why a body was not received.
#[derive(Debug)]
pub(crate) enum NotReceived {
    Broken(TransportError),
    Unusable(Error),
}

/// The body is read to its end, which must not be further than this many bytes away.
#[derive(Debug)]
pub(crate) struct ToTheEnd {
    pub(crate) longest: usize,
}

impl ToTheEnd {
    /// As far as any answer reaches.
    pub(crate) const DEFAULT: Self = Self { longest: LONGEST_ANSWER };
}

impl Receive for ToTheEnd {
    type Received = Answer;

    async fn receive(&self, opened: Opened, activity: Option<&Activity>) -> Result<Answer, NotReceived> {
        let Opened { operation, status, headers, mut body, attempts, scrubber } = opened;
        match collect(&mut body, self.longest, activity).await {
            Collected::Whole(body) => {
                Ok(Answer { status, headers, body, attempts, scrubber, skipped: AtomicUsize::new(0) })
            }
            Collected::TooLong(_) => {
                let message = format!("the answer is longer than {} MiB", self.longest >> 20);
                let error = Error::new(ErrorKind::ResponseTooLarge, operation.name, message);
                Err(NotReceived::Unusable(error.with_status(status)))
            }
            Collected::TooSlow(_) => {
                let error = Error::new(ErrorKind::Timeout, operation.name, "the answer comes too slowly");
                Err(NotReceived::Unusable(error.with_status(status)))
            }
            Collected::Broken(_, error) => Err(NotReceived::Broken(error)),
        }
    }

    fn status(received: &Answer) -> StatusCode {
        received.status
    }

    fn request_id(received: &Answer) -> Option<String> {
        received.request_id()
    }
}

pub(super) enum Collected {
    Whole(Bytes),
    TooLong(Bytes),
    TooSlow(Bytes),
    Broken(Bytes, TransportError),
}

impl Collected {
    /// As much as came.
    pub(super) fn into_start(self) -> Bytes {
        match self {
            Self::Whole(bytes) | Self::TooLong(bytes) | Self::TooSlow(bytes) | Self::Broken(bytes, _) => bytes,
        }
    }
}

pub(super) async fn collect(body: &mut Body, longest: usize, activity: Option<&Activity>) -> Collected {
    let began = activity.map(Activity::monotonic);
    // Most answers are one chunk, and a single chunk need not be copied.
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    let joined = |first: Bytes, all: BytesMut| if all.is_empty() { first } else { all.freeze() };
    loop {
        match body.next().await {
            None => return Collected::Whole(joined(first, all)),
            Some(Err(error)) => return Collected::Broken(joined(first, all), error),
            // A body that always has nothing at hand must not keep time-outs from being looked at.
            Some(Ok(chunk)) if chunk.is_empty() => tokio::task::consume_budget().await,
            Some(Ok(chunk)) => {
                if let Some(activity) = activity {
                    activity.touch();
                }
                let room = longest - first.len().max(all.len());
                if chunk.len() > room {
                    if all.is_empty() {
                        all.extend_from_slice(&first);
                    }
                    all.extend_from_slice(&chunk[..room]);
                    return Collected::TooLong(all.freeze());
                }
                if first.is_empty() {
                    first = chunk;
                } else {
                    if all.is_empty() {
                        all.extend_from_slice(&first);
                    }
                    all.extend_from_slice(&chunk);
                }
                let received = first.len().max(all.len());
                if activity.zip(began).is_some_and(|(activity, began)| activity.is_too_slow(began, received)) {
                    return Collected::TooSlow(joined(first, all));
                }
            }
        }
    }
}
