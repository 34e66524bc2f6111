//~ E0277: `CloudTasks` does not accept a `Client<OpenAiApi>`
//~ label: `CloudTasks` needs a `Client<CodexBackend>`
//~ note: what the other API has for this: `nothing`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, CloudTasks, OpenAiApi};

async fn wrong(client: Client<OpenAiApi>) {
    let _ = CloudTasks::new(&client).details("task_e_1").await;
}

fn main() {}
