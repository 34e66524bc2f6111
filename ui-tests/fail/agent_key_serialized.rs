//~ E0277: the trait bound `AgentKey: serde::Serialize` is not satisfied

use codex_backend::auth::AgentKey;

fn main() {
    let _text = serde_json::to_string(&AgentKey::generate().unwrap());
}
