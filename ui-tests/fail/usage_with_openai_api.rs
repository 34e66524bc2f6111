//~ E0277: `Usage` does not accept a `Client<OpenAiApi>`
//~ label: `Usage` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, OpenAiApi, Usage};

async fn usage(client: Client<OpenAiApi>) {
    let _ = Usage::new(&client).get().await;
}

fn main() {}
