//! From the create's answer to the end of the finalize.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use codex_backend::files::{UploadRequest, UploadedFile};
use codex_backend::testing::{Backend, Fault, ManualClock, Route};
use codex_backend::transport::{Body, Clock, Transport, TransportFuture, TransportRequest};
use codex_backend::{ChatGptTokens, Client, Error, ErrorKind};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{
    answer, assert_nothing_finalized, builder, guard, manual_clock, play_upload, shown, start, uploads,
};

fn never_ready() -> (Backend, ManualClock) {
    let backend = start();
    backend.set_finalize_retries(u32::MAX);
    (backend, manual_clock())
}

fn asked(backend: &Backend) -> usize {
    backend.requests_to(Route::FINALIZE_FILE).len()
}

fn spawn(
    backend: &Backend,
    clock: &ManualClock,
    set: fn(UploadRequest) -> UploadRequest,
) -> JoinHandle<Result<UploadedFile, Error>> {
    let files = builder(backend).clock(clock.clone()).build().unwrap().file_upload();
    tokio::spawn(set(files.bytes("a.txt", "hello")).into_future())
}

/// Lets the upload ask `polls` times, `interval` apart; each wait must be exactly as long as that.
async fn poll_through(backend: &Backend, clock: &ManualClock, interval: Duration, polls: usize) {
    for poll in 1..=polls {
        guard(clock.until_asleep_for(interval)).await;
        assert_eq!(asked(backend), poll, "asked before the interval was over");
        clock.advance(interval);
    }
}

#[tokio::test]
async fn retry_is_asked_again_every_250_ms_until_it_is_ready() {
    let (backend, clock) = (start(), manual_clock());
    backend.set_finalize_retries(3);
    let upload = spawn(&backend, &clock, |upload| upload);
    poll_through(&backend, &clock, Duration::from_millis(250), 3).await;
    guard(upload).await.unwrap().unwrap();
    assert_eq!(asked(&backend), 4);
    assert_eq!(clock.monotonic(), Duration::from_millis(750));
    assert_eq!(backend.requests_to(Route::PUT_FILE).len(), 1);
}

#[tokio::test]
async fn retry_is_given_up_after_30_s() {
    let (backend, clock) = never_ready();
    let upload = spawn(&backend, &clock, |upload| upload);
    poll_through(&backend, &clock, Duration::from_millis(250), 120).await;
    let error = guard(upload).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::UploadNotReady, "files.finalize"));
    assert!(error.is_retryable() && error.to_string().contains("30s"), "{error}");
    assert_eq!(asked(&backend), 121);
    assert_eq!(clock.monotonic(), Duration::from_secs(30));
}

#[tokio::test]
async fn interval_and_timeout_are_adjustable() {
    let (backend, clock) = never_ready();
    let set = |upload: UploadRequest| {
        upload.with_finalize_interval(Duration::from_secs(2)).with_finalize_timeout(Duration::from_secs(5))
    };
    let upload = spawn(&backend, &clock, set);
    poll_through(&backend, &clock, Duration::from_secs(2), 2).await;
    // The last wait is no longer than the time that is left.
    guard(clock.until_asleep_for(Duration::from_secs(1))).await;
    clock.advance(Duration::from_secs(1));
    let error = guard(upload).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UploadNotReady);
    assert_eq!((asked(&backend), clock.monotonic()), (4, Duration::from_secs(5)));
}

#[tokio::test]
async fn a_timeout_of_zero_asks_once() {
    let (backend, clock) = never_ready();
    let upload = spawn(&backend, &clock, |upload| upload.with_finalize_timeout(Duration::ZERO));
    assert_eq!(guard(upload).await.unwrap().unwrap_err().kind(), ErrorKind::UploadNotReady);
    assert_eq!(asked(&backend), 1);
}

#[tokio::test]
async fn waiting_longer_than_a_call_may_take_is_no_timeout() {
    let (backend, clock) = (start(), manual_clock());
    backend.set_finalize_retries(10);
    let set = |upload: UploadRequest| {
        upload.with_finalize_interval(Duration::from_secs(50)).with_finalize_timeout(Duration::from_secs(1000))
    };
    let upload = spawn(&backend, &clock, set);
    poll_through(&backend, &clock, Duration::from_secs(50), 10).await;
    guard(upload).await.unwrap().unwrap();
}

async fn finalized_as(fault: Fault) -> Error {
    let backend = start();
    backend.inject(Route::FINALIZE_FILE, fault);
    let error = guard(uploads(&backend).bytes("a.txt", "hello")).await.unwrap_err();
    assert_eq!(asked(&backend), 1, "{error}");
    assert_eq!(error.operation(), "files.finalize", "{error}");
    assert!(error.may_have_been_sent(), "{error}");
    error
}

#[tokio::test]
async fn a_failure_with_a_reason_gives_the_reason() {
    for status in ["error", "failed", "failure"] {
        let error = finalized_as(answer(&json!({ "status": status, "error_message": "too many pages" }))).await;
        assert_eq!(error.kind(), ErrorKind::UploadFailed, "{status}");
        assert!(error.to_string().contains("too many pages"), "{error}");
    }
}

#[tokio::test]
async fn an_odd_name_or_type_does_not_lose_an_upload_that_is_done() {
    let backend = start();
    let url = format!("http://{}/f?sig=x", backend.address());
    let told =
        json!({ "status": "success", "download_url": url, "file_name": 7, "mime_type": [], "error_message": {} });
    backend.inject(Route::FINALIZE_FILE, answer(&told));
    let file = guard(uploads(&backend).bytes("a.txt", "hello")).await.unwrap();
    assert_eq!((file.file_name(), file.mime_type()), ("a.txt", None));
}

#[tokio::test]
async fn a_failure_without_a_reason_says_so() {
    for status in ["error", "failed", "failure"] {
        let error = finalized_as(answer(&json!({ "status": status, "error_message": null }))).await;
        assert_eq!(error.kind(), ErrorKind::UploadFailed, "{status}");
        assert!(error.to_string().contains("no reason"), "{error}");
    }
}

#[tokio::test]
async fn each_other_outcome_has_its_own_kind() {
    let outcomes: [(&str, Fault, ErrorKind); 5] = [
        ("failed", answer(&json!({ "status": "failed" })), ErrorKind::UploadFailed),
        ("no download URL", answer(&json!({ "status": "success" })), ErrorKind::UploadWithoutUrl),
        ("unknown status", answer(&json!({ "status": "pondering" })), ErrorKind::UploadStatusUnknown),
        ("not JSON", Fault::status(200).body("<html>hello</html>"), ErrorKind::Decode),
        (
            "bad URL",
            answer(&json!({ "status": "success", "download_url": "http://files.test/f" })),
            ErrorKind::UntrustedUrl,
        ),
    ];
    let mut kinds = HashSet::from([ErrorKind::UploadNotReady]);
    for (outcome, fault, expected) in outcomes {
        let error = finalized_as(fault).await;
        assert_eq!(error.kind(), expected, "{outcome}");
        assert!(kinds.insert(error.kind()), "{outcome} has the kind of another outcome");
        assert!(!error.is_retryable(), "{outcome}");
    }
}

#[tokio::test]
async fn an_unknown_status_is_named() {
    let error = finalized_as(answer(&json!({ "status": "pondering" }))).await;
    assert!(error.to_string().contains("`pondering`"), "{error}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_a_decode_error() {
    for body in ["", "null", "[]", "{}", "{\"status\":", "{\"status\": 7}", "\u{1f}"] {
        let error = finalized_as(Fault::status(200).body(body)).await;
        assert_eq!(error.kind(), ErrorKind::Decode, "{body:?}");
    }
    assert_eq!(finalized_as(Fault::truncated_json()).await.kind(), ErrorKind::Decode);
}

#[tokio::test]
async fn a_create_answer_that_cannot_be_read_is_a_decode_error() {
    let create = |value: Value| answer(&value);
    let url = "https://blob.test/f?sig=s";
    for (what, fault) in [
        ("truncated", Fault::truncated_json()),
        ("empty", Fault::status(200)),
        ("no URL", create(json!({ "file_id": "file_1" }))),
        ("no id", create(json!({ "upload_url": url }))),
        ("empty id", create(json!({ "file_id": "", "upload_url": url }))),
        ("a step up", create(json!({ "file_id": "..", "upload_url": url }))),
        ("a step nowhere", create(json!({ "file_id": ".", "upload_url": url }))),
    ] {
        let backend = start();
        backend.inject(Route::CREATE_FILE, fault);
        let error = guard(uploads(&backend).bytes("a.txt", "hello")).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Decode, "files.create"), "{what}");
        assert_eq!(backend.requests().len(), 1, "{what}");
    }
}

#[tokio::test]
async fn an_upload_url_that_is_not_trusted_is_refused_before_anything_is_sent_there() {
    let backend = start();
    let address = backend.address();
    for url in [
        "http://files.test/upload/f?sig=5ecret",
        "http://192.168.0.1/upload/f?sig=5ecret",
        "http://127.0.0.1.files.test/upload/f?sig=5ecret",
        "http://localhost.files.test/upload/f?sig=5ecret",
        &format!("ftp://{address}/upload/f?sig=5ecret"),
        &format!("ws://{address}/upload/f?sig=5ecret"),
        "file:///etc/passwd?sig=5ecret",
        &format!("http://user@{address}/upload/f?sig=5ecret"),
        &format!("http://user:5ecret@{address}/upload/f"),
        "https://user:5ecret@files.test/upload/f",
        "http://127.0.0.1@files.test/upload/f?sig=5ecret",
        "/upload/f?sig=5ecret",
        "//files.test/upload/f?sig=5ecret",
        "not a URL, 5ecret",
        "",
    ] {
        backend.inject(Route::CREATE_FILE, answer(&json!({ "file_id": "file_1", "upload_url": url })));
        let before = backend.requests().len();
        let error = guard(uploads(&backend).bytes("a.txt", "hello")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UntrustedUrl, "{url}");
        assert!(!shown(&error).contains("5ecret"), "{url}: {error:?}");
        assert_eq!(backend.requests().len(), before + 1, "{url}: more than the create was sent");
    }
    assert_nothing_finalized(&backend, "untrusted upload URLs");
}

#[tokio::test]
async fn production_names_no_host_of_this_machine_or_its_networks() {
    /// Production, which names an upload URL.
    #[derive(Debug)]
    struct Naming(&'static str, Arc<AtomicU32>);
    impl Transport for Naming {
        fn send(&self, request: TransportRequest) -> TransportFuture<'_> {
            self.1.fetch_add(1, Ordering::Relaxed);
            assert_eq!(
                (request.url.as_str(), request.public_hosts_only),
                ("https://chatgpt.com/backend-api/files", false)
            );
            let body = json!({ "file_id": "file_1", "upload_url": self.0 }).to_string();
            Box::pin(async { Ok(http::Response::new(Body::from(Bytes::from(body)))) })
        }
    }
    for url in [
        "https://127.0.0.1/f?sig=5ecret",
        "https://2130706433/f?sig=5ecret",
        "https://[::ffff:169.254.169.254]/f?sig=5ecret",
        "https://192.168.0.1/f?sig=5ecret",
        "https://metadata.google.internal/f?sig=5ecret",
        "https://localhost:8443/f?sig=5ecret",
    ] {
        let sent = Arc::new(AtomicU32::new(0));
        let client = Client::builder().chatgpt(ChatGptTokens::new("opaque-access-token"));
        let client = client.transport(Naming(url, sent.clone())).build().unwrap();
        let error = guard(client.file_upload().bytes("a.txt", "hello")).await.unwrap_err();
        assert_eq!((error.kind(), sent.load(Ordering::Relaxed)), (ErrorKind::UntrustedUrl, 1), "{url}: {error}");
        assert!(!shown(&error).contains("5ecret"), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn a_hostile_file_id_cannot_leave_its_place_in_the_path() {
    for (file_id, segment) in [
        ("../../x", "..%2F..%2Fx"),
        ("a/b?c", "a%2Fb%3Fc"),
        ("a b#c%2e", "a%20b%23c%252e"),
        ("..\\..", "..%5C.."),
        ("é", "%C3%A9"),
        ("file_123-A.b~", "file_123-A.b~"),
    ] {
        let backend = start();
        play_upload(&backend, file_id);
        guard(uploads(&backend).bytes("a.txt", "hello")).await.unwrap_or_else(|error| panic!("{file_id}: {error}"));
        let targets: Vec<_> = backend.requests().into_iter().map(|request| request.target).collect();
        assert_eq!(targets[2], format!("/backend-api/files/{segment}/uploaded"), "{file_id}");
    }
}
