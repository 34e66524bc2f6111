//! One request to one endpoint, from its path's template to the decoded answer.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::auth::AccountFacts;
use crate::call::Caller;
use crate::error::{Error, ErrorKind};
use crate::exchange::{Answer, CallOptions, Operation, Payload, RetryPolicy, Timeouts, path_segment};
use crate::wire::{Tolerant, Wire};

/// A request whose answer is a `T`, made by the methods of endpoint handles; `.await` it.
///
/// Dropping the future cancels the call. Whether a request is sent again after a failure is a matter of its endpoint; see
/// the [table](crate#endpoints). What cannot be sent (an id that is no part of a path) is an error when awaited, before a
/// byte is sent.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// use std::time::Duration;
/// use codex_backend::{RetryPolicy, Timeouts};
///
/// let quick = Timeouts::default().call(Duration::from_secs(5));
/// let usage = client.usage().get().with_timeouts(quick).with_retry_policy(RetryPolicy::never()).await?;
/// # assert!(usage.credits.is_some());
/// # Ok(()) }
/// ```
#[must_use = "a request does nothing unless awaited"]
pub struct ApiRequest<T> {
    caller: Arc<Caller>,
    operation: &'static Operation,
    /// The path, filled in as far as it is known, or why it cannot be.
    path: Result<String, Error>,
    query: String,
    headers: HeaderMap,
    body: Option<Bytes>,
    options: CallOptions,
    requirement: Option<Requirement>,
    optional_auth: bool,
    /// The answer's body, where it is known before anything is asked.
    known: Option<&'static str>,
    decode: Decode<T>,
}

/// Stateless for almost every endpoint, and then not on the heap.
type Decode<T> = Box<dyn FnOnce(&Answer, &'static Operation) -> Result<T, Error> + Send + Sync>;

/// What an account must have, which the types cannot know.
#[derive(Debug, Clone)]
pub(crate) struct Requirement {
    /// Named by the caller; otherwise what the credentials tell.
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

impl<T: DeserializeOwned + 'static> ApiRequest<T> {
    /// A request whose answer is JSON.
    pub(crate) fn json(caller: &Arc<Caller>, operation: &'static Operation) -> Self {
        Self::new(caller, operation, Box::new(Answer::json))
    }
}

impl<T> ApiRequest<Vec<T>> {
    /// A request whose answer is a JSON array.
    pub(crate) fn list(caller: &Arc<Caller>, operation: &'static Operation) -> Self
    where
        T: Wire,
    {
        Self::new(caller, operation, Box::new(|answer, operation| Ok(answer.json::<Tolerant<_>>(operation)?.0)))
    }
}

impl ApiRequest<()> {
    /// A request whose answer says nothing beyond its status.
    pub(crate) fn status_only(caller: &Arc<Caller>, operation: &'static Operation) -> Self {
        Self::new(caller, operation, Box::new(|_, _| Ok(())))
    }
}

impl<T> ApiRequest<T> {
    fn new(caller: &Arc<Caller>, operation: &'static Operation, decode: Decode<T>) -> Self {
        Self {
            caller: caller.clone(),
            operation,
            path: Ok(caller.path_of(operation)),
            query: String::new(),
            headers: HeaderMap::new(),
            body: None,
            options: CallOptions::default(),
            requirement: None,
            optional_auth: false,
            known: None,
            decode,
        }
    }

    /// Other time limits than the client's.
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.options.timeouts = Some(timeouts);
        self
    }

    /// Another retry policy than the client's.
    pub fn with_retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.options.retry = Some(policy);
        self
    }

    /// The answer's JSON beside the typed value: what this crate does not know is in it, and so are entries of lists that
    /// it could not read and therefore left out.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// # backend.set_usage(serde_json::json!({ "plan_type": "plus", "of_tomorrow": 7 }));
    /// let usage = client.usage().get().with_raw().await?;
    /// assert_eq!(usage.raw["plan_type"], usage.value.plan_type.unwrap().as_str());
    /// assert_eq!(usage.raw["of_tomorrow"], 7);
    /// # Ok(()) }
    /// ```
    pub fn with_raw(self) -> ApiRequest<WithRaw<T>>
    where
        T: 'static,
    {
        self.decoded(|decode, answer, operation| {
            let value = decode(answer, operation)?;
            // An answer that is not read is not held to be JSON either.
            Ok(WithRaw { value, raw: serde_json::from_slice(&answer.body).unwrap_or_default() })
        })
    }

    /// What is made of the answer, by someone who may refuse it.
    pub(crate) fn and_then<U>(self, check: impl FnOnce(T) -> Result<U, Error> + Send + Sync + 'static) -> ApiRequest<U>
    where
        T: 'static,
    {
        self.decoded(|decode, answer, operation| check(decode(answer, operation)?))
    }

    fn decoded<U>(
        self,
        decode: impl FnOnce(Decode<T>, &Answer, &'static Operation) -> Result<U, Error> + Send + Sync + 'static,
    ) -> ApiRequest<U>
    where
        T: 'static,
    {
        let Self {
            caller,
            operation,
            path,
            query,
            headers,
            body,
            options,
            requirement,
            optional_auth,
            known,
            decode: inner,
        } = self;
        let decode: Decode<U> = Box::new(move |answer, operation| decode(inner, answer, operation));
        ApiRequest { caller, operation, path, query, headers, body, options, requirement, optional_auth, known, decode }
    }

    /// Puts an id in place of `{name}` in the path.
    pub(crate) fn segment(mut self, name: &str, value: &str) -> Self {
        let Ok(path) = &self.path else { return self };
        self.path = match path_segment(value) {
            Some(encoded) => Ok(path.replacen(&format!("{{{name}}}"), &encoded, 1)),
            None => {
                Err(self.invalid(format!("`{value}` is no {}: it cannot be part of a path", name.replace('_', " "))))
            }
        };
        self
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

    /// Sends nothing: the answer has this body.
    pub(crate) fn answered(mut self, body: &'static str) -> Self {
        self.known = Some(body);
        self
    }

    pub(crate) fn body(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.body = Some(bytes.into()),
            Err(error) => {
                self.path = Err(self.invalid("the request cannot be written as JSON".to_owned()).with_source(error));
            }
        }
        self
    }

    /// Fails with this when awaited, unless it fails with something else already.
    pub(crate) fn refused(mut self, reason: Option<String>) -> Self {
        if let Some(reason) = reason
            && self.path.is_ok()
        {
            self.path = Err(self.invalid(reason));
        }
        self
    }

    pub(crate) fn requiring(mut self, requirement: Requirement) -> Self {
        self.requirement = Some(requirement);
        self
    }

    /// Asks the Codex backend whatever the client is for, with its own credentials or with none.
    pub(crate) fn with_optional_auth(mut self) -> Self {
        self.optional_auth = true;
        self
    }

    pub(crate) fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    fn invalid(&self, reason: String) -> Error {
        Error::new(ErrorKind::InvalidInput, self.operation.name, reason)
    }

    async fn run(self) -> Result<T, Error> {
        let Self { caller, operation, path, query, headers, body, options, requirement, optional_auth, known, decode } =
            self;
        let mut target = path?;
        if let Some(body) = known {
            return decode(&Answer::known(body), operation);
        }
        if let Some(requirement) = requirement {
            let account_id = requirement.check(&caller, operation, &options).await?;
            target = target.replace("{account_id}", &account_id);
        }
        if !query.is_empty() {
            target = format!("{target}?{query}");
        }
        let payload = body.map_or(Payload::Empty, Payload::Bytes);
        let answer = if optional_auth {
            caller.send_to_backend(operation, &target, payload, &options).await?
        } else {
            caller.send_with(operation, &target, headers, payload, &options).await?
        };
        decode(&answer, operation)
    }
}

impl Requirement {
    /// The account's id as a part of a path, where it is needed, if the account is one that the endpoint is for.
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

impl<T: Send + 'static> IntoFuture for ApiRequest<T> {
    type Output = Result<T, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// Makes a request of another form one that can be awaited, which runs it.
macro_rules! awaited {
    ($request:ident => $output:ty) => {
        impl std::future::IntoFuture for $request {
            type Output = Result<$output, crate::error::Error>;
            type IntoFuture = std::pin::Pin<Box<dyn std::future::Future<Output = Self::Output> + Send>>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.run())
            }
        }
    };
}
pub(crate) use awaited;

impl<T> fmt::Debug for ApiRequest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiRequest")
            .field("operation", &self.operation.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A typed value, and the JSON it was read from; made by [`ApiRequest::with_raw`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// let usage = client.usage().get().with_raw().await?;
/// assert!(usage.value.rate_limit.is_some() && usage.raw["rate_limit"].is_object());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WithRaw<T> {
    /// The value.
    pub value: T,
    /// All that the server said. `null` where the answer is not JSON and is not read.
    pub raw: Value,
}
