//~ E0277: `OpenAiResponses` does not accept a `Client<NoAuth>`
//~ label: `OpenAiResponses` needs a `Client<OpenAiApi>`
use codex_backend::{Client, OpenAiResponses};

fn main() {
    let client = Client::builder().without_credentials().build().unwrap();
    OpenAiResponses::new(&client);
}
