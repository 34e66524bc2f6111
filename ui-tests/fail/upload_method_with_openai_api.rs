//~ E0277: `OpenAiFileUpload` does not accept a `Client<OpenAiApi>`
//~ label: `OpenAiFileUpload` needs a `Client<CodexBackend>`
//~ note: what the other API has for this: `OpenAiFiles`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{ApiKey, Client};

async fn upload(key: ApiKey) {
    let client = Client::builder().api_key(key).build().unwrap();
    let _ = client.file_upload().bytes("notes.txt", "hello").await;
}

fn main() {}
