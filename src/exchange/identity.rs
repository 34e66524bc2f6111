//! How the application names itself to servers.

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::ConfigError;

const ORIGINATOR: HeaderName = HeaderName::from_static("originator");
pub(crate) const VERSION: HeaderName = HeaderName::from_static("version");

/// The version of the official tool that this crate is as able as.
///
/// The Codex backend hides, and refuses, models that a client of this version cannot use. So the version goes along with requests
/// for the catalogue, as `client_version`, and with requests to models, as the header `version`, and nowhere else. It is for
/// compatibility and does not identify the caller: that is what the application's own name and version do, in `originator` and
/// `User-Agent`. [`ClientBuilder::compatible_version`](crate::ClientBuilder::compatible_version) replaces it.
pub const COMPATIBLE_VERSION: &str = "0.171.0";

/// Who is calling: the application's own name and version, as `originator` and `User-Agent`.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    originator: HeaderValue,
    user_agent: HeaderValue,
    compatible_version: HeaderValue,
}

impl Identity {
    /// The application's own. Without one, this crate names itself and nobody else.
    pub(crate) fn new(application: Option<(&str, &str)>) -> Result<Self, ConfigError> {
        let own = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
        let system = format!("({}; {})", std::env::consts::OS, std::env::consts::ARCH);
        let (originator, user_agent) = match application {
            None => (env!("CARGO_PKG_NAME").to_owned(), format!("{own} {system}")),
            Some((name, version)) => {
                (checked("name", name)?.to_owned(), format!("{name}/{} {system} {own}", checked("version", version)?))
            }
        };
        let value = |part, text: &str| {
            HeaderValue::from_str(text).map_err(|_| ConfigError::InvalidApplication {
                part,
                reason: "it holds characters that a header cannot carry",
            })
        };
        let compatible_version = HeaderValue::from_static(COMPATIBLE_VERSION);
        Ok(Self {
            originator: value("name", &originator)?,
            user_agent: value("version", &user_agent)?,
            compatible_version,
        })
    }

    pub(crate) fn with_compatible_version(self, version: &str) -> Result<Self, ConfigError> {
        let part = "compatible version";
        let compatible_version = HeaderValue::from_str(checked(part, version)?).map_err(|_| {
            ConfigError::InvalidApplication { part, reason: "it holds characters that a header cannot carry" }
        })?;
        Ok(Self { compatible_version, ..self })
    }

    pub(super) fn compatible_version(&self) -> &HeaderValue {
        &self.compatible_version
    }

    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(ORIGINATOR, self.originator.clone());
        headers.insert(USER_AGENT, self.user_agent.clone());
    }
}

fn checked<'a>(part: &'static str, text: &'a str) -> Result<&'a str, ConfigError> {
    let invalid = |reason| Err(ConfigError::InvalidApplication { part, reason });
    if text.is_empty() {
        return invalid("it is empty");
    }
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return invalid("it holds characters other than printable ASCII");
    }
    if text.trim() != text || text.contains('/') {
        return invalid("it holds a slash, or blanks at an end");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_application_speaks_for_itself() {
        let mut headers = HeaderMap::new();
        Identity::new(Some(("report-bot", "1.4.0"))).unwrap().apply(&mut headers);
        assert_eq!(headers["originator"], "report-bot");
        let user_agent = headers["user-agent"].to_str().unwrap();
        assert!(user_agent.starts_with("report-bot/1.4.0 (") && user_agent.contains("codex-backend/"), "{user_agent}");

        let mut headers = HeaderMap::new();
        Identity::new(None).unwrap().apply(&mut headers);
        assert_eq!(headers["originator"], "codex-backend");
    }

    #[test]
    fn a_name_that_no_header_can_carry_is_refused() {
        for (name, version) in
            [("", "1"), ("bot", ""), ("b\r\not", "1"), ("b/ot", "1"), (" bot", "1"), ("bot", "1\0"), ("böt", "1")]
        {
            assert!(Identity::new(Some((name, version))).is_err(), "{name:?} {version:?}");
        }
    }
}
