//~ E0277: a request to a model cannot be awaited before it is sent
//~ label: say how to send it
//~ note: `.stream().await?` gives the events as they come

use codex_backend::{CodexClient, Error};

async fn answer(client: &CodexClient) -> Result<String, Error> {
    let answer = client.codex_responses().create("gpt-5.5", "You are terse.", "Hello").await?;
    Ok(answer.output_text())
}

fn main() {}
