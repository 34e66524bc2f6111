//! The body of a request or an answer.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;

use super::transport_error::TransportError;

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>;

/// The body of a request or of an answer: nothing, bytes at hand, or a stream of chunks.
///
/// It is itself a `Stream` of chunks. A [`Transport`](crate::transport::Transport) reads request bodies and makes answer bodies.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use codex_backend::transport::Body;
/// use futures_util::StreamExt;
///
/// let mut body = Body::from("hello");
/// assert_eq!(body.length(), Some(5));
/// assert_eq!(body.next().await.unwrap().unwrap(), "hello");
/// assert!(body.next().await.is_none());
/// # }
/// ```
pub struct Body {
    content: Content,
}

enum Content {
    Bytes(Bytes),
    Stream {
        chunks: Chunks,
        length: Option<u64>,
    },
    /// A stream that ended before its length.
    Truncated,
}

impl Body {
    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::from(Bytes::new())
    }

    /// A body that is read chunk by chunk. `length` is its exact length in bytes, where known; a body that ends before it
    /// ends in an error.
    pub fn from_stream(
        chunks: impl Stream<Item = Result<Bytes, TransportError>> + Send + 'static,
        length: Option<u64>,
    ) -> Self {
        Self { content: Content::Stream { chunks: Box::pin(chunks), length } }
    }

    /// The number of bytes still to come, where known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match &self.content {
            Content::Bytes(bytes) => Some(bytes.len() as u64),
            Content::Stream { length, .. } => *length,
            Content::Truncated => Some(0),
        }
    }

    /// The bytes, if they are all at hand; else the body back.
    ///
    /// # Errors
    ///
    /// The body itself, when it is a stream.
    pub fn into_bytes(self) -> Result<Bytes, Self> {
        match self.content {
            Content::Bytes(bytes) => Ok(bytes),
            Content::Stream { .. } | Content::Truncated => Err(self),
        }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self { content: Content::Bytes(bytes.into()) }
    }
}

impl Stream for Body {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.content {
            Content::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Bytes(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Content::Stream { chunks, length } => {
                let item = chunks.as_mut().poll_next(context);
                match (&item, length) {
                    (Poll::Ready(Some(Ok(chunk))), Some(length)) => *length = length.saturating_sub(chunk.len() as u64),
                    // Over HTTP/2 a stream that is reset without an error, or a connection that is closed in good order,
                    // looks like the end.
                    (Poll::Ready(None), Some(missing @ 1..)) => {
                        let error = TransportError::truncated(*missing);
                        self.content = Content::Truncated;
                        return Poll::Ready(Some(Err(error)));
                    }
                    _ => {}
                }
                item
            }
            Content::Truncated => Poll::Ready(None),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("length", &self.length()).finish_non_exhaustive()
    }
}
