//~ E0277: `CodexResponses` does not accept a `Client<OpenAiApi>`
//~ label: `CodexResponses` needs a `Client<CodexBackend>`
//~ note: what the other API has for this: `OpenAiResponses`
use codex_backend::{Client};

fn main() {
    let client = Client::builder().api_key("sk-example").build().unwrap();
    client.codex_responses();
}
