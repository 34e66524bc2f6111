//! A small GET: the client's CPU time.

use std::time::Duration;

use codex_backend::{Client, CodexBackend, Usage};
use cpu_time::ThreadTime;
use tokio::runtime::Runtime;

use crate::clients::{self, Bare};
use crate::rounds::{self, Arm, ratio};
use crate::server::Server;
use crate::{Failure, allocations};

const ROUNDS: usize = 400;
const REQUESTS: u32 = 100;
/// codex-backend bounds every request; this is its default.
const LIMIT: Duration = Duration::from_secs(60);

pub fn run() -> Result<(), Failure> {
    on_one_core(measure)
}

fn measure() -> Result<(), Failure> {
    let server = Server::start()?;
    let runtime = runtime()?;
    let bare = Bare::new(&server.origin)?;
    let client = clients::codex(&server.origin)?;
    assert_eq!(runtime.block_on(bare.usage(None))?, runtime.block_on(usage(&client))?);

    let get_bare = || drop(runtime.block_on(bare.usage(None)).expect("an answer"));
    let get_limited = || drop(runtime.block_on(bare.usage(Some(LIMIT))).expect("an answer"));
    let get_ours = || drop(runtime.block_on(usage(&client)).expect("an answer"));
    let allocated = [allocated(get_bare), allocated(get_bare), allocated(get_limited), allocated(get_ours)];
    let mut arms = [
        Arm::new("bare reqwest and serde_json", timed(get_bare)),
        Arm::new("bare reqwest again (noise)", timed(get_bare)),
        Arm::new("bare reqwest with `.timeout(..)`", timed(get_limited)),
        Arm::new("codex-backend", timed(get_ours)),
    ];
    rounds::run(&mut arms, ROUNDS);

    println!("### A small GET: {ROUNDS} rounds of {REQUESTS} requests\n");
    println!("| arm | µs of CPU per request | allocations per request | CPU time against bare reqwest (of lowest) |");
    println!("| --- | --- | --- | --- |");
    for (arm, allocated) in arms.iter().zip(allocated) {
        let against = ratio(arm, &arms[0]);
        let (name, cost) = (arm.name, arm.median());
        println!("| {name} | {cost:.2} | {allocated} | {:.3} ({:.3}) |", against.median, against.of_lowest);
    }
    println!();
    Ok(())
}

/// One arm alone, for a profiler: `bench get --one-arm codex 2000`.
pub fn run_one_arm(arm: &str, requests: u32) -> Result<(), Failure> {
    let server = Server::start()?;
    let runtime = runtime()?;
    let bare = Bare::new(&server.origin)?;
    let client = clients::codex(&server.origin)?;
    for _ in 0..requests {
        match arm {
            "bare" => drop(runtime.block_on(bare.usage(None))?),
            "codex" => drop(runtime.block_on(usage(&client))?),
            _ => return Err("the arms are `bare` and `codex`".into()),
        }
    }
    Ok(())
}

/// Runs on a thread that keeps to one core, as does the server it starts. On two cores, part of what it costs to wake
/// the other one is counted as the client's, now more and now less.
pub fn on_one_core(work: fn() -> Result<(), Failure>) -> Result<(), Failure> {
    let core = core_affinity::get_core_ids().and_then(|cores| cores.first().copied()).ok_or("no core to run on")?;
    let thread = std::thread::spawn(move || {
        if !core_affinity::set_for_current(core) {
            return Err("the thread cannot be kept to one core".to_owned());
        }
        work().map_err(|error| error.to_string())
    });
    Ok(thread.join().map_err(|_| "the measurement panicked")??)
}

/// On one thread, so that the thread's CPU time is all of the client's.
pub fn runtime() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

async fn usage(client: &Client<CodexBackend>) -> Result<codex_backend::usage::UsageReport, Failure> {
    Ok(Usage::new(client).get().await?)
}

fn timed(get: impl Fn()) -> impl FnMut() -> f64 {
    move || {
        let start = ThreadTime::now();
        for _ in 0..REQUESTS {
            get();
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(REQUESTS)
    }
}

fn allocated(get: impl Fn()) -> u64 {
    allocations::during(|| (0..REQUESTS).for_each(|_| get())) / u64::from(REQUESTS)
}
