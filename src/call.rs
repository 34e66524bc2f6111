//! An authorized exchange: the provider's headers for each attempt, and recovery from a 401.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::select;
use http::HeaderMap;
use tracing::Instrument;

use crate::auth::{
    AccountFacts, AuthContext, AuthFuture, AuthHeaders, AuthHealth, AuthRecovery, AuthRefusal, ErasedProvider,
    LONGEST_WAIT, Saving,
};
use crate::error::{AuthError, AuthErrorKind, ConfigError, Error, ErrorKind, ReauthReason};
use crate::exchange::{
    Afterwards, Answer, Authorize, Bare, BaseUrl, Bounds, CallOptions, Clock, Exchange, Operation, Outgoing, Payload,
    Progress, Receive, Scrubber, SignedUrl, SystemClock, is_unauthorized,
};
use crate::mode::{Mode, NoAuth};

/// How often one call is sent at the most because its credentials were refused.
const MOST_SENDS: u32 = 3;

/// Everything a call needs, shared by all handles of a client.
pub(crate) struct Caller {
    context: AuthContext,
    provider: Option<Arc<dyn ErasedProvider>>,
    mode: &'static str,
    codex_backend: CodexBackendAt,
}

/// Where the Codex backend is, as seen from a client.
#[derive(Debug)]
pub(crate) enum CodexBackendAt {
    /// At the client's own base URL; credentials, where there are any, are for it.
    OwnBaseUrl,
    /// Elsewhere; the client's credentials are for something else.
    Other(Box<BaseUrl>),
    /// Where the builder was told, which is not a place that can be used. The client is none for it otherwise.
    Unusable(ConfigError),
    /// Not known. A client whose base URL is on loopback does not fall back to production.
    Unknown,
}

/// Where a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// To the client's own base URL, with its credentials.
    OwnBaseUrl,
    /// To the Codex backend, whatever the client is for. Credentials go along only where they are the backend's.
    CodexBackend,
}

/// One call: what is sent, and where.
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static Operation,
    pub(crate) destination: Destination,
    /// The operation's path with its ids, encoded. The prefix that the base URL asks for is still to come.
    pub(crate) path: &'a str,
    /// Encoded.
    pub(crate) query: &'a str,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload<'a>,
    pub(crate) options: &'a CallOptions,
}

/// A call with its URL. Only [`Caller::address`] makes one, so that no other place says where credentials go.
pub(crate) struct AddressedCall<'a> {
    request: Outgoing<'a>,
    /// To the client's own base URL, and so with its credentials.
    is_own: bool,
}

impl Caller {
    pub(crate) fn new(
        context: AuthContext,
        provider: Option<Arc<dyn ErasedProvider>>,
        mode: &'static str,
        codex_backend: CodexBackendAt,
    ) -> Self {
        Self { context, provider, mode, codex_backend }
    }

    pub(crate) fn exchange(&self) -> &Exchange {
        &self.context.exchange
    }

    pub(crate) fn base_url(&self) -> &BaseUrl {
        &self.context.base_url
    }

    /// A call with its URL, and the span in which it is sent. It is an error, before anything is sent, where the destination
    /// is not known.
    pub(crate) fn address<'a>(&self, call: Call<'a>) -> Result<(AddressedCall<'a>, tracing::Span), Error> {
        let Call { operation, destination, path, query, headers, payload, options } = call;
        let (base_url, is_own) = self.base_url_of(destination, operation)?;
        let style = base_url.style();
        let mut target = path.replace("{prefix}", style.prefix()).replace("{codex}", style.models_prefix());
        if target.contains(['{', '}']) {
            debug_assert!(false, "`{}`: the path {target} is not filled in whole", operation.name);
            let message = "a part of the path is missing: this is a fault of codex-backend";
            return Err(Error::new(ErrorKind::InvalidInput, operation.name, message));
        }
        if !query.is_empty() {
            target.push('?');
            target.push_str(query);
        }
        let url = base_url.with_target(&target);
        let span = operation.span(if is_own { self.mode } else { NoAuth::NAME });
        Ok((
            AddressedCall {
                request: Outgoing { operation, url, public_hosts_only: false, headers, payload, options },
                is_own,
            },
            span,
        ))
    }

    /// Sends it. Borrowed: what an async function takes by value is stored in its future twice.
    pub(crate) async fn send<R: Receive>(
        &self,
        call: &mut AddressedCall<'_>,
        receive: &R,
    ) -> Result<R::Received, Error> {
        if call.is_own {
            self.send_authorized(&mut call.request, receive).await
        } else {
            // Rare, and no part of the other's size.
            Box::pin(self.send_bare(&mut call.request, receive)).await
        }
    }

    /// The base URL of a destination, and whether it is the client's own, to which its credentials go.
    fn base_url_of(&self, destination: Destination, operation: &Operation) -> Result<(&BaseUrl, bool), Error> {
        let no_backend = |message: String| Err(Error::new(ErrorKind::NoBackend, operation.name, message));
        match (destination, &self.codex_backend) {
            (Destination::OwnBaseUrl, _) | (_, CodexBackendAt::OwnBaseUrl) => Ok((self.base_url(), true)),
            (_, CodexBackendAt::Other(base_url)) => Ok((base_url, false)),
            (_, CodexBackendAt::Unusable(error)) => no_backend(error.to_string()),
            (_, CodexBackendAt::Unknown) => no_backend(
                "this client is for another API on loopback, and was not told where the Codex backend is".to_owned(),
            ),
        }
    }

    /// Sends without credentials. No provider can be reached from here.
    async fn send_bare<R: Receive>(&self, request: &mut Outgoing<'_>, receive: &R) -> Result<R::Received, Error> {
        let mut progress = self.exchange().begin();
        let mut bare = Bare { scrubber: Scrubber::lookalikes(), to_api: true };
        self.exchange().send_receiving(request, &mut bare, receive, &mut progress).await
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
        let (public_hosts_only, scrubber) = (url.public_hosts_only(), Scrubber::for_signed_url(url.expose()));
        let mut request = Outgoing { operation, url: url.to_url(), public_hosts_only, headers, payload, options };
        let mut progress = self.exchange().begin();
        let mut bare = Bare { scrubber, to_api: false };
        let answer = pin!(self.exchange().send(&mut request, &mut bare, &mut progress));
        answer.instrument(operation.span("signed URL")).await.map_err(|error| match error.kind() {
            // The credentials of this client have nothing to do with it.
            ErrorKind::Unauthorized | ErrorKind::Forbidden => error.with_kind(ErrorKind::SignedUrlRefused),
            _ => error,
        })
    }

    /// Completes when nothing is left to be saved of what the provider was given.
    pub(crate) fn settled(&self) -> AuthFuture<'_, ()> {
        self.provider.as_ref().map_or_else(|| AuthFuture::ready(Ok(())), |provider| provider.settled())
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
        let mut authorized = Authorized { caller: self, operation: request.operation, last: None, saving: None };
        let mut progress = self.exchange().begin();
        let mut outcome = self.send_recovering(request, receive, &mut authorized, &mut progress).await;
        if let Some(saving) = authorized.saving.take() {
            // Rare, and no part of the other's size.
            let bounds = self.exchange().bounds(request.operation, request.options);
            Box::pin(self.wait_for_save(saving, bounds, &progress, &mut outcome, R::end_after)).await;
        }
        outcome
    }

    /// Waits for the save of what this call caused, with its answer in hand: neither is lost when the program ends behind the
    /// call. What goes on, such as a stream, waits at its end.
    async fn wait_for_save<T: Send>(
        &self,
        saving: Saving,
        bounds: Bounds,
        progress: &Progress,
        outcome: &mut Result<T, Error>,
        end_after: fn(&mut T, Afterwards) -> Option<Afterwards>,
    ) {
        // By the system's clock: what ends is the program.
        let last: Afterwards =
            Box::pin(async move { drop(select(saving.done(), SystemClock::new().sleep(LONGEST_WAIT)).await) });
        let left = match outcome {
            Ok(received) => end_after(received, last),
            Err(_) => Some(last),
        };
        if let Some(last) = left {
            drop(self.exchange().within_call(bounds, progress, pin!(last)).await);
        }
    }

    async fn send_recovering<R: Receive>(
        &self,
        request: &mut Outgoing<'_>,
        receive: &R,
        authorized: &mut Authorized<'_>,
        progress: &mut Progress,
    ) -> Result<R::Received, Error> {
        let bounds = self.exchange().bounds(request.operation, request.options);
        let (mut refusals, mut first_generation) = (0, None);
        loop {
            let error = match self.exchange().send_receiving(request, authorized, receive, progress).await {
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
            match self.exchange().within_call(bounds, progress, pin!(recovery)).await? {
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
    saving: Option<Saving>,
}

impl Authorize for Authorized<'_> {
    async fn authorize(&mut self, headers: &mut HeaderMap) -> Result<(), Error> {
        if self.caller.provider.is_none() {
            return Ok(());
        }
        let mut auth =
            self.caller.auth_headers().await.map_err(|error| Error::from_auth(self.operation.name, error))?;
        auth.apply_to(headers);
        if let Some(saving) = auth.take_saving() {
            self.saving = Some(saving);
        }
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
