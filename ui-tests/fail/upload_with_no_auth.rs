//~ E0277: `OpenAiFileUpload` does not accept a `Client<NoAuth>`
//~ label: `OpenAiFileUpload` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, NoAuth, OpenAiFileUpload};

async fn upload(client: Client<NoAuth>) {
    let _ = OpenAiFileUpload::new(&client).path("report.pdf").await;
}

fn main() {}
