//! Agent identities: a signing key in place of a token.
//!
//! An [`AgentIdentity`] is who an agent is. To send requests it needs a *task*, which it registers with its signature
//! alone: [`RegisteredAgent`] has one, [`LazyAgent`] gets one before its first request. Each request then carries an
//! assertion that the agent signs anew.

mod assertion;
mod bootstrap;
mod jwt;
mod key;
mod keys;
mod provider;
mod record;
mod registration;
mod sealed_box;
mod services;
mod single_flight;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::zeroize::{Zeroize, Zeroizing};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

pub use self::bootstrap::ManagedAgent;
pub use self::key::AgentKey;
pub use self::provider::{AgentProvider, LazyAgent, RegisteredAgent};
pub use self::registration::AgentDescription;
#[cfg(feature = "testing")]
pub(crate) use self::sealed_box::seal;
pub use self::services::AgentAuthApi;
pub(crate) use self::services::AgentServices;
use super::claims::Claims;
use super::headers::{ACCOUNT_ID, AuthHeaders, FEDRAMP};
use super::store::StoredCredentials;
use super::{AuthContext, ChatGptTokens};
use crate::error::{AgentIdentityError, AuthError};
use crate::exchange::path_segment;
use crate::limits::PlanType;

/// The longest id that is used.
const LONGEST_ID: usize = 4096;
/// The first second that a timestamp has no room for: the year 10000.
const END_OF_TIME: u64 = 253_402_300_800;

/// Who an agent is: the id that the server gave it, its key, and the account it acts in. It has been verified: the key
/// can sign, and the ids can be sent.
///
/// It cannot send requests yet. [`register`](Self::register) gets it a task and gives a [`RegisteredAgent`];
/// [`lazy`](Self::lazy) leaves that to the first request. Clones share everything.
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
#[derive(Clone)]
pub struct AgentIdentity {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    runtime_id: String,
    /// The runtime id as a segment of a path.
    segment: String,
    key: AgentKey,
    account: Claims,
    /// What stays the same from request to request.
    lasting_headers: AuthHeaders,
    task_id: Option<SecretString>,
    server_clock: Option<Arc<ServerClock>>,
}

/// How many seconds the server's clock is ahead of this machine's.
#[derive(Debug, Default)]
struct ServerClock {
    ahead: AtomicI64,
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

    /// From a JWT, as `CODEX_ACCESS_TOKEN` and `CODEX_AGENT_IDENTITY` hold it. Its structure is checked first; then the
    /// backend's keys are fetched (`GET` without credentials, 10 s), if the context does not know them from the last
    /// 10 minutes, and its signature, issuer, audience and end are verified. White space around it is ignored. Nothing is
    /// registered, and the JWT is sent nowhere: it holds the private key.
    ///
    /// The context keeps the keys: verify all of a fleet's JWTs with one context, and they are fetched once.
    ///
    /// # Errors
    ///
    /// When the JWT does not hold, or the keys cannot be fetched; see
    /// [`AuthError::agent_identity_error`](crate::AuthError::agent_identity_error).
    pub async fn from_jwt(jwt: impl Into<SecretString>, context: &AuthContext) -> Result<Self, AuthError> {
        jwt::verified(jwt.into(), context).await
    }

    /// From a record, the JSON object that `auth.json` holds under `agent_identity`. A `task_id` in it is used, without
    /// registering again. Makes no request.
    ///
    /// # Errors
    ///
    /// When a member is missing, or the key or an id cannot be used.
    pub fn from_record(record: impl Into<SecretString>) -> Result<Self, AuthError> {
        let record = record.into();
        let mut parsed = serde_json::from_str(record.expose_secret()).unwrap_or(Value::Null);
        let incomplete = AgentIdentityError::RecordIncomplete { member: "agent_runtime_id" };
        let identity = parsed.as_object().ok_or(incomplete.into()).and_then(record::identity);
        if let Some(Value::String(key)) = parsed.get_mut("agent_private_key") {
            key.zeroize();
        }
        identity
    }

    /// From the `agent_identity` of stored credentials, in both of its forms: a JWT, which is verified, or a record.
    ///
    /// # Errors
    ///
    /// When there is none, or as [`from_jwt`](Self::from_jwt) and [`from_record`](Self::from_record).
    pub async fn from_stored(stored: &StoredCredentials, context: &AuthContext) -> Result<Self, AuthError> {
        match stored.document.get("agent_identity") {
            Some(Value::String(jwt)) if !jwt.trim().is_empty() => Self::from_jwt(jwt.as_str(), context).await,
            Some(Value::Object(record)) if record::has_material(record) => record::identity(record),
            _ => Err(AgentIdentityError::MissingMaterial.into()),
        }
    }

    /// Registers a new agent for the account of ChatGPT tokens, under a key of the caller's: `POST /v1/agent/register`
    /// with the access token, at most 3 attempts of 15 s. The tokens must say which account and user they are for.
    ///
    /// Keep what [`to_record`](Self::to_record) gives. An agent whose record is lost cannot be had again.
    ///
    /// # Errors
    ///
    /// When the tokens do not tell their account and user, or the registration fails. An attempt whose answer was lost
    /// may have registered an agent that nobody knows.
    pub async fn create(
        key: AgentKey,
        tokens: &ChatGptTokens,
        description: &AgentDescription,
        context: &AuthContext,
    ) -> Result<Self, AuthError> {
        registration::register_agent(key, tokens.access_token(), tokens.account(), description, context).await
    }

    fn of_account(
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

    fn with_task_id(mut self, task_id: SecretString) -> Self {
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

    /// Gets a task: the one in the record, else one that is registered now (`POST /v1/agent/{id}/task/register`, signed,
    /// without any other credential; at most 3 attempts of 30 s, each signed anew, without a wait between them).
    ///
    /// It may be called any number of times; each registration gives a task of its own. Dropping the future may leave a
    /// task on the server that nobody uses.
    ///
    /// # Errors
    ///
    /// When the registration fails, or its answer holds no task id that this agent can read.
    pub async fn register(&self, context: &AuthContext) -> Result<RegisteredAgent, AuthError> {
        RegisteredAgent::register(self.clone(), context).await
    }

    /// An agent that registers its task before its first request, in the time of that call. Does no I/O.
    #[must_use]
    pub fn lazy(&self) -> LazyAgent {
        LazyAgent::of(self.clone())
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

    /// The record, as `auth.json` holds it, with the task that it was made with. Whoever has it is the agent.
    #[must_use]
    pub fn to_record(&self) -> SecretString {
        record::text(self, self.inner.task_id.as_ref())
    }

    pub(in crate::auth) fn account(&self) -> Claims {
        self.inner.account.clone()
    }

    /// The time for a timestamp: the client's, or the server's where that is followed.
    fn now(&self, context: &AuthContext) -> Result<u64, AuthError> {
        let local = context.now().duration_since(UNIX_EPOCH).map_err(|_| AgentIdentityError::ClockUnusable)?.as_secs();
        let now = match &self.inner.server_clock {
            Some(clock) => local.checked_add_signed(clock.ahead.load(Ordering::Relaxed)),
            None => Some(local),
        };
        now.filter(|now| *now < END_OF_TIME).ok_or_else(|| AgentIdentityError::ClockUnusable.into())
    }

    /// Takes over the server's clock, where it is to be followed.
    fn adopt(&self, server_date: SystemTime, context: &AuthContext) -> bool {
        let Some(clock) = &self.inner.server_clock else { return false };
        let ahead = match server_date.duration_since(context.now()) {
            Ok(ahead) => i64::try_from(ahead.as_secs()),
            Err(behind) => i64::try_from(behind.duration().as_secs()).map(|behind| -behind),
        };
        let Ok(ahead) = ahead else { return false };
        clock.ahead.store(ahead, Ordering::Relaxed);
        tracing::warn!(ahead_seconds = ahead, "the agent follows the server's clock from now on");
        true
    }
}

impl AgentIdentity {
    fn has_adopted_clock(&self) -> bool {
        let clock = self.inner.server_clock.as_ref();
        clock.is_some_and(|clock| clock.ahead.load(Ordering::Relaxed) != 0)
    }
}

fn check_id(member: &'static str, id: &str) -> Result<(), AgentIdentityError> {
    let invalid = |reason| Err(AgentIdentityError::InvalidId { member, reason });
    if id.trim().is_empty() {
        return invalid("it is blank");
    }
    check_characters(member, id)
}

fn check_characters(member: &'static str, id: &str) -> Result<(), AgentIdentityError> {
    let invalid = |reason| Err(AgentIdentityError::InvalidId { member, reason });
    if id.len() > LONGEST_ID {
        return invalid("it is longer than 4096 bytes");
    }
    if id.chars().any(char::is_control) {
        return invalid("it holds a control character");
    }
    Ok(())
}

/// `2026-04-23T00:00:00Z`
fn timestamp(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

/// JSON text that may hold a secret.
fn secret_json(value: &impl serde::Serialize) -> SecretString {
    let text = Zeroizing::new(serde_json::to_vec(value).unwrap_or_default());
    String::from_utf8_lossy(&text).into_owned().into()
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
