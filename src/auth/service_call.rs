//! The calls that auth itself makes, on the one path of all calls. Credentials they carry are known to the scrubber.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use secrecy::SecretString;
use serde_json::Value;
use tracing::Instrument;
use url::Url;

use super::AuthHeaders;
use crate::error::{AuthError, Error};
use crate::exchange::{
    Answer, Bare, CallOptions, Exchange, Operation, Outgoing, Payload, Scrubber, Timeouts, ToTheEnd,
};

/// No real answer comes near it.
const LONGEST_ANSWER: usize = 1 << 20;

/// One call to a service of auth.
pub(super) struct ServiceCall {
    operation: &'static Operation,
    url: Url,
    headers: HeaderMap,
    body: Option<Bytes>,
    scrubber: Scrubber,
    options: CallOptions,
    /// What the span names as the credential.
    credential: &'static str,
}

impl ServiceCall {
    /// Bounded by `limit` as a whole.
    pub(super) fn new(operation: &'static Operation, url: Url, limit: Duration) -> Self {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Self {
            operation,
            url,
            headers,
            body: None,
            scrubber: Scrubber::lookalikes(),
            options: CallOptions {
                timeouts: Some(Timeouts::default().attempt(limit).call(limit)),
                ..CallOptions::default()
            },
            credential: "none",
        }
    }

    /// Authenticated by a bearer token.
    pub(super) fn bearer(mut self, token: &SecretString, credential: &'static str) -> Result<Self, AuthError> {
        let auth = AuthHeaders::new(0).with_bearer(token)?;
        auth.apply_to(&mut self.headers);
        self.scrubber = Scrubber::for_headers(auth.shared());
        self.credential = credential;
        Ok(self)
    }

    /// One more header, which is no credential.
    #[cfg(feature = "agent-identity")]
    pub(super) fn header(mut self, name: http::HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    pub(super) fn json(mut self, body: &Value) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = Some(body.to_string().into());
        self
    }

    pub(super) fn form(mut self, body: String) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.body = Some(body.into());
        self
    }

    /// The body holds this secret.
    pub(super) fn secret(mut self, secret: SecretString, credential: &'static str) -> Self {
        self.scrubber = Scrubber::for_secret(secret);
        self.credential = credential;
        self
    }

    #[cfg(feature = "agent-identity")]
    pub(super) fn retry(mut self, policy: crate::exchange::RetryPolicy) -> Self {
        self.options.retry = Some(policy);
        self
    }

    pub(super) async fn send(self, exchange: &Exchange) -> Result<Answer, Error> {
        let span = self.operation.span(self.credential);
        let Self { operation, url, headers, body, scrubber, options, credential: _ } = self;
        let payload = body.map_or(Payload::Empty, Payload::Bytes);
        let mut request = Outgoing { operation, url, public_hosts_only: false, headers, payload, options: &options };
        let mut bare = Bare { scrubber, to_api: true };
        let mut progress = exchange.begin();
        let receive = ToTheEnd { longest: LONGEST_ANSWER };
        exchange.send_receiving(&mut request, &mut bare, &receive, &mut progress).instrument(span).await
    }
}
