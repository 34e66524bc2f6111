//~ E0277: the Codex backend refuses the parameter `temperature` of a Responses request
//~ label: a `Client<CodexBackend>` cannot send `temperature`
//~ note: the backend would answer `Unsupported parameter: temperature`
use codex_backend::{ChatGptTokens, Client};

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    let request = client.codex_responses().create("gpt-5.5", "You are terse.", "Hello");
    drop(request.temperature(0.2).stream());
}
