use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::AuthHeaders;
use crate::error::{AuthError, AuthErrorKind};

/// What the methods of [`AuthProvider`](crate::AuthProvider) return: a result at hand, or one that work is due for.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), codex_backend::AuthError> {
/// use codex_backend::auth::{AuthFuture, AuthHeaders};
///
/// let headers = AuthHeaders::new(1).with_bearer(&"token".into())?;
/// let ready = AuthFuture::ready(Ok(headers.clone()));
/// let worked = AuthFuture::boxed(async move { Ok(headers) });
/// assert_eq!(ready.await?.generation(), worked.await?.generation());
/// # Ok(()) }
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct AuthFuture<'a, T = AuthHeaders> {
    state: State<'a, T>,
}

enum State<'a, T> {
    Ready(Option<Result<T, AuthError>>),
    Boxed(Pin<Box<dyn Future<Output = Result<T, AuthError>> + Send + 'a>>),
}

impl<'a, T> AuthFuture<'a, T> {
    /// A result at hand. Allocates nothing.
    pub fn ready(result: Result<T, AuthError>) -> Self {
        Self { state: State::Ready(Some(result)) }
    }

    /// A result that work is due for.
    pub fn boxed(work: impl Future<Output = Result<T, AuthError>> + Send + 'a) -> Self {
        Self { state: State::Boxed(Box::pin(work)) }
    }
}

impl AuthFuture<'_> {
    /// No headers at all are no headers of any mode: an error instead.
    pub(crate) fn refusing_none(self) -> Self {
        fn check(headers: AuthHeaders) -> Result<AuthHeaders, AuthError> {
            if headers.iter().len() == 0 {
                return Err(AuthError::new(AuthErrorKind::Incomplete, "the auth provider yielded no headers"));
            }
            Ok(headers)
        }
        match self.state {
            State::Ready(headers) => Self { state: State::Ready(headers.map(|headers| headers.and_then(check))) },
            State::Boxed(work) => Self::boxed(async { check(work.await?) }),
        }
    }
}

impl<T> Unpin for AuthFuture<'_, T> {}

impl<T> Future for AuthFuture<'_, T> {
    type Output = Result<T, AuthError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Ready(result) => result.take().map_or(Poll::Pending, Poll::Ready),
            State::Boxed(work) => work.as_mut().poll(context),
        }
    }
}

impl<T> fmt::Debug for AuthFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Ready(_) => "AuthFuture(ready)",
            State::Boxed(_) => "AuthFuture(boxed)",
        })
    }
}
