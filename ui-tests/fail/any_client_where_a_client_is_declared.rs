//~ E0308: mismatched types
//~ label: expected `Client<CodexBackend>`, found `AnyClient`

use codex_backend::{AnyClient, Client, CodexBackend};

struct App {
    client: Client<CodexBackend>,
}

fn app(configured: AnyClient) -> App {
    App { client: configured }
}

fn main() {}
