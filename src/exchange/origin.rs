//! Where credentials may go. Origins are parsed and compared; no text is tested for a prefix.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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

/// Whether a URL may lead to a host of the public internet, as far as its text tells: a name may still be given any address
/// by whoever resolves it.
pub(crate) fn may_be_public(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            let (_, last) = name.rsplit_once('.').unwrap_or_default();
            !matches!(last, "" | "localhost" | "local" | "internal") && !name.ends_with(".home.arpa")
        }
        Some(Host::Ipv4(address)) => is_public(address.into()),
        Some(Host::Ipv6(address)) => is_public(address.into()),
        None => false,
    }
}

/// Whether an address is one of the public internet, by the registries of special addresses (RFC 6890 and later): not
/// loopback, link-local, private, shared, multicast, for documentation or reserved. An address of IPv6 that stands for one of
/// IPv4 is as public as that.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.segments() {
            [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
                is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
            }
            _ => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation();
    let reserved = match address.octets() {
        [0, ..] | [192, 0, 0, _] | [240..=255, ..] => true,
        [100, second, ..] => second & 0xc0 == 64,
        [198, second, ..] => second & 0xfe == 18,
        _ => false,
    };
    !special && !reserved
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // All unicast addresses that are assigned to anyone are below 2000::/3.
    match address.segments() {
        [0x2001, 0xdb8 | 0..=0x1ff, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

pub(crate) fn has_user_info(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_and_its_networks_are_not_public_in_any_notation() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "0.0.0.0",
            "0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "0xa9fea9fe",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.19.0.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[::127.0.0.1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[2002:c0a8:101::1]",
            "[2001::1]",
            "[2001:db8::1]",
            "[3fff::1]",
            "[fec0::1]",
            "[100::1]",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "printer.local",
            "metadata.google.internal",
            "router.home.arpa",
            "intranet",
            "\u{ff11}27.0.0.1",
            "127\u{3002}0\u{3002}0\u{3002}1",
        ] {
            let url = Url::parse(&format!("https://{host}/f?sig=x")).unwrap_or_else(|error| panic!("{host}: {error}"));
            assert!(!may_be_public(&url), "{host}");
        }
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        for host in [
            "blob.core.windows.test",
            "a.localhost.test",
            "internal.test",
            "20.150.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.1",
            "[2603:1030::1]",
            "[2001:200::1]",
            "[64:ff9b::1496:101]",
            "[::ffff:20.150.1.1]",
            "[2002:1496:101::]",
        ] {
            assert!(may_be_public(&Url::parse(&format!("https://{host}/f?sig=x")).unwrap()), "{host}");
        }
    }
}
