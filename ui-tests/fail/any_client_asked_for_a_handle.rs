//~ E0599: no method named `file_upload` found for reference `&AnyClient` in the current scope

use codex_backend::{AnyClient, OpenAiFileUpload};

fn uploader(client: &AnyClient) -> OpenAiFileUpload {
    client.file_upload()
}

fn main() {}
