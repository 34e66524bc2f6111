//! Pre-signed URLs, which are sent without credentials.

use std::fmt;

use url::Url;

use super::origin::{has_user_info, is_loopback};

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
}

impl SignedUrl {
    /// A URL that a server named: `https`, or loopback where `loopback_base` says that the server itself is.
    pub(crate) fn parse(text: &str, loopback_base: bool) -> Result<Self, &'static str> {
        if text.len() > LONGEST_URL {
            return Err("it is too long");
        }
        let mut url = Url::parse(text).map_err(|_| "it is not an absolute URL")?;
        if has_user_info(&url) {
            return Err("it holds a user name or password");
        }
        if url.scheme() != "https" && !(url.scheme() == "http" && loopback_base && is_loopback(&url)) {
            return Err("its scheme is not `https`");
        }
        url.set_fragment(None);
        let mut bare = url.clone();
        bare.set_query(None);
        let shown = if url.query().is_some() { format!("{bare}?[hidden]") } else { bare.into() };
        Ok(Self { url, shown })
    }

    /// The whole URL, signature included. Whoever has it can use it: keep it out of logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.url.as_str()
    }

    pub(crate) fn to_url(&self) -> Url {
        self.url.clone()
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
    use super::*;

    #[test]
    fn only_https_and_loopback_of_a_loopback_backend_are_used() {
        for (text, from_loopback, from_production) in [
            ("https://blob.test/c/f?sig=x", true, true),
            ("http://127.0.0.1:9/f?sig=x", true, false),
            ("http://localhost:9/f", true, false),
            ("http://blob.test/f?sig=x", false, false),
            ("https://user:pw@blob.test/f", false, false),
            ("file:///etc/passwd", false, false),
            ("/relative", false, false),
        ] {
            assert_eq!(SignedUrl::parse(text, true).is_ok(), from_loopback, "{text}");
            assert_eq!(SignedUrl::parse(text, false).is_ok(), from_production, "{text}");
        }
    }
}
