//! No error, `Debug`, `Display` or trace event shows a credential. Every secret in here holds the word `MARK`.

use std::error::Error as StdError;
use std::fmt::{Debug, Display};
use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use codex_backend::auth::{
    AuthContext, AuthFuture, AuthHeaders, AuthRecovery, AuthRefusal, AuthSources, CredentialRestrictions, HostTokens,
    MemoryStore, PersonalAccessToken, ReadyMadeHeaders, SignOut, StoredCredentials, WorkloadIdentity,
};
use codex_backend::mode::Unset;
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::transport::{Body, Environment, Transport, TransportFuture};
use codex_backend::usage::UsageReport;
use codex_backend::{
    AnyClient, ApiKey, AuthError, AuthProvider, ChatGptSession, ChatGptTokens, Client, ClientBuilder, CodexAuth,
    CodexBackend, Error, ErrorKind, OpenAiFileUpload, RetryPolicy, Timeouts, Usage,
};
use futures_util::stream;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::capture::{capture_traces, traced};
use crate::support::clock::WaitLog;
use crate::support::guard::guard;
use crate::support::raw::{RawRequest, RawServer, answer};

const TOKEN: &str = "opaque-MARK1-access-token";
const API_KEY: &str = "sk-MARK2-api-key-0123456789";
const SIGNATURE: &str = "MARK3AbCdEf%2B0123456789%3D";
const PASSWORD: &str = "MARK4-password";

// ---- what was shown ----

#[track_caller]
fn assert_hidden(shown: &str) {
    let password = BASE64_STANDARD.encode(format!("user:{PASSWORD}"));
    for secret in ["MARK", password.trim_end_matches('=')] {
        if let Some(at) = shown.find(secret) {
            let start = (0..=at.saturating_sub(80)).rev().find(|index| shown.is_char_boundary(*index)).unwrap_or(0);
            panic!("shows a secret: …{}", shown[start..].chars().take(200).collect::<String>());
        }
    }
}

#[track_caller]
fn assert_nothing_traced() {
    assert_hidden(&traced());
}

/// Every way in which an error can be looked at.
fn views(error: &(dyn StdError + 'static)) -> String {
    let mut views = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        views.push_str(&format!("{error}\n{error:?}\n{error:#?}\n{error:#}\n"));
        next = error.source();
    }
    views
}

#[track_caller]
fn assert_error_hides(error: &Error) {
    assert_hidden(&views(error));
    assert_hidden(error.message());
    for text in [error.body(), error.code(), error.request_id()].into_iter().flatten() {
        assert_hidden(text);
    }
    if let Some(auth) = error.auth_error() {
        assert_hidden(&views(auth));
    }
    assert_nothing_traced();
}

#[track_caller]
fn assert_debug_hides(value: &impl Debug) {
    assert_hidden(&format!("{value:?} {value:#?}"));
}

#[track_caller]
fn assert_display_hides(value: &impl Display) {
    assert_hidden(&format!("{value} {value:#}"));
}

// ---- who talks ----

fn client_of(base_url: &str) -> ClientBuilder<Unset> {
    capture_traces();
    Client::builder().codex_base_url(base_url).environment(Environment::empty()).clock(WaitLog::default())
}

fn client(server: &RawServer) -> Client<CodexBackend> {
    client_of(&server.codex_base_url()).chatgpt(ChatGptTokens::new(TOKEN)).build().unwrap()
}

async fn usage(client: &Client<CodexBackend>) -> Result<UsageReport, Error> {
    guard(Usage::new(client).get()).await
}

async fn upload_error(client: &Client<CodexBackend>) -> Error {
    guard(OpenAiFileUpload::new(client).bytes("a.txt", "hello")).await.unwrap_err()
}

/// The credential that a request carries.
fn credential(request: &RawRequest) -> &str {
    request.header("authorization").unwrap().strip_prefix("Bearer ").unwrap()
}

/// The error of a call to a server that answers with the credential that it was sent.
async fn echoed(echo: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Error {
    let server = RawServer::start(move |request| echo(credential(request)));
    let error = usage(&client(&server)).await.unwrap_err();
    assert!(credential(&server.requests()[0]).contains("MARK1"));
    error
}

const SHAPES: [&str; 8] = [
    r#"{"error":{"code":"bad","message":"the token @ is not accepted"}}"#,
    r#"{"error":{"code":"@","message":"no"}}"#,
    r#"{"error":{"type":"@"}}"#,
    r#"{"error":"@"}"#,
    r#"{"detail":"Authorization: Bearer @"}"#,
    r#"{"detail":[{"msg":"@ @"}]}"#,
    "plain text with @ in it",
    "<html><body>@</body></html>",
];

#[tokio::test]
async fn a_credential_that_an_error_body_echoes_is_hidden() {
    for status in [400, 401, 403, 404, 409, 422, 429, 500, 503] {
        for shape in SHAPES {
            let head = format!("HTTP/1.1 {status} Told\ncontent-type: text/plain");
            let error = echoed(move |credential| answer(&head, shape.replace('@', credential))).await;
            assert_eq!(error.status().unwrap().as_u16(), status);
            assert!(error.body().unwrap().contains("[hidden]"), "{error:?}");
            assert_error_hides(&error);
        }
    }
    for target in ["codex_backend", "usage.get", "TRACE", "hyper_util"] {
        assert!(traced().contains(target), "nothing of {target} is captured");
    }
}

#[tokio::test]
async fn a_credential_that_an_answers_headers_echo_is_hidden() {
    for header in ["x-request-id", "cf-ray", "x-openai-authorization-error", "location", "retry-after", "set-cookie"] {
        for status in [401, 500, 302] {
            let error = echoed(move |credential| {
                let value = if header == "location" {
                    format!("https://evil.test/?t={credential}")
                } else {
                    credential.to_owned()
                };
                answer(&format!("HTTP/1.1 {status} Told\n{header}: {value}"), "")
            });
            assert_error_hides(&error.await);
        }
    }
    let error = echoed(|credential| {
        let json = BASE64_STANDARD.encode(format!(r#"{{"error":{{"code":"{credential}"}}}}"#));
        answer(&format!("HTTP/1.1 401 Told\nx-error-json: {json}"), "")
    });
    assert_error_hides(&error.await);
}

#[tokio::test]
async fn a_credential_that_an_unreadable_answer_echoes_is_hidden() {
    for shape in [r#""@""#, r#"{"plan_type":"@"#, "@", r#"{"rate_limit":"@"}, 5"#] {
        let error = echoed(move |credential| answer("HTTP/1.1 200 OK", shape.replace('@', credential))).await;
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert_error_hides(&error);
    }
}

#[tokio::test]
async fn the_request_id_of_an_unreadable_answer_is_cleaned_too() {
    let error = echoed(|credential| answer(&format!("HTTP/1.1 200 OK\nx-request-id: {credential}"), "not json")).await;
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert_error_hides(&error);
}

#[tokio::test]
async fn the_request_id_of_a_good_answer_is_cleaned_before_it_is_traced() {
    let server =
        RawServer::start(|request| answer(&format!("HTTP/1.1 200 OK\nx-request-id: {}", credential(request)), "{}"));
    usage(&client(&server)).await.unwrap();
    assert_nothing_traced();
}

#[tokio::test]
async fn half_a_credential_at_the_end_of_a_broken_answer_is_hidden() {
    let error = echoed(|credential| {
        let cut = &credential[..credential.len() - 6];
        answer("HTTP/1.1 500 Told\ncontent-length: 1000", format!("the token is {cut}"))
    });
    assert_error_hides(&error.await);
}

#[tokio::test]
async fn half_a_credential_at_the_end_of_what_is_read_is_hidden() {
    // Much is read and little kept, and what is hidden makes room: the end of what was read can come into view.
    #[derive(Debug)]
    struct Echoing;
    impl Transport for Echoing {
        fn send(&self, request: codex_backend::transport::TransportRequest) -> TransportFuture<'_> {
            let credential = request.headers["authorization"].to_str().unwrap().to_owned();
            let text = credential.replace("Bearer ", " ").repeat(80).into_bytes();
            let chunks = [text[..60_000].to_vec(), text[60_000..].to_vec()].map(|chunk| Ok(Bytes::from(chunk)));
            let mut response = http::Response::new(Body::from_stream(stream::iter(chunks), None));
            *response.status_mut() = http::StatusCode::BAD_REQUEST;
            Box::pin(async { Ok(response) })
        }
    }
    let tokens = ChatGptTokens::new(format!("opaque{}", "MARK1abc".repeat(200)));
    let client = client_of("http://127.0.0.1:1").chatgpt(tokens).transport(Echoing).build().unwrap();
    assert_error_hides(&usage(&client).await.unwrap_err());
}

/// The token in the spellings in which servers quote: escaped in JSON, in a URL, in HTML.
#[tokio::test]
async fn a_credential_that_is_echoed_in_another_spelling_is_hidden() {
    const SPELLED: &str = "opaque/MARK1+access=token&more==";
    for quote in [
        |credential: &str| {
            format!(r#"{{"error":{{"message":"the token {} is bad"}}}}"#, credential.replace('/', r"\/"))
        },
        |credential: &str| {
            let encoded = credential.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D").replace('&', "%26");
            format!("redirect to /login?token={encoded}")
        },
        |credential: &str| format!("<p>{}</p>", credential.replace('&', "&amp;")),
    ] {
        let server = RawServer::start(move |request| answer("HTTP/1.1 400 Told", quote(credential(request))));
        let client = client_of(&server.codex_base_url()).chatgpt(ChatGptTokens::new(SPELLED)).build().unwrap();
        assert_error_hides(&usage(&client).await.unwrap_err());
    }
}

#[tokio::test]
async fn a_jwt_is_hidden_even_when_it_is_not_the_one_that_was_sent() {
    let payload = BASE64_URL_SAFE_NO_PAD.encode(r#"{"sub":"user"}"#);
    for status in ["200 OK", "500 Told"] {
        let body = format!("session eyJhbGciOiJub25lIn0.{payload}.MARK5signature and refresh_token=MARK5-refresh");
        let error = echoed(move |_| answer(&format!("HTTP/1.1 {status}"), &body)).await;
        assert!(error.body().unwrap().contains("[hidden]"), "{error:?}");
        assert_error_hides(&error);
    }
}

#[tokio::test]
async fn other_secrets_of_a_provider_are_hidden_like_its_token() {
    struct Two;
    impl AuthProvider for Two {
        type Route = CodexBackend;
        fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
            let headers = AuthHeaders::new(0).with_bearer(&TOKEN.into());
            AuthFuture::ready(headers.and_then(|headers| headers.with_header("x-second-secret", "plain MARK6 words")))
        }
    }
    let server = RawServer::start(|request| {
        answer(
            "HTTP/1.1 403 Told",
            format!("{} and {}", credential(request), request.header("x-second-secret").unwrap()),
        )
    });
    let client = client_of(&server.codex_base_url()).provider(Two).build().unwrap();
    assert_error_hides(&usage(&client).await.unwrap_err());
}

// ---- no answer at all ----

#[tokio::test]
async fn failures_of_the_connection_and_time_outs_show_no_credential() {
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let base_url = format!("http://{}/backend-api", held.local_addr().unwrap());
    let client = client_of(&base_url).chatgpt(ChatGptTokens::new(TOKEN)).build().unwrap();
    for error in [usage(&client).await.unwrap_err(), upload_error(&client).await] {
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert_error_hides(&error);
    }
    let closing = RawServer::start(|_| Vec::new());
    let error = usage(&self::client(&closing)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted, "{error:?}");
    assert_error_hides(&error);
    let babbling = RawServer::start(|request| format!("{}\r\n\r\n", credential(request)).into_bytes());
    let error = usage(&self::client(&babbling)).await.unwrap_err();
    assert_error_hides(&error);

    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::stall().times(9));
    let timeouts = Timeouts::default().attempt(Duration::from_millis(20));
    let client = backend.client().chatgpt(ChatGptTokens::new(TOKEN)).timeouts(timeouts);
    let error = usage(&client.retry_policy(RetryPolicy::never()).build().unwrap()).await.unwrap_err();
    assert!(error.is_timeout());
    assert_error_hides(&error);
}

#[tokio::test]
async fn the_password_of_a_proxy_is_shown_nowhere() {
    let proxy = RawServer::start(|request| {
        answer("HTTP/1.1 407 Told\ncontent-length: 0", "").into_iter().chain(request.line.bytes()).collect()
    });
    let url = format!("http://user:{PASSWORD}@{}", proxy.address());
    capture_traces();
    let builder = Client::builder().environment(Environment::empty()).proxy(&url).clock(WaitLog::default());
    let client = builder.chatgpt(ChatGptTokens::new(TOKEN)).build().unwrap();
    assert_error_hides(&usage(&client).await.unwrap_err());
    assert!(proxy.requests()[0].header("proxy-authorization").is_some());
    // A proxy that nobody is at.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://user:{PASSWORD}@{}", held.local_addr().unwrap());
    let environment = Environment::from_vars([("HTTPS_PROXY", &url)]);
    let builder = Client::builder().environment(environment.clone()).clock(WaitLog::default());
    let client = builder.chatgpt(ChatGptTokens::new(TOKEN)).build().unwrap();
    assert_error_hides(&usage(&client).await.unwrap_err());
    assert_debug_hides(&environment);
    assert_debug_hides(&client);
}

// ---- signed URLs ----

/// Plays the backend for an upload whose signed URL has this query; the rest is up to the test.
fn storage(
    query: impl Fn() -> String + Send + Sync + 'static,
    put: impl Fn(&RawRequest) -> Vec<u8> + Send + Sync + 'static,
    finalize: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
) -> RawServer {
    RawServer::start(move |request| {
        let origin = format!("http://{}", request.header("host").unwrap());
        let mut line = request.line.split(' ');
        match (line.next().unwrap(), line.next().unwrap()) {
            ("POST", "/backend-api/files") => {
                let url = format!("{origin}/upload/f?{}", query());
                answer("HTTP/1.1 200 OK", format!(r#"{{"file_id":"file_1","upload_url":"{url}"}}"#))
            }
            ("PUT", _) => put(request),
            _ => finalize(&origin),
        }
    })
}

fn stored(_: &RawRequest) -> Vec<u8> {
    answer("HTTP/1.1 201 Created", "")
}

fn signed_query() -> String {
    format!("se=2099-01-01&sp=w&sig={SIGNATURE}")
}

fn target(request: &RawRequest) -> &str {
    request.line.split(' ').nth(1).unwrap()
}

#[tokio::test]
async fn a_signed_url_that_the_storage_echoes_is_hidden() {
    for status in [400, 403, 404, 409, 500] {
        for shape in ["@ is not allowed", r#"{"error":{"message":"@"}}"#, "<Error><Message>@</Message></Error>"] {
            let put = move |request: &RawRequest| {
                assert!(target(request).contains("MARK3"));
                answer(&format!("HTTP/1.1 {status} Told"), shape.replace('@', target(request)))
            };
            let server = storage(signed_query, put, |_| Vec::new());
            let error = upload_error(&client(&server)).await;
            assert_eq!((error.operation(), error.status().unwrap().as_u16()), ("files.put", status));
            assert_error_hides(&error);
        }
    }
}

#[tokio::test]
async fn a_signed_url_is_hidden_whatever_its_signature_is_called_and_however_it_is_spelled() {
    for name in ["sig", "Signature", "X-Amz-Signature", "X-Goog-Signature", "X-Amz-Security-Token", "token", "verify"] {
        for spell in [
            |target: &str| target.to_owned(),
            |target: &str| target.replace('&', "&amp;"),
            |target: &str| target.replace('&', r"\u0026").replace('=', r"\u003d"),
            |target: &str| target.replace('%', "%25").replace('&', "%26").replace('=', "%3D").replace('?', "%3F"),
        ] {
            let query = move || format!("expires=1&{name}={SIGNATURE}");
            let put = move |request: &RawRequest| answer("HTTP/1.1 403 Told", spell(target(request)));
            let server = storage(query, put, |_| Vec::new());
            assert_error_hides(&upload_error(&client(&server)).await);
        }
    }
}

#[tokio::test]
async fn a_storage_that_breaks_or_redirects_shows_no_signature() {
    for put in [
        |_: &RawRequest| Vec::new(),
        |request: &RawRequest| answer(&format!("HTTP/1.1 307 Told\nlocation: {}", target(request)), ""),
        |request: &RawRequest| {
            answer(&format!("HTTP/1.1 302 Told\nlocation: https://evil.test{}", target(request)), "")
        },
        |request: &RawRequest| answer(&format!("HTTP/1.1 400 Told\nx-ms-request-id: {}", target(request)), ""),
    ] {
        let server = storage(signed_query, put, |_| Vec::new());
        let error = upload_error(&client(&server)).await;
        assert_eq!(error.operation(), "files.put");
        assert_error_hides(&error);
    }
}

#[tokio::test]
async fn a_signed_url_that_is_not_used_is_not_shown_either() {
    for url in ["http://evil.test/f", "https://user:MARK3@evil.test/f", "ftp://evil.test/f", "/f"] {
        let body = format!(r#"{{"file_id":"file_1","upload_url":"{url}?sig={SIGNATURE}"}}"#);
        let server = RawServer::start(move |_| answer("HTTP/1.1 200 OK", &body));
        let error = upload_error(&client(&server)).await;
        assert_eq!(error.kind(), ErrorKind::UntrustedUrl, "{url}");
        assert_error_hides(&error);
    }
    // Nobody is there.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}/f?{}", held.local_addr().unwrap(), signed_query());
    let body = format!(r#"{{"file_id":"file_1","upload_url":"{url}"}}"#);
    let server = RawServer::start(move |_| answer("HTTP/1.1 200 OK", &body));
    let error = upload_error(&client(&server)).await;
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Connect, "files.put"));
    assert_error_hides(&error);
}

#[tokio::test]
async fn a_signed_url_in_an_answer_that_cannot_be_read_is_hidden() {
    for name in ["sig", "X-Amz-Signature"] {
        for shape in [
            r#"{"file_id":5,"upload_url":"https://blob.test/f?@"}"#,
            r#"{"file_id":"file_1","upload_url":"https://blob.test/f?@"#,
            r#"{"file_id":5,"upload_url":"https:\/\/blob.test\/f?x=1\u0026@"}"#,
        ] {
            let body = shape.replace('@', &format!("{name}={SIGNATURE}"));
            let server = RawServer::start(move |_| answer("HTTP/1.1 200 OK", &body));
            let error = upload_error(&client(&server)).await;
            assert_eq!((error.kind(), error.operation()), (ErrorKind::Decode, "files.create"));
            assert_error_hides(&error);
        }
    }
}

#[tokio::test]
async fn what_finalizing_says_of_a_failure_is_cleaned() {
    for shape in [
        r#"{"status":"error","error_message":"bad token @"}"#,
        r#"{"status":"@","error_message":"bad"}"#,
        r#"{"status":"@"}"#,
        r#"{"status":"success","download_url":["https://blob.test/f?sig=@"],"file_name":5}"#,
        r#"{"status":"success","download_url":"ftp://@/f?sig=@"}"#,
    ] {
        let finalize = move |_: &str| answer("HTTP/1.1 200 OK", shape.replace('@', TOKEN));
        let server = storage(signed_query, stored, finalize);
        let error = upload_error(&client(&server)).await;
        assert_eq!(error.operation(), "files.finalize");
        assert_error_hides(&error);
    }
}

#[tokio::test]
async fn an_uploaded_file_shows_no_signature() {
    let finalize = |origin: &str| {
        let url = format!("{origin}/download/f?{}", signed_query());
        answer("HTTP/1.1 200 OK", format!(r#"{{"status":"success","download_url":"{url}"}}"#))
    };
    let server = storage(signed_query, stored, finalize);
    let file = guard(OpenAiFileUpload::new(&client(&server)).bytes("a.txt", "hello")).await.unwrap();
    assert!(file.download_url().expose().contains("MARK3"));
    assert_debug_hides(&file);
    assert_debug_hides(file.download_url());
    assert_display_hides(file.download_url());
    assert_nothing_traced();
}

// ---- the other kinds of credentials, and the calls that auth itself makes ----

const STATUSES: [&str; 8] = [
    "200 OK",
    "302 Found\nlocation: https://evil.test/@",
    "400 Told",
    "401 Told",
    "403 Told\nx-request-id: @",
    "404 Told",
    "429 Told",
    "503 Told",
];

#[track_caller]
fn assert_auth_error_hides(error: &AuthError) {
    assert_hidden(&views(error));
    assert_nothing_traced();
}

/// For each status, with what a server may say that echoes a secret.
async fn with_each_echo<F: Future<Output = AuthError>>(secret: &'static str, call: impl Fn(ClientBuilder<Unset>) -> F) {
    let answers = json!({ "access_token": 5, "chatgpt_user_id": ["@"], "token": "@" }).to_string();
    for status in STATUSES {
        for shape in SHAPES.into_iter().chain([&*answers]) {
            let (head, body) = (format!("HTTP/1.1 {status}").replace('@', secret), shape.replace('@', secret));
            let server = RawServer::start(move |_| answer(&head, &body));
            let error = guard(call(client_of(&server.codex_base_url()).retry_policy(RetryPolicy::never()))).await;
            assert_auth_error_hides(&error);
            let sent = server.requests();
            let shown = |request: &RawRequest| {
                let headers = request.headers.iter().any(|(_, value)| value.contains("MARK"));
                headers || String::from_utf8_lossy(&request.body).contains("MARK")
            };
            assert!(sent.len() == 1 && sent.iter().all(shown), "the secret was not sent");
        }
    }
}

#[tokio::test]
async fn a_personal_access_token_that_the_server_echoes_is_hidden() {
    const PERSONAL: &str = "at-MARKed-and-without-digits";
    with_each_echo(PERSONAL, |builder| async move {
        PersonalAccessToken::verify(PERSONAL, &builder.auth_context().unwrap()).await.unwrap_err()
    })
    .await;
}

#[tokio::test]
async fn an_identity_token_that_the_service_echoes_is_hidden() {
    const IDENTITY: &str = "opaque/MARK9+identity=token";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, IDENTITY).unwrap();
    let path = &path;
    with_each_echo(IDENTITY, |builder| async move {
        let identity = WorkloadIdentity::new("rule-1", path).unwrap();
        let client = builder.provider(identity).build().unwrap();
        client.auth_headers().await.unwrap_err()
    })
    .await;
}

const REFRESH_TOKEN: &str = "opaque-MARK10-refresh-token";

fn expired_sign_in() -> MemoryStore {
    let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"exp":0}"#);
    let tokens = json!({ "access_token": format!("e30.{claims}.MARK11"), "refresh_token": REFRESH_TOKEN });
    MemoryStore::new(StoredCredentials::from_json(&json!({ "tokens": tokens }).to_string()).unwrap())
}

#[tokio::test]
async fn a_refresh_token_that_the_server_echoes_is_hidden_when_it_is_used() {
    with_each_echo(REFRESH_TOKEN, |builder| async move {
        let client = builder.provider(ChatGptSession::open(expired_sign_in()).unwrap()).build().unwrap();
        client.auth_headers().await.unwrap_err()
    })
    .await;
}

/// Its limit is shorter than those that the other clock knows from waits.
fn revoking_at(server: &RawServer) -> AuthContext {
    capture_traces();
    let builder = Client::builder().codex_base_url(server.codex_base_url()).environment(Environment::empty());
    builder.retry_policy(RetryPolicy::never()).auth_context().unwrap()
}

#[tokio::test]
async fn a_refresh_token_that_the_server_echoes_is_hidden_when_it_is_revoked() {
    for status in STATUSES.into_iter().filter(|status| !status.starts_with("200")) {
        for shape in SHAPES {
            let (head, body) =
                (format!("HTTP/1.1 {status}").replace('@', REFRESH_TOKEN), shape.replace('@', REFRESH_TOKEN));
            let server = RawServer::start(move |_| answer(&head, &body));
            let sign_out = SignOut::of(expired_sign_in());
            assert_debug_hides(&sign_out);
            let error = guard(sign_out.revoke(&revoking_at(&server))).await.unwrap_err();
            assert!(error.to_string().contains("HTTP"), "{error}");
            assert_auth_error_hides(&error);
        }
    }
    // The server confirms, and echoes it all the same.
    let server =
        RawServer::start(|request| answer("HTTP/1.1 200 OK\nx-request-id: opaque-MARK10-refresh-token", &request.body));
    let revoked = guard(SignOut::of(expired_sign_in()).revoke(&revoking_at(&server))).await.unwrap();
    assert_debug_hides(&revoked);
    assert_display_hides(&revoked);
    assert_nothing_traced();
}

#[tokio::test]
async fn new_tokens_in_an_answer_that_cannot_be_used_are_hidden() {
    let jwt = |auth: Value| {
        let claims = json!({ "https://api.openai.com/auth": auth }).to_string();
        format!("e30.{}.MARK12", BASE64_URL_SAFE_NO_PAD.encode(claims))
    };
    let exchanged = json!({
        "access_token": "MARK12 words",
        "token_type": "Bearer",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "expires_in": 60,
        "user_id": "user-1",
        "chatgpt_account_id": "acct-1",
        "chatgpt_account_user_id": "user-1__acct-1",
        "chatgpt_user_id": "user-1",
        "chatgpt_plan_type": "pro",
        "chatgpt_account_is_fedramp": false,
    });
    let with = |members: Value| {
        let mut body = exchanged.clone();
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body.to_string()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "MARK9-identity-token").unwrap();
    for body in [
        with(json!({})),
        with(json!({ "token_type": "MARK12" })),
        with(json!({ "issued_token_type": "MARK12", "access_token": "MARK12" })),
        with(json!({ "expires_in": "MARK12" })),
        with(json!({ "access_token": ["MARK12"] })),
        with(json!({ "access_token": jwt(json!({ "chatgpt_user_id": "user-2", "chatgpt_account_id": "acct-1" })) })),
        with(json!({ "access_token": jwt(json!({ "chatgpt_account_id": "acct-2" })) })),
        with(json!({ "chatgpt_account_id": "acct\n", "access_token": "MARK12" })),
        "{\"access_token\":\"MARK12".to_owned(),
        "MARK12".to_owned(),
    ] {
        let server = RawServer::start(move |_| answer("HTTP/1.1 200 OK", &body));
        let identity = WorkloadIdentity::new("rule-1", &path).unwrap();
        let client = client_of(&server.codex_base_url()).provider(identity.clone()).build().unwrap();
        let error = usage(&client).await.unwrap_err();
        assert_error_hides(&error);
        assert_debug_hides(&identity);
    }
}

#[tokio::test]
async fn the_tokens_of_a_host_application_and_ready_made_headers_are_hidden() {
    let server = RawServer::start(|request| {
        let said = format!("{} {}", credential(request), request.header("x-second-secret").unwrap_or_default());
        answer("HTTP/1.1 401 Told", said)
    });
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    headers.insert("x-second-secret", "plain MARK6 words".parse().unwrap());
    let ready_made = ReadyMadeHeaders::new(&headers).unwrap();
    let host = HostTokens::new(|request| {
        assert_debug_hides(&request);
        async { Ok(ChatGptTokens::new(TOKEN)) }
    });
    for auth in [CodexAuth::from(ready_made.clone()), CodexAuth::from(host.clone())] {
        let client = client_of(&server.codex_base_url()).codex_auth(&auth).unwrap().build().unwrap();
        assert_error_hides(&usage(&client).await.unwrap_err());
        assert_debug_hides(&auth);
        assert_debug_hides(auth.provider());
        assert_debug_hides(&client);
    }
    assert_debug_hides(&ready_made);
    assert_debug_hides(&host);
    for (tokens, restrictions) in [
        (ChatGptTokens::new("MARK1 words"), CredentialRestrictions::default()),
        (ChatGptTokens::new(TOKEN).account_id("acct\n"), CredentialRestrictions::default()),
        (ChatGptTokens::new(TOKEN).account_id("acct-1"), CredentialRestrictions::default().workspaces(["acct-2"])),
    ] {
        let host = HostTokens::restricted(restrictions, move |_| std::future::ready(Ok(tokens.clone())));
        let client = client_of(&server.codex_base_url()).provider(host).build().unwrap();
        assert_error_hides(&usage(&client).await.unwrap_err());
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_source_is_told_without_what_it_holds() {
    capture_traces();
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    let nowhere = Backend::start().unwrap();
    let load = |vars: Vec<(&str, &str)>| {
        let sources = AuthSources::default().environment(Environment::from_vars(vars));
        assert_debug_hides(&sources);
        let builder = nowhere.client();
        async move { guard(builder.load_auth(&sources)).await }
    };
    for (variable, value) in [
        ("CODEX_BACKEND_ACCESS_TOKEN", "MARK13 words"),
        ("CODEX_API_KEY", "sk MARK13"),
        ("CODEX_ACCESS_TOKEN", "at-MARK13 words"),
        ("CODEX_ACCESS_TOKEN", "at-MARK13"),
        ("CODEX_ACCESS_TOKEN", "MARK13.MARK13.MARK13"),
        ("CODEX_AGENT_IDENTITY", "MARK13"),
        ("OPENAI_FEDERATION_RULE_ID", "MARK13"),
        ("OPENAI_IDENTITY_TOKEN_FILE", "MARK13"),
    ] {
        assert_auth_error_hides(&load(vec![(variable, value)]).await.unwrap_err());
    }
    for text in [
        "MARK13",
        "{\"OPENAI_API_KEY\":\"MARK13",
        r#"{"auth_mode":"MARK13"}"#,
        r#"{"auth_mode":["MARK13"]}"#,
        r#"{"OPENAI_API_KEY":"sk MARK13"}"#,
        r#"{"OPENAI_API_KEY":["MARK13"]}"#,
        r#"{"tokens":["MARK13"]}"#,
        r#"{"tokens":{"access_token":"MARK13 words"}}"#,
        r#"{"tokens":{"access_token":["MARK13"],"refresh_token":"MARK13"}}"#,
        r#"{"personal_access_token":"MARK13"}"#,
        r#"{"personal_access_token":"at-MARK13"}"#,
        r#"{"personal_access_token":"at-MARK13 words"}"#,
        r#"{"bedrock_api_key":{"api_key":"MARK13"}}"#,
        r#"{"auth_mode":"agentIdentity","agent_identity":"MARK13"}"#,
        r#"{"auth_mode":"agentIdentity","agent_identity":{"agent_private_key":"MARK13"}}"#,
    ] {
        std::fs::write(folder.path().join("auth.json"), text).unwrap();
        assert_auth_error_hides(&load(vec![("CODEX_HOME", home)]).await.unwrap_err());
    }
}

// ---- settings, credentials and the tools of tests ----

#[tokio::test]
async fn clients_builders_and_credentials_show_no_secret() {
    let tokens = ChatGptTokens::new(TOKEN).account_id("acct-1");
    let key = ApiKey::new(API_KEY).organization("org-1").project("proj_1");
    assert_debug_hides(&tokens);
    assert_debug_hides(&key);
    let environment = Environment::from_vars([("OPENAI_API_KEY", API_KEY)]);
    assert_debug_hides(&environment);
    let builder =
        || Client::builder().environment(environment.clone()).proxy(format!("http://user:{PASSWORD}@proxy.test"));
    assert_debug_hides(&builder());
    assert_debug_hides(&builder().chatgpt(tokens.clone()));
    assert_debug_hides(&builder().api_key(key.clone()));
    let codex = builder().chatgpt(tokens).build().unwrap();
    let api = builder().api_key(key).build().unwrap();
    assert_debug_hides(&codex);
    assert_debug_hides(&api);
    for headers in [codex.auth_headers().await.unwrap(), api.auth_headers().await.unwrap()] {
        assert!(headers.iter().any(|(_, value)| value.to_str().unwrap().contains("MARK")));
        assert_debug_hides(&headers);
        assert_debug_hides(&http::HeaderMap::from(&headers));
    }
    assert_debug_hides(&OpenAiFileUpload::new(&codex));
    assert_debug_hides(&OpenAiFileUpload::new(&codex).bytes("a.txt", "MARK: content is not shown either"));
    assert_debug_hides(&Usage::new(&codex).get());
    let wrong = AnyClient::from(codex.clone()).into_openai_api().unwrap_err();
    assert_hidden(&views(&wrong));
    assert_debug_hides(&wrong.into_client());
    assert_debug_hides(&AnyClient::from(api));
}

#[test]
fn settings_that_are_refused_are_not_quoted() {
    let tokens = || ChatGptTokens::new(TOKEN);
    let jwt = |claims: &str| format!("e30.{}.MARK7signature", BASE64_URL_SAFE_NO_PAD.encode(claims));
    let of_an_account = jwt(r#"{"https://api.openai.com/auth":{"chatgpt_account_id":"acct-2"}}"#);
    let in_the_url = format!("https://user:{PASSWORD}@chatgpt.com/?token={TOKEN}#{TOKEN}");
    let builder = || Client::builder().environment(Environment::empty());
    let mut errors = vec![
        builder().codex_base_url(&in_the_url).chatgpt(tokens()).build().unwrap_err(),
        builder().codex_base_url(format!("https://evil.test/{TOKEN}?{TOKEN}")).chatgpt(tokens()).build().unwrap_err(),
        builder().codex_base_url(format!("https://evil.test/{TOKEN}")).chatgpt(tokens()).build().unwrap_err(),
        builder().dangerously_allow_origin(&in_the_url).chatgpt(tokens()).build().unwrap_err(),
        builder().openai_base_url(&in_the_url).api_key(API_KEY).build().unwrap_err(),
        builder().proxy(format!("gopher://user:{PASSWORD}@proxy.test")).api_key(API_KEY).build().unwrap_err(),
        builder().proxy(format!("http://user:{PASSWORD}@:1")).api_key(API_KEY).build().unwrap_err(),
        builder().root_certificates(TOKEN).api_key(API_KEY).build().unwrap_err(),
        builder().chatgpt(ChatGptTokens::new(of_an_account).account_id("acct-1")).build().unwrap_err(),
        builder().application(API_KEY.replace('-', "\n"), "1").api_key(API_KEY).build().unwrap_err(),
    ];
    for suffix in ["\n", " ", "\0", "é"] {
        errors.push(builder().chatgpt(ChatGptTokens::new(format!("{TOKEN}{suffix}x"))).build().unwrap_err());
        errors.push(builder().api_key(format!("{API_KEY}{suffix}x")).build().unwrap_err());
    }
    let account = ChatGptTokens::new(TOKEN).account_id(format!("{TOKEN}\n"));
    errors.push(builder().chatgpt(account).build().unwrap_err());
    for error in &errors {
        assert_hidden(&views(error));
    }
}

#[tokio::test]
async fn a_provider_that_makes_a_bad_header_or_is_refused_shows_no_secret() {
    struct Bad(&'static str);
    impl AuthProvider for Bad {
        type Route = CodexBackend;
        fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
            AuthFuture::ready(AuthHeaders::new(0).with_bearer(&self.0.into()))
        }
        fn refused<'a>(&'a self, refusal: &'a AuthRefusal, _: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
            assert_debug_hides(refusal);
            AuthFuture::ready(Err(AuthError::reauth_required("the session has ended")))
        }
    }
    let server = RawServer::start(|request| {
        let body = format!(r#"{{"error":{{"code":"{}"}}}}"#, credential(request));
        answer("HTTP/1.1 401 Told", body)
    });
    for (token, sent) in [("MARK8\nlines", 0), ("MARK8 words", 0), (TOKEN, 1)] {
        let client = client_of(&server.codex_base_url()).provider(Bad(token)).build().unwrap();
        let error = usage(&client).await.unwrap_err();
        assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Auth, sent));
        assert_error_hides(&error);
    }
}

#[tokio::test]
async fn the_embedded_backend_shows_no_credential_of_those_it_issued() {
    capture_traces();
    let backend = Backend::start().unwrap();
    let token = backend.issue_access_token("acct-embedded");
    let key = backend.client().api_key(backend.api_key()).build().unwrap().auth_headers().await.unwrap();
    let key = key.iter().next().unwrap().1.to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    let client = backend.client().chatgpt(ChatGptTokens::new(token.clone())).build().unwrap();
    backend.inject(Route::PUT_FILE, Fault::status(403));
    let failed = upload_error(&client).await;
    let file = guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await.unwrap();
    usage(&client).await.unwrap();
    let put = &backend.requests_to(Route::PUT_FILE)[1];
    let signature = put.target.split_once("sig=").unwrap().1;
    let shown = format!(
        "{backend:?} {backend:#?} {:?} {:#?} {file:?} {client:?} {} {}",
        backend.requests(),
        backend.files(),
        views(&failed),
        traced()
    );
    let token_parts = token.expose_secret().split('.').filter(|part| part.len() > 20);
    for secret in token_parts.chain([&*key, signature]) {
        assert!(!shown.contains(secret), "shows {secret}");
    }
    // The accessors do give what arrived.
    assert_eq!(put.header("authorization"), None);
    let created = &backend.requests_to(Route::CREATE_FILE)[0];
    assert_eq!(created.header("authorization").unwrap(), format!("Bearer {}", token.expose_secret()));
}
