//~ E0277: `OpenAiFileUpload` does not accept a `Client<M>`
//~ label: `OpenAiFileUpload` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, OpenAiFileUpload};

fn uploader<M>(client: &Client<M>) -> OpenAiFileUpload {
    OpenAiFileUpload::new(client)
}

fn main() {}
