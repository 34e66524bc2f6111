//! What the application brings along may fail in its own ways.

use std::io;

use bytes::Bytes;
use codex_backend::ErrorKind;
use codex_backend::auth::AuthHeaders;
use codex_backend::testing::Route;
use futures_util::{StreamExt, stream};

use crate::support::{
    CHUNK, answer, assert_no_request, assert_nothing_finalized, content, guard, kind, shown, start, uploads,
};

#[tokio::test]
async fn a_callback_that_panics_fails_the_upload_and_is_not_called_again() {
    for at in [0, CHUNK as u64] {
        let backend = start();
        let upload = uploads(&backend).bytes("a.bin", content(3 * CHUNK)).with_progress(move |progress| {
            assert_ne!(progress.bytes_handed_over, at, "a mistake in the application");
            assert_eq!(progress.attempt, 1);
        });
        let error = guard(upload).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SourceFailed, "{error}");
        assert!(error.to_string().contains("progress callback"), "{error}");
        assert_nothing_finalized(&backend, "panic");
    }
}

#[tokio::test]
async fn a_source_that_panics_fails_the_upload() {
    let backend = start();
    let chunks = stream::iter(0..3).map(|chunk| {
        assert!(chunk < 2, "a mistake in the application");
        Ok::<_, io::Error>(Bytes::from_static(b"content"))
    });
    let error = guard(uploads(&backend).stream("a.bin", 21, chunks)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SourceFailed, "{error}");
    assert!(error.to_string().contains("the source of the upload panicked"), "{error}");
    assert_nothing_finalized(&backend, "panic");
}

#[tokio::test]
async fn what_a_failing_source_says_is_scrubbed_and_its_error_stays_reachable() {
    #[derive(Debug)]
    struct Download(&'static str);
    impl std::fmt::Display for Download {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "GET https://blob.test/f?sig={} failed", self.0)
        }
    }
    impl std::error::Error for Download {}

    let backend = start();
    let chunks = stream::iter([Err::<Bytes, _>(Download("MARKMARK"))]);
    let error = guard(uploads(&backend).stream("a.bin", 5, chunks)).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("MARKMARK"), "{error:?}");
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    assert_eq!(cause.downcast_ref::<Download>().unwrap().0, "MARKMARK");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_does_not_tell_its_size_is_not_taken_for_an_empty_one() {
    let backend = start();
    let result = guard(uploads(&backend).path("/proc/self/status")).await;
    assert_eq!(kind(&result), ErrorKind::NotAFile, "{result:?}");
    assert_no_request(&backend, "a file of the kernel");
}

#[tokio::test]
async fn an_id_or_a_url_that_no_server_would_give_is_refused() {
    for (file_id, upload_url, expected) in [
        ("a\nb", "http://127.0.0.1:1/u", ErrorKind::Decode),
        ("", "http://127.0.0.1:1/u", ErrorKind::Decode),
        (&"a".repeat(70_000), "http://127.0.0.1:1/u", ErrorKind::Decode),
        ("file_1", &format!("http://127.0.0.1:1/{}", "a".repeat(70_000)), ErrorKind::UntrustedUrl),
    ] {
        let backend = start();
        let created = serde_json::json!({ "file_id": file_id, "upload_url": upload_url });
        backend.inject(Route::CREATE_FILE, answer(&created));
        let error = guard(uploads(&backend).bytes("a.txt", "hello")).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{}", shown(&error));
        assert_eq!(backend.requests().len(), 1);
    }
}

#[test]
fn auth_headers_do_not_describe_the_request() {
    for name in ["content-type", "Expect", "trailer", "keep-alive", "content-encoding"] {
        assert!(AuthHeaders::new(0).with_header(name, "x").is_err(), "{name}");
    }
}
