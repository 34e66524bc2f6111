//! The stream of a response's events, from the first byte of its body to its end.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use futures_util::{Stream, StreamExt};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value;

use super::collected::CollectedResponse;
use super::decode::{Decoded, decode, header_events};
use super::event::{EventText, ResponseEvent, ResponseEventKind};
use super::response::ModelResponse;
use super::turn::{ResponseTurn, TURN_STATE};
use crate::error::{Error, ErrorKind};
use crate::exchange::{
    Activity, Afterwards, Body, Clock, IdleTimer, NotReceived, Opened, Operation, Pace, Receive, Retries, Scrubber,
    SseFailure, SseReader, SseTold, SystemClock, TransportError, event_error, kind_of, root_cause, tells_error,
    unasked_encoding,
};
use crate::wire::from_text;

/// How many chunks in a row may contain no event before other tasks get their turn.
const CHUNKS_AT_ONCE: u32 = 64;
/// How long events that tell only that a response has begun are kept back, so that one that fails at once can be retried.
const BEGINNING: Duration = Duration::from_secs(1);
/// How often the connection is polled for the end of the body after a complete response.
const TURNS_TO_END: u32 = 4;

/// The events of a response, as they arrive.
///
/// It is a `Stream` of `Result<ResponseEvent, Error>`. First come events made from the headers of the answer, then
/// those of the body. It ends in exactly one of these ways, and then yields nothing more:
///
/// | end | last item |
/// | --- | --- |
/// | completed | `Ok`, of kind [`Completed`](ResponseEventKind::Completed) |
/// | failed: `response.failed`, `error` | `Err`, of the kind that the server's code stands for; at once, even if the connection stays open |
/// | incomplete | `Err` [`Incomplete`](ErrorKind::Incomplete), with the reason as its [`code`](Error::code) |
/// | truncated: the body ended before the response | `Err` [`Truncated`](ErrorKind::Truncated) |
/// | idle: no byte arrived within [`Timeouts::stream_idle`](crate::Timeouts::stream_idle) | `Err` [`Timeout`](ErrorKind::Timeout) |
/// | it took longer than [`Timeouts::stream`](crate::Timeouts::stream) | `Err` [`Timeout`](ErrorKind::Timeout) |
/// | the connection broke, or the body is not an event stream | `Err` [`Interrupted`](ErrorKind::Interrupted), [`Decode`](ErrorKind::Decode), [`ResponseTooLarge`](ErrorKind::ResponseTooLarge) |
///
/// Each of these errors has the [number of events](Error::events_delivered) delivered before. Once the first event of
/// the body has arrived, the request is not retried, with one exception: a model call to the Codex backend whose response fails
/// at once. So the events that it has been created, is queued or in progress may come a second later than the server sent
/// them, if nothing else comes meanwhile.
///
/// It uses no task and no channel: bytes are read when it is polled, and dropping it closes the connection. An event of
/// an unknown type, or one that cannot be decoded, does not end the stream; it is an event like the others.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// use codex_backend::responses::ResponseEventKind;
/// use codex_backend::CodexResponses;
/// use futures_util::StreamExt;
///
/// let mut stream = CodexResponses::new(&client).create("gpt-5.5", "You are terse.", "Say hello.").stream().await?;
/// let mut text = String::new();
/// while let Some(event) = stream.next().await {
///     if let ResponseEventKind::OutputTextDelta(piece) = event?.kind {
///         text.push_str(&piece.delta);
///     }
/// }
/// assert_eq!(text, "Hello, world");
/// # Ok(()) }
/// ```
#[doc(alias("sse", "server-sent events", "stream"))]
pub struct ResponseStream {
    body: Body,
    reader: SseReader,
    /// Events that are decoded and not delivered.
    ready: VecDeque<ResponseEvent>,
    /// What the last event carried besides.
    carried: Vec<ResponseEventKind>,
    state: State,
    idle: Option<IdleTimer>,
    /// Of a moment at the beginning, so that it is the limit on the whole.
    whole: Option<IdleTimer>,
    about: About,
    server_model: Option<EventText>,
    delivered: u64,
    turns_to_end: u32,
    turn: Option<ResponseTurn>,
    last_response: Option<Box<ModelResponse>>,
    /// What the end waits for. Behind a mutex only so that the stream can be shared.
    last: Mutex<Option<Afterwards>>,
}

/// What errors and logs say about the answer behind a stream.
struct About {
    operation: &'static Operation,
    status: StatusCode,
    request_id: Option<String>,
    attempts: u32,
    scrubber: Scrubber,
    clock: Arc<dyn Clock>,
    span: tracing::Span,
}

#[derive(Debug)]
enum State {
    Going,
    /// The last item is in `ready`, or is this error.
    Ending(Option<Error>),
    Ended,
}

/// How streams are received.
pub(super) struct ReceiveStream {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) idle: Duration,
    pub(super) whole: Option<Duration>,
    pub(super) longest_event: usize,
    /// Whether a failure with which the stream begins is retried, if the server wants that.
    pub(super) retries_failures: bool,
    pub(super) turn: Option<ResponseTurn>,
}

impl Receive for ReceiveStream {
    type Received = ResponseStream;

    fn add_headers(&self, headers: &mut HeaderMap) {
        if let Some(state) = self.turn.as_ref().and_then(ResponseTurn::state) {
            headers.insert(HeaderName::from_static(TURN_STATE), state.clone());
        }
    }

    /// Waits for the first event of the body: until then the request may be retried.
    async fn receive(&self, mut opened: Opened, activity: Option<&Activity>) -> Result<ResponseStream, NotReceived> {
        if let Some(encoding) = unasked_encoding(&opened.headers) {
            let error =
                Error::new(ErrorKind::Decode, opened.operation.name, format!("the stream cannot be read: {encoding}"));
            return Err(NotReceived::Unusable(error.with_status(opened.status).with_request_id(opened.request_id())));
        }
        let content_type = opened.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let media_type = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        // Servers in between leave the type out or change it; these two are certain to be something else.
        if matches!(media_type.as_str(), "text/html" | "application/json") {
            let message = format!("the answer is no event stream but {media_type}");
            let refused = opened.refuse(ErrorKind::Decode, message, self.clock.now(), activity).await;
            // An error that the body tells is told as one that an event means.
            let error = refused.map_err(NotReceived::Unusable)?;
            let mut stream = ResponseStream::new(opened, self.clock.clone(), self.turn.clone());
            stream.state = State::Ending(Some(error));
            return Ok(stream);
        }
        let activity = activity.cloned().unwrap_or_else(|| Activity::starting_now(&self.clock));
        let mut stream = ResponseStream::new(opened, self.clock.clone(), self.turn.clone());
        stream.reader.limit_event(self.longest_event);
        stream.idle = Some(IdleTimer::new(self.idle, activity));
        stream.whole = self.whole.map(|whole| IdleTimer::new(whole, Activity::starting_now(&self.clock)));
        let mut step = match poll_fn(|context| stream.poll_in_time(context)).await {
            Step::Broken(error) => return Err(NotReceived::Unusable(error)),
            step => step,
        };
        if self.retries_failures {
            let mut patience = IdleTimer::new(BEGINNING, Activity::starting_now(&self.clock));
            while let Step::Ready = step
                && stream.has_only_begun()
            {
                let next = poll_fn(|context| match stream.poll_in_time(context) {
                    Poll::Ready(step) => Poll::Ready(Some(step)),
                    Poll::Pending => patience.poll_elapsed(context).map(|()| None),
                });
                let Some(next) = next.await else { break };
                step = next;
            }
        }
        match step {
            Step::Failed(error) if self.retries_failures && stream.wants_retry(&error) => {
                Err(NotReceived::Unusable(error.after_events(0)))
            }
            // An error that an event means is an event. So is, behind the first event, any other.
            Step::Failed(error) | Step::Broken(error) => {
                stream.state = State::Ending(Some(error));
                Ok(stream)
            }
            Step::Ready => Ok(stream),
        }
    }

    fn end_after(received: &mut ResponseStream, last: Afterwards) -> Option<Afterwards> {
        received.last = Mutex::new(Some(last));
        None
    }

    fn status(received: &ResponseStream) -> StatusCode {
        received.about.status
    }

    fn request_id(received: &ResponseStream) -> Option<String> {
        received.about.request_id.clone()
    }
}

impl ResponseStream {
    fn new(opened: Opened, clock: Arc<dyn Clock>, turn: Option<ResponseTurn>) -> Self {
        let request_id = opened.request_id();
        let Opened { operation, status, headers, body, attempts, scrubber } = opened;
        let mut stream = Self {
            body,
            reader: SseReader::new(),
            ready: VecDeque::new(),
            carried: header_events(&headers),
            state: State::Going,
            idle: None,
            whole: None,
            about: About { operation, status, request_id, attempts, scrubber, clock, span: tracing::Span::current() },
            server_model: None,
            delivered: 0,
            turns_to_end: TURNS_TO_END,
            turn,
            last_response: None,
            last: Mutex::default(),
        };
        stream.take_carried();
        stream
    }

    /// The events of a body in memory, such as a recording or what another HTTP stack received.
    #[must_use]
    pub fn from_transcript(body: impl Into<Bytes>) -> Self {
        Self::from_body(Body::from(body.into()))
    }

    /// The events of a body that comes in chunks, split anywhere. No time-out applies.
    pub fn from_chunks<E>(chunks: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let chunks = chunks.map(|chunk| chunk.map_err(|error| TransportError::interrupted(error.into())));
        Self::from_body(Body::from_stream(chunks, None))
    }

    fn from_body(body: Body) -> Self {
        static TRANSCRIPT: Operation = Operation {
            name: "responses.transcript",
            method: http::Method::GET,
            path: "(transcript)",
            retries: Retries::Safe,
            pace: Pace::Stream,
        };
        let opened = Opened {
            operation: &TRANSCRIPT,
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body,
            attempts: 0,
            scrubber: Scrubber::lookalikes(),
        };
        Self::new(opened, Arc::new(SystemClock::new()), None)
    }

    /// The maximum length of one event's data, in bytes. Default 16 MiB. A longer event ends the stream in an error.
    #[must_use]
    pub fn with_longest_event(mut self, bytes: usize) -> Self {
        self.reader.limit_event(bytes);
        self
    }

    /// The request id that the server sent.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.about.request_id.as_deref()
    }

    /// The number of events delivered so far.
    #[must_use]
    pub fn events_delivered(&self) -> u64 {
        self.delivered
    }

    /// The last `id` in the stream, if the server sends any.
    #[must_use]
    pub fn last_event_id(&self) -> Option<&str> {
        self.reader.last_event_id()
    }

    /// Reads the stream to its end and assembles the response.
    ///
    /// # Errors
    ///
    /// When the stream does not end in a completed response. [`collect_partial`](Self::collect_partial) also returns
    /// what arrived before the error.
    pub async fn collect(self) -> Result<CollectedResponse, Error> {
        match self.collect_partial().await {
            (collected, None) => Ok(collected),
            (_, Some(error)) => Err(error),
        }
    }

    /// Reads the stream to its end, assembles what arrived, and returns the error, if the stream ended in one.
    pub async fn collect_partial(mut self) -> (CollectedResponse, Option<Error>) {
        let mut collected = CollectedResponse::default();
        let mut ended_in = None;
        while let Some(event) = self.next().await {
            match event {
                Ok(event) => collected.add(event),
                Err(error) => ended_in = Some(error),
            }
        }
        (collected.finish(self.take_last_response()), ended_in)
    }

    /// The response as the event described it that ended the stream in an error.
    pub(super) fn take_last_response(&mut self) -> Option<Box<ModelResponse>> {
        self.last_response.take()
    }

    /// Whether nothing has come but that the response is being made.
    fn has_only_begun(&self) -> bool {
        use ResponseEventKind as Kind;
        let is_beginning = |event: &ResponseEvent| {
            event.raw().is_empty() || matches!(event.kind, Kind::Created(_) | Kind::Queued(_) | Kind::InProgress(_))
        };
        matches!(self.state, State::Going) && self.ready.iter().all(is_beginning)
    }

    /// Whether the server wants the request again whose response failed with this error: it names a wait, or is too busy for
    /// a response that it had accepted.
    fn wants_retry(&self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::RateLimited | ErrorKind::Overloaded if error.retry_after().is_some() => true,
            ErrorKind::RateLimited => error.code() == Some("slow_down") && self.last_response.is_some(),
            _ => false,
        }
    }

    /// Reads on, if there is time left for the whole.
    fn poll_in_time(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        if let Some(whole) = &mut self.whole
            && whole.poll_elapsed(context).is_ready()
        {
            let message = format!("the stream took longer than {:?}", whole.limit());
            return Poll::Ready(Step::Broken(self.about.error(ErrorKind::Timeout, message)));
        }
        self.poll_body(context)
    }

    /// Reads until there is something in `ready`, or the body has come to its end.
    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        let mut chunks = 0;
        loop {
            match self.reader.next() {
                Some(Ok(raw)) => {
                    if let Some(error) = self.take_event(raw) {
                        return Poll::Ready(Step::Failed(error));
                    }
                    if !self.ready.is_empty() {
                        return Poll::Ready(Step::Ready);
                    }
                    continue;
                }
                Some(Err(failure)) => return Poll::Ready(Step::Broken(self.unreadable(failure))),
                None => {}
            }
            if chunks == CHUNKS_AT_ONCE {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            chunks += 1;
            match Pin::new(&mut self.body).poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(chunk))) => {
                    if let Some(idle) = self.idle.as_ref().filter(|_| !chunk.is_empty()) {
                        idle.touch();
                    }
                    self.reader.push(chunk);
                }
                Poll::Ready(Some(Err(error))) => {
                    let cause = self.about.scrubber.clean_line(&root_cause(&error).to_string());
                    let message = format!("{error} before the response was complete: {cause}");
                    let error = self.about.error(error.kind_in_body(), message).with_source(error);
                    return Poll::Ready(Step::Broken(error.with_retry_after(self.reader.retry())));
                }
                Poll::Ready(None) => {
                    if let Some(error) = self.reader.finish().and_then(|raw| self.take_event(raw)) {
                        return Poll::Ready(Step::Failed(error));
                    }
                    let error =
                        self.about.error(ErrorKind::Truncated, "the stream ended before the response was complete");
                    return Poll::Ready(Step::Broken(error.with_retry_after(self.reader.retry())));
                }
            }
        }
    }

    /// Puts what an event means into `ready`; gives the error that it ends the stream in, if it does.
    fn take_event(&mut self, raw: ByteString) -> Option<Error> {
        let told = self.reader.told();
        if told == SseTold::Stray && !tells_error(&raw) {
            return None;
        }
        let decoded = match decode(&raw, &mut self.carried) {
            Decoded::Event(ResponseEventKind::Unknown(_) | ResponseEventKind::Undecodable(_), _)
                if told != SseTold::Event =>
            {
                Decoded::Failed(None)
            }
            decoded => decoded,
        };
        if !self.carried.is_empty() {
            self.take_carried();
        }
        match decoded {
            Decoded::Nothing => None,
            Decoded::Event(kind, sequence_number) => {
                self.ready.push_back(ResponseEvent::new(kind, sequence_number, raw));
                None
            }
            Decoded::Completed(response, sequence_number) => {
                self.state = State::Ending(None);
                self.ready.push_back(ResponseEvent::new(ResponseEventKind::Completed(response), sequence_number, raw));
                None
            }
            Decoded::CompletedUnreadably => {
                let message =
                    "the end of the response cannot be read: a member is missing or has another type than expected";
                let error = self.about.error(ErrorKind::Decode, message);
                Some(error.with_body(Some(self.about.clean(&raw))))
            }
            Decoded::Excessive(excess) => {
                let message = format!("an event of the stream cannot be read: {excess}");
                Some(self.about.error(kind_of(excess), message).with_body(Some(self.about.clean(&raw))))
            }
            Decoded::Incomplete(response) => {
                self.last_response = response;
                // Told whatever else the response lacks.
                let event: Value = from_text(&raw).unwrap_or_default();
                let reason = event.pointer("/response/incomplete_details/reason").and_then(Value::as_str);
                let reason = reason.map(|reason| self.about.scrubber.clean_line(reason));
                let message =
                    format!("the response is incomplete: {}", reason.as_deref().unwrap_or("no reason is given"));
                let error = self.about.error(ErrorKind::Incomplete, message).with_code(reason);
                Some(error.with_body(Some(self.about.clean(&raw))))
            }
            Decoded::Failed(response) => {
                self.last_response = response;
                let about = &self.about;
                let error = event_error(about.operation, &raw, about.clock.now(), &about.scrubber);
                let request_id = error.request_id().map(str::to_owned).or_else(|| about.request_id.clone());
                Some(error.with_attempts(about.attempts).with_request_id(request_id))
            }
        }
    }

    /// Makes events of what was carried, and notes what concerns the stream.
    fn take_carried(&mut self) {
        for kind in self.carried.drain(..) {
            if let ResponseEventKind::ServerModel(model) = &kind {
                if self.server_model.as_ref() == Some(model) {
                    continue;
                }
                self.server_model = Some(model.clone());
            }
            if let (ResponseEventKind::TurnState(state), Some(turn)) = (&kind, &self.turn) {
                turn.remember(state);
            }
            self.ready.push_back(ResponseEvent::new(kind, None, ByteString::new()));
        }
    }

    fn unreadable(&self, failure: SseFailure) -> Error {
        match failure {
            SseFailure::NotUtf8 => self.about.error(ErrorKind::Decode, "the stream holds bytes that are not UTF-8"),
            SseFailure::EventTooLong => {
                self.about.error(ErrorKind::ResponseTooLarge, "an event of the stream is longer than the limit")
            }
        }
    }

    /// Ends the stream, in an error or well.
    fn end(&mut self, error: Option<Error>) -> Poll<Option<Result<ResponseEvent, Error>>> {
        self.state = State::Ended;
        // What is still to come is of no use; the connection is closed.
        self.body = Body::empty();
        self.idle = None;
        self.whole = None;
        let error = error.map(|error| error.after_events(self.delivered));
        tracing::debug!(
            parent: &self.about.span,
            events = self.delivered,
            kind = error.as_ref().map(|error| tracing::field::debug(error.kind())),
            code = error.as_ref().and_then(Error::code),
            "the stream ended"
        );
        Poll::Ready(error.map(Err))
    }

    /// Ready when the body has ended too, so that its connection can be used again, or when it does not at once.
    fn drain(&mut self, context: &mut Context<'_>) -> Poll<()> {
        for _ in 0..CHUNKS_AT_ONCE {
            match Pin::new(&mut self.body).poll_next(context) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending if self.turns_to_end > 0 => {
                    self.turns_to_end -= 1;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Ready(()),
            }
        }
        Poll::Ready(())
    }
}

/// How far reading the body has come.
enum Step {
    /// There is something in `ready`.
    Ready,
    /// It ended in an error that an event means.
    Failed(Error),
    /// It ended in any other error.
    Broken(Error),
}

impl Stream for ResponseStream {
    type Item = Result<ResponseEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let stream = &mut *self;
        loop {
            if let Some(event) = stream.ready.pop_front() {
                stream.delivered += 1;
                return Poll::Ready(Some(Ok(event)));
            }
            match &mut stream.state {
                State::Going => {}
                State::Ending(error) => {
                    let last = stream.last.get_mut().unwrap_or_else(PoisonError::into_inner);
                    if let Some(work) = last {
                        if work.as_mut().poll(context).is_pending() {
                            return Poll::Pending;
                        }
                        *last = None;
                    }
                    let error = error.take();
                    if error.is_none() && stream.drain(context).is_pending() {
                        return Poll::Pending;
                    }
                    return stream.end(error);
                }
                State::Ended => return Poll::Ready(None),
            }
            let error = match stream.poll_in_time(context) {
                Poll::Ready(Step::Ready) => continue,
                Poll::Ready(Step::Failed(error) | Step::Broken(error)) => error,
                Poll::Pending => match stream.idle.as_mut().map(|idle| (idle.poll_elapsed(context), idle.limit())) {
                    Some((Poll::Ready(()), limit)) => {
                        let message = format!("not one byte of the stream came for {limit:?}");
                        stream.about.error(ErrorKind::Timeout, message)
                    }
                    _ => return Poll::Pending,
                },
            };
            // Behind what the last event carried besides.
            stream.state = State::Ending(Some(error));
        }
    }
}

impl About {
    fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        Error::new(kind, self.operation.name, message)
            .with_status(self.status)
            .with_request_id(self.request_id.clone())
            .with_attempts(self.attempts)
    }

    /// The start of an event, for an error.
    fn clean(&self, raw: &str) -> String {
        let end = (0..=raw.len().min(64 << 10)).rev().find(|end| raw.is_char_boundary(*end)).unwrap_or(0);
        self.scrubber.clean(&raw[..end])
    }
}

impl fmt::Debug for ResponseStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseStream")
            .field("operation", &self.about.operation.name)
            .field("request_id", &self.about.request_id)
            .field("events_delivered", &self.delivered)
            .finish_non_exhaustive()
    }
}
