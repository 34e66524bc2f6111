//! Readers and streams that are not as long as said, or fail.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use codex_backend::testing::{Backend, Route};
use codex_backend::{ErrorKind, Timeouts};
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncRead, ReadBuf};

use crate::support::{assert_nothing_finalized, builder, content, guard, pieces, shown, start, uploads};

fn assert_nothing_received(backend: &Backend, what: &str) {
    assert_nothing_finalized(backend, what);
    assert!(backend.files().iter().all(|file| file.received_size().is_none()), "{what}: {:?}", backend.files());
}

#[tokio::test]
async fn a_source_shorter_or_longer_than_said_is_not_finalized() {
    const MIB: usize = 1 << 20;
    let backend = start();
    let files = uploads(&backend);
    for (said, given) in
        [(5, 4), (5, 6), (5, 0), (0, 1), (1, 0), (1, 2), (0, MIB), (MIB, MIB - 1), (MIB, MIB + 1), (1, MIB)]
    {
        let content = content(given);
        for (source, upload) in [
            ("reader", files.reader("a.bin", said as u64, io::Cursor::new(content.clone()))),
            ("stream", files.stream("a.bin", said as u64, pieces(&content))),
        ] {
            let what = format!("a {source} of {given} bytes, said to be {said}");
            let error = guard(upload).await.expect_err(&what);
            assert_eq!(error.kind(), ErrorKind::LengthMismatch, "{what}");
            assert!(error.message().contains(&format!("{said} bytes")), "{what}: {error}");
            assert!(!error.is_retryable(), "{what}");
        }
    }
    assert_nothing_received(&backend, "wrong lengths");
    assert_eq!(backend.requests_to(Route::CREATE_FILE).len(), 20, "one create each, and no second try");
}

#[tokio::test]
async fn a_stream_that_fails_is_not_finalized() {
    let backend = start();
    let failing = |good: &'static [u8]| pieces(good).chain(stream::iter([Err(io::Error::other("the disk is gone"))]));
    for (good, said) in [(&b""[..], 5), (b"", 0), (b"hel", 5), (b"hello", 5)] {
        let error = guard(uploads(&backend).stream("a.txt", said, failing(good))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SourceFailed, "after {} of {said} bytes", good.len());
        assert!(shown(&error).contains("the disk is gone"), "{error}");
    }
    assert_nothing_received(&backend, "failing streams");
}

/// Gives some bytes, then fails.
struct Failing {
    good: io::Cursor<&'static [u8]>,
}

impl AsyncRead for Failing {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.good).poll_read(context, into);
        if into.filled().len() > before { read } else { Poll::Ready(Err(io::Error::other("the disk is gone"))) }
    }
}

#[tokio::test]
async fn a_reader_that_fails_is_not_finalized() {
    let backend = start();
    for (good, said) in [(&b""[..], 5), (b"hel", 5), (b"hello", 5)] {
        let reader = Failing { good: io::Cursor::new(good) };
        let error = guard(uploads(&backend).reader("a.txt", said, reader)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SourceFailed, "after {} of {said} bytes", good.len());
        assert!(shown(&error).contains("the disk is gone"), "{error}");
    }
    assert_nothing_received(&backend, "failing readers");
}

#[tokio::test]
async fn the_last_bytes_leave_only_when_the_source_has_ended() {
    let backend = start();
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let end = stream::once(async move {
        told.await.unwrap();
        Err(io::Error::other("one more thing"))
    });
    let upload = tokio::spawn(uploads(&backend).stream("a.txt", 5, pieces(b"hello").chain(end)).into_future());
    crate::support::a_while().await;
    assert_nothing_received(&backend, "a source that has not ended");
    tell.send(()).unwrap();
    assert_eq!(guard(upload).await.unwrap().unwrap_err().kind(), ErrorKind::SourceFailed);
    assert_nothing_received(&backend, "a source that failed at its end");
}

#[tokio::test]
async fn a_source_that_never_gives_a_byte_meets_the_idle_limit() {
    let backend = start();
    let timeouts = Timeouts::default().idle(std::time::Duration::from_millis(50));
    let files = builder(&backend).timeouts(timeouts).build().unwrap().file_upload();
    for said in [5, 0] {
        let silent = stream::pending::<Result<Bytes, io::Error>>();
        let upload = files.stream("a.txt", said, silent).into_future();
        let outcome = tokio::time::timeout(std::time::Duration::from_secs(10), upload).await;
        let error = outcome.unwrap_or_else(|_| panic!("a silent source of {said} bytes hangs")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{said}");
    }
    assert_nothing_received(&backend, "silent sources");
}
