//! `multipart/form-data`, with one file at its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use crate::api::files::source::Content;
use crate::error::Error;
use crate::exchange::{Activity, Body, PayloadSource};

/// What stands before the file and behind it.
pub(super) struct Form {
    boundary: String,
    head: BytesMut,
}

impl Form {
    pub(super) fn new() -> Self {
        // Nobody who makes a file can know it.
        let boundary = format!("codex-backend-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        Self { boundary, head: BytesMut::new() }
    }

    pub(super) fn field(mut self, name: &str, value: &str) -> Self {
        let part = format!("--{}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n", self.boundary);
        self.head.put_slice(part.as_bytes());
        self
    }

    /// The file. Its content follows.
    pub(super) fn file(mut self, name: &str, file_name: &str) -> Self {
        // As browsers write it: nothing in a name can end it.
        let file_name = file_name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
        let part = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            self.boundary
        );
        self.head.put_slice(part.as_bytes());
        self
    }

    fn tail(&self) -> Bytes {
        format!("\r\n--{}--\r\n", self.boundary).into()
    }

    pub(super) fn content_type(&self) -> HeaderValue {
        let value = format!("multipart/form-data; boundary={}", self.boundary);
        HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("multipart/form-data"))
    }

    /// For a file of this length.
    pub(super) fn headers(&self, length: u64) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, self.content_type());
        let length = self.head.len() as u64 + length + self.tail().len() as u64;
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        headers
    }

    /// All of it, around a file that is at hand.
    pub(super) fn around(mut self, content: &[u8]) -> Bytes {
        self.head.reserve(content.len() + 64);
        self.head.put_slice(content);
        let tail = self.tail();
        self.head.put_slice(&tail);
        self.head.freeze()
    }
}

/// A form whose file is read while it is sent.
pub(super) struct Multipart {
    head: Bytes,
    content: Content,
    tail: Bytes,
    tail_handed_over: Arc<AtomicBool>,
}

impl Multipart {
    pub(super) fn new(form: Form, content: Content) -> Self {
        let tail = form.tail();
        Self { head: form.head.freeze(), content, tail, tail_handed_over: Arc::default() }
    }
}

impl PayloadSource for Multipart {
    fn open(&mut self, attempt: u32, activity: Option<Activity>) -> BoxFuture<'_, Result<Body, Error>> {
        async move {
            let file = self.content.open(attempt, activity.clone()).await?;
            let length = self.head.len() as u64 + self.content.size + self.tail.len() as u64;
            let (head, tail) = (self.head.clone(), self.tail.clone());
            // Each sending has its own: an old one must not count for a new one.
            self.tail_handed_over = Arc::default();
            let handed_over = self.tail_handed_over.clone();
            let tail = stream::once(async move {
                handed_over.store(true, Ordering::Relaxed);
                Ok(tail)
            });
            let chunks = stream::once(async { Ok(head) }).chain(file).chain(tail);
            Ok(Body::from_stream(chunks, Some(length)))
        }
        .boxed()
    }

    fn is_replayable(&self) -> bool {
        self.content.is_replayable()
    }

    fn is_handed_over(&self) -> bool {
        self.content.is_handed_over() && self.tail_handed_over.load(Ordering::Relaxed)
    }

    fn take_failure(&mut self) -> Option<Error> {
        self.content.take_failure()
    }
}
