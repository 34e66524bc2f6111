//! The time from the call to the first event of a stream.

use std::time::{Duration, Instant};

use codex_backend::responses::ResponseEventKind;
use codex_backend::OpenAiResponses;
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::Failure;
use crate::clients;
use crate::get::{on_one_core, runtime};
use crate::rounds::{self, Arm, ratio};
use crate::server::Server;

const ROUNDS: usize = 100;
const STREAMS: u32 = 20;
/// As few as there are: reading on is not what is measured, and leaves its traces in the processor's caches.
const EVENTS: usize = 7;

pub fn run() -> Result<(), Failure> {
    on_one_core(measure)
}

/// How long the server thinks, in microseconds. No model is as fast as any of these.
const THINKING: [u32; 3] = [0, 1_000, 5_000];

fn measure() -> Result<(), Failure> {
    let server = Server::start_awake()?;
    let runtime = runtime()?;
    println!("### The first event: {ROUNDS} rounds of {STREAMS} streams\n");
    println!("| the server thinks for | arm | µs from the call | against bare reqwest (of lowest) |");
    println!("| --- | --- | --- | --- |");
    for micros in THINKING {
        let base_url = format!("{}/v1/{EVENTS}/after/{micros}", server.origin);
        let bare = Bare { client: clients::bare()?, url: format!("{base_url}/responses") };
        let responses = clients::openai_at(&base_url)?.openai_responses();
        let chunk = || runtime.block_on(bare.first_chunk()).expect("a chunk");
        let event = || runtime.block_on(bare.first_event()).expect("an event");
        let ours = || runtime.block_on(first_of_ours(&responses)).expect("an event");
        let mut arms = [
            Arm::new("bare reqwest and serde_json, first event", of_many(event)),
            Arm::new("bare reqwest and serde_json again (noise)", of_many(event)),
            Arm::new("codex-backend, first event", of_many(ours)),
            Arm::new("bare reqwest, first chunk of the body, not looked at", of_many(chunk)),
        ];
        rounds::run(&mut arms, ROUNDS);
        for arm in &arms {
            let against = ratio(arm, &arms[0]);
            let (name, cost) = (arm.name, arm.median());
            println!("| {micros} µs | {name} | {cost:.1} | {:.3} ({:.3}) |", against.median, against.of_lowest);
        }
    }
    println!();
    Ok(())
}

/// One arm alone, for a profiler: `bench first-event --one-arm codex 1000`.
pub fn run_one_arm(arm: &str, streams: u32) -> Result<(), Failure> {
    let server = Server::start_awake()?;
    let runtime = runtime()?;
    let base_url = format!("{}/v1/{EVENTS}/after/0", server.origin);
    let bare = Bare { client: clients::bare()?, url: format!("{base_url}/responses") };
    let responses = clients::openai_at(&base_url)?.openai_responses();
    let mut all = Vec::new();
    for _ in 0..streams {
        let took = match arm {
            "bare" => runtime.block_on(bare.first_event())?,
            "codex" => runtime.block_on(first_of_ours(&responses))?,
            _ => return Err("the arms are `bare` and `codex`".into()),
        };
        all.push(took.as_secs_f64() * 1e6);
    }
    println!("{arm}: {:.1} µs", rounds::median(all));
    Ok(())
}

/// Microseconds from the call to the first event, in the mean of a batch. Reading the rest is not counted.
fn of_many(first: impl Fn() -> Duration) -> impl FnMut() -> f64 {
    move || (0..STREAMS).map(|_| first()).sum::<Duration>().as_secs_f64() * 1e6 / f64::from(STREAMS)
}

async fn first_of_ours(responses: &OpenAiResponses) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let mut stream = responses.create("gpt-5.5", "hello").store(false).stream().await?;
    let event = stream.next().await.ok_or("no event")??;
    let took = begun.elapsed();
    let is_created = matches!(event.kind, ResponseEventKind::Created(_));
    while stream.next().await.is_some() {}
    if is_created { Ok(took) } else { Err("another event".into()) }
}

/// The same request by bare reqwest, with the headers that a request to the API needs.
struct Bare {
    client: reqwest::Client,
    url: String,
}

impl Bare {
    async fn send(&self) -> Result<reqwest::Response, Failure> {
        let body = json!({
            "model": "gpt-5.5", "store": false, "stream": true,
            "input": [{ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hello" }] }],
        });
        let request = self.client.post(&self.url).bearer_auth("sk-bench").header("user-agent", "bench/1.0");
        let request = request.header("content-type", "application/json").header("accept", "text/event-stream");
        Ok(request.body(body.to_string()).send().await?.error_for_status()?)
    }

    async fn first_chunk(&self) -> Result<Duration, Failure> {
        let begun = Instant::now();
        let mut chunks = self.send().await?.bytes_stream();
        chunks.next().await.ok_or("no body")??;
        let took = begun.elapsed();
        while chunks.next().await.is_some() {}
        Ok(took)
    }

    /// The events as JSON, by hand: what stands behind `data:` up to a blank line.
    async fn first_event(&self) -> Result<Duration, Failure> {
        let begun = Instant::now();
        let mut chunks = self.send().await?.bytes_stream();
        let (mut read, mut took) = (Vec::new(), None);
        while let Some(chunk) = chunks.next().await {
            read.extend_from_slice(&chunk?);
            let mut rest = &read[..];
            while let Some(end) = rest.windows(2).position(|bytes| bytes == b"\n\n") {
                let event = std::str::from_utf8(&rest[..end])?;
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).ok_or("no data")?;
                let event: Value = serde_json::from_str(data)?;
                if event["type"] == "response.created" {
                    took = Some(begun.elapsed());
                }
                rest = &rest[end + 2..];
            }
            read.drain(..read.len() - rest.len());
        }
        Ok(took.ok_or("no event")?)
    }
}
