//! The auth headers of one request.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::saving::Saving;
use crate::error::{AuthError, AuthErrorKind};

pub(super) const ACCOUNT_ID: HeaderName = HeaderName::from_static("chatgpt-account-id");
pub(super) const FEDRAMP: HeaderName = HeaderName::from_static("x-openai-fedramp");
pub(super) const RESIDENCY: HeaderName = HeaderName::from_static("x-openai-internal-codex-residency");

/// The complete auth headers of one request. Values are marked sensitive; a clone costs one reference count.
///
/// The `generation` counts credentials (or tasks), not signatures: when many requests that carried the same generation
/// are refused, one refresh answers them all.
///
/// Take them to any `http` request, another crate's included. Where they go is then up to you.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// let mut request = http::Request::get("http://127.0.0.1:9/some/service").body(())?;
/// client.auth_headers().await?.apply_to(request.headers_mut());
/// assert!(request.headers()["authorization"].is_sensitive());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct AuthHeaders {
    headers: Arc<Vec<(HeaderName, HeaderValue)>>,
    generation: u64,
    /// Set for the call that started a refresh.
    saving: Option<Saving>,
}

impl AuthHeaders {
    /// No headers yet, of that generation. A client refuses to send a request on which nothing was put.
    #[must_use]
    pub fn new(generation: u64) -> Self {
        Self { headers: Arc::default(), generation, saving: None }
    }

    /// Adds `Authorization: Bearer …`.
    ///
    /// # Errors
    ///
    /// When the token is empty, or holds white space or a character that a header cannot carry.
    pub fn with_bearer(self, token: &SecretString) -> Result<Self, AuthError> {
        let token = token.expose_secret();
        if token.is_empty() {
            return Err(AuthError::new(AuthErrorKind::Incomplete, "the token is empty"));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid_value(&AUTHORIZATION, "the token holds white space or a character outside ASCII"));
        }
        self.with_header(AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// Adds a header, in place of one of the same name.
    ///
    /// # Errors
    ///
    /// When the name or the value is not legal, the value is blank, or the name is one of those that frame a request
    /// (`host`, `content-length`, …).
    pub fn with_header<N>(mut self, name: N, value: &str) -> Result<Self, AuthError>
    where
        N: TryInto<HeaderName>,
    {
        const FRAMING: [&str; 12] = [
            "connection",
            "content-encoding",
            "content-length",
            "content-type",
            "expect",
            "host",
            "keep-alive",
            "proxy-connection",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ];
        let name = name
            .try_into()
            .map_err(|_| AuthError::new(AuthErrorKind::InvalidHeaderValue, "an auth header's name is not legal"))?;
        if FRAMING.contains(&name.as_str()) {
            return Err(invalid_value(&name, "it belongs to the request, not to the credentials"));
        }
        if value.trim().is_empty() {
            return Err(invalid_value(&name, "the value is empty"));
        }
        if !value.is_ascii() {
            return Err(invalid_value(&name, "the value holds a character outside ASCII"));
        }
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| invalid_value(&name, "the value holds a character that a header cannot carry"))?;
        value.set_sensitive(true);
        let headers = Arc::make_mut(&mut self.headers);
        headers.retain(|(known, _)| *known != name);
        headers.push((name, value));
        Ok(self)
    }

    /// The same headers, counted as of another credential.
    #[cfg(feature = "agent-identity")]
    pub(super) fn of_generation(self, generation: u64) -> Self {
        Self { generation, ..self }
    }

    /// Which credential these headers were made from.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Puts the headers on a request, in place of any of the same names.
    pub fn apply_to(&self, headers: &mut HeaderMap) {
        for (name, value) in self.iter() {
            headers.insert(name, value.clone());
        }
    }

    /// These, for the call that started a refresh: it waits for the save.
    pub(super) fn while_saving(self, saving: Saving) -> Self {
        Self { saving: Some(saving), ..self }
    }

    pub(crate) fn take_saving(&mut self) -> Option<Saving> {
        self.saving.take()
    }

    /// The headers themselves, not a copy.
    pub(crate) fn shared(&self) -> Arc<Vec<(HeaderName, HeaderValue)>> {
        self.headers.clone()
    }

    /// Headers that share nothing with these.
    fn copy(&self) -> Self {
        let copies = self.iter().map(|(name, value)| {
            let mut copy = HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone());
            copy.set_sensitive(value.is_sensitive());
            (name.clone(), copy)
        });
        Self { headers: Arc::new(copies.collect()), generation: self.generation, saving: None }
    }

    /// The headers, for an HTTP stack that does not use the `http` crate.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&HeaderName, &HeaderValue)> {
        self.headers.iter().map(|(name, value)| (name, value))
    }
}

/// The same headers several times, for credentials that all tasks of a process ask for all the time: threads that take
/// them at once do not wait for each other's cache line, which holds the count of who has them.
pub(super) struct HeadersByThread {
    copies: [AuthHeaders; Self::COPIES],
}

impl HeadersByThread {
    const COPIES: usize = 4;

    pub(super) fn new(headers: &AuthHeaders) -> Self {
        Self { copies: std::array::from_fn(|_| headers.copy()) }
    }

    /// Those for the thread that asks.
    pub(super) fn get(&self) -> AuthHeaders {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed);
        }
        // A thread that ends has no number any more.
        let number = NUMBER.try_with(|number| *number).unwrap_or_default();
        self.copies[number % Self::COPIES].clone()
    }

    pub(super) fn generation(&self) -> u64 {
        self.copies[0].generation
    }
}

impl From<&AuthHeaders> for HeaderMap {
    fn from(auth: &AuthHeaders) -> Self {
        let mut headers = Self::with_capacity(auth.headers.len());
        auth.apply_to(&mut headers);
        headers
    }
}

impl fmt::Debug for AuthHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("AuthHeaders").field("names", &names).field("generation", &self.generation).finish()
    }
}

fn invalid_value(name: &HeaderName, reason: &str) -> AuthError {
    AuthError::new(AuthErrorKind::InvalidHeaderValue, format!("the header `{name}` cannot be made: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_gets_the_same_headers_and_they_do_not_all_share_them() {
        let headers = AuthHeaders::new(7).with_bearer(&"token".into()).unwrap().with_header(FEDRAMP, "true").unwrap();
        let by_thread = HeadersByThread::new(&headers);
        let got: Vec<AuthHeaders> = (0..HeadersByThread::COPIES)
            .map(|_| std::thread::scope(|scope| scope.spawn(|| by_thread.get()).join().unwrap()))
            .collect();
        for copy in &got {
            assert_eq!((copy.generation(), by_thread.generation()), (7, 7));
            assert!(copy.iter().eq(headers.iter()) && copy.iter().all(|(_, value)| value.is_sensitive()));
        }
        assert!(got.iter().any(|copy| !Arc::ptr_eq(&copy.headers, &got[0].headers)));
    }

    #[test]
    fn an_illegal_value_is_an_error_that_names_the_header_and_not_the_value() {
        for token in ["", "mark one", "mark\none", "märkmark", "mark\n", " mark"] {
            let error = AuthHeaders::new(0).with_bearer(&token.into()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("mark"), "{error:?}");
        }
        let error = AuthHeaders::new(0).with_header("chatgpt-account-id", "acct\u{7f}1").unwrap_err();
        assert!(error.to_string().contains("chatgpt-account-id"), "{error}");
        for (name, value) in [("bad name", "x"), ("", "x"), ("host", "x"), ("Content-Length", "5"), ("x-a", "  ")] {
            assert!(AuthHeaders::new(0).with_header(name, value).is_err(), "{name}: {value}");
        }
    }

    #[test]
    fn headers_replace_their_namesakes_and_are_sensitive() {
        let auth = AuthHeaders::new(3).with_bearer(&"one".into()).unwrap().with_bearer(&"two".into()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Basic old"));
        auth.apply_to(&mut headers);
        assert_eq!(headers.get_all("authorization").iter().count(), 1);
        assert_eq!(headers["authorization"], "Bearer two");
        assert!(headers["authorization"].is_sensitive());
        assert_eq!(format!("{auth:?}"), r#"AuthHeaders { names: ["authorization"], generation: 3 }"#);
    }
}
