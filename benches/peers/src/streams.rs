//! A stream of 50,007 events, read by each client to its end, with every event in its own type.

use std::process::Command;
use std::time::Instant;

use cpu_time::ProcessTime;
use futures_util::StreamExt;

use crate::Failure;
use crate::clients;
use crate::memory::peak_resident_kib;
use crate::rounds::median;
use crate::server::Server;

const EVENTS: usize = 50_007;
const ROUNDS: usize = 5;
/// Streams in one measurement, after one that warms up.
const STREAMS: usize = 4;
/// Bare reqwest reads the body and does not look at it: what all arms pay.
const ARMS: [&str; 5] = ["codex-backend", "async-openai", "genai", "rig-core", "reqwest"];

/// What one process measured.
#[derive(Default, Clone)]
struct Measured {
    events: usize,
    cpu_seconds: f64,
    wall_seconds: f64,
    peak_mib: f64,
}

pub fn run() -> Result<(), Failure> {
    let server = Server::start()?;
    println!("\n## Streams of responses\n");
    println!("| arm | events per second of CPU time | per second | peak resident memory | against codex-backend |");
    println!("| --- | --- | --- | --- | --- |");
    let mut measured: Vec<Vec<Measured>> = vec![Vec::new(); ARMS.len()];
    for round in 0..ROUNDS {
        for place in 0..ARMS.len() {
            let place = (place + round) % ARMS.len();
            measured[place].push(once_in_a_process(&server, "read", ARMS[place], EVENTS)?);
        }
    }
    let rate = |measured: &Measured| measured.events as f64 / measured.cpu_seconds;
    for (arm, of_arm) in ARMS.iter().zip(&measured) {
        let ratios = measured[0].iter().zip(of_arm).map(|(ours, theirs)| rate(ours) / rate(theirs)).collect();
        println!(
            "| {arm} | {:.0} k | {:.0} k | {:.1} MiB | {:.2} |",
            median(of_arm.iter().map(rate).collect()) / 1e3,
            median(of_arm.iter().map(|measured| measured.events as f64 / measured.wall_seconds).collect()) / 1e3,
            median(of_arm.iter().map(|measured| measured.peak_mib).collect()),
            median(ratios),
        );
    }

    println!("\n| `collect()` of | CPU time | against 12,500 |\n| --- | --- | --- |");
    let mut first = None;
    for events in [12_500, 25_000, 50_000] {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            times.push(once_in_a_process(&server, "collect", ARMS[0], events)?.cpu_seconds / STREAMS as f64);
        }
        let time = median(times);
        let first = *first.get_or_insert(time);
        println!("| {events} events | {:.1} ms | {:.2} |", time * 1e3, time / first);
    }

    let many = once_in_a_process(&server, "concurrent", ARMS[0], 1000)?;
    println!(
        "\n1,000 streams at once, of 1,000 events each: {} events, {:.2} s, peak resident memory {:.1} MiB.",
        many.events, many.wall_seconds, many.peak_mib
    );
    Ok(())
}

fn once_in_a_process(server: &Server, what: &str, arm: &str, events: usize) -> Result<Measured, Failure> {
    let program = std::env::current_exe()?;
    let output =
        Command::new(program).args(["stream-once", what, arm, &server.origin, &events.to_string()]).output()?;
    if !output.status.success() {
        return Err(format!("{arm}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [events, cpu_seconds, wall_seconds, peak_mib] = numbers[..] else {
        return Err(format!("{arm}: {text}").into());
    };
    Ok(Measured { events: events as usize, cpu_seconds, wall_seconds, peak_mib })
}

/// One arm alone, for a profiler: `bench streams --one-arm genai 3` reads three streams after one that warms up.
pub fn run_one_arm(arm: &str, streams: u32) -> Result<(), Failure> {
    let server = Server::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reader = Reader::new(arm, &format!("{}/v1/{EVENTS}", server.origin))?;
    for _ in 0..=streams {
        runtime.block_on(reader.read())?;
    }
    Ok(())
}

/// The child process: measures, and prints the numbers.
pub fn once(what: &str, arm: &str, origin: &str, events: usize) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = runtime.block_on(async {
        // The number of events is part of the base URL.
        let base_url = format!("{origin}/v1/{events}");
        match what {
            "concurrent" => concurrent(&base_url).await,
            _ => streams(what, arm, &base_url, events).await,
        }
    })?;
    let Measured { events, cpu_seconds, wall_seconds, .. } = measured;
    println!("{events} {cpu_seconds} {wall_seconds} {}", peak_resident_kib()? as f64 / 1024.0);
    Ok(())
}

async fn streams(what: &str, arm: &str, base_url: &str, events: usize) -> Result<Measured, Failure> {
    let reader = Reader::new(arm, base_url)?;
    let mut total = 0;
    let (mut cpu, mut wall) = (ProcessTime::now(), Instant::now());
    for stream in 0..=STREAMS {
        let read = if what == "collect" { reader.collect().await? } else { reader.read().await? };
        // The others leave some events out; ours tells all. Bare reqwest tells chunks.
        let least = match arm {
            "codex-backend" => events,
            "reqwest" => 1,
            _ => events * 9 / 10,
        };
        if read < least {
            return Err(format!("{arm} read {read} events of {events}").into());
        }
        if stream == 0 {
            (cpu, wall) = (ProcessTime::now(), Instant::now());
        } else {
            // The same work for everybody, however much of it is told.
            total += events;
        }
    }
    let (cpu_seconds, wall_seconds) = (cpu.elapsed().as_secs_f64(), wall.elapsed().as_secs_f64());
    Ok(Measured { events: total, cpu_seconds, wall_seconds, ..Measured::default() })
}

/// Each client, ready to ask.
enum Reader {
    Ours(codex_backend::OpenAiResponses),
    AsyncOpenAi(async_openai::Client<async_openai::config::OpenAIConfig>),
    Genai(genai::Client),
    Rig(rig_core::driver::Model<rig_core::providers::openai::responses_api::wire::Responses>),
    Bare(reqwest::Client, String),
}

/// What codex-backend asks with.
const REQUEST: &str = r#"{"model":"gpt-5.5","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hello"}]}],"store":false,"stream":true}"#;

impl Reader {
    fn new(arm: &str, base_url: &str) -> Result<Self, Failure> {
        Ok(match arm {
            "codex-backend" => Self::Ours(clients::openai_at(base_url)?.openai_responses()),
            "async-openai" => {
                let config = async_openai::config::OpenAIConfig::new().with_api_key("sk-bench").with_api_base(base_url);
                Self::AsyncOpenAi(async_openai::Client::with_config(config))
            }
            "genai" => {
                use genai::adapter::AdapterKind;
                use genai::resolver::{AuthData, Endpoint, ServiceTargetResolver};
                let endpoint = Endpoint::from_owned(format!("{base_url}/"));
                let resolver = ServiceTargetResolver::from_resolver_fn(
                    move |target: genai::ServiceTarget| -> Result<genai::ServiceTarget, genai::resolver::Error> {
                        let model = genai::ModelIden::new(AdapterKind::OpenAIResp, target.model.model_name);
                        Ok(genai::ServiceTarget {
                            endpoint: endpoint.clone(),
                            auth: AuthData::from_single("sk-bench"),
                            model,
                        })
                    },
                );
                Self::Genai(genai::Client::builder().with_service_target_resolver(resolver).build()?)
            }
            "rig-core" => {
                let config = rig_core::providers::openai::OpenAIConfig::new("sk-bench").with_base_url(base_url);
                Self::Rig(config.client().responses("gpt-5.5"))
            }
            "reqwest" => Self::Bare(clients::bare()?, format!("{base_url}/responses")),
            _ => return Err(format!("no such arm: {arm}").into()),
        })
    }

    /// Reads a stream; gives the number of events that it told.
    async fn read(&self) -> Result<usize, Failure> {
        let mut events = 0;
        let mut length = 0;
        match self {
            Self::Ours(responses) => {
                let mut stream = responses.create("gpt-5.5", "hello").store(false).stream().await?;
                while let Some(event) = stream.next().await {
                    if let codex_backend::responses::ResponseEventKind::OutputTextDelta(piece) = event?.kind {
                        length += piece.delta.len();
                    }
                    events += 1;
                }
            }
            Self::AsyncOpenAi(client) => {
                use async_openai::types::responses::{CreateResponseArgs, ResponseStreamEvent};
                let request = CreateResponseArgs::default().model("gpt-5.5").input("hello").stream(true).build()?;
                let mut stream = client.responses().create_stream(request).await?;
                while let Some(event) = stream.next().await {
                    if let ResponseStreamEvent::ResponseOutputTextDelta(piece) = event? {
                        length += piece.delta.len();
                    }
                    events += 1;
                }
            }
            Self::Genai(client) => {
                use genai::chat::{ChatRequest, ChatStreamEvent};
                let request = ChatRequest::from_user("hello");
                let mut stream = client.exec_chat_stream("gpt-5.5", request, None).await?.stream;
                while let Some(event) = stream.next().await {
                    if let ChatStreamEvent::Chunk(piece) = event? {
                        length += piece.content.len();
                    }
                    events += 1;
                }
            }
            Self::Rig(model) => {
                let request = rig_core::completion::CompletionRequest::new("hello");
                let mut stream = model.stream(request)?;
                while let Some(event) = stream.next().await {
                    length += std::mem::size_of_val(&event?);
                    events += 1;
                }
            }
            Self::Bare(client, url) => {
                let request = client.post(url).header("content-type", "application/json").body(REQUEST);
                let mut chunks = request.send().await?.bytes_stream();
                while let Some(chunk) = chunks.next().await {
                    length += chunk?.len();
                    events += 1;
                }
            }
        }
        std::hint::black_box(length);
        Ok(events)
    }

    async fn collect(&self) -> Result<usize, Failure> {
        let Self::Ours(responses) = self else { return Err("only ours is collected".into()) };
        let stream = responses.create("gpt-5.5", "hello").store(false).stream().await?;
        let collected = stream.collect().await?;
        let pieces = collected.text().len() / crate::server::PIECE.len();
        Ok(pieces + 7)
    }
}

async fn concurrent(base_url: &str) -> Result<Measured, Failure> {
    let wall = Instant::now();
    let responses = clients::openai_at(base_url)?.openai_responses();
    let streams = (0..1000).map(|_| {
        let request = responses.create("gpt-5.5", "hello").store(false);
        tokio::spawn(async move {
            let mut stream = request.stream().await?;
            let mut events = 0;
            while let Some(event) = stream.next().await {
                event?;
                events += 1;
            }
            Ok::<usize, codex_backend::Error>(events)
        })
    });
    let mut events = 0;
    for stream in futures_util::future::join_all(streams).await {
        events += stream??;
    }
    Ok(Measured { events, wall_seconds: wall.elapsed().as_secs_f64(), ..Measured::default() })
}
