//! The keyring store against a real secret service, gnome-keyring, each test with a session bus and a keyring of its own.
//! What another program does with the keyring is done by `secret-tool`. Every secret in here holds the word `MARK`.
//!
//! The binary runs each test in a second process, whose environment it chooses. Where the programs that a test needs are
//! missing, the test is skipped, and says so; with `CODEX_BACKEND_TEST_SECRET_SERVICE=required` it fails.

#[cfg(target_os = "linux")]
#[path = "../support/capture.rs"]
#[allow(dead_code, reason = "not every test binary asks everything")]
mod capture;
#[cfg(target_os = "linux")]
mod cases;
#[cfg(target_os = "linux")]
mod desk;
#[cfg(target_os = "linux")]
#[path = "../support/guard.rs"]
mod guard;
#[cfg(target_os = "linux")]
#[path = "../support/harness.rs"]
mod harness;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    cases::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {}
