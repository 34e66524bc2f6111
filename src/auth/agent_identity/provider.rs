//! Agents as providers: the task that each has, and its replacement when the backend no longer knows it.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use secrecy::SecretString;

use super::assertion::Task;
use super::identity::AgentIdentity;
use super::kept::keep_new_task;
use super::record;
use super::registration::register_task;
use super::single_flight::SingleFlight;
use crate::auth::store::CredentialStore;
use crate::auth::{AccountFacts, AuthContext, AuthFuture, AuthProvider, AuthRecovery, AuthRefusal};
use crate::error::{AgentIdentityError, AuthError};
use crate::exchange::TASK_CODES;
use crate::mode::mistakes::AgentWithoutTask;
use crate::mode::{CodexBackend, sealed};

/// An agent that has a task: it authenticates requests to the Codex backend.
///
/// Each request carries `Authorization: AgentAssertion …`, signed for the task and the second, `ChatGPT-Account-ID`, and
/// for FedRAMP accounts `X-OpenAI-Fedramp: true`. All requests of one second share one signature. When the backend says
/// that it does not know the task any more (401 with `invalid_task_id`, `task_not_found` or `task_expired`), one new
/// task is registered, however many requests were refused, and each of them is retried once. Any other 401 is final.
/// Clones share the task.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let identity = backend.issue_agent_identity("acct-1")?;
/// use codex_backend::OpenAiFileUpload;
///
/// let builder = backend.client();
/// let agent = identity.register(&builder.auth_context()?).await?;
/// let client = builder.agent_identity(agent).build()?;
/// OpenAiFileUpload::new(&client).bytes("notes.txt", "hello").await?;
///
/// backend.expire_agent_tasks();
/// client.usage().get().await?; // with a new task
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RegisteredAgent {
    agent: Arc<Agent>,
}

/// An agent that registers its task before its first request, unless its record brought one: it authenticates requests
/// to the Codex backend. From then on it is what a [`RegisteredAgent`] is.
///
/// Any number of first calls cause one registration. When it fails, they fail, and the next call tries again. The
/// registration takes place within the time-out of the call that needs it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let identity = backend.issue_agent_identity("acct-1")?;
/// let client = backend.client().agent_identity(identity.lazy()).build()?;
/// client.usage().get().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct LazyAgent {
    agent: Arc<Agent>,
}

/// What [`ClientBuilder::agent_identity`](crate::ClientBuilder::agent_identity) takes: a [`RegisteredAgent`] or a
/// [`LazyAgent`]. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot authenticate requests as an agent",
    label = "neither a `RegisteredAgent` nor a `LazyAgent`",
    note = "`identity.register(&context).await?` makes a `RegisteredAgent` of an `AgentIdentity`, and `identity.lazy()` a `LazyAgent`, which registers before its first request"
)]
pub trait AgentProvider: AuthProvider<Route = CodexBackend> + sealed::Agent {}
impl AgentProvider for RegisteredAgent {}
impl AgentProvider for LazyAgent {}
impl sealed::Agent for RegisteredAgent {}
impl sealed::Agent for LazyAgent {}

/// For the compiler to say that it needs a task.
#[doc(hidden)]
impl AuthProvider for AgentIdentity
where
    for<'a> &'a AgentIdentity: AgentWithoutTask,
{
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        <&AgentIdentity>::never()
    }
}

impl AgentIdentity {
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
}

impl RegisteredAgent {
    async fn register(identity: AgentIdentity, context: &AuthContext) -> Result<Self, AuthError> {
        let agent = Agent::of(identity);
        agent.task(context).await?;
        Ok(Self { agent: Arc::new(agent) })
    }

    /// One that has a task, and is kept with it in that store.
    pub(super) fn kept_in(store: Arc<dyn CredentialStore>, identity: AgentIdentity) -> Self {
        Self { agent: Arc::new(Agent { kept_in: Some(store), ..Agent::of(identity) }) }
    }

    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &AgentIdentity {
        &self.agent.identity
    }

    /// The id of its task. Together with the record it lets another process go on with the same task.
    #[must_use]
    pub fn task_id(&self) -> SecretString {
        self.agent.task_id().unwrap_or_default()
    }

    /// The record, as `auth.json` holds it, with the task it has now. Whoever has it is the agent.
    #[must_use]
    pub fn to_record(&self) -> SecretString {
        record::text(&self.agent.identity, self.agent.task_id().as_ref())
    }
}

impl LazyAgent {
    fn of(identity: AgentIdentity) -> Self {
        Self { agent: Arc::new(Agent::of(identity)) }
    }

    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &AgentIdentity {
        &self.agent.identity
    }

    /// The record, as `auth.json` holds it, with the task it has now, if it has one. Whoever has it is the agent.
    #[must_use]
    pub fn to_record(&self) -> SecretString {
        record::text(&self.agent.identity, self.agent.task_id().as_ref())
    }
}

impl AuthProvider for RegisteredAgent {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a> {
        self.agent.headers(context)
    }

    fn refused<'a>(&'a self, refusal: &'a AuthRefusal, context: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
        AuthFuture::boxed(self.agent.recover(refusal, context))
    }

    fn account(&self) -> AccountFacts {
        self.identity().account().into()
    }
}

impl AuthProvider for LazyAgent {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a> {
        self.agent.headers(context)
    }

    fn refused<'a>(&'a self, refusal: &'a AuthRefusal, context: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
        AuthFuture::boxed(self.agent.recover(refusal, context))
    }

    fn account(&self) -> AccountFacts {
        self.identity().account().into()
    }
}

/// An agent and the task it has, if it has one.
struct Agent {
    identity: AgentIdentity,
    /// Replaced only by whoever is registering.
    task: ArcSwapOption<Task>,
    registering: SingleFlight<Arc<Task>>,
    /// Where its new tasks are kept.
    kept_in: Option<Arc<dyn CredentialStore>>,
}

impl Agent {
    fn of(identity: AgentIdentity) -> Self {
        let task = identity.inner.task_id.clone().map(|id| Arc::new(Task::new(id, 0)));
        Self { identity, task: ArcSwapOption::new(task), registering: SingleFlight::default(), kept_in: None }
    }

    fn headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a> {
        if let Some(task) = &*self.task.load() {
            let second = self.identity.now(context);
            return AuthFuture::ready(second.and_then(|second| task.headers(&self.identity, second)));
        }
        AuthFuture::boxed(async {
            let task = self.task(context).await?;
            task.headers(&self.identity, self.identity.now(context)?)
        })
    }

    fn current(&self) -> Option<Arc<Task>> {
        self.task.load_full()
    }

    fn task_id(&self) -> Option<SecretString> {
        self.current().map(|task| task.id().clone())
    }

    fn publish(&self, id: SecretString) -> Arc<Task> {
        let generation = self.task.load().as_ref().map_or(0, |old| old.generation() + 1);
        let task = Arc::new(Task::new(id, generation));
        self.task.store(Some(task.clone()));
        task
    }

    /// The task there is, else one that is registered now.
    async fn task(&self, context: &AuthContext) -> Result<Arc<Task>, AuthError> {
        match self.current() {
            Some(task) => Ok(task),
            None => self.replace(None, context).await,
        }
    }

    /// A task in place of the one that failed, which is registered unless somebody else has done so.
    async fn replace(&self, failed: Option<u64>, context: &AuthContext) -> Result<Arc<Task>, AuthError> {
        let registration = self.registering.run(async {
            match self.current() {
                Some(task) if Some(task.generation()) != failed => Ok(task),
                refused => {
                    let task = self.publish(register_task(&self.identity, context).await?);
                    if let (Some(store), Some(refused)) = (&self.kept_in, refused) {
                        let (refused, new) = (refused.id().clone(), task.id().clone());
                        keep_new_task(store.clone(), self.identity.clone(), refused, new).await;
                    }
                    Ok(task)
                }
            }
        });
        registration.await
    }

    async fn recover(&self, refusal: &AuthRefusal, context: &AuthContext) -> Result<AuthRecovery, AuthError> {
        let skewed = refusal.server_date.and_then(|date| Some((date, self.identity.skew_to(date, context)?)));
        let code = refusal.code.as_deref().map(str::trim);
        let is_about_task = code.is_some_and(|code| TASK_CODES.iter().any(|known| code.eq_ignore_ascii_case(known)));
        if is_about_task {
            // The first refusal may have been about the clock.
            if refusal.generation != refusal.first_generation {
                let code = code.unwrap_or_default().to_owned();
                return Err(AgentIdentityError::TaskRefused { code, skew: skewed.map(|(_, skew)| skew) }.into());
            }
            if self.current().is_none_or(|task| task.generation() == refusal.generation) {
                self.replace(Some(refusal.generation), context).await?;
            }
            return Ok(AuthRecovery::Retry);
        }
        match skewed {
            Some((date, _)) if refusal.count == 1 && self.identity.adopt(date, context) => Ok(AuthRecovery::Retry),
            Some((_, skew)) => Err(AgentIdentityError::WrongClock { code: code.map(str::to_owned), skew }.into()),
            // Refused beside the one that adopted the server's clock.
            None if refusal.count == 1 && self.identity.has_adopted_clock() => Ok(AuthRecovery::Retry),
            None => Ok(AuthRecovery::GiveUp),
        }
    }
}

impl fmt::Debug for RegisteredAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredAgent").field("identity", self.identity()).finish_non_exhaustive()
    }
}

impl fmt::Debug for LazyAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_registered = self.agent.current().is_some();
        f.debug_struct("LazyAgent")
            .field("identity", self.identity())
            .field("is_registered", &is_registered)
            .finish_non_exhaustive()
    }
}
