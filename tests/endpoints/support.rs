//! What the tests of endpoints share.

#[path = "../support/guard.rs"]
mod guard;
#[path = "../support/rounds.rs"]
pub(crate) mod rounds;

use codex_backend::testing::Backend;
use codex_backend::{ChatGptTokens, Client, CodexBackend};

use crate::clock::WaitLog;

pub(crate) use self::guard::guard;

/// A client whose waits pass at once.
pub(crate) fn client(backend: &Backend) -> Client<CodexBackend> {
    backend.client().chatgpt(backend.chatgpt_tokens()).clock(WaitLog::default()).build().unwrap()
}

/// A client of an account with that plan.
pub(crate) fn client_with_plan(backend: &Backend, account_id: &str, plan: &str) -> Client<CodexBackend> {
    backend.add_account_with_plan(account_id, plan);
    let tokens = ChatGptTokens::new(backend.issue_access_token(account_id)).account_id(account_id);
    backend.client().chatgpt(tokens).clock(WaitLog::default()).build().unwrap()
}
