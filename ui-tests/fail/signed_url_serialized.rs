//~ E0277: the trait bound `SignedUrl: serde::Serialize` is not satisfied

use codex_backend::files::SignedUrl;

fn save(url: &SignedUrl) -> String {
    serde_json::to_string(url).unwrap()
}

fn main() {}
