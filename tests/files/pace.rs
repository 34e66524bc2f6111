//! Time-outs: none on the whole PUT, one while no byte moves.

use std::time::Duration;

use codex_backend::testing::{Fault, Route};
use codex_backend::transport::Clock;
use codex_backend::{ErrorKind, RetryPolicy, Timeouts};

use crate::support::{
    CHUNK, assert_nothing_finalized, builder, content, every_source, folder, guard, manual_clock, only_file, start,
    write,
};

fn short_idle() -> Timeouts {
    Timeouts::default().idle(Duration::from_millis(100))
}

#[tokio::test]
async fn a_put_that_stalls_meets_the_idle_limit() {
    let folder = folder();
    // The small one fits into the buffers of the sockets and waits for its answer; the large one does not.
    for length in [0, 5, 24 << 20] {
        let path = write(&folder, "path.bin", vec![0; length]);
        for index in 0..4 {
            let backend = start();
            backend.inject(Route::PUT_FILE, Fault::stall());
            let files = builder(&backend).build().unwrap().file_upload();
            let (source, upload) = every_source(&files, &path).into_iter().nth(index).unwrap();
            let upload = upload.with_timeouts(short_idle()).with_retry_policy(RetryPolicy::never());
            let error = guard(upload).await.unwrap_err();
            assert_eq!((error.kind(), error.operation()), (ErrorKind::Timeout, "files.put"), "{source} of {length}");
            assert!(error.is_timeout() && error.may_have_been_sent(), "{source} of {length}");
            assert_nothing_finalized(&backend, source);
        }
    }
}

#[tokio::test]
async fn a_put_that_stalled_is_started_again() {
    let backend = start();
    backend.inject(Route::PUT_FILE, Fault::stall());
    let upload = builder(&backend).build().unwrap().file_upload().bytes("a.txt", "hello");
    guard(upload.with_timeouts(short_idle())).await.unwrap();
    assert_eq!(backend.requests_to(Route::PUT_FILE).len(), 2);
    assert_eq!(only_file(&backend).content().unwrap(), "hello");
}

#[tokio::test]
async fn the_idle_limit_is_a_minute_unless_set() {
    let (backend, clock) = (start(), manual_clock());
    backend.inject(Route::PUT_FILE, Fault::stall());
    let client = builder(&backend).clock(clock.clone()).retry_policy(RetryPolicy::never()).build().unwrap();
    let upload = tokio::spawn(client.file_upload().bytes("a.txt", "hello").into_future());
    crate::support::until(|| !backend.requests_to(Route::PUT_FILE).is_empty()).await;
    guard(clock.until_asleep_for(Duration::from_secs(60))).await;
    clock.advance(Duration::from_millis(59_999));
    crate::support::a_while().await;
    assert!(!upload.is_finished());
    clock.advance(Duration::from_millis(1));
    assert_eq!(guard(upload).await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_put_that_moves_may_take_longer_than_every_limit() {
    const CHUNKS: usize = 40;
    let folder = folder();
    let path = write(&folder, "path.bin", content(CHUNKS * CHUNK));
    for index in 0..4 {
        let (backend, clock) = (start(), manual_clock());
        let client = builder(&backend).clock(clock.clone()).retry_policy(RetryPolicy::never()).build().unwrap();
        let (source, upload) = every_source(&client.file_upload(), &path).into_iter().nth(index).unwrap();
        let ticking = clock.clone();
        // Each piece comes just before the idle limit of 60 s; attempt and call may take 60 s and 180 s.
        let upload = upload.with_progress(move |_| ticking.advance(Duration::from_secs(59)));
        guard(upload).await.unwrap_or_else(|error| panic!("{source}: {error}"));
        assert!(clock.monotonic() > Duration::from_secs(59 * CHUNKS as u64), "{source}: {:?}", clock.monotonic());
        assert_eq!(backend.requests_to(Route::PUT_FILE).len(), 1, "{source}");
    }
}

#[tokio::test]
async fn a_slow_reader_on_the_other_side_is_waited_for() {
    let (backend, folder) = (start(), folder());
    backend.inject(Route::PUT_FILE, Fault::slow_reading(Duration::from_millis(2)));
    let content = content(8 << 20);
    let timeouts = Timeouts::default().idle(Duration::from_secs(20));
    let upload = builder(&backend).build().unwrap().file_upload().path(write(&folder, "path.bin", &content));
    guard(upload.with_timeouts(timeouts).with_retry_policy(RetryPolicy::never())).await.unwrap();
    assert!(only_file(&backend).content().unwrap() == content);
}

#[tokio::test]
async fn create_and_finalize_have_a_limit_on_the_whole() {
    for route in [Route::CREATE_FILE, Route::FINALIZE_FILE] {
        let backend = start();
        backend.inject(route, Fault::stall());
        let upload = builder(&backend).build().unwrap().file_upload().bytes("a.txt", "hello");
        let timeouts = Timeouts::default().attempt(Duration::from_millis(100));
        let upload = upload.with_timeouts(timeouts).with_retry_policy(RetryPolicy::never());
        assert_eq!(guard(upload).await.unwrap_err().kind(), ErrorKind::Timeout, "{route:?}");
    }
}
