//~ E0277: `OpenAiFiles` does not accept a `Client<CodexBackend>`
//~ label: `OpenAiFiles` needs a `Client<OpenAiApi>`
//~ note: what the other API has for this: `OpenAiFileUpload`
use codex_backend::{ChatGptTokens, Client, OpenAiFiles};

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    OpenAiFiles::new(&client);
}
