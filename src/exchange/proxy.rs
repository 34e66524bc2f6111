//! Which proxy a request goes through. Loopback never goes through one.

use std::fmt;

use url::Url;

use crate::environment::Environment;
use crate::error::ConfigError;

/// The proxies of a client: one for all requests, or those of the environment.
#[derive(Default, Clone)]
pub(crate) struct ProxySettings {
    pub(super) https: Option<Url>,
    pub(super) http: Option<Url>,
    except: String,
}

/// Names and addresses that are this machine. The proxy matcher takes them as further `NO_PROXY` entries.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

impl ProxySettings {
    /// One proxy for everything but loopback.
    pub(crate) fn all(url: &str) -> Result<Self, ConfigError> {
        let url = parse(".proxy(..)", url)?;
        Ok(Self { https: Some(url.clone()), http: Some(url), except: LOOPBACK.to_owned() })
    }

    /// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper or lower case.
    pub(crate) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let read = |upper: &'static str, lower: &'static str| {
            [upper, lower].into_iter().find_map(|name| Some((name, environment.text(name)?)))
        };
        let proxy = |found: Option<(&'static str, String)>| found.map(|(name, value)| parse(name, &value)).transpose();
        let all = || read("ALL_PROXY", "all_proxy");
        // A CGI server sets HTTP_PROXY from the `Proxy` header of whoever calls it.
        let http = if environment.text("REQUEST_METHOD").is_some() { None } else { read("HTTP_PROXY", "http_proxy") };
        let except = match read("NO_PROXY", "no_proxy") {
            Some((_, except)) => format!("{except},{LOOPBACK}"),
            None => LOOPBACK.to_owned(),
        };
        Ok(Self {
            https: proxy(read("HTTPS_PROXY", "https_proxy").or_else(all))?,
            http: proxy(http.or_else(all))?,
            except,
        })
    }

    pub(super) fn exceptions(&self) -> Option<reqwest::NoProxy> {
        reqwest::NoProxy::from_string(&self.except)
    }
}

impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A proxy URL may hold a password.
        let shown = |url: &Option<Url>| url.as_ref().and_then(|url| url.host_str().map(str::to_owned));
        f.debug_struct("ProxySettings")
            .field("https", &shown(&self.https))
            .field("http", &shown(&self.http))
            .field("except", &self.except)
            .finish()
    }
}

fn parse(setting: &'static str, text: &str) -> Result<Url, ConfigError> {
    let invalid = |reason| ConfigError::InvalidProxy { setting, reason };
    // `proxy.internal:3128` without a scheme is customary in the environment.
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(whole.trim()).map_err(|_| invalid("it is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https" | "socks4" | "socks4a" | "socks5" | "socks5h") {
        return Err(invalid("its scheme is none of http, https, socks4, socks4a, socks5, socks5h"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(invalid("it names no host"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(vars: &[(&str, &str)]) -> Result<ProxySettings, ConfigError> {
        ProxySettings::from_environment(&Environment::from_vars(vars.iter().copied()))
    }

    #[test]
    fn the_environment_names_proxies_in_either_case() {
        let both = settings(&[("https_proxy", "http://a:1"), ("HTTP_PROXY", "b:2"), ("NO_PROXY", "x.test")]).unwrap();
        assert_eq!(both.https.unwrap().as_str(), "http://a:1/");
        assert_eq!(both.http.unwrap().as_str(), "http://b:2/");
        assert!(both.except.starts_with("x.test,") && both.except.contains("localhost"));

        let all = settings(&[("ALL_PROXY", "socks5h://p:1080"), ("HTTPS_PROXY", "  ")]).unwrap();
        assert_eq!(all.https.unwrap().scheme(), "socks5h");

        let cgi = settings(&[("HTTP_PROXY", "http://evil:1"), ("REQUEST_METHOD", "GET")]).unwrap();
        assert!(cgi.http.is_none());
    }

    #[test]
    fn an_unusable_proxy_is_an_error_that_names_the_setting_and_hides_the_value() {
        let error = settings(&[("HTTPS_PROXY", "gopher://user:secret@proxy:1")]).unwrap_err().to_string();
        assert!(error.contains("HTTPS_PROXY") && !error.contains("secret"), "{error}");
        let debug = format!("{:?}", ProxySettings::all("http://user:secret@proxy:1").unwrap());
        assert!(debug.contains("proxy") && !debug.contains("secret"), "{debug}");
    }
}
