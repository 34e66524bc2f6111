use std::fmt;
use std::path::PathBuf;

use crate::environment::Environment;

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
    /// The variable `CODEX_ACCESS_TOKEN`: a personal access token (`at-…`) or an agent identity. This version recognises
    /// both and cannot use them: where the variable is set, that is an error, not a reason to take other credentials.
    CodexAccessToken,
    /// The file `auth.json` in the folder that `CODEX_HOME` names, else in `~/.codex`: the official tool's.
    CodexHome,
    /// A file in the shape of `auth.json`.
    AuthJson(PathBuf),
    /// A file in the shape of `auth.json`, for reading only: its refresh token is never redeemed.
    ReadOnlyAuthJson(PathBuf),
}

impl fmt::Display for AuthSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BackendAccessToken => f.write_str("CODEX_BACKEND_ACCESS_TOKEN"),
            Self::CodexApiKey => f.write_str("CODEX_API_KEY"),
            Self::OpenAiApiKey => f.write_str("OPENAI_API_KEY"),
            Self::CodexAccessToken => f.write_str("CODEX_ACCESS_TOKEN"),
            Self::CodexHome => f.write_str("CODEX_HOME"),
            Self::AuthJson(path) | Self::ReadOnlyAuthJson(path) => path.display().fmt(f),
        }
    }
}

/// Which sources are looked at, and in which order. The first that holds something decides: if what it holds is broken,
/// that is an error, and no later source is tried.
///
/// The default is `CODEX_BACKEND_ACCESS_TOKEN`, then `CODEX_API_KEY`, then `CODEX_ACCESS_TOKEN`, then `auth.json` in
/// `CODEX_HOME`. A variable that is blank counts as unset.
///
/// ```
/// use codex_backend::{AuthSource, AuthSources, Environment};
///
/// let sources = AuthSources::default().and(AuthSource::OpenAiApiKey);
/// let only_mine = AuthSources::none().and(AuthSource::AuthJson("/var/lib/mine/auth.json".into()));
/// # let _ = (sources.environment(Environment::empty()), only_mine);
/// ```
#[derive(Debug, Clone)]
pub struct AuthSources {
    order: Vec<AuthSource>,
    environment: Environment,
}

impl AuthSources {
    /// No source yet.
    #[must_use]
    pub fn none() -> Self {
        Self { order: Vec::new(), environment: Environment::process() }
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

    pub(super) fn order(&self) -> &[AuthSource] {
        &self.order
    }

    pub(super) fn text(&self, variable: &str) -> Option<String> {
        self.environment.text(variable)
    }

    /// The official tool's `auth.json`, if there is a home to look in.
    pub(super) fn codex_home(&self) -> Option<PathBuf> {
        let folder = |variable| self.environment.value(variable).map(PathBuf::from);
        let home =
            folder("CODEX_HOME").or_else(|| Some(folder("HOME").or_else(|| folder("USERPROFILE"))?.join(".codex")));
        Some(home?.join("auth.json"))
    }
}

impl Default for AuthSources {
    fn default() -> Self {
        Self::none()
            .and(AuthSource::BackendAccessToken)
            .and(AuthSource::CodexApiKey)
            .and(AuthSource::CodexAccessToken)
            .and(AuthSource::CodexHome)
    }
}
