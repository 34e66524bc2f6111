//~ E0277: `CodexModels` does not accept a `Client<NoAuth>`
//~ label: `CodexModels` needs a `Client<CodexBackend>`
use codex_backend::{Client};

fn main() {
    let client = Client::builder().without_credentials().build().unwrap();
    client.codex_models();
}
