//~ E0277: `OpenAiFiles` does not accept a `Client<NoAuth>`
//~ label: `OpenAiFiles` needs a `Client<OpenAiApi>`
use codex_backend::{Client};

fn main() {
    let client = Client::builder().without_credentials().build().unwrap();
    client.openai_files();
}
