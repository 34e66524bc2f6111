//~ E0277: the Codex backend refuses the parameter `prompt` of a Responses request
//~ label: a `Client<CodexBackend>` cannot send `prompt`
//~ note: the backend would answer `Unsupported parameter: prompt`
use codex_backend::{ChatGptTokens, Client};

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    let request = client.codex_responses().create("gpt-5.5", "You are terse.", "Hello");
    drop(request.prompt(serde_json::Value::Null).stream());
}
