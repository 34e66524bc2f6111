//! What the tests of endpoints share.

#[path = "../support/guard.rs"]
mod guard;
#[path = "../support/rounds.rs"]
pub(crate) mod rounds;

use codex_backend::testing::Backend;
use codex_backend::{ChatGptTokens, Client, CodexBackend};

use crate::clock::WaitLog;

pub(crate) use self::guard::guard;

/// What no cache should be: a pipe, a folder, a device, a link to one, and a file that is too large.
#[cfg(unix)]
pub(crate) fn make_odd_files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let path = |name: &str| folder.join(name);
    assert!(std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    std::fs::create_dir(path("folder")).unwrap();
    std::os::unix::fs::symlink("pipe", path("link")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", path("device")).unwrap();
    std::fs::File::create(path("huge")).unwrap().set_len(1 << 40).unwrap();
    ["pipe", "folder", "link", "device", "huge"].map(path).into()
}

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
