//~ E0277: the Codex backend refuses the parameter `safety_identifier` of a Responses request
//~ label: a `Client<CodexBackend>` cannot send `safety_identifier`
//~ note: the backend would answer `Unsupported parameter: safety_identifier`
use codex_backend::{ChatGptTokens, Client};

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    let request = client.codex_responses().create("gpt-5.5", "You are terse.", "Hello");
    drop(request.safety_identifier("hash").stream());
}
