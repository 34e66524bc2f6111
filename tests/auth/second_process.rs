//! A second process: this very test binary, told by a variable what to do in place of testing.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use codex_backend::auth::{CredentialStore, FileStore, StoreError, StoredCredentials, SwapOutcome};
use codex_backend::transport::Environment;
use codex_backend::{AuthError, ChatGptSession, Client};
use serde_json::{Value, json};

use crate::support::capture::capture_traces;

const TASK: &str = "CODEX_BACKEND_TEST_TASK";
/// Not root, and the owner of nothing.
#[cfg(unix)]
pub(crate) const NOBODY: u32 = 65_534;

/// How to start the second process.
pub(crate) fn command(task: &Value) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    dress(&mut command, task);
    command
}

/// The same, with nothing masked off the modes of what it creates.
#[cfg(unix)]
pub(crate) fn command_without_umask(task: &Value) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "umask 0; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    dress(&mut command, task);
    command
}

fn dress(command: &mut Command, task: &Value) {
    command
        .args(["--exact", "stores::a_second_process_does_as_it_is_told", "--nocapture"])
        .env(TASK, task.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
}

/// The second process. It does not outlive this value.
pub(crate) struct Second {
    process: Child,
    gate: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Second {
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let mut process = command.spawn()?;
        let (gate, output) = (process.stdin.take(), BufReader::new(process.stdout.take().unwrap()));
        Ok(Self { process, gate, output })
    }

    /// Holds a lock, from when this returns until it is dropped.
    pub(crate) fn holding(lock: &Path) -> Self {
        let mut second = Self::start(&mut command(&json!({ "do": "hold", "path": lock }))).unwrap();
        assert_eq!(second.told(), json!("held"));
        second
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn told(&mut self) -> Value {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the second process ended without a word");
            if let Some((_, told)) = line.split_once("told: ") {
                return serde_json::from_str(told).unwrap();
            }
        }
    }

    pub(crate) fn release(mut self) {
        drop(self.gate.take());
        self.process.wait().unwrap();
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.process.kill();
        let _reaped = self.process.wait();
    }
}

pub(crate) fn told_by(command: &mut Command) -> Value {
    Second::start(command).unwrap().told()
}

/// In the second process, and nowhere else: does the task.
pub(crate) fn act() {
    let Ok(task) = std::env::var(TASK) else { return };
    capture_traces();
    let task: Value = serde_json::from_str(&task).unwrap();
    let path = task["path"].as_str().unwrap();
    let store = FileStore::new(path);
    match task["do"].as_str().unwrap() {
        "hold" => hold(path),
        "count" => tell(&count(&store, task["times"].as_u64().unwrap())),
        "load" => tell(&outcome(store.load().map(drop))),
        "swap" => tell(&outcome(put(&store, &task["new"].to_string()))),
        "remove" => tell(&outcome(remove(&store))),
        "prepare" => tell(&outcome(store.begin_refresh(Duration::ZERO).map(drop))),
        "call" => tell(&call(store, task["base_url"].as_str().unwrap())),
        "rewrite" => rewrite_for_ever(&store),
        unknown => panic!("{unknown}"),
    }
}

fn tell(value: &Value) {
    println!("\ntold: {value}");
    io::stdout().flush().unwrap();
}

fn hold(path: &str) {
    let lock = File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
    lock.lock().unwrap();
    tell(&json!("held"));
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn outcome(result: Result<(), StoreError>) -> Value {
    match result {
        Ok(()) => Value::Null,
        Err(error) => {
            crate::support::capture::assert_error_hides(&error);
            json!({ "kind": format!("{:?}", error.kind()), "text": error.to_string() })
        }
    }
}

/// Puts it in the place of whatever is there.
fn put(store: &FileStore, new: &str) -> Result<(), StoreError> {
    let (kept, new) = (store.load()?, StoredCredentials::from_json(new).unwrap());
    assert_eq!(store.swap(kept.as_ref(), Some(&new))?, SwapOutcome::Done);
    Ok(())
}

fn remove(store: &FileStore) -> Result<(), StoreError> {
    let kept = store.load()?;
    assert_eq!(store.swap(kept.as_ref(), None)?, SwapOutcome::Done);
    Ok(())
}

fn call(store: FileStore, base_url: &str) -> Value {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = Client::builder()
        .codex_base_url(base_url)
        .environment(Environment::empty())
        .provider(ChatGptSession::open(store).unwrap())
        .build()
        .unwrap();
    match runtime.block_on(client.usage().get().into_future()) {
        Ok(_) => Value::Null,
        Err(error) => {
            crate::support::capture::assert_error_hides(&error);
            json!({ "kind": format!("{:?}", error.auth_error().map(AuthError::kind)), "text": error.to_string() })
        }
    }
}

/// Adds one that often, each time to what is there.
pub(crate) fn count(store: &dyn CredentialStore, times: u64) -> Value {
    let mut kept = store.load().unwrap();
    for _ in 0..times {
        loop {
            let before: Value = serde_json::from_str(&kept.as_ref().unwrap().to_json()).unwrap();
            let new = json!({ "count": before["count"].as_u64().unwrap() + 1 }).to_string();
            let new = StoredCredentials::from_json(&new).unwrap();
            match store.swap(kept.as_ref(), Some(&new)).unwrap() {
                SwapOutcome::Done => {
                    kept = Some(new);
                    break;
                }
                SwapOutcome::Changed(meanwhile) => kept = meanwhile,
            }
        }
    }
    json!(times)
}

fn rewrite_for_ever(store: &FileStore) {
    tell(&json!("begins"));
    for number in 0_u64.. {
        put(store, &json!({ "number": number }).to_string()).unwrap();
    }
}
