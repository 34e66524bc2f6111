//~ E0277: the Codex backend keeps no responses, so it refuses `previous_response_id`
//~ label: a `Client<CodexBackend>` cannot send `previous_response_id`
//~ note: give its items back as input
use codex_backend::{ChatGptTokens, Client};

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    let request = client.codex_responses().create("gpt-5.5", "You are terse.", "Hello");
    drop(request.previous_response_id("resp_1").stream());
}
