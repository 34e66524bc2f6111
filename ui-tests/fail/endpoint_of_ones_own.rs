//~ E0277: `Exfiltrate` cannot be an endpoint: the trait is sealed, its implementations are the handles of `codex-backend`
//~ label: not one of the handles of `codex-backend`

use codex_backend::mode::{AnyMode, Endpoint, nothing};

struct Exfiltrate;

impl Endpoint for Exfiltrate {
    type Accepted = AnyMode;
    type Elsewhere = nothing;
}

fn main() {}
