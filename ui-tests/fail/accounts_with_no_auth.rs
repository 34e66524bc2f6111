//~ E0277: `Accounts` does not accept a `Client<NoAuth>`
//~ label: `Accounts` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, NoAuth};

async fn wrong(client: Client<NoAuth>) {
    let _ = client.accounts().check().await;
}

fn main() {}
