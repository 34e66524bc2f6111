use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

use super::claims::Claims;
use super::store::{CredentialStore, StoredCredentials};
use super::{ApiKey, AuthMode, AuthProvider, AuthSource, AuthSources, ChatGptSession, ChatGptTokens, FileStore};
use crate::error::{AuthError, AuthErrorKind};
use crate::limits::PlanType;
use crate::mode::{CodexBackend, OpenAiApi};

/// Credentials that were found at run time: their kind, where they came from, whose they are, and the provider that
/// authenticates requests with them.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # std::fs::write(folder.path().join("auth.json"), r#"{"OPENAI_API_KEY":"sk-example"}"#)?;
/// # let environment = codex_backend::Environment::from_vars([("CODEX_HOME", folder.path().as_os_str())]);
/// use codex_backend::{AnyClient, AuthMode, AuthSources, Client, CodexAuth};
///
/// let auth = CodexAuth::load(&AuthSources::default().environment(environment))?;
/// println!("{} from {}", auth.mode(), auth.source());
/// # assert_eq!(auth.mode(), AuthMode::ApiKey);
/// match Client::builder().build_any(&auth)? {
///     AnyClient::Backend(client) => println!("signed in with ChatGPT: {client:?}"),
///     AnyClient::PublicApi(client) => println!("an API key: {client:?}"),
///     _ => {}
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CodexAuth {
    mode: AuthMode,
    source: String,
    account: Claims,
    provider: AnyProvider,
}

/// The provider of credentials whose mode is known only at run time.
#[derive(Clone)]
#[non_exhaustive]
pub enum AnyProvider {
    /// Authenticates requests to the Codex backend.
    Backend(Arc<dyn AuthProvider<Route = CodexBackend>>),
    /// Authenticates requests to the public OpenAI API.
    PublicApi(Arc<dyn AuthProvider<Route = OpenAiApi>>),
}

impl CodexAuth {
    /// The credentials of the first source that holds any. Reads environment variables and files, which blocks for as
    /// long as that takes; makes no request.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::NotFound`] when no source holds anything. Any other kind when the first that does holds something
    /// that cannot be used: broken credentials never look like none.
    pub fn load(sources: &AuthSources) -> Result<Self, AuthError> {
        for source in sources.order() {
            let found = match source {
                AuthSource::BackendAccessToken => held_token(sources)?,
                AuthSource::CodexApiKey => api_key(source, sources.text("CODEX_API_KEY"))?,
                AuthSource::OpenAiApiKey => api_key(source, sources.text("OPENAI_API_KEY"))?,
                AuthSource::CodexAccessToken => match sources.text("CODEX_ACCESS_TOKEN") {
                    Some(token) => return Err(unsupported(source, kind_of(&token))),
                    None => None,
                },
                AuthSource::CodexHome => match sources.codex_home() {
                    Some(path) => from_file(FileStore::new(path))?,
                    None => None,
                },
                AuthSource::AuthJson(path) => from_file(FileStore::new(path))?,
                AuthSource::ReadOnlyAuthJson(path) => from_file(FileStore::read_only(path))?,
            };
            if let Some(auth) = found {
                tracing::debug!(mode = %auth.mode, source = auth.source, "found credentials");
                return Ok(auth);
            }
        }
        let looked_at: Vec<String> = sources.order().iter().map(ToString::to_string).collect();
        Err(AuthError::new(
            AuthErrorKind::NotFound,
            format!(
                "no credentials were found; looked at {}. Sign in with the official tool, or set one of the variables",
                looked_at.join(", ")
            ),
        ))
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

    pub(crate) fn wrong_mode(&self) -> AuthError {
        AuthError::new(
            AuthErrorKind::WrongMode,
            format!(
                "the credentials from {} are of the kind `{}`, and the Codex backend needs a ChatGPT sign-in",
                self.source, self.mode
            ),
        )
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

    /// When the access token found expires, if it tells. A session renews it before that.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.account.expires_at
    }
}

fn held_token(sources: &AuthSources) -> Result<Option<CodexAuth>, AuthError> {
    let Some(token) = sources.text("CODEX_BACKEND_ACCESS_TOKEN") else { return Ok(None) };
    let mut tokens = ChatGptTokens::new(token);
    if let Some(account_id) = sources.text("CODEX_BACKEND_ACCOUNT_ID") {
        tokens = tokens.account_id(account_id);
    }
    tokens = match sources.text("CODEX_BACKEND_FEDRAMP").as_deref() {
        Some("true") => tokens.fedramp(true),
        Some("false") | None => tokens,
        Some(_) => {
            let message = "CODEX_BACKEND_FEDRAMP is neither `true` nor `false`";
            return Err(AuthError::new(AuthErrorKind::Incomplete, message));
        }
    };
    Ok(Some(CodexAuth {
        mode: AuthMode::ChatGptAuthTokens,
        source: AuthSource::BackendAccessToken.to_string(),
        account: tokens.account(),
        provider: AnyProvider::Backend(Arc::new(tokens.into_provider()?)),
    }))
}

fn api_key(source: &AuthSource, key: Option<String>) -> Result<Option<CodexAuth>, AuthError> {
    key.map(|key| with_api_key(source.to_string(), key)).transpose()
}

fn with_api_key(source: String, key: String) -> Result<CodexAuth, AuthError> {
    let provider = AnyProvider::PublicApi(Arc::new(ApiKey::new(key).into_provider()?));
    Ok(CodexAuth { mode: AuthMode::ApiKey, source, account: Claims::default(), provider })
}

fn from_file(store: FileStore) -> Result<Option<CodexAuth>, AuthError> {
    let path: PathBuf = store.path().to_owned();
    let Some(stored) = store.load()? else { return Ok(None) };
    let source = path.display().to_string();
    let in_file = |error: AuthError| AuthError::new(error.kind(), format!("{source}: {error}")).with_source(error);
    let mode = stored.mode().map_err(in_file)?;
    match mode {
        AuthMode::ApiKey => {
            let key = key_of(&stored).ok_or_else(|| {
                in_file(AuthError::new(AuthErrorKind::Incomplete, "there is no `OPENAI_API_KEY` in it"))
            })?;
            with_api_key(source.clone(), key).map(Some).map_err(in_file)
        }
        AuthMode::ChatGpt => {
            let session = ChatGptSession::open(store).map_err(in_file)?;
            let account = session.account();
            Ok(Some(CodexAuth { mode, source, account, provider: AnyProvider::Backend(Arc::new(session)) }))
        }
        other => Err(unsupported(&AuthSource::AuthJson(path), other)),
    }
}

/// What a value of `CODEX_ACCESS_TOKEN` is, by its prefix.
fn kind_of(token: &str) -> AuthMode {
    if token.starts_with("at-") { AuthMode::PersonalAccessToken } else { AuthMode::AgentIdentity }
}

fn unsupported(source: &AuthSource, mode: AuthMode) -> AuthError {
    AuthError::new(
        AuthErrorKind::Unsupported,
        format!("{source}: credentials of the kind `{mode}` are recognised, and cannot be used by this version"),
    )
}

fn key_of(stored: &StoredCredentials) -> Option<String> {
    let key = stored.document.get("OPENAI_API_KEY").and_then(Value::as_str).map(str::trim);
    key.filter(|key| !key.is_empty()).map(str::to_owned)
}

impl fmt::Debug for CodexAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodexAuth").field("mode", &self.mode).field("source", &self.source).finish_non_exhaustive()
    }
}

impl fmt::Debug for AnyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backend(_) => "AnyProvider::Backend",
            Self::PublicApi(_) => "AnyProvider::PublicApi",
        })
    }
}
