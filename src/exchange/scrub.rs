//! The one place that removes credentials from text that came from outside.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

const MASK: &str = "[hidden]";

/// Shorter than this, a value is no secret: it would be found by chance.
const SHORTEST_SECRET: usize = 8;

/// Everything but the unreserved characters of RFC 3986.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The longest text of a server's answer that is kept in an error.
const KEPT_BYTES: usize = 4096;

/// What is searched for: the credentials that the request itself carried, and whatever looks like a credential.
/// Cheap to make and to clone: the search is prepared only when there is a text to clean.
#[derive(Clone, Default)]
pub(crate) struct Scrubber {
    headers: Option<Arc<Vec<(HeaderName, HeaderValue)>>>,
    signed_url: Option<Arc<str>>,
    in_body: Vec<SecretString>,
}

impl Scrubber {
    /// Knows nothing of the request.
    pub(crate) fn lookalikes() -> Self {
        Self::default()
    }

    /// Knows the sensitive values among these request headers.
    pub(crate) fn for_headers(headers: Arc<Vec<(HeaderName, HeaderValue)>>) -> Self {
        Self { headers: Some(headers), ..Self::default() }
    }

    /// Knows the values in this URL's query.
    pub(crate) fn for_signed_url(url: &str) -> Self {
        Self { signed_url: Some(url.into()), ..Self::default() }
    }

    /// Knows a credential that the request carries in its body.
    pub(crate) fn for_secret(secret: SecretString) -> Self {
        Self::for_secrets([secret])
    }

    /// Knows several.
    pub(crate) fn for_secrets(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        Self { in_body: secrets.into_iter().collect(), ..Self::default() }
    }

    /// Each secret in the spellings in which servers quote: as it is, in JSON, in a URL, in HTML. The longest first.
    fn secrets(&self) -> Vec<String> {
        let headers = self.headers.iter().flat_map(|headers| headers.iter());
        let values = headers.filter(|(_, value)| value.is_sensitive()).filter_map(|(_, value)| value.to_str().ok());
        let credentials = values.map(|value| value.split_once(' ').map_or(value, |(_scheme, credential)| credential));
        let query = self.signed_url.as_deref().and_then(|url| url.split_once('?')).map_or("", |(_, query)| query);
        let parameters = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        let mut secrets = Vec::new();
        let in_body = self.in_body.iter().map(ExposeSecret::expose_secret);
        for secret in
            credentials.chain(parameters).chain(in_body).map(str::trim).filter(|secret| secret.len() >= SHORTEST_SECRET)
        {
            let decoded = percent_decode_str(secret).decode_utf8_lossy().into_owned();
            for spelling in [secret, &decoded] {
                secrets.push(spelling.to_owned());
                secrets.push(spelling.replace('/', r"\/"));
                secrets.push(utf8_percent_encode(spelling, UNRESERVED).to_string());
                secrets.push(spelling.replace('&', "&amp;"));
            }
        }
        secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.dedup();
        secrets
    }

    /// The text without credentials, control characters or more than 4 KiB, for an error.
    pub(crate) fn clean(&self, text: &str) -> String {
        // First, since a credential with one of them inside would not be recognised.
        let text = without_control_characters(text);
        let mut text = text.trim().to_owned();
        for secret in &self.secrets() {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), MASK);
            }
            mask_cut_off(&mut text, secret);
        }
        // Masking comes before cutting: half a credential would not be recognised.
        let mut text = mask_lookalikes(&text);
        if text.len() > KEPT_BYTES {
            let cut = (0..=KEPT_BYTES).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0);
            text.truncate(cut);
            text.push_str("...");
        }
        text
    }

    /// Like [`clean`](Self::clean), on one line.
    pub(crate) fn clean_line(&self, text: &str) -> String {
        self.clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The text without what a terminal would obey or not show: control characters but line feeds and tabs, whole escape
/// sequences, and format characters; as they are, and as JSON writes them (`\\u001b`).
fn without_control_characters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (character, length) = escaped_in_json(rest).unwrap_or((first, first.len_utf8()));
        rest = &rest[length..];
        if character == '\u{1b}' {
            rest = &rest[escape_sequence(rest)..];
        } else if !is_unseen(character) {
            out.push(character);
        }
    }
    out
}

fn is_unseen(character: char) -> bool {
    let is_format = matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    is_format || (character.is_control() && !matches!(character, '\n' | '\t'))
}

/// The unseen character that JSON escapes here, however many backslashes JSON within JSON took, and the length of that.
fn escaped_in_json(text: &str) -> Option<(char, usize)> {
    let behind = text.trim_start_matches('\\');
    let backslashes = text.len() - behind.len();
    let digits = behind.strip_prefix('u')?.get(..4).filter(|_| backslashes > 0)?;
    let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    (is_unseen(character)).then_some((character, backslashes + 5))
}

/// How long what follows an ESC is, up to the end of the sequence that it starts.
fn escape_sequence(text: &str) -> usize {
    let is_final = |c: char| matches!(c, '@'..='~');
    let parameters = text.strip_prefix('[').map(|behind| behind.trim_start_matches(|c| matches!(c, ' '..='?')));
    match parameters {
        Some(end) if end.starts_with(is_final) => text.len() - end.len() + 1,
        _ => 0,
    }
}

/// Masks the start of a secret that the text ends in: the text may have been cut there.
fn mask_cut_off(text: &mut String, secret: &str) {
    let longest = secret.len().min(text.len());
    let cut = (SHORTEST_SECRET..=longest)
        .rev()
        .find(|length| secret.is_char_boundary(*length) && text.ends_with(&secret[..*length]));
    if let Some(length) = cut {
        text.truncate(text.len() - length);
        text.push_str(MASK);
    }
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scrubber")
    }
}

/// What the text just read says about what follows it.
#[derive(Clone, Copy, PartialEq)]
enum Announced {
    Nothing,
    /// A scheme (`Bearer …`): the next word is a credential, unless it is an ordinary word.
    AfterScheme,
    /// A member or parameter name: the value behind `:` or `=` is a credential.
    Named {
        separated: bool,
    },
    /// A header that is secret up to its end.
    WholeLine {
        separated: bool,
    },
}

fn mask_lookalikes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut announced = Announced::Nothing;
    while let Some(first) = rest.chars().next() {
        if announced == (Announced::WholeLine { separated: true }) && !matches!(first, ' ' | '"' | '\'' | '\\') {
            let end = rest.find(['\n', '"', '\'']).unwrap_or(rest.len());
            out.push_str(MASK);
            rest = &rest[end..];
            announced = Announced::Nothing;
            continue;
        }
        let length = rest.find(|c: char| !is_token_character(c)).unwrap_or(rest.len());
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            announced = match (announced, first) {
                (Announced::Named { .. }, ':' | '=') => Announced::Named { separated: true },
                (Announced::WholeLine { .. }, ':' | '=') => Announced::WholeLine { separated: true },
                (_, '"' | '\'' | ' ' | '\\') => announced,
                _ => Announced::Nothing,
            };
            continue;
        }
        let (word, tail) = rest.split_at(length);
        let credential = match announced {
            Announced::AfterScheme => word.bytes().any(|byte| !byte.is_ascii_lowercase()),
            Announced::Named { separated } => separated,
            Announced::Nothing | Announced::WholeLine { .. } => false,
        };
        if credential || looks_like_credential(word) {
            out.push_str(MASK);
            announced = Announced::Nothing;
        } else {
            out.push_str(word);
            announced = announced_by(word);
        }
        rest = tail;
    }
    out
}

fn is_token_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '+' | '/' | '%')
}

fn announced_by(word: &str) -> Announced {
    const SCHEMES: [&str; 3] = ["bearer", "agentassertion", "basic"];
    const WHOLE_LINES: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];
    const NAMES: [&str; 13] = [
        "access_token",
        "refresh_token",
        "id_token",
        "api_key",
        "openai_api_key",
        "client_secret",
        "code_verifier",
        "subject_token",
        "agent_private_key",
        "remote_control_token",
        "assertion",
        "sig",
        "signature",
    ];
    const SUFFIXES: [&str; 3] = ["signature", "token", "credential"];
    // What is left of `\\u0026sig`, an ampersand as JSON may write it.
    let word = word.strip_prefix("u0026").unwrap_or(word);
    let is_one_of = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
    let is_of_aws_or_google = || {
        let word = word.to_ascii_lowercase();
        word.starts_with("x-") && SUFFIXES.iter().any(|suffix| word.ends_with(suffix))
    };
    if is_one_of(&SCHEMES) {
        Announced::AfterScheme
    } else if is_one_of(&WHOLE_LINES) {
        Announced::WholeLine { separated: false }
    } else if is_one_of(&NAMES) || is_of_aws_or_google() {
        Announced::Named { separated: false }
    } else {
        Announced::Nothing
    }
}

fn looks_like_credential(word: &str) -> bool {
    let prefixed = ["sk-", "sk_", "at-", "rt_", "rt-", "rct_", "sess-"].iter().any(|prefix| {
        word.strip_prefix(prefix).is_some_and(|tail| tail.len() >= 8 && tail.bytes().any(|b| b.is_ascii_digit()))
    });
    // A JSON object in base64url starts `eyJ`: a JWT, an assertion, an encoded error.
    let json = word.len() >= 24 && word.starts_with("eyJ");
    // A PKCS#8 Ed25519 key in base64, both versions.
    let key =
        word.len() >= 48 && (word.starts_with("MC4CAQ") || word.starts_with("MFECAQ") || word.starts_with("MFMCAQ"));
    prefixed || json || key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub(text: &str) -> String {
        Scrubber::lookalikes().clean(text)
    }

    #[test]
    fn masks_what_the_request_itself_carried() {
        let mut value: HeaderValue = "Bearer plain-looking secret".parse().unwrap();
        value.set_sensitive(true);
        let scrubber = Scrubber::for_headers(Arc::new(vec![(http::header::AUTHORIZATION, value)]));
        assert_eq!(scrubber.clean("you sent plain-looking secret to us"), "you sent [hidden] to us");
    }

    #[test]
    fn masks_what_looks_like_a_credential() {
        for (text, expected) in [
            ("Incorrect API key provided: sk-proj-abcdef123456.", "Incorrect API key provided: [hidden]"),
            ("token at-0123456789abcdef is revoked", "token [hidden] is revoked"),
            ("Bearer abcdef12", "Bearer [hidden]"),
            ("Set-Cookie: __cf_bm=abc; path=/\nx: y", "Set-Cookie: [hidden]\nx: y"),
            (r#"{"cookie": "a=b; c=d", "n": 1}"#, r#"{"cookie": "[hidden]", "n": 1}"#),
            (r#"{"access_token":"opaque","expires_in":3600}"#, r#"{"access_token":"[hidden]","expires_in":3600}"#),
            (r#"{\"refresh_token\": \"opaque\"}"#, r#"{\"refresh_token\": \"[hidden]\"}"#),
            (
                "https://blob.test/c/f?se=2026&sig=AbC%2Bd%3D&sp=w failed",
                "https://blob.test/c/f?se=2026&sig=[hidden]&sp=w failed",
            ),
            ("jwt eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln.", "jwt [hidden]"),
            ("Authorization: Bearer opaque", "Authorization: [hidden]"),
        ] {
            assert_eq!(scrub(text), expected);
        }
    }

    #[test]
    fn leaves_ordinary_text_alone() {
        for text in [
            "Store must be set to false",
            "Missing bearer or basic authentication in header",
            "invalid signature for this request, cookie missing",
            "Unknown parameter: 'input[0].id'.",
            "Rate limit reached, try again in 11.054s",
            "at-most-once delivery; see https://platform.test/docs/guides",
        ] {
            assert_eq!(scrub(text), text);
        }
    }

    #[test]
    fn cuts_at_a_character_boundary_and_drops_control_characters() {
        let long = "é".repeat(4000);
        let kept = scrub(&long);
        assert!(kept.len() <= KEPT_BYTES + 3 && kept.ends_with("..."));
        assert_eq!(scrub("a\u{1b}[31mb\r\nc\0\u{1b}[31\u{e9}"), "ab\nc[31\u{e9}");
    }

    #[test]
    fn control_characters_hide_no_credential() {
        let mut value: HeaderValue = "Bearer plain-looking-secret".parse().unwrap();
        value.set_sensitive(true);
        let carried = Scrubber::for_headers(Arc::new(vec![(http::header::AUTHORIZATION, value)]));
        for between in [
            "\0",
            "\u{1b}",
            "\u{1b}[1;31m",
            "\r",
            "\u{7f}",
            "\u{9b}",
            "\u{200b}",
            "\u{202e}",
            "\u{feff}",
            "\u{ad}",
            r"\u0000",
            r"\u001b[0m",
            r"\\u001B",
            r"\\\\u200b",
        ] {
            assert_eq!(carried.clean(&format!("plain{between}-looking-{between}secret.")), "[hidden].", "{between:?}");
            assert_eq!(scrub(&format!("key {between}sk-proj-{between}abcdef123456{between},")), "key [hidden],");
            assert_eq!(
                scrub(&format!(r#"{{"acc{between}ess_token":"op{between}aque"}}"#)),
                r#"{"access_token":"[hidden]"}"#
            );
        }
        assert_eq!(scrub(r"a \u00e9, \u0041, \udc00 and \u12 stay"), r"a \u00e9, \u0041, \udc00 and \u12 stay");
    }
}
