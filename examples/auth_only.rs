//! Takes the auth of this crate alone, and sends the request with another HTTP client (here: bare reqwest).
//!
//! ```text
//! cargo run --example auth_only
//! ```
//!
//! It talks to the embedded backend, and says so.

#[macro_use]
#[path = "support/output.rs"]
mod output;

use codex_backend::auth::{AuthRecovery, AuthRefusal};
use codex_backend::testing::Backend;
use codex_backend::{Client, CodexBackend};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let backend = Backend::start()?;
    eprintln!("using the backend embedded in this program, at {}", backend.codex_base_url());
    let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;

    // This build of reqwest comes with TLS but without a provider for it, so the program chooses one.
    let _chosen_already = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
    let url = format!("{}/wham/usage", client.base_url());
    let answer = get(&http, &client, &url).await?.error_for_status()?;
    println!("{}", answer.text().await?);
    client.settled().await?;
    Ok(())
}

/// The application sends its own request: it asks for headers before each attempt and tells the provider of a 401, which
/// answers whether to retry.
async fn get(http: &reqwest::Client, client: &Client<CodexBackend>, url: &str) -> Result<reqwest::Response, Failure> {
    const MOST_SENDS: u32 = 3;
    for _ in 1..MOST_SENDS {
        let auth = client.auth_headers().await?;
        let answer = http.get(url).headers(HeaderMap::from(&auth)).send().await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let refusal = AuthRefusal::new(answer.status(), auth.generation());
        if client.auth_refused(refusal).await? != AuthRecovery::Retry {
            return Ok(answer);
        }
    }
    let auth = client.auth_headers().await?;
    Ok(http.get(url).headers(HeaderMap::from(&auth)).send().await?)
}
