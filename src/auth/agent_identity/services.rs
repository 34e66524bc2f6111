//! Where agents and their tasks are registered, and where the keys are that sign their JWTs.

use std::sync::Arc;

use url::Url;

use super::keys::{KeySetCache, RsaKey};
use crate::auth::service_urls::{ACCOUNTS_PATH, PRODUCTION, STAGING, STAGING_BACKEND, at, without_slash};
use crate::error::AuthError;
use crate::exchange::{BaseUrl, Exchange, Origin, PathStyle};

const PRODUCTION_BACKENDS: [&str; 2] = ["chatgpt.com", "chat.openai.com"];

/// Where agents and their tasks are registered.
///
/// [`ClientBuilder::auth_api_base_url`](crate::ClientBuilder::auth_api_base_url) names any other place, and the variable
/// `CODEX_AGENT_IDENTITY_AUTHAPI_BASE_URL` a known host or this machine. What is set in code wins over the variable.
///
/// ```
/// use codex_backend::auth::AgentAuthApi;
/// use codex_backend::Client;
///
/// let at = |base_url: &str, api| {
///     let builder = Client::builder().codex_base_url(base_url).agent_auth_api(api);
///     builder.auth_context().map(|context| context.agent_auth_api_base_url().map(|url| url.to_string()))
/// };
/// let of_environment = at("https://chatgpt.com", AgentAuthApi::OfEnvironment)?;
/// assert_eq!(of_environment.as_deref(), Some("https://auth.openai.com/api/accounts"));
/// let backend = at("http://localhost:8080/api/codex", AgentAuthApi::AtTheBackend)?;
/// assert_eq!(backend.as_deref(), Some("http://localhost:8080/api"));
/// # Ok::<(), codex_backend::ConfigError>(())
/// ```
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AgentAuthApi {
    /// The service that belongs to the backend's environment: `https://auth.openai.com/api/accounts` for the backend at
    /// `chatgpt.com` and `chat.openai.com`, `https://auth.api.openai.org/api/accounts` for the one at
    /// `chatgpt-staging.com`, and for a backend on this machine that backend itself. Any other has none, which is an error
    /// once an agent is to be registered.
    #[default]
    OfEnvironment,
    /// `https://auth.openai.com/api/accounts`, whatever the backend is.
    Production,
    /// The backend itself: its base URL without a trailing `/codex`, as the first version of the official tool that knew
    /// agent identities had it.
    AtTheBackend,
}

/// The places that agents call.
#[derive(Debug, Clone)]
pub(crate) struct AgentServices {
    /// Registers agents and their tasks. Without a trailing slash. `None` where no such service is known for the backend.
    pub(in crate::auth) url: Option<Url>,
    /// Has the keys that sign JWTs.
    pub(in crate::auth) keys_url: Url,
    /// Those keys, once they were fetched.
    keys: Arc<KeySetCache>,
}

impl AgentServices {
    /// What is given in code wins over what a variable names, and both over the service that belongs to the backend.
    pub(in crate::auth) fn new(
        base_url: &BaseUrl,
        given: Option<Url>,
        preset: Option<AgentAuthApi>,
        named: Option<Url>,
    ) -> Self {
        let url = match (given, preset, named) {
            (Some(url), _, _) | (None, None, Some(url)) => Some(url),
            (None, preset, _) => of_preset(preset.unwrap_or_default(), base_url),
        };
        let keys_url = base_url.with_target(match base_url.style() {
            PathStyle::ChatGpt => "/wham/agent-identities/jwks",
            PathStyle::Codex => "/agent-identities/jwks",
        });
        Self { url, keys_url, keys: Arc::default() }
    }

    /// The key of that id, of those that sign JWTs.
    pub(super) async fn signing_key(&self, id: &str, exchange: &Exchange) -> Result<RsaKey, AuthError> {
        self.keys.find(id, &self.keys_url, exchange).await
    }
}

fn of_preset(preset: AgentAuthApi, base_url: &BaseUrl) -> Option<Url> {
    let accounts_of = |server: &str| Some(at(&Url::parse(server).ok()?, ACCOUNTS_PATH));
    match preset {
        AgentAuthApi::OfEnvironment if base_url.is_loopback() => Some(without_slash(base_url.with_target(""))),
        AgentAuthApi::OfEnvironment => accounts_of(server_of_environment(base_url)?),
        AgentAuthApi::Production => accounts_of(PRODUCTION),
        AgentAuthApi::AtTheBackend => Some(base_url.with_root_path(&backend_path(base_url))),
    }
}

/// The auth server of the environment that the backend belongs to. Backends are compared as wholes, path included.
fn server_of_environment(base_url: &BaseUrl) -> Option<&'static str> {
    const PATHS: [&str; 4] = ["", "/backend-api", "/codex", "/backend-api/codex"];
    let (origin, path) = base_url.as_given();
    let origin = origin.filter(Origin::is_https_by_default)?;
    match origin.host() {
        host if PATHS.contains(&path) && PRODUCTION_BACKENDS.contains(&host) => Some(PRODUCTION),
        STAGING_BACKEND if PATHS.contains(&path) => Some(STAGING),
        _ => None,
    }
}

/// The backend's path, without what names one service below it.
fn backend_path(base_url: &BaseUrl) -> String {
    let (origin, path) = base_url.as_given();
    let services = ["/wham/remote/control/server/enroll", "/wham/remote/control/server"];
    let path = services.iter().find_map(|service| path.strip_suffix(service)).unwrap_or(path);
    let path = path.strip_suffix("/codex").unwrap_or(path);
    let is_production =
        origin.is_some_and(|origin| origin.is_https_by_default() && PRODUCTION_BACKENDS.contains(&origin.host()));
    if is_production && !path.contains("/backend-api") { format!("{path}/backend-api") } else { path.to_owned() }
}
