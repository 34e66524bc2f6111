//! What a successful upload sends, and what it gives.

use std::collections::BTreeSet;

use codex_backend::auth::{AuthContext, AuthFuture, AuthHeaders};
use codex_backend::testing::{Backend, RecordedRequest, Route};
use codex_backend::{AuthProvider, ChatGptTokens, Client, CodexBackend, OpenAiFileUpload};
use secrecy::SecretString;
use serde_json::json;

use crate::support::{answer, client, content, every_source, folder, guard, only_file, pieces, start, uploads, write};

/// All that may stand on a PUT to a signed URL.
const PUT_HEADERS: [&str; 4] = ["accept", "content-length", "host", "x-ms-blob-type"];

fn names(request: &RecordedRequest) -> BTreeSet<&str> {
    request.headers.keys().map(http::HeaderName::as_str).collect()
}

fn only(backend: &Backend, route: Route) -> RecordedRequest {
    let mut requests = backend.requests_to(route);
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests.remove(0)
}

#[track_caller]
fn assert_bare_put(put: &RecordedRequest, length: usize, what: &str) {
    assert_eq!(names(put), BTreeSet::from(PUT_HEADERS), "{what}");
    assert_eq!(put.header("x-ms-blob-type"), Some("BlockBlob"), "{what}");
    assert_eq!(put.header("content-length"), Some(length.to_string().as_str()), "{what}");
}

#[tokio::test]
async fn an_upload_is_create_put_and_finalize() {
    let (backend, folder) = (start(), folder());
    let path = write(&folder, "report.csv", "a,b\n1,2\n");
    guard(uploads(&backend).path(&path)).await.unwrap();

    let stored = only_file(&backend);
    assert_eq!(stored.content().unwrap(), "a,b\n1,2\n");
    assert!(stored.is_finalized());
    let requests = backend.requests();
    let sent: Vec<_> = requests
        .iter()
        .map(|request| format!("{} {}", request.method, request.target.split('?').next().unwrap()))
        .collect();
    let id = stored.id();
    let finalize = format!("POST /backend-api/files/{id}/uploaded");
    assert_eq!(sent, ["POST /backend-api/files", &format!("PUT /upload/{id}"), &finalize]);
    assert!(requests[1].target.contains("?se=2099-01-01&sig="), "the query of the signed URL is sent as given");
    assert_eq!(requests[0].json(), json!({ "file_name": "report.csv", "file_size": 8, "use_case": "codex" }));
    assert_eq!(requests[2].body, "{}");
    for request in [&requests[0], &requests[2]] {
        assert_eq!(request.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn the_result_tells_id_uri_download_url_name_size_and_type() {
    let backend = start();
    let file = guard(client(&backend).file_upload().bytes("report.csv", "a,b\n1,2\n")).await.unwrap();
    let id = only_file(&backend).id().to_owned();
    assert_eq!(file.file_id(), id);
    assert_eq!(file.uri(), format!("sediment://{id}"));
    let download = format!("http://{}/download/{id}?sig=", backend.address());
    assert!(file.download_url().expose().starts_with(&download));
    assert_eq!(file.download_url().origin(), format!("http://{}", backend.address()));
    assert_eq!(file.file_name(), "report.csv");
    assert_eq!(file.file_size_bytes(), 8);
    assert_eq!(file.mime_type(), Some("text/csv"));
}

#[tokio::test]
async fn the_servers_name_wins_if_there_is_one_and_the_type_may_be_missing() {
    let backend = start();
    for (said, name, mime_type) in [
        (json!({ "file_name": "other.txt", "mime_type": "text/x-other" }), "other.txt", Some("text/x-other")),
        (json!({ "file_name": "", "mime_type": "" }), "mine.txt", None),
        (json!({ "file_name": null, "mime_type": null }), "mine.txt", None),
        (json!({ "unknown": [1, 2] }), "mine.txt", None),
    ] {
        let mut success = json!({ "status": "success", "download_url": "https://files.test/f?sig=s" });
        success.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        backend.inject(Route::FINALIZE_FILE, answer(&success));
        let file = guard(uploads(&backend).bytes("mine.txt", "hello")).await.unwrap();
        assert_eq!((file.file_name(), file.mime_type()), (name, mime_type), "{said}");
        assert_eq!(file.file_size_bytes(), 5, "{said}");
    }
}

#[tokio::test]
async fn every_source_brings_its_content_whole() {
    let folder = folder();
    for length in [0, 1, 7777, 256 << 10, (1 << 20) + 3] {
        let content = content(length);
        let path = write(&folder, "path.bin", &content);
        let backend = start();
        for (source, upload) in every_source(&uploads(&backend), &path) {
            let file = guard(upload).await.unwrap();
            let stored = backend.files().pop().unwrap();
            assert_eq!(file.file_size_bytes(), length as u64, "{source} of {length}");
            assert_eq!((stored.id(), stored.file_name()), (file.file_id(), file.file_name()), "{source} of {length}");
            assert_eq!(stored.size(), length as u64, "{source} of {length}");
            assert!(stored.content().unwrap() == content, "{source} of {length}: other content");
            assert!(stored.is_finalized(), "{source} of {length}");
        }
        assert_eq!(backend.requests().len(), 4 * 3, "{length}");
    }
}

#[tokio::test]
async fn bytes_are_taken_in_all_their_forms() {
    let backend = start();
    let files = uploads(&backend);
    for upload in [
        files.bytes("a", bytes::Bytes::from_static(b"hello")),
        files.bytes("b", b"hello".to_vec()),
        files.bytes("c", "hello"),
        files.bytes("d", String::from("hello")),
    ] {
        guard(upload).await.unwrap();
    }
    let received: Vec<_> = backend.files().iter().map(|file| file.content().unwrap()).collect();
    assert_eq!(received, ["hello"; 4]);
}

#[tokio::test]
async fn a_file_that_is_open_is_a_reader() {
    let (backend, folder) = (start(), folder());
    let content = content(700_000);
    let file = tokio::fs::File::open(write(&folder, "open.bin", &content)).await.unwrap();
    guard(uploads(&backend).reader("open.bin", 700_000, file)).await.unwrap();
    assert!(only_file(&backend).content().unwrap() == content);
}

#[tokio::test]
async fn a_put_holds_blob_type_and_exact_length_and_nothing_else() {
    let folder = folder();
    for length in [0, 1, 700_001] {
        let path = write(&folder, "path.bin", content(length));
        let backend = start();
        for (source, upload) in every_source(&uploads(&backend), &path) {
            guard(upload).await.unwrap();
            let put = backend.requests_to(Route::PUT_FILE).pop().unwrap();
            assert_bare_put(&put, length, &format!("{source} of {length}"));
        }
    }
}

#[tokio::test]
async fn the_empty_pieces_of_a_stream_do_not_count() {
    let backend = start();
    let empty = || futures_util::stream::iter([Ok(bytes::Bytes::new())]);
    let stream = futures_util::StreamExt::chain(futures_util::StreamExt::chain(empty(), pieces(b"hello")), empty());
    guard(uploads(&backend).stream("a.txt", 5, stream)).await.unwrap();
    assert_eq!(only_file(&backend).content().unwrap(), "hello");
}

async fn upload_and_list<'a>(backend: &Backend, client: &Client<CodexBackend>, expected: &[(&'a str, &'a str)]) {
    guard(OpenAiFileUpload::new(client).bytes("a.txt", "hello")).await.unwrap();
    for route in [Route::CREATE_FILE, Route::FINALIZE_FILE] {
        let request = only(backend, route);
        for (name, value) in expected {
            assert_eq!(request.header(name), Some(*value), "{route:?} {name}");
        }
        assert_eq!(request.headers.contains_key("x-openai-fedramp"), expected.len() == 3, "{route:?}");
    }
    assert_bare_put(&only(backend, Route::PUT_FILE), 5, "with credentials");
}

fn bearer(token: &SecretString) -> String {
    format!("Bearer {}", secrecy::ExposeSecret::expose_secret(token))
}

#[tokio::test]
async fn chatgpt_tokens_go_with_create_and_finalize_and_not_with_the_put() {
    let backend = start();
    let token = backend.issue_access_token("acct-1");
    let tokens = ChatGptTokens::new(token.clone()).account_id("acct-1");
    let client = backend.client().chatgpt(tokens).build().unwrap();
    let expected = [("authorization", &*bearer(&token)), ("chatgpt-account-id", "acct-1")];
    upload_and_list(&backend, &client, &expected).await;
    assert_eq!(only_file(&backend).account_id(), "acct-1");
}

#[tokio::test]
async fn a_fedramp_account_is_named_on_create_and_finalize_and_not_on_the_put() {
    let backend = start();
    backend.add_fedramp_account("acct-gov");
    let token = backend.issue_access_token("acct-gov");
    let client = backend.client().chatgpt(ChatGptTokens::new(token.clone())).build().unwrap();
    let expected =
        [("authorization", &*bearer(&token)), ("chatgpt-account-id", "acct-gov"), ("x-openai-fedramp", "true")];
    upload_and_list(&backend, &client, &expected).await;
}

/// Yields more headers than any credential built in.
struct Lavish(AuthHeaders);

impl AuthProvider for Lavish {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        AuthFuture::boxed(async { Ok(self.0.clone()) })
    }
}

#[tokio::test]
async fn a_providers_own_headers_go_with_create_and_finalize_and_not_with_the_put() {
    let backend = start();
    let token = backend.issue_access_token("acct-1");
    let headers = AuthHeaders::new(0).with_bearer(&token).unwrap();
    let headers = headers.with_header("x-task-signature", "c2lnbmF0dXJl").unwrap();
    let headers = headers.with_header("cookie", "session=1").unwrap();
    let headers = headers.with_header("x-ms-blob-type", "AppendBlob").unwrap();
    let client = backend.client().provider(Lavish(headers)).build().unwrap();
    guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await.unwrap();
    for route in [Route::CREATE_FILE, Route::FINALIZE_FILE] {
        let request = only(&backend, route);
        assert_eq!(request.header("authorization"), Some(&*bearer(&token)), "{route:?}");
        assert_eq!(request.header("x-task-signature"), Some("c2lnbmF0dXJl"), "{route:?}");
        assert_eq!(request.header("cookie"), Some("session=1"), "{route:?}");
    }
    assert_bare_put(&only(&backend, Route::PUT_FILE), 5, "with a lavish provider");
}

#[tokio::test]
async fn a_name_may_be_any_plain_text() {
    let backend = start();
    for name in ["Bericht März – 📄.pdf", "a \"quoted\" 'name'", ".hidden", "...", "100% & more?#.txt", "x"] {
        guard(uploads(&backend).bytes(name, "hello")).await.unwrap();
        let sent = backend.requests_to(Route::CREATE_FILE).pop().unwrap().json();
        assert_eq!(sent, json!({ "file_name": name, "file_size": 5, "use_case": "codex" }));
    }
}
