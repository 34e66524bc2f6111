//~ E0277: a list that comes in pages cannot be awaited
//~ label: say which part of the list to ask for
//~ note: `.page().await?` gives one page

use codex_backend::{CodexClient, Error};

async fn tasks(client: &CodexClient) -> Result<usize, Error> {
    let tasks = client.cloud_tasks().list().await?;
    Ok(tasks.len())
}

fn main() {}
