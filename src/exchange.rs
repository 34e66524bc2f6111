//! One bare exchange with all its care: time limits, retries and their budget, error mapping and scrubbing, spans.
//!
//! Nothing here knows of credentials. What an attempt must carry is asked of an [`Authorize`], once for each attempt;
//! [`Bare`] carries nothing.

mod answer;
mod base_url;
mod body;
#[cfg(feature = "rustls-ring")]
mod certificates;
mod clock;
mod cookies;
mod identity;
mod limit;
mod origin;
mod proxy;
mod reqwest_transport;
mod retry;
mod scrub;
mod signed_url;
mod sse;
mod timeouts;
mod transport;

use std::error::Error as StdError;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

#[cfg(feature = "agent-identity")]
pub(crate) use self::answer::TASK_CODES;
pub(crate) use self::answer::{Answer, event_error, headers_of_json};
#[cfg(feature = "agent-identity")]
pub(crate) use self::base_url::PathStyle;
pub(crate) use self::base_url::{BaseUrl, Route, path_segment};
pub use self::body::Body;
#[cfg(feature = "rustls-ring")]
pub(crate) use self::certificates::RootCertificates;
pub(crate) use self::clock::tellable;
pub use self::clock::{Clock, SystemClock};
use self::cookies::CookieJar;
pub(crate) use self::identity::Identity;
pub(crate) use self::limit::{Activity, IdleTimer};
use self::limit::{Limit, within};
pub(crate) use self::origin::{Origin, TrustedHosts, has_user_info, is_loopback};
pub(crate) use self::proxy::ProxySettings;
pub(crate) use self::reqwest_transport::{ReqwestTransport, TransportSettings};
pub(crate) use self::retry::Retries;
use self::retry::RetryBudget;
pub use self::retry::RetryPolicy;
pub(crate) use self::scrub::Scrubber;
pub use self::signed_url::SignedUrl;
pub(crate) use self::sse::{LONGEST_EVENT, SseFailure, SseReader};
pub use self::timeouts::Timeouts;
use self::transport::TransportFailure;
pub use self::transport::{Transport, TransportError, TransportFuture, TransportRequest};
use crate::error::{Error, ErrorKind};

/// The longest successful answer that is read into memory.
const LONGEST_ANSWER: usize = 64 << 20;
/// Room for the headers of a request, so that they are not moved while it is put together.
const HEADERS: usize = 8;
/// How much of an answer that became an error is scrubbed and then cut; of an error's body, no more is read.
const LONGEST_ERROR_BODY: usize = 64 << 10;

/// The transport with everything around it. One for each client, shared by all that the client sends, the calls that
/// auth itself makes included.
#[derive(Debug)]
pub(crate) struct Exchange {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    identity: Identity,
    timeouts: Timeouts,
    retry: RetryPolicy,
    budget: RetryBudget,
    cookies: CookieJar,
}

/// What is the same for every request of an operation.
#[derive(Debug)]
pub(crate) struct Operation {
    /// As errors and spans name it: `files.create`.
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    /// The path's template, which is all of the URL that spans show.
    pub(crate) path: &'static str,
    pub(crate) retries: Retries,
    pub(crate) pace: Pace,
}

/// What bounds an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The limits on the attempt and on the call.
    Bounded,
    /// The idle limit alone: any byte resets it.
    IdleOnly,
    /// The same for an answer that is a stream, whose idle limit is its own.
    Stream,
}

/// One request, ready to be sent as often as its operation allows.
pub(crate) struct Outgoing<'a> {
    pub(crate) operation: &'static Operation,
    pub(crate) url: Url,
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

/// Adds to each attempt what it must carry.
pub(crate) trait Authorize: Send + Sync {
    fn authorize(&mut self, headers: &mut HeaderMap) -> impl Future<Output = Result<(), Error>> + Send;

    /// Knows the credentials of the last attempt, so that an answer that repeats them can be cleaned.
    fn scrubber(&self) -> Scrubber;

    /// Whether the requests go to an API, which is told who is calling, and whose Cloudflare cookies it gets back.
    fn is_to_api(&self) -> bool;
}

/// Makes of a successful answer what its caller gets. As long as this fails, the request may be sent again.
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
            Collected::Whole(body) => Ok(Answer { status, headers, body, attempts, scrubber }),
            Collected::TooLong(_) => {
                let message = format!("the answer is longer than {} MiB", self.longest >> 20);
                let error = Error::new(ErrorKind::ResponseTooLarge, operation.name, message);
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

/// Nothing is added: for pre-signed URLs, and for calls that authenticate by their body.
#[derive(Debug)]
pub(crate) struct Bare {
    pub(crate) scrubber: Scrubber,
    pub(crate) to_api: bool,
}

impl Authorize for Bare {
    async fn authorize(&mut self, _: &mut HeaderMap) -> Result<(), Error> {
        Ok(())
    }

    fn scrubber(&self) -> Scrubber {
        self.scrubber.clone()
    }

    fn is_to_api(&self) -> bool {
        self.to_api
    }
}

/// The limits that hold for one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    operation: &'static Operation,
    timeouts: Timeouts,
}

impl Bounds {
    /// The idle limit of an operation that has one.
    pub(crate) fn idle(&self) -> Duration {
        match self.operation.pace {
            Pace::Stream => self.timeouts.stream_idle,
            Pace::IdleOnly | Pace::Bounded => self.timeouts.idle,
        }
    }
}

/// How far a call has come: shared by everything that sends on its behalf, so that layers do not multiply.
#[derive(Debug)]
pub(crate) struct Progress {
    started: Duration,
    pub(crate) attempts: u32,
    /// Whether the server may have seen one of the attempts.
    pub(crate) sent: bool,
}

impl Exchange {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        identity: Identity,
        timeouts: Timeouts,
        retry: RetryPolicy,
    ) -> Self {
        let (budget, cookies) = (RetryBudget::new(&retry), CookieJar::default());
        Self { transport, clock, identity, timeouts, retry, budget, cookies }
    }

    /// One that shares nothing of this one's run time: for work that must outlive it.
    pub(crate) fn detached(&self) -> Self {
        let transport = self.transport.detached().unwrap_or_else(|| self.transport.clone());
        Self::new(transport, self.clock.clone(), self.identity.clone(), self.timeouts, self.retry)
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The client's own, which a call may replace.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub(crate) fn begin(&self) -> Progress {
        Progress { started: self.clock.monotonic(), attempts: 0, sent: false }
    }

    /// Sends the request, again where that is safe, until it succeeds or there is no more to try.
    pub(crate) fn send<A: Authorize>(
        &self,
        request: &mut Outgoing<'_>,
        authorize: &mut A,
        progress: &mut Progress,
    ) -> impl Future<Output = Result<Answer, Error>> + Send {
        self.send_receiving(request, authorize, &ToTheEnd::DEFAULT, progress)
    }

    /// The same, with an answer that is received in its own way.
    pub(crate) async fn send_receiving<A: Authorize, R: Receive>(
        &self,
        request: &mut Outgoing<'_>,
        authorize: &mut A,
        receive: &R,
        progress: &mut Progress,
    ) -> Result<R::Received, Error> {
        let retry = request.options.retry.unwrap_or(self.retry);
        loop {
            progress.attempts += 1;
            let watched = tracing::enabled!(tracing::Level::DEBUG).then(|| self.clock.monotonic());
            let outcome = self.attempt(request, authorize, receive, progress).await;
            let elapsed = watched.map(|began| self.clock.monotonic().saturating_sub(began));
            let elapsed_ms = elapsed.map(|elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
            let error = match outcome {
                Ok(received) => {
                    tracing::debug!(
                        attempt = progress.attempts,
                        status = R::status(&received).as_u16(),
                        request_id = R::request_id(&received).as_deref(),
                        elapsed_ms,
                        "answered"
                    );
                    self.budget.deposit();
                    return Ok(received);
                }
                Err(error) => error.with_attempts(progress.attempts),
            };
            tracing::debug!(
                attempt = progress.attempts,
                status = error.status().map(|status| status.as_u16()),
                code = error.code(),
                request_id = error.request_id(),
                kind = ?error.kind(),
                elapsed_ms,
                "failed"
            );
            let replayable = match &request.payload {
                Payload::Empty | Payload::Bytes(_) => true,
                Payload::Source(source) => source.is_replayable(),
            };
            let delay = retry.delay(&error, request.operation.retries, progress.attempts);
            progress.sent |= error.may_have_been_sent();
            let error = error.sent(progress.sent);
            let left = self.time_left(self.bounds(request.operation, request.options), progress);
            let Some(delay) = delay.filter(|delay| replayable && *delay < left) else {
                return Err(error);
            };
            if !self.budget.withdraw() {
                tracing::warn!("the retry budget of this client is used up");
                return Err(error);
            }
            tracing::debug!(delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), "will be sent again");
            self.clock.sleep(delay).await;
        }
    }

    /// Bounds work of the auth provider by what is left of the call's time.
    pub(crate) async fn within_call<F: Future + Send>(
        &self,
        bounds: Bounds,
        progress: &Progress,
        future: Pin<&mut F>,
    ) -> Result<F::Output, Error> {
        let left = || Limit::Whole(self.time_left(bounds, progress));
        within(&*self.clock, left, future).await.map_err(|_| {
            let message =
                format!("the call took longer than {:?}: the auth provider did not answer", bounds.timeouts.call);
            Error::new(ErrorKind::Timeout, bounds.operation.name, message)
                .with_attempts(progress.attempts)
                .sent(progress.sent)
        })
    }

    /// Bounds work outside of calls. `None` when the limit has passed.
    pub(crate) async fn within<F: Future + Send + ?Sized>(
        &self,
        limit: Duration,
        future: Pin<&mut F>,
    ) -> Option<F::Output> {
        within(&*self.clock, || Limit::Whole(limit), future).await.ok()
    }

    /// What bounds a call.
    pub(crate) fn bounds(&self, operation: &'static Operation, options: &CallOptions) -> Bounds {
        Bounds { operation, timeouts: options.timeouts.unwrap_or(self.timeouts) }
    }

    async fn attempt<A: Authorize, R: Receive>(
        &self,
        request: &mut Outgoing<'_>,
        authorize: &mut A,
        receive: &R,
        progress: &Progress,
    ) -> Result<R::Received, Error> {
        let operation = request.operation;
        let bounds = self.bounds(request.operation, request.options);
        let mut headers = HeaderMap::with_capacity(HEADERS);
        if !request.headers.is_empty() {
            headers.extend(request.headers.clone());
        }
        receive.add_headers(&mut headers);
        if authorize.is_to_api() {
            self.identity.apply(&mut headers);
            self.cookies.add_to(&mut headers, &request.url, &*self.clock);
        }
        self.within_call(bounds, progress, pin!(authorize.authorize(&mut headers))).await??;

        let timeouts = bounds.timeouts;
        let left = self.time_left(bounds, progress);
        let activity = match operation.pace {
            Pace::IdleOnly | Pace::Stream => Some(Activity::starting_now(&self.clock)),
            Pace::Bounded => None,
        };
        let limit = || match &activity {
            Some(activity) => Limit::Idle(bounds.idle(), activity.clone()),
            None => Limit::Whole(timeouts.attempt.min(left)),
        };
        let body = match &mut request.payload {
            Payload::Empty => Body::empty(),
            Payload::Bytes(bytes) => Body::from(bytes.clone()),
            Payload::Source(source) => {
                let opened = {
                    let mut opened = source.open(progress.attempts, activity.clone());
                    within(&*self.clock, limit, opened.as_mut()).await
                };
                opened.unwrap_or_else(|_| Err(idle(operation, bounds.idle())))?
            }
        };
        let carried = TransportRequest { method: operation.method.clone(), url: request.url.clone(), headers, body };
        let sending = self.transport.send(carried);
        let carried =
            pin!(self.carry(operation, sending, &request.url, activity.as_ref(), &*authorize, receive, progress));
        let outcome = within(&*self.clock, limit, carried).await;
        let outcome = outcome.unwrap_or_else(|_| {
            let message = match operation.pace {
                Pace::IdleOnly | Pace::Stream => return Err(idle(operation, bounds.idle()).sent(true)),
                Pace::Bounded if timeouts.attempt <= left => {
                    format!("no complete answer came within {:?}", timeouts.attempt)
                }
                Pace::Bounded => format!("the call took longer than {:?}", timeouts.call),
            };
            Err(Error::new(ErrorKind::Timeout, operation.name, message).sent(true))
        });
        let Payload::Source(source) = &mut request.payload else { return outcome };
        let error = match outcome {
            Ok(received) if source.is_handed_over() => return Ok(received),
            // Neither the server's word for the content nor the checks at its end can be relied on.
            Ok(received) => {
                let message = "the server answered before it had the whole content";
                Error::new(ErrorKind::Interrupted, operation.name, message).with_status(R::status(&received))
            }
            Err(error) => error,
        };
        // The connection broke because the source did; the source's own error is the one that helps.
        Err(source.take_failure().map_or(error, |failure| failure.sent(true)))
    }

    #[allow(clippy::too_many_arguments, reason = "one call, split from its time limit")]
    async fn carry<A: Authorize, R: Receive>(
        &self,
        operation: &'static Operation,
        sending: TransportFuture<'_>,
        url: &Url,
        activity: Option<&Activity>,
        authorize: &A,
        receive: &R,
        progress: &Progress,
    ) -> Result<R::Received, Error> {
        let sent = sending.await;
        let not_answered = |error| self.not_answered(operation, url, error, &authorize.scrubber());
        let answer = sent.map_err(not_answered)?;
        let (parts, mut body) = answer.into_parts();
        if authorize.is_to_api() {
            self.cookies.keep(&parts.headers, url, &*self.clock);
        }
        if let Some(activity) = activity {
            activity.touch();
        }
        if !parts.status.is_success() {
            let collected = collect(&mut body, LONGEST_ERROR_BODY, activity).await;
            // Whatever came of the body, the status is what the server said.
            let (Collected::Whole(bytes) | Collected::TooLong(bytes) | Collected::Broken(bytes, _)) = collected;
            return Err(answer::error(operation, &parts, &bytes, self.clock.now(), &authorize.scrubber()));
        }
        let (status, headers) = (parts.status, parts.headers);
        let (attempts, scrubber) = (progress.attempts, authorize.scrubber());
        let opened = Opened { operation, status, headers, body, attempts, scrubber };
        receive.receive(opened, activity).await.map_err(|failure| match failure {
            NotReceived::Broken(error) => not_answered(error).with_status(status),
            NotReceived::Unusable(error) => error,
        })
    }

    fn not_answered(&self, operation: &Operation, url: &Url, error: TransportError, scrubber: &Scrubber) -> Error {
        // The path and the query may be a signed URL's.
        let server = url.origin().ascii_serialization();
        let cause = scrubber.clean_line(&root_cause(&error).to_string());
        let (kind, message, sent) = match error.failure {
            TransportFailure::NotSent => {
                (ErrorKind::Connect, format!("no connection could be made to {server}: {cause}"), false)
            }
            TransportFailure::ConnectTimeout => {
                let limit = self.timeouts.connect;
                (ErrorKind::Connect, format!("connecting to {server} took longer than {limit:?}"), false)
            }
            TransportFailure::Certificate => {
                (ErrorKind::Certificate, format!("no TLS connection could be made to {server}: {cause}"), false)
            }
            TransportFailure::Interrupted => {
                (ErrorKind::Interrupted, format!("the connection to {server} broke: {cause}"), true)
            }
        };
        Error::new(kind, operation.name, message).sent(sent).with_source(error)
    }

    fn time_left(&self, bounds: Bounds, progress: &Progress) -> Duration {
        match bounds.operation.pace {
            Pace::IdleOnly | Pace::Stream => Duration::MAX,
            Pace::Bounded => {
                let spent = self.clock.monotonic().saturating_sub(progress.started);
                bounds.timeouts.call.saturating_sub(spent)
            }
        }
    }
}

impl Opened {
    pub(crate) fn request_id(&self) -> Option<String> {
        answer::request_id(&self.headers).map(|id| self.scrubber.clean_line(id))
    }

    /// An error about the answer, with the start of its body.
    pub(crate) async fn refuse(mut self, kind: ErrorKind, message: String) -> Error {
        let request_id = self.request_id();
        let collected = collect(&mut self.body, LONGEST_ERROR_BODY, None).await;
        let (Collected::Whole(bytes) | Collected::TooLong(bytes) | Collected::Broken(bytes, _)) = collected;
        Error::new(kind, self.operation.name, message)
            .with_status(self.status)
            .with_request_id(request_id)
            .with_body(Some(self.scrubber.clean(&String::from_utf8_lossy(&bytes))))
    }
}

impl Operation {
    /// The span of one call. It names the operation and nothing of the request.
    pub(crate) fn span(&self, mode: &'static str) -> tracing::Span {
        tracing::debug_span!(
            "codex_backend.call",
            operation = self.name,
            mode,
            method = self.method.as_str(),
            path = self.path
        )
    }
}

enum Collected {
    Whole(Bytes),
    TooLong(Bytes),
    Broken(Bytes, TransportError),
}

async fn collect(body: &mut Body, longest: usize, activity: Option<&Activity>) -> Collected {
    // Most answers are one chunk, and a single chunk need not be copied.
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    let joined = |first: Bytes, all: BytesMut| if all.is_empty() { first } else { all.freeze() };
    loop {
        match body.next().await {
            None => return Collected::Whole(joined(first, all)),
            Some(Err(error)) => return Collected::Broken(joined(first, all), error),
            // A body that always has nothing at hand must not keep time limits from being looked at.
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
            }
        }
    }
}

fn idle(operation: &Operation, limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, operation.name, format!("nothing moved for {limit:?}"))
}

pub(crate) fn root_cause<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause
}

/// Whether the server refused the credentials of an attempt, as opposed to a provider that had none to give.
pub(crate) fn is_unauthorized(error: &Error) -> bool {
    error.kind() == ErrorKind::Unauthorized && error.status() == Some(StatusCode::UNAUTHORIZED)
}
