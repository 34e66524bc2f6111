//! Keeping credentials in a store of one's own: a database, a vault, or whatever the application has.
//!
//! A [`ChatGptSession`](crate::ChatGptSession) refreshes its tokens, and a refresh token works **once**: whoever uses it
//! gets the next one, which has to be saved. The place is a [`CredentialStore`](crate::auth::CredentialStore), such as
//! [`FileStore`](crate::auth::FileStore) for the official tool's `auth.json`. Implement that trait to keep credentials
//! elsewhere. A store keeps the credentials of one user in one account: in a table, that is one row.
//!
//! # What a store must do
//!
//! [`load`](crate::auth::CredentialStore::load) gives what is kept. `None` means that nothing is kept, so that the user has
//! to sign in; what cannot be read is an error, and never `None`.
//!
//! [`swap`](crate::auth::CredentialStore::swap) is a **compare-and-swap**:
//!
//! * It replaces what is kept by `new` only if what is kept equals `expected`, and nothing may come between the comparison
//!   and the write: use a transaction, a conditional `UPDATE`, or an entry with a version. `None` stands for nothing: as
//!   `expected` when credentials are saved for the first time, as `new` when they are removed.
//! * Compare values with `==`, not texts. The same credentials can be spelled in several ways.
//! * If something else is kept, it stays, and `swap` returns it in [`SwapOutcome::Changed`](crate::auth::SwapOutcome). That
//!   is not an error: the session then adopts what is kept, or writes its tokens over it.
//! * An error means that nothing was written. While a session cannot save new tokens, it works with them and goes on trying
//!   for as long as it lives; it keeps the lease meanwhile, and its health is
//!   [`AuthHealth::Unsaved`](crate::auth::AuthHealth::Unsaved).
//!
//! **Do not change the document.** Keep the text of [`to_json`](crate::auth::StoredCredentials::to_json) whole and give it
//! back with [`from_json`](crate::auth::StoredCredentials::from_json). It also holds members that this crate does not know,
//! such as those of a newer version of the official tool. You may encrypt it, and should where others can read the store:
//! whoever has the text can use the credentials. [`describe`](crate::auth::CredentialStore::describe), `Debug` and errors
//! of a store show nothing of it.
//!
//! The methods may block: a refresh runs on a thread of its own.
//!
//! # A store in a table
//!
//! The store below keeps each document in a row of a table. The table's only write is conditional: it names the text that was
//! read before.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::collections::HashMap;
//! use std::fmt;
//! use std::sync::{Arc, Mutex};
//!
//! use codex_backend::ChatGptSession;
//! use codex_backend::auth::{CredentialStore, StoreError, StoreErrorKind, StoredCredentials, SwapOutcome};
//!
//! /// Stands for the database.
//! #[derive(Default)]
//! struct Table(Mutex<HashMap<String, String>>);
//!
//! impl Table {
//!     fn read(&self, key: &str) -> Option<String> {
//!         self.0.lock().unwrap().get(key).cloned()
//!     }
//!
//!     /// `UPDATE … SET document = new WHERE key = … AND document = read`, and whether a row was changed.
//!     fn replace(&self, key: &str, read: Option<&str>, new: Option<String>) -> bool {
//!         let mut rows = self.0.lock().unwrap();
//!         if rows.get(key).map(String::as_str) != read {
//!             return false;
//!         }
//!         match new {
//!             Some(text) => rows.insert(key.to_owned(), text),
//!             None => rows.remove(key),
//!         };
//!         true
//!     }
//! }
//!
//! #[derive(Clone)]
//! struct TableStore {
//!     table: Arc<Table>,
//!     /// Of the user and the account.
//!     key: String,
//! }
//!
//! impl TableStore {
//!     fn parse(&self, text: Option<&str>) -> Result<Option<StoredCredentials>, StoreError> {
//!         let malformed = |error| StoreError::new(StoreErrorKind::Malformed, self.describe(), format!("{error}"));
//!         text.map(StoredCredentials::from_json).transpose().map_err(malformed)
//!     }
//! }
//!
//! impl fmt::Debug for TableStore {
//!     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
//!         f.write_str(&self.describe())
//!     }
//! }
//!
//! impl CredentialStore for TableStore {
//!     fn describe(&self) -> String {
//!         format!("the row `{}`", self.key)
//!     }
//!
//!     fn load(&self) -> Result<Option<StoredCredentials>, StoreError> {
//!         self.parse(self.table.read(&self.key).as_deref())
//!     }
//!
//!     fn swap(
//!         &self,
//!         expected: Option<&StoredCredentials>,
//!         new: Option<&StoredCredentials>,
//!     ) -> Result<SwapOutcome, StoreError> {
//!         loop {
//!             let text = self.table.read(&self.key);
//!             let kept = self.parse(text.as_deref())?;
//!             if kept.as_ref() != expected {
//!                 return Ok(SwapOutcome::Changed(kept));
//!             }
//!             if self.table.replace(&self.key, text.as_deref(), new.map(StoredCredentials::to_json)) {
//!                 return Ok(SwapOutcome::Done);
//!             }
//!             // Somebody wrote between the two steps: read again.
//!         }
//!     }
//! }
//!
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let auth_json = backend.issue_auth_json("acct-1", std::time::Duration::ZERO);
//! let store = TableStore { table: Arc::default(), key: "user-1/acct-1".to_owned() };
//! let credentials = StoredCredentials::from_json(&auth_json)?; // of a sign-in
//! assert_eq!(store.swap(None, Some(&credentials))?, SwapOutcome::Done);
//!
//! let client = backend.client().chatgpt(ChatGptSession::open(store.clone())?).build()?;
//! client.usage().get().await?; // these tokens have expired, so they are refreshed, and the new ones saved
//! assert_ne!(store.load()?, Some(credentials.clone()));
//!
//! // A writer that still expects the old ones changes nothing.
//! assert!(matches!(store.swap(Some(&credentials), None)?, SwapOutcome::Changed(Some(_))));
//! # assert_eq!(format!("{store:?}"), "the row `user-1/acct-1`");
//! # Ok(()) }
//! ```
//!
//! # Several processes
//!
//! With `swap` alone, two processes that refresh at the same moment use the same refresh token; the server refuses one of
//! them, which then adopts what the other has saved, or fails if it comes too early. To avoid that, let
//! [`begin_refresh`](crate::auth::CredentialStore::begin_refresh) give a [`RefreshLease`](crate::auth::RefreshLease) that
//! only one process can hold at a time: a locked row, or an advisory lock. It is taken **before** the refresh token is
//! used, waits for `patience` at the most, and ends when it is dropped. If the new tokens could not be saved, let
//! `begin_refresh` fail: then the refresh token has not been used.
//!
//! A store that may only be read says so with [`is_read_only`](crate::auth::CredentialStore::is_read_only). Its refresh
//! token is never used.
