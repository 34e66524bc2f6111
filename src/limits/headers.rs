//! Limits as the headers of answers and events of streams tell them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use serde_json::Value;

use super::{Credits, RateLimitSnapshot, SnapshotWindow, Wire};

/// The limit whose headers have no other name.
const DEFAULT_LIMIT: &str = "codex";

impl RateLimitSnapshot {
    /// What the headers of an answer say about all limits: `codex` first, the others by name. A limit of which they say
    /// nothing is left out.
    ///
    /// Wire: `x-{limit}-primary-used-percent`, `-primary-window-minutes`, `-primary-reset-at`, the same for `secondary`,
    /// `-limit-name`, and `x-codex-credits-…`.
    ///
    /// ```
    /// use codex_backend::RateLimitSnapshot;
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
            .map(str::to_owned)
            .collect();
        limits.sort_unstable();
        limits.dedup();
        limits.insert(0, DEFAULT_LIMIT.to_owned());
        limits.iter().map(|limit| Self::from_headers(headers, limit)).filter(Self::says_something).collect()
    }

    /// What the headers of an answer say about one limit.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap, limit: &str) -> Self {
        let limit = match limit.trim() {
            "" => DEFAULT_LIMIT.to_owned(),
            limit => limit.to_ascii_lowercase(),
        };
        let prefix = format!("x-{}", limit.replace('_', "-"));
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

    /// What an event `codex.rate_limits` says.
    pub(crate) fn from_event(event: &Value) -> Self {
        let string =
            |name: &str| event.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        let window = |name: &str| {
            let window = event.get("rate_limits")?.get(name)?;
            Some(SnapshotWindow {
                used_percent: window.get("used_percent")?.as_f64()?,
                window_minutes: window.get("window_minutes").and_then(|minutes| i64::read(minutes).ok()),
                resets_at: window.get("reset_at").and_then(|seconds| since_1970(u64::read(seconds).ok()?)),
            })
        };
        let credits = || {
            let credits = event.get("credits")?;
            Some(Credits {
                has_credits: credits.get("has_credits")?.as_bool()?,
                unlimited: credits.get("unlimited")?.as_bool()?,
                balance: credits.get("balance").and_then(Value::as_str).map(str::to_owned),
                ..Credits::default()
            })
        };
        let limit_id = string("metered_limit_name").or_else(|| string("limit_name")).unwrap_or(DEFAULT_LIMIT);
        Self {
            limit_id: limit_id.to_ascii_lowercase().replace('-', "_"),
            limit_name: None,
            primary: window("primary"),
            secondary: window("secondary"),
            credits: credits(),
            spend_control: None,
            plan_type: string("plan_type").map(|plan| plan.to_owned().into()),
            reached: string("rate_limit_reached_type").map(|reason| reason.to_owned().into()),
        }
    }

    /// Whether there is a window or credits.
    pub(super) fn says_something(&self) -> bool {
        self.primary.is_some() || self.secondary.is_some() || self.credits.is_some()
    }
}

/// How much may still be asked of the OpenAI API within a short time, by the headers `x-ratelimit-…`.
///
/// ```
/// use std::time::Duration;
/// use codex_backend::ApiRateLimits;
/// use codex_backend::http::HeaderMap;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x-ratelimit-remaining-tokens", "149984".parse()?);
/// headers.insert("x-ratelimit-reset-tokens", "6m0s".parse()?);
/// let tokens = ApiRateLimits::from_headers(&headers).and_then(|limits| limits.tokens).unwrap();
/// assert_eq!((tokens.remaining, tokens.resets_in), (Some(149_984), Some(Duration::from_secs(360))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiRateLimits {
    /// The limit on requests.
    pub requests: Option<ApiRateLimit>,
    /// The limit on tokens.
    pub tokens: Option<ApiRateLimit>,
}

/// One of the [`ApiRateLimits`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiRateLimit {
    /// How many the window allows.
    pub limit: Option<u64>,
    /// How many are left of it.
    pub remaining: Option<u64>,
    /// How long until all are there again.
    pub resets_in: Option<Duration>,
}

impl ApiRateLimits {
    /// What the headers of an answer say, if they say anything.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let limit = |of: &str| {
            let number = |name: &str| text(headers, &format!("x-ratelimit-{name}-{of}"))?.parse().ok();
            let resets_in = text(headers, &format!("x-ratelimit-reset-{of}")).and_then(duration);
            let limit = ApiRateLimit { limit: number("limit"), remaining: number("remaining"), resets_in };
            (limit.limit.is_some() || limit.remaining.is_some() || limit.resets_in.is_some()).then_some(limit)
        };
        let limits = Self { requests: limit("requests"), tokens: limit("tokens") };
        (limits.requests.is_some() || limits.tokens.is_some()).then_some(limits)
    }
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
        assert_eq!(RateLimitSnapshot::all_from_headers(&HeaderMap::new()), []);
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
        let snapshot = RateLimitSnapshot::from_event(&event);
        assert_eq!((snapshot.limit_id.as_str(), &snapshot.plan_type), ("codex_other", &Some(PlanType::Plus)));
        assert_eq!((snapshot.primary, snapshot.secondary), (window(42.0, 60, 1_700_000_000), None));
        assert_eq!(snapshot.credits.and_then(|credits| credits.balance).as_deref(), Some("123"));
        assert!(!RateLimitSnapshot::from_event(&serde_json::json!({ "rate_limits": 7 })).says_something());
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
