//! The server, in a child process: it reads requests, throws their bodies away and writes answers made beforehand.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Failure;

/// Reads are this long, so that the server is not what bounds an upload.
const BUFFER: usize = 1 << 20;

const USAGE_REPORT: &str = concat!(
    r#"{"plan_type":"plus","rate_limit":{"allowed":true,"limit_reached":false,"primary_window":{"used_percent":37,"#,
    r#""limit_window_seconds":18000,"reset_after_seconds":5400,"reset_at":1777000000},"secondary_window":"#,
    r#"{"used_percent":12,"limit_window_seconds":604800,"reset_after_seconds":400000,"reset_at":1777400000}},"#,
    r#""credits":{"has_credits":true,"unlimited":false,"balance":"12.50","approx_local_messages":[20,60]},"#,
    r#""additional_rate_limits":[{"limit_name":"Code review","metered_feature":"codex_review","rate_limit":null}],"#,
    r#""rate_limit_reached_type":null,"rate_limit_reset_credits":{"available_count":1},"spend_control":"#,
    r#"{"reached":false,"individual_limit":null}}"#,
);

/// How many tasks there are, and how many to a page.
pub const TASKS: usize = 10_000;
const PAGE: usize = 20;

/// The server's child process. It ends when this is dropped, since its standard input then closes.
pub struct Server {
    pub origin: String,
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Server {
    pub fn start() -> Result<Self, Failure> {
        Self::start_as("serve")
    }

    /// One that never sleeps, and answers requests for streams only.
    pub fn start_awake() -> Result<Self, Failure> {
        Self::start_as("serve-awake")
    }

    fn start_as(command: &str) -> Result<Self, Failure> {
        let mut child =
            Command::new(std::env::current_exe()?).arg(command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or("the server has no standard output")?;
        let mut origin = String::new();
        BufReader::new(stdout).read_line(&mut origin)?;
        Ok(Self { origin: origin.trim().to_owned(), child, stdin })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        if let Err(error) = self.child.wait() {
            eprintln!("bench: the server did not end: {error}");
        }
    }
}

fn end_with_standard_input() {
    std::thread::spawn(|| {
        let mut nothing = [0];
        let _closed = io::stdin().read(&mut nothing);
        std::process::exit(0);
    });
}

/// The child process that is always awake, on the last core, and answers as many microseconds later as
/// `POST /v1/{events}/after/{microseconds}/responses` says: how long a sleeping server takes to wake depends on how
/// long it slept, and so on what the client did before.
pub fn serve_awake() -> Result<(), Failure> {
    end_with_standard_input();
    let core = core_affinity::get_core_ids().and_then(|cores| cores.last().copied()).ok_or("no core to run on")?;
    if !core_affinity::set_for_current(core) {
        return Err("the server cannot be kept to one core".into());
    }
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    println!("http://{}", listener.local_addr()?);
    let mut answers = HashMap::new();
    let mut connections: Vec<(std::net::TcpStream, Vec<u8>)> = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            connections.push((stream, Vec::new()));
        }
        for (stream, request) in &mut connections {
            let Ok(count) = stream.read(&mut buffer) else { continue };
            request.extend_from_slice(&buffer[..count]);
            let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&request[..end]).into_owned();
            let BodyLength::Known(length) = body_of(&head.to_ascii_lowercase()) else {
                return Err("a body of a known length is expected".into());
            };
            if request.len() < end + 4 + length {
                continue;
            }
            let path = head.strip_prefix("POST /v1/").and_then(|rest| rest.split_once("/responses"));
            let (events, delay) =
                path.and_then(|(path, _)| path.split_once("/after/")).ok_or("no stream is asked for")?;
            let (events, delay) = (events.parse()?, Duration::from_micros(delay.parse()?));
            let asked = Instant::now();
            while asked.elapsed() < delay {
                std::hint::spin_loop();
            }
            stream.write_all(answers.entry(events).or_insert_with(|| render_stream(events)).as_bytes())?;
            request.clear();
        }
    }
}

/// The child process: prints its origin, and serves until its standard input closes.
pub fn serve() -> Result<(), Failure> {
    end_with_standard_input();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        println!("{origin}");
        let answers = Arc::new(Answers::new(&origin));
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A connection ends in an error when the client goes away.
            tokio::spawn(serve_connection(stream, answers.clone()));
        }
    })
}

/// The answers, head and body.
struct Answers {
    usage: String,
    created: String,
    stored: String,
    finalized: String,
    openai_file: String,
    tasks: Vec<String>,
    streams: Mutex<HashMap<usize, Arc<String>>>,
}

impl Answers {
    fn new(origin: &str) -> Self {
        Self {
            usage: render("200 OK", USAGE_REPORT),
            created: render("200 OK", &format!(r#"{{"file_id":"file_1","upload_url":"{origin}/blob?sig=x"}}"#)),
            stored: render("201 Created", ""),
            finalized: render("200 OK", &format!(r#"{{"status":"success","download_url":"{origin}/blob?sig=y"}}"#)),
            openai_file: render(
                "200 OK",
                r#"{"id":"file_1","object":"file","created_at":1,"filename":"content","purpose":"user_data"}"#,
            ),
            tasks: (0..TASKS / PAGE).map(|page| render("200 OK", &page_of_tasks(page))).collect(),
            streams: Mutex::default(),
        }
    }

    fn to(&self, request_line: &str) -> &str {
        let mut words = request_line.split(' ');
        match (words.next(), words.next()) {
            (Some("PUT"), _) => &self.stored,
            (Some("POST"), Some("/v1/files")) => &self.openai_file,
            (Some("POST"), Some(path)) if path.ends_with("/uploaded") => &self.finalized,
            (Some("POST"), _) => &self.created,
            (Some("GET"), Some(path)) if path.contains("/tasks/list") => {
                let page = path.split("cursor=page-").nth(1).and_then(|rest| rest.split('&').next()?.parse().ok());
                &self.tasks[page.unwrap_or(0)]
            }
            _ => &self.usage,
        }
    }
}

fn page_of_tasks(page: usize) -> String {
    let items: Vec<serde_json::Value> = (page * PAGE..(page + 1) * PAGE)
        .map(|number| {
            serde_json::json!({
                "id": format!("task_e_{number:032}"), "title": format!("Fix the flaky test number {number}"),
                "archived": false, "has_unread_turn": true, "has_generated_title": true,
                "created_at": 1_776_900_000.25, "updated_at": 1_776_900_060.75,
                "task_status_display": {
                    "environment_label": "acme/web",
                    "latest_turn_status_display": {
                        "turn_status": "completed", "sibling_turn_ids": ["turn_b"],
                        "diff_stats": { "files_modified": 1, "lines_added": 2, "lines_removed": 1 },
                    },
                },
                "pull_requests": [],
            })
        })
        .collect();
    let cursor = ((page + 1) * PAGE < TASKS).then(|| format!("page-{}", page + 1));
    serde_json::json!({ "items": items, "cursor": cursor }).to_string()
}

/// What each delta of a stream says.
pub const PIECE: &str = "a few words";

/// The number in `POST /v1/{events}/responses`.
fn events_asked_for(request_line: &str) -> Option<usize> {
    request_line.strip_prefix("POST /v1/")?.split_once("/responses")?.0.parse().ok()
}

/// A response of that many events: seven around the deltas, as the real server sends them.
fn render_stream(events: usize) -> String {
    let pieces = events.saturating_sub(7);
    let text = PIECE.repeat(pieces);
    let mut body = String::new();
    let mut number = 0;
    let mut push = |name: &str, members: String| {
        let line = format!("event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":{number},{members}}}\n\n");
        number += 1;
        body.push_str(&line);
    };
    let response = |status: &str, output: &str, usage: &str| {
        format!(
            concat!(
                r#""response":{{"id":"resp_0123456789abcdef0123456789abcdef","object":"response","created_at":1777000000,"#,
                r#""status":"{}","background":false,"error":null,"incomplete_details":null,"instructions":null,"#,
                r#""max_output_tokens":null,"model":"gpt-5.5","output":{},"parallel_tool_calls":true,"#,
                r#""previous_response_id":null,"store":false,"temperature":1.0,"tool_choice":"auto","tools":[],"#,
                r#""top_p":1.0,"truncation":"disabled","usage":{},"metadata":{{}}}}"#,
            ),
            status, output, usage
        )
    };
    const ITEM: &str = "msg_0123456789abcdef0123456789abcdef0123456789abcdef";
    let message = |status: &str, content: &str| {
        format!(r#"{{"id":"{ITEM}","type":"message","status":"{status}","role":"assistant","content":{content}}}"#)
    };
    let part = |text: &str| format!(r#"{{"type":"output_text","annotations":[],"logprobs":[],"text":"{text}"}}"#);
    push("response.created", response("in_progress", "[]", "null"));
    push("response.in_progress", response("in_progress", "[]", "null"));
    push("response.output_item.added", format!(r#""output_index":0,"item":{}"#, message("in_progress", "[]")));
    let place = format!(r#""item_id":"{ITEM}","output_index":0,"content_index":0"#);
    push("response.content_part.added", format!(r#"{place},"part":{}"#, part("")));
    for _ in 0..pieces {
        push("response.output_text.delta", format!(r#"{place},"delta":"{PIECE}","logprobs":[]"#));
    }
    push("response.output_text.done", format!(r#"{place},"text":"{text}","logprobs":[]"#));
    let whole = message("completed", &format!("[{}]", part(&text)));
    push("response.output_item.done", format!(r#""output_index":0,"item":{whole}"#));
    let usage = concat!(
        r#"{"input_tokens":10,"input_tokens_details":{"cached_tokens":0},"output_tokens":50000,"#,
        r#""output_tokens_details":{"reasoning_tokens":0},"total_tokens":50010}"#
    );
    push("response.completed", response("completed", &format!("[{whole}]"), usage));
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn render(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn serve_connection(mut stream: TcpStream, answers: Arc<Answers>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let Some((head, body)) = read_head(&mut stream, &mut buffer).await? else { return Ok(()) };
        match body_of(&head) {
            BodyLength::Known(length) => {
                let mut left = length.saturating_sub(body.len());
                while left > 0 {
                    left = left.saturating_sub(read_some(&mut stream, &mut buffer).await?);
                }
            }
            BodyLength::Chunked => discard_chunks(&mut stream, &mut buffer, body).await?,
        }
        let request_line = head.lines().next().unwrap_or_default();
        if let Some(events) = events_asked_for(request_line) {
            // Made once for each number, and kept.
            let rendered = answers
                .streams
                .lock()
                .map_err(|_| io::Error::other("poisoned"))?
                .entry(events)
                .or_insert_with(|| Arc::new(render_stream(events)))
                .clone();
            stream.write_all(rendered.as_bytes()).await?;
            continue;
        }
        stream.write_all(answers.to(request_line).as_bytes()).await?;
    }
}

/// A request's head, and what came of its body with it; or `None` when there are no more requests.
async fn read_head(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut filled = 0;
    loop {
        let count = stream.read(&mut buffer[filled..]).await?;
        if count == 0 {
            return Ok(None);
        }
        filled += count;
        if let Some(end) = buffer[..filled].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let request_line = String::from_utf8_lossy(&buffer[..end]).lines().next().unwrap_or_default().to_owned();
            let headers = head.split_once("\r\n").map_or("", |(_, headers)| headers);
            return Ok(Some((format!("{request_line}\r\n{headers}"), buffer[end + 4..filled].to_vec())));
        }
    }
}

enum BodyLength {
    Known(usize),
    Chunked,
}

fn body_of(head: &str) -> BodyLength {
    if head.contains("\r\ntransfer-encoding: chunked") {
        return BodyLength::Chunked;
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    BodyLength::Known(length.unwrap_or(0))
}

/// Reads up to the last chunk. The files that are uploaded here hold nothing that looks like one.
async fn discard_chunks(stream: &mut TcpStream, buffer: &mut [u8], begun: Vec<u8>) -> io::Result<()> {
    const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";
    let mut tail = begun;
    while !tail.ends_with(LAST_CHUNK) {
        let count = read_some(stream, buffer).await?;
        tail.extend_from_slice(&buffer[count.saturating_sub(LAST_CHUNK.len())..count]);
        let excess = tail.len().saturating_sub(LAST_CHUNK.len());
        tail.drain(..excess);
    }
    Ok(())
}

async fn read_some(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    match stream.read(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => Ok(count),
    }
}
