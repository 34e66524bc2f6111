//! Shows the settings and requirements that the administrators of the account have set for Codex.
//!
//! ```text
//! cargo run --example requirements --features managed-config
//! ```
//!
//! With nothing configured it asks the embedded backend, which has an example of them, and says so. With
//! `CODEX_BACKEND_BASE_URL` set it asks that backend; with `--live`, the real one.

#[macro_use]
#[path = "support/output.rs"]
mod output;
mod support;

use std::process::ExitCode;

use codex_backend::auth::AccountFacts;
use codex_backend::limits::PlanType;
use codex_backend::managed_config::{ConfigFragment, ConfigLoadSource};
use codex_backend::testing::Backend;
use support::{Connection, Failure};

const USAGE: &str = "usage: requirements [--live]

Shows the settings and requirements that the administrators of the account have set for Codex.

  --live    ask the real backend, with the credentials that are found";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("requirements: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let mut live = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--live" => live = true,
            "-h" | "--help" => {
                println!("{USAGE}");
                return Ok(());
            }
            other => return Err(format!("unknown argument `{other}`\n\n{USAGE}").into()),
        }
    }
    let Connection { auth, builder, embedded } = support::connect(live).await?;
    let mut account = AccountFacts::from(&auth);
    if let Some((backend, _)) = &embedded {
        account = account.plan_type(PlanType::Enterprise);
        demand_something(backend);
    }
    let client = builder.application("requirements", "1.0").codex_auth(&auth)?.build()?;
    let loaded = client.managed_config().with_account(account).load_bundle().await?;
    match (&loaded.value, loaded.source) {
        (_, ConfigLoadSource::NotEligible) => println!("the account's plan has no managed configuration"),
        (None, _) => println!("the administrators demand nothing"),
        (Some(bundle), _) => {
            print("settings", bundle.config());
            print("requirements", bundle.requirements());
        }
    }
    auth.settled().await?;
    Ok(())
}

fn print(kind: &str, fragments: &[ConfigFragment]) {
    for fragment in fragments {
        println!("# {kind}: {} ({})\n{}\n", fragment.name, fragment.id, fragment.contents.trim_end());
    }
}

fn demand_something(backend: &Backend) {
    backend.add_account_with_plan("acct-embedded", "enterprise");
    backend.set_config_bundle(serde_json::json!({ "requirements_toml": { "enterprise_managed": [
        { "id": "req_1", "name": "Base policy", "contents": "allowed_approval_policies = [\"never\"]" },
    ] } }));
}
