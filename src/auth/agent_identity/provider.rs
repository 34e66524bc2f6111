use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use secrecy::SecretString;

use super::assertion::Task;
use super::bootstrap::keep_new_task;
use super::registration::register_task;
use super::single_flight::SingleFlight;
use super::{AgentIdentity, record};
use crate::auth::store::CredentialStore;
use crate::auth::{AccountFacts, AuthContext, AuthFuture, AuthProvider, AuthRecovery, AuthRefusal};
use crate::error::{AgentIdentityError, AuthError, ClockSkew};
use crate::exchange::TASK_CODES;
use crate::mode::{CodexBackend, sealed};

/// Clocks that are closer than this are not the problem.
const TOLERATED_SKEW: Duration = Duration::from_secs(60);

/// An agent that has a task: it authenticates requests to the Codex backend.
///
/// Each request carries `Authorization: AgentAssertion …`, signed for the task and the second, `ChatGPT-Account-ID`, and
/// for FedRAMP accounts `X-OpenAI-Fedramp: true`. All requests of one second share one signature. When the backend says
/// that it does not know the task any more (401 with `invalid_task_id`, `task_not_found` or `task_expired`), one new
/// task is registered, however many requests were refused, and each of them is sent once more. Any other 401 is final.
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
/// registration counts to the time limit of the call that needs it.
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
    note = "an `AgentIdentity` has no task yet: `identity.register(&context).await?` gives a `RegisteredAgent`, and `identity.lazy()` a `LazyAgent`, which registers before its first request"
)]
pub trait AgentProvider: AuthProvider<Route = CodexBackend> + sealed::Sealed {}
impl AgentProvider for RegisteredAgent {}
impl AgentProvider for LazyAgent {}
impl sealed::Sealed for RegisteredAgent {}
impl sealed::Sealed for LazyAgent {}

impl RegisteredAgent {
    pub(super) async fn register(identity: AgentIdentity, context: &AuthContext) -> Result<Self, AuthError> {
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
    pub(super) fn of(identity: AgentIdentity) -> Self {
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
        let skewed = refusal.server_date.and_then(|date| Some((date, skew_to(date, &self.identity, context)?)));
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
            Some((_, skew)) => Err(AgentIdentityError::ClockSkew { code: code.map(str::to_owned), skew }.into()),
            // Refused beside the one that adopted the server's clock.
            None if refusal.count == 1 && self.identity.has_adopted_clock() => Ok(AuthRecovery::Retry),
            None => Ok(AuthRecovery::GiveUp),
        }
    }
}

/// How far the time that assertions carry is from the server's, where that is too far.
pub(super) fn skew_to(server_date: SystemTime, identity: &AgentIdentity, context: &AuthContext) -> Option<ClockSkew> {
    let now = UNIX_EPOCH + Duration::from_secs(identity.now(context).ok()?);
    let skew = match server_date.duration_since(now) {
        Ok(behind) => ClockSkew::Behind(behind),
        Err(ahead) => ClockSkew::Ahead(ahead.duration()),
    };
    let (ClockSkew::Behind(by) | ClockSkew::Ahead(by)) = skew;
    (by > TOLERATED_SKEW).then_some(skew)
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
