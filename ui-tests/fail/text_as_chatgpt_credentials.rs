//~ E0277: `&str` is neither `ChatGptTokens` nor a `ChatGptSession`
//~ note: `ChatGptTokens::new(access_token)` holds a token that the caller keeps fresh

use codex_backend::Client;

fn main() {
    let _client = Client::builder().chatgpt("access-token").build();
}
