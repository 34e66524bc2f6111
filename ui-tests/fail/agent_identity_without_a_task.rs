//~ E0277: `AgentIdentity` cannot authenticate requests as an agent
//~ label: neither a `RegisteredAgent` nor a `LazyAgent`
//~ note: `identity.register(&context).await?` makes a `RegisteredAgent` of an `AgentIdentity`

use codex_backend::auth::AgentIdentity;
use codex_backend::Client;

fn main() {
    let identity = AgentIdentity::from_record("{}").unwrap();
    let _client = Client::builder().agent_identity(identity).build();
}
