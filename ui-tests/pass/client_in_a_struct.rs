use std::sync::Arc;

use codex_backend::{ChatGptTokens, Client, CodexBackend, CodexClient, OpenAiFileUpload};

struct App {
    client: Client<CodexBackend>,
    files: OpenAiFileUpload,
}

static SHARED: std::sync::OnceLock<CodexClient> = std::sync::OnceLock::new();

fn main() {
    let client: CodexClient = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    let app = Arc::new(App { files: OpenAiFileUpload::new(&client), client: client.clone() });
    std::thread::spawn(move || drop((app.client.clone(), app.files.clone()))).join().unwrap();
    SHARED.set(client).unwrap();
}
