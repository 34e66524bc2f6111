//! A process with a session bus and a keyring of its own, and what another program does with them.

use std::fs;
use std::future::Future;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use codex_backend::auth::{CredentialStore, KeyringStore};
use serde_json::Value;

use crate::capture::{assert_hidden, capture_traces};
use crate::guard::HANGS;

/// The session bus that a test finds.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Bus {
    /// One on which nothing runs that the test does not start.
    Real,
    /// None at its address.
    Missing,
    /// One that takes connections and says nothing.
    Silent,
}

const BUS_WITHOUT_SERVICES: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>"#;

impl Bus {
    pub(crate) fn run(self, name: &str) {
        let folder = tempfile::tempdir().unwrap();
        let bus = folder.path().join("bus");
        let myself = std::env::current_exe().unwrap();
        let mut command = match self {
            Self::Real => {
                let config = folder.path().join("bus.conf");
                fs::write(&config, BUS_WITHOUT_SERVICES).unwrap();
                let mut command = Command::new("dbus-run-session");
                command.arg("--config-file").arg(config).arg("--").arg(myself);
                command
            }
            Self::Missing => Command::new(myself),
            Self::Silent => {
                let silent = UnixListener::bind(&bus).unwrap();
                thread::spawn(move || {
                    let mut connections = Vec::new();
                    silent.incoming().for_each(|connection| connections.push(connection));
                });
                Command::new(myself)
            }
        };
        let runtime_folder = folder.path().join("runtime");
        fs::DirBuilder::new().mode(0o700).create(&runtime_folder).unwrap();
        let outcome = command
            .args(["inside", name])
            .env("HOME", folder.path())
            .env("XDG_DATA_HOME", folder.path().join("data"))
            .env("XDG_CONFIG_HOME", folder.path().join("config"))
            .env("XDG_RUNTIME_DIR", &runtime_folder)
            .env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", bus.display()))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [outcome.stdout, outcome.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        assert!(outcome.status.success(), "{}\n{}\n{}", outcome.status, said[0], said[1]);
        assert_hidden(&said.concat());
    }
}

/// A running gnome-keyring, unlocked, and the folder that an entry is for.
pub(crate) struct Desk {
    pub(crate) daemon: Child,
    pub(crate) home: PathBuf,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self { daemon: start_daemon(), home: user_home().join(".codex") };
        fs::create_dir(&desk.home).unwrap();
        until("a keyring", || desk.store().load().is_ok());
        capture_traces();
        desk
    }

    pub(crate) fn store(&self) -> KeyringStore {
        KeyringStore::new(&self.home)
    }

    /// The account that the entry has in the official tool.
    pub(crate) fn account(&self) -> String {
        account_of(&self.home)
    }

    /// The value, as another program reads it.
    pub(crate) fn value(&self) -> String {
        lookup(&["service", "Codex Auth", "username", &self.account()])
    }

    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.value()).expect("the entry is broken")
    }

    /// What the official tool leaves behind, without its locks.
    pub(crate) fn write_as_the_official_tool(&self, value: &str) {
        let account = self.account();
        // `secret-tool` replaces only what has the very same attributes.
        let cleared =
            Command::new("secret-tool").args(["clear", "service", "Codex Auth", "username", &account]).status();
        cleared.unwrap();
        let attributes =
            ["application", "rust-keyring", "service", "Codex Auth", "target", "default", "username", &account];
        secret_tool_store(&attributes, value.as_bytes());
    }

    pub(crate) fn entries(&self) -> usize {
        let output = Command::new("secret-tool").args(["search", "--all", "service", "Codex Auth"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.starts_with("secret = ")).count()
    }

    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.daemon.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.daemon.kill();
        let _reaped = self.daemon.wait();
    }
}

pub(crate) fn start_daemon() -> Child {
    let mut daemon = Command::new("gnome-keyring-daemon")
        .args(["--foreground", "--unlock", "--components=secrets"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    daemon.stdin.take().unwrap().write_all(b"password").unwrap();
    daemon
}

pub(crate) fn user_home() -> PathBuf {
    PathBuf::from(std::env::var_os("HOME").unwrap())
}

pub(crate) fn account_of(home: &Path) -> String {
    let path = fs::canonicalize(home).unwrap();
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(path.to_str().unwrap().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap().stdout;
    format!("cli|{}", std::str::from_utf8(&output[..16]).unwrap())
}

pub(crate) fn lookup(attributes: &[&str]) -> String {
    let output = Command::new("secret-tool").arg("lookup").args(attributes).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn secret_tool_store(attributes: &[&str], value: &[u8]) {
    let mut child = Command::new("secret-tool")
        .args(["store", "--label", "another program's"])
        .args(attributes)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(value).unwrap();
    assert!(child.wait().unwrap().success());
}

#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + HANGS / 2;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come");
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}
