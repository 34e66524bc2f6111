//~ E0277: `codex_backend::auth::AgentIdentity` is not an auth provider
//~ note: an `AgentIdentity` has no task yet

use codex_backend::auth::AgentIdentity;
use codex_backend::Client;

fn main() {
    let identity = AgentIdentity::from_record("{}").unwrap();
    let _client = Client::builder().provider(identity).build();
}
