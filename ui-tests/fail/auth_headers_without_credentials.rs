//~ E0277: a `Client<NoAuth>` holds no credentials
//~ label: a client with credentials is needed
//~ note: `Client::builder()` with `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, NoAuth};

async fn headers(client: Client<NoAuth>) {
    let _ = client.auth_headers().await;
}

fn main() {}
