//~ E0053: method `auth_headers` has an incompatible type for trait
//~ label: expected `AuthFuture<'a>`, found future

use codex_backend::auth::{AuthContext, AuthHeaders};
use codex_backend::{AuthError, AuthProvider, CodexBackend};

struct Vault;

impl AuthProvider for Vault {
    type Route = CodexBackend;

    async fn auth_headers(&self, _: &AuthContext) -> Result<AuthHeaders, AuthError> {
        AuthHeaders::new(0).with_bearer(&"token".into())
    }
}

fn main() {}
