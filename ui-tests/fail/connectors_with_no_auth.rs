//~ E0277: `Connectors` does not accept a `Client<NoAuth>`
//~ label: `Connectors` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, NoAuth};

async fn wrong(client: Client<NoAuth>) {
    let _ = client.connectors().directory().await;
}

fn main() {}
