//~ E0277: `ManagedConfig` does not accept a `Client<OpenAiApi>`
//~ label: `ManagedConfig` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, ManagedConfig, OpenAiApi};

async fn wrong(client: Client<OpenAiApi>) {
    let _ = ManagedConfig::new(&client).load_bundle().await;
}

fn main() {}
