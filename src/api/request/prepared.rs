//! A request to one endpoint, complete but for what is made of its answer. Not generic: what all endpoints share is here.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use tracing::Instrument;

use crate::auth::AccountFacts;
use crate::call::{Call, Caller, Destination};
use crate::error::{Error, ErrorKind};
use crate::exchange::{
    Answer, CallOptions, Clock, Operation, Payload, PayloadSource, Receive, Retries, ToTheEnd, path_segment,
};

/// In bytes, encoded. Longer than any real one, and short enough for any server and proxy.
const LONGEST_ID: usize = 4096;

/// One request, from its path's template to its body. What is wrong with it is kept, and is the error when it would be
/// sent.
#[derive(Debug)]
pub(crate) struct PreparedRequest {
    pub(super) caller: Arc<Caller>,
    pub(super) operation: &'static Operation,
    /// The template, filled in as far as it is known.
    path: Cow<'static, str>,
    query: String,
    headers: HeaderMap,
    body: Bytes,
    pub(super) options: CallOptions,
    requirement: Option<Requirement>,
    destination: Destination,
    refused: Option<Error>,
    /// The answer's body, if it is known without a request.
    known: Option<&'static str>,
}

/// What an account must have, which the types cannot know.
#[derive(Debug, Clone)]
pub(crate) struct Requirement {
    /// Set by the caller; otherwise what the credentials say.
    pub(crate) account: Option<AccountFacts>,
    pub(crate) needs: Needs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// An id.
    AccountId,
    /// To be a workspace of several users, and an id.
    Workspace,
    /// A plan with managed configuration.
    #[cfg(feature = "managed-config")]
    ManagedPlan,
}

impl PreparedRequest {
    pub(crate) fn new(caller: &Arc<Caller>, operation: &'static Operation) -> Self {
        Self {
            caller: caller.clone(),
            operation,
            path: Cow::Borrowed(operation.path),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            options: CallOptions::default(),
            requirement: None,
            destination: Destination::OwnBaseUrl,
            refused: None,
            known: None,
        }
    }

    /// Puts an id in place of `{name}` in the path.
    #[track_caller]
    pub(crate) fn segment(mut self, name: &str, value: &str) -> Self {
        let place = format!("{{{name}}}");
        debug_assert!(
            self.path.contains(&place),
            "`{}` has no `{place}` in its path: see its row of `operations!`, in this file",
            self.operation.name
        );
        match path_segment(value).filter(|encoded| encoded.len() <= LONGEST_ID) {
            Some(encoded) => {
                self.path = self.path.replacen(&place, &encoded, 1).into();
                self
            }
            None => {
                let shown: String = value.chars().take(100).collect();
                let reason = format!("`{shown}` is no {}: it cannot be part of a path", name.replace('_', " "));
                self.refused(Some(reason))
            }
        }
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        let start = std::mem::take(&mut self.query);
        self.query = url::form_urlencoded::Serializer::new(start).append_pair(name, value).finish();
        self
    }

    pub(crate) fn query_if(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    pub(crate) fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// JSON.
    pub(crate) fn body(self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.header(CONTENT_TYPE, "application/json").bytes(bytes),
            Err(error) => {
                let message = "the request cannot be written as JSON";
                let error = Error::new(ErrorKind::InvalidInput, self.operation.name, message).with_source(error);
                self.failed(error)
            }
        }
    }

    /// What its content type, among the headers, says.
    pub(crate) fn bytes(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Fails with this when awaited, unless it fails with something else already.
    pub(crate) fn refused(self, reason: Option<String>) -> Self {
        match reason {
            Some(reason) => {
                let error = Error::new(ErrorKind::InvalidInput, self.operation.name, reason);
                self.failed(error)
            }
            None => self,
        }
    }

    fn failed(mut self, error: Error) -> Self {
        self.refused.get_or_insert(error);
        self
    }

    pub(crate) fn requiring(mut self, requirement: Requirement) -> Self {
        self.requirement = Some(requirement);
        self
    }

    /// Goes to the Codex backend whatever the client's mode is, with the backend's own credentials or with none.
    pub(crate) fn with_optional_auth(mut self) -> Self {
        self.destination = Destination::CodexBackend;
        self
    }

    /// Replaces the operation's rule for retries.
    pub(crate) fn with_retries(mut self, retries: Retries) -> Self {
        self.options.retries = Some(retries);
        self
    }

    pub(crate) fn with_options(mut self, options: CallOptions) -> Self {
        self.options = CallOptions { retries: options.retries.or(self.options.retries), ..options };
        self
    }

    /// Sends nothing: the answer has this body.
    pub(crate) fn answered(mut self, body: &'static str) -> Self {
        self.known = Some(body);
        self
    }

    /// The idle time-out of its answer.
    pub(crate) fn idle(&self) -> Duration {
        self.caller.exchange().bounds(self.operation, &self.options).idle()
    }

    /// The time-out of a whole stream, if it is to have one.
    pub(crate) fn stream_limit(&self) -> Option<Duration> {
        self.caller.exchange().bounds(self.operation, &self.options).stream()
    }

    /// Whether it may be sent more than once.
    pub(crate) fn may_retry(&self) -> bool {
        self.caller.exchange().may_retry(&self.options)
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        self.caller.exchange().clock().clone()
    }

    /// Sends it, and reads the answer to its end.
    pub(super) async fn answer(&mut self, receive: ToTheEnd) -> Result<Answer, Error> {
        match self.known {
            Some(body) if self.refused.is_none() => Ok(Answer::known(body)),
            _ => self.send(receive).await,
        }
    }

    /// Sends it, once: what it carries goes along.
    pub(crate) async fn send<R: Receive>(&mut self, receive: R) -> Result<R::Received, Error> {
        let body = std::mem::take(&mut self.body);
        let payload = if body.is_empty() { Payload::Empty } else { Payload::Bytes(body) };
        self.send_payload(payload, receive).await
    }

    /// Sends it with content that is read meanwhile.
    pub(crate) async fn send_source<R: Receive>(
        &mut self,
        source: &mut dyn PayloadSource,
        receive: R,
    ) -> Result<R::Received, Error> {
        self.send_payload(Payload::Source(source), receive).await
    }

    async fn send_payload<'a, R: Receive + 'a>(
        &'a mut self,
        payload: Payload<'a>,
        receive: R,
    ) -> Result<R::Received, Error> {
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        if let Some(requirement) = self.requirement.take() {
            let account_id = requirement.check(&self.caller, self.operation, &self.options).await?;
            self.path = self.path.replace("{account_id}", &account_id).into();
        }
        let call = Call {
            operation: self.operation,
            destination: self.destination,
            path: &self.path,
            query: &self.query,
            headers: std::mem::take(&mut self.headers),
            payload,
            options: &self.options,
        };
        let (mut call, span) = self.caller.address(call)?;
        self.caller.send(&mut call, &receive).instrument(span).await
    }
}

impl Requirement {
    /// The account's id as a part of a path, where the path has it. An error if the endpoint is not for this account.
    async fn check(
        self,
        caller: &Caller,
        operation: &'static Operation,
        options: &CallOptions,
    ) -> Result<String, Error> {
        let account = match self.account {
            Some(account) => account,
            None => caller.account(operation, options).await?,
        };
        let plan =
            || account.plan_type.as_ref().map_or("an unknown plan".to_owned(), |plan| format!("the plan `{plan}`"));
        let refuse = |kind, message: String| Err(Error::new(kind, operation.name, message));
        match self.needs {
            Needs::Workspace if !account.is_workspace() => {
                let message = format!("this is for workspaces alone, and the account has {}", plan());
                return refuse(ErrorKind::NotAWorkspace, message);
            }
            #[cfg(feature = "managed-config")]
            Needs::ManagedPlan if !account.has_managed_config() => {
                let message = format!("the account has {}, which has no managed configuration", plan());
                return refuse(ErrorKind::NotEligible, message);
            }
            #[cfg(feature = "managed-config")]
            Needs::ManagedPlan => return Ok(String::new()),
            Needs::AccountId | Needs::Workspace => {}
        }
        match account.account_id.as_deref().and_then(path_segment) {
            Some(account_id) => Ok(account_id),
            None => refuse(ErrorKind::NoAccountId, "the credentials do not tell which account they are for".to_owned()),
        }
    }
}

#[cfg(all(test, feature = "testing"))]
#[allow(clippy::unwrap_used, reason = "in a helper of tests")]
mod tests {
    use super::*;
    use crate::exchange::Pace;
    use crate::testing::Backend;

    static THING: Operation = Operation {
        name: "things.get",
        method: http::Method::GET,
        path: "{prefix}/things/{thing_id}/{part}",
        retries: Retries::Safe,
        pace: Pace::Bounded,
    };

    fn request(backend: &Backend) -> PreparedRequest {
        let client = backend.client().chatgpt(backend.chatgpt_tokens()).build().unwrap();
        PreparedRequest::new(client.caller(), &THING)
    }

    #[test]
    #[should_panic(expected = "`things.get` has no `{id}` in its path")]
    fn an_id_that_the_template_does_not_have_fails_tests() {
        let _request = request(&Backend::start().unwrap()).segment("id", "1");
    }

    #[tokio::test]
    #[should_panic(expected = "`things.get`: the path")]
    async fn a_template_that_is_not_filled_in_whole_fails_tests() {
        let request = request(&Backend::start().unwrap()).segment("thing_id", "1");
        let _answer = request.status_only().await;
    }

    #[tokio::test]
    async fn braces_in_an_id_are_encoded_and_no_template() {
        let backend = Backend::start().unwrap();
        let request = request(&backend).segment("thing_id", "{part}").segment("part", "{x}/..");
        request.status_only().await.unwrap_err();
        let target = backend.requests()[0].target.clone();
        assert_eq!(target, "/backend-api/wham/things/%7Bpart%7D/%7Bx%7D%2F..");
    }

    #[tokio::test]
    async fn an_id_that_no_url_has_room_for_is_an_error_before_anything_is_sent() {
        let backend = Backend::start().unwrap();
        let request = request(&backend).segment("thing_id", &"x".repeat(100_000)).segment("part", "1");
        let error = request.status_only().await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_been_sent()), (ErrorKind::InvalidInput, false));
        assert!(error.to_string().len() < 300 && backend.requests().is_empty(), "{error}");
    }

    #[tokio::test]
    async fn what_is_sent_with_optional_auth_keeps_its_headers_body_and_path_style() {
        let (backend, elsewhere) = (Backend::start().unwrap(), Backend::start().unwrap());
        let codex = format!("http://{}", elsewhere.address());
        let client = backend.client().codex_base_url(codex).api_key(backend.api_key()).build().unwrap();
        let request = PreparedRequest::new(client.caller(), &THING).segment("thing_id", "1").segment("part", "2");
        let request = request.header(http::header::CACHE_CONTROL, "no-store").body(&serde_json::json!({ "a": 1 }));
        request.with_optional_auth().status_only().await.unwrap_err();
        let sent = &elsewhere.requests()[0];
        assert_eq!(sent.target, "/api/codex/things/1/2");
        assert_eq!(sent.header("cache-control"), Some("no-store"));
        assert_eq!(sent.header("content-type"), Some("application/json"));
        assert_eq!((sent.header("authorization"), sent.body.as_ref()), (None, &br#"{"a":1}"#[..]));
        assert!(backend.requests().is_empty());
    }
}
