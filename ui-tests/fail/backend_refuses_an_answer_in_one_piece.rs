//~ E0277: the Codex backend answers only with a stream
//~ label: a `Client<CodexBackend>` cannot ask for an answer in one piece
//~ note: `.stream().await?.collect().await?` gives the whole response
use codex_backend::{ChatGptTokens, Client};

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    let request = client.codex_responses().create("gpt-5.5", "You are terse.", "Hello");
    drop(request.send());
}
