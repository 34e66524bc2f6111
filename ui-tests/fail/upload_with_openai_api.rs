//~ E0277: `OpenAiFileUpload` does not accept a `Client<OpenAiApi>`
//~ label: `OpenAiFileUpload` needs a `Client<CodexBackend>`
//~ note: what the other API has for this: `OpenAiFiles`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, OpenAiApi, OpenAiFileUpload};

async fn upload(client: Client<OpenAiApi>) {
    let _ = OpenAiFileUpload::new(&client).path("report.pdf").await;
}

fn main() {}
