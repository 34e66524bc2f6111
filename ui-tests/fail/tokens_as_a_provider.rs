//~ E0277: `ChatGptTokens` is not an auth provider
//~ note: ChatGPT tokens and API keys have setters of their own

use codex_backend::{ChatGptTokens, Client};

fn main() {
    let _client = Client::builder().provider(ChatGptTokens::new("token")).build();
}
