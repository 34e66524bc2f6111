//! What must never be shown: the queries of signed URLs, and credentials.

use std::time::Duration;

use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::{ChatGptTokens, ErrorKind, OpenAiFileUpload, RetryPolicy, Timeouts};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::support::{answer, guard, shown, signature, start, uploads};

const SECRET: &str = "Qm9uZHMrUGFzcw";

/// Makes the next create name an upload URL at the backend, signed with [`SECRET`].
fn sign_next_upload(backend: &Backend) -> String {
    let url = format!("http://{}/upload/f?se=2099&sig={SECRET}", backend.address());
    backend.inject(Route::CREATE_FILE, answer(&json!({ "file_id": "file_1", "upload_url": url })));
    url
}

#[tokio::test]
async fn an_uploaded_file_shows_no_query() {
    let backend = start();
    let file = guard(uploads(&backend).bytes("a.txt", "hello")).await.unwrap();
    let secret = signature(file.download_url().expose());
    assert!(secret.len() >= 16);
    let url = file.download_url();
    for text in [format!("{file:?}"), format!("{file:#?}"), url.to_string(), format!("{url:?}"), url.origin()] {
        assert!(!text.contains(&secret) && !text.contains("sig="), "{text}");
    }
    assert!(url.to_string().contains("/download/"), "the rest of the URL is shown: {url}");
}

/// Makes a fault that may quote the upload URL.
type Quoting = fn(&str) -> Fault;

#[tokio::test]
async fn no_failure_of_a_put_shows_the_signature() {
    let faults: [(&str, Quoting, ErrorKind); 7] = [
        ("refused", |_| Fault::status(403), ErrorKind::SignedUrlRefused),
        ("refused with the URL", |url| Fault::status(403).body(format!("no: {url}")), ErrorKind::SignedUrlRefused),
        (
            "refused with the URL in JSON",
            |url| Fault::status(400).body(json!({ "error": { "code": url, "message": url } }).to_string()),
            ErrorKind::InvalidRequest,
        ),
        ("busy", |url| Fault::status(503).body(url.to_owned()), ErrorKind::Server),
        ("reset", |_| Fault::reset_before_headers(), ErrorKind::Interrupted),
        ("stalled", |_| Fault::stall(), ErrorKind::Timeout),
        ("redirected to itself", Fault::redirect_to, ErrorKind::Redirect),
    ];
    for (what, fault, kind) in faults {
        let backend = start();
        let url = sign_next_upload(&backend);
        backend.inject(Route::PUT_FILE, fault(&url));
        let upload = uploads(&backend).bytes("a.txt", "hello").with_retry_policy(RetryPolicy::never());
        let upload = upload.with_timeouts(Timeouts::default().idle(Duration::from_millis(100)));
        let error = guard(upload).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (kind, "files.put"), "{what}");
        assert!(!shown(&error).contains(SECRET), "{what}: {}", shown(&error));
    }
}

#[tokio::test]
async fn a_signature_that_the_storage_quotes_by_itself_is_not_shown() {
    let backend = start();
    sign_next_upload(&backend);
    let quoted = format!("<Error><Message>signature {SECRET} does not match</Message></Error>");
    backend.inject(Route::PUT_FILE, Fault::status(403).body(quoted));
    let error = guard(uploads(&backend).bytes("a.txt", "hello")).await.unwrap_err();
    assert!(!shown(&error).contains(SECRET), "{}", shown(&error));
}

#[tokio::test]
async fn a_put_that_reaches_nobody_shows_no_signature() {
    let backend = start();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/upload/f?sig={SECRET}");
    backend.inject(Route::CREATE_FILE, answer(&json!({ "file_id": "file_1", "upload_url": url })));
    let error = guard(uploads(&backend).bytes("a.txt", "hello")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 3));
    assert!(!shown(&error).contains(SECRET), "{}", shown(&error));
    assert!(error.to_string().contains(&closed.to_string()), "the server is named: {error}");
}

#[tokio::test]
async fn no_failure_of_create_or_finalize_shows_a_signed_url() {
    let signed = format!("https://user:pw@files.test/f?sig={SECRET}");
    let garbled = format!("{{\"upload_url\": \"https://files.test/f?sig={SECRET}\", \"download_url\": 7}}");
    for (route, fault) in [
        (Route::CREATE_FILE, answer(&json!({ "file_id": "file_1", "upload_url": signed }))),
        (Route::CREATE_FILE, Fault::status(200).body(garbled.clone())),
        (Route::FINALIZE_FILE, answer(&json!({ "status": "success", "download_url": signed }))),
        (Route::FINALIZE_FILE, answer(&json!({ "status": "failed", "error_message": format!("see {signed}") }))),
        (Route::FINALIZE_FILE, answer(&json!({ "status": signed }))),
        (Route::FINALIZE_FILE, Fault::status(200).body(garbled)),
    ] {
        let backend = start();
        backend.inject(route, fault.clone());
        let error = guard(uploads(&backend).bytes("a.txt", "hello")).await.unwrap_err();
        assert!(!shown(&error).contains(SECRET), "{fault:?}: {}", shown(&error));
    }
}

#[tokio::test]
async fn no_error_shows_the_access_token() {
    for route in [Route::CREATE_FILE, Route::FINALIZE_FILE] {
        let backend = start();
        let token = backend.issue_access_token("acct-1");
        let secret = token.expose_secret().to_owned();
        let quoted = json!({ "error": { "code": "bad", "message": format!("the token {secret} is bad") } });
        backend.inject(route, Fault::status(401).body(quoted.to_string()));
        let client = backend.client().chatgpt(ChatGptTokens::new(token)).build().unwrap();
        let error = guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        assert!(!shown(&error).contains(&secret), "{}", shown(&error));
    }
}

#[tokio::test]
async fn handles_and_the_backend_show_no_secrets() {
    let backend = start();
    let token = backend.issue_access_token("acct-1");
    let client = backend.client().chatgpt(ChatGptTokens::new(token.clone())).build().unwrap();
    let files = OpenAiFileUpload::new(&client);
    let request = files.bytes("a.txt", "the content itself");
    let shown = format!("{client:?} {files:?} {request:?}");
    let file = guard(request).await.unwrap();
    let put = signature(&backend.requests_to(Route::PUT_FILE)[0].target);
    let text = format!("{shown} {backend:?} {:?} {:?}", backend.requests(), backend.files());
    for secret in [token.expose_secret(), &put, &signature(file.download_url().expose()), "the content itself"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
