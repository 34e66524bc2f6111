//! The embedded backend: a real HTTP server on loopback, inside the process, for tests of this crate and of yours.
//!
//! Feature `testing`. [`Backend`] plays the Codex backend over real sockets: it has accounts and tokens and refuses
//! others, keeps the files that are uploaded, records every request, and misbehaves on demand ([`Fault`]).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use codex_backend::OpenAiFileUpload;
//! use codex_backend::testing::{Backend, Fault, Route};
//!
//! let backend = Backend::start()?;
//! let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//!
//! // The storage fails once; the upload gets through all the same.
//! backend.inject(Route::PUT_FILE, Fault::status(503).body("busy"));
//! let file = OpenAiFileUpload::new(&client).bytes("notes.txt", "hello").await?;
//!
//! assert_eq!(backend.files()[0].content().unwrap(), "hello");
//! assert_eq!(backend.requests_to(Route::PUT_FILE).len(), 2);
//! assert!(backend.requests_to(Route::PUT_FILE)[0].header("authorization").is_none());
//! # Ok(()) }
//! ```

mod accounts;
#[cfg(feature = "agent-identity")]
mod agents;
mod api_files;
mod clock;
mod directory;
mod endpoints;
mod fault;
mod files;
#[cfg(feature = "agent-identity")]
mod jwt_key;
mod models;
mod recorded;
mod responses;
mod server;
mod tasks;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use self::accounts::Accounts;
#[cfg(feature = "agent-identity")]
use self::agents::Agents;
use self::api_files::ApiFiles;
pub use self::clock::ManualClock;
use self::endpoints::Endpoints;
pub use self::fault::Fault;
use self::fault::Script;
use self::files::Files;
pub use self::files::StoredFile;
use self::models::Models;
pub use self::recorded::{RecordedRequest, Route};
use self::responses::Responses;
pub use self::responses::ScriptedResponse;
use self::server::Server;
#[cfg(feature = "agent-identity")]
use crate::auth::{AgentIdentity, AgentKey};
use crate::auth::{ApiKey, ChatGptTokens};
use crate::client::{Client, ClientBuilder};
use crate::environment::Environment;
use crate::exchange::Clock;
use crate::mode::Unset;

/// The account that [`Backend::chatgpt_tokens`] signs in to.
const DEFAULT_ACCOUNT: &str = "acct-embedded";
/// Longer than any test.
const LONG: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A server on `127.0.0.1`, on a port of its own, that plays the backend. It runs on a thread of its own and ends when
/// dropped.
///
/// It checks what the real backend checks: a bearer token that it issued and has not revoked, an account header that
/// fits the token, the FedRAMP header for FedRAMP accounts and for no others, and on signed URLs a signature, the
/// blob type, the exact length, and no credentials at all. Of an agent it demands an assertion over the right text for a
/// task of its own, not older or newer than five minutes, and the account header.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::testing::Backend;
/// use codex_backend::{ChatGptTokens, ErrorKind};
///
/// let backend = Backend::start()?;
/// backend.add_fedramp_account("acct-gov");
/// let token = backend.issue_access_token("acct-gov");
/// let client = backend.client().chatgpt(ChatGptTokens::new(token.clone())).build()?;
/// client.usage().get().await?;
///
/// backend.revoke_access_token(&token);
/// let error = client.usage().get().await.unwrap_err();
/// assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, Some("token_revoked")));
/// assert_eq!(backend.requests().len(), 2);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    state: Arc<State>,
    _server: Server,
}

/// What the server and the handle share.
#[derive(Debug)]
struct State {
    world: Mutex<World>,
}

#[derive(Debug)]
struct World {
    origin: String,
    accounts: Accounts,
    #[cfg(feature = "agent-identity")]
    agents: Agents,
    /// In place of the system's.
    clock: Option<Arc<dyn Clock>>,
    files: Files,
    usage: serde_json::Value,
    endpoints: Endpoints,
    api_files: ApiFiles,
    responses: Responses,
    models: Models,
    script: Script,
    requests: Vec<RecordedRequest>,
}

impl World {
    /// The server's clock.
    #[cfg(feature = "agent-identity")]
    fn now(&self) -> std::time::SystemTime {
        self.clock.as_ref().map_or_else(std::time::SystemTime::now, |clock| clock.now())
    }
}

impl State {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend {
    /// Starts a server, with one account and one API key.
    ///
    /// # Errors
    ///
    /// When the system has no port or no thread to give.
    pub fn start() -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let mut accounts = Accounts::default();
        accounts.add(DEFAULT_ACCOUNT, false);
        let world = World {
            origin: format!("http://{address}"),
            accounts,
            #[cfg(feature = "agent-identity")]
            agents: Agents::default(),
            clock: None,
            files: Files::default(),
            usage: sample_usage(),
            endpoints: Endpoints::default(),
            api_files: ApiFiles::default(),
            responses: Responses::default(),
            models: Models::default(),
            script: Script::default(),
            requests: Vec::new(),
        };
        let state = Arc::new(State { world: Mutex::new(world) });
        let server = Server::start(listener, state.clone())?;
        Ok(Self { address, state, _server: server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of its Codex backend: `http://127.0.0.1:PORT/backend-api`.
    #[must_use]
    pub fn codex_base_url(&self) -> String {
        format!("http://{}/backend-api", self.address)
    }

    /// The base URL of its OpenAI API: `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn openai_base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// A builder with both base URLs set, that does not look at the process's environment.
    pub fn client(&self) -> ClientBuilder<Unset> {
        Client::builder()
            .codex_base_url(self.codex_base_url())
            .openai_base_url(self.openai_base_url())
            .environment(Environment::empty())
    }

    /// Fresh tokens of the account that the server starts with.
    #[must_use]
    pub fn chatgpt_tokens(&self) -> ChatGptTokens {
        ChatGptTokens::new(self.issue_access_token(DEFAULT_ACCOUNT)).account_id(DEFAULT_ACCOUNT)
    }

    /// An API key of the server's OpenAI API.
    #[must_use]
    pub fn api_key(&self) -> ApiKey {
        ApiKey::new(self.state.world().accounts.issue_api_key())
    }

    /// Adds an account.
    pub fn add_account(&self, account_id: impl Into<String>) {
        self.state.world().accounts.add(account_id, false);
    }

    /// Adds a FedRAMP account, whose requests must carry `X-OpenAI-Fedramp: true`.
    pub fn add_fedramp_account(&self, account_id: impl Into<String>) {
        self.state.world().accounts.add(account_id, true);
    }

    /// An access token of an account, with claims as real ones have them. An account that does not exist is added.
    #[must_use]
    pub fn issue_access_token(&self, account_id: &str) -> SecretString {
        self.state.world().accounts.issue_access_token(account_id, LONG)
    }

    /// The content of an `auth.json` as the official tool writes it: ChatGPT tokens of an account, with an access token
    /// that lives this long (zero: it has expired) and a refresh token that works once. An account that does not exist is
    /// added. Redeeming a refresh token again revokes all that came of the first time, as the real server does.
    #[must_use]
    pub fn issue_auth_json(&self, account_id: &str, lifetime: Duration) -> String {
        self.state.world().accounts.issue_auth_json(account_id, lifetime)
    }

    /// A personal access token of an account. An account that does not exist is added.
    #[must_use]
    pub fn issue_personal_access_token(&self, account_id: &str) -> SecretString {
        self.state.world().accounts.issue_personal_access_token(account_id)
    }

    /// An identity token of a workload, as its platform would keep it in a file: by that federation rule it can be exchanged
    /// for access tokens of the account, as often as one likes.
    #[must_use]
    pub fn issue_workload_identity(&self, rule_id: &str, account_id: &str) -> String {
        self.state.world().accounts.issue_workload_identity(rule_id, account_id)
    }

    /// Refuses a token from now on, with the code `token_revoked`.
    pub fn revoke_access_token(&self, token: &SecretString) {
        self.state.world().accounts.revoke(token.expose_secret());
    }

    /// The clock that timestamps of agents are compared with, and that answers carry in `Date`, in place of the system's.
    pub fn set_clock(&self, clock: impl Clock) {
        self.state.world().clock = Some(Arc::new(clock));
    }

    /// Makes the next requests to a route fail. Faults of one route take effect in the order they are injected.
    pub fn inject(&self, route: Route, fault: Fault) {
        self.state.world().script.push(route, fault);
    }

    /// A new agent of an account, known to the server, with a key of its own and without a task. An account that does not
    /// exist is added.
    ///
    /// # Errors
    ///
    /// When the system has no randomness, or the account's id cannot be sent as a header.
    #[cfg(feature = "agent-identity")]
    pub fn issue_agent_identity(&self, account_id: &str) -> Result<AgentIdentity, crate::error::AuthError> {
        let is_fedramp = {
            let mut world = self.state.world();
            world.accounts.add_if_missing(account_id);
            world.accounts.is_fedramp(account_id)
        };
        let id = format!("agent-{}", accounts::random());
        let identity = AgentIdentity::new(id, AgentKey::generate()?, account_id)?.fedramp(is_fedramp)?;
        self.add_agent(&identity);
        Ok(identity)
    }

    /// Makes an agent known to the server that was made elsewhere.
    #[cfg(feature = "agent-identity")]
    pub fn add_agent(&self, identity: &AgentIdentity) {
        self.state.world().agents.add(identity);
    }

    /// Makes a task known to the server, as if the agent had registered it.
    #[cfg(feature = "agent-identity")]
    pub fn add_agent_task(&self, identity: &AgentIdentity, task_id: impl Into<String>) {
        self.state.world().agents.add_task(identity.agent_runtime_id(), task_id.into());
    }

    /// The JWT of a new agent of an account, signed by a key that the server makes when it is first needed and that is
    /// among those it serves. Empty where the system has no randomness.
    #[cfg(feature = "agent-identity")]
    #[must_use]
    pub fn issue_agent_jwt(&self, account_id: &str) -> SecretString {
        match self.issue_agent_identity(account_id) {
            Ok(identity) => self.sign_agent_jwt(&identity, &serde_json::json!({})),
            Err(_) => SecretString::default(),
        }
    }

    /// The JWT of an agent with other claims than it would have (`exp`, `aud`, …); those that are `null` are left out.
    #[cfg(feature = "agent-identity")]
    #[must_use]
    pub fn sign_agent_jwt(&self, identity: &AgentIdentity, claims: &serde_json::Value) -> SecretString {
        let mut all = serde_json::json!({
            "agent_runtime_id": identity.agent_runtime_id(),
            "agent_private_key": identity.key().to_pkcs8_base64().expose_secret(),
            "account_id": identity.account_id(),
            "chatgpt_user_id": identity.chatgpt_user_id().unwrap_or("user-embedded"),
            "email": identity.email().unwrap_or("user@example.com"),
            "plan_type": identity.plan_type().map_or("pro", |plan| plan.as_str()),
            "chatgpt_account_is_fedramp": identity.is_fedramp(),
        });
        if let (Some(all), Some(claims)) = (all.as_object_mut(), claims.as_object()) {
            all.extend(claims.clone());
        }
        self.state.world().agents.sign_jwt(&all).into()
    }

    /// Refuses all tasks registered so far, with the code `task_expired`.
    #[cfg(feature = "agent-identity")]
    pub fn expire_agent_tasks(&self) {
        self.state.world().agents.expire_tasks();
    }

    /// Refuses all tasks registered so far, with the code `task_not_found`.
    #[cfg(feature = "agent-identity")]
    pub fn forget_agent_tasks(&self) {
        self.state.world().agents.forget_tasks();
    }

    /// Whether the ids of tasks are sealed to the agent's key. Default: no.
    #[cfg(feature = "agent-identity")]
    pub fn seal_agent_tasks(&self, seals: bool) {
        self.state.world().agents.seals = seals;
    }

    /// How often the server answers `retry` before an uploaded file is ready. Default 0.
    pub fn set_finalize_retries(&self, retries: u32) {
        self.state.world().files.finalize_retries = retries;
    }

    /// What the server answers when asked for usage, in place of a sample.
    pub fn set_usage(&self, usage: serde_json::Value) {
        self.state.world().usage = usage;
    }

    /// How the server answers the next request for a response. Scripts are used up in the order in which they are given.
    pub fn script_response(&self, script: ScriptedResponse) {
        self.state.world().responses.script(script);
    }

    /// The catalogue of models, and its version, in place of a sample. Streams of responses tell the version too. A model
    /// whose `minimal_client_version` is newer than the version of the official tool that a request tells, in `version` or
    /// `User-Agent`, is refused to it.
    pub fn set_models(&self, models: serde_json::Value, etag: &str) {
        let mut world = self.state.world();
        (world.models.models, world.models.etag) = (models, etag.to_owned());
    }

    /// All requests so far, in the order in which they arrived.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state.world().requests.clone()
    }

    /// The requests to one route.
    #[must_use]
    pub fn requests_to(&self, route: Route) -> Vec<RecordedRequest> {
        self.requests().into_iter().filter(|request| request.route == Some(route)).collect()
    }

    /// The files that were created, in order.
    #[must_use]
    pub fn files(&self) -> Vec<StoredFile> {
        self.state.world().files.all()
    }
}

fn sample_usage() -> serde_json::Value {
    serde_json::json!({
        "plan_type": "plus",
        "rate_limit": {
            "allowed": true,
            "limit_reached": false,
            "primary_window": {
                "used_percent": 37, "limit_window_seconds": 18_000, "reset_after_seconds": 5_400, "reset_at": 1_777_000_000
            },
            "secondary_window": {
                "used_percent": 12, "limit_window_seconds": 604_800, "reset_after_seconds": 400_000, "reset_at": 1_777_400_000
            },
        },
        "credits": { "has_credits": true, "unlimited": false, "balance": "12.50", "approx_local_messages": [20, 60] },
        "additional_rate_limits": [
            { "limit_name": "Code review", "metered_feature": "codex_review", "rate_limit": null }
        ],
        "rate_limit_reached_type": null,
        "rate_limit_reset_credits": { "available_count": 1 },
    })
}
