//~ E0308: mismatched types
//~ label: expected `&Client<_>`, found `&AnyClient`

use codex_backend::{AnyClient, OpenAiFileUpload};

fn uploader(client: &AnyClient) -> OpenAiFileUpload {
    OpenAiFileUpload::new(client)
}

fn main() {}
