//! Uploads files to the Codex backend and prints one line of JSON for each.
//!
//! ```text
//! cargo run --example upload_file -- README.md
//! ```
//!
//! With nothing configured it talks to the embedded backend, and says so. With `CODEX_BACKEND_BASE_URL` set, or with
//! `--live`, it talks to that backend instead, with the credentials it finds (`whoami` tells which): the token in
//! `CODEX_BACKEND_ACCESS_TOKEN`, else those of the other variables, else the official tool's `auth.json`.

#[macro_use]
#[path = "support/output.rs"]
mod output;
mod support;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use codex_backend::OpenAiFileUpload;
use codex_backend::files::UploadedFile;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

const USAGE: &str = "usage: upload_file [--live] PATH...

Uploads each file to the Codex backend and prints one line of JSON for it.

  --live    talk to the real backend, with the credentials that are found on this machine

environment:
  CODEX_BACKEND_BASE_URL       where the backend is (with --live: https://chatgpt.com/backend-api if not set)
  CODEX_BACKEND_ACCESS_TOKEN   a ChatGPT access token, in place of the official tool's auth.json
  CODEX_BACKEND_ACCOUNT_ID     the account, if it is not in the token
  CODEX_BACKEND_FEDRAMP        `true` for a FedRAMP account

Without --live and CODEX_BACKEND_BASE_URL, the files go to a backend inside this program.";

use support::{Connection, Failure};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("upload_file: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode, Failure> {
    let mut paths = Vec::new();
    let mut live = false;
    let mut options_ended = false;
    for argument in std::env::args_os().skip(1) {
        match argument.to_str() {
            _ if options_ended => paths.push(argument),
            Some("--live") => live = true,
            Some("--") => options_ended = true,
            Some("-h" | "--help") => {
                println!("{USAGE}");
                return Ok(ExitCode::SUCCESS);
            }
            Some(option) if option.starts_with('-') => {
                return Err(format!("unknown option `{option}`\n\n{USAGE}").into());
            }
            _ => paths.push(argument),
        }
    }
    if paths.is_empty() {
        return Err(format!("no file given\n\n{USAGE}").into());
    }

    let Connection { auth, builder, embedded: _embedded } = support::connect(live).await?;
    let client = builder.application("upload_file", "1.0").codex_auth(&auth)?.build()?;
    let upload = OpenAiFileUpload::new(&client);
    let bars = Arc::new(MultiProgress::with_draw_target(if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    }));
    let uploads = paths.iter().map(|path| {
        let bar = bars.add(ProgressBar::no_length().with_message(path.to_string_lossy().into_owned()));
        if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}") {
            bar.set_style(style);
        }
        upload.path(path).with_progress(move |progress| {
            bar.set_length(progress.total_bytes);
            bar.set_position(progress.bytes_handed_over);
        })
    });
    let results = upload.many(uploads).await;
    drop(bars);

    let mut code = ExitCode::SUCCESS;
    for result in results {
        match result {
            Ok(file) => println!("{}", line(&file)),
            Err(error) => {
                eprintln!("upload_file: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    auth.settled().await?;
    Ok(code)
}

fn line(file: &UploadedFile) -> serde_json::Value {
    serde_json::json!({
        "file_id": file.file_id(),
        "uri": file.uri(),
        "file_name": file.file_name(),
        "file_size_bytes": file.file_size_bytes(),
        "mime_type": file.mime_type(),
    })
}
