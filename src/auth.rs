//! Credentials: their kinds, where they are found and stored, and the [`AuthProvider`] trait behind all of them.
//!
//! Where to start: [`CodexAuth`] finds the credentials that a user of the official tool has. An application that has its own
//! credentials gives them to the [`ClientBuilder`](crate::ClientBuilder). The [guide](crate::guide::credentials) has more.
//!
//! | credentials | type | mode |
//! | --- | --- | --- |
//! | whatever the environment or `auth.json` holds | [`CodexAuth`] | known at run time |
//! | ChatGPT tokens in a store, refreshed when due | [`ChatGptSession`] | `CodexBackend` |
//! | a ChatGPT access token that does not change | [`ChatGptTokens`] | `CodexBackend` |
//! | ChatGPT tokens that a host application refreshes | [`HostTokens`] | `CodexBackend` |
//! | a personal access token | [`PersonalAccessToken`] | `CodexBackend` |
//! | a workload identity, exchanged for tokens | [`WorkloadIdentity`] | `CodexBackend` |
//! | a signing key instead of a token (feature `agent-identity`) | [`AgentIdentity`] | `CodexBackend` |
//! | a bearer token that a command prints | [`BearerCommand`] | `OpenAiApi` |
//! | an API key | [`ApiKey`] | `OpenAiApi` |
//! | complete headers from elsewhere | [`ReadyMadeHeaders`] | `CodexBackend` |
//! | anything else | implement [`AuthProvider`] | your choice |
//!
//! Stored credentials are in a [`CredentialStore`]: [`FileStore`] (`auth.json`), `KeyringStore` (feature `keyring`),
//! [`MemoryStore`], or one of your own. [`SignOut`] revokes and deletes them.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! use codex_backend::auth::AuthSources;
//!
//! # let home = tempfile::tempdir()?;
//! # std::fs::write(home.path().join("auth.json"), backend.issue_auth_json("acct-1", std::time::Duration::from_secs(3600)))?;
//! # let environment = codex_backend::transport::Environment::from_vars([("CODEX_HOME", home.path().as_os_str())]);
//! let sources = AuthSources::default();
//! # let sources = sources.environment(environment);
//! let builder = codex_backend::Client::builder();
//! # let builder = backend.client();
//! let auth = builder.load_auth(&sources).await?; // looks at the variables, then at `auth.json`
//! println!("{} from {}", auth.mode(), auth.source());
//! let client = builder.codex_auth(&auth)?.build()?;
//! client.usage().get().await?;
//! # Ok(()) }
//! ```

mod account;
#[cfg(feature = "agent-identity")]
pub(crate) mod agent_identity;
mod api_key;
mod bearer_command;
pub(crate) mod chatgpt;
mod claims;
mod codex_auth;
mod context;
mod fetched;
mod future;
mod headers;
mod health;
mod held_headers;
mod host_tokens;
mod mode;
pub(crate) mod personal_access_token;
mod provider;
mod ready_made_headers;
mod refusal;
mod restrictions;
mod saving;
mod service_call;
mod service_urls;
mod services;
pub(crate) mod sign_out;
mod sources;
mod store;
pub(crate) mod workload_identity;

pub use self::account::AccountFacts;
#[cfg(all(feature = "agent-identity", feature = "testing"))]
pub(crate) use self::agent_identity::seal;
#[cfg(feature = "agent-identity")]
pub use self::agent_identity::{
    AgentAuthApi, AgentDescription, AgentIdentity, AgentKey, AgentProvider, LazyAgent, ManagedAgent, RegisteredAgent,
};
pub use self::api_key::ApiKey;
pub use self::bearer_command::BearerCommand;
pub use self::chatgpt::{ChatGptCredentials, ChatGptSession, ChatGptTokens};
pub use self::codex_auth::{AnyProvider, CodexAuth};
pub use self::context::AuthContext;
pub use self::future::AuthFuture;
pub use self::headers::AuthHeaders;
pub use self::health::AuthHealth;
pub(crate) use self::held_headers::HeldHeaders;
pub use self::host_tokens::{HostTokenRequest, HostTokens};
pub use self::mode::AuthMode;
pub use self::personal_access_token::PersonalAccessToken;
pub use self::provider::AuthProvider;
pub(crate) use self::provider::ErasedProvider;
pub use self::ready_made_headers::ReadyMadeHeaders;
pub use self::refusal::{AuthRecovery, AuthRefusal};
pub use self::restrictions::{CredentialRestrictions, SignInMethod};
pub(crate) use self::saving::{LONGEST_WAIT, Saving};
pub(crate) use self::services::{AuthServices, GivenAuthUrls, KnownIssuers};
pub use self::sign_out::{ForgottenCredentials, RevocationOutcome, RevokedToken, SignOut};
pub use self::sources::{AuthSource, AuthSources};
#[cfg(feature = "keyring")]
pub use self::store::KeyringStore;
pub use self::store::{
    CredentialStore, FileStore, MalformedCredentials, MemoryStore, RefreshLease, StoreError, StoreErrorKind,
    StoredCredentials, SwapOutcome,
};
pub use self::workload_identity::WorkloadIdentity;
#[cfg(feature = "agent-identity")]
pub use crate::error::{AgentIdentityError, ClockSkew, JwtRejection};
pub use crate::error::{AuthError, AuthErrorKind, ReauthReason};
