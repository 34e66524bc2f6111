//! Dropping an upload stops it.

use std::time::Duration;

use bytes::Bytes;
use codex_backend::testing::{Backend, Fault, Route};
use futures_util::{StreamExt, stream};
use tokio::sync::{mpsc, oneshot};

use crate::support::{a_while, assert_nothing_finalized, builder, guard, manual_clock, start, until, uploads};

/// What is left undone must stay so while the client does other things.
async fn use_the_client_otherwise(backend: &Backend) {
    a_while().await;
    let finalized = || backend.requests_to(Route::FINALIZE_FILE).len();
    let before = finalized();
    guard(uploads(backend).bytes("other.txt", "other")).await.unwrap();
    assert_eq!(finalized(), before + 1);
}

#[tokio::test]
async fn an_upload_dropped_in_its_put_is_not_finalized_later() {
    let backend = start();
    backend.inject(Route::PUT_FILE, Fault::delay(Duration::from_millis(50)));
    let upload = tokio::spawn(uploads(&backend).bytes("a.txt", vec![1; 1 << 20]).into_future());
    until(|| !backend.requests_to(Route::PUT_FILE).is_empty()).await;
    upload.abort();
    assert!(upload.await.unwrap_err().is_cancelled());
    use_the_client_otherwise(&backend).await;
    assert_eq!(backend.requests_to(Route::PUT_FILE).len(), 2, "the dropped upload was not retried");
    assert!(!backend.files()[0].is_finalized());
}

#[tokio::test]
async fn an_upload_dropped_while_its_source_is_read_lets_go_of_the_source() {
    let backend = start();
    let (reached, mut reading) = mpsc::channel::<()>(1);
    let (held, released) = oneshot::channel::<()>();
    let rest = stream::once(async move {
        let _held = held;
        reached.send(()).await.unwrap();
        std::future::pending::<Result<Bytes, std::io::Error>>().await
    });
    let source = stream::iter([Ok(Bytes::from_static(b"hello"))]).chain(rest);
    let upload = tokio::spawn(uploads(&backend).stream("a.txt", 10, source).into_future());
    guard(reading.recv()).await.unwrap();
    upload.abort();
    assert!(guard(released).await.is_err(), "the source is dropped");
    assert_nothing_finalized(&backend, "dropped while reading");
    use_the_client_otherwise(&backend).await;
    assert_eq!(backend.files()[0].received_size(), None);
}

#[tokio::test]
async fn an_upload_dropped_while_it_waits_to_be_ready_is_asked_for_no_more() {
    let (backend, clock) = (start(), manual_clock());
    backend.set_finalize_retries(u32::MAX);
    let files = builder(&backend).clock(clock.clone()).build().unwrap().file_upload();
    let upload = tokio::spawn(files.bytes("a.txt", "hello").into_future());
    guard(clock.until_asleep_for(Duration::from_millis(250))).await;
    upload.abort();
    assert!(upload.await.unwrap_err().is_cancelled());
    clock.advance(Duration::from_secs(1));
    backend.set_finalize_retries(0);
    use_the_client_otherwise(&backend).await;
    assert_eq!(backend.requests_to(Route::FINALIZE_FILE).len(), 2);
}

#[tokio::test]
async fn an_upload_dropped_between_two_attempts_is_not_tried_again() {
    let (backend, clock) = (start(), manual_clock());
    backend.inject(Route::PUT_FILE, Fault::status(503).header("retry-after", "7"));
    let files = builder(&backend).clock(clock.clone()).build().unwrap().file_upload();
    let upload = tokio::spawn(files.bytes("a.txt", "hello").into_future());
    guard(clock.until_asleep_for(Duration::from_secs(7))).await;
    upload.abort();
    assert!(upload.await.unwrap_err().is_cancelled());
    clock.advance(Duration::from_secs(7));
    a_while().await;
    assert_eq!(backend.requests_to(Route::PUT_FILE).len(), 1);
    assert_nothing_finalized(&backend, "dropped between attempts");
}

#[tokio::test]
async fn several_uploads_are_dropped_together() {
    let backend = start();
    backend.inject(Route::PUT_FILE, Fault::delay(Duration::from_millis(50)).times(3));
    let files = uploads(&backend);
    let several: Vec<_> = (0..6).map(|index| files.bytes(format!("{index}.txt"), "hello")).collect();
    let several = tokio::spawn(files.many(several).with_concurrency(3).into_future());
    until(|| backend.requests_to(Route::PUT_FILE).len() == 3).await;
    several.abort();
    assert!(several.await.unwrap_err().is_cancelled());
    use_the_client_otherwise(&backend).await;
    assert_eq!(backend.files().len(), 3 + 1, "none was begun after the drop");
    assert_eq!(backend.requests_to(Route::FINALIZE_FILE).len(), 1);
}
