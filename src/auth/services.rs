//! Where the calls go that auth itself makes.

use url::Url;

#[cfg(feature = "agent-identity")]
use super::agent_identity::{AgentAuthApi, AgentServices};
use super::service_urls::{ACCOUNTS_PATH, PRODUCTION, STAGING, STAGING_BACKEND, at, without_slash};
use crate::environment::Environment;
use crate::error::{AuthError, AuthErrorKind, ConfigError};
use crate::exchange::{BaseUrl, Origin, TrustedHosts, has_user_info, is_loopback};

const TOKEN_PATH: &str = "/oauth/token";
const REVOKE_PATH: &str = "/oauth/revoke";

const TOKEN_URL: &str = "CODEX_REFRESH_TOKEN_URL_OVERRIDE";
const REVOKE_URL: &str = "CODEX_REVOKE_TOKEN_URL_OVERRIDE";
const ACCOUNTS_URL: &str = "CODEX_AUTHAPI_BASE_URL";
#[cfg(feature = "agent-identity")]
const AGENTS_URL: &str = "CODEX_AGENT_IDENTITY_AUTHAPI_BASE_URL";

/// The places that auth calls. They belong to the backend: a backend on loopback serves them itself, so that nothing of a
/// test ever goes to production; a staging backend has those of staging.
#[derive(Debug, Clone)]
pub(crate) struct AuthServices {
    /// Refreshes tokens.
    pub(crate) token_url: Url,
    /// Whose refresh tokens may be sent there.
    pub(crate) issuers: KnownIssuers,
    /// Revokes tokens.
    pub(crate) revoke_url: Url,
    /// Exchanges identity tokens of workloads.
    pub(crate) exchange_url: Url,
    /// Knows whose a personal access token is. Without a trailing slash.
    pub(crate) accounts_url: Url,
    /// Where agents are registered.
    #[cfg(feature = "agent-identity")]
    pub(crate) agents: AgentServices,
}

/// What the application sets in code.
#[derive(Debug, Default, Clone)]
pub(crate) struct GivenAuthUrls {
    pub(crate) token_url: Option<String>,
    pub(crate) auth_api_base_url: Option<String>,
    #[cfg(feature = "agent-identity")]
    pub(crate) agent_auth_api: Option<AgentAuthApi>,
}

impl AuthServices {
    /// What is set in code wins over the environment, which may name known hosts and loopback only.
    pub(crate) fn new(
        base_url: &BaseUrl,
        given: &GivenAuthUrls,
        environment: &Environment,
        allowed: &[Origin],
    ) -> Result<Self, ConfigError> {
        let named = |variable: &'static str| match environment.value(variable) {
            // One that is not text is an error: if it were skipped, credentials would go to another place.
            Some(value) => match checked(value.to_str().unwrap_or_default(), variable, &[])? {
                url if base_url.is_loopback() && !is_loopback(&url) => Err(ConfigError::InvalidAuthUrl {
                    setting: variable,
                    reason: "the base URL is on loopback and it is not: such a client reaches no other host, unless it is set \
                             in code",
                }),
                url => Ok(Some(url)),
            },
            None => Ok(None),
        };
        let in_code = |text: &Option<String>, setter: &'static str| match text {
            Some(text) => checked(text, setter, allowed).map(Some),
            None => Ok(None),
        };
        // A variable that code overrides is not looked at: it may be one that only another program can use.
        let token_url_in_code = in_code(&given.token_url, ".token_url(..)")?;
        let (given_token_url, named_revoke_url) = match token_url_in_code {
            Some(url) => (Some(url), None),
            None => (named(TOKEN_URL)?, named(REVOKE_URL)?),
        };
        let given_api = in_code(&given.auth_api_base_url, ".auth_api_base_url(..)")?.map(without_slash);

        let issuer = issuer_of(base_url)?;
        let named_in_code = given_token_url.iter().filter(|_| given.token_url.is_some()).chain([&issuer]);
        let issuers = KnownIssuers {
            origins: named_in_code.filter_map(Origin::of).chain(allowed.iter().cloned()).collect(),
            is_loopback: base_url.is_loopback(),
        };
        let accounts_url = if base_url.is_loopback() { base_url.with_target("") } else { at(&issuer, ACCOUNTS_PATH) };
        let revoke_url = match (named_revoke_url, &given_token_url) {
            (Some(url), _) => url,
            (None, Some(token_url)) => at(token_url, REVOKE_PATH),
            (None, None) => at(&issuer, REVOKE_PATH),
        };
        let accounts = |named: Option<Url>| without_slash(named.unwrap_or_else(|| accounts_url.clone()));
        #[cfg(feature = "agent-identity")]
        let agents = {
            let is_given = given_api.is_some() || given.agent_auth_api.is_some();
            let named_agents = if is_given { None } else { named(AGENTS_URL)?.map(without_slash) };
            AgentServices::new(base_url, given_api.clone(), given.agent_auth_api, named_agents)
        };
        Ok(Self {
            issuers,
            token_url: given_token_url.unwrap_or_else(|| at(&issuer, TOKEN_PATH)),
            revoke_url,
            exchange_url: at(&issuer, TOKEN_PATH),
            accounts_url: match given_api {
                Some(given) => given,
                None => accounts(named(ACCOUNTS_URL)?),
            },
            #[cfg(feature = "agent-identity")]
            agents,
        })
    }
}

/// Who may have issued a refresh token that is used: it is sent to nobody on behalf of anybody else.
#[derive(Debug, Clone)]
pub(crate) struct KnownIssuers {
    /// The backend's own, and those that the application named in code.
    origins: Vec<Origin>,
    /// The backend is on loopback. What it is sent leaves the machine never.
    is_loopback: bool,
}

impl KnownIssuers {
    pub(super) fn check(&self, issuer: &str) -> Result<(), AuthError> {
        let url = Url::parse(issuer).ok();
        let origin = url.as_ref().and_then(Origin::of);
        let is_known = origin.as_ref().is_some_and(|origin| {
            self.origins.contains(origin) || (self.is_loopback && TrustedHosts::AUTH.contains(origin))
        });
        if is_known || (self.is_loopback && url.as_ref().is_some_and(is_loopback)) {
            return Ok(());
        }
        let named = origin.map_or_else(|| "no URL".to_owned(), |origin| origin.to_string());
        let message = format!(
            "the refresh token was issued by another issuer ({named}) than the one of this backend, and is not used. Name it in \
             code, with `.token_url(..)`, if it is meant"
        );
        Err(AuthError::new(AuthErrorKind::UnknownIssuer, message))
    }
}

fn issuer_of(base_url: &BaseUrl) -> Result<Url, ConfigError> {
    if base_url.is_loopback() {
        return Ok(base_url.with_root_path("/"));
    }
    let host = base_url.host();
    let is_staging = host == STAGING_BACKEND || host.ends_with(&format!(".{STAGING_BACKEND}"));
    Url::parse(if is_staging { STAGING } else { PRODUCTION })
        .map_err(|_| ConfigError::InvalidAuthUrl { setting: "this crate", reason: "it is not an absolute URL" })
}

fn checked(text: &str, setting: &'static str, allowed: &[Origin]) -> Result<Url, ConfigError> {
    let invalid = |reason| ConfigError::InvalidAuthUrl { setting, reason };
    let url = Url::parse(text.trim()).map_err(|_| invalid("it is not an absolute URL"))?;
    let origin = Origin::of(&url).ok_or_else(|| invalid("its scheme is neither `https` nor `http`"))?;
    if has_user_info(&url) {
        return Err(invalid("it holds a user name or password"));
    }
    if url.fragment().is_some() {
        return Err(invalid("it holds a fragment"));
    }
    if !is_loopback(&url) && !TrustedHosts::AUTH.contains(&origin) && !allowed.contains(&origin) {
        return Err(ConfigError::UntrustedAuthOrigin { setting, origin: origin.to_string() });
    }
    Ok(url)
}

#[cfg(test)]
#[cfg(feature = "agent-identity")]
mod tests {
    use super::*;
    use crate::exchange::Route;

    fn services(base_url: &str, vars: &[(&str, &str)]) -> Result<AuthServices, ConfigError> {
        let base_url = BaseUrl::new(base_url, Route::codex_backend("CodexBackend"), &[]).unwrap();
        AuthServices::new(&base_url, &GivenAuthUrls::default(), &Environment::from_vars(vars.iter().copied()), &[])
    }

    fn texts(services: &AuthServices) -> [&str; 5] {
        let AuthServices { token_url, revoke_url, exchange_url, accounts_url, .. } = services;
        let agents_url = services.agents.url.as_ref().unwrap();
        [token_url, revoke_url, exchange_url, accounts_url, agents_url].map(Url::as_str)
    }

    #[test]
    fn they_belong_to_the_backend() {
        for (base_url, expected) in [
            (
                "https://chatgpt.com",
                [
                    "https://auth.openai.com/oauth/token",
                    "https://auth.openai.com/oauth/revoke",
                    "https://auth.openai.com/oauth/token",
                    "https://auth.openai.com/api/accounts",
                    "https://auth.openai.com/api/accounts",
                ],
            ),
            (
                "https://chatgpt-staging.com/backend-api",
                [
                    "https://auth.api.openai.org/oauth/token",
                    "https://auth.api.openai.org/oauth/revoke",
                    "https://auth.api.openai.org/oauth/token",
                    "https://auth.api.openai.org/api/accounts",
                    "https://auth.api.openai.org/api/accounts",
                ],
            ),
            (
                "http://127.0.0.1:9/backend-api/",
                [
                    "http://127.0.0.1:9/oauth/token",
                    "http://127.0.0.1:9/oauth/revoke",
                    "http://127.0.0.1:9/oauth/token",
                    "http://127.0.0.1:9/backend-api",
                    "http://127.0.0.1:9/backend-api",
                ],
            ),
        ] {
            assert_eq!(texts(&services(base_url, &[]).unwrap()), expected);
        }
    }

    #[test]
    fn the_environment_names_loopback_and_known_hosts() {
        let found = services(
            "https://chatgpt.com",
            &[
                (TOKEN_URL, " http://127.0.0.1:1234/oauth/token?unified=true "),
                (ACCOUNTS_URL, "https://auth.api.openai.org/api/accounts/"),
                (AGENTS_URL, "http://localhost:5/agents///"),
            ],
        );
        let expected = [
            "http://127.0.0.1:1234/oauth/token?unified=true",
            "http://127.0.0.1:1234/oauth/revoke",
            "https://auth.openai.com/oauth/token",
            "https://auth.api.openai.org/api/accounts",
            "http://localhost:5/agents",
        ];
        assert_eq!(texts(&found.unwrap()), expected);
    }

    #[test]
    fn the_environment_names_no_other_host() {
        for variable in [TOKEN_URL, REVOKE_URL, ACCOUNTS_URL, AGENTS_URL] {
            for text in [
                "https://auth.openai.com.evil.test/oauth/token",
                "https://evil.test",
                "http://auth.openai.com/oauth/token",
                "https://auth.openai.com:8443/oauth/token",
                "https://user:MARK@auth.openai.com/oauth/token",
                "https://auth.openai.com/#MARK",
                "ftp://auth.openai.com",
                "MARK",
            ] {
                let error = services("https://chatgpt.com", &[(variable, text)]).expect_err(text).to_string();
                assert!(error.contains(variable) && !error.contains("MARK"), "{error}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_is_not_passed_over() {
        use std::os::unix::ffi::OsStrExt;
        let no_text = std::ffi::OsStr::from_bytes(b"http://127.0.0.1:1/\xff");
        let base_url = BaseUrl::new("https://chatgpt.com", Route::codex_backend("CodexBackend"), &[]).unwrap();
        for variable in [TOKEN_URL, REVOKE_URL, ACCOUNTS_URL, AGENTS_URL] {
            let environment = Environment::from_vars([(variable, no_text)]);
            let error = AuthServices::new(&base_url, &GivenAuthUrls::default(), &environment, &[]).unwrap_err();
            assert!(error.to_string().contains(variable), "{error}");
        }
    }

    #[test]
    fn code_wins_and_may_allow_an_origin_by_name() {
        let base_url = BaseUrl::new("https://chatgpt.com", Route::codex_backend("CodexBackend"), &[]).unwrap();
        let given = GivenAuthUrls {
            token_url: Some("https://sso.example/token".to_owned()),
            auth_api_base_url: Some("https://sso.example/accounts/".to_owned()),
            agent_auth_api: None,
        };
        let environment = Environment::from_vars([(TOKEN_URL, "http://127.0.0.1:1/oauth/token")]);
        let refused = AuthServices::new(&base_url, &given, &environment, &[]).unwrap_err();
        assert!(matches!(refused, ConfigError::UntrustedAuthOrigin { setting: ".token_url(..)", .. }), "{refused}");
        let allowed = [Origin::parse("https://sso.example").unwrap()];
        let services = AuthServices::new(&base_url, &given, &environment, &allowed).unwrap();
        assert_eq!(services.token_url.as_str(), "https://sso.example/token");
        assert_eq!(services.revoke_url.as_str(), "https://sso.example/oauth/revoke");
        assert_eq!(services.agents.url.unwrap().as_str(), "https://sso.example/accounts");
    }

    #[test]
    fn what_code_overrides_is_not_looked_at() {
        let base_url = BaseUrl::new("https://chatgpt.com", Route::codex_backend("CodexBackend"), &[]).unwrap();
        let given = GivenAuthUrls {
            token_url: Some("http://127.0.0.1:1/oauth/token".to_owned()),
            auth_api_base_url: Some("http://127.0.0.1:1/accounts".to_owned()),
            ..GivenAuthUrls::default()
        };
        let variables = [TOKEN_URL, REVOKE_URL, ACCOUNTS_URL, AGENTS_URL].map(|name| (name, "https://evil.test"));
        let services = AuthServices::new(&base_url, &given, &Environment::from_vars(variables), &[]).unwrap();
        let expected = [
            "http://127.0.0.1:1/oauth/token",
            "http://127.0.0.1:1/oauth/revoke",
            "https://auth.openai.com/oauth/token",
            "http://127.0.0.1:1/accounts",
            "http://127.0.0.1:1/accounts",
        ];
        assert_eq!(texts(&services), expected);
    }
}
