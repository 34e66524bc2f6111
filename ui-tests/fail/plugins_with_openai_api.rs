//~ E0277: `Plugins` does not accept a `Client<OpenAiApi>`
//~ label: `Plugins` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, OpenAiApi, Plugins};

async fn wrong(client: Client<OpenAiApi>) {
    let _ = Plugins::new(&client).get("plugin_1").await;
}

fn main() {}
