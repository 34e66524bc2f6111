//~ E0277: `CodexModels` does not accept a `Client<OpenAiApi>`
//~ label: `CodexModels` needs a `Client<CodexBackend>`
//~ note: in its place, clients of another mode use: `OpenAiModels`
use codex_backend::{Client, CodexModels};

fn main() {
    let client = Client::builder().api_key("sk-example").build().unwrap();
    CodexModels::new(&client);
}
