//~ E0277: `NoAuth` is not a route that an auth provider can serve
//~ label: not an authenticated mode
//~ note: an `AuthProvider` declares `type Route = CodexBackend;`

use codex_backend::auth::{AuthContext, AuthFuture, AuthHeaders};
use codex_backend::{AuthProvider, NoAuth};

struct Vault;

impl AuthProvider for Vault {
    type Route = NoAuth;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        AuthFuture::ready(Ok(AuthHeaders::new(0)))
    }
}

fn main() {}
