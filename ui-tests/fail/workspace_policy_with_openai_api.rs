//~ E0277: `WorkspacePolicy` does not accept a `Client<OpenAiApi>`
//~ label: `WorkspacePolicy` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, OpenAiApi, WorkspacePolicy};

async fn wrong(client: Client<OpenAiApi>) {
    let _ = WorkspacePolicy::new(&client).settings().await;
}

fn main() {}
