//! An `auth.json` of a server's account, in a folder of its own.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use codex_backend::auth::FileStore;
use codex_backend::testing::{Backend, RecordedRequest, Route};
use codex_backend::{ChatGptSession, Client, CodexBackend, Error};
use serde_json::{Value, json};

use super::guard::HANGS;

pub(crate) const EXPIRED: Duration = Duration::ZERO;
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);

pub(crate) struct SignIn {
    pub(crate) backend: Backend,
    folder: tempfile::TempDir,
}

#[allow(dead_code, reason = "not every test binary asks everything")]
impl SignIn {
    /// Of `acct-1`, with members that no version of this crate knows.
    pub(crate) fn with_foreign_members(lifetime: Duration) -> Self {
        let sign_in = Self { backend: Backend::start().unwrap(), folder: tempfile::tempdir().unwrap() };
        let mut document: Value = serde_json::from_str(&sign_in.backend.issue_auth_json("acct-1", lifetime)).unwrap();
        document["mine"] = json!({ "deep": [1, null, { "deeper": "ü" }] });
        document["tokens"]["oauth_provenance"] = json!({ "issuer": "https://auth.openai.com", "client_id": "app" });
        document["tokens"]["login_owner_id"] = json!(0);
        document["tool"] = json!({ "rewrites": 0 });
        replace_without_locks(&sign_in.path(), &document.to_string());
        sign_in
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder().join("auth.json")
    }

    pub(crate) fn document(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path()).unwrap()).expect("the file is broken")
    }

    pub(crate) fn refreshes(&self) -> Vec<RecordedRequest> {
        self.backend.requests_to(Route::REFRESH_TOKEN)
    }

    pub(crate) fn temporaries(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.ends_with(".lock") && name != "auth.json").collect()
    }

    pub(crate) fn revoke_access_token_in_use(&self) {
        let token = self.document()["tokens"]["access_token"].as_str().unwrap().to_owned();
        self.backend.revoke_access_token(&token.into());
    }

    pub(crate) fn client_of(&self, session: ChatGptSession) -> Client<CodexBackend> {
        self.backend.client().provider(session).build().unwrap()
    }

    /// One call, with a session that reads the file again.
    pub(crate) fn call(&self) -> Result<(), Error> {
        let session = ChatGptSession::open(FileStore::new(self.path())).unwrap();
        block_on(self.client_of(session).usage().get().into_future()).map(drop)
    }
}

#[allow(dead_code, reason = "not every test binary asks everything")]
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { tokio::time::timeout(HANGS, future).await.expect("it hangs") })
}

#[allow(dead_code, reason = "not every test binary asks everything")]
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + HANGS;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come");
        thread::sleep(Duration::from_micros(300));
    }
}

/// As a program does that knows of no locks, and at least replaces the file in one step.
pub(crate) fn replace_without_locks(path: &Path, text: &str) {
    let temporary = tempfile::Builder::new().prefix("other-").tempfile_in(path.parent().unwrap()).unwrap();
    fs::write(temporary.path(), text).unwrap();
    temporary.persist(path).unwrap();
}

#[allow(dead_code, reason = "not every test binary asks everything")]
pub(crate) fn account_of(token: &str) -> String {
    let payload = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    claims["https://api.openai.com/auth"]["chatgpt_account_id"].as_str().unwrap().to_owned()
}
