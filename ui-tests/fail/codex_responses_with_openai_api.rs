//~ E0277: `CodexResponses` does not accept a `Client<OpenAiApi>`
//~ label: `CodexResponses` needs a `Client<CodexBackend>`
use codex_backend::{Client, CodexResponses};

fn main() {
    let client = Client::builder().api_key("sk-example").build().unwrap();
    CodexResponses::new(&client);
}
