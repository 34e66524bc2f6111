//! Who an agent is: its ids, its key and its account, checked.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use secrecy::{ExposeSecret, SecretString};

use super::clock::{self, ServerClock};
use super::key::AgentKey;
use crate::auth::AuthContext;
use crate::auth::claims::Claims;
use crate::auth::headers::{ACCOUNT_ID, AuthHeaders, FEDRAMP};
use crate::error::{AgentIdentityError, AuthError, ClockSkew};
use crate::exchange::path_segment;
use crate::limits::PlanType;

/// The longest id that is used.
const LONGEST_ID: usize = 4096;

/// Who an agent is: the id that the server gave it, its key, and the account it acts in. It has been verified: the key
/// can sign, and the ids can be sent.
///
/// It cannot send requests yet. [`register`](Self::register) gets it a task and gives a
/// [`RegisteredAgent`](crate::auth::RegisteredAgent); [`lazy`](Self::lazy) leaves that to the first request. Clones share
/// everything.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::auth::AgentIdentity;
///
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let jwt = backend.issue_agent_jwt("acct-1");
/// let builder = backend.client();
/// let context = builder.auth_context()?;
/// let identity = AgentIdentity::from_jwt(jwt, &context).await?;
/// let client = builder.agent_identity(identity.register(&context).await?).build()?;
/// client.usage().get().await?;
/// # Ok(()) }
/// ```
#[doc(alias("service account", "machine user"))]
#[derive(Clone)]
pub struct AgentIdentity {
    pub(super) inner: Arc<Inner>,
}

#[derive(Clone)]
pub(super) struct Inner {
    runtime_id: String,
    /// The runtime id as a segment of a path.
    pub(super) segment: String,
    pub(super) key: AgentKey,
    account: Claims,
    /// What stays the same from request to request.
    pub(super) lasting_headers: AuthHeaders,
    /// The task that its record brought along.
    pub(super) task_id: Option<SecretString>,
    /// Where the server's clock is to be followed.
    server_clock: Option<Arc<ServerClock>>,
}

impl AgentIdentity {
    /// From its parts. The account is neither a FedRAMP one nor of a known plan, user or e-mail address.
    ///
    /// # Errors
    ///
    /// When an id is blank, longer than 4096 bytes, holds a control character, or (the account's) cannot be sent as a
    /// header.
    pub fn new(
        agent_runtime_id: impl Into<String>,
        key: AgentKey,
        account_id: impl Into<String>,
    ) -> Result<Self, AuthError> {
        let account = Claims { account_id: Some(account_id.into()), ..Claims::default() };
        Self::of_account(agent_runtime_id.into(), key, account, None)
    }

    pub(super) fn of_account(
        runtime_id: String,
        key: AgentKey,
        account: Claims,
        task_id: Option<SecretString>,
    ) -> Result<Self, AuthError> {
        let account_id = account.account_id.as_deref().unwrap_or_default();
        for (member, id) in [("agent_runtime_id", runtime_id.as_str()), ("account_id", account_id)] {
            check_id(member, id)?;
        }
        if let Some(task_id) = &task_id {
            check_id("task_id", task_id.expose_secret())?;
        }
        let mut lasting_headers = AuthHeaders::new(0).with_header(ACCOUNT_ID, account_id)?;
        if account.is_fedramp {
            lasting_headers = lasting_headers.with_header(FEDRAMP, "true")?;
        }
        let steps = AgentIdentityError::InvalidId { member: "agent_runtime_id", reason: "it is a step in a path" };
        let segment = path_segment(&runtime_id).ok_or(steps)?;
        let inner = Inner { runtime_id, segment, key, account, lasting_headers, task_id, server_clock: None };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(super) fn with_task_id(mut self, task_id: SecretString) -> Self {
        Arc::make_mut(&mut self.inner).task_id = Some(task_id);
        self
    }

    /// Whether the account is a FedRAMP one. Default: what the record or the JWT says.
    ///
    /// # Errors
    ///
    /// None that a verified identity can meet.
    pub fn fedramp(self, is_fedramp: bool) -> Result<Self, AuthError> {
        let inner = Arc::unwrap_or_clone(self.inner);
        let account = Claims { is_fedramp, ..inner.account };
        let mut identity = Self::of_account(inner.runtime_id, inner.key, account, inner.task_id)?;
        Arc::make_mut(&mut identity.inner).server_clock = inner.server_clock;
        Ok(identity)
    }

    /// Whether assertions are to carry the server's time in place of this machine's, once the server has refused one
    /// (401) and its `Date` is more than a minute away. Default: no; the error then tells the difference.
    #[must_use]
    pub fn follow_server_clock(mut self, follows: bool) -> Self {
        Arc::make_mut(&mut self.inner).server_clock = follows.then(Arc::default);
        self
    }

    /// The id that the server gave the agent.
    #[must_use]
    pub fn agent_runtime_id(&self) -> &str {
        &self.inner.runtime_id
    }

    /// The account (workspace) it acts in.
    #[must_use]
    pub fn account_id(&self) -> &str {
        self.inner.account.account_id.as_deref().unwrap_or_default()
    }

    /// The ChatGPT user it belongs to, where known.
    #[must_use]
    pub fn chatgpt_user_id(&self) -> Option<&str> {
        self.inner.account.user_id.as_deref()
    }

    /// The user's e-mail address, where known.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.inner.account.email.as_deref()
    }

    /// The account's plan, where known.
    #[must_use]
    pub fn plan_type(&self) -> Option<&PlanType> {
        self.inner.account.plan_type.as_ref()
    }

    /// Whether it is a FedRAMP account.
    #[must_use]
    pub fn is_fedramp(&self) -> bool {
        self.inner.account.is_fedramp
    }

    /// When the JWT ends that it was made from. What was made from it goes on working.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.inner.account.expires_at
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &AgentKey {
        &self.inner.key
    }

    pub(in crate::auth) fn account(&self) -> Claims {
        self.inner.account.clone()
    }

    /// The time for a timestamp: the client's, or the server's where that is followed.
    pub(super) fn now(&self, context: &AuthContext) -> Result<u64, AuthError> {
        clock::now(context.now(), self.inner.server_clock.as_deref()).map_err(AuthError::from)
    }

    /// How far the time that assertions carry is from the server's, where that is too far.
    pub(super) fn skew_to(&self, server_date: SystemTime, context: &AuthContext) -> Option<ClockSkew> {
        clock::skew(self.now(context).ok()?, server_date)
    }

    /// Takes over the server's clock, where it is to be followed.
    pub(super) fn adopt(&self, server_date: SystemTime, context: &AuthContext) -> bool {
        self.inner.server_clock.as_ref().is_some_and(|clock| clock.adopt(server_date, context.now()))
    }

    pub(super) fn has_adopted_clock(&self) -> bool {
        self.inner.server_clock.as_ref().is_some_and(|clock| clock.is_adopted())
    }
}

pub(super) fn check_id(member: &'static str, id: &str) -> Result<(), AgentIdentityError> {
    let invalid = |reason| Err(AgentIdentityError::InvalidId { member, reason });
    if id.trim().is_empty() {
        return invalid("it is blank");
    }
    check_characters(member, id)
}

pub(super) fn check_characters(member: &'static str, id: &str) -> Result<(), AgentIdentityError> {
    let invalid = |reason| Err(AgentIdentityError::InvalidId { member, reason });
    if id.len() > LONGEST_ID {
        return invalid("it is longer than 4096 bytes");
    }
    if id.chars().any(char::is_control) {
        return invalid("it holds a control character");
    }
    Ok(())
}

impl fmt::Debug for AgentIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentIdentity")
            .field("agent_runtime_id", &self.agent_runtime_id())
            .field("account_id", &self.account_id())
            .field("is_fedramp", &self.is_fedramp())
            .finish_non_exhaustive()
    }
}
