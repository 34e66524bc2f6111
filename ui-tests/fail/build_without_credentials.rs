//~ E0277: no credentials have been chosen for this client
//~ label: `build()` needs a mode, and this builder is still `Unset`
//~ note: call `.chatgpt(tokens)` or `.chatgpt(session)` for a `Client<CodexBackend>`

use codex_backend::Client;

fn main() {
    let _ = Client::builder().application("report-bot", "1.4.0").build();
}
