//! When a request is retried, how long to wait first, and the budget that bounds it.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use http::HeaderMap;

use crate::error::{Error, ErrorKind};

/// How a client retries requests that failed.
///
/// A request is retried only where that is safe: reads, a blob upload whose source can be read again, endpoints
/// declared idempotent; and any request when it is certain that the server did not act on it (no connection, or a
/// burst limit). A model call to the Codex backend that meets a burst limit is retried only if the server says how long to
/// wait, be it in the answer's head or in the event with which a stream begins. Usage limits, quota and policy errors are never retried. Each retry takes a token from a budget
/// that all calls of a client share, so that a failing server is not made worse.
///
/// ```
/// use std::time::Duration;
/// use codex_backend::RetryPolicy;
///
/// let patient = RetryPolicy::default().max_attempts(6).max_delay(Duration::from_secs(30));
/// let never = RetryPolicy::never();
/// # let _ = (patient, never);
/// ```
#[doc(alias("retry", "backoff"))]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    max_attempts: u32,
    base_delay: Duration,
    max_delay: Duration,
    max_retry_after: Duration,
    budget_capacity: u32,
    budget_refill: f64,
}

impl RetryPolicy {
    /// Nothing is sent twice, save after a 401 that the provider can mend.
    #[must_use]
    pub fn never() -> Self {
        Self::default().max_attempts(1)
    }

    /// How often a request is sent at the most; at least 1. Default 3.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// The upper bound of the first wait; it doubles with each further one. Default 500 ms.
    /// The actual wait is drawn evenly between half the bound and the bound.
    #[must_use]
    pub fn base_delay(mut self, delay: Duration) -> Self {
        self.base_delay = delay;
        self
    }

    /// The upper bound of any wait that this client chooses itself. Default 8 s.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// The longest wait that a server asks for which is waited out. A longer one ends the call, and the error tells it. Default 60 s.
    #[must_use]
    pub fn max_retry_after(mut self, wait: Duration) -> Self {
        self.max_retry_after = wait;
        self
    }

    /// The budget that the client's calls share: it holds at most `capacity` tokens and starts full, a retry takes
    /// one, and a call that succeeds gives back `refill` of one. Default 20 tokens and 0.2. It is a setting of the
    /// client: in the policy of a single call it is not used.
    #[must_use]
    pub fn budget(mut self, capacity: u32, refill: f64) -> Self {
        self.budget_capacity = capacity;
        self.budget_refill = if refill.is_finite() { refill.clamp(0.0, 1.0) } else { 0.0 };
        self
    }

    pub(super) fn allows_retries(&self) -> bool {
        self.max_attempts > 1
    }

    /// The wait before the next attempt, or `None` when there is to be none. `attempts` have been made.
    pub(super) fn delay(&self, error: &Error, retries: Retries, attempts: u32) -> Option<Duration> {
        if attempts >= self.max_attempts || !retries.allows(error) {
            return None;
        }
        match error.retry_after() {
            Some(wait) => (wait <= self.max_retry_after).then_some(wait),
            None => Some(self.backoff(attempts)),
        }
    }

    fn backoff(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        let bound = self.base_delay.saturating_mul(1 << doublings).min(self.max_delay);
        bound.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            base_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(8),
            max_retry_after: Duration::from_secs(60),
            budget_capacity: 20,
            budget_refill: 0.2,
        }
    }
}

/// Whether a request may be retried after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retries {
    /// A retry does no harm: reads and endpoints declared idempotent.
    Safe,
    /// Only when it is certain that the server did not act on the request.
    IfNotActedOn,
    /// Not even then.
    Never,
    /// A retry does no harm, and whether the server wants one is told by whether it names a wait: model calls to the Codex
    /// backend.
    IfWanted,
}

impl Retries {
    fn allows(self, error: &Error) -> bool {
        match error.kind() {
            _ if self == Self::Never => false,
            // There is none of what was asked for, however long one waits.
            _ if self == Self::IfWanted && error.code() == Some("flex_unavailable") => false,
            // Refused before the server did anything, or never there.
            ErrorKind::Connect => true,
            // An error that an event means is only received as one that may be retried if the server wants that.
            ErrorKind::RateLimited if self == Self::IfWanted && error.events_delivered().is_none() => {
                error.retry_after().is_some() || error.status().is_some_and(|status| status.is_server_error())
            }
            ErrorKind::RateLimited if error.status().is_none_or(|status| !status.is_server_error()) => true,
            ErrorKind::RateLimited
            | ErrorKind::Overloaded
            | ErrorKind::Server
            | ErrorKind::Interrupted
            | ErrorKind::Timeout
            | ErrorKind::Truncated => self != Self::IfNotActedOn || !error.may_have_been_sent(),
            _ => false,
        }
    }
}

/// Tokens that retries of all calls of a client draw on.
#[derive(Debug)]
pub(super) struct RetryBudget {
    capacity: f64,
    refill: f64,
    tokens: Mutex<f64>,
}

impl RetryBudget {
    pub(super) fn new(policy: &RetryPolicy) -> Self {
        let capacity = f64::from(policy.budget_capacity);
        Self { capacity, refill: policy.budget_refill, tokens: Mutex::new(capacity) }
    }

    pub(super) fn withdraw(&self) -> bool {
        let mut tokens = self.tokens.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let granted = *tokens >= 1.0;
        if granted {
            *tokens -= 1.0;
        }
        granted
    }

    pub(super) fn deposit(&self) {
        let mut tokens = self.tokens.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *tokens = (*tokens + self.refill).min(self.capacity);
    }
}

/// The wait that the server asks for: `retry-after-ms`, else `Retry-After` in seconds or as an HTTP date.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok()).map(str::trim);
    let seconds = |number: f64| Duration::try_from_secs_f64(number).ok();
    if let Some(wait) = text("retry-after-ms").and_then(|ms| ms.parse::<f64>().ok()).and_then(|ms| seconds(ms / 1e3)) {
        return Some(wait);
    }
    let value = text("retry-after")?;
    match value.parse::<f64>() {
        Ok(number) => seconds(number),
        Err(_) => {
            let date = httpdate::parse_http_date(value).ok()?;
            Some(date.duration_since(now).unwrap_or(Duration::ZERO))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(name: &'static str, value: &str) -> Option<Duration> {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        retry_after(&headers, now)
    }

    #[test]
    fn retry_after_in_seconds_milliseconds_and_as_a_date() {
        assert_eq!(wait("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("retry-after", " 1.5 "), Some(Duration::from_millis(1500)));
        assert_eq!(wait("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(wait("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(wait("retry-after", "Wed, 21 Oct 2026 07:27:00 GMT"), Some(Duration::ZERO));
        for nonsense in ["", "-1", "soon", "NaN", "inf", "1e400"] {
            assert_eq!(wait("retry-after", nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn backoff_doubles_within_its_bounds() {
        let policy =
            RetryPolicy::default().base_delay(Duration::from_millis(100)).max_delay(Duration::from_millis(350));
        for _ in 0..200 {
            let within = |attempts, low, high| {
                let delay = policy.backoff(attempts);
                assert!(delay >= Duration::from_millis(low) && delay <= Duration::from_millis(high), "{delay:?}");
            };
            within(1, 50, 100);
            within(2, 100, 200);
            within(3, 175, 350);
            within(90, 175, 350);
        }
    }

    #[test]
    fn a_request_that_is_not_idempotent_is_retried_only_if_the_server_did_not_act() {
        let error = |kind, sent| Error::new(kind, "test", "").sent(sent);
        let cases = [
            (ErrorKind::Connect, false, true, true),
            (ErrorKind::RateLimited, true, true, true),
            (ErrorKind::Server, true, true, false),
            (ErrorKind::Overloaded, true, true, false),
            (ErrorKind::Interrupted, true, true, false),
            (ErrorKind::Interrupted, false, true, true),
            (ErrorKind::Timeout, true, true, false),
            (ErrorKind::UsageLimit, true, false, false),
            (ErrorKind::QuotaExceeded, true, false, false),
            (ErrorKind::NotIncluded, true, false, false),
            (ErrorKind::InvalidRequest, true, false, false),
            (ErrorKind::Forbidden, true, false, false),
            (ErrorKind::Certificate, false, false, false),
            (ErrorKind::FileChanged, true, false, false),
        ];
        for (kind, sent, safe, other) in cases {
            assert_eq!(Retries::Safe.allows(&error(kind, sent)), safe, "{kind:?} safe");
            assert_eq!(Retries::IfNotActedOn.allows(&error(kind, sent)), other, "{kind:?} not idempotent");
            assert!(!Retries::Never.allows(&error(kind, sent)), "{kind:?} never");
        }
    }

    #[test]
    fn a_model_call_is_retried_if_the_server_wants_that() {
        let error = |kind, status: u16| {
            let error = Error::new(kind, "test", "").sent(true);
            if status == 0 { error.after_events(0) } else { error.with_status(status.try_into().unwrap()) }
        };
        let wait = Some(Duration::from_secs(2));
        for (kind, status, without, with) in [
            (ErrorKind::RateLimited, 429, false, true),
            (ErrorKind::RateLimited, 503, true, true),
            (ErrorKind::RateLimited, 0, true, true),
            (ErrorKind::Overloaded, 503, true, true),
            (ErrorKind::Server, 502, true, true),
            (ErrorKind::UsageLimit, 429, false, false),
            (ErrorKind::QuotaExceeded, 429, false, false),
            (ErrorKind::InvalidRequest, 400, false, false),
        ] {
            let allowed = |error: &Error| Retries::IfWanted.allows(error);
            assert_eq!(allowed(&error(kind, status)), without, "{kind:?} {status}");
            assert_eq!(allowed(&error(kind, status).with_retry_after(wait)), with, "{kind:?} {status}, told a wait");
            let flex = error(kind, status).with_retry_after(wait).with_code(Some("flex_unavailable".to_owned()));
            assert!(!allowed(&flex), "{kind:?}");
        }
        assert!(Retries::IfWanted.allows(&Error::new(ErrorKind::Interrupted, "test", "").sent(true)));
        let slow_down = |retries: Retries| retries.allows(&error(ErrorKind::RateLimited, 503));
        assert!(slow_down(Retries::Safe) && !slow_down(Retries::IfNotActedOn), "a 503 is one whatever its code");
    }

    #[test]
    fn the_budget_runs_out_and_fills_again() {
        let budget = RetryBudget::new(&RetryPolicy::default().budget(2, 0.5));
        assert!(budget.withdraw() && budget.withdraw() && !budget.withdraw());
        budget.deposit();
        assert!(!budget.withdraw());
        budget.deposit();
        assert!(budget.withdraw());
    }
}
