//! One call over real sockets: what is retried and when, time-outs, redirects, and what errors tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use codex_backend::auth::{AuthContext, AuthFuture, AuthHeaders};
use codex_backend::limits::PlanType;
use codex_backend::testing::{Backend, Fault, ManualClock, Route};
use codex_backend::transport::{Body, Environment, Transport, TransportError, TransportFuture, TransportRequest};
use codex_backend::usage::UsageReport;
use codex_backend::{
    AuthError, AuthProvider, ChatGptTokens, Client, ClientBuilder, CodexBackend, Error, ErrorKind, OpenAiFileUpload,
    RetryPolicy, Timeouts, Usage,
};
use futures_util::StreamExt;
use secrecy::SecretString;

use crate::support::clock::WaitLog;
use crate::support::guard::guard;
use crate::support::raw::{RawServer, answer};

const SECOND: Duration = Duration::from_secs(1);

fn builder(backend: &Backend) -> ClientBuilder<CodexBackend> {
    backend.client().chatgpt(backend.chatgpt_tokens())
}

/// A client whose waits pass at once.
fn client(backend: &Backend) -> Client<CodexBackend> {
    builder(backend).clock(WaitLog::default()).build().unwrap()
}

fn raw_client(server: &RawServer) -> Client<CodexBackend> {
    Client::builder()
        .codex_base_url(server.codex_base_url())
        .environment(Environment::empty())
        .chatgpt(ChatGptTokens::new("opaque-access-token"))
        .retry_policy(RetryPolicy::never())
        .build()
        .unwrap()
}

async fn usage(client: &Client<CodexBackend>) -> Result<UsageReport, Error> {
    guard(Usage::new(client).get()).await
}

async fn upload_error(client: &Client<CodexBackend>) -> Error {
    guard(OpenAiFileUpload::new(client).bytes("a.txt", "hello")).await.unwrap_err()
}

fn asked(backend: &Backend) -> usize {
    backend.requests_to(Route::GET_USAGE).len()
}

/// Waits until that many requests have arrived: a time-out that passes earlier would end them unsent.
async fn until_asked(backend: &Backend, requests: usize) {
    let arrived = async {
        while backend.requests().len() < requests {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    guard(arrived).await;
}

fn immediately() -> RetryPolicy {
    RetryPolicy::default().base_delay(Duration::ZERO)
}

fn date(text: &str) -> SystemTime {
    httpdate::parse_http_date(text).unwrap()
}

// ---- what is retried ----

#[tokio::test]
async fn a_read_is_retried_when_the_server_fails() {
    for status in [500, 502, 503, 504] {
        let backend = Backend::start().unwrap();
        backend.inject(Route::GET_USAGE, Fault::status(status).times(2));
        let report = usage(&client(&backend)).await.unwrap_or_else(|error| panic!("{status}: {error}"));
        assert_eq!(report.plan_type, Some(PlanType::Plus));
        assert_eq!(asked(&backend), 3, "{status}");
    }
}

#[tokio::test]
async fn a_read_is_retried_when_the_connection_is_reset() {
    for fault in [Fault::reset_before_headers(), Fault::reset_in_body()] {
        let backend = Backend::start().unwrap();
        let client = client(&backend);
        // The second call meets the reset on a connection that has been used before.
        for calls in 1..=2 {
            backend.inject(Route::GET_USAGE, fault.clone());
            usage(&client).await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
            assert_eq!(asked(&backend), 2 * calls, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_call_that_keeps_failing_is_sent_three_times_and_tells_the_last_failure() {
    for (fault, kind, status) in [
        (Fault::status(503), ErrorKind::Server, Some(503)),
        (Fault::reset_before_headers(), ErrorKind::Interrupted, None),
        (Fault::reset_in_body(), ErrorKind::Interrupted, Some(200)),
    ] {
        let backend = Backend::start().unwrap();
        backend.inject(Route::GET_USAGE, fault.clone().times(9));
        let error = usage(&client(&backend)).await.unwrap_err();
        assert_eq!((error.kind(), error.status().map(|status| status.as_u16())), (kind, status), "{error:?}");
        assert_eq!((error.attempts(), asked(&backend)), (3, 3), "{fault:?}");
        assert!(error.is_retryable() && error.may_have_been_sent(), "{error:?}");
        assert!(error.to_string().contains("3 attempts"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_a_retry_does_not_change_is_final() {
    for (status, kind) in [
        (400, ErrorKind::InvalidRequest),
        (401, ErrorKind::Unauthorized),
        (403, ErrorKind::Forbidden),
        (404, ErrorKind::NotFound),
        (409, ErrorKind::Conflict),
        (412, ErrorKind::Conflict),
        (413, ErrorKind::InvalidRequest),
        (415, ErrorKind::InvalidRequest),
        (418, ErrorKind::UnexpectedStatus),
        (422, ErrorKind::InvalidRequest),
    ] {
        let backend = Backend::start().unwrap();
        backend.inject(Route::GET_USAGE, Fault::status(status));
        let error = usage(&client(&backend)).await.unwrap_err();
        assert_eq!((error.kind(), error.status().unwrap().as_u16()), (kind, status));
        assert_eq!((asked(&backend), error.attempts()), (1, 1), "{status}");
        assert!(!error.is_retryable(), "{status}");
    }
}

#[tokio::test]
async fn waits_between_attempts_double_and_are_drawn_below_their_bound() {
    for _ in 0..10 {
        let backend = Backend::start().unwrap();
        backend.inject(Route::GET_USAGE, Fault::status(503).times(9));
        let clock = WaitLog::default();
        let policy = RetryPolicy::default()
            .max_attempts(5)
            .base_delay(Duration::from_millis(400))
            .max_delay(Duration::from_millis(1000));
        let client = builder(&backend).clock(clock.clone()).retry_policy(policy).build().unwrap();
        usage(&client).await.unwrap_err();
        let waits = clock.waits();
        assert_eq!(waits.len(), 4, "{waits:?}");
        for (wait, bound) in waits.iter().zip([400, 800, 1000, 1000]) {
            let bound = Duration::from_millis(bound);
            assert!(*wait >= bound / 2 && *wait <= bound, "{waits:?}");
        }
    }
}

#[tokio::test]
async fn a_request_that_is_not_idempotent_is_not_retried_once_the_server_may_have_acted() {
    for (fault, kind) in [
        (Fault::status(500), ErrorKind::Server),
        (Fault::status(503), ErrorKind::Server),
        (Fault::reset_before_headers(), ErrorKind::Interrupted),
        (Fault::reset_in_body(), ErrorKind::Interrupted),
    ] {
        let backend = Backend::start().unwrap();
        backend.inject(Route::CREATE_FILE, fault.clone());
        let error = upload_error(&client(&backend)).await;
        assert_eq!((error.kind(), error.operation()), (kind, "files.create"));
        assert!(error.may_have_been_sent(), "{error:?}");
        assert_eq!(backend.requests().len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_burst_limit_is_waited_out_even_where_a_retry_would_not_be_safe() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::CREATE_FILE, Fault::status(429).header("retry-after", "3"));
    let clock = WaitLog::default();
    let client = builder(&backend).clock(clock.clone()).build().unwrap();
    guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await.unwrap();
    assert_eq!(backend.requests_to(Route::CREATE_FILE).len(), 2);
    assert_eq!((backend.files().len(), clock.waits()), (1, vec![3 * SECOND]));
}

/// Fails a number of times in the given way, then sends by an HTTP stack of its own.
#[derive(Debug)]
struct Unreliable {
    failures: u32,
    sendings: Arc<AtomicU32>,
    fail: fn() -> TransportError,
}

impl Transport for Unreliable {
    fn send(&self, request: TransportRequest) -> TransportFuture<'_> {
        let sendings = self.sendings.fetch_add(1, Ordering::SeqCst) + 1;
        Box::pin(async move {
            if sendings <= self.failures {
                return Err((self.fail)());
            }
            let (parts, mut body) = request.into_http().map_err(TransportError::not_sent)?.into_parts();
            let mut content = Vec::new();
            while let Some(chunk) = body.next().await {
                content.extend_from_slice(&chunk?);
            }
            let _installed_before = rustls::crypto::ring::default_provider().install_default();
            let stack = reqwest::Client::builder().no_proxy().build().map_err(TransportError::not_sent)?;
            let request = stack.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(content);
            let answer = request.send().await.map_err(TransportError::interrupted)?;
            let mut response = http::Response::new(());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            let body = answer.bytes().await.map_err(TransportError::interrupted)?;
            Ok(response.map(|()| Body::from(body)))
        })
    }
}

fn unreliable(failures: u32, fail: fn() -> TransportError) -> (Unreliable, Arc<AtomicU32>) {
    let sendings = Arc::new(AtomicU32::new(0));
    (Unreliable { failures, sendings: sendings.clone(), fail }, sendings)
}

#[tokio::test]
async fn any_request_is_retried_when_it_is_certain_that_nothing_was_sent() {
    let backend = Backend::start().unwrap();
    let (transport, sendings) = unreliable(2, || TransportError::not_sent("no route"));
    let client = builder(&backend).clock(WaitLog::default()).transport(transport).build().unwrap();
    guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await.unwrap();
    // Two failures, then create, put and finalize.
    assert_eq!(sendings.load(Ordering::SeqCst), 5);
    assert_eq!(backend.files()[0].content().unwrap(), "hello");
}

#[tokio::test]
async fn a_request_that_is_not_idempotent_is_not_retried_after_an_interrupted_transport() {
    let backend = Backend::start().unwrap();
    let (transport, sendings) = unreliable(1, || TransportError::interrupted("gone"));
    let client = builder(&backend).clock(WaitLog::default()).transport(transport).build().unwrap();
    let error = upload_error(&client).await;
    assert_eq!((error.kind(), sendings.load(Ordering::SeqCst)), (ErrorKind::Interrupted, 1));
    assert!(error.may_have_been_sent());
}

/// An address of this machine at which nobody listens, for as long as the socket is held.
fn nobody() -> (tokio::net::TcpSocket, String) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, format!("http://{address}/backend-api"))
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_and_known_not_to_have_been_sent() {
    let (_held, base_url) = nobody();
    let client = Client::builder()
        .codex_base_url(&base_url)
        .environment(Environment::empty())
        .chatgpt(ChatGptTokens::new("opaque-access-token"))
        .clock(WaitLog::default())
        .build()
        .unwrap();
    for error in [usage(&client).await.unwrap_err(), upload_error(&client).await] {
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 3), "{error:?}");
        assert!(error.is_connect() && error.is_retryable() && !error.may_have_been_sent());
        assert!(error.to_string().contains(base_url.trim_end_matches("/backend-api")), "{error}");
    }
}

// ---- Retry-After ----

const NOW: &str = "Wed, 21 Oct 2026 07:28:00 GMT";

#[tokio::test]
async fn the_wait_that_the_server_asks_for_is_the_wait_that_is_made() {
    for (headers, body, wait) in [
        (vec![("retry-after", "7")], "", 7 * SECOND),
        (vec![("retry-after", "1.5")], "", Duration::from_millis(1500)),
        (vec![("retry-after-ms", "250")], "", Duration::from_millis(250)),
        (vec![("retry-after-ms", "250"), ("retry-after", "7")], "", Duration::from_millis(250)),
        (vec![("retry-after", "Wed, 21 Oct 2026 07:28:40 GMT")], "", 40 * SECOND),
        (
            vec![],
            r#"{"error":{"message":"Rate limit reached. Please try again in 11.054s."}}"#,
            Duration::from_millis(11_054),
        ),
        (vec![], r#"{"error":{"message":"Rate limit reached. Please try again in 28ms."}}"#, Duration::from_millis(28)),
    ] {
        let backend = Backend::start().unwrap();
        let fault =
            headers.iter().fold(Fault::status(429).body(body), |fault, (name, value)| fault.header(name, value));
        backend.inject(Route::GET_USAGE, fault);
        let clock = ManualClock::starting_at(date(NOW));
        let client = builder(&backend).clock(clock.clone()).build().unwrap();
        let call = tokio::spawn(Usage::new(&client).get().into_future());
        guard(clock.until_asleep_for(wait)).await;
        assert_eq!(asked(&backend), 1, "{headers:?} {body}");
        clock.advance(wait);
        guard(call).await.unwrap().unwrap_or_else(|error| panic!("{headers:?} {body}: {error}"));
        assert_eq!(asked(&backend), 2, "{headers:?} {body}");
    }
}

#[tokio::test]
async fn a_date_that_has_passed_means_no_wait() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::status(503).header("retry-after", "Wed, 21 Oct 2026 07:27:00 GMT"));
    let client = builder(&backend).clock(ManualClock::starting_at(date(NOW))).build().unwrap();
    usage(&client).await.unwrap();
    assert_eq!(asked(&backend), 2);
}

#[tokio::test]
async fn a_wait_over_the_maximum_ends_the_call_and_is_told() {
    for (fault, kind) in [(Fault::status(429), ErrorKind::RateLimited), (Fault::status(503), ErrorKind::Server)] {
        for (asked_for, sendings) in [("20", 2), ("21", 1)] {
            let backend = Backend::start().unwrap();
            backend.inject(Route::GET_USAGE, fault.clone().header("retry-after", asked_for).times(2));
            let clock = WaitLog::default();
            let policy = RetryPolicy::default().max_attempts(2).max_retry_after(20 * SECOND);
            let client = builder(&backend).clock(clock.clone()).retry_policy(policy).build().unwrap();
            let error = usage(&client).await.unwrap_err();
            let seconds: u64 = asked_for.parse().unwrap();
            assert_eq!((error.kind(), error.retry_after()), (kind, Some(Duration::from_secs(seconds))));
            assert_eq!((asked(&backend), clock.waits().len()), (sendings, sendings - 1), "{asked_for}");
            assert!(error.to_string().contains(&format!("retry after {asked_for} s")), "{error}");
        }
    }
}

#[tokio::test]
async fn a_wait_that_the_time_of_the_call_does_not_allow_is_not_begun() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::status(429).header("retry-after", "10"));
    let clock = ManualClock::starting_at(date(NOW));
    let timeouts = Timeouts::default().call(10 * SECOND);
    let client = builder(&backend).clock(clock).timeouts(timeouts).build().unwrap();
    let error = usage(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(10 * SECOND)));
    assert_eq!(asked(&backend), 1);
}

// ---- limits that waiting a moment does not lift ----

fn usage_limit_answer() -> Vec<u8> {
    let recorded = include_str!("../data/http_01_429_usage_limit.txt");
    let (head, body) = recorded.split_once("\n\n").unwrap();
    answer(head, body)
}

#[tokio::test]
async fn a_usage_limit_is_typed_with_plan_and_reset_and_never_retried() {
    const RESETS_AT: u64 = 1_773_860_656;
    let resets_at = SystemTime::UNIX_EPOCH + Duration::from_secs(RESETS_AT);
    for (now, expected) in [
        (resets_at - 100 * SECOND, resets_at),
        // A moment that has passed is stale, and the time left counts from now.
        (resets_at + SECOND, resets_at + SECOND + 471_285 * SECOND),
    ] {
        let server = RawServer::start(|_| usage_limit_answer());
        let client = Client::builder()
            .codex_base_url(server.codex_base_url())
            .environment(Environment::empty())
            .chatgpt(ChatGptTokens::new("opaque-access-token"))
            .clock(ManualClock::starting_at(now))
            .build()
            .unwrap();
        for error in [usage(&client).await.unwrap_err(), upload_error(&client).await] {
            assert_eq!((error.kind(), error.attempts()), (ErrorKind::UsageLimit, 1), "{error:?}");
            assert_eq!(error.code(), Some("usage_limit_reached"));
            let limit = error.usage_limit().unwrap();
            assert_eq!((&limit.plan_type, limit.resets_at), (&Some(PlanType::Free), Some(expected)));
            assert_eq!(error.retry_after(), Some(expected.duration_since(now).unwrap()));
            assert_eq!(error.request_id(), Some("00000000-0000-4000-8000-000000000001"));
            assert!(error.to_string().contains("The usage limit has been reached"), "{error}");
        }
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn limits_of_plan_and_quota_are_told_apart_from_a_burst_limit_and_never_retried() {
    for (body, kind) in [
        (r#"{"error":{"type":"usage_limit_reached","message":"…","resets_in_seconds":1}}"#, ErrorKind::UsageLimit),
        (r#"{"error":{"code":"insufficient_quota","message":"…"}}"#, ErrorKind::QuotaExceeded),
        (r#"{"error":{"type":"insufficient_quota","code":null,"message":"…"}}"#, ErrorKind::QuotaExceeded),
        (r#"{"error":{"type":"usage_not_included","message":"…"}}"#, ErrorKind::NotIncluded),
        (r#"{"detail":{"code":"usage_not_included"}}"#, ErrorKind::NotIncluded),
    ] {
        let backend = Backend::start().unwrap();
        let fault = Fault::status(429).header("retry-after", "1").body(body);
        backend.inject(Route::GET_USAGE, fault.clone());
        backend.inject(Route::CREATE_FILE, fault);
        let client = client(&backend);
        for error in [usage(&client).await.unwrap_err(), upload_error(&client).await] {
            assert_eq!((error.kind(), error.attempts()), (kind, 1), "{error:?}");
            assert_eq!(error.usage_limit().is_some(), kind == ErrorKind::UsageLimit);
        }
        assert_eq!(backend.requests().len(), 2, "{body}");
    }
}

#[tokio::test]
async fn an_overloaded_server_is_told_apart_and_a_read_is_retried() {
    for (code, kind) in [("server_is_overloaded", ErrorKind::Overloaded), ("slow_down", ErrorKind::RateLimited)] {
        let backend = Backend::start().unwrap();
        let body = format!(r#"{{"error":{{"code":"{code}","message":"Overloaded"}}}}"#);
        backend.inject(Route::GET_USAGE, Fault::status(503).body(body).times(3));
        let error = usage(&client(&backend)).await.unwrap_err();
        assert_eq!((error.kind(), error.code(), asked(&backend)), (kind, Some(code), 3));
        assert!(error.is_retryable());
    }
}

// ---- the policy ----

#[tokio::test]
async fn the_budget_is_shared_by_the_calls_of_a_client_and_its_clones() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::status(503).times(100));
    let client = builder(&backend).retry_policy(immediately().budget(3, 0.0)).build().unwrap();
    let mut attempts = Vec::new();
    for _ in 0..4 {
        attempts.push(usage(&client.clone()).await.unwrap_err().attempts());
    }
    assert_eq!((attempts, asked(&backend)), (vec![3, 2, 1, 1], 7));
}

#[tokio::test]
async fn calls_that_succeed_fill_the_budget_up_to_its_capacity() {
    let backend = Backend::start().unwrap();
    let client = builder(&backend).retry_policy(immediately().budget(1, 0.5)).build().unwrap();
    let fails = async || {
        backend.inject(Route::GET_USAGE, Fault::status(503).times(3));
        let attempts = usage(&client).await.unwrap_err().attempts();
        // What is left of the three is used up by calls that are not retried.
        for _ in attempts..3 {
            let left = Usage::new(&client).get().with_retry_policy(RetryPolicy::never());
            guard(left).await.unwrap_err();
        }
        attempts
    };
    assert_eq!(fails().await, 2, "it starts full");
    assert_eq!(fails().await, 1, "it is empty");
    usage(&client).await.unwrap();
    assert_eq!(fails().await, 1, "half a token is none");
    for _ in 0..9 {
        usage(&client).await.unwrap();
    }
    assert_eq!(fails().await, 2, "it holds one token and no more");
}

#[tokio::test]
async fn a_policy_may_forbid_every_retry() {
    for fault in [Fault::status(503), Fault::status(429), Fault::reset_before_headers()] {
        let backend = Backend::start().unwrap();
        backend.inject(Route::GET_USAGE, fault);
        let client = builder(&backend).retry_policy(RetryPolicy::never()).build().unwrap();
        let error = usage(&client).await.unwrap_err();
        assert_eq!((error.attempts(), asked(&backend)), (1, 1), "{error}");
    }
}

#[tokio::test]
async fn one_call_may_have_a_policy_of_its_own() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::status(503).times(8));
    let client =
        builder(&backend).clock(WaitLog::default()).retry_policy(immediately().max_attempts(2)).build().unwrap();
    let attempts =
        async |policy| guard(Usage::new(&client).get().with_retry_policy(policy)).await.unwrap_err().attempts();
    assert_eq!(attempts(RetryPolicy::never()).await, 1);
    assert_eq!(attempts(immediately().max_attempts(5)).await, 5);
    assert_eq!(usage(&client).await.unwrap_err().attempts(), 2);
}

/// Yields the count of its calls with the token.
struct Counting {
    token: SecretString,
    made: AtomicU32,
}

impl AuthProvider for Counting {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        let made = self.made.fetch_add(1, Ordering::SeqCst) + 1;
        let headers = AuthHeaders::new(0).with_bearer(&self.token);
        AuthFuture::ready(headers.and_then(|headers| headers.with_header("x-made", &made.to_string())))
    }
}

#[tokio::test]
async fn auth_headers_are_made_anew_for_each_attempt() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::status(503));
    backend.inject(Route::GET_USAGE, Fault::reset_before_headers());
    let provider = Counting { token: backend.issue_access_token("acct-embedded"), made: AtomicU32::new(0) };
    let client = backend.client().provider(provider).clock(WaitLog::default()).build().unwrap();
    usage(&client).await.unwrap();
    let requests = backend.requests();
    let made: Vec<_> = requests.iter().map(|request| request.header("x-made").unwrap()).collect();
    assert_eq!(made, ["1", "2", "3"]);
    assert!(requests.iter().all(|request| request.headers.get_all("x-made").iter().count() == 1));
}

// ---- time-outs ----

fn timed(backend: &Backend, timeouts: Timeouts) -> (Client<CodexBackend>, ManualClock) {
    let clock = ManualClock::starting_at(date(NOW));
    let client = builder(backend).clock(clock.clone()).timeouts(timeouts).retry_policy(immediately()).build().unwrap();
    (client, clock)
}

#[tokio::test]
async fn an_attempt_without_an_answer_is_ended_and_a_read_is_sent_again() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::stall());
    let (client, clock) = timed(&backend, Timeouts::default().attempt(5 * SECOND));
    let call = tokio::spawn(Usage::new(&client).get().into_future());
    guard(clock.until_asleep_for(5 * SECOND)).await;
    until_asked(&backend, 1).await;
    assert!(!call.is_finished());
    clock.advance(5 * SECOND);
    guard(call).await.unwrap().unwrap();
    assert_eq!(asked(&backend), 2);
}

#[tokio::test]
async fn a_request_that_is_not_idempotent_is_not_retried_after_a_time_out() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::CREATE_FILE, Fault::stall());
    let (client, clock) = timed(&backend, Timeouts::default().attempt(5 * SECOND));
    let call = tokio::spawn(OpenAiFileUpload::new(&client).bytes("a.txt", "hello").into_future());
    guard(clock.until_asleep_for(5 * SECOND)).await;
    clock.advance(5 * SECOND);
    let error = guard(call).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.status()), (ErrorKind::Timeout, 1, None));
    assert!(error.is_timeout() && error.is_retryable() && error.may_have_been_sent(), "{error:?}");
    assert!(error.to_string().contains("5s"), "{error}");
}

#[tokio::test]
async fn the_limit_of_a_call_spans_its_attempts() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::stall().times(9));
    let (client, clock) = timed(&backend, Timeouts::default().attempt(6 * SECOND).call(10 * SECOND));
    let call = tokio::spawn(Usage::new(&client).get().into_future());
    for left in [6 * SECOND, 4 * SECOND] {
        guard(clock.until_asleep_for(left)).await;
        clock.advance(left);
    }
    let error = guard(call).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 2));
    assert!(error.to_string().contains("10s") && error.may_have_been_sent(), "{error:?}");
}

#[tokio::test]
async fn the_waits_between_attempts_count_towards_the_limit_of_the_call() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::status(503).header("retry-after", "7"));
    backend.inject(Route::GET_USAGE, Fault::stall());
    let (client, clock) = timed(&backend, Timeouts::default().attempt(6 * SECOND).call(10 * SECOND));
    let call = tokio::spawn(Usage::new(&client).get().into_future());
    for (asleep, sent) in [(7 * SECOND, 1), (3 * SECOND, 2)] {
        guard(clock.until_asleep_for(asleep)).await;
        assert!(asked(&backend) <= sent);
        clock.advance(asleep);
    }
    let error = guard(call).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 2), "{error}");
}

#[tokio::test]
async fn one_call_may_have_time_limits_of_its_own() {
    let backend = Backend::start().unwrap();
    for (timeouts, expected) in [
        (Timeouts::default().attempt(3 * SECOND), 3 * SECOND),
        (Timeouts::default().attempt(90 * SECOND).call(2 * SECOND), 2 * SECOND),
    ] {
        backend.inject(Route::GET_USAGE, Fault::stall());
        let (client, clock) = timed(&backend, Timeouts::default().attempt(50 * SECOND));
        let request = Usage::new(&client).get().with_timeouts(timeouts).with_retry_policy(RetryPolicy::never());
        let call = tokio::spawn(request.into_future());
        guard(clock.until_asleep_for(expected)).await;
        clock.advance(expected);
        let error = guard(call).await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 1));
        assert!(error.to_string().contains(&format!("{expected:?}")), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_stops_in_its_middle_is_bounded_by_the_attempt() {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/backend-api", server.local_addr().unwrap());
    let clock = ManualClock::starting_at(date(NOW));
    let client = Client::builder()
        .codex_base_url(base_url)
        .environment(Environment::empty())
        .chatgpt(ChatGptTokens::new("opaque-access-token"))
        .clock(clock.clone())
        .retry_policy(RetryPolicy::never())
        .build()
        .unwrap();
    let call = tokio::spawn(Usage::new(&client).get().into_future());
    let (mut stream, _) = guard(server.accept()).await.unwrap();
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"plan_type\":";
    tokio::io::AsyncWriteExt::write_all(&mut stream, half).await.unwrap();
    guard(clock.until_asleep_for(60 * SECOND)).await;
    clock.advance(60 * SECOND);
    let error = guard(call).await.unwrap().unwrap_err();
    assert!(error.is_timeout() && error.may_have_been_sent(), "{error:?}");
}

#[tokio::test]
async fn making_a_connection_has_a_limit_of_its_own() {
    // Accepted by the system, and never answered: the TLS handshake does not come to its end.
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let origin = format!("https://{}", silent.local_addr().unwrap());
    let client = Client::builder()
        .codex_base_url(&origin)
        .environment(Environment::empty())
        .chatgpt(ChatGptTokens::new("opaque-access-token"))
        .timeouts(Timeouts::default().connect(Duration::from_millis(50)))
        .retry_policy(immediately().max_attempts(2))
        .build()
        .unwrap();
    let error = usage(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 2), "{error:?}");
    assert!(!error.may_have_been_sent());
    assert!(error.to_string().contains(&origin) && error.to_string().contains("50ms"), "{error}");
}

// ---- redirects ----

#[tokio::test]
async fn a_redirect_is_an_error_and_the_other_host_sees_nothing() {
    for status in [300, 301, 302, 303, 307, 308] {
        let (backend, other) = (Backend::start().unwrap(), Backend::start().unwrap());
        let location = format!("{}/wham/usage?sig=not-to-be-shown", other.codex_base_url());
        let fault = Fault::status(status).header("location", &location);
        backend.inject(Route::GET_USAGE, fault.clone());
        backend.inject(Route::CREATE_FILE, fault);
        let client = client(&backend);
        for error in [usage(&client).await.unwrap_err(), upload_error(&client).await] {
            assert_eq!((error.kind(), error.attempts()), (ErrorKind::Redirect, 1), "{error:?}");
            assert_eq!(error.status().unwrap().as_u16(), status);
            assert!(error.to_string().contains(&format!("http://{}", other.address())), "{error}");
            assert!(!format!("{error} {error:?}").contains("not-to-be-shown"), "{error:?}");
        }
        assert_eq!((backend.requests().len(), other.requests().len()), (2, 0), "{status}");
    }
}

#[tokio::test]
async fn a_redirect_to_the_same_host_or_to_nowhere_is_not_followed_either() {
    for location in [Some("/backend-api/wham/usage"), Some("not a url"), None] {
        let backend = Backend::start().unwrap();
        let fault = Fault::status(307);
        backend.inject(Route::GET_USAGE, location.map_or(fault.clone(), |location| fault.header("location", location)));
        let error = usage(&client(&backend)).await.unwrap_err();
        assert_eq!((error.kind(), asked(&backend)), (ErrorKind::Redirect, 1));
    }
}

// ---- what errors tell ----

async fn answered(fault: Fault) -> Error {
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, fault);
    let client = builder(&backend).retry_policy(RetryPolicy::never()).build().unwrap();
    let error = usage(&client).await.unwrap_err();
    assert_eq!((error.operation(), asked(&backend)), ("usage.get", 1));
    assert!(error.may_have_been_sent());
    error
}

#[tokio::test]
async fn error_bodies_of_every_shape_are_understood() {
    use ErrorKind::{Conflict, Forbidden, InvalidRequest, Server};
    for (status, body, kind, code, said) in [
        (
            400,
            r#"{"error":{"code":"bad_name","message":"The name is bad","type":"invalid_request_error"}}"#,
            InvalidRequest,
            Some("bad_name"),
            Some("The name is bad"),
        ),
        (
            400,
            r#"{"error":{"type":"bad_type","message":"No code"}}"#,
            InvalidRequest,
            Some("bad_type"),
            Some("No code"),
        ),
        (400, r#"{"error":"invalid_grant"}"#, InvalidRequest, Some("invalid_grant"), Some("invalid_grant")),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"It has expired"}"#,
            InvalidRequest,
            Some("invalid_grant"),
            Some("It has expired"),
        ),
        (400, r#"{"error":"Something is wrong"}"#, InvalidRequest, None, Some("Something is wrong")),
        (400, r#"{"detail":"Store must be set to false"}"#, InvalidRequest, None, Some("Store must be set to false")),
        (403, r#"{"detail":{"code":"no_seat","message":"No seat"}}"#, Forbidden, Some("no_seat"), Some("No seat")),
        (
            422,
            r#"{"detail":[{"loc":["body","file_name"],"msg":"field required","type":"missing"}]}"#,
            InvalidRequest,
            None,
            Some("field required"),
        ),
        (
            409,
            r#"{"code":"conflict_here","message":"Already there"}"#,
            Conflict,
            Some("conflict_here"),
            Some("Already there"),
        ),
        (500, r#""only a string""#, Server, None, Some("only a string")),
        (500, "plain text\r\non two lines", Server, None, Some("plain text on two lines")),
        // Other servers' shapes.
        (
            400,
            r#"[{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT"}}]"#,
            InvalidRequest,
            Some("INVALID_ARGUMENT"),
            Some("API key not valid"),
        ),
        (
            400,
            r#"{"errors":[{"message":"bad model","code":7003}],"success":false,"result":null}"#,
            InvalidRequest,
            None,
            Some("bad model"),
        ),
        (400, r#"{"error":null,"errors":["first","second"]}"#, InvalidRequest, None, Some("first")),
        (
            400,
            r#"{"error":[{"message":"in a list","code":"listed"}]}"#,
            InvalidRequest,
            Some("listed"),
            Some("in a list"),
        ),
        (400, r#""{\"error\":{\"message\":\"inner words\"}}""#, InvalidRequest, None, Some("inner words")),
        (400, r#"{"error":"{\"message\":\"inner\",\"code\":\"c\"}"}"#, InvalidRequest, Some("c"), Some("inner")),
        (
            400,
            r#"{"error":{"type":"upstream","message":"{\"error\":{\"message\":\"of another server\",\"code\":\"c\"}}"}}"#,
            InvalidRequest,
            Some("upstream"),
            Some("of another server"),
        ),
        (
            400,
            r#"{"title":"Bad Request","status":400,"detail":"words of a problem"}"#,
            InvalidRequest,
            None,
            Some("words of a problem"),
        ),
        (400, "\u{feff}{\"error\":{\"message\":\"behind a mark\"}}", InvalidRequest, None, Some("behind a mark")),
        (
            409,
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Error><Code>BlobAlreadyExists</Code><Message>It &lt;is&gt; there\nRequestId:1</Message></Error>",
            Conflict,
            Some("BlobAlreadyExists"),
            Some("It <is> there RequestId:1"),
        ),
        (
            409,
            r#"<m:error xmlns:m="x"><m:code>Taken</m:code><m:message xml:lang="en">It is there</m:message></m:error>"#,
            Conflict,
            Some("Taken"),
            Some("It is there"),
        ),
        // Where no words are found, the body is shown.
        (500, "[1,2]", Server, None, Some("[1,2]")),
        (500, r#"{"error":{"message":7,"code":8}}"#, Server, None, Some(r#"{"error":{"message":7,"code":8}}"#)),
        (500, r#"{"at":"sk-proj-abcdef123456"}"#, Server, None, Some(r#"{"at":"[hidden]"}"#)),
        (500, "<a><b/></a>", Server, None, Some("<a><b/></a>")),
        (500, "null", Server, None, None),
        (500, "{}", Server, None, None),
        (500, "", Server, None, None),
        (500, "<html><body>Bad gateway</body></html>", Server, None, None),
    ] {
        let error = answered(Fault::status(status).body(body)).await;
        assert_eq!((error.kind(), error.status().unwrap().as_u16()), (kind, status), "{body}: {error:?}");
        assert_eq!(error.code(), code, "{body}");
        match said {
            Some(said) => assert!(error.message().ends_with(&format!(": {said}")), "{body}: {}", error.message()),
            None => assert!(!error.message().contains(": "), "{body}: {}", error.message()),
        }
        assert_eq!(error.body().is_some(), !body.is_empty());
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
}

#[tokio::test]
async fn a_code_is_found_in_the_header_when_the_body_has_none() {
    let json = |code: &str| BASE64_STANDARD.encode(format!(r#"{{"error":{{"code":"{code}"}}}}"#));
    let fault = Fault::status(401).header("x-error-json", &json("token_expired"));
    let error = answered(fault.clone()).await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, Some("token_expired")));
    let error = answered(fault.body(r#"{"error":{"code":"from_the_body"}}"#)).await;
    assert_eq!(error.code(), Some("from_the_body"));
    let error = answered(Fault::status(401).header("x-error-json", "%%%")).await;
    assert_eq!(error.code(), None);
    let error = answered(Fault::status(403).header("x-openai-authorization-error", "workspace is locked")).await;
    assert!(error.to_string().contains("workspace is locked"), "{error}");
}

#[tokio::test]
async fn a_browser_challenge_is_told_apart_and_not_retried() {
    let page = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>\
                <script src=\"/cdn-cgi/challenge-platform/h/b/orchestrate/chl_page/v1\"></script></body></html>";
    for fault in [
        Fault::status(403).header("content-type", "text/html").body(page),
        Fault::status(503).body(page),
        Fault::status(403).header("cf-mitigated", "challenge").body("{}"),
    ] {
        let backend = Backend::start().unwrap();
        backend.inject(Route::GET_USAGE, fault.clone());
        let error = usage(&client(&backend)).await.unwrap_err();
        assert_eq!((error.kind(), asked(&backend)), (ErrorKind::Challenge, 1), "{fault:?}");
        assert!(!error.to_string().contains('<') && !error.needs_sign_in(), "{error}");
    }
    // A page of somebody else's is no challenge.
    let error = answered(Fault::status(403).body("<html><body>Our firewall says no</body></html>")).await;
    assert_eq!(error.kind(), ErrorKind::Forbidden);
}

#[tokio::test]
async fn bodies_that_are_not_text_are_shown_as_far_as_they_go() {
    let error = answered(Fault::status(500).body(&b"ab\xff\xfecd\x1b[31m\0ef"[..])).await;
    assert_eq!(error.body(), Some("ab\u{fffd}\u{fffd}cdef"));
    assert!(!error.to_string().contains(char::is_control), "{error:?}");
}

#[tokio::test]
async fn a_body_without_words_is_cut_short_in_the_message_and_hides_no_credential() {
    let secret = "sk-proj-abcdef123456";
    for length in 150..=220 {
        let error =
            answered(Fault::status(500).body(format!(r#"{{"a":"{}","b":"{secret}"}}"#, "é".repeat(length)))).await;
        assert!(error.message().chars().count() < 250 && !error.message().contains("sk-"), "{error}");
    }
}

#[tokio::test]
async fn json_inside_json_is_looked_into_a_few_times_only() {
    let mut body = r#"{"error":{"message":"deep"}}"#.to_owned();
    for _ in 0..10 {
        body = serde_json::json!({ "error": { "message": body } }).to_string();
    }
    let error = answered(Fault::status(500).body(body)).await;
    assert_eq!((error.kind(), error.to_string().lines().count()), (ErrorKind::Server, 1));
}

#[tokio::test]
async fn a_large_error_body_is_cut_to_four_kibibytes() {
    for unit in ["x", "é", "a b\n"] {
        let body = unit.repeat((1 << 20) / unit.len());
        let error = answered(Fault::status(500).body(body)).await;
        let kept = error.body().unwrap();
        assert!(kept.len() > 4000 && kept.len() <= 4096 + 3 && kept.ends_with("..."), "{}", kept.len());
        assert!(error.to_string().len() < 5000 && error.to_string().lines().count() == 1);
    }
}

/// Answers every request with one chunk.
#[derive(Debug)]
struct OneChunk(u16, Vec<u8>);

impl Transport for OneChunk {
    fn send(&self, _: TransportRequest) -> TransportFuture<'_> {
        Box::pin(async move {
            let mut response = http::Response::new(Body::from(self.1.clone()));
            *response.status_mut() = http::StatusCode::from_u16(self.0).unwrap();
            Ok(response)
        })
    }
}

#[tokio::test]
async fn the_start_of_a_large_error_body_is_kept_however_large_its_chunks_are() {
    let mut body = b"what went wrong ".to_vec();
    body.resize(1 << 20, b'x');
    let client = Client::builder()
        .environment(Environment::empty())
        .chatgpt(ChatGptTokens::new("opaque-access-token"))
        .transport(OneChunk(400, body))
        .build()
        .unwrap();
    let error = usage(&client).await.unwrap_err();
    assert!(error.body().is_some_and(|body| body.starts_with("what went wrong ")), "{error:?}");
}

/// Answers with a body that always has a chunk at hand, and never a byte.
#[derive(Debug)]
struct EmptyChunks;

impl Transport for EmptyChunks {
    fn send(&self, _: TransportRequest) -> TransportFuture<'_> {
        let chunks = futures_util::stream::repeat_with(|| Ok(bytes::Bytes::new()));
        Box::pin(async { Ok(http::Response::new(Body::from_stream(chunks, None))) })
    }
}

#[tokio::test]
async fn a_body_that_never_waits_does_not_escape_the_time_limits() {
    let client = Client::builder()
        .environment(Environment::empty())
        .chatgpt(ChatGptTokens::new("opaque-access-token"))
        .transport(EmptyChunks)
        .timeouts(Timeouts::default().attempt(Duration::from_millis(20)))
        .retry_policy(RetryPolicy::never())
        .build()
        .unwrap();
    assert!(usage(&client).await.unwrap_err().is_timeout());
}

#[tokio::test]
async fn an_answer_that_is_cut_or_of_another_shape_is_a_decode_error() {
    for (fault, reason) in [
        (Fault::truncated_json(), "ends too early"),
        (Fault::status(200), "it is empty"),
        (Fault::status(200).body("<html>"), "not JSON"),
        (Fault::status(200).body(r#""{}""#), "another type"),
        (Fault::status(200).body("5"), "another type"),
        (Fault::status(200).body(&b"\xff\xfe"[..]), "not JSON"),
    ] {
        let error = answered(fault.clone()).await;
        assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Decode, 200), "{fault:?}");
        assert!(error.message().contains(reason), "{fault:?}: {error}");
        assert!(error.request_id().is_some() && !error.is_retryable());
        assert_eq!(error.attempts(), 1, "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_of_64_mib_is_read_and_a_longer_one_is_refused() {
    const LIMIT: usize = 64 << 20;
    let backend = Backend::start().unwrap();
    let client = client(&backend);
    let report = |length| {
        let mut body = br#"{"plan_type":"pro"}"#.to_vec();
        body.resize(length, b' ');
        body
    };
    backend.inject(Route::GET_USAGE, Fault::status(200).body(report(LIMIT)));
    assert_eq!(usage(&client).await.unwrap().plan_type, Some(PlanType::Pro));
    backend.inject(Route::GET_USAGE, Fault::status(200).body(report(LIMIT + 1)));
    let error = usage(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::ResponseTooLarge, 1));
    assert!(error.to_string().contains("64 MiB") && error.may_have_been_sent(), "{error}");
}

#[tokio::test]
async fn the_request_id_comes_from_the_first_header_that_has_one() {
    for (headers, expected) in [
        ("x-request-id: one\nx-oai-request-id: two\ncf-ray: three", Some("one")),
        ("x-oai-request-id: two\ncf-ray: three", Some("two")),
        ("x-request-id:\ncf-ray: three", Some("three")),
        ("server: nobody", None),
    ] {
        for (status, body) in [("500 Internal Server Error", ""), ("200 OK", "not json")] {
            let bytes = answer(&format!("HTTP/1.1 {status}\n{headers}"), body);
            let server = RawServer::start(move |_| bytes.clone());
            let error = usage(&raw_client(&server)).await.unwrap_err();
            assert_eq!(error.request_id(), expected, "{headers} {status}");
            assert_eq!(error.to_string().contains("request id"), expected.is_some(), "{error}");
        }
    }
}

#[tokio::test]
async fn requests_name_the_application_and_nobody_else() {
    let backend = Backend::start().unwrap();
    let named = builder(&backend).application("report-bot", "1.4.0").build().unwrap();
    usage(&named).await.unwrap();
    guard(OpenAiFileUpload::new(&named).bytes("a.txt", "hello")).await.unwrap();
    usage(&client(&backend)).await.unwrap();
    let own = concat!("codex-backend/", env!("CARGO_PKG_VERSION"));
    let requests = backend.requests();
    for request in requests.iter().filter(|request| request.route != Some(Route::PUT_FILE)).take(3) {
        assert_eq!(request.header("originator"), Some("report-bot"));
        let user_agent = request.header("user-agent").unwrap();
        assert!(user_agent.starts_with("report-bot/1.4.0 (") && user_agent.ends_with(own), "{user_agent}");
    }
    let unnamed = requests.last().unwrap();
    assert_eq!(unnamed.header("originator"), Some("codex-backend"));
    assert!(unnamed.header("user-agent").unwrap().starts_with(own));
    for request in &requests {
        let agent = format!("{:?} {:?}", request.header("user-agent"), request.header("originator"));
        assert!(!agent.contains("codex_cli") && !agent.contains("reqwest"), "{agent}");
    }
}

#[tokio::test]
async fn errors_tell_whether_the_server_may_have_acted() {
    struct Without;
    impl AuthProvider for Without {
        type Route = CodexBackend;
        fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
            AuthFuture::ready(Err(AuthError::permanent("nothing to give")))
        }
    }
    let backend = Backend::start().unwrap();
    let client = backend.client().provider(Without).build().unwrap();
    assert!(!usage(&client).await.unwrap_err().may_have_been_sent());
    assert!(!upload_error(&client).await.may_have_been_sent());
    assert!(backend.requests().is_empty());
    // What was sent and answered in any way may have been acted on.
    for fault in [Fault::status(403), Fault::status(500), Fault::reset_before_headers(), Fault::truncated_json()] {
        assert!(answered(fault).await.may_have_been_sent());
    }
}

/// Interrupted once, and not reachable from then on.
#[derive(Debug, Default)]
struct Vanishing(AtomicU32);

impl Transport for Vanishing {
    fn send(&self, _: TransportRequest) -> TransportFuture<'_> {
        let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
        Box::pin(async move {
            Err(if first { TransportError::interrupted("reset") } else { TransportError::not_sent("refused") })
        })
    }
}

#[tokio::test]
async fn a_sending_that_may_have_arrived_is_not_forgotten_when_a_later_one_could_not_be_made() {
    let client = Client::builder()
        .environment(Environment::empty())
        .chatgpt(ChatGptTokens::new("opaque-access-token"))
        .transport(Vanishing::default())
        .clock(WaitLog::default())
        .build()
        .unwrap();
    let error = usage(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 3));
    assert!(error.may_have_been_sent(), "{error:?}");
}
