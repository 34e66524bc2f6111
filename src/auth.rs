//! Request auth: the [`AuthProvider`] trait that every kind of credential goes through, and the providers built in.

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
pub(crate) use self::services::{AuthServices, GivenAuthUrls};
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
