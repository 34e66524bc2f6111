use codex_backend::mode::{Accepts, Mode};
use codex_backend::{ChatGptTokens, Client, NoAuth, OpenAiFileUpload, Usage};

fn uploader<M: Accepts<OpenAiFileUpload>>(client: &Client<M>) -> OpenAiFileUpload {
    OpenAiFileUpload::new(client)
}

fn both<M>(client: &Client<M>) -> (OpenAiFileUpload, Usage)
where
    M: Accepts<OpenAiFileUpload> + Accepts<Usage>,
{
    (client.file_upload(), client.usage())
}

fn name<M: Mode>(_: &Client<M>) -> &'static str {
    M::NAME
}

fn main() {
    let client = Client::builder().chatgpt(ChatGptTokens::new("token")).build().unwrap();
    let _ = (uploader(&client), both(&client));
    let none: Client<NoAuth> = Client::builder().without_credentials().build().unwrap();
    assert_eq!((name(&client), name(&none)), ("CodexBackend", "NoAuth"));
}
