//~ E0277: the Codex backend refuses the parameter `prompt_cache_retention` of a Responses request
//~ label: a `Client<CodexBackend>` cannot send `prompt_cache_retention`
//~ note: the backend would answer `Unsupported parameter: prompt_cache_retention`
use codex_backend::{ChatGptTokens, Client};

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    let request = client.codex_responses().create("gpt-5.5", "You are terse.", "Hello");
    drop(request.prompt_cache_retention("24h").stream());
}
