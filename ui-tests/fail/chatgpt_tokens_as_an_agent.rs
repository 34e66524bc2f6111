//~ E0277: `ChatGptTokens` cannot authenticate requests as an agent
//~ label: neither a `RegisteredAgent` nor a `LazyAgent`

use codex_backend::{ChatGptTokens, Client};

fn main() {
    let _client = Client::builder().agent_identity(ChatGptTokens::new("access-token")).build();
}
