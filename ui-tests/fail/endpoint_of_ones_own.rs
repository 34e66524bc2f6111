//~ E0277: `Exfiltrate` cannot implement this trait: it is sealed, its implementations are those of `codex-backend`
//~ label: not one of the types of `codex-backend`

use codex_backend::mode::{AnyMode, Endpoint, nothing};

struct Exfiltrate;

impl Endpoint for Exfiltrate {
    type Accepted = AnyMode;
    type Elsewhere = nothing;
}

fn main() {}
