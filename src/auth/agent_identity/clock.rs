//! The time that assertions carry: this machine's, or the server's where that is followed.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{AgentIdentityError, ClockSkew};

/// The first second that a timestamp has no room for: the year 10000.
const END_OF_TIME: u64 = 253_402_300_800;
/// Clocks that are closer than this are not the problem.
const TOLERATED_SKEW: Duration = Duration::from_secs(60);

/// How many seconds the server's clock is ahead of this machine's.
#[derive(Debug, Default)]
pub(super) struct ServerClock {
    ahead: AtomicI64,
}

impl ServerClock {
    pub(super) fn adopt(&self, server_date: SystemTime, local: SystemTime) -> bool {
        let ahead = match server_date.duration_since(local) {
            Ok(ahead) => i64::try_from(ahead.as_secs()),
            Err(behind) => i64::try_from(behind.duration().as_secs()).map(|behind| -behind),
        };
        let Ok(ahead) = ahead else { return false };
        self.ahead.store(ahead, Ordering::Relaxed);
        tracing::warn!(ahead_seconds = ahead, "the agent follows the server's clock from now on");
        true
    }

    pub(super) fn is_adopted(&self) -> bool {
        self.ahead.load(Ordering::Relaxed) != 0
    }
}

/// In seconds since 1970.
pub(super) fn now(local: SystemTime, server: Option<&ServerClock>) -> Result<u64, AgentIdentityError> {
    let local = local.duration_since(UNIX_EPOCH).map_err(|_| AgentIdentityError::ClockUnusable)?.as_secs();
    let now = match server {
        Some(clock) => local.checked_add_signed(clock.ahead.load(Ordering::Relaxed)),
        None => Some(local),
    };
    now.filter(|now| *now < END_OF_TIME).ok_or(AgentIdentityError::ClockUnusable)
}

/// How far `now` is from the server's clock, where that is too far.
pub(super) fn skew(now: u64, server_date: SystemTime) -> Option<ClockSkew> {
    let skew = match server_date.duration_since(UNIX_EPOCH + Duration::from_secs(now)) {
        Ok(behind) => ClockSkew::Behind(behind),
        Err(ahead) => ClockSkew::Ahead(ahead.duration()),
    };
    let (ClockSkew::Behind(by) | ClockSkew::Ahead(by)) = skew;
    (by > TOLERATED_SKEW).then_some(skew)
}

/// `2026-04-23T00:00:00Z`
pub(super) fn timestamp(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}
