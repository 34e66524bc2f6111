//! Servers that send a byte whenever an idle time-out is about to pass.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use codex_backend::responses::ResponseEventKind;
use codex_backend::{Client, ErrorKind, OpenAiApi, RetryPolicy, Timeouts};
use futures_util::StreamExt;

use crate::support::guard::guard;

const PAUSE: Duration = Duration::from_millis(20);

/// Answers with this head, and then with this piece of a body again and again.
fn trickling(head: &'static str, piece: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let _request = stream.read(&mut [0; 4096]).unwrap();
                let mut sent = stream.write_all(head.replace('\n', "\r\n").as_bytes());
                while sent.is_ok() {
                    sent = stream.write_all(piece);
                    std::thread::sleep(PAUSE);
                }
            });
        }
    });
    origin
}

/// Idle time-outs that never pass, and a call that may take 300 ms.
fn client(origin: &str, timeouts: Timeouts) -> Client<OpenAiApi> {
    let base_url = format!("{origin}/v1");
    Client::builder()
        .openai_base_url(base_url)
        .api_key("key")
        .timeouts(timeouts.call(Duration::from_millis(300)))
        .retry_policy(RetryPolicy::never())
        .build()
        .unwrap()
}

#[tokio::test]
async fn an_error_that_trickles_in_is_told_by_its_status() {
    let origin = trickling("HTTP/1.1 400 Bad Request\ncontent-type: text/plain\n\n", b"x");
    let client = client(&origin, Timeouts::default());
    let error = guard(client.openai_responses().create("m", "hi").stream()).await.unwrap_err();
    assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::InvalidRequest, 400), "{error:?}");
    assert!(error.body().is_some_and(|body| body.starts_with('x')), "{error:?}");
    let error = guard(client.openai_files().content("file_1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn an_answer_in_one_piece_that_trickles_in_is_a_time_out() {
    let origin = trickling("HTTP/1.1 200 OK\ncontent-type: application/json\n\n", b" ");
    let client = client(&origin, Timeouts::default());
    let error = guard(client.openai_responses().create("m", "hi").send()).await.unwrap_err();
    assert!(error.is_timeout() && error.may_have_been_sent(), "{error:?}");
    let error = guard(client.openai_files().content_up_to("file_1", 1 << 20)).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_comes_at_a_steady_pace_may_be_long() {
    // 64 KiB in each 20 ms.
    let origin = trickling("HTTP/1.1 200 OK\ncontent-length: 6553600\n\n", &[b'x'; 64 << 10]);
    let began = Instant::now();
    let content = guard(client(&origin, Timeouts::default()).openai_files().content_up_to("file_1", 7 << 20)).await;
    assert_eq!(content.unwrap().len(), 6_553_600);
    assert!(began.elapsed() > Duration::from_millis(300), "longer than a call may take");
}

#[tokio::test]
async fn a_stream_may_be_given_a_limit_on_the_whole() {
    let limit = Duration::from_millis(300);
    let timeouts = Timeouts::default().stream(limit);
    // No event at all, and events without end.
    let comments = trickling("HTTP/1.1 200 OK\ncontent-type: text/event-stream\n\n", b": x\n\n");
    let error = guard(client(&comments, timeouts).openai_responses().create("m", "hi").stream()).await.unwrap_err();
    assert!(error.is_timeout() && error.message().contains("300ms"), "{error:?}");

    let piece = b"data: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\n";
    let events = trickling("HTTP/1.1 200 OK\ncontent-type: text/event-stream\n\n", piece);
    let request = client(&events, timeouts).openai_responses().create("m", "hi");
    let mut stream = guard(request.stream()).await.unwrap();
    let (mut pieces, mut ended_in) = (0, None);
    while let Some(event) = guard(stream.next()).await {
        match event {
            Ok(event) => pieces += u32::from(matches!(event.kind, ResponseEventKind::OutputTextDelta(_))),
            Err(error) => ended_in = Some(error),
        }
    }
    let error = ended_in.unwrap();
    assert!(error.is_timeout() && pieces > 0, "{error:?}");
    assert_eq!(error.events_delivered(), Some(u64::from(pieces)));
}
