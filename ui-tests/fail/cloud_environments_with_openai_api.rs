//~ E0277: `CloudEnvironments` does not accept a `Client<OpenAiApi>`
//~ label: `CloudEnvironments` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, CloudEnvironments, OpenAiApi};

async fn wrong(client: Client<OpenAiApi>) {
    let _ = CloudEnvironments::new(&client).list().await;
}

fn main() {}
