//~ E0277: `OpenAiResponses` does not accept a `Client<CodexBackend>`
//~ label: `OpenAiResponses` needs a `Client<OpenAiApi>`
use codex_backend::{ChatGptTokens, Client};

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    client.openai_responses();
}
