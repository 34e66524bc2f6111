//! A request that is awaited for its typed answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::prepared::PreparedRequest;
use crate::error::{Error, ErrorKind};
use crate::exchange::{Answer, CallOptions, Clock, Operation, Receive, RetryPolicy, Timeouts, ToTheEnd};
use crate::wire::{Tolerant, Wire, from_bytes};

/// A request whose answer is a `T`, made by the methods of endpoint handles; `.await` it.
///
/// Dropping the future cancels the call. Whether a request is retried after a failure depends on its endpoint; see the
/// [table](crate::guide::endpoints). A request that cannot be sent, such as one with an id that cannot be part of a
/// path, fails when it is awaited, before anything is sent.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// use std::time::Duration;
/// use codex_backend::{RetryPolicy, Timeouts};
///
/// let quick = Timeouts::default().call(Duration::from_secs(5));
/// let usage = client.usage().get().with_timeouts(quick).with_retry_policy(RetryPolicy::never()).await?;
/// # assert!(usage.credits.is_some());
/// # Ok(()) }
/// ```
#[must_use = "a request does nothing unless awaited"]
pub struct ApiRequest<T> {
    operation: &'static str,
    state: State<T>,
}

#[allow(clippy::large_enum_variant, reason = "it is sent where it is made, and put on the heap once, then")]
enum State<T> {
    Prepared(PreparedRequest, ReadAnswer<T>),
    /// Behind a lock that is never taken, so that a request can be shared though the future cannot.
    Sent(Mutex<BoxFuture<'static, Result<T, Error>>>),
    /// Its outcome has been given, or is on the way there.
    Over,
}

/// What is made of the answer.
enum ReadAnswer<T> {
    /// It is read to its end, and decoded.
    Whole(ToTheEnd, Decode<T>),
    /// It is received in a way of its own.
    Received(Box<dyn FnOnce(PreparedRequest) -> BoxFuture<'static, Result<T, Error>> + Send + Sync>),
}

/// Stateless for almost every endpoint, and then not on the heap.
type Decode<T> = Box<dyn FnOnce(&Answer, &'static Operation) -> Result<T, Error> + Send + Sync>;

/// What the answer is.
impl PreparedRequest {
    /// JSON.
    pub(crate) fn json<T: DeserializeOwned + 'static>(self) -> ApiRequest<T> {
        self.decoded(Answer::json)
    }

    /// JSON, and an error if any part of it cannot be read: what administrators demand, or a confirmation.
    pub(crate) fn exact_json<T: DeserializeOwned + 'static>(self) -> ApiRequest<T> {
        self.decoded(Answer::exact_json)
    }

    /// A JSON array.
    pub(crate) fn list<T: Wire + 'static>(self) -> ApiRequest<Vec<T>> {
        self.decoded(|answer, operation| Ok(answer.json::<Tolerant<_>>(operation)?.0))
    }

    /// Nothing beyond its status.
    pub(crate) fn status_only(self) -> ApiRequest<()> {
        self.decoded(|_, _| Ok(()))
    }

    /// Bytes, at most that many of them.
    pub(crate) fn bytes_up_to(self, longest: usize) -> ApiRequest<Bytes> {
        let decode = |answer: &Answer, _: &'static Operation| Ok(answer.body.clone());
        ApiRequest::new(self, ReadAnswer::Whole(ToTheEnd { longest }, Box::new(decode)))
    }

    /// Whatever is made of its head and body.
    pub(crate) fn decoded<T>(
        self,
        decode: impl FnOnce(&Answer, &'static Operation) -> Result<T, Error> + Send + Sync + 'static,
    ) -> ApiRequest<T> {
        ApiRequest::new(self, ReadAnswer::Whole(ToTheEnd::DEFAULT, Box::new(decode)))
    }

    /// What is received in a way of its own, such as a stream.
    pub(crate) fn received<R: Receive + 'static>(
        self,
        receive: impl FnOnce(&Self) -> R + Send + Sync + 'static,
    ) -> ApiRequest<R::Received> {
        let send = move |mut request: Self| -> BoxFuture<'static, _> {
            let receive = receive(&request);
            Box::pin(async move { request.send(receive).await })
        };
        ApiRequest::new(self, ReadAnswer::Received(Box::new(send)))
    }
}

impl<T> ApiRequest<T> {
    fn new(request: PreparedRequest, answer: ReadAnswer<T>) -> Self {
        Self { operation: request.operation.name, state: State::Prepared(request, answer) }
    }
}

impl<T: Send + 'static> ApiRequest<T> {
    /// Replaces the client's time-outs for this request.
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        self.set(|options| options.timeouts = Some(timeouts))
    }

    /// Replaces the client's retry policy for this request.
    pub fn with_retry_policy(self, policy: RetryPolicy) -> Self {
        self.set(|options| options.retry = Some(policy))
    }

    /// Changes nothing once it has been polled.
    fn set(mut self, set: impl FnOnce(&mut CallOptions)) -> Self {
        if let State::Prepared(request, _) = &mut self.state {
            set(&mut request.options);
        }
        self
    }

    /// Returns the answer's JSON together with the typed value. It also has the members that this crate does not know,
    /// and the members and list entries that could not be read and were skipped, with their number.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// # backend.set_usage(serde_json::json!({ "plan_type": "plus", "of_tomorrow": 7 }));
    /// let usage = client.usage().get().with_raw().await?;
    /// assert_eq!(usage.raw["plan_type"], usage.value.plan_type.unwrap().as_str());
    /// assert_eq!(usage.raw["of_tomorrow"], 7);
    /// # Ok(()) }
    /// ```
    pub fn with_raw(self) -> ApiRequest<WithRaw<T>> {
        self.map(
            |decode| {
                Box::new(|answer, operation| {
                    let value = decode(answer, operation)?;
                    // An answer that is not read is not held to be JSON either.
                    let raw = from_bytes(&answer.body).unwrap_or_default();
                    Ok(WithRaw { value, raw, skipped: answer.skipped.load(Ordering::Relaxed) })
                })
            },
            |value| Ok(WithRaw { value, raw: Value::Null, skipped: 0 }),
        )
    }

    /// What is made of the answer, by someone who may refuse it.
    pub(crate) fn and_then<U: Send + 'static>(
        self,
        check: impl FnOnce(T) -> Result<U, Error> + Clone + Send + Sync + 'static,
    ) -> ApiRequest<U> {
        let of_received = check.clone();
        self.map(|decode| Box::new(|answer, operation| check(decode(answer, operation)?)), of_received)
    }

    /// Another value, made while the answer is at hand, or of what was received.
    fn map<U: Send + 'static>(
        self,
        of_answer: impl FnOnce(Decode<T>) -> Decode<U>,
        of_received: impl FnOnce(T) -> Result<U, Error> + Send + Sync + 'static,
    ) -> ApiRequest<U> {
        let state = match self.state {
            State::Prepared(request, ReadAnswer::Whole(receive, decode)) => {
                State::Prepared(request, ReadAnswer::Whole(receive, of_answer(decode)))
            }
            State::Prepared(request, ReadAnswer::Received(receive)) => {
                let receive = |request| -> BoxFuture<'static, _> {
                    let received = receive(request);
                    Box::pin(async { of_received(received.await?) })
                };
                State::Prepared(request, ReadAnswer::Received(Box::new(receive)))
            }
            State::Sent(sent) => {
                let sent = sent.into_inner().unwrap_or_else(PoisonError::into_inner);
                State::Sent(Mutex::new(Box::pin(async { of_received(sent.await?) })))
            }
            State::Over => State::Over,
        };
        ApiRequest { operation: self.operation, state }
    }

    /// The clock of the client, while the request is not sent.
    pub(super) fn clock(&self) -> Option<Arc<dyn Clock>> {
        match &self.state {
            State::Prepared(request, _) => Some(request.clock()),
            State::Sent(_) | State::Over => None,
        }
    }

    pub(crate) fn with_options(mut self, options: CallOptions) -> Self {
        if let State::Prepared(request, answer) = self.state {
            self.state = State::Prepared(request.with_options(options), answer);
        }
        self
    }
}

async fn send<T: Send + 'static>(mut request: PreparedRequest, answer: ReadAnswer<T>) -> Result<T, Error> {
    match answer {
        ReadAnswer::Whole(receive, decode) => {
            let operation = request.operation;
            decode(&request.answer(receive).await?, operation)
        }
        ReadAnswer::Received(receive) => receive(request).await,
    }
}

impl<T: Send + 'static> Future for ApiRequest<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Prepared(..) = self.state
            && let State::Prepared(request, answer) = std::mem::replace(&mut self.state, State::Over)
        {
            self.state = State::Sent(Mutex::new(Box::pin(send(request, answer))));
        }
        let State::Sent(sent) = &mut self.state else {
            let message = "this request has been awaited already";
            return Poll::Ready(Err(Error::new(ErrorKind::InvalidInput, self.operation, message)));
        };
        let outcome = sent.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll(context);
        if outcome.is_ready() {
            self.state = State::Over;
        }
        outcome
    }
}

/// The options that a request of another form takes as well. For an `impl` block.
macro_rules! with_call_options {
    ($what:literal, $($options:ident).+) => {
        #[doc = concat!("Replaces the client's time-outs for ", $what, ".")]
        pub fn with_timeouts(mut self, timeouts: crate::exchange::Timeouts) -> Self {
            self.$($options).+.timeouts = Some(timeouts);
            self
        }

        #[doc = concat!("Replaces the client's retry policy for ", $what, ".")]
        pub fn with_retry_policy(mut self, policy: crate::exchange::RetryPolicy) -> Self {
            self.$($options).+.retry = Some(policy);
            self
        }
    };
}
pub(crate) use with_call_options;

/// Makes a request of another form one that can be awaited, which runs it.
macro_rules! awaited {
    ($request:ident => $output:ty) => {
        impl std::future::IntoFuture for $request {
            type Output = Result<$output, crate::error::Error>;
            type IntoFuture = std::pin::Pin<Box<dyn std::future::Future<Output = Self::Output> + Send>>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.run())
            }
        }
    };
}
pub(crate) use awaited;

impl<T> fmt::Debug for ApiRequest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = match &self.state {
            State::Prepared(request, _) => Some(&request.options),
            State::Sent(_) | State::Over => None,
        };
        f.debug_struct("ApiRequest")
            .field("operation", &self.operation)
            .field("options", &options)
            .finish_non_exhaustive()
    }
}

/// A typed value, and the JSON it was read from; made by [`ApiRequest::with_raw`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// let usage = client.usage().get().with_raw().await?;
/// assert!(usage.value.rate_limit.is_some() && usage.raw["rate_limit"].is_object());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WithRaw<T> {
    /// The value.
    pub value: T,
    /// The whole answer. `null` if it is not JSON, or is not read to its end.
    pub raw: Value,
    /// The number of members and list entries that could not be read. Such a member has its default, and such an entry is left
    /// out.
    pub skipped: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared<T: Send + Sync + Unpin>() {}

    #[test]
    fn a_request_can_be_sent_and_shared() {
        shared::<ApiRequest<String>>();
    }

    /// What an async function takes by value is stored in its future several times: it adds up, and each call pays for it.
    #[cfg(feature = "testing")]
    #[tokio::test]
    async fn the_future_of_a_call_is_small_and_ends_once() {
        let backend = crate::testing::Backend::start().unwrap();
        let client = backend.client().chatgpt(backend.chatgpt_tokens()).build().unwrap();
        let State::Prepared(request, answer) = client.usage().get().state else { panic!() };
        let size = size_of_val(&send(request, answer));
        assert!(size < 4500, "{size} bytes");

        let mut request = client.usage().get();
        (&mut request).await.unwrap();
        assert_eq!((&mut request).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(backend.requests().len(), 1);
    }
}
