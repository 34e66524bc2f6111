//! Shows how much of the plan's limits is used.
//!
//! ```text
//! cargo run --example usage [-- --json]
//! ```
//!
//! With nothing configured it asks the embedded backend, and says so. With `CODEX_BACKEND_BASE_URL` set it asks that
//! backend; with `--live`, the real one.

#[macro_use]
#[path = "support/output.rs"]
mod output;
#[path = "support/flags.rs"]
mod flags;
mod support;

use std::process::ExitCode;
use std::time::SystemTime;

use codex_backend::limits::{LimitWindow, RateLimitSnapshot, SnapshotWindow};
use codex_backend::usage::UsageReport;
use flags::{Flags, flags};
use support::{Connection, Failure};

const USAGE: &str = "usage: usage [--live] [--json]

Shows how much of the plan's limits is used.

  --live    ask the real backend, with the credentials that are found
  --json    print the backend's answer as it is";

/// How many characters a bar has.
const BAR: usize = 24;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("usage: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let Some(Flags { live, json }) = flags(USAGE)? else { return Ok(()) };
    let Connection { auth, builder, embedded: _embedded } = support::connect(live).await?;
    let client = builder.application("usage", "1.0").codex_auth(&auth)?.build()?;
    let usage = client.usage().get().with_raw().await?;
    if json {
        println!("{}", usage.raw);
    } else {
        print(&usage.value);
    }
    auth.settled().await?;
    Ok(())
}

fn print(usage: &UsageReport) {
    println!("{:<16} {}", "plan", usage.plan_type.as_ref().map_or("unknown", |plan| plan.as_str()));
    for snapshot in usage.snapshots() {
        print_limit(&snapshot);
    }
    if let Some(credits) = &usage.credits {
        let balance = match &credits.balance {
            _ if credits.unlimited => "unlimited",
            Some(balance) if credits.has_credits => balance,
            _ => "none",
        };
        println!("{:<16} {balance}", "credits");
    }
    if let Some(resets) = &usage.rate_limit_reset_credits {
        println!("{:<16} {}", "resets in hand", resets.available_count);
    }
}

fn print_limit(snapshot: &RateLimitSnapshot) {
    let windows: Vec<&SnapshotWindow> = snapshot.primary.iter().chain(&snapshot.secondary).collect();
    if let Some(name) = &snapshot.limit_name {
        println!("{name}{}", if windows.is_empty() { ": no limit" } else { "" });
    }
    for window in windows {
        println!("{:<16} {} {:>3.0} %  {}", name(window), bar(window.used_percent), window.used_percent, reset(window));
    }
    if let Some(reason) = &snapshot.reached {
        println!("{:<16} {reason}", "limit reached");
    }
}

fn name(window: &SnapshotWindow) -> String {
    match window.kind() {
        Some(LimitWindow::FiveHours) => "5 hours".to_owned(),
        Some(LimitWindow::Day) => "day".to_owned(),
        Some(LimitWindow::Week) => "week".to_owned(),
        Some(LimitWindow::Month) => "month".to_owned(),
        _ => window.window_minutes.map_or("window".to_owned(), |minutes| format!("{minutes} min")),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of characters")]
fn bar(used_percent: f64) -> String {
    let used = (used_percent.clamp(0.0, 100.0) / 100.0 * BAR as f64).round() as usize;
    format!("[{}{}]", "#".repeat(used), "-".repeat(BAR - used))
}

fn reset(window: &SnapshotWindow) -> String {
    let Some(at) = window.resets_at else { return String::new() };
    let local = jiff::Timestamp::try_from(at).map(|at| at.to_zoned(jiff::tz::TimeZone::system()));
    let local = local.map_or_else(|_| "some day".to_owned(), |at| at.strftime("%a %d %b %Y %H:%M").to_string());
    match at.duration_since(SystemTime::now()) {
        Ok(left) => {
            let whole_minutes = std::time::Duration::from_secs(left.as_secs() / 60 * 60);
            format!("resets {local}, in {}", humantime::format_duration(whole_minutes))
        }
        Err(_) => format!("was to reset {local}"),
    }
}
