//~ E0061: this method takes 3 arguments but 2 arguments were supplied
use codex_backend::{ChatGptTokens, Client};

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    drop(client.codex_responses().create("gpt-5.5", "Hello"));
}
