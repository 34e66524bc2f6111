//! `Client<M>`, its builder, and the client whose mode is known only at run time.

mod any;
mod as_client;
mod builder;
mod codex_auth;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::stream::{self, BoxStream};

pub use self::any::{AnyClient, WrongMode};
pub use self::as_client::AsClient;
pub use self::builder::ClientBuilder;
use crate::auth::{AuthFuture, AuthHealth, AuthRecovery, AuthRefusal};
use crate::call::Caller;
use crate::error::AuthError;
use crate::mode::mistakes::MadeByNew;
use crate::mode::{CodexBackend, HoldsCredentials, Mode, OpenAiApi};

/// A client for the Codex backend.
pub type CodexClient = Client<CodexBackend>;

/// A client for the public OpenAI API.
pub type OpenAiClient = Client<OpenAiApi>;

/// A client whose type says what kind of authentication it holds.
///
/// `M` is the mode: [`CodexBackend`], [`OpenAiApi`] or [`NoAuth`](crate::NoAuth). Endpoints state which modes they
/// accept; any other client does not compile:
///
/// ```compile_fail,E0277
/// use codex_backend::{Client, OpenAiFileUpload};
///
/// let client = Client::builder().api_key("sk-example").build()?;
/// OpenAiFileUpload::new(&client); // error: `OpenAiFileUpload` does not accept a `Client<OpenAiApi>`
/// # Ok::<(), codex_backend::ConfigError>(())
/// ```
///
/// ```
/// use codex_backend::{ChatGptTokens, Client, CodexBackend, OpenAiFileUpload};
///
/// struct App {
///     client: Client<CodexBackend>,
/// }
///
/// let client = Client::builder().chatgpt(ChatGptTokens::new("access-token")).build()?;
/// let app = App { client: client.clone() };
/// let files = OpenAiFileUpload::new(&app.client);
/// # Ok::<(), codex_backend::ConfigError>(())
/// ```
///
/// A client is a handle: one pointer wide, cheap to clone, and all clones share connections, credentials and the retry
/// budget. No `Arc` around it is needed. Nothing runs in the background.
///
/// In signatures of your own, name the mode (`Client<CodexBackend>`, or the alias [`CodexClient`]), or stay generic
/// with a bound on [`Accepts`](crate::mode::Accepts).
pub struct Client<M> {
    caller: Arc<Caller>,
    // `fn() -> M`: the client neither owns a mode nor takes its auto traits.
    mode: PhantomData<fn() -> M>,
}

impl<M> Client<M> {
    /// For the compiler to say that it is [`Client::builder`].
    #[doc(hidden)]
    #[allow(clippy::new_without_default, reason = "it cannot be called")]
    #[must_use]
    pub fn new() -> Self
    where
        Self: MadeByNew,
    {
        Self::never()
    }

    pub(crate) fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    fn from_caller(caller: Caller) -> Self {
        Self { caller: Arc::new(caller), mode: PhantomData }
    }

    /// The base URL requests go to, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.caller.base_url().as_str()
    }

    /// The auth headers a request of this client would carry now, for a request that another HTTP stack sends.
    ///
    /// This is the way to adopt this crate's auth alone. Ask anew for each request: some credentials are valid for a
    /// second. It costs no allocation when the provider has them at hand. No time-out applies but the provider's own.
    /// Where the headers go is up to you; this crate sends them to the base URL only.
    ///
    /// # Errors
    ///
    /// When the provider has no complete headers to give.
    pub fn auth_headers(&self) -> AuthFuture<'_>
    where
        M: HoldsCredentials,
    {
        self.caller.auth_headers()
    }

    /// Tells the provider that a request sent by another HTTP stack was refused (401), and whether to send it again
    /// with new [`auth_headers`](Self::auth_headers). Send one request three times at the most.
    ///
    /// # Errors
    ///
    /// When the provider knows that no credentials will do, such as when the user must sign in again.
    pub fn auth_refused(&self, refusal: AuthRefusal) -> AuthFuture<'_, AuthRecovery>
    where
        M: HoldsCredentials,
    {
        let caller = self.caller.clone();
        AuthFuture::boxed(async move { caller.auth_refused(&refusal).await })
    }
}

impl<M> Client<M> {
    /// Completes when nothing is left to be saved: no refresh of the credentials is under way, and their store has what the last
    /// one gave. At once where that is so already, and where nothing is refreshed. Waits for the token endpoint's time-out plus
    /// 10 s at the most, and starts no refresh.
    ///
    /// A refreshed sign-in is saved before a run time ends. Await this before a program ends in a way that waits for nothing,
    /// such as `std::process::exit`, `Runtime::shutdown_background` or `Runtime::shutdown_timeout`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// client.usage().get().await?;
    /// client.settled().await?;
    /// // std::process::exit(0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When credentials are not saved, or a refresh is still under way. The error names the store and what stands in the way.
    pub async fn settled(&self) -> Result<(), AuthError> {
        self.caller.settled().await
    }

    /// How the credentials are now: whether they will do, soon expire, are being refreshed, or are lost. Makes no request.
    #[must_use]
    pub fn auth_health(&self) -> AuthHealth
    where
        M: HoldsCredentials,
    {
        self.caller.auth_health()
    }

    /// The health of the credentials as it is now, and then each time that it has changed. A change that lasts a moment
    /// may be skipped. Nothing runs in the background: what polls the stream watches.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use codex_backend::auth::AuthHealth;
    /// use futures_util::StreamExt;
    ///
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// let mut health = client.watch_auth_health();
    /// assert_eq!(health.next().await, Some(AuthHealth::Ready));
    /// # Ok(()) }
    /// ```
    #[must_use = "a stream does nothing unless polled"]
    pub fn watch_auth_health(&self) -> BoxStream<'static, AuthHealth>
    where
        M: HoldsCredentials,
    {
        let first = (self.caller.clone(), None);
        Box::pin(stream::unfold(first, |(caller, seen)| async move {
            let health = match seen {
                None => caller.auth_health(),
                // A provider that can no longer tell has nothing more to say.
                Some(seen) => caller.auth_health_after(seen).await.ok()?,
            };
            Some((health, (caller, Some(health))))
        }))
    }
}

impl<M> Clone for Client<M> {
    fn clone(&self) -> Self {
        Self { caller: self.caller.clone(), mode: PhantomData }
    }
}

impl<M: Mode> fmt::Debug for Client<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("mode", &M::NAME).field("base_url", &self.base_url()).finish_non_exhaustive()
    }
}
