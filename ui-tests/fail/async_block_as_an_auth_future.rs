//~ E0308: mismatched types
//~ label: expected `AuthFuture<'_>`, found `async` block

use codex_backend::auth::{AuthContext, AuthFuture, AuthHeaders};
use codex_backend::{AuthProvider, CodexBackend};

struct Vault;

impl AuthProvider for Vault {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        async move { AuthHeaders::new(0).with_bearer(&"token".into()) }
    }
}

fn main() {}
