//~ E0277: a client is built, and there is no `Client::new()`
//~ label: start with `Client::builder()`

use codex_backend::{Client, CodexClient};

fn client() -> CodexClient {
    let client = Client::new();
    client
}

fn main() {}
