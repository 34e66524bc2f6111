//! Lists the models that the credentials give access to: the backend's catalogue, or the OpenAI API's list.
//!
//! ```text
//! cargo run --example models
//! ```
//!
//! With nothing configured it talks to a backend embedded in this program, and says so. With `CODEX_BACKEND_BASE_URL` set
//! (for API keys: `CODEX_BACKEND_OPENAI_BASE_URL`), or with `--live`, it uses the credentials that are found on this machine.

#[macro_use]
#[path = "support/output.rs"]
mod output;
#[path = "support/flags.rs"]
mod flags;
mod support;

use std::process::ExitCode;

use codex_backend::models::RefreshStrategy;
use codex_backend::{AnyClient, CodexModels, OpenAiModels};
use flags::{Flags, flags};
use support::{Connection, Failure};

const USAGE: &str = "usage: models [--live] [--json]

Lists the models that the credentials give access to.

  --live    ask the real backend, with the credentials that are found on this machine
  --json    print one JSON object for each model";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("models: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let Some(Flags { live, json }) = flags(USAGE)? else { return Ok(()) };
    let Connection { auth, builder, embedded: _embedded } = support::connect(live).await?;
    match builder.application("models", "1.0").build_any(&auth)? {
        AnyClient::Codex(client) => {
            let catalogue = CodexModels::new(&client).catalogue(RefreshStrategy::OnlineIfUncached).await?;
            let chosen = catalogue.default_model().map(|model| model.slug.as_str());
            for model in catalogue.presented() {
                if json {
                    println!("{}", serde_json::to_string(model)?);
                    continue;
                }
                let mark = if chosen == Some(model.slug.as_str()) { '*' } else { ' ' };
                let window = model.resolved_context_window().map_or("unknown".to_owned(), |tokens| tokens.to_string());
                let about = model.description.as_deref().unwrap_or("");
                println!("{mark} {:<24} {window:>8} tokens  {about}", model.slug);
            }
        }
        AnyClient::OpenAi(client) => {
            for model in OpenAiModels::new(&client).list().await? {
                if json {
                    println!("{}", serde_json::to_string(&model)?);
                } else {
                    println!("  {:<24} {}", model.id, model.owned_by);
                }
            }
        }
        _ => return Err("these credentials open no models".into()),
    }
    auth.settled().await?;
    Ok(())
}
