//! Credentials found at run time: where they are looked for, and what is made of them.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use secrecy::SecretString;

use super::chatgpt::Tokens;
use super::claims::Claims;
#[cfg(feature = "keyring")]
use super::store::KeyringStore;
use super::store::{CredentialStore, StoredCredentials};
use super::{
    AccountFacts, ApiKey, AuthContext, AuthFuture, AuthMode, AuthProvider, AuthSource, AuthSources, BearerCommand,
    ChatGptSession, ChatGptTokens, FileStore, ForgottenCredentials, HeldHeaders, HostTokens, PersonalAccessToken,
    ReadyMadeHeaders, RevocationOutcome, SignOut, WorkloadIdentity,
};
#[cfg(feature = "agent-identity")]
use super::{AgentIdentity, LazyAgent, RegisteredAgent};
use crate::error::{AuthError, AuthErrorKind};
use crate::limits::PlanType;
use crate::mode::mistakes::CodexAuthAsProvider;
use crate::mode::{CodexBackend, OpenAiApi};

/// The name of the file in the official tool's folder.
const AUTH_JSON: &str = "auth.json";

/// Credentials that were found at run time: their kind, where they came from, whose they are, and the provider that
/// authenticates requests with them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # std::fs::write(folder.path().join("auth.json"), r#"{"OPENAI_API_KEY":"sk-example"}"#)?;
/// # let environment = codex_backend::transport::Environment::from_vars([("CODEX_HOME", folder.path().as_os_str())]);
/// use codex_backend::auth::AuthSources;
/// use codex_backend::{AnyClient, CodexAuth};
///
/// let sources = AuthSources::default();
/// # let sources = sources.environment(environment);
/// let auth = CodexAuth::load(&sources).await?;
/// println!("{} from {}", auth.mode(), auth.source());
/// # assert_eq!(auth.mode(), codex_backend::auth::AuthMode::OpenAiKey);
/// match AnyClient::from_auth(&auth)? {
///     AnyClient::Codex(client) => println!("signed in with ChatGPT: {client:?}"),
///     AnyClient::OpenAi(client) => println!("an API key: {client:?}"),
///     _ => {}
/// }
/// # Ok(()) }
/// ```
#[doc(alias("login", "sign in", "log in"))]
#[derive(Clone)]
pub struct CodexAuth {
    mode: AuthMode,
    source: String,
    account: Claims,
    provider: AnyProvider,
    stores: Vec<Arc<dyn CredentialStore>>,
    /// Told when they are revoked.
    session: Option<ChatGptSession>,
}

/// For the compiler to say which setter takes it.
#[doc(hidden)]
impl AuthProvider for CodexAuth
where
    for<'a> &'a CodexAuth: CodexAuthAsProvider,
{
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        <&CodexAuth>::never()
    }
}

/// The provider of credentials whose mode is known only at run time.
#[derive(Clone)]
#[non_exhaustive]
pub enum AnyProvider {
    /// Authenticates requests to the Codex backend.
    Codex(Arc<dyn AuthProvider<Route = CodexBackend>>),
    /// Authenticates requests to the public OpenAI API.
    OpenAi(Arc<dyn AuthProvider<Route = OpenAiApi>>),
}

impl CodexAuth {
    /// The credentials of the first source that holds any.
    ///
    /// Reads environment variables and files. Makes no request, unless the kind of credentials needs one to become usable:
    /// a personal access token is verified, an agent identity in the form of a JWT too, and the identity of a workload is
    /// exchanged. Those calls are made with the settings of `context`, which a builder gives
    /// ([`auth_context`](crate::ClientBuilder::auth_context)); [`CodexAuth::load`] takes those that a plain builder has.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::NotFound`] when no source holds anything. Any other kind when the first that does holds something
    /// that cannot be used: broken credentials never look like none. Dropping the future loses nothing.
    pub async fn load_with(sources: &AuthSources, context: &AuthContext) -> Result<Self, AuthError> {
        let looked_at = sources.clone();
        let found = tokio::task::spawn_blocking(move || look_for(&looked_at)).await;
        let found =
            found.map_err(|error| AuthError::transient("looking for credentials was cut off").with_source(error))?;
        let auth = found?.into_auth(context).await?;
        sources.restrictions().check(auth.mode, auth.account_id()).map_err(|error| in_source(&auth.source, error))?;
        tracing::info!(mode = %auth.mode, source = auth.source, "found credentials");
        Ok(auth)
    }

    /// The kind of credentials.
    #[must_use]
    pub fn mode(&self) -> AuthMode {
        self.mode
    }

    /// Whether they open the Codex backend.
    #[must_use]
    pub fn uses_codex_backend(&self) -> bool {
        self.mode.uses_codex_backend()
    }

    /// Where they were found: the name of a variable, or the path of a file.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The provider that authenticates requests with them.
    #[must_use]
    pub fn provider(&self) -> &AnyProvider {
        &self.provider
    }

    /// They do not open what `needed` says.
    pub(crate) fn wrong_mode(&self, needed: &str) -> AuthError {
        let message = format!("the credentials from {} are of the kind `{}`, and {needed}", self.source, self.mode);
        AuthError::new(AuthErrorKind::OtherMode, message)
    }

    /// The account (workspace), where known.
    #[must_use]
    pub fn account_id(&self) -> Option<&str> {
        self.account.account_id.as_deref()
    }

    /// The ChatGPT user, where known.
    #[must_use]
    pub fn chatgpt_user_id(&self) -> Option<&str> {
        self.account.user_id.as_deref()
    }

    /// The user's e-mail address, where known.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.account.email.as_deref()
    }

    /// The account's plan, where known.
    #[must_use]
    pub fn plan_type(&self) -> Option<&PlanType> {
        self.account.plan_type.as_ref()
    }

    /// Whether it is a FedRAMP account.
    #[must_use]
    pub fn is_fedramp(&self) -> bool {
        self.account.is_fedramp
    }

    /// Whether it is a workspace of several users, by its plan.
    #[must_use]
    pub fn is_workspace_account(&self) -> bool {
        self.plan_type().is_some_and(PlanType::is_workspace)
    }

    /// The region the workspace is bound to, where it is.
    #[must_use]
    pub fn data_residency(&self) -> Option<&str> {
        self.account.residency.as_deref()
    }

    /// Completes when nothing is left to be saved of what a refresh gave: [`Client::settled`](crate::Client::settled), for the
    /// clients made with them.
    ///
    /// # Errors
    ///
    /// As [`Client::settled`](crate::Client::settled).
    pub async fn settled(&self) -> Result<(), AuthError> {
        match &self.provider {
            AnyProvider::Codex(provider) => provider.settled().await,
            AnyProvider::OpenAi(provider) => provider.settled().await,
        }
    }

    /// Forgets these credentials in the stores they were found in: [`SignOut::forget`].
    #[must_use = "it tells which stores could not be emptied"]
    pub fn forget(&self) -> ForgottenCredentials {
        SignOut::of_all(self.stores.clone()).forget()
    }

    /// Revokes these credentials at the server, and forgets them: [`SignOut::revoke`], which says what else that signs out.
    /// Clients made with them say in their [health](crate::Client::auth_health) that the user must sign in again.
    ///
    /// # Errors
    ///
    /// When they are not ChatGPT tokens of a store, or when the server did not confirm.
    pub async fn revoke(&self, context: &AuthContext) -> Result<RevocationOutcome, AuthError> {
        let outcome = SignOut::of_all(self.stores.clone()).revoke(context).await?;
        if let Some(session) = &self.session {
            session.was_revoked();
        }
        Ok(outcome)
    }

    /// When the access token found expires, if it tells. A session refreshes it before that.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.account.expires_at
    }
}

impl From<&CodexAuth> for AccountFacts {
    fn from(auth: &CodexAuth) -> Self {
        if auth.mode() == AuthMode::OpenAiKey {
            return Self::default();
        }
        Self {
            account_id: auth.account_id().map(str::to_owned),
            user_id: auth.chatgpt_user_id().map(str::to_owned),
            plan_type: auth.plan_type().cloned(),
        }
    }
}

/// What a source holds, before any request.
enum Found {
    Usable(CodexAuth),
    PersonalAccessToken {
        source: String,
        token: SecretString,
        stores: Vec<Arc<dyn CredentialStore>>,
    },
    WorkloadIdentity {
        source: String,
        identity: WorkloadIdentity,
    },
    #[cfg(feature = "agent-identity")]
    AgentIdentity {
        source: String,
        stored: StoredCredentials,
        stores: Vec<Arc<dyn CredentialStore>>,
    },
}

impl Found {
    async fn into_auth(self, context: &AuthContext) -> Result<CodexAuth, AuthError> {
        match self {
            Self::Usable(auth) => Ok(auth),
            Self::PersonalAccessToken { source, token, stores } => {
                let token = PersonalAccessToken::verify(token, context).await;
                let token = token.map_err(|error| in_source(&source, error))?;
                let mode = AuthMode::PersonalToken;
                Ok(CodexAuth::backend(mode, source, token.account(), token).kept_in(stores))
            }
            Self::WorkloadIdentity { source, identity } => {
                let account = identity.verified_account(context).await;
                let account = account.map_err(|error| in_source(&source, error))?;
                Ok(CodexAuth::backend(AuthMode::ChatGptAuthTokens, source, account, identity))
            }
            #[cfg(feature = "agent-identity")]
            Self::AgentIdentity { source, stored, stores } => {
                let identity = Box::pin(AgentIdentity::from_stored(&stored, context)).await;
                let agent = identity.map_err(|error| in_source(&source, error))?.lazy();
                let account = agent.identity().account();
                Ok(CodexAuth::backend(AuthMode::Agent, source, account, agent).kept_in(stores))
            }
        }
    }
}

impl CodexAuth {
    fn backend(
        mode: AuthMode,
        source: impl Into<String>,
        account: Claims,
        provider: impl AuthProvider<Route = CodexBackend>,
    ) -> Self {
        let provider = AnyProvider::Codex(Arc::new(provider));
        Self { mode, source: source.into(), account, provider, stores: Vec::new(), session: None }
    }

    fn of_session(source: impl Into<String>, session: ChatGptSession) -> Self {
        let auth = Self::backend(AuthMode::ChatGpt, source, session.account(), session.clone());
        Self { session: Some(session), ..auth }
    }

    fn kept_in(self, stores: Vec<Arc<dyn CredentialStore>>) -> Self {
        Self { stores, ..self }
    }
}

/// Credentials that the application brings along itself.
macro_rules! given {
    ($($credentials:ty => $mode:expr, $account:expr;)*) => {$(
        impl From<$credentials> for CodexAuth {
            fn from(credentials: $credentials) -> Self {
                let account: fn(&$credentials) -> Claims = $account;
                let account = account(&credentials);
                Self::backend($mode, "the application", account, credentials)
            }
        }
    )*};
}

given! {
    HostTokens => AuthMode::ChatGptAuthTokens, |_| Claims::default();
    PersonalAccessToken => AuthMode::PersonalToken, PersonalAccessToken::account;
    ReadyMadeHeaders => AuthMode::Headers, ReadyMadeHeaders::account;
}

#[cfg(feature = "agent-identity")]
given! {
    RegisteredAgent => AuthMode::Agent, |agent| agent.identity().account();
    LazyAgent => AuthMode::Agent, |agent| agent.identity().account();
}

impl From<ChatGptSession> for CodexAuth {
    fn from(session: ChatGptSession) -> Self {
        Self::of_session("the application", session)
    }
}

impl From<BearerCommand> for CodexAuth {
    fn from(command: BearerCommand) -> Self {
        Self {
            mode: AuthMode::OpenAiKey,
            source: "the application".to_owned(),
            account: Claims::default(),
            provider: AnyProvider::OpenAi(Arc::new(command)),
            stores: Vec::new(),
            session: None,
        }
    }
}

fn look_for(sources: &AuthSources) -> Result<Found, AuthError> {
    for source in sources.order() {
        let found = match source {
            AuthSource::BackendAccessToken => held_token(sources)?,
            AuthSource::Workload => workload_identity(sources)?,
            AuthSource::CodexApiKey => api_key(source, sources.text("CODEX_API_KEY")?)?,
            AuthSource::OpenAiApiKey => api_key(source, sources.text("OPENAI_API_KEY")?)?,
            AuthSource::CodexAccessToken => access_token(source, sources.text("CODEX_ACCESS_TOKEN")?)?,
            AuthSource::CodexAgentIdentity => agent_identity(source, sources.text("CODEX_AGENT_IDENTITY")?)?,
            AuthSource::CodexHome => match sources.codex_home() {
                Some(home) => from_store(FileStore::new(home.join(AUTH_JSON)), Vec::new())?,
                None => None,
            },
            #[cfg(feature = "keyring")]
            AuthSource::Keyring => match sources.codex_home() {
                // The official tool falls back to the file when the keyring fails: to forget is to forget both.
                Some(home) => {
                    let file = FileStore::new(home.join(AUTH_JSON));
                    from_store(KeyringStore::new(home), vec![Arc::new(file)])?
                }
                None => None,
            },
            AuthSource::AuthJson(path) => from_store(FileStore::new(path), Vec::new())?,
            AuthSource::ReadOnlyAuthJson(path) => from_store(FileStore::read_only(path), Vec::new())?,
        };
        if let Some(found) = found {
            return Ok(found);
        }
    }
    let place = |source: &AuthSource| match (source, sources.codex_home()) {
        (AuthSource::CodexHome, Some(home)) => format!("{source} ({})", home.join(AUTH_JSON).display()),
        (source, _) => source.to_string(),
    };
    let looked_at: Vec<String> = sources.order().iter().map(place).collect();
    let skipped = if sources.order().contains(&AuthSource::OpenAiApiKey) {
        ""
    } else {
        ". OPENAI_API_KEY is skipped unless it is asked for (`AuthSource::OpenAiApiKey`)"
    };
    Err(AuthError::new(
        AuthErrorKind::NotFound,
        format!(
            "no credentials were found; looked at {}. Sign in with the official tool, or set one of the variables{skipped}",
            looked_at.join(", ")
        ),
    ))
}

fn held_token(sources: &AuthSources) -> Result<Option<Found>, AuthError> {
    let Some(token) = sources.text("CODEX_BACKEND_ACCESS_TOKEN")? else { return Ok(None) };
    let mut tokens = ChatGptTokens::new(token);
    if let Some(account_id) = sources.text("CODEX_BACKEND_ACCOUNT_ID")? {
        tokens = tokens.account_id(account_id);
    }
    tokens = match sources.text("CODEX_BACKEND_FEDRAMP")?.as_deref() {
        Some("true") => tokens.fedramp(true),
        Some("false") | None => tokens,
        Some(_) => {
            let message = "CODEX_BACKEND_FEDRAMP is neither `true` nor `false`";
            return Err(AuthError::new(AuthErrorKind::Incomplete, message));
        }
    };
    let (mode, source) = (AuthMode::ChatGptAuthTokens, AuthSource::BackendAccessToken.to_string());
    let account = tokens.account();
    let provider = tokens.into_provider().map_err(|error| in_source(&source, error))?;
    Ok(Some(Found::Usable(CodexAuth::backend(mode, source, account, provider))))
}

fn workload_identity(sources: &AuthSources) -> Result<Option<Found>, AuthError> {
    let identity = WorkloadIdentity::named_by(sources.variables(), sources.restrictions().clone())?;
    Ok(identity.map(|identity| Found::WorkloadIdentity { source: AuthSource::Workload.to_string(), identity }))
}

fn api_key(source: &AuthSource, key: Option<String>) -> Result<Option<Found>, AuthError> {
    key.map(|key| with_api_key(source.to_string(), key).map(Found::Usable)).transpose()
}

fn with_api_key(source: String, key: String) -> Result<CodexAuth, AuthError> {
    let provider = ApiKey::new(key).into_provider().map_err(|error| in_source(&source, error))?;
    let provider = AnyProvider::OpenAi(Arc::new(provider));
    Ok(CodexAuth {
        mode: AuthMode::OpenAiKey,
        source,
        account: Claims::default(),
        provider,
        stores: Vec::new(),
        session: None,
    })
}

/// A personal access token, or else an agent identity.
fn access_token(source: &AuthSource, token: Option<String>) -> Result<Option<Found>, AuthError> {
    match token {
        Some(token) if PersonalAccessToken::is_one(&token) => {
            Ok(Some(Found::PersonalAccessToken { source: source.to_string(), token: token.into(), stores: Vec::new() }))
        }
        token => agent_identity(source, token),
    }
}

fn agent_identity(source: &AuthSource, jwt: Option<String>) -> Result<Option<Found>, AuthError> {
    let Some(jwt) = jwt else { return Ok(None) };
    let stored = StoredCredentials::of_agent_identity(jwt);
    stored_agent_identity(&source.to_string(), stored, Vec::new()).map(Some)
}

#[cfg(feature = "agent-identity")]
fn stored_agent_identity(
    source: &str,
    stored: StoredCredentials,
    stores: Vec<Arc<dyn CredentialStore>>,
) -> Result<Found, AuthError> {
    Ok(Found::AgentIdentity { source: source.to_owned(), stored, stores })
}

#[cfg(not(feature = "agent-identity"))]
fn stored_agent_identity(
    source: &str,
    _: StoredCredentials,
    _: Vec<Arc<dyn CredentialStore>>,
) -> Result<Found, AuthError> {
    let message = format!("{source}: an agent identity needs the feature `agent-identity` of this crate");
    Err(AuthError::new(AuthErrorKind::Unsupported, message))
}

/// What a store keeps, by its kind. Every error names the store. `beside` are stores that are to be forgotten with it.
fn from_store(
    store: impl CredentialStore + Clone,
    beside: Vec<Arc<dyn CredentialStore>>,
) -> Result<Option<Found>, AuthError> {
    let Some(stored) = store.load()? else { return Ok(None) };
    from_stored(store, beside, &stored).map(Some)
}

fn from_stored(
    store: impl CredentialStore + Clone,
    beside: Vec<Arc<dyn CredentialStore>>,
    stored: &StoredCredentials,
) -> Result<Found, AuthError> {
    let source = store.describe();
    let in_store = |error| in_source(&source, error);
    let mode = stored.mode().map_err(in_store)?;
    let member = |name: &str| {
        stored
            .text(name)
            .ok_or_else(|| in_store(AuthError::new(AuthErrorKind::Incomplete, format!("there is no `{name}` in it"))))
    };
    let mut stores: Vec<Arc<dyn CredentialStore>> = vec![Arc::new(store.clone())];
    stores.extend(beside);
    match mode {
        AuthMode::OpenAiKey => {
            let auth = with_api_key(source.clone(), member("OPENAI_API_KEY")?)?;
            Ok(Found::Usable(auth.kept_in(stores)))
        }
        AuthMode::ChatGpt => {
            let session = ChatGptSession::open(store).map_err(in_store)?;
            Ok(Found::Usable(CodexAuth::of_session(source, session).kept_in(stores)))
        }
        // A host application's, which left them here; they cannot be refreshed from here.
        AuthMode::ChatGptAuthTokens => {
            let tokens = Tokens::kept_in(stored).map_err(in_store)?;
            let provider = HeldHeaders::new(tokens.headers(0).map_err(in_store)?);
            Ok(Found::Usable(CodexAuth::backend(mode, source, tokens.account, provider).kept_in(stores)))
        }
        AuthMode::PersonalToken => {
            let token = member("personal_access_token")?.into();
            Ok(Found::PersonalAccessToken { source, token, stores })
        }
        AuthMode::Agent => stored_agent_identity(&source, stored.clone(), stores),
        other => Err(unsupported(&source, other)),
    }
}

/// Says where the credentials are that something is wrong with.
fn in_source(source: &str, error: AuthError) -> AuthError {
    error.of_source(source)
}

fn unsupported(source: &str, mode: AuthMode) -> AuthError {
    let reason = match mode {
        AuthMode::BedrockApiKey | AuthMode::BedrockAccessKeys => {
            "are for Amazon Bedrock, which this crate does not talk to"
        }
        AuthMode::Headers => "are never kept in a store",
        _ => "cannot be used by this version",
    };
    let message = format!("{source}: credentials of the kind `{mode}` {reason}");
    AuthError::new(AuthErrorKind::Unsupported, message)
}

impl fmt::Debug for CodexAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodexAuth").field("mode", &self.mode).field("source", &self.source).finish_non_exhaustive()
    }
}

impl fmt::Debug for AnyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Codex(_) => "AnyProvider::Codex",
            Self::OpenAi(_) => "AnyProvider::OpenAi",
        })
    }
}
