//~ E0277: `WorkspacePolicy` does not accept a `Client<NoAuth>`
//~ label: `WorkspacePolicy` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, NoAuth};

async fn wrong(client: Client<NoAuth>) {
    let _ = client.workspace_policy().settings().await;
}

fn main() {}
