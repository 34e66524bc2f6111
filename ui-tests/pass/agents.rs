//! Agents where clients and providers are kept.

use std::sync::Arc;

use codex_backend::auth::{AgentIdentity, LazyAgent, RegisteredAgent};
use codex_backend::{AuthProvider, Client, CodexBackend};

struct Fleet {
    agents: Vec<RegisteredAgent>,
}

fn client(agent: LazyAgent) -> Client<CodexBackend> {
    Client::builder().agent_identity(agent).build().unwrap()
}

fn erased(identity: &AgentIdentity) -> Arc<dyn AuthProvider<Route = CodexBackend>> {
    Arc::new(identity.lazy())
}

async fn clients(fleet: Fleet) -> Vec<Client<CodexBackend>> {
    let clients = fleet.agents.into_iter().map(|agent| Client::builder().agent_identity(agent).build().unwrap());
    clients.collect()
}

fn main() {
    fn is_sendable<T: Clone + Send + Sync + 'static>() {}
    is_sendable::<RegisteredAgent>();
    is_sendable::<LazyAgent>();
    is_sendable::<AgentIdentity>();
    let _ = (client, erased, clients);
}
