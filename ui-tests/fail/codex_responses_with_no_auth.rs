//~ E0277: `CodexResponses` does not accept a `Client<NoAuth>`
//~ label: `CodexResponses` needs a `Client<CodexBackend>`
use codex_backend::{Client, CodexResponses};

fn main() {
    let client = Client::builder().without_credentials().build().unwrap();
    CodexResponses::new(&client);
}
