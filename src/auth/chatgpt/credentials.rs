//! What `.chatgpt(..)` takes: tokens that the caller keeps fresh, or a session that refreshes its own.

use std::sync::Arc;

use super::{ChatGptSession, ChatGptTokens};

/// What [`ClientBuilder::chatgpt`](crate::ClientBuilder::chatgpt) takes: [`ChatGptTokens`] or a [`ChatGptSession`]. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither `ChatGptTokens` nor a `ChatGptSession`",
    label = "not ChatGPT credentials",
    note = "`ChatGptTokens::new(access_token)` holds a token that the caller keeps fresh, `ChatGptSession::open(store)?` tokens that are refreshed",
    note = "credentials that were found at run time, a `CodexAuth`, are given to `.codex_auth(&auth)?`, other providers to `.provider(provider)`"
)]
pub trait ChatGptCredentials: IntoProvider {}
impl ChatGptCredentials for ChatGptTokens {}
impl ChatGptCredentials for ChatGptSession {}
impl ChatGptCredentials for Arc<ChatGptSession> {}

pub(crate) use self::sealed::IntoProvider;

#[allow(unnameable_types, private_interfaces, reason = "that it cannot be named is what seals")]
mod sealed {
    use super::{Arc, ChatGptSession, ChatGptTokens};
    use crate::auth::ErasedProvider;
    use crate::error::AuthError;

    pub trait IntoProvider {
        fn into_erased_provider(self) -> Result<Arc<dyn ErasedProvider>, AuthError>;
    }

    impl IntoProvider for ChatGptTokens {
        fn into_erased_provider(self) -> Result<Arc<dyn ErasedProvider>, AuthError> {
            Ok(Arc::new(self.into_provider()?))
        }
    }

    impl IntoProvider for ChatGptSession {
        fn into_erased_provider(self) -> Result<Arc<dyn ErasedProvider>, AuthError> {
            Ok(Arc::new(self))
        }
    }

    impl IntoProvider for Arc<ChatGptSession> {
        fn into_erased_provider(self) -> Result<Arc<dyn ErasedProvider>, AuthError> {
            Ok(self)
        }
    }
}
