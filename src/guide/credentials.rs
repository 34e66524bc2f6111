//! Credentials: which source, which store, and what may go wrong with them.
//!
//! # Take what the user has
//!
//! A user who has signed in with the official command-line tool, or who has set one of the usual variables, needs to do
//! nothing more. [`CodexAuth::load`](crate::CodexAuth::load) looks at the sources that
//! [`AuthSources`](crate::auth::AuthSources) names, in its order, and takes the first that holds anything;
//! [`source()`](crate::CodexAuth::source) tells which one that was. A source that cannot be read is an error that names the
//! place. It never counts as "not signed in", and a later source is not used in its place.
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
//! client.usage().get().await?; // refreshes first, since these tokens have expired
//! # Ok(()) }
//! ```
//!
//! If the program works with either kind of client, [`build_any`](crate::ClientBuilder::build_any) gives an
//! [`AnyClient`](crate::AnyClient), and [`as_codex_backend`](crate::AnyClient::as_codex_backend) narrows it where that is
//! needed. An application that allows only some credentials says so with
//! [`CredentialRestrictions`](crate::auth::CredentialRestrictions).
//!
//! # Which kinds there are
//!
//! | credentials | type | client | refreshed |
//! | --- | --- | --- | --- |
//! | ChatGPT sign-in in a store | [`ChatGptSession`](crate::ChatGptSession) | `CodexBackend` | before it expires, and after a 401 |
//! | ChatGPT tokens you keep fresh | [`ChatGptTokens`](crate::ChatGptTokens) | `CodexBackend` | never |
//! | … that your host application gives | [`HostTokens`](crate::auth::HostTokens) | `CodexBackend` | after a 401 |
//! | identity of a workload | [`WorkloadIdentity`](crate::auth::WorkloadIdentity) | `CodexBackend` | before it expires, and after a 401 |
//! | personal access token | [`PersonalAccessToken`](crate::auth::PersonalAccessToken) | `CodexBackend` | never |
//! | agent identity (feature `agent-identity`) | `RegisteredAgent`, `LazyAgent` | `CodexBackend` | by a new task, when the backend has lost the old one |
//! | headers, ready-made | [`ReadyMadeHeaders`](crate::auth::ReadyMadeHeaders) | `CodexBackend` | never |
//! | API key | [`ApiKey`](crate::ApiKey) | `OpenAiApi` | never |
//! | command that prints a bearer token | [`BearerCommand`](crate::auth::BearerCommand) | `OpenAiApi` | at an interval, and after a 401 |
//! | anything else | your own [`AuthProvider`](crate::AuthProvider) | what its `Route` says | by you |
//!
//! A [`ChatGptSession`](crate::ChatGptSession) and [`ChatGptTokens`](crate::ChatGptTokens) are given to the builder with
//! [`chatgpt`](crate::ClientBuilder::chatgpt), an [`ApiKey`](crate::ApiKey) with
//! [`api_key`](crate::ClientBuilder::api_key), an agent with `agent_identity`, and all the others with
//! [`provider`](crate::ClientBuilder::provider). `CodexAuth::from` makes a [`CodexAuth`](crate::CodexAuth) of any of them
//! but [`ChatGptTokens`](crate::ChatGptTokens), an [`ApiKey`](crate::ApiKey), a
//! [`WorkloadIdentity`](crate::auth::WorkloadIdentity) and a provider of your own.
//!
//! # Which store
//!
//! A refresh token works **once**. Whoever uses it gets the next one; whoever still holds the old one has to sign in again.
//! So when you choose a store, ask who else refreshes the tokens in it.
//!
//! * **Share the official tool's `auth.json`** when your program runs on the user's own machine, beside that tool:
//!   [`FileStore`](crate::auth::FileStore), which is what `AuthSources::default()` uses. A refresh holds a lock of its own
//!   (`auth.json.refresh.lock`) during the request, so that any number of processes with this crate refresh once, and it
//!   holds the tool's own two locks while the file is replaced. The tool takes no lock while it refreshes, so once in a
//!   while both refresh at the same time: then the server refuses one of them, and that one adopts what the other has
//!   saved.
//!   In a container, mount the folder, not the file alone: a file that is a mount of its own cannot be replaced in one step, and
//!   is written in place, behind a journal.
//! * **A file of your own** when your program's sign-in and the official tool's are to be independent of each other: a
//!   `FileStore` with another path, filled by a sign-in of its own. Do not copy the tool's file: a refresh token works
//!   once, so only one of two copies can be refreshed.
//! * **Reading only** ([`FileStore::read_only`](crate::auth::FileStore::read_only)) when the file is somebody else's, such
//!   as one mounted into a container. Its refresh token is never used, since the new one could not be saved. When the
//!   access token has expired, calls fail until the owner has refreshed it; then the next call adopts the new tokens in the
//!   file.
//! * **The keyring** of the operating system (`KeyringStore`, feature `keyring`) where the official tool is set to keep its
//!   sign-in there. Ask for it by name, with `AuthSource::Keyring`: that no keyring can be reached is an error.
//! * **Memory** ([`MemoryStore`](crate::auth::MemoryStore)) when you keep the credentials elsewhere, and save refreshed
//!   ones there yourself.
//! * **A database or a vault**: implement [`CredentialStore`](crate::auth::CredentialStore), as
//!   [`guide::credential_store`](crate::guide::credential_store) shows. Its writes must be a compare-and-swap.
//!
//! # Several accounts
//!
//! Each account has a store of its own; one user may be in several workspaces, and one workspace has several users, so a
//! store is named by **both**: [`FileStore::for_account`](crate::auth::FileStore::for_account). A session notices when its
//! store holds another account or user than it was opened with, and stops with
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
//!     let client = backend.client().chatgpt(ChatGptSession::open(store)?).build()?;
//!     client.usage().get().await?;
//! }
//! # Ok(()) }
//! ```
//!
//! # When they no longer work
//!
//! When the credentials of a call are refused (401), the session reads the store first, and adopts tokens that another
//! process has saved there. If those are refused too, or if there are none, the tokens are refreshed. If the new ones are
//! refused as well, or the refresh fails, the call ends with [`ErrorKind::Auth`](crate::ErrorKind::Auth), and
//! [`AuthError::reauth_reason`](crate::AuthError::reauth_reason) tells why the user has to sign in again. A token that is
//! seconds old is not refreshed because of a 401: the next one would be refused too.
//!
//! After a switch of workspace, a refresh may answer with tokens of the user's home account. They are saved, and requests go on
//! in the name of the account that the store names. Only tokens of another *user* are not saved: the error hands them over
//! ([`into_credentials`](crate::AuthError::into_credentials)), and the health is
//! [`AuthHealth::OtherUser`](crate::auth::AuthHealth::OtherUser). A refresh token that a record says was issued by somebody else
//! than the backend's own issuer is never sent ([`AuthErrorKind::UnknownIssuer`](crate::auth::AuthErrorKind::UnknownIssuer)),
//! unless the application names that issuer in code.
//!
//! [`Client::auth_health`](crate::Client::auth_health) tells the state of the credentials without a request, and
//! [`watch_auth_health`](crate::Client::watch_auth_health) each change of it, for a program that wants to
//! ask its user to sign in before a call fails.
//!
//! [`SignOut`](crate::auth::SignOut) ends a sign-in: `forget` removes the credentials from their stores, `revoke` makes
//! them invalid everywhere.
//!
//! # What can still be lost
//!
//! A refresh token works once, and the server tells the next one once. So what a refresh gave has to be saved before the
//! program ends. The run time on which a refresh was started does not end before that: it waits for the token endpoint's
//! time-out and 10 seconds at the most, and not longer than 10 seconds after the answer. The call that started the refresh
//! waits for the save too, up to 2 seconds once it has its answer; a stream waits at its end. A panic, a time-out, a dropped
//! future or stream and a cancelled task lose nothing.
//!
//! These wait for nothing: `std::process::exit`, `Runtime::shutdown_background` and `Runtime::shutdown_timeout`. Await
//! [`Client::settled`](crate::Client::settled) before them; it exists on [`CodexAuth`](crate::CodexAuth),
//! [`ChatGptSession`](crate::ChatGptSession) and [`AnyClient`](crate::AnyClient) too, and says what is not saved.
//!
//! While a store does not take the new tokens, the session works with them,
//! [its health](crate::Client::auth_health) is [`AuthHealth::Unsaved`](crate::auth::AuthHealth::Unsaved), and saving is tried
//! again for as long as the session lives.
//!
//! So a sign-in is lost, and the user must sign in again, only when
//!
//! * the process is killed, or the machine fails, between the server's answer and the save, which takes a few milliseconds;
//! * the process ends by one of the three ways above without `settled()`, behind a call that did not wait for the save, or
//!   whose 2 seconds ran out;
//! * the store does not take the new tokens, though it was tried before, until the program has ended.
