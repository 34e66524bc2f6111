//! Programs that end right behind a call which started a refresh in the background: what was refreshed is saved, however they
//! end.

use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use codex_backend::auth::FileStore;
use codex_backend::testing::{Fault, Route};
use codex_backend::transport::Environment;
use codex_backend::{ChatGptSession, Client, CodexBackend, CodexResponses};
use futures_util::StreamExt;
use tokio::runtime::{Builder, Runtime};

use crate::support::harness::Test;
use crate::support::rounds::rounds;
use crate::support::sign_in::SignIn;

pub(crate) const TESTS: &[Test] = &[("however_a_program_ends_its_sign_in_is_saved", however_a_program_ends)];

/// In the window in which a token is used while it is refreshed.
const SOON: Duration = Duration::from_secs(200);

const ENDS: [&str; 9] = [
    "call",
    "panic",
    "time-out",
    "task",
    "stream",
    "headers",
    "exit behind a call",
    "exit behind settled",
    "shutdown behind settled",
];

/// How long the token endpoint takes, and a call.
const DELAYS: [(u64, u64); 16] = [
    (300, 50),
    (50, 50),
    (200, 50),
    (1000, 50),
    (50, 200),
    (200, 200),
    (300, 200),
    (1000, 200),
    (50, 300),
    (200, 300),
    (300, 300),
    (1000, 300),
    (50, 1000),
    (200, 1000),
    (300, 1000),
    (1000, 1000),
];

fn however_a_program_ends() {
    let runs = rounds(20) as usize;
    thread::scope(|scope| {
        for end in ENDS {
            scope.spawn(move || {
                for run in 0..runs {
                    // All pairs in a soak, the one that lost everything otherwise.
                    let delays = if runs > 20 { DELAYS[run % DELAYS.len()] } else { DELAYS[0] };
                    assert_saved(end, delays);
                }
            });
        }
    });
}

fn assert_saved(end: &str, (refresh, call): (u64, u64)) {
    let sign_in = SignIn::with_foreign_members(SOON);
    let delay = |millis| Fault::delay(Duration::from_millis(millis)).times(10);
    sign_in.backend.inject(Route::REFRESH_TOKEN, delay(refresh));
    sign_in.backend.inject(Route::GET_USAGE, delay(call));
    let before = sign_in.document();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["end", end, sign_in.path().to_str().unwrap(), &sign_in.backend.codex_base_url()])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    let about = format!("{end} {refresh}/{call}");
    assert_eq!(status.code(), Some(if end == "panic" { 101 } else { 0 }), "{about}");
    assert_eq!(sign_in.refreshes().len(), 1, "{about}");
    assert_ne!(sign_in.document()["tokens"]["refresh_token"], before["tokens"]["refresh_token"], "{about}: lost");
    assert_eq!(sign_in.temporaries(), [""; 0], "{about}");
}

/// The program.
pub(crate) fn end(task: &[String]) -> ExitCode {
    let [end, path, base_url] = task else { return ExitCode::from(9) };
    let runtime = if end == "panic" { Runtime::new() } else { Builder::new_current_thread().enable_all().build() };
    let runtime = runtime.unwrap();
    let client = Client::builder()
        .codex_base_url(base_url)
        .environment(Environment::empty())
        .chatgpt(ChatGptSession::open(FileStore::new(path)).unwrap())
        .build()
        .unwrap();
    runtime.block_on(run(end, &client));
    if end.starts_with("shutdown") {
        runtime.shutdown_background();
    }
    ExitCode::SUCCESS
}

async fn run(end: &str, client: &Client<CodexBackend>) {
    let usage = client.usage();
    match end {
        "call" => drop(usage.get().await.unwrap()),
        "panic" => {
            usage.get().await.unwrap();
            panic!("on purpose");
        }
        "time-out" => {
            let late = tokio::time::timeout(Duration::from_millis(10), usage.get().into_future()).await;
            assert!(late.is_err(), "the call took no time");
        }
        "task" => {
            tokio::spawn(usage.get().into_future());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        "stream" => {
            let mut stream =
                CodexResponses::new(client).create("gpt-5.5", "You are terse.", "Hello").stream().await.unwrap();
            assert!(stream.next().await.is_some());
        }
        "headers" => drop(client.auth_headers().await.unwrap()),
        "exit behind a call" => {
            usage.get().await.unwrap();
            std::process::exit(0);
        }
        "exit behind settled" => {
            client.auth_headers().await.unwrap();
            client.settled().await.unwrap();
            std::process::exit(0);
        }
        "shutdown behind settled" => {
            client.auth_headers().await.unwrap();
            client.settled().await.unwrap();
        }
        _ => unreachable!("{end}"),
    }
}
