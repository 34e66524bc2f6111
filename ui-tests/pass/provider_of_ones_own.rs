use std::sync::Arc;

use codex_backend::auth::{AuthContext, AuthFuture, AuthHeaders, AuthRecovery, AuthRefusal};
use codex_backend::{AuthProvider, Client, CodexBackend, OpenAiApi};

struct Vault;

impl AuthProvider for Vault {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a> {
        AuthFuture::boxed(async move {
            let _ = (context.now(), context.base_url());
            AuthHeaders::new(1).with_bearer(&"token".into())
        })
    }

    fn refused<'a>(&'a self, refusal: &'a AuthRefusal, _: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
        AuthFuture::ready(Ok(if refusal.generation == 1 { AuthRecovery::Retry } else { AuthRecovery::GiveUp }))
    }
}

struct Key;

impl AuthProvider for Key {
    type Route = OpenAiApi;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        AuthFuture::ready(AuthHeaders::new(0).with_bearer(&"key".into()))
    }
}

fn main() {
    let _: Client<CodexBackend> = Client::builder().provider(Vault).build().unwrap();
    let erased: Arc<dyn AuthProvider<Route = CodexBackend>> = Arc::new(Vault);
    let _: Client<CodexBackend> = Client::builder().provider(erased).build().unwrap();
    let _: Client<OpenAiApi> = Client::builder().provider(Key).build().unwrap();
}
