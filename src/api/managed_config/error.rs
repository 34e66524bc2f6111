//! Why managed configuration could not be loaded.

use std::time::Duration;

use crate::error::Error;

/// Why managed configuration could not be loaded.
///
/// Do not continue without it unless that is intended: whether the administrators require anything is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagedConfigError {
    /// The time-out has passed.
    #[error("managed configuration was not loaded within {limit:?}")]
    Timeout {
        /// The time-out.
        limit: Duration,
        /// The last error before, if any.
        #[source]
        last: Option<Error>,
    },
    /// The credentials were refused, or could not be refreshed; the user has to sign in again.
    #[error("managed configuration could not be loaded: {0}")]
    Auth(#[source] Error),
    /// All attempts failed.
    #[error("managed configuration could not be loaded in {attempts} attempts: {last}")]
    RequestFailed {
        /// The number of attempts.
        attempts: u32,
        /// The error of the last attempt.
        #[source]
        last: Error,
    },
    /// The text is not TOML, or does not fit the requested type.
    #[error("`{name}` of the managed configuration cannot be read: {reason}")]
    Parse {
        /// The name of the fragment, or `requirements`.
        name: String,
        /// What is wrong, and in which line.
        reason: String,
    },
}
