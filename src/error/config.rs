//! Errors of building a client.

use crate::error::AuthError;

/// Why a client cannot be built. Nothing was sent, and no file was read.
///
/// ```
/// use codex_backend::{ChatGptTokens, Client, ConfigError};
///
/// let elsewhere = Client::builder()
///     .codex_base_url("https://chatgpt.com.evil.test")
///     .chatgpt(ChatGptTokens::new("access-token"))
///     .build();
/// assert!(matches!(elsewhere, Err(ConfigError::UntrustedOrigin { .. })));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The text is not a usable base URL.
    #[error("the base URL for `{mode}` is not usable: {reason}")]
    InvalidBaseUrl {
        /// The mode whose base URL it is.
        mode: &'static str,
        /// What is wrong with it. The URL itself is not shown: it may hold a password.
        reason: &'static str,
    },
    /// Only the base URL of the other route is set, so the client would go to the production host of its own.
    #[error("`{set}` is not where a `Client<{mode}>` goes, and `{needed}` is not set: set `{needed}`, or neither")]
    OtherBaseUrl {
        /// The mode of the client.
        mode: &'static str,
        /// What is set.
        set: &'static str,
        /// What would have to be set.
        needed: &'static str,
    },
    /// The base URL is one that credentials of this mode do not belong to.
    #[error(
        "credentials of a `Client<{mode}>` are not sent to `{origin}`: not one of its known hosts, not loopback, and not \
         allowed by name. {}If you trust that host with these credentials, say so with \
         `.dangerously_allow_origin(\"{origin}\")`",
        if origin.starts_with("http://") { "Over `http` anyone on the way could read them: use `https`. " } else { "" }
    )]
    UntrustedOrigin {
        /// The mode whose base URL it is.
        mode: &'static str,
        /// Scheme, host and port that were asked for.
        origin: String,
    },
    /// The URL of a service that auth calls is not usable.
    #[error("the URL set by {setting} is not usable: {reason}")]
    InvalidAuthUrl {
        /// Where the setting comes from: a builder method or an environment variable.
        setting: &'static str,
        /// What is wrong with it. The URL itself is not shown: it may hold a password.
        reason: &'static str,
    },
    /// The URL of a service that auth calls is one that credentials do not belong to.
    #[error(
        "credentials are not sent to `{origin}`, which {setting} names: not one of the known hosts, and not loopback. {}",
        if setting.starts_with('.') {
            "If you trust that host with them, say so with `.dangerously_allow_origin(..)`"
        } else {
            "A variable cannot name another host; the builder can"
        }
    )]
    UntrustedAuthOrigin {
        /// Where the setting comes from: a builder method or an environment variable.
        setting: &'static str,
        /// Scheme, host and port that were asked for.
        origin: String,
    },
    /// The credentials cannot be used.
    #[error("the credentials cannot be used: {0}")]
    Credentials(#[source] AuthError),
    /// The application's name or version cannot be sent as `originator` and `User-Agent`.
    #[error("the application's {part} cannot be sent as a header: {reason}")]
    InvalidApplication {
        /// `name` or `version`.
        part: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The proxy setting is not a usable URL.
    #[error("the proxy set by {setting} is not usable: {reason}")]
    InvalidProxy {
        /// Where the setting comes from: a builder method or an environment variable.
        setting: &'static str,
        /// What is wrong with it. The URL itself is not shown: it may hold a password.
        reason: &'static str,
    },
    /// The root certificates given on the builder cannot be used.
    #[error("the root certificates given to `.root_certificates(..)` cannot be used: {reason}")]
    InvalidCertificates {
        /// What is wrong with them.
        reason: String,
    },
    /// Two settings contradict each other.
    #[error("{0}")]
    Conflict(&'static str),
}
