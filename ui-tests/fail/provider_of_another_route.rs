//~ E0308: mismatched types
//~ label: expected `Client<CodexBackend>`, found `Client<OpenAiApi>`

use codex_backend::auth::{AuthContext, AuthFuture, AuthHeaders};
use codex_backend::{AuthProvider, Client, CodexBackend, OpenAiApi};

struct Vault;

impl AuthProvider for Vault {
    type Route = OpenAiApi;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        AuthFuture::ready(AuthHeaders::new(0).with_bearer(&"key".into()))
    }
}

fn main() {
    let _client: Client<CodexBackend> = Client::builder().provider(Vault).build().unwrap();
}
