//! The other processes: how they are started, held at a gate, killed and asked; and what they do.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use codex_backend::auth::FileStore;
use codex_backend::transport::Environment;
use codex_backend::{ChatGptSession, Client};
use serde_json::{Value, json};

use crate::support::guard::HANGS;
use crate::support::sign_in::SignIn;

/// A process that waits at a gate once it is ready. It does not outlive this value.
pub(crate) struct Worker {
    process: Child,
    gate: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start(task: &[&str]) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .arg("worker")
            .args(task)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (gate, output) = (process.stdin.take(), BufReader::new(process.stdout.take().unwrap()));
        Self { process, gate, output }
    }

    /// Makes that many calls at once when it is released; its outcome has `null` for each that succeeds.
    pub(crate) fn calling(sign_in: &SignIn, number: usize, tasks: usize) -> Self {
        let path = sign_in.path();
        let (base_url, name, tasks) = (sign_in.backend.codex_base_url(), Self::name(number), tasks.to_string());
        Self::start(&["call", path.to_str().unwrap(), &base_url, &name, &tasks])
    }

    /// The application that a worker says it is.
    pub(crate) fn name(number: usize) -> String {
        format!("worker-{number}")
    }

    /// Rewrites the file until it is released; its outcome is how often.
    pub(crate) fn official_tool(sign_in: &SignIn) -> Self {
        Self::start(&["rewrite", sign_in.path().to_str().unwrap()])
    }

    pub(crate) fn wait_until_ready(&mut self) {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
    }

    pub(crate) fn release(&mut self) {
        drop(self.gate.take());
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn outcome(mut self) -> Option<Value> {
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "a worker failed: {status}");
        serde_json::from_str(&text).ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// What a worker does.
pub(crate) fn act(task: &[String]) -> ExitCode {
    thread::spawn(|| {
        thread::sleep(HANGS);
        std::process::exit(3);
    });
    let task: Vec<&str> = task.iter().map(String::as_str).collect();
    let outcome = match task.as_slice() {
        ["call", path, base_url, name, tasks] => call(path, base_url, name, tasks.parse().unwrap()),
        ["rewrite", path] => rewrite_until_released(Path::new(path)),
        _ => return ExitCode::FAILURE,
    };
    println!("{outcome}");
    ExitCode::SUCCESS
}

fn tell_ready() {
    println!("ready");
    io::stdout().flush().unwrap();
}

fn wait_for_release() {
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn call(path: &str, base_url: &str, name: &str, tasks: usize) -> Value {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let client = Client::builder()
        .application(name, "1")
        .codex_base_url(base_url)
        .environment(Environment::empty())
        .provider(ChatGptSession::open(FileStore::new(path)).unwrap())
        .build()
        .unwrap();
    tell_ready();
    wait_for_release();
    runtime.block_on(async {
        let calls: Vec<_> = (0..tasks).map(|_| tokio::spawn(client.usage().get().into_future())).collect();
        let mut outcomes = Vec::new();
        for call in calls {
            outcomes.push(call.await.unwrap().map_or_else(|error| described(&error), |_| Value::Null));
        }
        Value::from(outcomes)
    })
}

fn described(error: &codex_backend::Error) -> Value {
    let kind = error.auth_error().map(|error| format!("{:?}", error.kind()));
    json!({ "kind": kind, "text": error.to_string() })
}

fn rewrite_until_released(path: &Path) -> Value {
    let released = Arc::new(AtomicBool::new(false));
    thread::spawn({
        let released = released.clone();
        move || {
            wait_for_release();
            released.store(true, Ordering::Relaxed);
        }
    });
    tell_ready();
    let mut rewrites = 0;
    while !released.load(Ordering::Relaxed) {
        rewrite_as_the_official_tool(path, rewrites);
        rewrites += 1;
        thread::sleep(Duration::from_millis(3));
    }
    rewrites.into()
}

/// Counts up two members that are its own, having checked that nobody else has touched them.
fn rewrite_as_the_official_tool(path: &Path, rewrites: u64) {
    let _first = lock_exclusively(&path.with_file_name("auth.lock"));
    let _looks_first = fs::read(path).unwrap();
    let second = open_lock(&path.with_file_name("auth.json.lock"));
    while second.try_lock().is_err() {
        thread::sleep(Duration::from_millis(1));
    }
    let mut document: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(document["tool"]["rewrites"], rewrites);
    assert_eq!(document["tokens"]["login_owner_id"], rewrites);
    document["tool"]["rewrites"] = json!(rewrites + 1);
    document["tokens"]["login_owner_id"] = json!(rewrites + 1);
    let mut temporary = tempfile::Builder::new().prefix(".auth-").tempfile_in(path.parent().unwrap()).unwrap();
    temporary.write_all(serde_json::to_string_pretty(&document).unwrap().as_bytes()).unwrap();
    temporary.persist(path).unwrap();
}

/// Held until it is dropped.
pub(crate) fn lock_exclusively(path: &Path) -> File {
    let file = open_lock(path);
    file.lock().unwrap();
    file
}

fn open_lock(path: &Path) -> File {
    File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap()
}
