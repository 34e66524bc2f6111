//! A request that is awaited for its typed answer.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::prepared::PreparedRequest;
use crate::error::Error;
use crate::exchange::{Answer, CallOptions, Operation, Receive, RetryPolicy, Timeouts, ToTheEnd};
use crate::wire::{Tolerant, Wire};

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
    request: PreparedRequest,
    answer: ReadAnswer<T>,
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
        ApiRequest { request: self, answer: ReadAnswer::Whole(ToTheEnd { longest }, Box::new(decode)) }
    }

    /// Whatever is made of its head and body.
    pub(crate) fn decoded<T>(
        self,
        decode: impl FnOnce(&Answer, &'static Operation) -> Result<T, Error> + Send + Sync + 'static,
    ) -> ApiRequest<T> {
        ApiRequest { request: self, answer: ReadAnswer::Whole(ToTheEnd::DEFAULT, Box::new(decode)) }
    }

    /// What is received in a way of its own, such as a stream.
    pub(crate) fn received<R: Receive + 'static>(
        self,
        receive: impl FnOnce(&Self) -> R + Send + Sync + 'static,
    ) -> ApiRequest<R::Received> {
        let send = move |request: Self| -> BoxFuture<'static, _> {
            let receive = receive(&request);
            Box::pin(request.send(receive))
        };
        ApiRequest { request: self, answer: ReadAnswer::Received(Box::new(send)) }
    }
}

impl<T: Send + 'static> ApiRequest<T> {
    /// Replaces the client's time-outs for this request.
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.request.options.timeouts = Some(timeouts);
        self
    }

    /// Replaces the client's retry policy for this request.
    pub fn with_retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.request.options.retry = Some(policy);
        self
    }

    /// Returns the answer's JSON together with the typed value. It also has the members that this crate does not know,
    /// and list entries that could not be read and were skipped.
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
        let answer = match self.answer {
            ReadAnswer::Whole(receive, decode) => ReadAnswer::Whole(
                receive,
                Box::new(|answer, operation| {
                    let value = decode(answer, operation)?;
                    // An answer that is not read is not held to be JSON either.
                    Ok(WithRaw { value, raw: serde_json::from_slice(&answer.body).unwrap_or_default() })
                }),
            ),
            ReadAnswer::Received(receive) => ReadAnswer::Received(Box::new(|request| {
                let received = receive(request);
                Box::pin(async { Ok(WithRaw { value: received.await?, raw: Value::Null }) })
            })),
        };
        ApiRequest { request: self.request, answer }
    }

    /// What is made of the answer, by someone who may refuse it.
    pub(crate) fn and_then<U>(
        self,
        check: impl FnOnce(T) -> Result<U, Error> + Send + Sync + 'static,
    ) -> ApiRequest<U> {
        let answer = match self.answer {
            ReadAnswer::Whole(receive, decode) => {
                ReadAnswer::Whole(receive, Box::new(|answer, operation| check(decode(answer, operation)?)))
            }
            ReadAnswer::Received(receive) => ReadAnswer::Received(Box::new(|request| {
                let received = receive(request);
                Box::pin(async { check(received.await?) })
            })),
        };
        ApiRequest { request: self.request, answer }
    }

    pub(crate) fn with_options(mut self, options: CallOptions) -> Self {
        self.request = self.request.with_options(options);
        self
    }

    async fn run(self) -> Result<T, Error> {
        let Self { request, answer } = self;
        match answer {
            ReadAnswer::Whole(receive, decode) => {
                let operation = request.operation;
                decode(&request.answer(receive).await?, operation)
            }
            ReadAnswer::Received(receive) => receive(request).await,
        }
    }
}

impl<T: Send + 'static> IntoFuture for ApiRequest<T> {
    type Output = Result<T, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

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
        f.debug_struct("ApiRequest")
            .field("operation", &self.request.operation.name)
            .field("options", &self.request.options)
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
}
