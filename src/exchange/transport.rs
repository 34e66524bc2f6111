use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{HeaderMap, Method};
use url::Url;

use super::body::Body;

/// What carries one request to a server and brings the answer back.
///
/// The client's own transport is reqwest. Bring another one for a different HTTP stack, or to record traffic. A transport
/// must not follow redirects, must not add credentials or default headers of its own, and must not repeat a request:
/// all of that is done above it, once. It reads the request's body to its end before it brings a successful answer: an
/// upload of which the server took only a part is not an upload.
///
/// Dropping the future cancels the request.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::transport::{Transport, TransportError, TransportFuture, TransportRequest};
/// use codex_backend::{Client, ErrorKind, OpenAiFileUpload};
///
/// #[derive(Debug)]
/// struct Offline;
///
/// impl Transport for Offline {
///     fn send(&self, _request: TransportRequest) -> TransportFuture<'_> {
///         Box::pin(async { Err(TransportError::not_sent("this machine is offline")) })
///     }
/// }
///
/// let client = Client::builder()
///     .chatgpt(codex_backend::ChatGptTokens::new("access-token"))
///     .transport(Offline)
///     .retry_policy(codex_backend::RetryPolicy::never())
///     .build()?;
/// let error = OpenAiFileUpload::new(&client).bytes("a.txt", "hello").await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Connect);
/// # Ok(()) }
/// ```
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends the request once.
    fn send(&self, request: TransportRequest) -> TransportFuture<'_>;

    /// A transport like this one that shares no connections with it. The request that redeems a refresh token must be
    /// finished even when the run time that drives this one's connections goes away, so it is sent by such a twin.
    /// The default is `None`: this transport itself is used.
    fn detached(&self) -> Option<Arc<dyn Transport>> {
        None
    }
}

/// One request, complete: its headers hold the credentials, and its URL may be a signed one. `Debug` shows neither.
#[non_exhaustive]
pub struct TransportRequest {
    /// The method.
    pub method: Method,
    /// The URL, of the `url` crate.
    pub url: Url,
    /// The headers. `content-length` is among them where the body is a stream of known length.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

impl TransportRequest {
    /// The same request in the types of the `http` crate.
    ///
    /// # Errors
    ///
    /// When the URL is too long for an `http::Uri` (64 KiB).
    pub fn into_http(self) -> Result<http::Request<Body>, http::Error> {
        let mut request = http::Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = http::Uri::try_from(self.url.as_str())?;
        *request.headers_mut() = self.headers;
        Ok(request)
    }
}

impl fmt::Debug for TransportRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportRequest")
            .field("method", &self.method)
            .field("origin", &self.url.origin().ascii_serialization())
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// What [`Transport::send`] returns.
pub type TransportFuture<'a> = Pin<Box<dyn Future<Output = Result<http::Response<Body>, TransportError>> + Send + 'a>>;

/// Why a transport brought no answer. What it is made from is shown in errors and logs: it must not hold a credential or
/// a URL.
#[derive(Debug)]
pub struct TransportError {
    pub(super) failure: TransportFailure,
    pub(super) source: Box<dyn StdError + Send + Sync>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransportFailure {
    NotSent,
    ConnectTimeout,
    Certificate,
    Interrupted,
}

impl TransportError {
    pub(super) fn new(failure: TransportFailure, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { failure, source: source.into() }
    }

    /// No connection could be made: it is certain that the server did not see the request.
    pub fn not_sent(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(TransportFailure::NotSent, source)
    }

    /// The connection broke, and the server may have seen the request.
    pub fn interrupted(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(TransportFailure::Interrupted, source)
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.failure {
            TransportFailure::NotSent => "no connection could be made",
            TransportFailure::ConnectTimeout => "connecting took too long",
            TransportFailure::Certificate => "the TLS handshake failed",
            TransportFailure::Interrupted => "the connection broke",
        })
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}
