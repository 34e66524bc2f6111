//! What a server answered: a success to decode, or an error to understand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::operation::Operation;
use super::origin::Origin;
use super::retry::retry_after;
use super::scrub::Scrubber;
use crate::error::{Error, ErrorKind};
use crate::limits::UsageLimit;
use crate::wire::{Excess, JsonError, from_bytes, from_exact_json, from_json, from_text};

/// How much of an answer that became an error is scrubbed and then cut; of an error's body, no more is read.
pub(super) const LONGEST_ERROR_BODY: usize = 64 << 10;

/// The codes with which the backend says that it does not know an agent's task any more.
pub(crate) const TASK_CODES: [&str; 3] = ["invalid_task_id", "task_not_found", "task_expired"];

/// How the server says that an image is none.
const INVALID_IMAGE: &str = "The image data you provided does not represent a valid image";

/// A successful answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) attempts: u32,
    pub(crate) scrubber: Scrubber,
    /// How many members and entries could not be read, and were skipped.
    pub(crate) skipped: AtomicUsize,
}

impl Answer {
    /// One for which nobody had to be asked.
    pub(crate) fn known(body: &'static str) -> Self {
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            attempts: 0,
            scrubber: Scrubber::lookalikes(),
            skipped: AtomicUsize::new(0),
        }
    }

    pub(crate) fn request_id(&self) -> Option<String> {
        request_id(&self.headers).map(|id| self.scrubber.clean_line(id))
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, operation: &Operation) -> Result<T, Error> {
        let (read, skipped) = self.read(operation, from_json)?;
        if skipped > 0 {
            tracing::warn!(operation = operation.name, skipped, "parts of an answer cannot be read");
            self.skipped.fetch_add(skipped, Ordering::Relaxed);
        }
        Ok(read)
    }

    /// One of which nothing may be skipped.
    pub(crate) fn exact_json<T: DeserializeOwned>(&self, operation: &Operation) -> Result<T, Error> {
        self.read(operation, from_exact_json)
    }

    fn read<T>(&self, operation: &Operation, from_json: fn(&[u8]) -> Result<T, JsonError>) -> Result<T, Error> {
        from_json(&self.body).map_err(|error| {
            if let Some(encoding) = unasked_encoding(&self.headers) {
                return Error::new(ErrorKind::Decode, operation.name, format!("the answer cannot be read: {encoding}"))
                    .with_status(self.status)
                    .with_request_id(self.request_id())
                    .with_attempts(self.attempts);
            }
            if let Ok(text) = str::from_utf8(&self.body)
                && tells_error(text)
            {
                let now = server_date(&self.headers).unwrap_or_else(SystemTime::now);
                let error = event_error(operation, text, now, &self.scrubber);
                let status = error.status().unwrap_or(self.status);
                let request_id = error.request_id().map(str::to_owned).or_else(|| self.request_id());
                return error.with_status(status).with_request_id(request_id).with_attempts(self.attempts);
            }
            let (kind, reason) = match error {
                JsonError::Excessive(excess) => (kind_of(excess), excess.to_string()),
                JsonError::Unreadable(error) => {
                    // The decoder's own sentence quotes the value it stumbled over.
                    let reason = match error.classify() {
                        serde_json::error::Category::Eof if self.body.is_empty() => "it is empty",
                        serde_json::error::Category::Eof => "it ends too early",
                        serde_json::error::Category::Data => "a member is missing or has another type than expected",
                        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
                    };
                    (ErrorKind::Decode, format!("{reason} (line {}, column {})", error.line(), error.column()))
                }
            };
            // No more than of an error's body: cleaning 64 MiB takes seconds.
            let start = &self.body[..self.body.len().min(LONGEST_ERROR_BODY)];
            Error::new(kind, operation.name, format!("the answer cannot be read: {reason}"))
                .with_status(self.status)
                .with_request_id(self.request_id())
                .with_attempts(self.attempts)
                .with_body(Some(self.scrubber.clean(&String::from_utf8_lossy(start))))
        })
    }
}

/// What JSON beyond its bounds means for who asked.
pub(crate) fn kind_of(excess: Excess) -> ErrorKind {
    match excess {
        Excess::Depth | Excess::Values => ErrorKind::ResponseTooLarge,
        Excess::PrivateKey => ErrorKind::Decode,
    }
}

/// The error that an answer other than a success means.
pub(super) fn error(operation: &Operation, parts: &Parts, body: &[u8], now: SystemTime, scrubber: &Scrubber) -> Error {
    let (status, headers) = (parts.status, &parts.headers);
    let text = String::from_utf8_lossy(body);
    let said = Said::parse(&text, headers);
    let kind = classify(status, headers, &text, &said);
    let said = if is_html(headers, &text) { said } else { said.or_excerpt(&text, scrubber) };
    error_of(operation, kind, Some(status), headers, &said, &text, now, scrubber)
}

#[allow(clippy::too_many_arguments, reason = "all that is known of one answer")]
fn error_of(
    operation: &Operation,
    kind: ErrorKind,
    status: Option<StatusCode>,
    headers: &HeaderMap,
    said: &Said,
    text: &str,
    now: SystemTime,
    scrubber: &Scrubber,
) -> Error {
    let limit = (kind == ErrorKind::UsageLimit)
        .then(|| UsageLimit::from_error(said.error_object.as_ref().unwrap_or(&Value::Null), headers, now));
    let until_reset = limit.as_ref().and_then(|limit| limit.resets_at?.duration_since(now).ok());
    let message = match kind {
        ErrorKind::Redirect => match location(headers) {
            Some(origin) => format!("the server redirects to {origin}"),
            None => "the server redirects".to_owned(),
        },
        ErrorKind::Challenge => "Cloudflare asks for a browser challenge".to_owned(),
        _ => {
            let sentence = describe(kind);
            match said.message.as_deref().map(|message| scrubber.clean_line(message)).filter(|line| !line.is_empty()) {
                Some(said) => format!("{sentence}: {said}"),
                None => sentence,
            }
        }
    };
    let error = Error::new(kind, operation.name, message)
        .with_code(said.code.as_deref().map(|code| scrubber.clean_line(code)))
        .with_request_id(request_id(headers).map(|id| scrubber.clean_line(id)))
        .with_retry_after(retry_after(headers, now).or(until_reset).or_else(|| said.delay(kind)))
        .with_server_date(server_date(headers))
        .with_usage_limit(limit)
        .with_body((!text.is_empty()).then(|| scrubber.clean(text)));
    match status {
        Some(status) => error.with_status(status),
        None => error,
    }
}

/// The error that an event inside a stream means, whose head said 200: `response.failed` by the error in its response,
/// or a top-level `error`, which may carry a status and headers of its own.
pub(crate) fn event_error(operation: &Operation, event: &str, now: SystemTime, scrubber: &Scrubber) -> Error {
    // Named an error from outside, it may be the error object itself.
    let bare = |value: Value| if value.is_object() { json!({ "error": value }) } else { value };
    let value = told_error(event).or_else(|| from_text(event).ok().map(bare)).unwrap_or_default();
    let headers = value.get("headers").map(headers_of_json).unwrap_or_default();
    let said = match value.get("response") {
        Some(response) => Said::parse(&response.to_string(), &headers),
        None if value.is_object() => Said::parse(&value.to_string(), &headers),
        None => Said::parse(event, &headers),
    };
    let status = ["status", "status_code"].into_iter().find_map(|name| value.get(name)?.as_u64());
    // Some servers put the status where the code stands.
    let status = status.or_else(|| value.pointer("/error/code")?.as_u64().filter(|code| (400..600).contains(code)));
    let status = status.and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
    let kind = match (named(&said), status) {
        (Some(kind), _) => kind,
        (None, _) if said.is("rate_limit_exceeded") => ErrorKind::RateLimited,
        (None, _) if ["invalid_prompt", "bio_policy"].into_iter().any(|name| said.is(name)) => {
            ErrorKind::InvalidRequest
        }
        (None, Some(status)) if !status.is_success() => classify(status, &headers, event, &said),
        (None, _) if said.is("invalid_request_error") => ErrorKind::InvalidRequest,
        (None, _) => ErrorKind::Server,
    };
    // No more than of an error's body: cleaning 16 MiB takes seconds.
    let end = (0..=event.len().min(LONGEST_ERROR_BODY)).rev().find(|end| event.is_char_boundary(*end)).unwrap_or(0);
    let error = error_of(operation, kind, status, &headers, &said, &event[..end], now, scrubber).sent(true);
    let told = error.retry_after().or_else(|| said.told_delay().filter(|_| kind == ErrorKind::Overloaded));
    error.with_retry_after(told)
}

/// Whether a text that should be something else tells an error.
pub(crate) fn tells_error(text: &str) -> bool {
    told_error(text).is_some()
}

/// The object that tells an error, whatever it comes in: a list, `errors`, a text that is JSON again, behind a byte-order mark.
fn told_error(text: &str) -> Option<Value> {
    error_in(from_text(text.trim_start_matches('\u{feff}')).ok()?)
}

fn error_in(told: Value) -> Option<Value> {
    match told {
        Value::Object(mut members) => {
            let tells = |name| match members.get(name) {
                Some(Value::String(text)) => !text.is_empty(),
                Some(Value::Object(_) | Value::Array(_)) => true,
                _ => false,
            };
            let is_event = matches!(members.get("type").and_then(Value::as_str), Some("error" | "response.failed"));
            if is_event || tells("error") || tells("detail") {
                return Some(Value::Object(members));
            }
            let first = members.get_mut("errors")?.get_mut(0)?.take();
            members.insert("error".to_owned(), first);
            Some(Value::Object(members))
        }
        Value::Array(mut errors) => error_in(errors.first_mut()?.take()),
        Value::String(inner) => told_error(&inner),
        _ => None,
    }
}

/// What is wrong with a body in an encoding that nobody asked for.
pub(crate) fn unasked_encoding(headers: &HeaderMap) -> Option<String> {
    let encoding = header(headers, "content-encoding").filter(|encoding| !encoding.eq_ignore_ascii_case("identity"))?;
    let legal: String =
        encoding.chars().filter(|c| c.is_ascii_alphanumeric() || ", -_".contains(*c)).take(40).collect();
    Some(format!("it is encoded as `{legal}`, which was not asked for"))
}

/// Headers as an event carries them: an object of text, numbers, booleans, or lists of them.
pub(crate) fn headers_of_json(headers: &Value) -> HeaderMap {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    };
    let pairs = headers.as_object().into_iter().flatten();
    let pairs = pairs.filter_map(|(name, value)| {
        let value = text(value.as_array().and_then(|values| values.first()).unwrap_or(value))?;
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    });
    pairs.collect()
}

/// What an error body and its headers say.
#[derive(Debug, Default)]
struct Said {
    code: Option<String>,
    message: Option<String>,
    error_object: Option<Value>,
}

impl Said {
    /// Understands `{"error": {…}}`, `{"error": "…"}`, `{"errors": […]}`, `{"detail": …}`, lists of these, JSON inside
    /// text, a top-level `code`, XML with `Code` and `Message`, the header `x-error-json`, and plain text.
    fn parse(text: &str, headers: &HeaderMap) -> Self {
        let text = text.trim_start_matches('\u{feff}').trim();
        let mut said = match from_text::<Value>(text) {
            Ok(value) => Self::of_json(value, DEEPEST_NESTING),
            Err(_) if text.starts_with('<') && xml_element(text, "message").is_some() => {
                Self { code: xml_element(text, "code"), message: xml_element(text, "message"), error_object: None }
            }
            Err(_) if is_html(headers, text) => Self::default(),
            Err(_) => Self { message: Some(text.to_owned()), ..Self::default() },
        };
        if said.code.is_none() {
            said.code = code_from_header(headers);
        }
        if said.message.as_deref().is_none_or(str::is_empty) {
            said.message = header(headers, "x-openai-authorization-error").map(str::to_owned);
        }
        said
    }

    fn of_json(value: Value, deepest: usize) -> Self {
        let body = match unwrapped(value) {
            Value::Object(body) => body,
            Value::String(message) => return Self { message: Some(message), ..Self::default() },
            _ => return Self::default(),
        };
        let string = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let inner = ["error", "detail", "errors"].into_iter().find_map(|name| body.get(name).filter(|v| !v.is_null()));
        let inner = inner.map(|inner| unwrapped(inner.clone()));
        let object = inner.as_ref().and_then(Value::as_object);
        let member = |name| string(object?.get(name));
        // A complaint about the request has a `msg`.
        let own = ["message", "error_description", "msg"].into_iter().find_map(|name| string(body.get(name)));
        let in_error = string(body.get("error")).filter(|text| !text.trim().contains(char::is_whitespace));
        let places = [member("code"), in_error, string(body.get("code"))];
        // A server may put the code that matters beside a more general one.
        let is_about_task = |code: &String| TASK_CODES.iter().any(|known| code.trim().eq_ignore_ascii_case(known));
        let about_task = places.iter().flatten().find(|code| is_about_task(code)).cloned();
        let code = about_task.or_else(|| places.into_iter().flatten().next());
        let message = ["message", "msg", "detail"].into_iter().find_map(member);
        let text = message.or(own).or_else(|| string(inner.as_ref())).or_else(|| string(body.get("title")));
        let mut said = Self {
            code: code.or_else(|| member("type").filter(|_| member("msg").is_none())).or_else(|| member("status")),
            message: text,
            error_object: object.cloned().map(Value::Object),
        };
        // What another server said, handed on as text.
        if deepest > 0
            && let Some(within) = said.message.as_deref().and_then(json_within)
        {
            let within = Self::of_json(within, deepest - 1);
            said.message = within.message.or(said.message);
            said.code = said.code.or(within.code);
            said.error_object = said.error_object.or(within.error_object);
        }
        said
    }

    /// Where no words were found, the start of the body. It is cut when it is clean: half a credential would not be
    /// recognised.
    fn or_excerpt(self, text: &str, scrubber: &Scrubber) -> Self {
        const LONGEST_EXCERPT: usize = 200;
        let has_words = self.message.as_deref().is_some_and(|message| !message.trim().is_empty());
        if has_words || !text.contains(char::is_alphanumeric) || text.trim() == "null" {
            return self;
        }
        let line = scrubber.clean_line(text);
        let excerpt = match line.char_indices().nth(LONGEST_EXCERPT) {
            Some((cut, _)) => format!("{}...", &line[..cut]),
            None => line,
        };
        Self { message: Some(excerpt), ..self }
    }

    fn is(&self, name: &str) -> bool {
        let has = |value: Option<&str>| value.is_some_and(|value| value.trim().eq_ignore_ascii_case(name));
        let kind = self.error_object.as_ref().and_then(|error| error.get("type")).and_then(Value::as_str);
        has(self.code.as_deref()) || has(kind)
    }

    /// The delay that a burst limit names in its sentence: `try again in 1.5s`, `… 20 ms`, `… 3 seconds`.
    fn delay(&self, kind: ErrorKind) -> Option<Duration> {
        if kind != ErrorKind::RateLimited {
            return None;
        }
        self.told_delay()
    }

    fn told_delay(&self) -> Option<Duration> {
        let message = self.message.as_deref()?.to_ascii_lowercase();
        message.split("try again in").skip(1).find_map(delay)
    }
}

/// How often an error is looked for inside another one.
const DEEPEST_NESTING: usize = 4;

/// The first entry of a list, and the JSON inside text, as long as there is one.
fn unwrapped(mut value: Value) -> Value {
    for _ in 0..DEEPEST_NESTING {
        value = match value {
            Value::Array(entries) => {
                entries.into_iter().find(|entry| entry.is_object() || entry.is_string()).unwrap_or_default()
            }
            Value::String(text) => match json_within(&text) {
                Some(within) => within,
                None => return Value::String(text),
            },
            other => return other,
        };
    }
    value
}

/// The object or list that a text is.
fn json_within(text: &str) -> Option<Value> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with(['{', '[', '"']) { serde_json::from_str(text).ok() } else { None }
}

/// The text of the first element of that name, in lower case and without prefix.
fn xml_element(text: &str, name: &str) -> Option<String> {
    let text_behind_tags = text.split('<').skip(1).filter_map(|tag| tag.split_once('>'));
    let (_, inner) = text_behind_tags.into_iter().find(|(tag, _)| {
        let tag = tag.split_whitespace().next().unwrap_or_default();
        tag.rsplit(':').next().is_some_and(|local| local.eq_ignore_ascii_case(name))
    })?;
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    let inner =
        entities.iter().fold(inner.trim().to_owned(), |text, (entity, character)| text.replace(entity, character));
    (!inner.is_empty()).then_some(inner)
}

/// The delay that a text begins with.
fn delay(text: &str) -> Option<Duration> {
    let text = text.trim_start();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.')?);
    let number: f64 = number.parse().ok()?;
    let unit = unit.trim_start();
    let seconds = match &unit[..unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len())] {
        "ms" => number.trunc() / 1e3,
        "s" | "second" | "seconds" => number,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

fn classify(status: StatusCode, headers: &HeaderMap, text: &str, said: &Said) -> ErrorKind {
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        return ErrorKind::Redirect;
    }
    if is_challenge(status, headers, text) {
        return ErrorKind::Challenge;
    }
    if let Some(kind) = named(said) {
        return kind;
    }
    match status.as_u16() {
        400 if text.contains(INVALID_IMAGE) => ErrorKind::InvalidImage,
        400 | 413 | 415 | 422 => ErrorKind::InvalidRequest,
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        409 | 412 => ErrorKind::Conflict,
        408 | 500..=599 => ErrorKind::Server,
        429 => ErrorKind::RateLimited,
        _ => ErrorKind::UnexpectedStatus,
    }
}

/// What the names of errors mean that mean the same under whatever status they come.
fn named(said: &Said) -> Option<ErrorKind> {
    let names = [
        ("usage_limit_reached", ErrorKind::UsageLimit),
        ("usage_not_included", ErrorKind::NotIncluded),
        ("insufficient_quota", ErrorKind::QuotaExceeded),
        ("context_length_exceeded", ErrorKind::ContextWindowExceeded),
        ("cyber_policy", ErrorKind::PolicyViolation),
        ("server_is_overloaded", ErrorKind::Overloaded),
        ("slow_down", ErrorKind::RateLimited),
    ];
    names.into_iter().find(|(name, _)| said.is(name)).map(|(_, kind)| kind)
}

fn describe(kind: ErrorKind) -> String {
    let sentence = match kind {
        ErrorKind::Unauthorized => "the server refused the credentials",
        ErrorKind::Forbidden => "the server does not allow it",
        ErrorKind::NotFound => "the server does not know what was asked for",
        ErrorKind::InvalidRequest => "the server finds the request wrong",
        ErrorKind::Conflict => "the request contradicts the state on the server",
        ErrorKind::RateLimited => "too many requests in a short time",
        ErrorKind::UsageLimit => "the usage limit is reached",
        ErrorKind::QuotaExceeded => "the quota is used up",
        ErrorKind::NotIncluded => "the plan does not include it",
        ErrorKind::Overloaded => "the server is overloaded",
        ErrorKind::ContextWindowExceeded => "the input does not fit into the model's context window",
        ErrorKind::PolicyViolation => "the request was flagged as a possible breach of a policy",
        ErrorKind::InvalidImage => "the server cannot read an image of the request",
        ErrorKind::Server => "the server failed",
        _ => "the server answered with a status that means nothing here",
    };
    sentence.to_owned()
}

/// A Cloudflare page in place of the backend's answer.
fn is_challenge(status: StatusCode, headers: &HeaderMap, text: &str) -> bool {
    if header(headers, "cf-mitigated").is_some_and(|value| value.eq_ignore_ascii_case("challenge")) {
        return true;
    }
    if status == StatusCode::FORBIDDEN && text.contains("Cloudflare") && text.contains("blocked") {
        return true;
    }
    matches!(status.as_u16(), 403 | 429 | 503)
        && is_html(headers, text)
        && ["Just a moment", "challenge-platform", "cf-chl", "Attention Required!", "Cloudflare"]
            .iter()
            .any(|mark| text.contains(mark))
}

fn is_html(headers: &HeaderMap, text: &str) -> bool {
    let has_type = || header(headers, "content-type").is_some_and(|media_type| media_type.starts_with("text/html"));
    let start: String = text.trim_start().chars().take(14).collect::<String>().to_ascii_lowercase();
    ["<!doctype html", "<html", "<!--"].iter().any(|mark| start.starts_with(mark)) || has_type()
}

fn location(headers: &HeaderMap) -> Option<Origin> {
    Origin::of(&url::Url::parse(header(headers, "location")?).ok()?)
}

fn code_from_header(headers: &HeaderMap) -> Option<String> {
    let json = BASE64_STANDARD.decode(header(headers, "x-error-json")?).ok()?;
    let value: Value = from_bytes(&json).ok()?;
    Some(value.get("error")?.get("code")?.as_str()?.to_owned())
}

fn server_date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(header(headers, "date")?).ok()
}

pub(super) fn request_id(headers: &HeaderMap) -> Option<&str> {
    ["x-request-id", "x-oai-request-id", "cf-ray", "x-ms-request-id"].into_iter().find_map(|name| header(headers, name))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|value| !value.is_empty())
}
