//! Credentials: which source, which store, and what may go wrong with them.
//!
//! # Take what the user has
//!
//! A user who has signed in with the official command-line tool, or who has set one of the usual variables, needs to do
//! nothing more. [`CodexAuth::load`](crate::CodexAuth::load) looks at the sources that [`AuthSources`](crate::auth::AuthSources)
//! names, in its order, and takes the first that holds anything; [`source()`](crate::CodexAuth::source) tells which one that
//! was. What is broken is an error that names the place. It never counts as "not signed in", and never makes a later source
//! win.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let home = tempfile::tempdir()?;
//! # std::fs::write(home.path().join("auth.json"), backend.issue_auth_json("acct-1", std::time::Duration::ZERO))?;
//! # let environment = codex_backend::transport::Environment::from_vars([("CODEX_HOME", home.path().as_os_str())]);
//! use codex_backend::auth::{AuthErrorKind, AuthSources};
//! use codex_backend::Client;
//!
//! let builder = Client::builder().application("report-bot", "1.4.0");
//! # let builder = backend.client();
//! let sources = AuthSources::default();
//! # let sources = sources.environment(environment);
//! let auth = match builder.load_auth(&sources).await {
//!     Err(error) if error.kind() == AuthErrorKind::NotFound => return Err("sign in first".into()),
//!     found => found?,
//! };
//! println!("{} of {:?}, from {}", auth.mode(), auth.email(), auth.source());
//! let client = builder.codex_auth(&auth)?.build()?; // a `Client<CodexBackend>`, or an error that says what was found
//! client.usage().get().await?; // renews first, since these tokens have expired
//! # Ok(()) }
//! ```
//!
//! If both kinds of client will do, [`build_any`](crate::ClientBuilder::build_any) gives an [`AnyClient`](crate::AnyClient).
//! An application with a policy says so with [`CredentialRestrictions`](crate::auth::CredentialRestrictions).
//!
//! # Which kinds there are
//!
//! | credentials | type | client | renewed |
//! | --- | --- | --- | --- |
//! | ChatGPT sign-in in a store | [`ChatGptSession`](crate::ChatGptSession) | `CodexBackend` | before its end, and after a 401 |
//! | ChatGPT tokens you keep fresh | [`ChatGptTokens`](crate::ChatGptTokens) | `CodexBackend` | never |
//! | … that your host application gives | [`HostTokens`](crate::auth::HostTokens) | `CodexBackend` | after a 401 |
//! | identity of a workload | [`WorkloadIdentity`](crate::auth::WorkloadIdentity) | `CodexBackend` | before its end, and after a 401 |
//! | personal access token | [`PersonalAccessToken`](crate::auth::PersonalAccessToken) | `CodexBackend` | never |
//! | agent identity (feature `agent-identity`) | `RegisteredAgent`, `LazyAgent` | `CodexBackend` | by a new task, when the backend has lost the old one |
//! | headers, ready-made | [`ReadyMadeHeaders`](crate::auth::ReadyMadeHeaders) | `CodexBackend` | never |
//! | API key | [`ApiKey`](crate::ApiKey) | `OpenAiApi` | never |
//! | command that prints a bearer token | [`BearerCommand`](crate::auth::BearerCommand) | `OpenAiApi` | at an interval, and after a 401 |
//! | anything else | your own [`AuthProvider`](crate::AuthProvider) | what its `Route` says | by you |
//!
//! [`ChatGptTokens`](crate::ChatGptTokens) are handed to the builder with [`chatgpt`](crate::ClientBuilder::chatgpt), an
//! [`ApiKey`](crate::ApiKey) with [`api_key`](crate::ClientBuilder::api_key), and all the others with
//! [`provider`](crate::ClientBuilder::provider). Those others, save a [`WorkloadIdentity`](crate::auth::WorkloadIdentity) and a
//! provider of your own, also become a [`CodexAuth`](crate::CodexAuth) with `CodexAuth::from`.
//!
//! # Which store
//!
//! A refresh token works **once**. Whoever redeems it gets the next one, and everybody who still holds the old one has lost
//! the sign-in as soon as they try it. So the one question about a store is who else renews what it holds.
//!
//! * **Share the official tool's `auth.json`** when your program runs on the user's own machine, beside that tool:
//!   [`FileStore`](crate::auth::FileStore), which is what `AuthSources::default()` uses. A renewal takes a lock of its own
//!   (`auth.json.renewal.lock`) over the request, so that any number of processes with this crate renew once; and the tool's own two
//!   locks for the moment in which the file is replaced. The tool takes no lock while it renews, so once in a while both
//!   renew at the same time: then the server refuses one of them, and that one takes over what the other has saved.
//! * **A store of your own** when your program should go on if the user signs out of the official tool, or the other way
//!   round: a `FileStore` with another path, filled by a sign-in of its own. Do not copy the file: two copies of one refresh token are the
//!   problem that stores are there to avoid.
//! * **Reading only** ([`FileStore::read_only`](crate::auth::FileStore::read_only)) when the file is somebody else's, such as one mounted into a
//!   container. Its refresh token is never redeemed, since the new one could not be put back. When the access token has
//!   expired, calls fail until the owner has renewed it; a new content of the file is taken over by itself.
//! * **The keyring** of the operating system (`KeyringStore`, feature `keyring`) where the official tool is set to keep its
//!   sign-in there. Ask for it by name, with `AuthSource::Keyring`: that no keyring can be reached is an error.
//! * **Memory** ([`MemoryStore`](crate::auth::MemoryStore)) when you keep the credentials elsewhere and see to it yourself that they get back there.
//! * **A database or a vault**: implement [`CredentialStore`](crate::auth::CredentialStore). All that it must do is to compare and replace in one step.
//!
//! # Several accounts
//!
//! Each account has a store of its own; one user may be in several workspaces, and one workspace has several users, so a
//! store is named by **both**: [`FileStore::for_account`](crate::auth::FileStore::for_account). A session notices when its store holds another account
//! or user than it was opened with, and stops with
//! [`AuthErrorKind::AccountMismatch`](crate::auth::AuthErrorKind::AccountMismatch) rather than mix them.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let folder = tempfile::tempdir()?;
//! use codex_backend::auth::{CredentialStore, FileStore, StoredCredentials};
//! use codex_backend::ChatGptSession;
//!
//! # let documents = ["acct-1", "acct-2"].map(|id| (id, backend.issue_auth_json(id, std::time::Duration::from_secs(3600))));
//! for (account_id, auth_json) in documents {
//!     let store = FileStore::for_account(folder.path(), "user-embedded", account_id);
//!     store.swap(None, Some(&StoredCredentials::from_json(&auth_json)?))?;
//!     let client = backend.client().provider(ChatGptSession::open(store)?).build()?;
//!     client.usage().get().await?;
//! }
//! # Ok(()) }
//! ```
//!
//! # When they no longer work
//!
//! A call whose credentials are refused (401) looks into the store first, and takes over what another process has saved there. If
//! that is refused too, or if there is nothing new, the tokens are renewed. If the renewed ones are refused as well, or cannot be
//! had, the call ends with [`ErrorKind::Auth`](crate::ErrorKind::Auth), and
//! [`AuthError::reauth_reason`](crate::AuthError::reauth_reason) tells why the user has to sign in again. A token that is seconds old is not
//! renewed because of a 401: the next one would fare no better.
//!
//! [`Client::auth_health`](crate::Client::auth_health) tells the state without a request, and
//! [`watch_auth_health`](crate::Client::watch_auth_health) each change of it, for a program that wants to ask its user in time.
//!
//! [`SignOut`](crate::auth::SignOut) ends a sign-in: `forget` on this machine, `revoke` everywhere.
//!
//! # What can still be lost
//!
//! If a process dies between the server's answer to a renewal and the save, which takes a few milliseconds, the new refresh token
//! dies with it. There is no way to close that gap from the client's side: the old token has been used up, and the server
//! tells the new one once. The next renewal then says that the user must sign in again. Everything else that can go wrong on the way (a
//! caller that goes away, a run time that is shut down, a disk that is full, a file that changes) costs nothing.
