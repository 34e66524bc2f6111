//! What each mode takes, compiles.

use codex_backend::responses::{ResponseRequest, ResponseStream};
use codex_backend::{CodexClient, Error, OpenAiClient};

async fn backend(client: &CodexClient) -> Result<ResponseStream, Error> {
    let request = client.codex_responses().create("gpt-5.5", "You are terse.", "Hello");
    tokio::spawn(request.session_id("id").compressed().stream()).await.unwrap()
}

async fn api(client: &OpenAiClient) -> Result<String, Error> {
    let request = client.openai_responses().create("gpt-5.5", "Hello").temperature(0.2).store(false);
    let whole = request.clone().send().await?;
    drop(request.stream().await?);
    Ok(whole.output_text())
}

/// A helper of either mode.
async fn text<M>(request: ResponseRequest<M>) -> Result<String, Error> {
    Ok(request.prompt_cache_key("key").stream().await?.collect().await?.text())
}

fn main() {
    let _ = (backend, api, text::<codex_backend::CodexBackend>, text::<codex_backend::OpenAiApi>);
}
