//! What carries requests to servers.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{HeaderMap, Method};
use url::Url;

use super::body::Body;
use super::transport_error::TransportError;

/// What carries one request to a server and brings the answer back.
///
/// The client's own transport is reqwest. Bring another one for a different HTTP stack, or to record traffic. A transport
/// must not follow redirects, must not add credentials or default headers of its own, and must not retry a request:
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

    /// A transport like this one that shares no connections with it. The request that refreshes tokens must be
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
    /// A production server named the URL, so it must not lead to loopback, link-local, private or multicast addresses. The text
    /// of the URL has been checked; a transport that resolves the name checks the addresses it connects to, as the client's
    /// own does where no proxy resolves it.
    pub public_hosts_only: bool,
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
