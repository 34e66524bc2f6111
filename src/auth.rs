//! Request auth: the [`AuthProvider`] trait that every kind of credential goes through, and the providers built in.

mod account;
mod api_key;
mod chatgpt;
mod claims;
mod codex_auth;
mod future;
mod headers;
mod mode;
mod sources;
mod store;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;
use url::Url;

pub use self::account::AccountFacts;
pub use self::api_key::ApiKey;
pub use self::chatgpt::{ChatGptSession, ChatGptTokens};
pub use self::codex_auth::{AnyProvider, CodexAuth};
pub use self::future::AuthFuture;
pub use self::headers::AuthHeaders;
pub use self::mode::AuthMode;
pub use self::sources::{AuthSource, AuthSources};
pub use self::store::{
    CredentialStore, FileStore, MalformedCredentials, MemoryStore, Renewal, StoreError, StoreErrorKind,
    StoredCredentials, Swap,
};
use crate::error::AuthError;
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
/// use codex_backend::{AuthContext, AuthFuture, AuthHeaders, AuthProvider, CodexBackend, OpenAiFileUpload};
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
    /// are still the current ones. The default is [`Recovery::GiveUp`].
    ///
    /// # Errors
    ///
    /// An [`AuthError`](crate::AuthError) ends the call with that error instead of the server's answer.
    fn refused<'a>(&'a self, refusal: &'a Refusal, context: &'a AuthContext) -> AuthFuture<'a, Recovery> {
        let _ = (refusal, context);
        AuthFuture::ready(Ok(Recovery::GiveUp))
    }
}

impl<P: AuthProvider + ?Sized> AuthProvider for Arc<P> {
    type Route = P::Route;

    fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a> {
        (**self).auth_headers(context)
    }

    fn refused<'a>(&'a self, refusal: &'a Refusal, context: &'a AuthContext) -> AuthFuture<'a, Recovery> {
        (**self).refused(refusal, context)
    }
}

/// A provider whose route has been checked and erased: nothing below the client is generic over the mode.
pub(crate) trait ErasedProvider: Send + Sync {
    fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a>;
    fn refused<'a>(&'a self, refusal: &'a Refusal, context: &'a AuthContext) -> AuthFuture<'a, Recovery>;
}

impl<P: AuthProvider> ErasedProvider for P {
    fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a> {
        AuthProvider::auth_headers(self, context)
    }

    fn refused<'a>(&'a self, refusal: &'a Refusal, context: &'a AuthContext) -> AuthFuture<'a, Recovery> {
        AuthProvider::refused(self, refusal, context)
    }
}

const TOKEN_ORIGIN: &str = "https://auth.openai.com";
const TOKEN_PATH: &str = "/oauth/token";

/// What a provider may know of the client it works for.
pub struct AuthContext {
    pub(crate) exchange: Exchange,
    pub(crate) base_url: BaseUrl,
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

    /// Where refresh tokens are redeemed. With a backend on loopback it is on that backend, never in production.
    pub(crate) fn token_url(&self) -> Result<Url, AuthError> {
        if self.base_url.is_loopback() {
            return Ok(self.base_url.with_root_path(TOKEN_PATH));
        }
        Url::parse(TOKEN_ORIGIN)
            .and_then(|origin| origin.join(TOKEN_PATH))
            .map_err(|error| AuthError::permanent("the token URL is not usable").with_source(error))
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
/// let refusal = Refusal::new(http::StatusCode::UNAUTHORIZED, 7).with_code("token_expired");
/// assert_eq!((refusal.generation, refusal.code.as_deref()), (7, Some("token_expired")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The status, 401.
    pub status: StatusCode,
    /// The generation of the headers that were refused.
    pub generation: u64,
    /// The server's code, such as `token_expired` or `task_not_found`.
    pub code: Option<String>,
    /// The server's clock, from the `Date` header.
    pub server_date: Option<SystemTime>,
    /// How often this call has been refused, this time included.
    pub count: u32,
}

impl Refusal {
    /// A first refusal of headers of that generation.
    #[must_use]
    pub fn new(status: StatusCode, generation: u64) -> Self {
        Self { status, generation, code: None, server_date: None, count: 1 }
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
/// use codex_backend::{Recovery, Refusal};
///
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// // Tokens that the caller holds cannot be renewed here.
/// let refusal = Refusal::new(http::StatusCode::UNAUTHORIZED, 0);
/// assert_eq!(client.auth_refused(refusal).await?, Recovery::GiveUp);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
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
