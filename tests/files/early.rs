//! A server that answers the `PUT` before it has the content.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use codex_backend::ErrorKind;
use codex_backend::testing::{Backend, Route};
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{Reports, answer, assert_nothing_finalized, content, guard, pieces, start, uploads};

/// Storage that answers as soon as it has the headers, and reads no further.
struct Hasty {
    address: SocketAddr,
    puts: Arc<AtomicU32>,
}

impl Hasty {
    fn start(status: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let hasty = Self { address: listener.local_addr().unwrap(), puts: Arc::default() };
        let puts = hasty.puts.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                puts.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || answer_at_once(&stream, status));
            }
        });
        hasty
    }

    /// Makes the next create name this storage.
    fn take_next_upload(&self, backend: &Backend) {
        let upload_url = format!("http://{}/upload?sig=played", self.address);
        backend.inject(Route::CREATE_FILE, answer(&json!({ "file_id": "file_1", "upload_url": upload_url })));
    }

    fn puts(&self) -> u32 {
        self.puts.load(Ordering::SeqCst)
    }
}

fn answer_at_once(mut stream: &TcpStream, status: &str) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
    let _written = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    // Held open, and never read again, until the test program ends.
    std::thread::park();
}

#[tokio::test]
async fn a_success_that_comes_before_the_content_is_no_success() {
    let backend = start();
    let hasty = Hasty::start("201 Created");
    for (what, request) in [
        ("bytes", uploads(&backend).bytes("a.bin", content(64 << 20))),
        ("shorter than said", uploads(&backend).stream("a.bin", 1 << 20, pieces(&content(100)).chain(never()))),
    ] {
        hasty.take_next_upload(&backend);
        let before = hasty.puts();
        let error = guard(request).await.expect_err(what);
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Interrupted, "files.put"), "{what}: {error}");
        assert!(error.may_have_been_sent(), "{what}");
        assert_eq!(hasty.puts() - before, error.attempts(), "{what}");
        assert_eq!(error.attempts(), if what == "bytes" { 3 } else { 1 }, "{what}");
        assert_nothing_finalized(&backend, what);
    }
}

#[tokio::test]
async fn a_source_is_read_no_further_once_the_upload_has_ended() {
    let backend = start();
    let hasty = Hasty::start("413 Payload Too Large");
    hasty.take_next_upload(&backend);
    let (feed, fed) = mpsc::unbounded_channel();
    let reports = Reports::default();
    let chunks = futures_util::stream::unfold(fed, |mut fed| async { Some((fed.recv().await?, fed)) });
    let request = reports.of(uploads(&backend).stream("a.bin", 1 << 20, chunks));
    feed.send(chunk()).unwrap();
    let error = guard(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");

    let reported = reports.all();
    while feed.send(chunk()).is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    assert_eq!(reports.all(), reported, "progress after the end");
}

fn chunk() -> Result<bytes::Bytes, std::io::Error> {
    Ok(vec![7; 100].into())
}

fn never() -> impl futures_util::Stream<Item = Result<bytes::Bytes, std::io::Error>> + Send + 'static {
    futures_util::stream::pending()
}
