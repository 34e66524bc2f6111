//! ChatGPT tokens in a file: what a warm session costs its callers, and what a storm of processes costs the server.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use codex_backend::testing::{Backend, Route};
use codex_backend::auth::FileStore;
use codex_backend::{ChatGptSession, Client, CodexBackend};
use cpu_time::ProcessTime;
use tokio::runtime::Runtime;
use tokio::sync::Barrier;

use crate::Failure;
use crate::rounds::{self, Arm, ratio};

const ROUNDS: usize = 60;
const FETCHES: usize = 64_000;
const HOUR: Duration = Duration::from_secs(60 * 60);

const STORM_ROUNDS: usize = 5;
const PROCESSES: usize = 32;
const TASKS: usize = 32;

pub fn run() -> Result<(), Failure> {
    let backend = Backend::start()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("auth.json");
    std::fs::write(&path, backend.issue_auth_json("acct-1", HOUR))?;
    let client = client(&backend.codex_base_url(), &path)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;

    let mut arms = [
        Arm::new("1 task", || fetch(&runtime, &client, 1)),
        Arm::new("1 task again (noise)", || fetch(&runtime, &client, 1)),
        Arm::new("8 tasks", || fetch(&runtime, &client, 8)),
        Arm::new("64 tasks", || fetch(&runtime, &client, 64)),
    ];
    rounds::run(&mut arms, ROUNDS);
    println!("### Headers of a warm session: {ROUNDS} rounds of {FETCHES} fetches, 2 threads\n");
    println!("| arm | ns of CPU per fetch | against 1 task (of lowest) |");
    println!("| --- | --- | --- |");
    for arm in &arms {
        let against = ratio(arm, &arms[0]);
        println!("| {} | {:.1} | {:.3} ({:.3}) |", arm.name, arm.median(), against.median, against.of_lowest);
    }
    println!();
    storms()
}

fn client(base_url: &str, path: &Path) -> Result<Client<CodexBackend>, Failure> {
    let session = ChatGptSession::open(FileStore::new(path))?;
    Ok(Client::builder().codex_base_url(base_url).provider(session).build()?)
}

/// CPU time of the process, per fetch, in nanoseconds.
fn fetch(runtime: &Runtime, client: &Client<CodexBackend>, tasks: usize) -> f64 {
    runtime.block_on(async {
        let start = Arc::new(Barrier::new(tasks));
        let began = ProcessTime::now();
        let tasks: Vec<_> = (0..tasks)
            .map(|_| {
                let (client, start) = (client.clone(), start.clone());
                tokio::spawn(async move {
                    start.wait().await;
                    for fetched in 0..FETCHES / tasks {
                        let headers = client.auth_headers().await.expect("the tokens are valid");
                        assert_eq!(headers.generation(), 0);
                        if fetched % 128 == 127 {
                            tokio::task::yield_now().await;
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no task panics");
        }
        began.elapsed().as_secs_f64() * 1e9 / FETCHES as f64
    })
}

fn storms() -> Result<(), Failure> {
    println!("### Storms: {PROCESSES} processes with {TASKS} tasks each, on one `auth.json`\n");
    println!("| access token | calls | failed | requests that redeem | seconds, median of {STORM_ROUNDS} (all) |");
    println!("| --- | --- | --- | --- | --- |");
    for (name, lifetime) in [("valid", HOUR), ("expired", Duration::ZERO)] {
        let (mut failed, mut redeemed, mut seconds) = (0, Vec::new(), Vec::new());
        for _ in 0..STORM_ROUNDS {
            let backend = Backend::start()?;
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("auth.json");
            std::fs::write(&path, backend.issue_auth_json("acct-1", lifetime))?;
            let began = Instant::now();
            let children: Vec<_> = (0..PROCESSES)
                .map(|_| {
                    let mut command = Command::new(std::env::current_exe()?);
                    command.arg("storm").arg(backend.codex_base_url()).arg(&path).spawn()
                })
                .collect::<Result<_, _>>()?;
            for mut child in children {
                let status = child.wait()?;
                failed += status.code().and_then(|code| usize::try_from(code).ok()).unwrap_or(TASKS);
            }
            seconds.push(began.elapsed().as_secs_f64());
            redeemed.push(backend.requests_to(Route::REFRESH_TOKEN).len());
        }
        let calls = STORM_ROUNDS * PROCESSES * TASKS;
        seconds.sort_by(f64::total_cmp);
        let all: Vec<String> = seconds.iter().map(|second| format!("{second:.2}")).collect();
        let median = seconds[STORM_ROUNDS / 2];
        println!("| {name} | {calls} | {failed} | {redeemed:?} | {median:.2} ({}) |", all.join(", "));
    }
    println!();
    Ok(())
}

/// One process of a storm. Its exit code is the number of calls that failed.
pub fn storm(base_url: &str, path: &Path) -> Result<(), Failure> {
    let client = client(base_url, path)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let failed = runtime.block_on(async {
        let calls: Vec<_> = (0..TASKS)
            .map(|_| {
                let usage = client.usage();
                tokio::spawn(async move { usage.get().await.is_err() })
            })
            .collect();
        let mut failed = 0;
        for call in calls {
            failed += i32::from(call.await.unwrap_or(true));
        }
        failed
    });
    std::process::exit(failed)
}
