//! What the embedded backend refuses, shown by clients that do not take care.

use codex_backend::testing::{Backend, Route};
use codex_backend::{ChatGptTokens, ErrorKind, OpenAiFileUpload};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{guard, start, uploads};

const ACCOUNT: &str = "acct-embedded";

type Header<'a> = (&'a str, &'a str);

/// Talks to the backend by bare reqwest, and sends whatever it is told to.
pub(crate) struct Visitor {
    http: reqwest::Client,
    base_url: String,
    token: SecretString,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: bytes::Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status and error code.
    fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["error"]["code"].as_str().unwrap().to_owned())
    }
}

/// Never goes through a proxy, and needs no certificates of the system.
pub(crate) fn bare_http() -> reqwest::Client {
    let tls = ClientConfig::builder_with_provider(std::sync::Arc::new(default_provider()));
    let tls = tls.with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let builder = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls);
    builder.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

impl Visitor {
    pub(crate) fn new(backend: &Backend) -> Self {
        let token = backend.issue_access_token(ACCOUNT);
        Self { http: bare_http(), base_url: backend.codex_base_url(), token }
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token.expose_secret())
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(Answer { status, headers, body: answer.bytes().await? })
    }

    pub(crate) async fn post(&self, path: &str, headers: &[Header<'_>], body: &Value) -> Answer {
        let request = self.http.post(format!("{}{path}", self.base_url)).body(body.to_string());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        guard(self.send(request)).await.unwrap()
    }

    pub(crate) async fn put(&self, url: &str, headers: &[Header<'_>], body: impl Into<reqwest::Body> + Send) -> Answer {
        let request = self.http.put(url).body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        guard(self.send(request)).await.unwrap()
    }

    /// Creates a file as one should; gives its id and its upload URL.
    pub(crate) async fn create(&self, size: usize) -> (String, String) {
        let body = json!({ "file_name": "a.txt", "file_size": size, "use_case": "codex" });
        let answer = self.post("/files", &[("authorization", &self.bearer())], &body).await;
        assert_eq!(answer.status, 200);
        let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        (text("file_id"), text("upload_url"))
    }
}

const BLOB: Header<'static> = ("x-ms-blob-type", "BlockBlob");

#[tokio::test]
async fn a_careful_visitor_gets_through() {
    let backend = start();
    let visitor = Visitor::new(&backend);
    let (id, url) = visitor.create(5).await;
    assert_eq!(visitor.put(&url, &[BLOB], "hello").await.status, 201);
    let finalize = format!("/files/{id}/uploaded");
    let answer = visitor.post(&finalize, &[("authorization", &visitor.bearer())], &json!({})).await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("success")));
    assert_eq!(backend.files()[0].content().unwrap(), "hello");
}

#[tokio::test]
async fn credentials_on_a_signed_url_are_refused() {
    let backend = start();
    let visitor = Visitor::new(&backend);
    let (_, url) = visitor.create(5).await;
    for credential in [
        ("authorization", &*visitor.bearer()),
        ("authorization", "Basic eA=="),
        ("chatgpt-account-id", ACCOUNT),
        ("x-openai-fedramp", "true"),
        ("cookie", "a=b"),
        ("openai-organization", "org-1"),
        ("openai-project", "proj-1"),
        ("x-openai-internal-codex-residency", "us"),
    ] {
        let answer = visitor.put(&url, &[BLOB, credential], "hello").await;
        assert_eq!(answer.refusal(), (400, "CredentialsOnSignedUrl".to_owned()), "{}", credential.0);
        assert_eq!(backend.files()[0].received_size(), None, "{}", credential.0);
    }
}

#[tokio::test]
async fn another_length_than_announced_is_refused() {
    let backend = start();
    let visitor = Visitor::new(&backend);
    let (_, url) = visitor.create(5).await;
    for body in ["", "hell", "hello!"] {
        let answer = visitor.put(&url, &[BLOB], body).await;
        assert_eq!(answer.refusal(), (400, "InvalidHeaderValue".to_owned()), "{body:?}");
    }
    let chunked = reqwest::Body::wrap_stream(crate::support::pieces(b"hello"));
    assert_eq!(visitor.put(&url, &[BLOB], chunked).await.refusal(), (400, "InvalidHeaderValue".to_owned()));
    assert_eq!(backend.requests().last().unwrap().header("transfer-encoding"), Some("chunked"));
    assert_eq!(backend.files()[0].received_size(), None);
}

#[tokio::test]
async fn another_blob_type_is_refused() {
    let backend = start();
    let visitor = Visitor::new(&backend);
    let (_, url) = visitor.create(5).await;
    for headers in [&[][..], &[("x-ms-blob-type", "AppendBlob")], &[("x-ms-blob-type", "blockblob")]] {
        let answer = visitor.put(&url, headers, "hello").await;
        assert_eq!(answer.refusal(), (400, "MissingRequiredHeader".to_owned()), "{headers:?}");
    }
    assert_eq!(backend.files()[0].received_size(), None);
}

#[tokio::test]
async fn a_url_without_its_signature_is_refused() {
    let backend = start();
    let visitor = Visitor::new(&backend);
    let (id, url) = visitor.create(5).await;
    let (_, other) = visitor.create(5).await;
    let (bare, query) = url.split_once('?').unwrap();
    let forged = format!("{bare}?{}", other.split_once('?').unwrap().1);
    for url in [bare.to_owned(), format!("{bare}?sig="), format!("{bare}?{query}0"), forged] {
        let answer = visitor.put(&url, &[BLOB], "hello").await;
        assert_eq!(answer.refusal(), (403, "AuthenticationFailed".to_owned()), "{url}");
    }
    let unknown = url.replace(&id, "file_unknown");
    assert_eq!(visitor.put(&unknown, &[BLOB], "hello").await.refusal(), (404, "BlobNotFound".to_owned()));
    assert!(backend.files().iter().all(|file| file.received_size().is_none()));
}

#[tokio::test]
async fn credentials_that_do_not_fit_are_refused_on_create_and_finalize() {
    let backend = start();
    backend.add_account("acct-other");
    backend.add_fedramp_account("acct-gov");
    let visitor = Visitor::new(&backend);
    let (id, url) = visitor.create(5).await;
    assert_eq!(visitor.put(&url, &[BLOB], "hello").await.status, 201);
    let revoked = backend.issue_access_token(ACCOUNT);
    backend.revoke_access_token(&revoked);
    let good = visitor.bearer();
    let gov = format!("Bearer {}", backend.issue_access_token("acct-gov").expose_secret());
    let api_key = backend.client().api_key(backend.api_key()).build().unwrap().auth_headers().await.unwrap();
    let api_key = api_key.iter().next().unwrap().1.to_str().unwrap().to_owned();
    let revoked = format!("Bearer {}", revoked.expose_secret());
    let basic = good.replace("Bearer", "Basic");
    let cases: [(&str, &[Header<'_>], u16, &str); 12] = [
        ("nothing", &[], 401, "missing_authorization"),
        ("account alone", &[("chatgpt-account-id", ACCOUNT)], 401, "missing_authorization"),
        ("unknown token", &[("authorization", "Bearer made-up")], 401, "token_invalidated"),
        ("an API key", &[("authorization", &api_key)], 401, "token_invalidated"),
        ("another scheme", &[("authorization", &basic)], 401, "token_invalidated"),
        ("revoked token", &[("authorization", &revoked)], 401, "token_revoked"),
        ("another account", &[("authorization", &good), ("chatgpt-account-id", "acct-other")], 403, "account_mismatch"),
        ("FedRAMP header missing", &[("authorization", &gov)], 403, "fedramp_required"),
        ("FedRAMP header denied", &[("authorization", &gov), ("x-openai-fedramp", "false")], 403, "fedramp_required"),
        ("FedRAMP header superfluous", &[("authorization", &good), ("x-openai-fedramp", "true")], 403, "not_fedramp"),
        ("FedRAMP header false", &[("authorization", &good), ("x-openai-fedramp", "false")], 403, "not_fedramp"),
        (
            "another account that is FedRAMP",
            &[("authorization", &good), ("chatgpt-account-id", "acct-gov"), ("x-openai-fedramp", "true")],
            403,
            "account_mismatch",
        ),
    ];
    let create = json!({ "file_name": "b.txt", "file_size": 5, "use_case": "codex" });
    for (what, headers, status, code) in cases {
        for (path, body) in [("/files", &create), (&format!("/files/{id}/uploaded"), &json!({}))] {
            let answer = visitor.post(path, headers, body).await;
            assert_eq!(answer.refusal(), (status, code.to_owned()), "{what} at {path}");
        }
    }
    assert_eq!(backend.files().len(), 1);
    assert!(!backend.files()[0].is_finalized());
}

#[tokio::test]
async fn a_file_of_another_account_is_not_finalized() {
    let backend = start();
    let visitor = Visitor::new(&backend);
    let (id, url) = visitor.create(5).await;
    assert_eq!(visitor.put(&url, &[BLOB], "hello").await.status, 201);
    let other = format!("Bearer {}", backend.issue_access_token("acct-other").expose_secret());
    let answer = visitor.post(&format!("/files/{id}/uploaded"), &[("authorization", &other)], &json!({})).await;
    assert_eq!(answer.refusal(), (404, "file_not_found".to_owned()));
    assert!(!backend.files()[0].is_finalized());
}

#[tokio::test]
async fn a_file_without_content_is_not_finalized() {
    let backend = start();
    let visitor = Visitor::new(&backend);
    let (id, _) = visitor.create(5).await;
    let finalize = format!("/files/{id}/uploaded");
    let answer = visitor.post(&finalize, &[("authorization", &visitor.bearer())], &json!({})).await;
    assert_eq!(answer.json()["status"], "error");
    assert!(!backend.files()[0].is_finalized());
}

#[tokio::test]
async fn a_create_that_lacks_something_is_refused() {
    let backend = start();
    let visitor = Visitor::new(&backend);
    for body in [
        json!({}),
        json!({ "file_size": 5, "use_case": "codex" }),
        json!({ "file_name": "", "file_size": 5, "use_case": "codex" }),
        json!({ "file_name": "a.txt", "use_case": "codex" }),
        json!({ "file_name": "a.txt", "file_size": "5", "use_case": "codex" }),
        json!({ "file_name": "a.txt", "file_size": -1, "use_case": "codex" }),
        json!({ "file_name": "a.txt", "file_size": (512_u64 << 20) + 1, "use_case": "codex" }),
        json!({ "file_name": "a.txt", "file_size": 5 }),
        json!({ "file_name": "a.txt", "file_size": 5, "use_case": "assistants" }),
    ] {
        let answer = visitor.post("/files", &[("authorization", &visitor.bearer())], &body).await;
        assert_eq!(answer.refusal(), (422, "invalid_request".to_owned()), "{body}");
    }
    assert!(backend.files().is_empty());
    let largest = json!({ "file_name": "a.txt", "file_size": 512_u64 << 20, "use_case": "codex" });
    assert_eq!(visitor.post("/files", &[("authorization", &visitor.bearer())], &largest).await.status, 200);
}

#[tokio::test]
async fn an_upload_with_a_token_that_is_refused_ends_before_the_put() {
    let backend = start();
    let revoked = backend.issue_access_token("acct-1");
    backend.revoke_access_token(&revoked);
    for (token, code) in [(revoked, "token_revoked"), ("made-up".into(), "token_invalidated")] {
        let client = backend.client().chatgpt(ChatGptTokens::new(token)).build().unwrap();
        let error = guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, Some(code)));
        assert!(error.needs_sign_in() && error.request_id().is_some());
    }
    assert_eq!(backend.requests_to(Route::CREATE_FILE).len(), backend.requests().len());
    assert!(backend.files().is_empty());
}

#[tokio::test]
async fn every_server_has_a_port_of_its_own_on_loopback_and_ends_when_dropped() {
    let (one, two) = (start(), start());
    assert!(one.address().ip().is_loopback());
    assert_ne!(one.address(), two.address());
    assert_eq!(one.codex_base_url(), format!("http://{}/backend-api", one.address()));
    guard(uploads(&one).bytes("a.txt", "hello")).await.unwrap();
    assert!(two.requests().is_empty() && two.files().is_empty());
    let gone = one.address();
    drop(one);
    assert!(std::net::TcpStream::connect(gone).is_err());
}

#[tokio::test]
async fn a_route_that_does_not_exist_is_404_for_those_who_may_ask() {
    let backend = start();
    let visitor = Visitor::new(&backend);
    let answer = visitor.post("/nowhere", &[("authorization", &visitor.bearer())], &json!({})).await;
    assert_eq!(answer.refusal(), (404, "not_found".to_owned()));
    assert_eq!(visitor.post("/nowhere", &[], &json!({})).await.refusal().0, 401);
    assert!(backend.requests().iter().all(|request| request.route.is_none()));
}

#[tokio::test]
async fn content_over_16_mib_is_counted_and_not_kept() {
    let backend = start();
    for (size, kept) in [(16 << 20, true), ((16 << 20) + 1, false)] {
        guard(uploads(&backend).bytes("a.bin", vec![7; size])).await.unwrap();
        let stored = backend.files().pop().unwrap();
        assert_eq!((stored.received_size(), stored.content().is_some()), (Some(size as u64), kept));
    }
}
