//! Listing 10,000 tasks by stream: the client's CPU time, and its memory.

use std::process::Command;

use cpu_time::ThreadTime;

use crate::clients::{self, Bare};
use crate::get::{on_one_core, runtime};
use crate::memory::status_kib;
use crate::rounds::{self, Arm, ratio};
use crate::server::{Server, TASKS};
use crate::{Failure, allocations};

const ROUNDS: usize = 60;

pub fn run() -> Result<(), Failure> {
    on_one_core(measure)?;
    memory()
}

fn measure() -> Result<(), Failure> {
    let server = Server::start()?;
    let runtime = runtime()?;
    let bare = Bare::new(&server.origin)?;
    let client = clients::codex(&server.origin)?;
    let list_bare = || assert_eq!(runtime.block_on(bare.list(TASKS)).expect("a list"), TASKS);
    let list_ours = || assert_eq!(runtime.block_on(clients::list_by_codex(&client, TASKS)).expect("a list"), TASKS);
    let allocated = [allocations::during(list_bare), allocations::during(list_bare), allocations::during(list_ours)];
    let mut arms = [
        Arm::new("bare reqwest and serde_json", timed(list_bare)),
        Arm::new("bare reqwest again (noise)", timed(list_bare)),
        Arm::new("codex-backend, item by item", timed(list_ours)),
    ];
    rounds::run(&mut arms, ROUNDS);

    println!("### Listing {TASKS} tasks, 20 to a page: {ROUNDS} rounds\n");
    println!("| arm | ms of CPU per list | allocations per task | CPU time against bare reqwest (of lowest) |");
    println!("| --- | --- | --- | --- |");
    for (arm, allocated) in arms.iter().zip(allocated) {
        let against = ratio(arm, &arms[0]);
        let (name, cost, allocated) = (arm.name, arm.median(), allocated as f64 / TASKS as f64);
        println!("| {name} | {cost:.2} | {allocated:.1} | {:.3} ({:.3}) |", against.median, against.of_lowest);
    }
    println!();
    Ok(())
}

fn timed(list: impl Fn()) -> impl FnMut() -> f64 {
    move || {
        let start = ThreadTime::now();
        list();
        start.elapsed().as_secs_f64() * 1e3
    }
}

/// Each list in a process of its own.
fn memory() -> Result<(), Failure> {
    let server = Server::start()?;
    println!("### Peak memory above idle, listing\n");
    println!("| tasks | codex-backend |");
    println!("| --- | --- |");
    for count in [TASKS / 10, TASKS] {
        let count = count.to_string();
        let child = Command::new(std::env::current_exe()?).args(["list-once", &server.origin, &count]).output()?;
        let growth: f64 = String::from_utf8(child.stdout)?.trim().parse()?;
        println!("| {count} | {:.1} MiB |", growth / 1024.0);
    }
    println!();
    Ok(())
}

/// The child process: prints by how many KiB its peak is above what it held before.
pub fn list_once(origin: &str, count: usize) -> Result<(), Failure> {
    let (runtime, client) = (runtime()?, clients::codex(origin)?);
    let idle = status_kib("VmRSS:")?;
    assert_eq!(runtime.block_on(clients::list_by_codex(&client, count))?, count);
    println!("{}", status_kib("VmHWM:")?.saturating_sub(idle));
    Ok(())
}
