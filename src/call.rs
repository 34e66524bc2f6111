//! An authorized exchange: the provider's headers for each attempt, and recovery from a 401.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use tracing::Instrument;

use crate::auth::{
    AccountFacts, AuthContext, AuthFuture, AuthHeaders, AuthHealth, AuthRecovery, AuthRefusal, ErasedProvider,
};
use crate::error::{AuthError, AuthErrorKind, ConfigError, Error, ErrorKind, ReauthReason};
use crate::exchange::{
    Answer, Authorize, Bare, BaseUrl, CallOptions, Exchange, Operation, Outgoing, Payload, Receive, Scrubber,
    SignedUrl, ToTheEnd, is_unauthorized,
};

/// How often one call is sent at the most because its credentials were refused.
const MOST_SENDS: u32 = 3;

/// Everything a call needs, shared by all handles of a client.
pub(crate) struct Caller {
    context: AuthContext,
    provider: Option<Arc<dyn ErasedProvider>>,
    mode: &'static str,
    backend: Backend,
}

/// Where the Codex backend is, as seen from a client.
#[derive(Debug)]
pub(crate) enum Backend {
    /// At the client's own base URL; credentials, where there are any, are for it.
    Own,
    /// Elsewhere; the client's credentials are for something else.
    At(Box<BaseUrl>),
    /// Where the builder was told, which is not a place that can be used. The client is none for it otherwise.
    Unusable(ConfigError),
    /// Not known. A client whose base URL is on loopback does not fall back to production.
    Unknown,
}

impl Caller {
    pub(crate) fn new(
        context: AuthContext,
        provider: Option<Arc<dyn ErasedProvider>>,
        mode: &'static str,
        backend: Backend,
    ) -> Self {
        Self { context, provider, mode, backend }
    }

    pub(crate) fn exchange(&self) -> &Exchange {
        &self.context.exchange
    }

    pub(crate) fn base_url(&self) -> &BaseUrl {
        &self.context.base_url
    }

    /// The operation's path, with the prefix that the base URL asks for.
    pub(crate) fn path_of(&self, operation: &Operation) -> String {
        let style = self.base_url().style();
        operation.path.replace("{prefix}", style.prefix()).replace("{codex}", style.models_prefix())
    }

    /// Sends a request to the client's own base URL, with its credentials. `target` is a path and, where there is one, a
    /// query; it is already encoded.
    pub(crate) fn send<'a>(
        &'a self,
        operation: &'static Operation,
        target: &str,
        payload: Payload<'a>,
        options: &'a CallOptions,
    ) -> impl Future<Output = Result<Answer, Error>> + Send + use<'a> {
        self.send_with(operation, target, HeaderMap::new(), payload, options)
    }

    /// As [`send`](Self::send), with headers of the endpoint's own.
    pub(crate) fn send_with<'a>(
        &'a self,
        operation: &'static Operation,
        target: &str,
        mut headers: HeaderMap,
        payload: Payload<'a>,
        options: &'a CallOptions,
    ) -> impl Future<Output = Result<Answer, Error>> + Send + use<'a> {
        if matches!(payload, Payload::Bytes(_)) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let request = Outgoing { operation, url: self.base_url().with_target(target), headers, payload, options };
        self.send_receiving(request, ToTheEnd::DEFAULT)
    }

    /// Sends a request to the client's own base URL, with its credentials, and receives the answer in its own way.
    pub(crate) fn send_receiving<'a, R: Receive + 'a>(
        &'a self,
        mut request: Outgoing<'a>,
        receive: R,
    ) -> impl Future<Output = Result<R::Received, Error>> + Send + use<'a, R> {
        let span = request.operation.span(self.mode);
        // Borrowed: what an async function takes by value is stored in its future twice.
        async move { self.send_authorized(&mut request, &receive).await }.instrument(span)
    }

    /// Sends a request to the Codex backend, whatever the client is for. Credentials go along only where they are the
    /// backend's; from the other branch no provider can be reached.
    pub(crate) async fn send_to_backend<'a>(
        &'a self,
        operation: &'static Operation,
        target: &str,
        payload: Payload<'a>,
        options: &'a CallOptions,
    ) -> Result<Answer, Error> {
        let base_url = match &self.backend {
            Backend::Own => return self.send(operation, target, payload, options).await,
            Backend::At(base_url) => base_url,
            Backend::Unusable(error) => {
                return Err(Error::new(ErrorKind::NoBackend, operation.name, error.to_string()));
            }
            Backend::Unknown => {
                let message = "this client is for another API on loopback, and was not told where the Codex backend is";
                return Err(Error::new(ErrorKind::NoBackend, operation.name, message));
            }
        };
        let (url, headers) = (base_url.with_target(target), HeaderMap::new());
        let mut request = Outgoing { operation, url, headers, payload, options };
        let mut progress = self.exchange().begin();
        let mut bare = Bare { scrubber: Scrubber::lookalikes(), to_api: true };
        let answer = pin!(self.exchange().send(&mut request, &mut bare, &mut progress));
        answer.instrument(operation.span("NoAuth")).await
    }

    /// Sends a request to a URL that carries its own signature. No provider can be reached from here.
    pub(crate) async fn send_signed<'a>(
        &self,
        operation: &'static Operation,
        url: &SignedUrl,
        headers: HeaderMap,
        payload: Payload<'a>,
        options: &'a CallOptions,
    ) -> Result<Answer, Error> {
        let mut request = Outgoing { operation, url: url.to_url(), headers, payload, options };
        let mut progress = self.exchange().begin();
        let mut bare = Bare { scrubber: Scrubber::for_signed_url(url.expose()), to_api: false };
        let answer = pin!(self.exchange().send(&mut request, &mut bare, &mut progress));
        answer.instrument(operation.span("signed URL")).await.map_err(|error| match error.kind() {
            // The credentials of this client have nothing to do with it.
            ErrorKind::Unauthorized | ErrorKind::Forbidden => error.with_kind(ErrorKind::SignedUrlRefused),
            _ => error,
        })
    }

    pub(crate) fn auth_health(&self) -> AuthHealth {
        self.provider.as_ref().map_or(AuthHealth::Ready, |provider| provider.health(&self.context))
    }

    pub(crate) fn auth_health_after(&self, seen: AuthHealth) -> AuthFuture<'_, AuthHealth> {
        match &self.provider {
            Some(provider) => provider.health_after(seen, &self.context),
            None => AuthFuture::boxed(std::future::pending()),
        }
    }

    /// What the credentials tell about their account, within the limits of a call. Nothing where there are none.
    pub(crate) async fn account(
        &self,
        operation: &'static Operation,
        options: &CallOptions,
    ) -> Result<AccountFacts, Error> {
        let Some(provider) = &self.provider else { return Ok(AccountFacts::default()) };
        let (bounds, progress) = (self.exchange().bounds(operation, options), self.exchange().begin());
        let headers = self.exchange().within_call(bounds, &progress, pin!(self.auth_headers())).await?;
        let headers = headers.map_err(|error| Error::from_auth(operation.name, error))?;
        Ok(provider.account().or(AccountFacts::of(&headers)))
    }

    /// The headers as the provider has them now.
    pub(crate) fn auth_headers(&self) -> AuthFuture<'_> {
        match &self.provider {
            Some(provider) => provider.auth_headers(&self.context).refusing_none(),
            None => {
                AuthFuture::ready(Err(AuthError::new(AuthErrorKind::Incomplete, "this client holds no credentials")))
            }
        }
    }

    pub(crate) async fn auth_refused(&self, refusal: &AuthRefusal) -> Result<AuthRecovery, AuthError> {
        match &self.provider {
            Some(provider) => provider.refused(refusal, &self.context).await,
            None => Ok(AuthRecovery::GiveUp),
        }
    }

    async fn send_authorized<R: Receive>(&self, request: &mut Outgoing<'_>, receive: &R) -> Result<R::Received, Error> {
        let mut authorized = Authorized { caller: self, operation: request.operation, last: None };
        let bounds = self.exchange().bounds(request.operation, request.options);
        let mut progress = self.exchange().begin();
        let (mut refusals, mut first_generation) = (0, None);
        loop {
            let error = match self.exchange().send_receiving(request, &mut authorized, receive, &mut progress).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            refusals += 1;
            let Some(sent) = &authorized.last else { return Err(error) };
            if !is_unauthorized(&error) {
                return Err(error);
            }
            if progress.attempts >= MOST_SENDS {
                return Err(if refusals > 1 { refused_again(error) } else { error });
            }
            let refusal = AuthRefusal {
                status: error.status().unwrap_or(http::StatusCode::UNAUTHORIZED),
                generation: sent.generation(),
                first_generation: *first_generation.get_or_insert(sent.generation()),
                code: error.code().map(str::to_owned),
                server_date: error.server_date(),
                count: refusals,
            };
            let recovery = self.auth_refused(&refusal);
            match self.exchange().within_call(bounds, &progress, pin!(recovery)).await? {
                Ok(AuthRecovery::Retry) => tracing::debug!(refusals, "the provider has other credentials"),
                Ok(AuthRecovery::GiveUp) if refusals > 1 => return Err(refused_again(error)),
                Ok(AuthRecovery::GiveUp) => return Err(error),
                Err(auth) => {
                    // With what the server said when it refused.
                    return Err(Error::from_auth(authorized.operation.name, auth)
                        .with_status(refusal.status)
                        .with_code(error.code().map(str::to_owned))
                        .with_request_id(error.request_id().map(str::to_owned))
                        .with_server_date(refusal.server_date)
                        .with_attempts(progress.attempts));
                }
            }
        }
    }
}

/// The server refuses also what the provider had instead. What it said is kept.
fn refused_again(error: Error) -> Error {
    error.with_auth(AuthError::reauth(ReauthReason::RefusedAgain))
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("mode", &self.mode).field("base_url", self.base_url()).finish_non_exhaustive()
    }
}

/// The provider's headers on each attempt. A client without credentials adds none, by its type.
struct Authorized<'a> {
    caller: &'a Caller,
    operation: &'static Operation,
    last: Option<AuthHeaders>,
}

impl Authorize for Authorized<'_> {
    async fn authorize(&mut self, headers: &mut HeaderMap) -> Result<(), Error> {
        if self.caller.provider.is_none() {
            return Ok(());
        }
        let auth = self.caller.auth_headers().await.map_err(|error| Error::from_auth(self.operation.name, error))?;
        auth.apply_to(headers);
        self.last = Some(auth);
        Ok(())
    }

    fn scrubber(&self) -> Scrubber {
        self.last.as_ref().map_or_else(Scrubber::lookalikes, |last| Scrubber::for_headers(last.shared()))
    }

    fn is_to_api(&self) -> bool {
        true
    }
}
