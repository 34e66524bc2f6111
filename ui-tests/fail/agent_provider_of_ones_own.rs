//~ E0277: `Vault` cannot be an agent of `codex-backend`: the trait is sealed

use codex_backend::auth::{AgentProvider, AuthContext, AuthFuture, AuthHeaders};
use codex_backend::{AuthProvider, CodexBackend};

struct Vault;

impl AuthProvider for Vault {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        AuthFuture::ready(AuthHeaders::new(0).with_bearer(&"token".into()))
    }
}

impl AgentProvider for Vault {}

fn main() {}
