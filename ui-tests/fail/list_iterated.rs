//~ E0277: a list that comes in pages is not an iterator
//~ note: `.items()` is a stream of the items

use codex_backend::CodexClient;

fn tasks(client: &CodexClient) {
    for task in client.cloud_tasks().list() {
        println!("{}", task.unwrap().title);
    }
}

fn main() {}
