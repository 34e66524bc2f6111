//! The places where credentials may be found, and their order.

use std::fmt;
use std::path::PathBuf;

use super::CredentialRestrictions;
use super::workload_identity::RULE_VARIABLE;
use crate::environment::Environment;
use crate::error::{AuthError, AuthErrorKind};

/// A place where credentials may be found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthSource {
    /// The variable `CODEX_BACKEND_ACCESS_TOKEN`: a ChatGPT access token that the caller keeps fresh, with
    /// `CODEX_BACKEND_ACCOUNT_ID` and `CODEX_BACKEND_FEDRAMP` (`true` or `false`) beside it.
    BackendAccessToken,
    /// The variable `CODEX_API_KEY`: a key of the public OpenAI API.
    CodexApiKey,
    /// The variable `OPENAI_API_KEY`: a key of the public OpenAI API. Many programs set it for their own purposes, so it
    /// is not among the sources by default.
    OpenAiApiKey,
    /// The variable `CODEX_ACCESS_TOKEN`: a personal access token (`at-…`), else an agent identity (a JWT).
    CodexAccessToken,
    /// The variable `CODEX_AGENT_IDENTITY`: an agent identity (a JWT), by the older name of the variable.
    CodexAgentIdentity,
    /// The variables `OPENAI_FEDERATION_RULE_ID` and `OPENAI_IDENTITY_TOKEN_FILE`: the identity of a workload. One of them
    /// without the other is an error.
    Workload,
    /// The file `auth.json` in the folder that `CODEX_HOME` names, else in `~/.codex`: the official tool's.
    CodexHome,
    /// The official tool's entry in the keyring of the operating system, for the folder that `CODEX_HOME` names, else
    /// `~/.codex`: [`KeyringStore`](crate::auth::KeyringStore). Needs the feature `keyring`. That no keyring can be reached is an
    /// error, so it is not among the sources by default.
    #[cfg(feature = "keyring")]
    Keyring,
    /// A file in the shape of `auth.json`.
    AuthJson(PathBuf),
    /// A file in the shape of `auth.json`, for reading only: its refresh token is never used.
    ReadOnlyAuthJson(PathBuf),
}

impl fmt::Display for AuthSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BackendAccessToken => f.write_str("CODEX_BACKEND_ACCESS_TOKEN"),
            Self::CodexApiKey => f.write_str("CODEX_API_KEY"),
            Self::OpenAiApiKey => f.write_str("OPENAI_API_KEY"),
            Self::CodexAccessToken => f.write_str("CODEX_ACCESS_TOKEN"),
            Self::CodexAgentIdentity => f.write_str("CODEX_AGENT_IDENTITY"),
            Self::Workload => f.write_str(RULE_VARIABLE),
            Self::CodexHome => f.write_str("CODEX_HOME"),
            #[cfg(feature = "keyring")]
            Self::Keyring => f.write_str("the keyring"),
            Self::AuthJson(path) | Self::ReadOnlyAuthJson(path) => path.display().fmt(f),
        }
    }
}

/// Which sources are looked at, and in which order. The first that holds something decides: if what it holds is broken,
/// that is an error, and no later source is tried.
///
/// The default is, in this order:
///
/// | source | kind of credentials |
/// | --- | --- |
/// | `CODEX_BACKEND_ACCESS_TOKEN`, with `CODEX_BACKEND_ACCOUNT_ID` and `CODEX_BACKEND_FEDRAMP` | a ChatGPT access token |
/// | `OPENAI_FEDERATION_RULE_ID`, with `OPENAI_IDENTITY_TOKEN_FILE` | the identity of a workload |
/// | `CODEX_API_KEY` | an API key |
/// | `CODEX_ACCESS_TOKEN` | a personal access token (`at-…`), else an agent identity |
/// | `CODEX_AGENT_IDENTITY` | an agent identity |
/// | `auth.json` in the folder `CODEX_HOME`, else `~/.codex` | what it holds |
///
/// `OPENAI_API_KEY` is none of them, since it is often set for other programs: add it where it is meant. A variable that is
/// blank counts as unset.
///
/// ```
/// use codex_backend::auth::{AuthSource, AuthSources};
/// use codex_backend::transport::Environment;
///
/// let sources = AuthSources::default().and(AuthSource::OpenAiApiKey);
/// let only_mine = AuthSources::none().and(AuthSource::AuthJson("/var/lib/mine/auth.json".into()));
/// # let _ = (sources.environment(Environment::empty()), only_mine);
/// ```
#[derive(Debug, Clone)]
pub struct AuthSources {
    order: Vec<AuthSource>,
    environment: Environment,
    restrictions: CredentialRestrictions,
}

impl AuthSources {
    /// No source yet.
    #[must_use]
    pub fn none() -> Self {
        Self { order: Vec::new(), environment: Environment::process(), restrictions: CredentialRestrictions::default() }
    }

    /// One more source, behind those there are.
    #[must_use]
    pub fn and(mut self, source: AuthSource) -> Self {
        self.order.retain(|known| *known != source);
        self.order.push(source);
        self
    }

    /// Where variables are read, in place of the process's environment.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Refuses credentials that are not allowed. They are an error, and no later source is tried. CredentialRestrictions that are set
    /// twice both hold.
    #[must_use]
    pub fn restrict(mut self, restrictions: CredentialRestrictions) -> Self {
        self.restrictions = self.restrictions.and(restrictions);
        self
    }

    pub(super) fn restrictions(&self) -> &CredentialRestrictions {
        &self.restrictions
    }

    pub(crate) fn variables(&self) -> &Environment {
        &self.environment
    }

    pub(super) fn order(&self) -> &[AuthSource] {
        &self.order
    }

    /// What a variable holds, if it is set. One that is not text is an error: it never looks like one that is not set.
    pub(super) fn text(&self, variable: &str) -> Result<Option<String>, AuthError> {
        let Some(value) = self.environment.value(variable) else { return Ok(None) };
        match value.to_str() {
            Some(text) => Ok(Some(text.trim().to_owned())),
            None => Err(AuthError::new(AuthErrorKind::Incomplete, format!("{variable} is not Unicode"))),
        }
    }

    /// The official tool's folder, if there is a home to look in.
    pub(super) fn codex_home(&self) -> Option<PathBuf> {
        let folder = |variable| self.environment.value(variable).map(PathBuf::from);
        folder("CODEX_HOME").or_else(|| Some(folder("HOME").or_else(|| folder("USERPROFILE"))?.join(".codex")))
    }
}

impl Default for AuthSources {
    fn default() -> Self {
        Self::none()
            .and(AuthSource::BackendAccessToken)
            .and(AuthSource::Workload)
            .and(AuthSource::CodexApiKey)
            .and(AuthSource::CodexAccessToken)
            .and(AuthSource::CodexAgentIdentity)
            .and(AuthSource::CodexHome)
    }
}
