//~ E0277: `Usage` does not accept a `Client<NoAuth>`
//~ label: `Usage` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, NoAuth};

async fn usage(client: Client<NoAuth>) {
    let _ = client.usage().get().await;
}

fn main() {}
