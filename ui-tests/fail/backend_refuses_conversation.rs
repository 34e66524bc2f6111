//~ E0277: the Codex backend keeps no responses, so it refuses `conversation`
//~ label: a `Client<CodexBackend>` cannot send `conversation`
//~ note: give its items back as input
use codex_backend::{ChatGptTokens, Client};

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    let request = client.codex_responses().create("gpt-5.5", "You are terse.", "Hello");
    drop(request.conversation("conv_1").stream());
}
