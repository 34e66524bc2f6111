//~ E0277: `Connectors` does not accept a `Client<OpenAiApi>`
//~ label: `Connectors` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, Connectors, OpenAiApi};

async fn wrong(client: Client<OpenAiApi>) {
    let _ = Connectors::new(&client).directory().await;
}

fn main() {}
