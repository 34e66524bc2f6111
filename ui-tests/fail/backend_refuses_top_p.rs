//~ E0277: the Codex backend refuses the parameter `top_p` of a Responses request
//~ label: a `Client<CodexBackend>` cannot send `top_p`
//~ note: the backend would answer `Unsupported parameter: top_p`
use codex_backend::{ChatGptTokens, Client};

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    let request = client.codex_responses().create("gpt-5.5", "You are terse.", "Hello");
    drop(request.top_p(0.5).stream());
}
