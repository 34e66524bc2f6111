//! The servers of the auth service, and how paths are put on them.

use url::Url;

pub(super) const PRODUCTION: &str = "https://auth.openai.com";
pub(super) const STAGING: &str = "https://auth.api.openai.org";
pub(super) const STAGING_BACKEND: &str = "chatgpt-staging.com";

pub(super) const ACCOUNTS_PATH: &str = "/api/accounts";

pub(super) fn at(server: &Url, path: &str) -> Url {
    let mut url = server.clone();
    url.set_path(path);
    url.set_query(None);
    url
}

pub(super) fn without_slash(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    url.set_query(None);
    url
}

/// `path`, which is encoded already and starts with a slash, below `base`.
pub(super) fn below(base: &Url, path: &str) -> Url {
    at(base, &format!("{}{path}", base.path().trim_end_matches('/')))
}
