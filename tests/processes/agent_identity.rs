//! Many processes run as one agent, each with many tasks of work.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

use codex_backend::Client;
use codex_backend::auth::AgentIdentity;
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::transport::Environment;
use secrecy::ExposeSecret;

use crate::support::guard::HANGS;
use crate::support::harness::Test;

pub(crate) const TESTS: &[Test] =
    &[("each_process_registers_once_and_no_call_is_lost", each_process_registers_once_and_no_call_is_lost)];

const PROCESSES: usize = 10;
const CALLS: usize = 100;

/// A process that waits at a gate once it has read the record. It does not outlive this value.
struct Worker {
    process: Child,
    gate: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start(backend: &Backend, record: &str, number: usize) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["agent", &backend.codex_base_url(), &format!("worker-{number}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut gate, output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        writeln!(gate, "{record}").unwrap();
        Self { process, gate: Some(gate), output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn each_process_registers_once_and_no_call_is_lost() {
    let backend = Backend::start().unwrap();
    let record = backend.issue_agent_identity("acct-1").unwrap().to_record();
    // Some of the registrations fail at first.
    backend.inject(Route::REGISTER_TASK, Fault::status(503).times(2));
    let mut workers: Vec<Worker> =
        (0..PROCESSES).map(|number| Worker::start(&backend, record.expose_secret(), number)).collect();
    for worker in &mut workers {
        assert_eq!(worker.line(), "ready");
    }
    workers.iter_mut().for_each(|worker| drop(worker.gate.take()));
    for worker in &mut workers {
        assert_eq!(worker.line(), CALLS.to_string());
    }

    let mut registrations = BTreeMap::new();
    for request in backend.requests_to(Route::REGISTER_TASK) {
        *registrations.entry(request.header("originator").unwrap().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(registrations.len(), PROCESSES);
    // One for each process, and one for each that failed on the way.
    assert_eq!(registrations.values().sum::<usize>(), PROCESSES + 2);
    assert_eq!(backend.requests_to(Route::GET_USAGE).len(), PROCESSES * CALLS);
}

/// What such a process does.
pub(crate) fn work(task: &[String]) -> ExitCode {
    let [base_url, name] = task else { return ExitCode::FAILURE };
    std::thread::spawn(|| {
        std::thread::sleep(HANGS);
        std::process::exit(3);
    });
    let mut record = String::new();
    io::stdin().read_line(&mut record).unwrap();
    let agent = AgentIdentity::from_record(record).unwrap().lazy();
    let client = Client::builder().application(name, "1").codex_base_url(base_url).environment(Environment::empty());
    let client = client.agent_identity(agent).build().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("ready");
    io::stdout().flush().unwrap();
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let answered = runtime.block_on(async {
        let calls: Vec<_> = (0..CALLS).map(|_| tokio::spawn(client.usage().get().into_future())).collect();
        let mut answered = 0;
        for call in calls {
            call.await.unwrap().unwrap();
            answered += 1;
        }
        answered
    });
    println!("{answered}");
    ExitCode::SUCCESS
}
