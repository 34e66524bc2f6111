use std::fmt;

use http::HeaderMap;

use super::claims::Claims;
use super::headers::{ACCOUNT_ID, FEDRAMP};
use super::{AuthContext, AuthFuture, AuthHeaders, AuthProvider};
use crate::error::{AuthError, AuthErrorKind};
use crate::mode::CodexBackend;

/// Ready-made auth headers for the Codex backend, for an application that gets them whole from elsewhere.
///
/// They are checked once, and sent as they are with each request. They are never renewed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::auth::ReadyMadeHeaders;
///
/// # let backend = codex_backend::testing::Backend::start()?;
/// # use secrecy::ExposeSecret;
/// # backend.add_account("acct-1");
/// # let bearer = format!("Bearer {}", backend.issue_access_token("acct-1").expose_secret());
/// let mut headers = http::HeaderMap::new();
/// headers.insert("authorization", bearer.parse()?);
/// headers.insert("chatgpt-account-id", "acct-1".parse()?);
/// let client = backend.client().provider(ReadyMadeHeaders::new(&headers)?).build()?;
/// client.usage().get().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ReadyMadeHeaders {
    headers: AuthHeaders,
    account: Claims,
}

impl ReadyMadeHeaders {
    /// With these headers, and no others.
    ///
    /// # Errors
    ///
    /// When there is none, when one stands there twice, when a value is blank or not ASCII, or when a name is one of those
    /// that frame a request (`host`, `content-length`, …).
    pub fn new(headers: &HeaderMap) -> Result<Self, AuthError> {
        let mut checked = AuthHeaders::new(0);
        for name in headers.keys() {
            let mut values = headers.get_all(name).iter();
            let refuse = |reason| {
                let message = format!("the ready-made header `{name}` cannot be used: {reason}");
                Err(AuthError::new(AuthErrorKind::InvalidHeaderValue, message))
            };
            let (Some(value), None) = (values.next(), values.next()) else {
                return refuse("it stands there twice");
            };
            let Ok(value) = value.to_str() else {
                return refuse("its value holds a character outside printable ASCII");
            };
            checked = checked.with_header(name.clone(), value)?;
        }
        if headers.is_empty() {
            return Err(AuthError::new(AuthErrorKind::Incomplete, "there are no ready-made headers"));
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let account = Claims {
            account_id: text(ACCOUNT_ID).map(str::to_owned),
            is_fedramp: text(FEDRAMP) == Some("true"),
            ..Claims::default()
        };
        Ok(Self { headers: checked, account })
    }

    /// The account that the headers name, if they do.
    #[must_use]
    pub fn account_id(&self) -> Option<&str> {
        self.account.account_id.as_deref()
    }

    pub(super) fn account(&self) -> Claims {
        self.account.clone()
    }
}

impl AuthProvider for ReadyMadeHeaders {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        AuthFuture::ready(Ok(self.headers.clone()))
    }
}

impl fmt::Debug for ReadyMadeHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadyMadeHeaders").field(&self.headers).finish()
    }
}
