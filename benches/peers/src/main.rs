//! Measures `codex_backend` beside bare reqwest, async-openai, genai and rig-core, and prints Markdown tables.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml [-- headers | agent | session | get | list | upload | memory | streams | first-event | all]
//! ```
//!
//! All arms of a table run in one process, interleaved in short rounds. One arm runs twice: how far its second ratio is
//! from 1 is the noise. The server is a child process, so that its time and memory are not the client's.

mod agent;
mod allocations;
mod clients;
mod first_event;
mod get;
mod headers;
mod list;
mod memory;
mod rounds;
mod server;
mod session;
mod streams;
mod upload;

use std::env;
use std::process::ExitCode;

type Failure = Box<dyn std::error::Error>;

const USAGE: &str =
    "usage: bench [headers | agent | session | get | list | upload | memory | streams | first-event | all]";

fn main() -> ExitCode {
    // reqwest is built without a provider, and async-openai builds its own client.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("bench: a TLS provider is installed already");
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Failure> {
    match arguments {
        ["headers"] => headers::run(),
        ["agent"] => agent::run(),
        ["session"] => session::run(),
        ["get"] => get::run(),
        ["get", "--one-arm", arm, count] => get::run_one_arm(arm, count.parse()?),
        ["list"] => list::run(),
        ["upload"] => upload::run(),
        ["memory"] => memory::run(),
        ["streams"] => streams::run(),
        ["first-event"] => first_event::run(),
        ["first-event", "--one-arm", arm, count] => first_event::run_one_arm(arm, count.parse()?),
        ["streams", "--one-arm", arm, count] => streams::run_one_arm(arm, count.parse()?),
        [] | ["all"] => {
            headers::run()?;
            agent::run()?;
            session::run()?;
            get::run()?;
            list::run()?;
            upload::run()?;
            memory::run()?;
            streams::run()?;
            first_event::run()
        }
        // The child processes.
        ["storm", base_url, path] => session::storm(base_url, path.as_ref()),
        ["serve"] => server::serve(),
        ["serve-awake"] => server::serve_awake(),
        ["list-once", origin, count] => list::list_once(origin, count.parse()?),
        ["upload-once", arm, origin, path] => memory::upload_once(arm, origin, path.as_ref()),
        ["stream-once", what, arm, origin, events] => streams::once(what, arm, origin, events.parse()?),
        _ => Err(USAGE.into()),
    }
}
