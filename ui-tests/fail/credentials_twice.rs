//~ E0277: this builder already holds credentials for a `Client<CodexBackend>`
//~ label: credentials are chosen once
//~ note: one client has one mode

use codex_backend::{ChatGptTokens, Client};

fn main() {
    let tokens = ChatGptTokens::new("token");
    let _ = Client::builder().chatgpt(tokens).api_key("sk-example");
}
