//! Each way in which the embedded backend misbehaves on demand, seen by bare reqwest.

use std::time::{Duration, Instant};

use codex_backend::auth::{AuthContext, AuthFuture, AuthHeaders, AuthRecovery, AuthRefusal};
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::{AuthProvider, CodexBackend, ErrorKind, OpenAiFileUpload};
use serde_json::json;

use crate::server::{Answer, Visitor, bare_http};
use crate::support::{content, guard, impatient, start, uploads};

/// Asks for usage, the simplest of the routes.
async fn ask(backend: &Backend) -> reqwest::Result<Answer> {
    let visitor = Visitor::new(backend);
    let url = format!("{}/wham/usage", backend.codex_base_url());
    guard(visitor.send(bare_http().get(url).header("authorization", visitor.bearer()))).await
}

async fn assert_well(backend: &Backend) {
    let answer = ask(backend).await.unwrap();
    assert_eq!((answer.status, &answer.json()["plan_type"]), (200, &json!("plus")));
}

#[tokio::test]
async fn an_answer_has_the_status_headers_and_body_asked_for() {
    let backend = start();
    backend.inject(Route::GET_USAGE, Fault::status(418).header("x-tea", "green").body("short and stout"));
    let answer = ask(&backend).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (418, &b"short and stout"[..]));
    assert_eq!(answer.headers["x-tea"], "green");
    assert!(answer.headers.contains_key("x-request-id"));
    assert_well(&backend).await;
}

#[tokio::test]
async fn a_status_that_does_not_exist_is_500() {
    let backend = start();
    backend.inject(Route::GET_USAGE, Fault::status(1000));
    assert_eq!(ask(&backend).await.unwrap().status, 500);
}

#[tokio::test]
async fn faults_take_effect_in_order_as_often_as_asked_for_and_on_their_route_alone() {
    let backend = start();
    backend.inject(Route::GET_USAGE, Fault::status(502).times(2));
    backend.inject(Route::GET_USAGE, Fault::status(599).times(0));
    backend.inject(Route::GET_USAGE, Fault::status(503));
    backend.inject(Route::CREATE_FILE, Fault::status(504));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(ask(&backend).await.unwrap().status);
    }
    assert_eq!(statuses, [502, 502, 503, 200]);
    let answer = Visitor::new(&backend).post("/files", &[], &json!({})).await;
    assert_eq!(answer.status, 504);
}

#[tokio::test]
async fn a_delay_comes_before_an_answer_as_usual() {
    let backend = start();
    backend.inject(Route::GET_USAGE, Fault::delay(Duration::from_millis(150)));
    let asked = Instant::now();
    assert_well(&backend).await;
    assert!(asked.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn a_stall_reads_nothing_and_never_answers() {
    let backend = start();
    backend.inject(Route::GET_USAGE, Fault::stall());
    let visitor = Visitor::new(&backend);
    let request = bare_http().get(format!("{}/wham/usage", backend.codex_base_url()));
    let error = visitor.send(request.timeout(Duration::from_millis(200))).await.err().unwrap();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(backend.requests_to(Route::GET_USAGE).len(), 1);
    assert_well(&backend).await;
}

#[tokio::test]
async fn a_stalled_upload_comes_to_a_stop() {
    const SIZE: usize = 64 << 20;
    let backend = start();
    backend.inject(Route::PUT_FILE, Fault::stall());
    let reports = crate::support::Reports::default();
    let upload = tokio::spawn(reports.of(uploads(&backend).bytes("a.bin", vec![0; SIZE])).into_future());
    crate::support::until(|| !backend.requests_to(Route::PUT_FILE).is_empty()).await;
    crate::support::a_while().await;
    assert!(reports.bytes(1).last() < Some(&(SIZE as u64)), "all of it was taken");
    upload.abort();
}

#[tokio::test]
async fn a_reset_before_the_headers_is_an_error_without_an_answer() {
    let backend = start();
    backend.inject(Route::GET_USAGE, Fault::reset_before_headers());
    let error = ask(&backend).await.err().unwrap();
    assert!(error.is_request() && error.status().is_none(), "{error:?}");
    assert_eq!(backend.requests_to(Route::GET_USAGE).len(), 1);
    assert_well(&backend).await;
}

#[tokio::test]
async fn a_reset_in_the_body_comes_after_status_and_first_bytes() {
    let backend = start();
    backend.inject(Route::GET_USAGE, Fault::reset_in_body());
    let visitor = Visitor::new(&backend);
    let url = format!("{}/wham/usage", backend.codex_base_url());
    let request = bare_http().get(url).header("authorization", visitor.bearer());
    let mut answer = guard(request.send()).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut received = 0;
    let broken = loop {
        match guard(answer.chunk()).await {
            Ok(Some(chunk)) => received += chunk.len(),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken && received > 0, "broken: {broken}, after {received} bytes");
    assert_well(&backend).await;
}

#[tokio::test]
async fn truncated_json_is_a_whole_answer_with_half_the_json() {
    let backend = start();
    let whole = ask(&backend).await.unwrap().body;
    backend.inject(Route::GET_USAGE, Fault::truncated_json());
    let answer = ask(&backend).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &whole[..whole.len() / 2]));
    assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_err());
}

#[tokio::test]
async fn unauthorized_comes_with_its_code_for_the_first_calls() {
    let backend = start();
    backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired").times(2));
    for _ in 0..2 {
        let answer = ask(&backend).await.unwrap();
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &json!("token_expired")));
    }
    assert_well(&backend).await;
}

#[tokio::test]
async fn slow_reading_pauses_before_each_piece_and_keeps_the_content() {
    let backend = start();
    let pause = Duration::from_millis(60);
    backend.inject(Route::PUT_FILE, Fault::slow_reading(pause));
    let asked = Instant::now();
    guard(uploads(&backend).bytes("a.bin", "hello")).await.unwrap();
    // Before the only piece, and before the end.
    assert!(asked.elapsed() >= 2 * pause);
    assert_eq!(backend.files()[0].content().unwrap(), "hello");
}

#[tokio::test]
async fn a_redirect_is_answered_as_asked_for() {
    let backend = start();
    backend.inject(Route::GET_USAGE, Fault::redirect_to("https://elsewhere.test/x"));
    let answer = ask(&backend).await.unwrap();
    assert_eq!(answer.status, 307);
    assert_eq!(answer.headers["location"], "https://elsewhere.test/x");
}

#[tokio::test]
async fn an_upload_follows_no_redirect() {
    for route in [Route::CREATE_FILE, Route::PUT_FILE, Route::FINALIZE_FILE] {
        let (backend, elsewhere) = (start(), start());
        backend.inject(route, Fault::redirect_to(&format!("http://{}/backend-api/files", elsewhere.address())));
        let error = guard(uploads(&backend).bytes("a.txt", "hello")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Redirect, "{route:?}");
        assert!(error.to_string().contains(&elsewhere.address().to_string()), "{error}");
        assert_eq!(backend.requests_to(route).len(), 1, "{route:?}");
        assert!(elsewhere.requests().is_empty(), "{route:?}: {:?}", elsewhere.requests());
    }
}

/// Always has something newer.
struct Refreshing(AuthHeaders);

impl AuthProvider for Refreshing {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        AuthFuture::ready(Ok(self.0.clone()))
    }

    fn refused<'a>(&'a self, _: &'a AuthRefusal, _: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
        AuthFuture::ready(Ok(AuthRecovery::Retry))
    }
}

#[tokio::test]
async fn a_refused_token_is_refreshed_on_create_and_finalize_and_never_on_the_put() {
    for (route, sends) in [(Route::CREATE_FILE, 3), (Route::FINALIZE_FILE, 3), (Route::PUT_FILE, 1)] {
        let backend = start();
        backend.inject(route, Fault::unauthorized("token_expired").times(2));
        let headers = AuthHeaders::new(0).with_bearer(&backend.issue_access_token("acct-1")).unwrap();
        let client = backend.client().provider(Refreshing(headers)).retry_policy(impatient()).build().unwrap();
        let result = guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await;
        assert_eq!(backend.requests_to(route).len(), sends, "{route:?}");
        assert_eq!(result.is_ok(), sends == 3, "{route:?}: {result:?}");
    }
}

#[tokio::test]
async fn a_request_that_meets_a_fault_is_recorded_whole() {
    let backend = start();
    let body = json!({ "file_name": "a.txt", "file_size": 5, "use_case": "codex" });
    for fault in [Fault::status(503), Fault::reset_in_body(), Fault::truncated_json(), Fault::delay(Duration::ZERO)] {
        backend.inject(Route::CREATE_FILE, fault.clone());
        let visitor = Visitor::new(&backend);
        let request = bare_http().post(format!("{}/files", backend.codex_base_url())).body(body.to_string());
        drop(guard(visitor.send(request.header("authorization", visitor.bearer()))).await);
        let recorded = backend.requests_to(Route::CREATE_FILE).pop().unwrap();
        assert_eq!(recorded.json(), body, "{fault:?}");
        assert_eq!(recorded.header("authorization"), Some(&*visitor.bearer()), "{fault:?}");
    }
}

#[tokio::test]
async fn a_reset_in_the_body_breaks_the_answer_to_a_put_too() {
    let backend = start();
    backend.inject(Route::PUT_FILE, Fault::reset_in_body());
    guard(uploads(&backend).bytes("a.bin", content(5))).await.unwrap();
    assert_eq!(backend.requests_to(Route::PUT_FILE).len(), 2, "the fault had no effect");
}
