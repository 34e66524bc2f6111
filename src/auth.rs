//! Request auth: the [`AuthProvider`] trait that every kind of credential goes through, and the providers built in.

mod account;
#[cfg(feature = "agent-identity")]
mod agent_identity;
mod api_key;
mod bearer_command;
mod chatgpt;
mod claims;
mod codex_auth;
mod fetched;
mod future;
mod headers;
mod health;
mod host_tokens;
mod mode;
mod personal_access_token;
mod ready_made_headers;
mod restrictions;
mod service_call;
mod services;
mod sign_out;
mod sources;
mod store;
mod workload_identity;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;

pub use self::account::AccountFacts;
#[cfg(all(feature = "agent-identity", feature = "testing"))]
pub(crate) use self::agent_identity::seal;
#[cfg(feature = "agent-identity")]
pub use self::agent_identity::{
    AgentAuthApi, AgentDescription, AgentIdentity, AgentKey, AgentProvider, LazyAgent, ManagedAgent, RegisteredAgent,
};
pub use self::api_key::ApiKey;
pub use self::bearer_command::BearerCommand;
pub use self::chatgpt::{ChatGptSession, ChatGptTokens};
pub use self::codex_auth::{AnyProvider, CodexAuth};
pub use self::future::AuthFuture;
pub use self::headers::AuthHeaders;
pub use self::health::AuthHealth;
pub use self::host_tokens::{HostTokenRequest, HostTokens};
pub use self::mode::AuthMode;
pub use self::personal_access_token::PersonalAccessToken;
pub use self::ready_made_headers::ReadyMadeHeaders;
pub use self::restrictions::{CredentialRestrictions, SignInMethod};
pub(crate) use self::services::{AuthServices, GivenAuthUrls};
pub use self::sign_out::{ForgottenCredentials, Revoked, RevokedToken, SignOut};
pub use self::sources::{AuthSource, AuthSources};
#[cfg(feature = "keyring")]
pub use self::store::KeyringStore;
pub use self::store::{
    CredentialStore, FileStore, MalformedCredentials, MemoryStore, RefreshLease, StoreError, StoreErrorKind,
    StoredCredentials, SwapOutcome,
};
pub use self::workload_identity::WorkloadIdentity;
use crate::exchange::{BaseUrl, Exchange};
use crate::mode::Authenticated;

/// Makes the auth headers of requests. Shared by all endpoints of a client, whatever the credential is.
///
/// The client asks for headers anew before **each** attempt, and tells the provider when the server refused them
/// (401). The provider yields *all* headers of its mode or an error; the client never sends less.
///
/// * `Route` names the mode the provider serves, so that `.provider(p)` gives the right builder, and crossing modes
///   does not compile. It stays part of the type behind `Arc<dyn AuthProvider<Route = CodexBackend>>`.
/// * [`auth_headers`](Self::auth_headers) returns [`AuthFuture::ready`] when the headers are at hand, which costs no
///   allocation, and [`AuthFuture::boxed`] when work is due: a renewal, a registration, a signature.
/// * Its futures may be dropped at any point; a provider whose work must not be lost does it elsewhere.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::auth::{AuthContext, AuthFuture, AuthHeaders};
/// use codex_backend::{AuthProvider, CodexBackend, OpenAiFileUpload};
/// use secrecy::{ExposeSecret, SecretString};
///
/// /// Takes the token from a vault that rotates it.
/// #[derive(Debug)]
/// struct Vault;
///
/// impl Vault {
///     async fn token(&self) -> SecretString {
/// #       TOKEN.get().unwrap().clone(); /*
///         // …
/// #       */ TOKEN.get().unwrap().clone()
///     }
/// }
/// # static TOKEN: std::sync::OnceLock<SecretString> = std::sync::OnceLock::new();
///
/// impl AuthProvider for Vault {
///     type Route = CodexBackend;
///
///     fn auth_headers<'a>(&'a self, _context: &'a AuthContext) -> AuthFuture<'a> {
///         AuthFuture::boxed(async move {
///             AuthHeaders::new(0).with_bearer(&self.token().await)?.with_header("chatgpt-account-id", "acct-1")
///         })
///     }
/// }
///
/// # let backend = codex_backend::testing::Backend::start()?;
/// # backend.add_account("acct-1");
/// # TOKEN.set(backend.issue_access_token("acct-1")).ok();
/// let client = backend.client().provider(Vault).build()?;
/// let file = OpenAiFileUpload::new(&client).bytes("notes.txt", "hello").await?;
/// assert!(file.uri().starts_with("sediment://"));
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an auth provider",
    label = "does not implement `AuthProvider`",
    note = "an `AgentIdentity` has no task yet: `identity.register(&context).await?` gives a `RegisteredAgent`, and `identity.lazy()` a `LazyAgent`, which registers before its first request",
    note = "ChatGPT tokens and API keys have setters of their own: `.chatgpt(tokens)`, `.api_key(key)`"
)]
pub trait AuthProvider: Send + Sync + 'static {
    /// The mode whose requests these headers authenticate.
    type Route: Authenticated;

    /// The complete headers for one request.
    ///
    /// # Errors
    ///
    /// An [`AuthError`](crate::AuthError); the request is then not sent, and the caller gets the error.
    fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a>;

    /// The server refused headers of this provider (401). Says whether the request is to be sent again with what
    /// [`auth_headers`](Self::auth_headers) then yields. One call is sent three times at the most.
    ///
    /// Many requests may be refused at once: the refusal's `generation` tells whether the headers that were refused
    /// are still the current ones. The default is [`AuthRecovery::GiveUp`].
    ///
    /// # Errors
    ///
    /// An [`AuthError`](crate::AuthError) ends the call with that error instead of the server's answer.
    fn refused<'a>(&'a self, refusal: &'a AuthRefusal, context: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
        let _ = (refusal, context);
        AuthFuture::ready(Ok(AuthRecovery::GiveUp))
    }

    /// What the provider knows of the account that its credentials open, once it has yielded headers. Makes no request and
    /// does not block. What it leaves unknown is read from its headers: the account's id, and the claims of a bearer token
    /// that is a JWT. The default knows nothing.
    fn account(&self) -> AccountFacts {
        AccountFacts::default()
    }

    /// How the credentials are now. Makes no request and does not block. The default is [`AuthHealth::Ready`].
    fn health(&self, context: &AuthContext) -> AuthHealth {
        let _ = context;
        AuthHealth::Ready
    }

    /// Completes with the health of the credentials as soon as it is another than `seen`: at once if it already is. The
    /// default never completes.
    fn health_after<'a>(&'a self, seen: AuthHealth, context: &'a AuthContext) -> AuthFuture<'a, AuthHealth> {
        let _ = (seen, context);
        AuthFuture::boxed(std::future::pending())
    }
}

impl<P: AuthProvider + ?Sized> AuthProvider for Arc<P> {
    type Route = P::Route;

    fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a> {
        (**self).auth_headers(context)
    }

    fn refused<'a>(&'a self, refusal: &'a AuthRefusal, context: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
        (**self).refused(refusal, context)
    }

    fn account(&self) -> AccountFacts {
        (**self).account()
    }

    fn health(&self, context: &AuthContext) -> AuthHealth {
        (**self).health(context)
    }

    fn health_after<'a>(&'a self, seen: AuthHealth, context: &'a AuthContext) -> AuthFuture<'a, AuthHealth> {
        (**self).health_after(seen, context)
    }
}

/// A provider whose route has been checked and erased: nothing below the client is generic over the mode.
pub(crate) trait ErasedProvider: Send + Sync {
    fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a>;
    fn refused<'a>(&'a self, refusal: &'a AuthRefusal, context: &'a AuthContext) -> AuthFuture<'a, AuthRecovery>;
    fn account(&self) -> AccountFacts;
    fn health(&self, context: &AuthContext) -> AuthHealth;
    fn health_after<'a>(&'a self, seen: AuthHealth, context: &'a AuthContext) -> AuthFuture<'a, AuthHealth>;
}

impl<P: AuthProvider> ErasedProvider for P {
    fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a> {
        AuthProvider::auth_headers(self, context)
    }

    fn refused<'a>(&'a self, refusal: &'a AuthRefusal, context: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
        AuthProvider::refused(self, refusal, context)
    }

    fn account(&self) -> AccountFacts {
        AuthProvider::account(self)
    }

    fn health(&self, context: &AuthContext) -> AuthHealth {
        AuthProvider::health(self, context)
    }

    fn health_after<'a>(&'a self, seen: AuthHealth, context: &'a AuthContext) -> AuthFuture<'a, AuthHealth> {
        AuthProvider::health_after(self, seen, context)
    }
}

/// What a provider may know of the client it works for: its network, its clock, and where the services are that auth
/// itself calls.
///
/// A client has its own. To load or verify credentials before there is a client, take
/// [`ClientBuilder::auth_context`](crate::ClientBuilder::auth_context): the calls then go through the same proxies,
/// certificates and time limits.
pub struct AuthContext {
    pub(crate) exchange: Exchange,
    pub(crate) base_url: BaseUrl,
    pub(crate) services: AuthServices,
}

impl AuthContext {
    /// The client's wall clock; it is injected, so take the time from here.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.exchange.now()
    }

    /// The base URL the headers will go to, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.base_url.as_str()
    }

    /// Where agents and their tasks are registered; `None` where no such service is known for the backend.
    #[cfg(feature = "agent-identity")]
    #[must_use]
    pub fn agent_auth_api_base_url(&self) -> Option<&url::Url> {
        self.services.agents.url.as_ref()
    }

    /// Where the keys are that sign the JWTs of agent identities.
    #[cfg(feature = "agent-identity")]
    #[must_use]
    pub fn agent_keys_url(&self) -> &url::Url {
        &self.services.agents.keys_url
    }
}

impl fmt::Debug for AuthContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthContext").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// What the server said when it refused auth headers.
///
/// ```
/// use codex_backend::Refusal;
///
/// let refusal = AuthRefusal::new(http::StatusCode::UNAUTHORIZED, 7).with_code("token_expired");
/// assert_eq!((refusal.generation, refusal.code.as_deref()), (7, Some("token_expired")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthRefusal {
    /// The status, 401.
    pub status: StatusCode,
    /// The generation of the headers that were refused.
    pub generation: u64,
    /// The generation of those that this call was refused with first.
    pub first_generation: u64,
    /// The server's code, such as `token_expired` or `task_not_found`.
    pub code: Option<String>,
    /// The server's clock, from the `Date` header.
    pub server_date: Option<SystemTime>,
    /// How often this call has been refused, this time included.
    pub count: u32,
}

impl AuthRefusal {
    /// A first refusal of headers of that generation.
    #[must_use]
    pub fn new(status: StatusCode, generation: u64) -> Self {
        Self { status, generation, first_generation: generation, code: None, server_date: None, count: 1 }
    }

    /// With the server's code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// With the server's clock.
    #[must_use]
    pub fn with_server_date(mut self, date: SystemTime) -> Self {
        self.server_date = Some(date);
        self
    }
}

/// What comes of a refusal.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::auth::{AuthRecovery, AuthRefusal};
///
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// // Tokens that the caller holds cannot be renewed here.
/// let refusal = AuthRefusal::new(http::StatusCode::UNAUTHORIZED, 0);
/// assert_eq!(client.auth_refused(refusal).await?, AuthRecovery::GiveUp);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthRecovery {
    /// The provider now has other headers: send the request again.
    Resend,
    /// The provider has nothing better: the refusal stands.
    GiveUp,
}

/// A provider whose headers never change.
pub(crate) struct HeldHeaders<R> {
    headers: AuthHeaders,
    route: std::marker::PhantomData<fn() -> R>,
}

impl<R: Authenticated> HeldHeaders<R> {
    fn new(headers: AuthHeaders) -> Self {
        Self { headers, route: std::marker::PhantomData }
    }
}

impl<R: Authenticated> AuthProvider for HeldHeaders<R> {
    type Route = R;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        AuthFuture::ready(Ok(self.headers.clone()))
    }
}

impl<R> fmt::Debug for HeldHeaders<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HeldHeaders").field(&self.headers).finish()
    }
}
