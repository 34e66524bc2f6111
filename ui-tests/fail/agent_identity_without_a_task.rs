//~ E0277: `codex_backend::auth::AgentIdentity` cannot authenticate requests as an agent
//~ label: neither a `RegisteredAgent` nor a `LazyAgent`
//~ note: an `AgentIdentity` has no task yet: `identity.register(&context).await?` gives a `RegisteredAgent`

use codex_backend::auth::AgentIdentity;
use codex_backend::Client;

fn main() {
    let identity = AgentIdentity::from_record("{}").unwrap();
    let _client = Client::builder().agent_identity(identity).build();
}
