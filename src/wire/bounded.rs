//! What JSON may cost: it is measured before it is read into a type that can hold a [`Value`](serde_json::Value).

use std::fmt;

use memchr::memchr2;
use serde::Deserialize;
use serde::de::Error as _;

/// How deep arrays and objects may be nested.
const DEEPEST: usize = 128;
/// How many values there may be, members of objects included.
const MOST_VALUES: usize = 1_000_000;
/// Keys that begin so mean something to `serde_json` itself: the text behind `RawValue` is parsed anew, with a depth that
/// starts at zero.
const PRIVATE: &[u8] = b"$serde_json::private::";

/// What there is too much of in a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    Depth,
    Values,
    PrivateKey,
}

impl Excess {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Depth => "it is nested more than 128 levels deep",
            Self::Values => "it has more than 1,000,000 values",
            Self::PrivateKey => "it has a key that starts with `$serde_json::private::`",
        }
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads a text, if it keeps the bounds.
pub(crate) fn from_text<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, serde_json::Error> {
    check(json.as_bytes()).map_err(serde_json::Error::custom)?;
    serde_json::from_str(json)
}

/// The same for bytes.
pub(crate) fn from_bytes<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, serde_json::Error> {
    check(json).map_err(serde_json::Error::custom)?;
    serde_json::from_slice(json)
}

/// Measures a text without building anything. What is no JSON is left to the parser: up to its first mistake a text is
/// divided here as it is there, and no parser reads further.
///
/// A visitor of serde's would do less and refuse more: numbers out of range, or halves of surrogate pairs, in members that
/// nobody reads.
pub(crate) fn check(json: &[u8]) -> Result<(), Excess> {
    check_up_to(json, MOST_VALUES)
}

fn check_up_to(json: &[u8], most_values: usize) -> Result<(), Excess> {
    let (mut depth, mut values, mut at) = (0_usize, 0, 0);
    while let Some(&byte) = json.get(at) {
        at += 1;
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' | b',' | b':' => continue,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > DEEPEST {
                    return Err(Excess::Depth);
                }
            }
            b'"' => {
                let text = &json[at..];
                let text = &text[..length_of_string(text)];
                at += text.len() + 1;
                let behind = json.get(at..).unwrap_or_default().trim_ascii_start();
                if behind.first() == Some(&b':') {
                    if is_private(text) {
                        return Err(Excess::PrivateKey);
                    }
                    continue;
                }
            }
            _ => {
                let ends = |byte: &u8| {
                    matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',' | b':' | b'"')
                        || matches!(byte, b'{' | b'[' | b'}' | b']')
                };
                at += json[at..].iter().position(ends).unwrap_or(json.len() - at);
            }
        }
        values += 1;
        if values > most_values {
            return Err(Excess::Values);
        }
    }
    Ok(())
}

/// The number of bytes before the quotation mark that ends a string, or to the end of the text.
fn length_of_string(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if text[at] == b'"' {
            return at;
        }
        at += 2;
    }
    text.len()
}

/// Whether a key, as it is written, means one that starts with [`PRIVATE`].
fn is_private(mut key: &[u8]) -> bool {
    PRIVATE.iter().all(|expected| {
        let (byte, rest) = match key {
            [b'\\', b'u', a, b, c, d, rest @ ..] => {
                let digits =
                    std::str::from_utf8(&[*a, *b, *c, *d]).ok().and_then(|digits| u32::from_str_radix(digits, 16).ok());
                (digits.and_then(|code| u8::try_from(code).ok()), rest)
            }
            // None of the short escapes stands for what is sought.
            [b'\\', rest @ ..] => (None, rest),
            [byte, rest @ ..] => (Some(*byte), rest),
            [] => (None, key),
        };
        key = rest;
        byte == Some(*expected)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// What stands where, by serde's own reading.
    fn measured(value: &Value) -> (usize, usize) {
        let within = |inner: &mut dyn Iterator<Item = &Value>| {
            inner.map(measured).fold((1, 1), |(depth, values), inner| (depth.max(inner.0 + 1), values + inner.1))
        };
        match value {
            Value::Array(entries) => within(&mut entries.iter()),
            Value::Object(members) => within(&mut members.values()),
            _ => (0, 1),
        }
    }

    fn nested(levels: usize) -> String {
        "[".repeat(levels) + &"]".repeat(levels)
    }

    #[test]
    fn depth_is_bounded_wherever_it_is() {
        assert_eq!(check(nested(128).as_bytes()), Ok(()));
        assert_eq!(check(nested(129).as_bytes()), Err(Excess::Depth));
        let beside = format!("[{},{}]", nested(127), nested(127));
        assert_eq!(check(beside.as_bytes()), Ok(()), "depth is no count");
        let of_objects = r#"{"a":"#.repeat(129);
        assert_eq!(check(of_objects.as_bytes()), Err(Excess::Depth), "before the text is at its end");
        let in_text = Value::String("[{".repeat(1000)).to_string();
        assert_eq!(check(in_text.as_bytes()), Ok(()));
    }

    #[test]
    fn values_are_counted_and_keys_are_not() {
        let list = |entry: &str, entries: usize| format!("[{}]", vec![entry; entries].join(","));
        for entry in ["1", "\"x\"", "null", "[]", "-1.5e3", "\"\\\"\""] {
            assert_eq!(check(list(entry, MOST_VALUES - 1).as_bytes()), Ok(()), "{entry}");
            assert_eq!(check(list(entry, MOST_VALUES).as_bytes()), Err(Excess::Values), "{entry}");
        }
        assert_eq!(check(list(r#"{"":{}}"#, MOST_VALUES / 2 - 1).as_bytes()), Ok(()));
        assert_eq!(check(list(r#"{"":{}}"#, MOST_VALUES / 2).as_bytes()), Err(Excess::Values));
    }

    #[test]
    fn keys_of_serde_json_are_refused_however_they_are_written() {
        let escaped: String = "$serde_json::private::RawValue".bytes().map(|byte| format!("\\u{byte:04X}")).collect();
        for key in
            ["$serde_json::private::RawValue", "$serde_json::private::Number", "\\u0024serde_json::private::", &escaped]
        {
            for text in [format!(r#"{{"{key}":"1"}}"#), format!("[{{\"a\":[{{\"{key}\" \n: 1}}]}}]")] {
                assert_eq!(check(text.as_bytes()), Err(Excess::PrivateKey), "{text}");
                assert!(from_text::<Value>(&text).is_err() && from_bytes::<Value>(text.as_bytes()).is_err());
            }
            let told = format!(r#"["{key}",{{"a":"{key}"}}]"#);
            assert_eq!(check(told.as_bytes()), Ok(()), "a text may say so: {told}");
        }
        for key in
            ["$serde_json::privat", "serde_json::private::", "\\$", "\\u00", "\\\\u0024serde_json::private::x", ""]
        {
            assert_eq!(check(format!(r#"{{"{key}":1}}"#).as_bytes()), Ok(()), "{key}");
        }
    }

    #[test]
    fn what_nobody_reads_may_say_what_no_type_of_ours_can_hold() {
        for text in [r#"{"a":1e999}"#, r#"{"a":"\ud800"}"#, "", "\"", "\"\\", "{", "]]]", "nonsense"] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let text = "[a-z\\\\\"\\[\\]{}:,$ ]{0,6}";
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.prop_map(Value::from)
        ];
        leaf.prop_recursive(6, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(text, inner, 0..6).prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        /// Whatever is put around a text, it takes exactly as many further values, or levels, as serde counts.
        #[test]
        fn it_divides_a_text_as_the_parser_does(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let (depth, values) = measured(&value);
            let around = |levels: usize| "[".repeat(levels) + &text + &"]".repeat(levels);
            prop_assert_eq!(check(around(DEEPEST - depth).as_bytes()), Ok(()));
            prop_assert_eq!(check(around(DEEPEST - depth + 1).as_bytes()), Err(Excess::Depth));
            let mut counted = 0;
            while check_up_to(text.as_bytes(), counted).is_err() {
                counted += 1;
            }
            prop_assert_eq!(counted, values);
        }
    }
}
