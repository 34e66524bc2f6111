//~ E0277: `CodexResponses` does not accept a `Client<OpenAiApi>`
//~ label: `CodexResponses` needs a `Client<CodexBackend>`
//~ note: in its place, clients of another mode use: `OpenAiResponses`
use codex_backend::{Client};

fn main() {
    let client = Client::builder().api_key("sk-example").build().unwrap();
    client.codex_responses();
}
