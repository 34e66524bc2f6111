//! Asks a model, and shows its answer as it comes. Works with ChatGPT credentials and with an API key.
//!
//! ```text
//! cargo run --example chat -- "What is the capital of Norway?"
//! ```
//!
//! With nothing configured it talks to a backend embedded in this program, and says so. With `CODEX_BACKEND_BASE_URL` set
//! (for API keys: `CODEX_BACKEND_OPENAI_BASE_URL`), or with `--live`, it uses the credentials that are found on this machine.

#[macro_use]
#[path = "support/output.rs"]
mod output;
mod support;

use std::io::Write;
use std::process::ExitCode;

use codex_backend::responses::{
    FunctionTool, ReasoningEffort, ResponseEvent, ResponseEventKind, ResponseRequest, Tools,
};
use codex_backend::{AnyClient, CodexResponses, OpenAiResponses};
use futures_util::StreamExt;
use support::{Connection, Failure};

const USAGE: &str = "usage: chat [--live] [--model MODEL] [--effort EFFORT] [--tools] [--json] TEXT...

Asks a model, and shows its answer as it comes.

  --live            talk to the real backend, with the credentials that are found on this machine
  --model MODEL     which model; gpt-5.5 by default
  --effort EFFORT   how much it reasons: none, minimal, low, medium, high, xhigh
  --tools           let it call a function that adds numbers
  --json            print each event as a line of JSON";

const INSTRUCTIONS: &str = "You are a helpful assistant. Be brief.";

struct Options {
    live: bool,
    json: bool,
    tools: bool,
    model: String,
    effort: Option<ReasoningEffort>,
    text: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let Some(options) = options()? else {
        println!("{USAGE}");
        return Ok(());
    };
    let Connection { auth, builder, embedded: _embedded } = support::connect(options.live).await?;
    let asked = match builder.application("chat", "1.0").build_any(&auth)? {
        AnyClient::Codex(client) => {
            let responses = CodexResponses::new(&client);
            ask(responses.create(&options.model, INSTRUCTIONS, options.text.as_str()), &options).await
        }
        AnyClient::OpenAi(client) => {
            let responses = OpenAiResponses::new(&client);
            let request = responses.create(&options.model, options.text.as_str()).store(false);
            ask(request.instructions(INSTRUCTIONS), &options).await
        }
        _ => Err("these credentials cannot ask a model".into()),
    };
    auth.settled().await?;
    asked
}

/// The same for either mode.
async fn ask<M>(mut request: ResponseRequest<M>, options: &Options) -> Result<(), Failure> {
    if let Some(effort) = &options.effort {
        request = request.reasoning_effort(effort.clone());
    }
    let show = if options.json { show_json } else { show_text };
    if options.tools {
        request.run_tools(&calculator()).on_event(show).await?;
    } else {
        let mut stream = request.stream().await?;
        while let Some(event) = stream.next().await {
            show(&event?);
        }
    }
    if !options.json {
        println!();
    }
    Ok(())
}

fn show_text(event: &ResponseEvent) {
    match &event.kind {
        ResponseEventKind::OutputTextDelta(piece) => {
            print!("{}", piece.delta);
            // Text that cannot be shown is no reason to stop.
            let _shown = std::io::stdout().flush();
        }
        ResponseEventKind::FunctionCallArgumentsDone(call) => eprintln!("[calls a function with {}]", call.input),
        _ => {}
    }
}

fn show_json(event: &ResponseEvent) {
    match event.json() {
        // What headers tell has no JSON of its own.
        _ if event.raw().is_empty() => {}
        // A server may break JSON into lines, and send what is none.
        Ok(json) if event.raw().contains(['\n', '\r']) => println!("{json}"),
        Ok(_) => println!("{}", event.raw()),
        Err(_) => println!("{}", serde_json::Value::from(event.raw())),
    }
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Numbers {
    /// The numbers to add.
    numbers: Vec<f64>,
}

fn calculator() -> Tools {
    let tool = FunctionTool::of::<Numbers>("add", "Adds numbers.");
    Tools::new().function(tool, |arguments: Numbers| async move {
        if arguments.numbers.is_empty() {
            Err("there is nothing to add")
        } else {
            Ok(arguments.numbers.iter().sum::<f64>())
        }
    })
}

fn options() -> Result<Option<Options>, Failure> {
    let mut options = Options {
        live: false,
        json: false,
        tools: false,
        model: "gpt-5.5".to_owned(),
        effort: None,
        text: String::new(),
    };
    let mut arguments = std::env::args().skip(1);
    let mut words = Vec::new();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` needs a value\n\n{USAGE}"));
        match argument.as_str() {
            "--live" => options.live = true,
            "--json" => options.json = true,
            "--tools" => options.tools = true,
            "--model" => options.model = value()?,
            "--effort" => options.effort = Some(value()?.into()),
            "-h" | "--help" => return Ok(None),
            other if other.starts_with("--") => return Err(format!("unknown argument `{other}`\n\n{USAGE}").into()),
            _ => words.push(argument),
        }
    }
    if words.is_empty() {
        return Err(format!("nothing to ask\n\n{USAGE}").into());
    }
    options.text = words.join(" ");
    Ok(Some(options))
}
