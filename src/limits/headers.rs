//! Limits, as read from the headers of answers and from the events of streams.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use serde::Deserialize;

use super::rate_limit::{Credits, RateLimitSnapshot, SnapshotWindow};
use crate::wire::read_member;

/// The limit whose headers have no other name.
const DEFAULT_LIMIT: &str = "codex";

impl RateLimitSnapshot {
    /// Reads all limits from the headers of an answer of the Codex backend: first `codex`, which is always there, then
    /// the others that have a window or credits, sorted by id.
    ///
    /// Wire: `x-{limit}-primary-used-percent`, `-primary-window-minutes`, `-primary-reset-at`, the same for `secondary`,
    /// `-limit-name`, and `x-codex-credits-…`.
    ///
    /// ```
    /// use codex_backend::limits::RateLimitSnapshot;
    /// use codex_backend::http::HeaderMap;
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-codex-primary-used-percent", "12.5".parse()?);
    /// headers.insert("x-codex-primary-window-minutes", "300".parse()?);
    /// let snapshots = RateLimitSnapshot::all_from_headers(&headers);
    /// let window = snapshots[0].primary.unwrap();
    /// assert_eq!((snapshots[0].limit_id.as_str(), window.used_percent, window.window_minutes), ("codex", 12.5, Some(300)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn all_from_headers(headers: &HeaderMap) -> Vec<Self> {
        let mut limits: Vec<String> = headers
            .keys()
            .filter_map(|name| name.as_str().strip_prefix("x-")?.strip_suffix("-primary-used-percent"))
            .filter(|limit| !limit.is_empty() && *limit != DEFAULT_LIMIT)
            .map(|limit| limit.replace('-', "_"))
            .collect();
        limits.sort_unstable();
        limits.dedup();
        let of = |limit: &str| Self::from_headers(headers, limit);
        let others = limits.iter().map(|limit| of(limit)).filter(Self::says_something);
        std::iter::once(of(DEFAULT_LIMIT)).chain(others).collect()
    }

    /// Reads one limit from the headers of an answer.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap, limit: &str) -> Self {
        let limit = match limit.trim() {
            "" => DEFAULT_LIMIT.to_owned(),
            limit => limit.to_ascii_lowercase(),
        };
        let prefix = format!("x-{}", limit.replace('_', "-"));
        // Most answers have none of them, and looking up every header by name takes long.
        if !tells(headers, &prefix) && !tells(headers, "x-codex-credits-") {
            return Self { limit_id: limit.replace('-', "_"), ..Self::default() };
        }
        let window = |name: &str| {
            let of = |member: &str| text(headers, &format!("{prefix}-{name}-{member}"));
            let used_percent = of("used-percent")?.parse().ok().filter(|percent: &f64| percent.is_finite())?;
            let window_minutes = of("window-minutes").and_then(|minutes| minutes.parse().ok());
            let resets_at = of("reset-at").and_then(|seconds| since_1970(seconds.parse().ok()?));
            // Zeros all over mean that there is no such window.
            let exists =
                used_percent != 0.0 || window_minutes.is_some_and(|minutes| minutes != 0) || resets_at.is_some();
            exists.then_some(SnapshotWindow { used_percent, window_minutes, resets_at })
        };
        let credits = || {
            let flag = |name: &str| match text(headers, name)? {
                "1" => Some(true),
                "0" => Some(false),
                value if value.eq_ignore_ascii_case("true") => Some(true),
                value if value.eq_ignore_ascii_case("false") => Some(false),
                _ => None,
            };
            Some(Credits {
                has_credits: flag("x-codex-credits-has-credits")?,
                unlimited: flag("x-codex-credits-unlimited")?,
                balance: text(headers, "x-codex-credits-balance").map(str::to_owned),
                ..Credits::default()
            })
        };
        Self {
            limit_name: text(headers, &format!("{prefix}-limit-name")).map(str::to_owned),
            primary: window("primary"),
            secondary: window("secondary"),
            credits: credits(),
            spend_control: None,
            plan_type: None,
            reached: text(headers, &format!("{prefix}-rate-limit-reached-type")).map(|reason| reason.to_owned().into()),
            limit_id: limit.replace('-', "_"),
        }
    }

    /// Reads an event `codex.rate_limits`. `None` if it does not have that form.
    pub(crate) fn from_event(event: &str) -> Option<Self> {
        let event: LimitsEvent = serde_json::from_str(event).ok()?;
        let said = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let limit_id = said(event.metered_limit_name).or_else(|| said(event.limit_name));
        let windows = event.rate_limits.unwrap_or_default();
        Some(Self {
            limit_id: limit_id.as_deref().unwrap_or(DEFAULT_LIMIT).to_ascii_lowercase().replace('-', "_"),
            limit_name: None,
            primary: windows.primary.map(WindowOfEvent::snapshot),
            secondary: windows.secondary.map(WindowOfEvent::snapshot),
            credits: event.credits.map(|CreditsOfEvent { has_credits, unlimited, balance }| Credits {
                has_credits,
                unlimited,
                balance,
                ..Credits::default()
            }),
            spend_control: None,
            plan_type: said(event.plan_type).map(Into::into),
            reached: said(event.rate_limit_reached_type).map(Into::into),
        })
    }

    /// Whether there is a window or credits.
    pub(crate) fn says_something(&self) -> bool {
        self.primary.is_some() || self.secondary.is_some() || self.credits.is_some()
    }
}

#[derive(Deserialize)]
struct LimitsEvent {
    plan_type: Option<String>,
    rate_limits: Option<WindowsOfEvent>,
    credits: Option<CreditsOfEvent>,
    metered_limit_name: Option<String>,
    limit_name: Option<String>,
    rate_limit_reached_type: Option<String>,
}

#[derive(Deserialize, Default)]
struct WindowsOfEvent {
    primary: Option<WindowOfEvent>,
    secondary: Option<WindowOfEvent>,
}

#[derive(Deserialize)]
struct WindowOfEvent {
    used_percent: f64,
    #[serde(default, deserialize_with = "read_member")]
    window_minutes: Option<i64>,
    #[serde(default, deserialize_with = "read_member")]
    reset_at: Option<i64>,
}

#[derive(Deserialize)]
struct CreditsOfEvent {
    has_credits: bool,
    unlimited: bool,
    balance: Option<String>,
}

impl WindowOfEvent {
    fn snapshot(self) -> SnapshotWindow {
        let resets_at = self.reset_at.and_then(|seconds| since_1970(u64::try_from(seconds).ok()?));
        SnapshotWindow { used_percent: self.used_percent, window_minutes: self.window_minutes, resets_at }
    }
}

/// The rate limits of the OpenAI API, from the headers `x-ratelimit-…`.
///
/// ```
/// use std::time::Duration;
/// use codex_backend::limits::OpenAiRateLimits;
/// use codex_backend::http::HeaderMap;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x-ratelimit-remaining-tokens", "149984".parse()?);
/// headers.insert("x-ratelimit-reset-tokens", "6m0s".parse()?);
/// let tokens = OpenAiRateLimits::from_headers(&headers).and_then(|limits| limits.tokens).unwrap();
/// assert_eq!((tokens.remaining, tokens.resets_in), (Some(149_984), Some(Duration::from_secs(360))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("rate limit", "x-ratelimit"))]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenAiRateLimits {
    /// The limit on requests.
    pub requests: Option<OpenAiRateLimit>,
    /// The limit on tokens.
    pub tokens: Option<OpenAiRateLimit>,
}

/// One of the [`OpenAiRateLimits`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenAiRateLimit {
    /// The maximum in the window.
    pub limit: Option<u64>,
    /// The remaining number.
    pub remaining: Option<u64>,
    /// The time until the limit is fully reset.
    pub resets_in: Option<Duration>,
}

impl OpenAiRateLimits {
    /// Reads the headers of an answer. `None` if it has none of them.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        if !tells(headers, "x-ratelimit-") {
            return None;
        }
        let limit = |of: &str| {
            let number = |name: &str| text(headers, &format!("x-ratelimit-{name}-{of}"))?.parse().ok();
            let resets_in = text(headers, &format!("x-ratelimit-reset-{of}")).and_then(duration);
            let limit = OpenAiRateLimit { limit: number("limit"), remaining: number("remaining"), resets_in };
            (limit.limit.is_some() || limit.remaining.is_some() || limit.resets_in.is_some()).then_some(limit)
        };
        let limits = Self { requests: limit("requests"), tokens: limit("tokens") };
        (limits.requests.is_some() || limits.tokens.is_some()).then_some(limits)
    }
}

fn tells(headers: &HeaderMap, prefix: &str) -> bool {
    headers.keys().any(|name| name.as_str().starts_with(prefix))
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|value| !value.is_empty())
}

fn since_1970(seconds: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// A time as in `1h2m3.5s` or `20ms`, or a number of seconds.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().ok()?;
        let unit = &rest[end..];
        let length = unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len());
        seconds += number
            * match &unit[..length] {
                "d" => 86_400.0,
                "h" => 3600.0,
                "m" => 60.0,
                "s" | "" => 1.0,
                "ms" => 1e-3,
                "us" => 1e-6,
                _ => return None,
            };
        rest = &unit[length..];
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::limits::{PlanType, RateLimitReachedReason};

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn window(used_percent: f64, minutes: i64, reset_at: u64) -> Option<SnapshotWindow> {
        Some(SnapshotWindow { used_percent, window_minutes: Some(minutes), resets_at: since_1970(reset_at) })
    }

    #[test]
    fn every_family_of_headers_is_a_snapshot() {
        let all = RateLimitSnapshot::all_from_headers(&headers(&[
            ("x-codex-bengalfox-primary-used-percent", "80"),
            ("x-codex-bengalfox-limit-name", " gpt-5.2-codex-sonic "),
            ("X-Codex-Secondary-Primary-Used-Percent", "80"),
            ("x-codex-secondary-primary-window-minutes", "1440"),
            ("x-codex-secondary-primary-reset-at", "1704074400"),
            ("x-codex-primary-used-percent", "12.5"),
            ("x-codex-primary-window-minutes", "60"),
            ("x-codex-primary-reset-at", "1704069000"),
            ("x-empty-primary-used-percent", "0"),
        ]));
        let ids: Vec<&str> = all.iter().map(|snapshot| snapshot.limit_id.as_str()).collect();
        assert_eq!(ids, ["codex", "codex_bengalfox", "codex_secondary"]);
        assert_eq!(all[0].primary, window(12.5, 60, 1_704_069_000));
        assert_eq!(all[1].limit_name.as_deref(), Some("gpt-5.2-codex-sonic"));
        assert_eq!(all[2].primary, window(80.0, 1440, 1_704_074_400));
        let of_none = RateLimitSnapshot::all_from_headers(&HeaderMap::new());
        assert_eq!((of_none.len(), of_none[0].limit_id.as_str(), of_none[0].says_something()), (1, "codex", false));
        let of_other = headers(&[("x-codex-b-primary-used-percent", "1"), ("x-codex2-primary-used-percent", "2")]);
        let ids = RateLimitSnapshot::all_from_headers(&of_other).into_iter().map(|snapshot| snapshot.limit_id);
        assert_eq!(ids.collect::<Vec<_>>(), ["codex", "codex2", "codex_b"]);
    }

    #[test]
    fn a_window_of_zeros_is_none_and_booleans_may_be_capitalised() {
        let snapshot = RateLimitSnapshot::from_headers(
            &headers(&[
                ("x-codex-primary-used-percent", "100"),
                ("x-codex-primary-window-minutes", "10080"),
                ("x-codex-primary-reset-at", "1773860656"),
                ("x-codex-secondary-used-percent", "0"),
                ("x-codex-secondary-window-minutes", "0"),
                ("x-codex-secondary-reset-at", ""),
                ("x-codex-credits-has-credits", "False"),
                ("x-codex-credits-unlimited", "TRUE"),
                ("x-codex-credits-balance", "  "),
                ("x-codex-rate-limit-reached-type", "rate_limit_reached"),
            ]),
            " ",
        );
        assert_eq!(snapshot.primary, window(100.0, 10_080, 1_773_860_656));
        assert_eq!(snapshot.secondary, None);
        assert_eq!(snapshot.credits, Some(Credits { has_credits: false, unlimited: true, ..Credits::default() }));
        assert_eq!((snapshot.limit_id.as_str(), snapshot.reached), ("codex", Some(RateLimitReachedReason::RateLimit)));
        for nonsense in ["NaN", "inf", "much", "1e999"] {
            let headers =
                headers(&[("x-codex-primary-used-percent", nonsense), ("x-codex-primary-window-minutes", "5")]);
            assert_eq!(RateLimitSnapshot::from_headers(&headers, "codex").primary, None, "{nonsense}");
        }
    }

    #[test]
    fn an_event_names_its_limit_and_plan() {
        let event = serde_json::json!({
            "type": "codex.rate_limits", "plan_type": "plus", "metered_limit_name": "Codex-Other",
            "rate_limits": { "allowed": true, "primary": { "used_percent": 42, "window_minutes": 60, "reset_at": 1_700_000_000 },
                "secondary": null },
            "credits": { "has_credits": true, "unlimited": false, "balance": "123" }, "promo": null,
        });
        let snapshot = RateLimitSnapshot::from_event(&event.to_string()).unwrap();
        assert_eq!((snapshot.limit_id.as_str(), &snapshot.plan_type), ("codex_other", &Some(PlanType::Plus)));
        assert_eq!((snapshot.primary, snapshot.secondary), (window(42.0, 60, 1_700_000_000), None));
        assert_eq!(snapshot.credits.and_then(|credits| credits.balance).as_deref(), Some("123"));
        for other_form in [
            serde_json::json!({ "rate_limits": 7 }),
            serde_json::json!({ "rate_limits": { "primary": { "window_minutes": 60 } } }),
            serde_json::json!({ "rate_limits": null, "credits": { "has_credits": "yes", "unlimited": false } }),
        ] {
            assert_eq!(RateLimitSnapshot::from_event(&other_form.to_string()), None, "{other_form}");
        }
    }

    #[test]
    fn times_in_the_units_of_the_api() {
        for (text, milliseconds) in
            [("1s", 1000), ("6m0s", 360_000), ("20ms", 20), ("1h2m3.5s", 3_723_500), ("7", 7000)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for nonsense in ["", "soon", "1y", "s", "-1s", "1..2s"] {
            assert_eq!(duration(nonsense), None, "{nonsense}");
        }
    }
}
