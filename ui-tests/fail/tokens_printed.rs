//~ E0277: `ChatGptTokens` doesn't implement `std::fmt::Display`

use codex_backend::ChatGptTokens;

fn show(tokens: ChatGptTokens) {
    println!("{tokens}");
}

fn main() {}
