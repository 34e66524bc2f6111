//! The one place that removes credentials from text that came from outside.

use http::HeaderMap;

const MASK: &str = "[hidden]";

/// The longest text of a server's answer that is kept in an error.
const KEPT_BYTES: usize = 4096;

/// What is searched for: the credentials that the request itself carried, and whatever looks like a credential.
pub(crate) struct Scrubber {
    sent: Vec<String>,
}

impl Scrubber {
    /// Knows the sensitive values among these request headers.
    pub(crate) fn for_request(headers: &HeaderMap) -> Self {
        let sent = headers
            .values()
            .filter(|value| value.is_sensitive())
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| {
                let credential = value.split_once(' ').map_or(value, |(_scheme, credential)| credential);
                [credential.trim().to_owned()]
            })
            .filter(|credential| credential.len() >= 8)
            .collect();
        Self { sent }
    }

    /// The text without credentials, control characters or more than 4 KiB, for an error.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut text = text.trim().to_owned();
        for credential in &self.sent {
            if text.contains(credential.as_str()) {
                text = text.replace(credential.as_str(), MASK);
            }
        }
        // Masking comes before cutting: half a credential would not be recognised.
        let mut text = mask_lookalikes(&text);
        if text.len() > KEPT_BYTES {
            let cut = (0..=KEPT_BYTES).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0);
            text.truncate(cut);
            text.push_str("...");
        }
        text.retain(|character| !character.is_control() || matches!(character, '\n' | '\t'));
        text
    }

    /// Like [`clean`](Self::clean), on one line.
    pub(crate) fn clean_line(&self, text: &str) -> String {
        self.clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
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
    let is_one_of = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
    if is_one_of(&SCHEMES) {
        Announced::AfterScheme
    } else if is_one_of(&WHOLE_LINES) {
        Announced::WholeLine { separated: false }
    } else if is_one_of(&NAMES) {
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
        Scrubber::for_request(&HeaderMap::new()).clean(text)
    }

    #[test]
    fn masks_what_the_request_itself_carried() {
        let mut headers = HeaderMap::new();
        let mut value: http::HeaderValue = "Bearer plain-looking secret".parse().unwrap();
        value.set_sensitive(true);
        headers.insert("authorization", value);
        let scrubber = Scrubber::for_request(&headers);
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
        assert_eq!(scrub("a\u{1b}[31mb\r\nc\0"), "a[31mb\nc");
    }
}
