//~ E0277: the trait bound `ChatGptTokens: serde::Serialize` is not satisfied

use codex_backend::ChatGptTokens;

fn save(tokens: &ChatGptTokens) -> String {
    serde_json::to_string(tokens).unwrap()
}

fn main() {}
