//! Shows which credentials are found, and whose they are. Makes no request, and shows no secret.
//!
//! ```text
//! cargo run --example whoami
//! ```
//!
//! With nothing configured it shows those of the embedded backend, and says so. With `CODEX_BACKEND_BASE_URL` set, or with
//! `--live`, it shows those that are found on this machine.

#[macro_use]
#[path = "support/output.rs"]
mod output;
#[path = "support/flags.rs"]
mod flags;
mod support;

use std::fmt::Write;
use std::process::ExitCode;
use std::time::SystemTime;

use codex_backend::{AnyClient, CodexAuth};
use flags::{Flags, flags};
use support::{Connection, Failure};

const USAGE: &str = "usage: whoami [--live] [--json]

Shows which credentials are found, and whose they are.

  --live    look for credentials on this machine, also without CODEX_BACKEND_BASE_URL
  --json    print one JSON object";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("whoami: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let Some(Flags { live, json }) = flags(USAGE)? else { return Ok(()) };
    let Connection { auth, builder, embedded: _embedded } = support::connect(live).await?;
    let client = builder.application("whoami", "1.0").build_any(&auth)?;
    if json {
        println!("{}", as_json(&auth));
    } else {
        print(&auth, &client);
    }
    auth.settled().await?;
    Ok(())
}

fn as_json(auth: &CodexAuth) -> serde_json::Value {
    serde_json::json!({
        "source": auth.source(),
        "mode": auth.mode().as_str(),
        "account_id": auth.account_id(),
        "email": auth.email(),
        "plan_type": auth.plan_type(),
        "is_fedramp": auth.is_fedramp(),
        "expires_at": auth.expires_at().and_then(in_words),
    })
}

fn print(auth: &CodexAuth, client: &AnyClient) {
    let unknown = || "unknown".to_owned();
    let opens = match client {
        AnyClient::Codex(client) => client.base_url(),
        AnyClient::OpenAi(client) => client.base_url(),
        _ => "nothing",
    };
    println!("source    {}", auth.source());
    println!("opens     {opens}");
    println!("mode      {}", auth.mode());
    println!("account   {}", auth.account_id().map_or_else(unknown, str::to_owned));
    println!("e-mail    {}", auth.email().map_or_else(unknown, str::to_owned));
    println!("plan      {}", auth.plan_type().map_or_else(unknown, ToString::to_string));
    println!("FedRAMP   {}", if auth.is_fedramp() { "yes" } else { "no" });
    println!("expires   {}", auth.expires_at().and_then(in_words).unwrap_or_else(unknown));
}

/// `None` for a time that RFC 3339 has no room for.
fn in_words(time: SystemTime) -> Option<String> {
    let mut text = String::new();
    write!(text, "{}", humantime::format_rfc3339_seconds(time)).ok()?;
    Some(text)
}
