//~ E0277: `CloudEnvironments` does not accept a `Client<NoAuth>`
//~ label: `CloudEnvironments` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, NoAuth};

async fn wrong(client: Client<NoAuth>) {
    let _ = client.cloud_environments().list().await;
}

fn main() {}
