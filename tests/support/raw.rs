//! An HTTP server for answers that the embedded backend would never give.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// An HTTP server that writes exactly the bytes it is told to, and then closes the connection.
#[derive(Debug)]
pub(crate) struct RawServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<RawRequest>>>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct RawRequest {
    /// The request line.
    pub(crate) line: String,
    /// The headers as they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

#[allow(dead_code, reason = "not every test binary asks everything")]
impl RawRequest {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut request = Self::default();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            match line.split_once(':') {
                Some((name, value)) if !request.line.is_empty() => {
                    request.headers.push((name.to_owned(), value.trim().to_owned()));
                }
                _ => request.line = line.to_owned(),
            }
        }
        let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        request.body = vec![0; length];
        reader.read_exact(&mut request.body).ok()?;
        Some(request)
    }
}

#[allow(dead_code, reason = "not every test binary asks everything")]
impl RawServer {
    /// `answer` makes the whole answer of a request: status line, headers and body.
    pub(crate) fn start(answer: impl Fn(&RawRequest) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::serving(TcpListener::bind(("127.0.0.1", 0)).unwrap(), answer)
    }

    pub(crate) fn serving(
        listener: TcpListener,
        answer: impl Fn(&RawRequest) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let server = Self { address: listener.local_addr().unwrap(), requests: Arc::default() };
        let (requests, answer) = (server.requests.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (requests, answer) = (requests.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &requests, &*answer));
            }
        });
        server
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn codex_base_url(&self) -> String {
        format!("{}/backend-api", self.origin())
    }

    pub(crate) fn requests(&self) -> Vec<RawRequest> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, requests: &Mutex<Vec<RawRequest>>, answer: &dyn Fn(&RawRequest) -> Vec<u8>) {
    let Some(request) = RawRequest::read(&stream) else { return };
    let bytes = answer(&request);
    requests.lock().unwrap().push(request);
    // The client may have gone away.
    let _written = stream.write_all(&bytes);
}

/// A whole answer that ends with the connection. `head` is the status line and headers, one on a line.
#[allow(dead_code, reason = "not every test binary asks everything")]
pub(crate) fn answer(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in head.lines() {
        bytes.extend_from_slice(line.trim().as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"connection: close\r\n\r\n");
    bytes.extend_from_slice(body.as_ref());
    bytes
}
