//! What a call that started a refresh waits for once it has its answer: that the refreshed credentials are saved.

use std::fmt;
use std::time::Duration;

use tokio::sync::watch;

use crate::error::AuthError;
use crate::exchange::Afterwards;

/// How long a call with its answer in hand waits for the save.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Refreshed credentials that are being saved.
#[derive(Clone)]
pub(crate) struct Saving {
    running: watch::Receiver<Option<Result<(), AuthError>>>,
}

impl Saving {
    /// Until the other end of the channel is gone.
    pub(super) fn until_closed(running: watch::Receiver<Option<Result<(), AuthError>>>) -> Self {
        Self { running }
    }

    /// Completes when there is nothing more to wait for.
    pub(crate) fn done(mut self) -> Afterwards {
        Box::pin(async move { while self.running.changed().await.is_ok() {} })
    }
}

impl fmt::Debug for Saving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Saving")
    }
}
