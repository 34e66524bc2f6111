//! Where credentials may go. Origins are parsed and compared; no text is tested for a prefix.

use std::fmt;

use url::{Host, Url};

/// Scheme, host and port.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an `http` or `https` URL.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        Some(Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str()?.to_owned(),
            port: url.port_or_known_default()?,
        })
    }

    /// The origin named by a URL that holds nothing else: no user info, path, query or fragment.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text.trim()).ok()?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !has_user_info(&url);
        if bare { Self::of(&url) } else { None }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// `https` on the default port.
    pub(crate) fn is_https_by_default(&self) -> bool {
        self.scheme == "https" && self.port == 443
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = if self.scheme == "https" { 443 } else { 80 };
        write!(f, "{}://{}", self.scheme, self.host)?;
        if self.port == default { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

/// The hosts that credentials of one route belong to: `https` on the default port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrustedHosts {
    exact: &'static [&'static str],
    with_subdomains: &'static [&'static str],
}

impl TrustedHosts {
    pub(crate) const CODEX_BACKEND: Self =
        Self { exact: &["chat.openai.com"], with_subdomains: &["chatgpt.com", "chatgpt-staging.com"] };
    /// The services that auth itself calls.
    pub(crate) const AUTH: Self = Self { exact: &["auth.openai.com", "auth.api.openai.org"], with_subdomains: &[] };
    pub(crate) const OPENAI_API: Self = Self { exact: &["api.openai.com"], with_subdomains: &[] };

    pub(crate) fn contains(&self, origin: &Origin) -> bool {
        if !origin.is_https_by_default() {
            return false;
        }
        let host = origin.host.as_str();
        self.exact.contains(&host)
            || self.with_subdomains.iter().any(|domain| {
                host == *domain
                    || host.strip_suffix(domain).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
            })
    }
}

/// `localhost` itself and the loopback addresses. Subdomains of `localhost` are left to DNS by some systems, so they
/// do not count.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

pub(crate) fn has_user_info(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}
