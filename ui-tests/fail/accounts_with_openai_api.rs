//~ E0277: `Accounts` does not accept a `Client<OpenAiApi>`
//~ label: `Accounts` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Accounts, Client, OpenAiApi};

async fn wrong(client: Client<OpenAiApi>) {
    let _ = Accounts::new(&client).check().await;
}

fn main() {}
