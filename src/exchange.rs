//! One bare exchange with all its care: time-outs, retries and their budget, error mapping and scrubbing, spans.
//!
//! Nothing here knows of credentials. What an attempt must carry is asked of an [`Authorize`], once for each attempt;
//! [`Bare`] carries nothing.

mod answer;
mod authorize;
mod base_url;
mod body;
#[cfg(feature = "rustls-ring")]
mod certificates;
mod clock;
mod cookies;
mod identity;
mod limit;
mod operation;
mod origin;
mod outgoing;
mod proxy;
mod receive;
mod reqwest_transport;
mod retry;
mod scrub;
mod signed_url;
mod sse;
mod timeouts;
mod transport;
mod transport_error;

use std::error::Error as StdError;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, StatusCode};
use url::Url;

use self::answer::LONGEST_ERROR_BODY;
#[cfg(feature = "agent-identity")]
pub(crate) use self::answer::TASK_CODES;
pub(crate) use self::answer::{Answer, event_error, headers_of_json, kind_of, tells_error, unasked_encoding};
pub(crate) use self::authorize::{Authorize, Bare};
#[cfg(any(feature = "agent-identity", feature = "testing"))]
pub(crate) use self::base_url::PathStyle;
pub(crate) use self::base_url::{BaseUrl, Route, path_segment};
pub use self::body::Body;
#[cfg(feature = "rustls-ring")]
pub(crate) use self::certificates::RootCertificates;
pub(crate) use self::clock::tellable;
pub use self::clock::{Clock, SystemClock};
use self::cookies::CookieJar;
pub use self::identity::COMPATIBLE_VERSION;
pub(crate) use self::identity::{Identity, VERSION};
pub(crate) use self::limit::{Activity, IdleTimer};
use self::limit::{Limit, within};
pub(crate) use self::operation::{Operation, Pace};
pub(crate) use self::origin::{Origin, TrustedHosts, has_user_info, is_loopback};
pub(crate) use self::outgoing::{CallOptions, Outgoing, Payload, PayloadSource};
pub(crate) use self::proxy::ProxySettings;
use self::receive::collect;
pub(crate) use self::receive::{Afterwards, NotReceived, Opened, Receive, ToTheEnd};
pub(crate) use self::reqwest_transport::{ReqwestTransport, TransportSettings};
pub(crate) use self::retry::Retries;
use self::retry::RetryBudget;
pub use self::retry::RetryPolicy;
pub(crate) use self::scrub::Scrubber;
pub use self::signed_url::SignedUrl;
pub(crate) use self::sse::{LONGEST_EVENT, SseFailure, SseReader, SseTold};
pub use self::timeouts::Timeouts;
pub use self::transport::{Transport, TransportFuture, TransportRequest};
pub use self::transport_error::TransportError;
use self::transport_error::TransportFailure;
use crate::error::{Error, ErrorKind};

/// Room for the headers of a request, so that they are not moved while it is put together.
const HEADERS: usize = 8;
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

    /// The limit on a whole stream, if it has one.
    pub(crate) fn stream(&self) -> Option<Duration> {
        self.timeouts.stream
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

    /// The version of the official tool that is told to model routes.
    pub(crate) fn compatible_version(&self) -> &HeaderValue {
        self.identity.compatible_version()
    }

    /// The client's own, which a call may replace.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub(crate) fn begin(&self) -> Progress {
        Progress { started: self.clock.monotonic(), attempts: 0, sent: false }
    }

    /// Sends the request, and retries it where that is safe, until it succeeds or no retry is left.
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
            let delay =
                retry.delay(&error, request.options.retries.unwrap_or(request.operation.retries), progress.attempts);
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
            tracing::debug!(delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), "will be retried");
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

    /// Whether a call may be sent more than once.
    pub(crate) fn may_retry(&self, options: &CallOptions) -> bool {
        options.retry.unwrap_or(self.retry).allows_retries()
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
            Pace::IdleOnly | Pace::Stream => Some(Activity::starting_now(&self.clock).with_whole(timeouts.call)),
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
        let carried = TransportRequest {
            method: operation.method.clone(),
            url: request.url.clone(),
            headers,
            body,
            public_hosts_only: request.public_hosts_only,
        };
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

    #[allow(clippy::too_many_arguments, reason = "one call, split from its time-out")]
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
            let bytes = collected.into_start();
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
            TransportFailure::NotPublic => {
                (ErrorKind::UntrustedUrl, format!("{server} will not be connected to: {cause}"), false)
            }
            TransportFailure::Certificate => {
                (ErrorKind::Certificate, format!("no TLS connection could be made to {server}: {cause}"), false)
            }
            TransportFailure::Interrupted => {
                (ErrorKind::Interrupted, format!("the connection to {server} broke: {cause}"), true)
            }
            TransportFailure::Truncated => {
                (ErrorKind::Truncated, format!("the answer of {server} ended too early: {cause}"), true)
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
