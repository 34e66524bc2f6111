//~ E0277: the Codex backend refuses the parameter `metadata` of a Responses request
//~ label: a `Client<CodexBackend>` cannot send `metadata`
//~ note: the backend would answer `Unsupported parameter: metadata`
use codex_backend::{ChatGptTokens, Client};

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    let request = client.codex_responses().create("gpt-5.5", "You are terse.", "Hello");
    drop(request.metadata("a", "b").stream());
}
