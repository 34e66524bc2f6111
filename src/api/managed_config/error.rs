//! Why managed configuration could not be loaded.

use std::time::Duration;

use crate::error::Error;

/// Why managed configuration could not be loaded.
///
/// Do not go on without it unless you mean to: the administrators cannot be known to demand nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagedConfigError {
    /// It took too long.
    #[error("managed configuration was not loaded within {limit:?}")]
    Timeout {
        /// How long it was allowed to take.
        limit: Duration,
        /// What failed last on the way.
        #[source]
        last: Option<Error>,
    },
    /// The credentials do not do; the user has to sign in again.
    #[error("managed configuration could not be loaded: {0}")]
    Auth(#[source] Error),
    /// It failed each time.
    #[error("managed configuration could not be loaded in {attempts} attempts: {last}")]
    RequestFailed {
        /// How often it was tried.
        attempts: u32,
        /// How it failed last.
        #[source]
        last: Error,
    },
    /// What the administrators wrote is not TOML, or is not of the form that was asked for.
    #[error("`{name}` of the managed configuration cannot be read: {reason}")]
    Parse {
        /// The name that the administrators gave it.
        name: String,
        /// What is wrong with it, and where.
        reason: String,
    },
}
