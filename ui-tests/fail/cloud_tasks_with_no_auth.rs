//~ E0277: `CloudTasks` does not accept a `Client<NoAuth>`
//~ label: `CloudTasks` needs a `Client<CodexBackend>`
//~ note: `.chatgpt(tokens)` builds a `Client<CodexBackend>`

use codex_backend::{Client, NoAuth};

async fn wrong(client: Client<NoAuth>) {
    let _ = client.cloud_tasks().details("task_e_1").await;
}

fn main() {}
