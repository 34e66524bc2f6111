//~ E0277: `ManagedConfig` does not accept a `Client<NoAuth>`
//~ label: `ManagedConfig` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, NoAuth};

async fn wrong(client: Client<NoAuth>) {
    let _ = client.managed_config().load_bundle().await;
}

fn main() {}
