//~ E0277: `OpenAiModels` does not accept a `Client<CodexBackend>`
//~ label: `OpenAiModels` needs a `Client<OpenAiApi>`
use codex_backend::{ChatGptTokens, Client, OpenAiModels};

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    OpenAiModels::new(&client);
}
