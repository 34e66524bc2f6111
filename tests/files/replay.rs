//! A PUT that fails: started again from its start where the source allows it.

use std::net::SocketAddr;

use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::{ErrorKind, RetryPolicy};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use crate::server::Visitor;
use crate::support::{
    Reports, answer, assert_nothing_finalized, content, folder, guard, one_shot, replayable, start, uploads, write,
};

const SIZE: usize = (3 << 20) + 1;

fn failures() -> [(&'static str, Fault); 3] {
    [
        ("503", Fault::status(503).body("busy")),
        ("500", Fault::status(500)),
        ("reset before headers", Fault::reset_before_headers()),
    ]
}

#[tokio::test]
async fn a_failed_put_is_started_again_for_paths_and_bytes() {
    let folder = folder();
    let content = content(SIZE);
    let path = write(&folder, "path.bin", &content);
    for index in 0..2 {
        for (failure, fault) in failures() {
            let backend = start();
            backend.inject(Route::PUT_FILE, fault.times(2));
            let [path, bytes] = replayable(&uploads(&backend), &path);
            let (source, upload) = if index == 0 { path } else { bytes };
            let what = format!("{source} after {failure}");
            guard(upload).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(backend.requests_to(Route::PUT_FILE).len(), 3, "{what}");
            assert_eq!(backend.requests_to(Route::CREATE_FILE).len(), 1, "{what}");
            assert_eq!(backend.requests_to(Route::FINALIZE_FILE).len(), 1, "{what}");
            assert!(backend.files()[0].content().unwrap() == content, "{what}: other content");
            for put in backend.requests_to(Route::PUT_FILE) {
                assert_eq!(put.header("content-length"), Some(SIZE.to_string().as_str()), "{what}");
                assert!(put.header("authorization").is_none(), "{what}");
            }
        }
    }
}

/// Leads to the backend, but resets the first connection after this many bytes.
async fn cutting(backend: &Backend, after: usize) -> SocketAddr {
    let target = backend.address();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        first.read_exact(&mut vec![0; after]).await.unwrap();
        first.set_zero_linger().unwrap();
        drop(first);
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = TcpStream::connect(target).await.unwrap();
            tokio::spawn(async move { drop(tokio::io::copy_bidirectional(&mut near, &mut far).await) });
        }
    });
    address
}

/// Makes the next create lead the PUT through that address.
async fn lead_through(backend: &Backend, address: SocketAddr, size: usize) {
    let (file_id, upload_url) = Visitor::new(backend).create(size).await;
    let upload_url = upload_url.replace(&backend.address().to_string(), &address.to_string());
    backend.inject(Route::CREATE_FILE, answer(&json!({ "file_id": file_id, "upload_url": upload_url })));
}

#[tokio::test]
async fn a_put_that_is_reset_while_uploading_is_started_again_for_paths_and_bytes() {
    let folder = folder();
    let content = content(SIZE);
    let path = write(&folder, "path.bin", &content);
    for index in 0..2 {
        let backend = start();
        lead_through(&backend, cutting(&backend, SIZE / 2).await, SIZE).await;
        let files = backend.client().chatgpt(backend.chatgpt_tokens()).retry_policy(crate::support::impatient());
        let [path, bytes] = replayable(&files.build().unwrap().file_upload(), &path);
        let (source, upload) = if index == 0 { path } else { bytes };
        let reports = Reports::default();
        // The visitor made the file for the backend's own account, so the client may finalize it.
        guard(reports.of(upload)).await.unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(reports.attempts(), 2, "{source}");
        let second = reports.bytes(2);
        assert_eq!((second.first(), second.last()), (Some(&0), Some(&(SIZE as u64))), "{source}");
        assert!(backend.files()[0].content().unwrap() == content, "{source}: other content");
        assert!(backend.files()[0].is_finalized(), "{source}");
    }
}

#[tokio::test]
async fn a_source_that_can_be_read_once_is_sent_once_and_the_error_is_the_failure_itself() {
    let content = content(SIZE);
    for index in 0..2 {
        for (failure, fault) in failures() {
            let backend = start();
            backend.inject(Route::PUT_FILE, fault);
            let [reader, stream] = one_shot(&uploads(&backend), &content);
            let (source, upload) = if index == 0 { reader } else { stream };
            let what = format!("{source} after {failure}");
            let error = guard(upload).await.expect_err(&what);
            let (kind, status) = match failure {
                "503" => (ErrorKind::Server, Some(503)),
                "500" => (ErrorKind::Server, Some(500)),
                _ => (ErrorKind::Interrupted, None),
            };
            assert_eq!((error.kind(), error.status().map(|status| status.as_u16())), (kind, status), "{what}");
            assert_eq!((error.operation(), error.attempts()), ("files.put", 1), "{what}");
            assert!(error.may_have_been_sent(), "{what}");
            assert_eq!(backend.requests_to(Route::PUT_FILE).len(), 1, "{what}");
            assert_nothing_finalized(&backend, &what);
        }
    }
}

#[tokio::test]
async fn a_one_shot_source_that_is_reset_while_uploading_is_sent_once() {
    let content = content(SIZE);
    for index in 0..2 {
        let backend = start();
        lead_through(&backend, cutting(&backend, SIZE / 2).await, SIZE).await;
        let [reader, stream] = one_shot(&uploads(&backend), &content);
        let (source, upload) = if index == 0 { reader } else { stream };
        let reports = Reports::default();
        let error = guard(reports.of(upload)).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Interrupted, 1), "{source}");
        assert_eq!(reports.attempts(), 1, "{source}");
        assert!(backend.requests_to(Route::PUT_FILE).is_empty(), "{source}: a second connection was made");
        assert_nothing_finalized(&backend, source);
    }
}

#[tokio::test]
async fn a_one_shot_source_survives_what_happens_before_and_after_its_put() {
    for index in 0..2 {
        let backend = start();
        backend.inject(Route::CREATE_FILE, Fault::status(429).header("retry-after", "0"));
        backend.inject(Route::FINALIZE_FILE, Fault::status(503));
        let (source, upload) = one_shot(&uploads(&backend), b"hello").into_iter().nth(index).unwrap();
        guard(upload).await.unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(backend.requests_to(Route::PUT_FILE).len(), 1, "{source}");
        assert_eq!(backend.files()[0].content().unwrap(), "hello", "{source}");
    }
}

#[tokio::test]
async fn a_put_that_goes_on_failing_ends_after_as_many_attempts_as_the_policy_says() {
    let folder = folder();
    let path = write(&folder, "path.bin", "hello");
    for attempts in [1, 2, 5] {
        for index in 0..2 {
            let backend = start();
            backend.inject(Route::PUT_FILE, Fault::status(503).times(10));
            let (source, upload) = replayable(&uploads(&backend), &path).into_iter().nth(index).unwrap();
            let policy = crate::support::impatient().max_attempts(attempts);
            let error = guard(upload.with_retry_policy(policy)).await.unwrap_err();
            assert_eq!((error.kind(), error.attempts()), (ErrorKind::Server, attempts), "{source}");
            assert_eq!(backend.requests_to(Route::PUT_FILE).len(), attempts as usize, "{source}");
            assert_nothing_finalized(&backend, source);
        }
    }
}

#[tokio::test]
async fn what_the_storage_refuses_is_not_sent_again() {
    for (status, kind) in [
        (400, ErrorKind::InvalidRequest),
        (401, ErrorKind::SignedUrlRefused),
        (403, ErrorKind::SignedUrlRefused),
        (404, ErrorKind::NotFound),
        (409, ErrorKind::Conflict),
        (413, ErrorKind::InvalidRequest),
    ] {
        let backend = start();
        backend.inject(Route::PUT_FILE, Fault::status(status));
        let error = guard(uploads(&backend).bytes("a.txt", "hello")).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (kind, "files.put"), "{status}");
        assert!(!error.needs_sign_in(), "{status}: no credentials went there");
        assert_eq!(backend.requests_to(Route::PUT_FILE).len(), 1, "{status}");
        assert_nothing_finalized(&backend, "refused PUT");
    }
}

#[tokio::test]
async fn a_create_is_not_retried_when_the_server_may_have_acted() {
    for (fault, kind) in [
        (Fault::status(503), ErrorKind::Server),
        (Fault::reset_before_headers(), ErrorKind::Interrupted),
        (Fault::reset_in_body(), ErrorKind::Interrupted),
    ] {
        let backend = start();
        backend.inject(Route::CREATE_FILE, fault);
        let error = guard(uploads(&backend).bytes("a.txt", "hello")).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (kind, "files.create"));
        assert!(error.may_have_been_sent());
        assert_eq!(backend.requests().len(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn a_finalize_is_retried_without_the_content() {
    for fault in [Fault::status(502), Fault::reset_before_headers(), Fault::reset_in_body()] {
        let backend = start();
        backend.inject(Route::FINALIZE_FILE, fault);
        guard(uploads(&backend).bytes("a.txt", "hello")).await.unwrap();
        assert_eq!(backend.requests_to(Route::FINALIZE_FILE).len(), 2);
        assert_eq!(backend.requests_to(Route::PUT_FILE).len(), 1);
    }
}

#[tokio::test]
async fn nothing_is_retried_where_the_policy_is_never() {
    for route in [Route::CREATE_FILE, Route::PUT_FILE, Route::FINALIZE_FILE] {
        let backend = start();
        backend.inject(route, Fault::status(503));
        let upload = uploads(&backend).bytes("a.txt", "hello").with_retry_policy(RetryPolicy::never());
        assert_eq!(guard(upload).await.unwrap_err().kind(), ErrorKind::Server, "{route:?}");
        assert_eq!(backend.requests_to(route).len(), 1, "{route:?}");
    }
}
