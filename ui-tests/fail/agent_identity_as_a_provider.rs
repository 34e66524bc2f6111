//~ E0277: an `AgentIdentity` cannot authenticate requests: it has no task yet
//~ note: `identity.register(&context).await?` gives a `RegisteredAgent`

use codex_backend::auth::AgentIdentity;
use codex_backend::Client;

fn main() {
    let identity = AgentIdentity::from_record("{}").unwrap();
    let _client = Client::builder().provider(identity).build();
}
