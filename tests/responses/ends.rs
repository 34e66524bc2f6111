//! Every stream ends in exactly one way, and says which.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use codex_backend::limits::{PlanType, RateLimitReachedReason};
use codex_backend::responses::{ResponseEventKind as Kind, ResponseStream};
use codex_backend::testing::{Backend, Fault, ManualClock, Route, ScriptedResponse};
use codex_backend::{ErrorKind, RetryPolicy, Timeouts};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::support::{ask, codex, guard, openai, play, read};

fn delta(text: &str) -> Value {
    json!({ "type": "response.output_text.delta", "delta": text })
}

#[tokio::test]
async fn a_response_that_fails_ends_its_stream_at_once_although_the_connection_stays_open() {
    for (code, message, kind) in [
        ("context_length_exceeded", "too long", ErrorKind::ContextWindowExceeded),
        ("insufficient_quota", "pay", ErrorKind::QuotaExceeded),
        ("usage_not_included", "no", ErrorKind::NotIncluded),
        ("usage_limit_reached", "later", ErrorKind::UsageLimit),
        ("cyber_policy", "", ErrorKind::PolicyViolation),
        ("invalid_prompt", "bad", ErrorKind::InvalidRequest),
        ("server_is_overloaded", "busy", ErrorKind::Overloaded),
        ("slow_down", "busy", ErrorKind::RateLimited),
        ("rate_limit_exceeded", "Please try again in 28ms.", ErrorKind::RateLimited),
        ("brand_new", "who knows", ErrorKind::Server),
    ] {
        let (events, ended_in) = play(ScriptedResponse::failed(code, message).stall()).await;
        let error = ended_in.unwrap();
        assert_eq!((error.kind(), error.code()), (kind, Some(code)));
        assert_eq!(error.events_delivered(), Some(events.len() as u64), "{error}");
        assert!(error.message().contains(message) && error.body().unwrap().contains(code), "{error:?}");
        assert!(error.may_have_been_sent() && error.request_id().is_some(), "{error:?}");
        let delay = (code == "rate_limit_exceeded").then_some(Duration::from_millis(28));
        assert_eq!(error.retry_after(), delay, "{code}");
    }
    let bare = json!({ "type": "response.failed", "response": { "id": "r", "error": null } });
    let (_, ended_in) = play(ScriptedResponse::events([bare]).stall()).await;
    assert_eq!((ended_in.as_ref().unwrap().kind(), ended_in.unwrap().code()), (ErrorKind::Server, None));
}

#[tokio::test]
async fn a_response_is_complete_whatever_else_its_last_event_says() {
    for (output, beside) in [(json!(null), json!({})), (json!([]), json!({ "text": {}, "output_index": -1 }))] {
        let mut completed = json!({ "type": "response.completed", "response": { "id": "r", "output": output } });
        completed.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
        let (events, ended_in) = play(ScriptedResponse::events([completed])).await;
        assert!(ended_in.is_none(), "{ended_in:?}");
        assert!(matches!(&events.last().unwrap().kind, Kind::Completed(response) if response.id == "r"), "{events:?}");
    }
}

#[tokio::test]
async fn delays_are_read_as_the_server_writes_them() {
    for (text, milliseconds) in [
        ("try again in 1.898s", Some(1898)),
        ("Try again in 35 seconds", Some(35_000)),
        ("try again in 1 second", Some(1000)),
        ("try again in 2S", Some(2000)),
        ("try again in 0.9ms", Some(0)),
        ("You can try again in a while. Please try again in 3 seconds, or try again in 9s", Some(3000)),
        ("try again in 5m", None),
        ("try again in 2 minutes", None),
        ("try again in 1m30s", None),
        ("later", None),
    ] {
        let (_, ended_in) = play(ScriptedResponse::failed("rate_limit_exceeded", text)).await;
        assert_eq!(ended_in.unwrap().retry_after(), milliseconds.map(Duration::from_millis), "{text}");
    }
}

#[tokio::test]
async fn an_error_event_may_carry_a_status_and_headers_in_any_case() {
    for status in ["status", "status_code"] {
        let event = json!({
            "type": "error", status: 429,
            "error": { "type": "usage_limit_reached", "message": "The usage limit has been reached", "plan_type": "plus",
                "resets_at": 4_070_908_800_u64, "resets_in_seconds": 13_872 },
            "headers": { "X-Codex-Active-Limit": "premium", "X-Premium-Primary-Used-Percent": "100",
                "X-Premium-Primary-Window-Minutes": 300, "X-Codex-Credits-Has-Credits": "False",
                "X-Codex-Credits-Unlimited": false, "X-Codex-Credits-Balance": "0", "X-Oai-Request-Id": "req-inner" },
        });
        let (_, ended_in) = play(ScriptedResponse::events([delta("a"), event])).await;
        let error = ended_in.unwrap();
        assert_eq!((error.kind(), error.status().map(|status| status.as_u16())), (ErrorKind::UsageLimit, Some(429)));
        assert_eq!(error.request_id(), Some("req-inner"));
        let limit = error.usage_limit().unwrap();
        assert_eq!(limit.plan_type, Some(PlanType::Plus));
        let snapshot = limit.rate_limits.as_ref().unwrap();
        assert_eq!((snapshot.limit_id.as_str(), snapshot.primary.unwrap().window_minutes), ("premium", Some(300)));
        assert!(!snapshot.credits.as_ref().unwrap().has_credits);
    }
}

#[tokio::test]
async fn an_incomplete_response_is_an_error_with_its_reason_and_keeps_what_came() {
    let incomplete = json!({ "type": "response.incomplete", "response": {
        "id": "resp_1", "status": "incomplete", "incomplete_details": { "reason": "max_output_tokens" },
        "usage": { "input_tokens": 1, "output_tokens": 2, "total_tokens": 3 },
    } });
    let backend = Backend::start().unwrap();
    backend.script_response(ScriptedResponse::events([delta("half an "), delta("answ"), incomplete]).stall());
    let stream = guard(ask(&codex(&backend)).stream()).await.unwrap();
    let (collected, ended_in) = guard(stream.collect_partial()).await;
    let error = ended_in.unwrap();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Incomplete, Some("max_output_tokens")));
    assert_eq!(collected.text(), "half an answ");
    assert_eq!(collected.usage().unwrap().total_tokens, 3);
}

#[tokio::test]
async fn a_stream_that_ends_early_is_truncated_and_one_that_breaks_is_interrupted() {
    for (script, kind) in [
        (ScriptedResponse::events([delta("a")]), ErrorKind::Truncated),
        (ScriptedResponse::events([delta("a")]).then("data: {\"type\":\"response.comp"), ErrorKind::Truncated),
        (ScriptedResponse::events([delta("a")]).cut(), ErrorKind::Interrupted),
        (ScriptedResponse::events([delta("a")]).then(&b"data: \xff\n\n"[..]), ErrorKind::Decode),
    ] {
        let (events, ended_in) = play(script).await;
        let error = ended_in.unwrap();
        assert_eq!((error.kind(), error.events_delivered()), (kind, Some(events.len() as u64)));
        assert!(events.iter().any(|event| matches!(event.kind, Kind::OutputTextDelta(_))));
        assert!(error.to_string().contains(&format!("after {} event", events.len())), "{error}");
    }
}

#[tokio::test]
async fn an_event_may_not_be_longer_than_the_limit() {
    let backend = Backend::start().unwrap();
    let client = codex(&backend);
    for (limit, kind) in [(100, Some(ErrorKind::ResponseTooLarge)), (1000, None)] {
        backend.script_response(
            ScriptedResponse::events([delta("a"), delta(&"x".repeat(200))])
                .then("data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\"}}\n\n"),
        );
        let stream = guard(ask(&client).with_longest_event(limit).stream()).await.unwrap();
        assert_eq!(read(stream).await.1.map(|error| error.kind()), kind, "{limit}");
    }
    // It is the data that counts, not the line.
    for (limit, kind) in [(49, ErrorKind::ResponseTooLarge), (50, ErrorKind::Truncated)] {
        let transcript = format!("event: message\ndata: {}\n\n", "x".repeat(50));
        let transcript = ResponseStream::from_transcript(transcript).with_longest_event(limit);
        assert_eq!(read(transcript).await.1.unwrap().kind(), kind);
    }
}

#[tokio::test]
async fn any_byte_resets_the_idle_limit_and_silence_ends_the_stream() {
    const SECOND: Duration = Duration::from_secs(1);
    let clock = ManualClock::starting_at(SystemTime::now());
    let (sender, chunks) = std::sync::mpsc::channel();
    let server = chunked_server(chunks);
    let client = codex_backend::Client::builder()
        .codex_base_url(server)
        .environment(codex_backend::transport::Environment::empty())
        .chatgpt(codex_backend::ChatGptTokens::new("opaque"))
        .clock(clock.clone())
        .timeouts(Timeouts::default().stream_idle(10 * SECOND))
        .retry_policy(RetryPolicy::never())
        .build()
        .unwrap();
    sender.send(b"data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n".to_vec()).unwrap();
    let mut stream = guard(ask(&client).stream()).await.unwrap();
    assert!(guard(stream.next()).await.unwrap().is_ok());
    for _ in 0..3 {
        clock.advance(6 * SECOND);
        sender.send(b": keepalive\n".to_vec()).unwrap();
        // That the comment has been read is not to be seen from outside; that the event behind it has, is.
        sender.send(b"data: {\"type\":\"keepalive\"}\n\n".to_vec()).unwrap();
        assert!(guard(stream.next()).await.unwrap().is_ok());
    }
    let (error, ()) = tokio::join!(guard(stream.next()), async {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        clock.advance(11 * SECOND);
    });
    let error = error.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.events_delivered()), (ErrorKind::Timeout, Some(4)));
    assert!(guard(stream.next()).await.is_none());
}

/// A server that answers one request with the chunks it is given.
fn chunked_server(chunks: std::sync::mpsc::Receiver<Vec<u8>>) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/backend-api", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = [0; 4096];
        let _read = stream.read(&mut request).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            .unwrap();
        for chunk in chunks {
            let head = format!("{:x}\r\n", chunk.len());
            if stream.write_all(&[head.as_bytes(), &chunk, b"\r\n"].concat()).is_err() {
                return;
            }
        }
    });
    url
}

#[tokio::test]
async fn what_comes_before_the_first_event_is_tried_again_and_nothing_after_it() {
    let completed = "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\"}}\n\n";
    // Nothing, a comment and half an event are no event yet.
    for start in ["", ": hello\n\n", "data: {\"type\":"] {
        for broken in [ScriptedResponse::transcript(start).cut(), ScriptedResponse::transcript(start)] {
            let backend = Backend::start().unwrap();
            backend.script_response(broken);
            backend.script_response(ScriptedResponse::transcript(completed));
            let stream = guard(ask(&codex(&backend)).stream()).await.unwrap();
            assert!(read(stream).await.1.is_none());
            assert_eq!(backend.requests_to(Route::CREATE_RESPONSE).len(), 2, "{start:?}");
        }
    }
    let backend = Backend::start().unwrap();
    backend.script_response(ScriptedResponse::events([delta("a")]).cut());
    let stream = guard(ask(&codex(&backend)).stream()).await.unwrap();
    assert_eq!(read(stream).await.1.unwrap().kind(), ErrorKind::Interrupted);
    assert_eq!(backend.requests_to(Route::CREATE_RESPONSE).len(), 1);
}

#[tokio::test]
async fn a_response_that_is_kept_is_asked_for_again_only_if_the_server_did_not_act() {
    let backend = Backend::start().unwrap();
    let client = openai(&backend);
    let request = || client.openai_responses().create("gpt-5.5", "hello");
    for (store, sent) in [(None, 1), (Some(true), 1), (Some(false), 2)] {
        let before = backend.requests().len();
        backend.inject(Route::CREATE_RESPONSE, Fault::reset_before_headers());
        let request = store.map_or_else(request, |store| request().store(store));
        let outcome = guard(request.clone().stream()).await;
        assert_eq!(backend.requests().len() - before, sent, "{store:?}");
        assert_eq!(outcome.is_ok(), sent == 2);
        if let Err(error) = outcome {
            assert_eq!((error.kind(), error.may_have_been_sent()), (ErrorKind::Interrupted, true));
        }
        // A burst limit means that the server did nothing.
        let before = backend.requests().len();
        backend.inject(Route::CREATE_RESPONSE, Fault::status(429));
        assert!(guard(request.stream()).await.is_ok());
        assert_eq!(backend.requests().len() - before, 2, "{store:?}");
    }
}

#[tokio::test]
async fn a_401_is_recovered_from_before_the_stream_as_everywhere() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::CREATE_RESPONSE, Fault::unauthorized("token_expired"));
    // Plain tokens cannot be refreshed: one request, and a typed error.
    let error = guard(ask(&codex(&backend)).stream()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, Some("token_expired")));
    assert!(error.needs_sign_in());
    assert_eq!(backend.requests().len(), 1);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.json");
    std::fs::write(&path, backend.issue_auth_json("acct-1", Duration::from_secs(3600))).unwrap();
    let sources = codex_backend::auth::AuthSources::none().and(codex_backend::auth::AuthSource::AuthJson(path));
    let auth = codex_backend::CodexAuth::load(&sources).await.unwrap();
    let session = backend.client().build_any(&auth).unwrap().into_codex_backend().unwrap();
    backend.inject(Route::CREATE_RESPONSE, Fault::unauthorized("token_expired"));
    let answer = guard(guard(ask(&session).stream()).await.unwrap().collect()).await.unwrap();
    assert_eq!(answer.text(), "Hello, world");
    assert_eq!(backend.requests_to(Route::REFRESH_TOKEN).len(), 1);
}

#[tokio::test]
async fn a_dropped_stream_closes_its_connection_and_a_finished_one_gives_it_back() {
    let backend = Backend::start().unwrap();
    let client = codex(&backend);
    for _ in 0..3 {
        let stream = guard(ask(&client).stream()).await.unwrap();
        assert!(read(stream).await.1.is_none());
    }
    // Dropped in the middle of an answer that never ends: the client is free for the next.
    backend.script_response(ScriptedResponse::events([delta("a")]).stall());
    let mut stream = guard(ask(&client).stream()).await.unwrap();
    assert!(guard(stream.next()).await.unwrap().is_ok());
    drop(stream);
    assert_eq!(guard(guard(ask(&client).stream()).await.unwrap().collect()).await.unwrap().text(), "Hello, world");
}

#[tokio::test]
async fn an_answer_that_is_no_event_stream_is_told_with_what_it_is() {
    let backend = Backend::start().unwrap();
    let page =
        Fault::status(200).header("content-type", "text/html; charset=utf-8").body("<html>Sign in to the wifi</html>");
    backend.inject(Route::CREATE_RESPONSE, page);
    let error = guard(ask(&codex(&backend)).stream()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.message().contains("text/html") && error.body().unwrap().contains("wifi"), "{error:?}");
}

#[tokio::test]
async fn http_errors_are_of_the_kind_that_they_mean() {
    let error_body = |code: &str| json!({ "error": { "code": code, "message": "m" } }).to_string();
    for (status, body, kind, sent) in [
        (400, r#"{"detail":"Store must be set to false"}"#.to_owned(), ErrorKind::InvalidRequest, 1),
        (400, error_body("cyber_policy"), ErrorKind::PolicyViolation, 1),
        (400, error_body("context_length_exceeded"), ErrorKind::ContextWindowExceeded, 1),
        (
            400,
            r#"{"error":{"message":"The image data you provided does not represent a valid image. Check it."}}"#
                .to_owned(),
            ErrorKind::InvalidImage,
            1,
        ),
        (503, error_body("server_is_overloaded"), ErrorKind::Overloaded, 3),
        (500, String::new(), ErrorKind::Server, 3),
        (429, error_body("insufficient_quota"), ErrorKind::QuotaExceeded, 1),
        (429, error_body("usage_not_included"), ErrorKind::NotIncluded, 1),
        (429, error_body("rate_limit_exceeded"), ErrorKind::RateLimited, 1),
        (403, "<html>Cloudflare: you have been blocked</html>".to_owned(), ErrorKind::Challenge, 1),
        (403, "Cloudflare error: Sorry, you have been blocked".to_owned(), ErrorKind::Challenge, 1),
        (403, "<!-- page --><html>Just a moment</html>".to_owned(), ErrorKind::Challenge, 1),
        (403, r#"{"detail":"Your account is blocked"}"#.to_owned(), ErrorKind::Forbidden, 1),
        (418, String::new(), ErrorKind::UnexpectedStatus, 1),
    ] {
        let backend = Backend::start().unwrap();
        backend.inject(Route::CREATE_RESPONSE, Fault::status(status).body(body.clone()).times(9));
        let error = guard(ask(&codex(&backend)).stream()).await.unwrap_err();
        assert_eq!((error.kind(), backend.requests().len()), (kind, sent), "{status} {body}");
        assert_eq!(error.events_delivered(), None);
    }
}

#[tokio::test]
async fn a_script_may_refuse_before_it_answers() {
    let backend = Backend::start().unwrap();
    let busy = json!({ "error": { "code": "server_is_overloaded", "message": "busy" } });
    backend.script_response(ScriptedResponse::refused(503, &busy).header("retry-after", "0"));
    backend.script_response(ScriptedResponse::text("now"));
    backend.script_response(ScriptedResponse::refused(400, &json!({ "detail": "no" })));
    let client = codex(&backend);
    assert_eq!(guard(guard(ask(&client).stream()).await.unwrap().collect()).await.unwrap().text(), "now");
    let error = guard(ask(&client).stream()).await.unwrap_err();
    assert_eq!((error.kind(), backend.requests().len()), (ErrorKind::InvalidRequest, 3));
    assert!(error.message().ends_with(": no"), "{error}");
}

#[tokio::test]
async fn a_usage_limit_tells_all_that_is_said_of_it() {
    let error_of = async |headers: &[(&str, &str)], error: Value| {
        let backend = Backend::start().unwrap();
        let fault = Fault::status(429).body(json!({ "error": error }).to_string());
        let fault = headers.iter().fold(fault, |fault, (name, value)| fault.header(name, value));
        backend.inject(Route::CREATE_RESPONSE, fault);
        let error = guard(ask(&codex(&backend)).stream()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UsageLimit);
        error
    };
    let since = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds);
    for (at, expected) in [(json!(1_704_067_242), 1_704_067_242.0), (json!(4_070_908_800.5), 4_070_908_800.5)] {
        let error = error_of(&[], json!({ "type": "usage_limit_reached", "resets_at": at })).await;
        assert_eq!(error.usage_limit().unwrap().resets_at, Some(since(expected)));
        assert_eq!(error.retry_after().is_some(), expected > 4e9, "nobody can wait for a moment that has passed");
    }
    let error = error_of(&[], json!({ "type": "usage_limit_reached", "resets_at": 1, "resets_in_seconds": 60 })).await;
    assert!(error.retry_after().unwrap() > Duration::from_secs(50));
    // Why it is reached has one name for all limits.
    let reached = ("x-codex-rate-limit-reached-type", "workspace_owner_credits_depleted");
    let other = [
        ("x-codex-active-limit", "codex_other"),
        ("x-codex-other-primary-used-percent", "100"),
        ("x-codex-other-primary-window-minutes", "300"),
        reached,
    ];
    for (headers, limit_id) in [(&other[..], "codex_other"), (&[reached], "codex")] {
        let error = error_of(headers, json!({ "type": "usage_limit_reached" })).await;
        let limit = error.usage_limit().unwrap().rate_limits.as_ref().unwrap();
        let reason = Some(RateLimitReachedReason::WorkspaceOwnerCreditsDepleted);
        assert_eq!((limit.limit_id.as_str(), &limit.reached), (limit_id, &reason));
    }
}

#[tokio::test]
async fn a_stream_of_chunks_from_elsewhere_tells_why_it_broke() {
    let chunks = [Ok(Bytes::from_static(b"data: {\"type\":\"x\"}\n\n")), Err(std::io::Error::other("cable cut"))];
    let (events, ended_in) = read(ResponseStream::from_chunks(stream::iter(chunks))).await;
    assert_eq!(events.len(), 1);
    let error = ended_in.unwrap();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(error.message().contains("cable cut"), "{error}");
}

#[tokio::test]
async fn the_server_may_ask_to_wait_before_a_broken_stream_is_asked_for_again() {
    let (_, ended_in) = play(ScriptedResponse::transcript("retry: 1500\nid: 7\ndata: {\"type\":\"x\"}\n\n")).await;
    assert_eq!(ended_in.unwrap().retry_after(), Some(Duration::from_millis(1500)));
}

#[tokio::test]
async fn many_streams_at_once_each_end_well() {
    let backend = Arc::new(Backend::start().unwrap());
    let client = codex(&backend);
    let streams = (0..200).map(|_| {
        let request = ask(&client);
        tokio::spawn(async move { request.stream().await.unwrap().collect().await.unwrap().text() })
    });
    for text in guard(futures_util::future::join_all(streams)).await {
        assert_eq!(text.unwrap(), "Hello, world");
    }
}

#[tokio::test]
async fn a_stream_that_was_read_to_its_end_gives_its_connection_back() {
    use std::io::{Read, Write};
    use std::sync::atomic::{AtomicU32, Ordering};
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/backend-api", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicU32::new(0));
    let counted = connections.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || {
                let mut received = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    received.extend_from_slice(&buffer[..count]);
                    // The last bytes of every request that is made here.
                    if received.ends_with(b"\"include\":[\"reasoning.encrypted_content\"]}") {
                        received.clear();
                        let event = "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\"}}\n\n";
                        let head =
                            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
                        let answer = format!("{head}{:x}\r\n{event}\r\n0\r\n\r\n", event.len());
                        stream.write_all(answer.as_bytes()).unwrap();
                    }
                }
            });
        }
    });
    let client = codex_backend::Client::builder()
        .codex_base_url(url)
        .environment(codex_backend::transport::Environment::empty())
        .chatgpt(codex_backend::ChatGptTokens::new("opaque"))
        .build()
        .unwrap();
    for _ in 0..20 {
        assert!(read(guard(ask(&client).stream()).await.unwrap()).await.1.is_none());
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}
