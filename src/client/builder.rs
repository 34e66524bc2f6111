use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{AnyClient, Client};
use crate::auth::{AnyProvider, ApiKey, AuthProvider, ChatGptTokens, CodexAuth, ErasedProvider};
use crate::call::{Backend, Caller};
use crate::environment::Environment;
use crate::error::{AuthError, ConfigError};
#[cfg(feature = "rustls-ring")]
use crate::exchange::RootCertificates;
use crate::exchange::{
    BaseUrl, Clock, Exchange, Identity, Origin, ProxySettings, ReqwestTransport, RetryPolicy, Route, SystemClock,
    Timeouts, Transport, TransportSettings,
};
use crate::mode::{Authenticated, CodexBackend, CredentialsSet, CredentialsUnset, Mode, NoAuth, OpenAiApi, Unset};

/// Builds a [`Client`]. `S` is the mode, or [`Unset`] until credentials are chosen.
///
/// Credentials are chosen once (a second choice does not compile), and `build()` exists only when they are. Everything
/// else has a default and may come in any order.
///
/// | setting | default |
/// | --- | --- |
/// | base URLs | `https://chatgpt.com/backend-api`, `https://api.openai.com/v1` |
/// | application | this crate's own name and version |
/// | time limits, retries | [`Timeouts`], [`RetryPolicy`] |
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

/// What does not depend on the mode.
struct Settings {
    codex_base_url: Option<String>,
    openai_base_url: Option<String>,
    allowed_origins: Vec<String>,
    application: Option<(String, String)>,
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
                allowed_origins: Vec::new(),
                application: None,
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
    /// ChatGPT tokens that the caller holds and keeps fresh, for a `Client<CodexBackend>`.
    pub fn chatgpt(self, tokens: ChatGptTokens) -> ClientBuilder<CodexBackend>
    where
        S: CredentialsUnset,
    {
        self.with_provider(tokens.into_provider().map(erase))
    }

    /// An API key, for a `Client<OpenAiApi>`.
    pub fn api_key(self, key: impl Into<ApiKey>) -> ClientBuilder<OpenAiApi>
    where
        S: CredentialsUnset,
    {
        self.with_provider(key.into().into_provider().map(erase))
    }

    /// A provider of your own, for a client of the mode it serves. Takes an `Arc<dyn AuthProvider<Route = …>>` too.
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

    /// Credentials that were found at run time, if they open the Codex backend: loads and narrows in one go.
    ///
    /// ```
    /// # let environment = codex_backend::Environment::from_vars([("CODEX_BACKEND_ACCESS_TOKEN", "access-token")]);
    /// use codex_backend::{AuthSources, Client, CodexAuth};
    ///
    /// let sources = AuthSources::default().environment(environment);
    /// let client = Client::builder().codex_auth(&CodexAuth::load(&sources)?)?.build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When they are credentials of another mode; the error says what was found, and where.
    pub fn codex_auth(self, auth: &CodexAuth) -> Result<ClientBuilder<CodexBackend>, AuthError>
    where
        S: CredentialsUnset,
    {
        match auth.provider() {
            AnyProvider::Backend(provider) => Ok(self.provider(provider.clone())),
            AnyProvider::PublicApi(_) => Err(auth.wrong_mode()),
        }
    }

    /// The client that credentials found at run time make. It has the mode they have.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when a setting cannot be used.
    pub fn build_any(self, auth: &CodexAuth) -> Result<AnyClient, ConfigError>
    where
        S: CredentialsUnset,
    {
        Ok(match auth.provider() {
            AnyProvider::Backend(provider) => self.provider(provider.clone()).build()?.into(),
            AnyProvider::PublicApi(provider) => self.provider(provider.clone()).build()?.into(),
        })
    }

    fn with_provider<M: Authenticated>(self, provider: Result<Arc<dyn ErasedProvider>, AuthError>) -> ClientBuilder<M> {
        ClientBuilder { settings: self.settings, provider: Some(provider), state: PhantomData }
    }
}

fn erase<P: AuthProvider>(provider: P) -> Arc<dyn ErasedProvider> {
    Arc::new(provider)
}

impl<S> ClientBuilder<S> {
    /// Where the Codex backend is. Used by clients for [`CodexBackend`] and without credentials.
    ///
    /// Known hosts are `chatgpt.com`, `chatgpt-staging.com` and their subdomains, and `chat.openai.com`, by `https` on
    /// the default port; and this machine, on any port. On `chatgpt.com` and `chat.openai.com`, `/backend-api` is added
    /// where it is missing.
    pub fn codex_base_url(mut self, url: impl Into<String>) -> Self {
        self.settings.codex_base_url = Some(url.into());
        self
    }

    /// Where the OpenAI API is. Used by clients for [`OpenAiApi`].
    ///
    /// The known host is `api.openai.com`, by `https` on the default port; and this machine, on any port. A gateway
    /// needs [`dangerously_allow_origin`](Self::dangerously_allow_origin).
    pub fn openai_base_url(mut self, url: impl Into<String>) -> Self {
        self.settings.openai_base_url = Some(url.into());
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

    /// The time limits of calls.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.settings.timeouts = timeouts;
        self
    }

    /// How requests that failed are repeated.
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
        let base_url = self.settings.base_url(S::NAME)?;
        let backend = self.settings.backend(S::NAME, &base_url);
        let exchange = self.settings.into_exchange()?;
        Ok(Client::from_caller(Caller::new(exchange, base_url, provider, S::NAME, backend)))
    }
}

impl Settings {
    fn base_url(&self, mode: &'static str) -> Result<BaseUrl, ConfigError> {
        let (route, given) = if mode == OpenAiApi::NAME {
            (Route::openai_api(mode), &self.openai_base_url)
        } else {
            (Route::codex_backend(mode), &self.codex_base_url)
        };
        let allowed = self.allowed_origins.iter().map(|text| {
            Origin::parse(text).ok_or(ConfigError::InvalidBaseUrl {
                mode,
                reason: "what `.dangerously_allow_origin(..)` was given is not an origin such as `https://gateway.example`",
            })
        });
        let allowed = allowed.collect::<Result<Vec<_>, _>>()?;
        BaseUrl::new(given.as_deref().unwrap_or(route.default_base_url), route, &allowed)
    }

    /// Where the Codex backend is, for the requests that any client may send there.
    fn backend(&self, mode: &'static str, own: &BaseUrl) -> Backend {
        if mode != OpenAiApi::NAME {
            return Backend::Own;
        }
        if own.is_loopback() && self.codex_base_url.is_none() {
            return Backend::Unknown;
        }
        match self.base_url(NoAuth::NAME) {
            Ok(base_url) => Backend::At(Box::new(base_url)),
            Err(error) => Backend::Unusable(error),
        }
    }

    fn into_exchange(self) -> Result<Exchange, ConfigError> {
        let application = self.application.as_ref().map(|(name, version)| (name.as_str(), version.as_str()));
        let identity = Identity::new(application)?;
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
