//~ E0277: `OpenAiResponses` does not accept a `Client<CodexBackend>`
//~ label: `OpenAiResponses` needs a `Client<OpenAiApi>`
//~ note: what the other API has for this: `CodexResponses`
use codex_backend::{ChatGptTokens, Client, OpenAiResponses};

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    OpenAiResponses::new(&client);
}
