use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::provider::RegisteredAgent;
use super::registration::{AgentDescription, register_agent, register_task};
use super::{AgentIdentity, AgentKey, record};
use crate::auth::chatgpt::{Tokens, check_account};
use crate::auth::claims::Claims;
use crate::auth::store::{CredentialStore, StoreError, StoreErrorKind, StoredCredentials, SwapOutcome};
use crate::auth::{AuthContext, ChatGptSession};
use crate::error::{AgentIdentityError, AuthError, ReauthReason};

/// After a failure that may pass, nothing is tried for this long.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(60 * 60);
/// How often a document that others change is tried to be saved.
const MOST_SAVES: u32 = 10;

/// An agent identity of a ChatGPT login: registered with the login's access token, and kept beside its tokens, in the
/// same document of the same store.
///
/// [`register`](Self::register) gives the agent that is kept there, if it belongs to the account and user of the login;
/// otherwise it generates a key, registers an agent and a task, and saves them. Clones share one state.
///
/// When the service cannot be reached, the error is an
/// [`AgentIdentityError::BootstrapUnavailable`], and the same error comes back without a request for an hour; go on with
/// the session meanwhile, as in this example. Every other error is one to look at.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::auth::{AgentDescription, AgentIdentityError, FileStore, ManagedAgent};
/// use codex_backend::ChatGptSession;
///
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("auth.json");
/// # std::fs::write(&path, backend.issue_auth_json("acct-1", std::time::Duration::from_secs(3600)))?;
/// let session = ChatGptSession::open(FileStore::new(&path))?;
/// let managed = ManagedAgent::new(session.clone(), AgentDescription::new("report-bot", "1.4.0"));
/// let builder = backend.client();
/// let client = match managed.register(&builder.auth_context()?).await {
///     Ok(agent) => builder.agent_identity(agent).build()?,
///     Err(error) => match error.agent_identity_error() {
///         Some(AgentIdentityError::BootstrapUnavailable { .. }) => builder.provider(session).build()?,
///         _ => return Err(error.into()),
///     },
/// };
/// client.usage().get().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ManagedAgent {
    session: ChatGptSession,
    description: AgentDescription,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// One bootstrap at a time.
    turn: tokio::sync::Mutex<()>,
    failed: Mutex<Option<Failure>>,
}

struct Failure {
    at: Duration,
    about: About,
    error: AuthError,
}

/// What a failure is about: the same account at another service may fare better.
#[derive(PartialEq)]
struct About {
    account_id: Option<String>,
    auth_api: Option<String>,
}

impl ManagedAgent {
    /// Of that login. Does no I/O.
    #[must_use]
    pub fn new(session: ChatGptSession, description: AgentDescription) -> Self {
        Self { session, description, state: Arc::default() }
    }

    /// The agent that is kept beside the login's tokens, with a task, else a new one, which is then kept there. What it
    /// sends is what [`AgentIdentity::create`] and [`AgentIdentity::register`] send.
    ///
    /// The store is changed by comparing and swapping, and what else is in it stays. If another process has put an agent
    /// of the same account there meanwhile, that one is taken. A new agent is saved before its task is registered: when
    /// that fails, the next call registers only the task. A task that replaces a refused one later is saved, too. Dropping
    /// the future may leave an agent on the server that nobody knows.
    ///
    /// # Errors
    ///
    /// [`AgentIdentityError::BootstrapUnavailable`] when the service could not be reached; another error when it refuses,
    /// when the tokens do not tell their account and user, or when the store cannot be read or written.
    pub async fn register(&self, context: &AuthContext) -> Result<RegisteredAgent, AuthError> {
        let _turn = self.state.turn.lock().await;
        let about = About {
            account_id: self.session.account_id(),
            auth_api: context.services.agents.url.as_ref().map(ToString::to_string),
        };
        let now = context.exchange.clock().monotonic();
        if let Some(error) = self.recent_failure(&about, now) {
            return Err(error);
        }
        let outcome = self.bootstrap(context).await.map_err(unavailable);
        let may_pass = |error: &AuthError| {
            matches!(error.agent_identity_error(), Some(AgentIdentityError::BootstrapUnavailable { .. }))
        };
        let failure = outcome.as_ref().err().filter(|error| may_pass(error)).cloned();
        *self.state.failed.lock().unwrap_or_else(PoisonError::into_inner) =
            failure.map(|error| Failure { at: context.exchange.clock().monotonic(), about, error });
        outcome
    }

    fn recent_failure(&self, about: &About, now: Duration) -> Option<AuthError> {
        let failed = self.state.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = failed.as_ref()?;
        let is_recent = now.saturating_sub(failure.at) < PAUSE_AFTER_FAILURE;
        (is_recent && failure.about == *about).then(|| failure.error.clone())
    }

    async fn bootstrap(&self, context: &AuthContext) -> Result<RegisteredAgent, AuthError> {
        let tokens = self.session.valid_tokens(context).await?;
        let kept = self.load().await?;
        let kept_one = identity_in(&kept, &tokens.account);
        let has_task = kept_one.as_ref().is_some_and(|identity| identity.inner.task_id.is_some());
        if !has_task && self.session.store().is_read_only() {
            // What is registered must be kept: there is no second copy of a new agent's key.
            let store = self.session.store().describe();
            return Err(StoreError::new(StoreErrorKind::ReadOnly, store, "it is opened for reading only").into());
        }
        let (kept, identity) = match kept_one {
            Some(identity) => (kept, identity),
            None => {
                let (key, account) = (AgentKey::generate()?, tokens.account.clone());
                let identity = register_agent(key, &tokens.access_token, account, &self.description, context).await?;
                // Without its task: if that cannot be had now, the agent is not lost.
                self.save(kept, identity, &tokens).await?
            }
        };
        if identity.inner.task_id.is_some() {
            return Ok(RegisteredAgent::kept_in(self.session.store(), identity));
        }
        let task_id = register_task(&identity, context).await?;
        let (_, identity) = self.save(kept, identity.with_task_id(task_id), &tokens).await?;
        Ok(RegisteredAgent::kept_in(self.session.store(), identity))
    }

    async fn load(&self) -> Result<StoredCredentials, AuthError> {
        let store = self.session.store();
        let loaded = tokio::task::spawn_blocking(move || store.load()).await;
        let loaded =
            loaded.map_err(|error| AuthError::transient("reading the store was cut off").with_source(error))?;
        loaded?.ok_or_else(|| AuthError::reauth(ReauthReason::Removed))
    }

    /// Puts the agent beside the tokens, unless another process has put one there. Gives what is kept then, and the agent
    /// in it.
    async fn save(
        &self,
        kept: StoredCredentials,
        identity: AgentIdentity,
        tokens: &Tokens,
    ) -> Result<(StoredCredentials, AgentIdentity), AuthError> {
        let mut expected = kept;
        for _ in 0..MOST_SAVES {
            let new = with_agent(&expected, &identity);
            let (store, saved) = (self.session.store(), new.clone());
            let swapped = tokio::task::spawn_blocking(move || store.swap(Some(&expected), Some(&new))).await;
            match swapped.map_err(|error| AuthError::transient("saving the agent was cut off").with_source(error))?? {
                SwapOutcome::Done => return Ok((saved, identity)),
                SwapOutcome::Changed(None) => {
                    let message = "the credentials were removed while an agent was registered";
                    return Err(AuthError::reauth_because(ReauthReason::Removed, message));
                }
                SwapOutcome::Changed(Some(meanwhile)) => {
                    check_account(tokens, &Tokens::of(&meanwhile)?)?;
                    if let Some(theirs) = identity_in(&meanwhile, &tokens.account)
                        && (theirs.inner.task_id.is_some() || identity.inner.task_id.is_none())
                    {
                        return Ok((meanwhile, theirs));
                    }
                    expected = meanwhile;
                }
            }
        }
        Err(AuthError::transient("the agent could not be saved: the store keeps changing"))
    }
}

/// Puts a new task in place of the one that was refused, if that is the one that is kept with the agent. Where it cannot
/// be kept, a later process registers one of its own.
pub(super) async fn keep_new_task(
    store: Arc<dyn CredentialStore>,
    identity: AgentIdentity,
    refused: SecretString,
    new: SecretString,
) {
    let keep = move || {
        for _ in 0..MOST_SAVES {
            let Some(kept) = store.load()? else { return Ok(()) };
            let mut document = kept.document.clone();
            let task_id = document.get_mut("agent_identity").and_then(|agent| {
                let is_ours = agent.get("agent_runtime_id")? == identity.agent_runtime_id();
                agent.get_mut("task_id").filter(|task_id| is_ours && **task_id == refused.expose_secret())
            });
            let Some(task_id) = task_id else { return Ok(()) };
            *task_id = new.expose_secret().into();
            if let SwapOutcome::Done = store.swap(Some(&kept), Some(&kept.with_document(document)))? {
                return Ok(());
            }
        }
        Err(StoreError::new(StoreErrorKind::Unavailable, store.describe(), "it keeps changing"))
    };
    if let Err(error) = tokio::task::spawn_blocking(keep).await.unwrap_or(Ok(())) {
        tracing::warn!(%error, "the agent's new task is not kept");
    }
}

/// The agent that is kept, if it is one of that account and user and its key can be read.
fn identity_in(stored: &StoredCredentials, account: &Claims) -> Option<AgentIdentity> {
    let kept = stored.document.get("agent_identity")?.as_object()?;
    let identity = record::identity(kept).ok()?;
    let is_theirs = Some(identity.account_id()) == account.account_id.as_deref()
        && identity.chatgpt_user_id() == account.user_id.as_deref();
    is_theirs.then_some(identity)
}

/// The document with the agent in it, and everything else as it was, also what is not known of the agent itself.
fn with_agent(stored: &StoredCredentials, identity: &AgentIdentity) -> StoredCredentials {
    let mut document = stored.document.clone();
    let agent = record::value(identity);
    let is_same = |kept: &Value| kept.get("agent_runtime_id") == agent.get("agent_runtime_id");
    match (document.get_mut("agent_identity").filter(|kept| is_same(kept)), agent) {
        (Some(Value::Object(kept)), Value::Object(agent)) => kept.extend(agent),
        (_, agent) => drop(document.insert("agent_identity".to_owned(), agent)),
    }
    stored.with_document(document)
}

/// A registration that failed in a way that may pass is something a session can do without.
fn unavailable(error: AuthError) -> AuthError {
    let (operation, attempts) = match error.agent_identity_error() {
        Some(AgentIdentityError::RegistrationStatus { operation, attempts, .. })
        | Some(AgentIdentityError::RegistrationTransport { operation, attempts, .. })
            if error.is_transient() =>
        {
            (*operation, *attempts)
        }
        _ => return error,
    };
    AgentIdentityError::BootstrapUnavailable { operation, attempts, message: error.to_string() }.into()
}

impl fmt::Debug for ManagedAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedAgent").field("session", &self.session).finish_non_exhaustive()
    }
}
