//! Lists the connectors of ChatGPT, and the featured plugins.
//!
//! ```text
//! cargo run --example connectors [-- --json]
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

use flags::{Flags, flags};
use support::{Connection, Failure};

const USAGE: &str = "usage: connectors [--live] [--json]

Lists the connectors of ChatGPT, and the featured plugins.

  --live    ask the real backend, with the credentials that are found
  --json    print one JSON object for each connector";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("connectors: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let Some(Flags { live, json }) = flags(USAGE)? else { return Ok(()) };
    let Connection { auth, builder, embedded: _embedded } = support::connect(live).await?;
    let client = builder.application("connectors", "1.0").codex_auth(&auth)?.build()?;
    for connector in client.connectors().with_account(&auth).directory().await?.iter() {
        if json {
            let line = serde_json::json!({
                "id": connector.id, "name": connector.name, "description": connector.description,
                "install_url": connector.install_url,
            });
            println!("{line}");
        } else {
            println!("{:<24} {}", connector.name, connector.description.as_deref().unwrap_or(""));
            println!("{:<24} {}", "", connector.install_url);
        }
    }
    if !json {
        println!("\nfeatured plugins: {}", client.featured_plugins().list().await?.join(", "));
    }
    auth.settled().await?;
    Ok(())
}
