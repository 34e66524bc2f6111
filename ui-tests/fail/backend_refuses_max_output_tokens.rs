//~ E0277: the Codex backend refuses the parameter `max_output_tokens` of a Responses request
//~ label: a `Client<CodexBackend>` cannot send `max_output_tokens`
//~ note: the backend would answer `Unsupported parameter: max_output_tokens`
use codex_backend::{ChatGptTokens, Client};

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    let request = client.codex_responses().create("gpt-5.5", "You are terse.", "Hello");
    drop(request.max_output_tokens(100).stream());
}
