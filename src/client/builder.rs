//! Builds a client: credentials once, settings in any order.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use url::Url;

use super::Client;
#[cfg(feature = "agent-identity")]
use crate::auth::{AgentAuthApi, AgentProvider};
use crate::auth::{ApiKey, AuthContext, AuthProvider, AuthServices, ChatGptCredentials, ErasedProvider, GivenAuthUrls};
use crate::call::{Caller, CodexBackendAt};
use crate::environment::Environment;
use crate::error::{AuthError, ConfigError};
#[cfg(feature = "rustls-ring")]
use crate::exchange::RootCertificates;
use crate::exchange::{
    BaseUrl, Clock, Exchange, Identity, Origin, ProxySettings, ReqwestTransport, RetryPolicy, Route, SystemClock,
    Timeouts, Transport, TransportSettings, is_loopback,
};
use crate::mode::{Authenticated, CodexBackend, CredentialsSet, CredentialsUnset, Mode, NoAuth, OpenAiApi, Unset};

impl Client<Unset> {
    /// Starts a client. Choose credentials, then [`build()`](ClientBuilder::build).
    pub fn builder() -> ClientBuilder<Unset> {
        ClientBuilder::new()
    }
}

/// Builds a [`Client`]. `S` is the mode, or [`Unset`] until credentials are chosen.
///
/// Credentials are chosen once (a second choice does not compile), and `build()` exists only when they are. Everything
/// else has a default and may come in any order. A clone starts a second client with the same settings.
///
/// | setting | default |
/// | --- | --- |
/// | base URLs | `https://chatgpt.com/backend-api`, `https://api.openai.com/v1` |
/// | application | this crate's own name and version |
/// | time-outs, retries | [`Timeouts`], [`RetryPolicy`] |
/// | proxy | `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`; loopback never goes through one |
/// | root certificates | the system's, and those in the file that `CODEX_CA_CERTIFICATE`, else `SSL_CERT_FILE`, names |
///
/// ```
/// use std::time::Duration;
/// use codex_backend::{ChatGptTokens, Client, RetryPolicy, Timeouts};
///
/// let client = Client::builder()
///     .application("report-bot", "1.4.0")
///     .chatgpt(ChatGptTokens::new("access-token").account_id("acct-1"))
///     .timeouts(Timeouts::default().call(Duration::from_secs(45)))
///     .retry_policy(RetryPolicy::default().max_attempts(5))
///     .build()?;
/// # Ok::<(), codex_backend::ConfigError>(())
/// ```
#[must_use = "a builder does nothing until `build()`"]
pub struct ClientBuilder<S> {
    settings: Settings,
    provider: Option<Result<Arc<dyn ErasedProvider>, AuthError>>,
    state: PhantomData<fn() -> S>,
}

/// With the same settings and credentials. Clients that are built of clones share their provider, and nothing else.
impl<S> Clone for ClientBuilder<S> {
    fn clone(&self) -> Self {
        Self { settings: self.settings.clone(), provider: self.provider.clone(), state: PhantomData }
    }
}

/// What does not depend on the mode.
#[derive(Clone)]
struct Settings {
    codex_base_url: Option<String>,
    openai_base_url: Option<String>,
    auth_urls: GivenAuthUrls,
    allowed_origins: Vec<String>,
    application: Option<(String, String)>,
    compatible_version: Option<String>,
    timeouts: Timeouts,
    retry: RetryPolicy,
    environment: Environment,
    proxy: Option<String>,
    #[cfg(feature = "rustls-ring")]
    root_certificates: Vec<Vec<u8>>,
    transport: Option<Arc<dyn Transport>>,
    clock: Option<Arc<dyn Clock>>,
}

impl ClientBuilder<Unset> {
    pub(super) fn new() -> Self {
        Self {
            settings: Settings {
                codex_base_url: None,
                openai_base_url: None,
                auth_urls: GivenAuthUrls::default(),
                allowed_origins: Vec::new(),
                application: None,
                compatible_version: None,
                timeouts: Timeouts::default(),
                retry: RetryPolicy::default(),
                environment: Environment::process(),
                proxy: None,
                #[cfg(feature = "rustls-ring")]
                root_certificates: Vec::new(),
                transport: None,
                clock: None,
            },
            provider: None,
            state: PhantomData,
        }
    }
}

/// The credentials: exactly one of these.
impl<S> ClientBuilder<S> {
    /// ChatGPT credentials, for a `Client<CodexBackend>`: [`ChatGptTokens`](crate::ChatGptTokens) that the caller holds and
    /// keeps fresh, or a [`ChatGptSession`](crate::ChatGptSession) that refreshes its own.
    pub fn chatgpt<C>(self, credentials: C) -> ClientBuilder<CodexBackend>
    where
        S: CredentialsUnset,
        C: ChatGptCredentials,
    {
        self.with_provider(credentials.into_erased_provider())
    }

    /// An API key, for a `Client<OpenAiApi>`.
    pub fn api_key(self, key: impl Into<ApiKey>) -> ClientBuilder<OpenAiApi>
    where
        S: CredentialsUnset,
    {
        self.with_provider(key.into().into_provider().map(erase))
    }

    /// An agent identity with its task, for a `Client<CodexBackend>`: a [`RegisteredAgent`](crate::auth::RegisteredAgent), or a
    /// [`LazyAgent`](crate::auth::LazyAgent) that registers before its first request.
    #[cfg(feature = "agent-identity")]
    pub fn agent_identity<A>(self, agent: A) -> ClientBuilder<CodexBackend>
    where
        S: CredentialsUnset,
        A: AgentProvider,
    {
        self.with_provider(Ok(erase(agent)))
    }

    /// A provider of your own, for a client of the mode it serves. Takes an `Arc<dyn AuthProvider<Route = …>>` and a
    /// `Box<dyn AuthProvider<Route = …>>` too.
    pub fn provider<P>(self, provider: P) -> ClientBuilder<P::Route>
    where
        S: CredentialsUnset,
        P: AuthProvider,
    {
        self.with_provider(Ok(erase(provider)))
    }

    /// No credentials, for a `Client<NoAuth>` that reaches the few public endpoints.
    pub fn without_credentials(self) -> ClientBuilder<NoAuth>
    where
        S: CredentialsUnset,
    {
        ClientBuilder { settings: self.settings, provider: None, state: PhantomData }
    }

    fn with_provider<M: Authenticated>(self, provider: Result<Arc<dyn ErasedProvider>, AuthError>) -> ClientBuilder<M> {
        ClientBuilder { settings: self.settings, provider: Some(provider), state: PhantomData }
    }
}

fn erase<P: AuthProvider>(provider: P) -> Arc<dyn ErasedProvider> {
    Arc::new(provider)
}

impl<S> ClientBuilder<S> {
    /// Where the Codex backend is: the base URL of clients for [`CodexBackend`] and of those without credentials. A client
    /// for [`OpenAiApi`] uses it for endpoints that accept any client, and has to be given
    /// [`openai_base_url`](Self::openai_base_url) as well.
    ///
    /// Known hosts are `chatgpt.com`, `chatgpt-staging.com` and their subdomains, and `chat.openai.com`, by `https` on
    /// the default port; and this machine, on any port. On `chatgpt.com` and `chat.openai.com`, `/backend-api` is added
    /// where it is missing.
    pub fn codex_base_url(mut self, url: impl Into<String>) -> Self {
        self.settings.codex_base_url = Some(url.into());
        self
    }

    /// Where the OpenAI API is: the base URL of clients for [`OpenAiApi`]. Where it alone is set, no other client can be
    /// built.
    ///
    /// The known host is `api.openai.com`, by `https` on the default port; and this machine, on any port. A gateway
    /// needs [`dangerously_allow_origin`](Self::dangerously_allow_origin).
    pub fn openai_base_url(mut self, url: impl Into<String>) -> Self {
        self.settings.openai_base_url = Some(url.into());
        self
    }

    /// Where tokens are refreshed, in place of `https://auth.openai.com/oauth/token`, or of `/oauth/token` on a
    /// backend that is on this machine. Tokens are revoked at `/oauth/revoke` of the same server. Wins over
    /// `CODEX_REFRESH_TOKEN_URL_OVERRIDE` and `CODEX_REVOKE_TOKEN_URL_OVERRIDE`.
    ///
    /// Known hosts are `auth.openai.com` and `auth.api.openai.org`, by `https` on the default port; and this machine.
    pub fn token_url(mut self, url: impl Into<String>) -> Self {
        self.settings.auth_urls.token_url = Some(url.into());
        self
    }

    /// Where personal access tokens are verified and agents registered, in place of
    /// `https://auth.openai.com/api/accounts`, or of the base URL of a backend that is on this machine. Wins over
    /// `CODEX_AUTHAPI_BASE_URL` and `CODEX_AGENT_IDENTITY_AUTHAPI_BASE_URL`. Known hosts are those of
    /// [`token_url`](Self::token_url).
    pub fn auth_api_base_url(mut self, url: impl Into<String>) -> Self {
        self.settings.auth_urls.auth_api_base_url = Some(url.into());
        self
    }

    /// Which of the known services registers agents and their tasks, in place of the one that belongs to the backend.
    /// [`auth_api_base_url`](Self::auth_api_base_url) wins over it, and it over `CODEX_AGENT_IDENTITY_AUTHAPI_BASE_URL`.
    #[cfg(feature = "agent-identity")]
    pub fn agent_auth_api(mut self, api: AgentAuthApi) -> Self {
        self.settings.auth_urls.agent_auth_api = Some(api);
        self
    }

    /// Allows a base URL at an origin (`https://gateway.example`) that this crate does not know. **The credentials of
    /// this client are then sent there**; whoever runs that host can use them. With an `http` origin, so can everyone on
    /// the way to it.
    pub fn dangerously_allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.settings.allowed_origins.push(origin.into());
        self
    }

    /// The name and version of the application, sent as `originator` and `User-Agent`. Set your own.
    pub fn application(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.settings.application = Some((name.into(), version.into()));
        self
    }

    /// Replaces [`COMPATIBLE_VERSION`](crate::models::COMPATIBLE_VERSION), the version of the official tool that decides which
    /// models the Codex backend offers and serves. It does not identify the application.
    pub fn compatible_version(mut self, version: impl Into<String>) -> Self {
        self.settings.compatible_version = Some(version.into());
        self
    }

    /// The time-outs of calls.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.settings.timeouts = timeouts;
        self
    }

    /// How requests that failed are retried.
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.settings.retry = policy;
        self
    }

    /// One proxy for everything but loopback (`http`, `https` or `socks5h` URL, with a password if need be), in place
    /// of those that the environment names.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.settings.proxy = Some(url.into());
        self
    }

    /// Certificates in PEM form that TLS trusts beside the system's. May be called several times.
    #[cfg(feature = "rustls-ring")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings.root_certificates.push(pem.into());
        self
    }

    /// A transport of your own, in place of reqwest. It brings its own proxy, certificates and connect time-out:
    /// setting those here as well is an error.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.settings.transport = Some(Arc::new(transport));
        self
    }

    /// A clock of your own, for tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.settings.clock = Some(Arc::new(clock));
        self
    }

    /// Where environment variables are read, in place of the process's environment.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.settings.environment = environment;
        self
    }

    /// The client. Does no I/O: connections, and the reading of certificate files, come with the first request.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when a setting cannot be used.
    pub fn build(self) -> Result<Client<S>, ConfigError>
    where
        S: CredentialsSet,
    {
        let provider = self.provider.transpose().map_err(ConfigError::Credentials)?;
        let codex_backend = self.settings.codex_backend(S::NAME);
        let context = self.settings.into_context(S::NAME)?;
        Ok(Client::from_caller(Caller::new(context, provider, S::NAME, codex_backend)))
    }

    /// What credentials for the Codex backend are loaded and verified with before there is a client: the network, the
    /// clock and the URLs that are set so far. Does no I/O.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when a setting cannot be used.
    pub fn auth_context(&self) -> Result<AuthContext, ConfigError> {
        let mut settings = self.settings.clone();
        // The mode is still open. What is on loopback serves all of it; a gateway for the OpenAI API is no Codex backend.
        if settings.codex_base_url.is_none() {
            settings.codex_base_url = settings.openai_base_url.take().filter(|url| is_loopback_url(url));
        }
        settings.into_context(CodexBackend::NAME)
    }
}

impl Settings {
    fn into_context(self, mode: &'static str) -> Result<AuthContext, ConfigError> {
        let allowed = self.allowed_origins(mode)?;
        let base_url = self.base_url(mode, &allowed)?;
        let services = AuthServices::new(&base_url, &self.auth_urls, &self.environment, &allowed)?;
        Ok(AuthContext { exchange: self.into_exchange()?, base_url, services })
    }

    fn allowed_origins(&self, mode: &'static str) -> Result<Vec<Origin>, ConfigError> {
        let allowed = self.allowed_origins.iter().map(|text| {
            Origin::parse(text).ok_or(ConfigError::InvalidBaseUrl {
                mode,
                reason: "what `.dangerously_allow_origin(..)` was given is not an origin such as `https://gateway.example`",
            })
        });
        allowed.collect()
    }

    /// The base URL of a mode. Where only the other route's is set, the client would go to production unnoticed.
    fn base_url(&self, mode: &'static str, allowed: &[Origin]) -> Result<BaseUrl, ConfigError> {
        let (codex, openai) =
            ((".codex_base_url(..)", &self.codex_base_url), (".openai_base_url(..)", &self.openai_base_url));
        let (route, (needed, given), (set, other)) = if mode == OpenAiApi::NAME {
            (Route::openai_api(mode), openai, codex)
        } else {
            (Route::codex_backend(mode), codex, openai)
        };
        if given.is_none() && other.is_some() {
            return Err(ConfigError::OtherBaseUrl { mode, set, needed });
        }
        let base_url = BaseUrl::new(given.as_deref().unwrap_or(route.default_base_url), route, allowed)?;
        if !base_url.is_loopback() && other.as_deref().is_some_and(is_loopback_url) {
            return Err(ConfigError::Conflict(
                "one base URL is on loopback and the other is not: a client that has to do with a server on loopback \
                 never reaches another; set both to loopback, or neither",
            ));
        }
        Ok(base_url)
    }

    /// Where the Codex backend is, for the requests that any client may send there.
    fn codex_backend(&self, mode: &'static str) -> CodexBackendAt {
        if mode != OpenAiApi::NAME {
            return CodexBackendAt::OwnBaseUrl;
        }
        if self.codex_base_url.is_none() && self.openai_base_url.as_deref().is_some_and(is_loopback_url) {
            return CodexBackendAt::Unknown;
        }
        // A gateway for the OpenAI API says nothing of where the Codex backend is.
        let settings =
            Self { openai_base_url: self.codex_base_url.as_ref().and(self.openai_base_url.clone()), ..self.clone() };
        match self.allowed_origins(mode).and_then(|allowed| settings.base_url(NoAuth::NAME, &allowed)) {
            Ok(base_url) => CodexBackendAt::Other(Box::new(base_url)),
            Err(error) => CodexBackendAt::Unusable(error),
        }
    }

    fn into_exchange(self) -> Result<Exchange, ConfigError> {
        let application = self.application.as_ref().map(|(name, version)| (name.as_str(), version.as_str()));
        let mut identity = Identity::new(application)?;
        if let Some(version) = &self.compatible_version {
            identity = identity.with_compatible_version(version)?;
        }
        let clock = self.clock.clone().unwrap_or_else(|| Arc::new(SystemClock::new()));
        let (timeouts, retry) = (self.timeouts, self.retry);
        let transport = self.into_transport()?;
        Ok(Exchange::new(transport, clock, identity, timeouts, retry))
    }

    fn into_transport(self) -> Result<Arc<dyn Transport>, ConfigError> {
        #[cfg(feature = "rustls-ring")]
        let has_certificates = !self.root_certificates.is_empty();
        #[cfg(not(feature = "rustls-ring"))]
        let has_certificates = false;
        if let Some(transport) = self.transport {
            if self.proxy.is_some() || has_certificates {
                return Err(ConfigError::Conflict(
                    "`.proxy(..)` and `.root_certificates(..)` are settings of the built-in transport: leave them out, or \
                     apply them in the one given to `.transport(..)`",
                ));
            }
            return Ok(transport);
        }
        let proxy = match &self.proxy {
            Some(url) => ProxySettings::all(url)?,
            None => ProxySettings::from_environment(&self.environment)?,
        };
        #[cfg(feature = "rustls-ring")]
        let certificates = {
            let mut certificates = RootCertificates::from_environment(&self.environment);
            for pem in &self.root_certificates {
                certificates.add_pem(pem).map_err(|reason| ConfigError::InvalidCertificates { reason })?;
            }
            certificates
        };
        Ok(Arc::new(ReqwestTransport::new(TransportSettings {
            connect_timeout: self.timeouts.connect,
            proxy,
            #[cfg(feature = "rustls-ring")]
            certificates,
        })))
    }
}

fn is_loopback_url(text: &str) -> bool {
    Url::parse(text.trim()).is_ok_and(|url| is_loopback(&url))
}

impl<S> fmt::Debug for ClientBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("has_credentials", &self.provider.is_some())
            .field("application", &self.settings.application)
            .field("timeouts", &self.settings.timeouts)
            .field("retry_policy", &self.settings.retry)
            .finish_non_exhaustive()
    }
}
