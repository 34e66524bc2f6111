//! The name of a GitHub repository, and how it is read from a remote's URL.

use std::fmt;

/// A repository on GitHub.
///
/// ```
/// use codex_backend::environments::GitHubRepository;
///
/// let repository = GitHubRepository::parse("https://github.com/acme/web.git").expect("an address at GitHub");
/// assert_eq!((repository.owner.as_str(), repository.name.as_str()), ("acme", "web"));
/// assert_eq!(GitHubRepository::parse("https://github.com.evil.test/acme/web"), None);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct GitHubRepository {
    /// Its owner.
    pub owner: String,
    /// Its name.
    pub name: String,
}

impl GitHubRepository {
    /// A repository by owner and name.
    #[must_use]
    pub fn new(owner: impl Into<String>, name: impl Into<String>) -> Self {
        Self { owner: owner.into(), name: name.into() }
    }

    /// Parses the address of a remote: `git@github.com:acme/web.git` with any user or none, an `https`, `http`, `git` or
    /// `ssh` URL with any user and port, or `github.com/acme/web`; at `github.com`, `www.github.com` or
    /// `ssh.github.com`. `None` if it is not on GitHub, or is not the address of a repository.
    #[must_use]
    pub fn parse(address: &str) -> Option<Self> {
        let address = address.trim();
        let (host, path) = match address.split_once("://") {
            Some((scheme, rest)) => {
                let schemes = ["https", "http", "git", "ssh", "git+ssh", "ssh+git"];
                if !schemes.contains(&scheme.to_ascii_lowercase().as_str()) {
                    return None;
                }
                rest.split_once('/')?
            }
            None => match address.split_once(':') {
                Some((host, path)) if !host.contains('/') => (host, path),
                _ => address.split_once('/')?,
            },
        };
        let host = host.rsplit('@').next()?.split(':').next()?;
        if !["github.com", "www.github.com", "ssh.github.com"].iter().any(|known| host.eq_ignore_ascii_case(known)) {
            return None;
        }
        let path = path.trim_matches('/');
        let mut parts = path.strip_suffix(".git").unwrap_or(path).split('/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(owner), Some(name), None) if !owner.is_empty() && !name.is_empty() => Some(Self::new(owner, name)),
            _ => None,
        }
    }
}

impl fmt::Display for GitHubRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}
