//! Shows which credentials are found, and whose they are. Shows no secret. Makes no request, unless the
//! credentials need one to become usable.
//!
//! ```text
//! cargo run --example whoami
//! ```
//!
//! It looks where the other examples look with `--live`. Where nothing is found it shows the credentials of the embedded backend,
//! and says so; with `--live`, or `CODEX_BACKEND_BASE_URL` set, that is an error.

#[macro_use]
#[path = "support/output.rs"]
mod output;
#[path = "support/flags.rs"]
mod flags;
mod support;

use std::fmt::Write;
use std::process::ExitCode;
use std::time::SystemTime;

use codex_backend::auth::{AuthErrorKind, AuthSources};
use codex_backend::transport::Environment;
use codex_backend::{AnyClient, Client, CodexAuth};
use flags::{Flags, flags};
use support::{Connection, Failure};

const USAGE: &str = "usage: whoami [--live] [--json]

Shows which credentials are found, and whose they are.

  --live    do not show the embedded backend's where none are found
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
    let Connection { auth, builder, embedded: _embedded } = found(live).await?;
    let client = builder.application("whoami", "1.0").build_any(&auth)?;
    if json {
        println!("{}", as_json(&auth));
    } else {
        print(&auth, &client);
    }
    auth.settled().await?;
    Ok(())
}

/// What is found on this machine, if anything is. What is found and broken is an error.
async fn found(live: bool) -> Result<Connection, Failure> {
    let environment = Environment::process();
    let is_set = |variable| environment.value(variable).is_some();
    if !live && !is_set("CODEX_BACKEND_BASE_URL") && !is_set("CODEX_BACKEND_OPENAI_BASE_URL") {
        let builder = Client::builder();
        match builder.load_auth(&AuthSources::default()).await {
            Err(error) if error.kind() == AuthErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
            Ok(auth) => return Ok(Connection { auth, builder, embedded: None }),
        }
    }
    support::connect(live).await
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
