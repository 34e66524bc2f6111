//~ E0277: `OpenAiModels` does not accept a `Client<NoAuth>`
//~ label: `OpenAiModels` needs a `Client<OpenAiApi>`
use codex_backend::{Client};

fn main() {
    let client = Client::builder().without_credentials().build().unwrap();
    client.openai_models();
}
