//! Pre-signed URLs, which are sent without credentials.

use std::fmt;

use url::Url;

use super::base_url::BaseUrl;
use super::origin::{has_user_info, is_loopback, may_be_public};

/// Longer than any real one, and short enough for every HTTP stack.
const LONGEST_URL: usize = 16 << 10;

/// A URL that is a credential by itself: its query holds a signature. `Debug` and `Display` show the URL without it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// let file = codex_backend::OpenAiFileUpload::new(&client).bytes("a.txt", "hello").await?;
/// assert!(file.download_url().expose().contains("sig="));
/// assert!(!format!("{}", file.download_url()).contains("sig="));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SignedUrl {
    url: Url,
    shown: String,
    public_hosts_only: bool,
}

impl SignedUrl {
    /// A URL that the server named: `https`, or loopback where the server itself is. Production names public hosts; a server
    /// on loopback, or one that the application allows, may name any.
    pub(crate) fn parse(text: &str, server: &BaseUrl) -> Result<Self, &'static str> {
        if text.len() > LONGEST_URL {
            return Err("it is too long");
        }
        let mut url = Url::parse(text).map_err(|_| "it is not an absolute URL")?;
        if has_user_info(&url) {
            return Err("it holds a user name or password");
        }
        if url.scheme() != "https" && !(url.scheme() == "http" && server.is_loopback() && is_loopback(&url)) {
            return Err("its scheme is not `https`");
        }
        let public_hosts_only = server.is_production();
        if public_hosts_only && !may_be_public(&url) {
            return Err("its host is not a public one");
        }
        url.set_fragment(None);
        let mut bare = url.clone();
        bare.set_query(None);
        let shown = if url.query().is_some() { format!("{bare}?[hidden]") } else { bare.into() };
        Ok(Self { url, shown, public_hosts_only })
    }

    /// The whole URL, signature included. Whoever has it can use it: keep it out of logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.url.as_str()
    }

    pub(crate) fn to_url(&self) -> Url {
        self.url.clone()
    }

    pub(crate) fn public_hosts_only(&self) -> bool {
        self.public_hosts_only
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

impl fmt::Display for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedUrl({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::super::base_url::Route;
    use super::super::origin::Origin;
    use super::*;

    #[test]
    fn only_https_to_public_hosts_and_loopback_of_a_loopback_backend_are_used() {
        let allowed = [Origin::parse("https://gateway.test").unwrap()];
        let base = |url| BaseUrl::new(url, Route::codex_backend("CodexBackend"), &allowed).unwrap();
        let servers = [base("http://127.0.0.1:1"), base("https://gateway.test"), base("https://chatgpt.com")];
        for (text, [from_loopback, from_custom, from_production]) in [
            ("https://blob.test/c/f?sig=x", [true, true, true]),
            ("http://127.0.0.1:9/f?sig=x", [true, false, false]),
            ("http://localhost:9/f", [true, false, false]),
            ("https://10.0.0.1/f?sig=x", [true, true, false]),
            ("https://0x7f.1/f?sig=x", [true, true, false]),
            ("https://minio/f?sig=x", [true, true, false]),
            ("http://blob.test/f?sig=x", [false; 3]),
            ("https://user:pw@blob.test/f", [false; 3]),
            ("file:///etc/passwd", [false; 3]),
            ("/relative", [false; 3]),
        ] {
            let used = servers.each_ref().map(|server| SignedUrl::parse(text, server).is_ok());
            assert_eq!(used, [from_loopback, from_custom, from_production], "{text}");
        }
        assert_eq!(
            servers.map(|server| SignedUrl::parse("https://blob.test/f", &server).unwrap().public_hosts_only()),
            [false, false, true]
        );
    }
}
