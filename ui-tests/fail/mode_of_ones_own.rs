//~ E0277: `Gateway` cannot implement this trait: it is sealed, its implementations are those of `codex-backend`
//~ label: not one of the types of `codex-backend`
//~ note: implement `AuthProvider` and hand it to `Client::builder().provider(..)`

use codex_backend::mode::Mode;

enum Gateway {}

impl Mode for Gateway {
    const NAME: &'static str = "Gateway";
}

fn main() {}
