//~ E0277: `Plugins` does not accept a `Client<NoAuth>`
//~ label: `Plugins` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, NoAuth};

async fn wrong(client: Client<NoAuth>) {
    let _ = client.plugins().get("plugin_1").await;
}

fn main() {}
