//! When an access token is due to be refreshed: the windows before it expires, and the age below which it is left alone.

use std::time::{Duration, SystemTime};

use crate::exchange::Clock;

/// From this long before it expires, a token is refreshed in the background while it goes on being used.
const ADVISORY_WINDOW: Duration = Duration::from_secs(5 * 60);
/// From this long before it expires, a token is no longer used if a refresh can be waited for.
const MANDATORY_WINDOW: Duration = Duration::from_secs(30);
/// Tokens that do not tell when they expire are refreshed after this long.
const UNTOLD_LIFETIME: Duration = Duration::from_secs(8 * 24 * 60 * 60);
/// A token this young that is refused is not the problem: another would be refused too. Nor is it refreshed because it is
/// short-lived, or expired by a clock that is wrong: that would cost a refresh token for each call.
pub(super) const TOO_YOUNG_TO_REFRESH: Duration = Duration::from_secs(60);

/// What is known about the lifetime of an access token.
pub(super) struct Expiry {
    /// As its claims say.
    pub(super) expires_at: Option<SystemTime>,
    pub(super) last_refresh: Option<SystemTime>,
    /// When the token endpoint granted it to this process, on the monotonic clock.
    pub(super) granted_at: Option<Duration>,
}

#[derive(PartialEq, Eq)]
pub(super) enum Urgency {
    None,
    Advisory,
    Mandatory,
}

/// Why tokens are refreshed, in the words of the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefreshReason {
    ProactiveExpiry,
    Scheduled,
    UnauthorizedRecovery,
}

impl RefreshReason {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::ProactiveExpiry => "proactive_expiry",
            Self::Scheduled => "scheduled",
            Self::UnauthorizedRecovery => "unauthorized_recovery",
        }
    }
}

impl Expiry {
    pub(super) fn urgency(&self, clock: &dyn Clock) -> Urgency {
        let now = clock.now();
        let within = |window: Duration| self.expires_at.is_some_and(|end| now + window >= end);
        let is_old = || self.last_refresh.is_some_and(|last| last + UNTOLD_LIFETIME <= now);
        let urgency = if within(MANDATORY_WINDOW) {
            Urgency::Mandatory
        } else if within(ADVISORY_WINDOW) || (self.expires_at.is_none() && is_old()) {
            Urgency::Advisory
        } else {
            return Urgency::None;
        };
        // Asked last: it reads a second clock, which would cost every request as much as all the rest.
        if self.is_used_for_its_youth(clock) { Urgency::None } else { urgency }
    }

    /// Why it is refreshed, before the server has refused it.
    pub(super) fn reason(&self) -> RefreshReason {
        match self.expires_at {
            Some(_) => RefreshReason::ProactiveExpiry,
            None => RefreshReason::Scheduled,
        }
    }

    pub(super) fn has_expired(&self, now: SystemTime) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    pub(super) fn is_too_young_to_refresh(&self, clock: &dyn Clock) -> bool {
        self.age_if_too_young(clock).is_some()
    }

    /// When it may be time to refresh it, or more urgent than now.
    pub(super) fn time_until_change(&self, clock: &dyn Clock) -> Option<Duration> {
        let until = |moment: Option<SystemTime>| moment?.duration_since(clock.now()).ok();
        let grown_up = self.age_if_too_young(clock).map(|age| TOO_YOUNG_TO_REFRESH - age);
        let moments = [until(self.advisory_window_begins()), until(self.expires_at), grown_up];
        moments.into_iter().flatten().filter(|left| !left.is_zero()).min()
    }

    fn age_if_too_young(&self, clock: &dyn Clock) -> Option<Duration> {
        let age = clock.monotonic().saturating_sub(self.granted_at?);
        (age < TOO_YOUNG_TO_REFRESH).then_some(age)
    }

    /// A young token is used until it expires; and also after that, if it had expired already when it was granted.
    fn is_used_for_its_youth(&self, clock: &dyn Clock) -> bool {
        let Some(age) = self.age_if_too_young(clock) else { return false };
        let now = clock.now();
        let had_expired = |end: SystemTime| end.checked_add(age).is_some_and(|then| then <= now);
        self.expires_at.is_none_or(|end| end > now || had_expired(end))
    }

    fn advisory_window_begins(&self) -> Option<SystemTime> {
        match self.expires_at {
            Some(end) => end.checked_sub(ADVISORY_WINDOW),
            None => self.last_refresh?.checked_add(UNTOLD_LIFETIME),
        }
    }
}
