//! Many processes at once. The binary is its own worker: with `worker`, `end` or `agent` as its first argument it does one thing
//! and reports on standard output.

#[path = "../support"]
mod support {
    pub(crate) mod guard;
    pub(crate) mod harness;
    pub(crate) mod rounds;
    pub(crate) mod sign_in;
}
#[cfg(feature = "agent-identity")]
mod agent_identity;
mod ends;
mod refresh;
mod worker;

use std::process::ExitCode;

use self::support::harness::{Test, run_tests};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((role, task)) if role == "worker" => worker::act(task),
        Some((role, task)) if role == "end" => ends::end(task),
        #[cfg(feature = "agent-identity")]
        Some((role, task)) if role == "agent" => agent_identity::work(task),
        _ => run_tests(&tests(), &arguments),
    }
}

fn tests() -> Vec<Test> {
    let mut tests = refresh::TESTS.to_vec();
    tests.extend(ends::TESTS);
    #[cfg(feature = "agent-identity")]
    tests.extend(agent_identity::TESTS);
    tests
}
