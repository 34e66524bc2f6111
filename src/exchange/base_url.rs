//! The base URL of a client: checked against the hosts its credentials belong to, and normalised.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::origin::{Origin, TrustedHosts, has_user_info, is_loopback};
use crate::error::ConfigError;

/// What one route demands of its base URL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    pub(crate) mode: &'static str,
    pub(crate) default_base_url: &'static str,
    trusted: TrustedHosts,
    /// The backend lives below this path on these hosts, and users give the host alone.
    completed: Option<Completed>,
}

#[derive(Debug, Clone, Copy)]
struct Completed {
    hosts: &'static [&'static str],
    path: &'static str,
}

impl Route {
    pub(crate) const fn codex_backend(mode: &'static str) -> Self {
        Self {
            mode,
            default_base_url: "https://chatgpt.com/backend-api",
            trusted: TrustedHosts::CODEX_BACKEND,
            completed: Some(Completed { hosts: &["chatgpt.com", "chat.openai.com"], path: BACKEND_API }),
        }
    }

    pub(crate) const fn openai_api(mode: &'static str) -> Self {
        Self { mode, default_base_url: "https://api.openai.com/v1", trusted: TrustedHosts::OPENAI_API, completed: None }
    }
}

const BACKEND_API: &str = "/backend-api";

/// A checked base URL, without a trailing slash.
#[derive(Clone)]
pub(crate) struct BaseUrl {
    url: Url,
    text: String,
    /// The path as it was given, without a trailing slash and before it was completed.
    #[cfg(feature = "agent-identity")]
    given_path: String,
    loopback: bool,
    production: bool,
    style: PathStyle,
}

/// How the backend's own paths begin: a base below `/backend-api` is the ChatGPT host, any other a Codex server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathStyle {
    ChatGpt,
    Codex,
}

impl PathStyle {
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::ChatGpt => "/wham",
            Self::Codex => "/api/codex",
        }
    }

    /// Where the models answer.
    pub(crate) fn models_prefix(self) -> &'static str {
        match self {
            Self::ChatGpt => "/codex",
            Self::Codex => "/api/codex",
        }
    }
}

impl BaseUrl {
    pub(crate) fn new(text: &str, route: Route, allowed: &[Origin]) -> Result<Self, ConfigError> {
        let invalid = |reason| ConfigError::InvalidBaseUrl { mode: route.mode, reason };
        let mut url = Url::parse(text.trim()).map_err(|_| invalid("it is not an absolute URL"))?;
        let origin = Origin::of(&url).ok_or_else(|| invalid("its scheme is neither `https` nor `http`"))?;
        if has_user_info(&url) {
            return Err(invalid("it holds a user name or password"));
        }
        if url.query().is_some() {
            return Err(invalid("it holds a query"));
        }
        if url.fragment().is_some() {
            return Err(invalid("it holds a fragment"));
        }
        let loopback = is_loopback(&url);
        let production = route.trusted.contains(&origin);
        if !loopback && !production && !allowed.contains(&origin) {
            return Err(ConfigError::UntrustedOrigin { mode: route.mode, origin: origin.to_string() });
        }
        let mut path = url.path().trim_end_matches('/').to_owned();
        #[cfg(feature = "agent-identity")]
        let given_path = path.clone();
        if let Some(completed) = route.completed
            && production
            && completed.hosts.contains(&origin.host())
            && !has_segment(&path, completed.path)
        {
            path.push_str(completed.path);
        }
        let style = if has_segment(&path, BACKEND_API) { PathStyle::ChatGpt } else { PathStyle::Codex };
        url.set_path(&path);
        let text = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            url,
            text,
            #[cfg(feature = "agent-identity")]
            given_path,
            loopback,
            production,
            style,
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The URL of a path below this one, with a query where there is one. Both are encoded already, and the path starts
    /// with a slash.
    pub(crate) fn with_target(&self, target: &str) -> Url {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        url.set_query(query);
        url
    }

    /// The URL of a path on the same server, in place of this one's path.
    pub(crate) fn with_root_path(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url
    }

    /// The origin together with the path as it was given.
    #[cfg(feature = "agent-identity")]
    pub(crate) fn as_given(&self) -> (Option<Origin>, &str) {
        (Origin::of(&self.url), &self.given_path)
    }

    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// One of the hosts that its mode's credentials belong to, and none that code alone allows.
    pub(crate) fn is_production(&self) -> bool {
        self.production
    }

    pub(crate) fn style(&self) -> PathStyle {
        self.style
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether `path` holds `segment` (`/backend-api`) as a whole segment.
fn has_segment(path: &str, segment: &str) -> bool {
    path.split('/').any(|part| part == segment.trim_start_matches('/'))
}

/// Everything but the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One path segment, percent-encoded, so that an id can never change the path. `.` and `..` are not segments but
/// steps, encoded or not, and give `None`.
pub(crate) fn path_segment(text: &str) -> Option<String> {
    (!matches!(text, "" | "." | "..")).then(|| utf8_percent_encode(text, SEGMENT).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODEX: Route = Route::codex_backend("CodexBackend");
    const OPENAI: Route = Route::openai_api("OpenAiApi");

    #[test]
    fn accepted_base_urls_are_normalised() {
        for (route, given, expected, style) in [
            (CODEX, "https://chatgpt.com", "https://chatgpt.com/backend-api", PathStyle::ChatGpt),
            (CODEX, "https://chatgpt.com/", "https://chatgpt.com/backend-api", PathStyle::ChatGpt),
            (CODEX, "https://chatgpt.com/backend-api///", "https://chatgpt.com/backend-api", PathStyle::ChatGpt),
            (CODEX, "https://CHATGPT.com:443/backend-api", "https://chatgpt.com/backend-api", PathStyle::ChatGpt),
            (CODEX, "https://chat.openai.com", "https://chat.openai.com/backend-api", PathStyle::ChatGpt),
            (CODEX, "https://chatgpt.com/codex", "https://chatgpt.com/codex/backend-api", PathStyle::ChatGpt),
            (CODEX, "https://chatgpt-staging.com", "https://chatgpt-staging.com", PathStyle::Codex),
            (CODEX, "https://sub.chatgpt.com", "https://sub.chatgpt.com", PathStyle::Codex),
            (CODEX, "http://127.0.0.1:8080/backend-api", "http://127.0.0.1:8080/backend-api", PathStyle::ChatGpt),
            (CODEX, "http://[::1]:9/x", "http://[::1]:9/x", PathStyle::Codex),
            (CODEX, "http://localhost:1/backend-api", "http://localhost:1/backend-api", PathStyle::ChatGpt),
            (CODEX, "http://localhost:1/backend-apis", "http://localhost:1/backend-apis", PathStyle::Codex),
            (OPENAI, "https://api.openai.com/v1/", "https://api.openai.com/v1", PathStyle::Codex),
            (OPENAI, "http://127.9.9.9:1", "http://127.9.9.9:1", PathStyle::Codex),
        ] {
            let base = BaseUrl::new(given, route, &[]).unwrap_or_else(|error| panic!("{given}: {error}"));
            assert_eq!((base.as_str(), base.style()), (expected, style), "{given}");
        }
    }

    #[test]
    fn origins_that_credentials_do_not_belong_to_are_refused() {
        for (route, given) in [
            (CODEX, "https://chatgpt.com.evil.test"),
            (CODEX, "https://evilchatgpt.com"),
            (CODEX, "https://.chatgpt.com"),
            (CODEX, "https://chatgpt.com."),
            (CODEX, "http://chatgpt.com"),
            (CODEX, "https://chatgpt.com:8443"),
            (CODEX, "https://foo.chat.openai.com"),
            (CODEX, "http://localhost.evil.test"),
            (CODEX, "http://foo.localhost"),
            (CODEX, "http://[::ffff:127.0.0.1]:1"),
            (CODEX, "http://0.0.0.0:1"),
            (CODEX, "https://api.openai.com"),
            (OPENAI, "https://chatgpt.com"),
            (OPENAI, "http://api.openai.com/v1"),
            (OPENAI, "https://api.openai.com.evil.test/v1"),
            (OPENAI, "https://gateway.example/v1"),
        ] {
            let error = BaseUrl::new(given, route, &[]).expect_err(given);
            assert!(
                matches!(error, ConfigError::UntrustedOrigin { .. }) || given == "https://.chatgpt.com",
                "{given}: {error}"
            );
        }
    }

    #[test]
    fn user_info_query_fragment_and_other_schemes_are_refused_with_or_without_the_opt_in() {
        for given in [
            "https://user@chatgpt.com",
            "https://user:pass@chatgpt.com",
            "https://chatgpt.com@evil.test",
            "https://chatgpt.com?x=1",
            "https://chatgpt.com/#x",
            "ftp://chatgpt.com",
            "file:///etc/passwd",
            "chatgpt.com",
            "/backend-api",
            "",
        ] {
            let allowed = [Origin::parse("https://chatgpt.com").unwrap(), Origin::parse("https://evil.test").unwrap()];
            let error = BaseUrl::new(given, CODEX, &allowed).expect_err(given);
            assert!(matches!(error, ConfigError::InvalidBaseUrl { .. }), "{given}: {error}");
            assert!(!error.to_string().contains("pass@"), "{error}");
        }
    }

    #[test]
    fn the_opt_in_allows_exactly_the_named_origin() {
        let allowed = [Origin::parse("https://gateway.example:8443").unwrap()];
        assert!(BaseUrl::new("https://gateway.example:8443/openai/v1", OPENAI, &allowed).is_ok());
        for other in ["https://gateway.example/v1", "http://gateway.example:8443", "https://x.gateway.example:8443"] {
            assert!(BaseUrl::new(other, OPENAI, &allowed).is_err(), "{other}");
        }
        for not_an_origin in ["gateway.example", "https://g.example/path", "https://u@g.example", "https://g.example?q"]
        {
            assert!(Origin::parse(not_an_origin).is_none(), "{not_an_origin}");
        }
    }

    #[test]
    fn a_completed_path_is_only_for_the_trusted_origin() {
        // The opt-in for another port of the same host does not make it the production host.
        let allowed = [Origin::parse("https://chatgpt.com:8443").unwrap()];
        let base = BaseUrl::new("https://chatgpt.com:8443/api", CODEX, &allowed).unwrap();
        assert_eq!(base.as_str(), "https://chatgpt.com:8443/api");
    }

    #[test]
    fn path_segments_cannot_change_the_path() {
        assert_eq!(path_segment("file_1-a.b~c").as_deref(), Some("file_1-a.b~c"));
        assert_eq!(path_segment("../x?y#z%20 é").as_deref(), Some("..%2Fx%3Fy%23z%2520%20%C3%A9"));
        for step in ["", ".", ".."] {
            assert_eq!(path_segment(step), None);
        }
    }
}
