//~ E0308: mismatched types
//~ label: expected `&Client<CodexBackend>`, found `&AnyClient`

use codex_backend::{AnyClient, Client, CodexBackend};

fn report(_: &Client<CodexBackend>) {}

fn run(client: &AnyClient) {
    report(client);
}

fn main() {}
