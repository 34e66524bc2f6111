//! Works as an agent identity: loads or creates one, registers a task, uploads a file, and shows the usage.
//!
//! ```text
//! cargo run --example agent
//! ```
//!
//! With nothing configured it talks to the embedded backend, and says so. With `CODEX_BACKEND_BASE_URL` set, or with
//! `--live`, it talks to that backend instead, as the agent whose JWT is in `CODEX_ACCESS_TOKEN` or
//! `CODEX_AGENT_IDENTITY`, else as the one in the official tool's `auth.json`. With `--new` and a ChatGPT sign-in in that file,
//! it creates an agent for that account and keeps it beside the tokens.

#[macro_use]
#[path = "support/output.rs"]
mod output;

use std::path::PathBuf;
use std::process::ExitCode;

use codex_backend::auth::{AgentDescription, AgentIdentity, CredentialStore, FileStore, ManagedAgent, RegisteredAgent};
use codex_backend::mode::Unset;
use codex_backend::testing::Backend;
use codex_backend::transport::Environment;
use codex_backend::{ChatGptSession, Client, ClientBuilder, OpenAiFileUpload};

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: agent [--live] [--new] [PATH]

Uploads a file (a greeting, if none is given) as an agent identity and shows the agent's usage.

  --live    talk to the real backend, also without CODEX_BACKEND_BASE_URL
  --new     create an agent for the ChatGPT sign-in in the official tool's auth.json, and keep it there

environment:
  CODEX_BACKEND_BASE_URL    where the backend is (with --live: https://chatgpt.com/backend-api if not set)
  CODEX_ACCESS_TOKEN        the agent's JWT
  CODEX_AGENT_IDENTITY      the same, by its older name
  CODEX_HOME                where auth.json is, in place of ~/.codex

Without --live and CODEX_BACKEND_BASE_URL, everything goes to a backend inside this program.";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("agent: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let (mut live, mut new, mut path) = (false, false, None);
    for argument in std::env::args_os().skip(1) {
        match argument.to_str() {
            Some("--live") => live = true,
            Some("--new") => new = true,
            Some("-h" | "--help") => {
                println!("{USAGE}");
                return Ok(());
            }
            Some(option) if option.starts_with('-') => {
                return Err(format!("unknown option `{option}`\n\n{USAGE}").into());
            }
            _ => path = Some(PathBuf::from(argument)),
        }
    }

    let environment = Environment::process();
    let base_url = environment.text("CODEX_BACKEND_BASE_URL");
    let embedded = if base_url.is_none() && !live { Some(Embedded::start()?) } else { None };
    let builder = match (&embedded, base_url) {
        (Some(embedded), _) => embedded.backend.client(),
        (None, Some(base_url)) => Client::builder().codex_base_url(base_url),
        (None, None) => Client::builder(),
    };
    let builder = builder.application("agent", "1.0");
    let store = match &embedded {
        Some(embedded) => FileStore::new(embedded.folder.path().join("auth.json")),
        None => FileStore::new(codex_home(&environment)?.join("auth.json")),
    };
    let agent = agent(&builder, &environment, store, new || embedded.is_some()).await?;
    let identity = agent.identity();
    println!("agent     {}", identity.agent_runtime_id());
    println!("account   {}", identity.account_id());
    println!("key       {}", identity.key().ssh_public_key());

    let client = builder.agent_identity(agent).build()?;
    let upload = OpenAiFileUpload::new(&client);
    let file = match path {
        Some(path) => upload.path(path).await?,
        None => upload.bytes("greeting.txt", "hello\n").await?,
    };
    println!("uploaded  {}", file.uri());
    let usage = client.usage().get().await?;
    println!("plan      {}", usage.plan_type.map_or_else(|| "unknown".to_owned(), |plan| plan.to_string()));
    if let Some(window) = usage.rate_limit.and_then(|limit| limit.primary_window) {
        println!("used      {} % of {} h", window.used_percent, window.limit_window_seconds / 3600);
    }
    Ok(())
}

/// The agent of a variable or of the store, or a new one for the sign-in in the store; with a task.
async fn agent(
    builder: &ClientBuilder<Unset>,
    environment: &Environment,
    store: FileStore,
    new: bool,
) -> Result<RegisteredAgent, Failure> {
    let context = builder.auth_context()?;
    if new {
        let session = ChatGptSession::open(store)?;
        let description = AgentDescription::new("agent", "1.0").session_source("cli");
        let agent = ManagedAgent::new(session.clone(), description).register(&context).await;
        // The sign-in may have been refreshed for it.
        session.settled().await?;
        return Ok(agent?);
    }
    let jwt = environment.text("CODEX_ACCESS_TOKEN").or_else(|| environment.text("CODEX_AGENT_IDENTITY"));
    let identity = match jwt {
        Some(jwt) => AgentIdentity::from_jwt(jwt, &context).await?,
        None => match store.load()? {
            Some(stored) => AgentIdentity::from_stored(&stored, &context).await?,
            None => return Err(format!("there is neither a JWT nor {}", store.describe()).into()),
        },
    };
    Ok(identity.register(&context).await?)
}

fn codex_home(environment: &Environment) -> Result<PathBuf, Failure> {
    let folder = |variable| environment.value(variable).map(PathBuf::from);
    let home = folder("CODEX_HOME").or_else(|| Some(folder("HOME").or_else(|| folder("USERPROFILE"))?.join(".codex")));
    home.ok_or_else(|| "there is no home folder to look in".into())
}

/// A backend inside this program, and a ChatGPT sign-in for it.
struct Embedded {
    backend: Backend,
    folder: tempfile::TempDir,
}

impl Embedded {
    fn start() -> Result<Self, Failure> {
        let (backend, folder) = (Backend::start()?, tempfile::tempdir()?);
        eprintln!("nothing is configured: using the backend embedded in this program, at {}", backend.codex_base_url());
        let sign_in = backend.issue_auth_json("acct-embedded", std::time::Duration::from_secs(3600));
        std::fs::write(folder.path().join("auth.json"), sign_in)?;
        Ok(Self { backend, folder })
    }
}
