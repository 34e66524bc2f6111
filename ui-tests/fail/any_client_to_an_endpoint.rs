//~ E0277: a `Client` of one mode is needed, and this is not one: `AnyClient`
//~ note: `client.as_codex_backend()?` gives a `&Client<CodexBackend>`

use codex_backend::{AnyClient, OpenAiFileUpload};

fn uploader(client: &AnyClient) -> OpenAiFileUpload {
    OpenAiFileUpload::new(client)
}

fn main() {}
