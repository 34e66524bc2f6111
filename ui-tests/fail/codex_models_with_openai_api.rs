//~ E0277: `CodexModels` does not accept a `Client<OpenAiApi>`
//~ label: `CodexModels` needs a `Client<CodexBackend>`
//~ note: what the other API has for this: `OpenAiModels`
use codex_backend::{Client, CodexModels};

fn main() {
    let client = Client::builder().api_key("sk-example").build().unwrap();
    CodexModels::new(&client);
}
