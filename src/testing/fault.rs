use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::recorded::Route;

/// One way in which the server misbehaves, for one request unless [`times`](Self::times) says otherwise.
///
/// ```
/// use std::time::Duration;
/// use codex_backend::testing::{Backend, Fault, Route};
///
/// let backend = Backend::start()?;
/// backend.inject(Route::CREATE_FILE, Fault::unauthorized("token_expired").times(2));
/// backend.inject(Route::PUT_FILE, Fault::reset_before_headers());
/// backend.inject(Route::FINALIZE_FILE, Fault::status(429).header("retry-after", "1"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Fault {
    pub(super) effect: Effect,
    times: u32,
}

#[derive(Debug, Clone)]
pub(super) enum Effect {
    Answer { status: StatusCode, headers: HeaderMap, body: Bytes },
    Delay(Duration),
    Stall,
    ResetBeforeHeaders,
    ResetInBody,
    TruncateJson,
    ReadSlowly { pause: Duration },
}

impl Fault {
    fn new(effect: Effect) -> Self {
        Self { effect, times: 1 }
    }

    /// Answers with this status and no body. A status that does not exist becomes 500.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(Effect::Answer { status, headers: HeaderMap::new(), body: Bytes::new() })
    }

    /// With this body, where the fault is an answer.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        if let Effect::Answer { body: current, .. } = &mut self.effect {
            *current = body.into();
        }
        self
    }

    /// With this header, where the fault is an answer. What is not a legal header is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Effect::Answer { headers, .. } = &mut self.effect
            && let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value))
        {
            headers.insert(name, value);
        }
        self
    }

    /// Refuses the credentials with 401 and this code, whatever they are.
    #[must_use]
    pub fn unauthorized(code: &str) -> Self {
        let body = serde_json::json!({ "error": { "code": code, "message": "the access token is not accepted" } });
        Self::status(401).header("content-type", "application/json").body(body.to_string())
    }

    /// Redirects to another URL (307).
    #[must_use]
    pub fn redirect_to(url: &str) -> Self {
        Self::status(307).header("location", url)
    }

    /// Waits before it goes on as if nothing had been.
    #[must_use]
    pub fn delay(delay: Duration) -> Self {
        Self::new(Effect::Delay(delay))
    }

    /// Takes the request, reads none of its body, and never answers.
    #[must_use]
    pub fn stall() -> Self {
        Self::new(Effect::Stall)
    }

    /// Reads the request and resets the connection before a byte of the answer.
    #[must_use]
    pub fn reset_before_headers() -> Self {
        Self::new(Effect::ResetBeforeHeaders)
    }

    /// Answers, and resets the connection in the middle of the body.
    #[must_use]
    pub fn reset_in_body() -> Self {
        Self::new(Effect::ResetInBody)
    }

    /// Answers with the first half of the JSON, as if it were all.
    #[must_use]
    pub fn truncated_json() -> Self {
        Self::new(Effect::TruncateJson)
    }

    /// Reads the body of an upload piece by piece, with a pause before each.
    #[must_use]
    pub fn slow_reading(pause: Duration) -> Self {
        Self::new(Effect::ReadSlowly { pause })
    }

    /// For this many requests in a row.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }
}

/// The faults that are still to come.
#[derive(Debug, Default)]
pub(super) struct Script {
    faults: HashMap<Route, VecDeque<Fault>>,
}

impl Script {
    pub(super) fn push(&mut self, route: Route, fault: Fault) {
        self.faults.entry(route).or_default().push_back(fault);
    }

    /// What the next request to the route is to suffer.
    pub(super) fn next(&mut self, route: Route) -> Option<Effect> {
        let faults = self.faults.get_mut(&route)?;
        while faults.front().is_some_and(|fault| fault.times == 0) {
            faults.pop_front();
        }
        let fault = faults.front_mut()?;
        fault.times -= 1;
        Some(fault.effect.clone())
    }
}
