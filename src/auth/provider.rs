//! What every kind of credentials goes through: the trait of auth providers.

use std::sync::Arc;

use super::account::AccountFacts;
use super::context::AuthContext;
use super::future::AuthFuture;
use super::health::AuthHealth;
use super::refusal::{AuthRecovery, AuthRefusal};
use crate::mode::Authenticated;

/// Makes the auth headers of requests. Shared by all endpoints of a client, whatever the credential is.
///
/// The client asks for headers anew before **each** attempt, and tells the provider when the server refused them
/// (401). The provider yields *all* headers of its mode or an error; the client never sends less.
///
/// * `Route` names the mode the provider serves, so that `.provider(p)` gives the right builder, and crossing modes
///   does not compile. It stays part of the type behind `Arc<dyn AuthProvider<Route = CodexBackend>>`, or `Box<…>`.
/// * [`auth_headers`](Self::auth_headers) returns [`AuthFuture::ready`] when the headers are at hand, which costs no
///   allocation, and [`AuthFuture::boxed`] when work is due: a refresh, a registration, a signature.
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
#[doc(alias("authentication", "credentials"))]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an auth provider",
    label = "does not implement `AuthProvider`",
    note = "ChatGPT tokens and API keys have setters of their own: `.chatgpt(tokens)`, `.api_key(key)`",
    note = "behind a pointer, a provider keeps its route: `Arc<dyn AuthProvider<Route = CodexBackend>>`, or `Box<..>`"
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

    /// The server refused headers of this provider (401). Says whether the request is to be retried with what
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

    /// Completes when nothing is left to be saved of what a refresh gave, within a bounded time, and says what is not saved.
    /// The default completes at once.
    ///
    /// # Errors
    ///
    /// When credentials are not saved.
    fn settled(&self) -> AuthFuture<'_, ()> {
        AuthFuture::ready(Ok(()))
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

macro_rules! provide_through {
    ($($pointer:ident)*) => {$(
        impl<P: AuthProvider + ?Sized> AuthProvider for $pointer<P> {
            type Route = P::Route;

            fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a> {
                (**self).auth_headers(context)
            }

            fn refused<'a>(&'a self, refusal: &'a AuthRefusal, context: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
                (**self).refused(refusal, context)
            }

            fn settled(&self) -> AuthFuture<'_, ()> {
                (**self).settled()
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
    )*};
}

provide_through! { Arc Box }

/// A provider whose route has been checked and erased: nothing below the client is generic over the mode.
pub(crate) trait ErasedProvider: Send + Sync {
    fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a>;
    fn refused<'a>(&'a self, refusal: &'a AuthRefusal, context: &'a AuthContext) -> AuthFuture<'a, AuthRecovery>;
    fn settled(&self) -> AuthFuture<'_, ()>;
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

    fn settled(&self) -> AuthFuture<'_, ()> {
        AuthProvider::settled(self)
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
