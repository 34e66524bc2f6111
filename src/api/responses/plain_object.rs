//! JSON as nearly all events of a stream are, read in a third of the time.

use memchr::memchr;
use serde::de::value::{BorrowedStrDeserializer, Error, SeqDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

/// The members of an object without spaces, of text without escapes, whole numbers, nulls and empty lists. All else is an
/// error here, be it JSON or not, and left to serde_json.
pub(super) struct PlainObject<'a> {
    /// The members still to come, up to the closing brace.
    rest: &'a str,
}

enum PlainValue<'a> {
    Text(&'a str),
    Number(u64),
    Null,
    EmptyList,
}

impl<'a> PlainObject<'a> {
    pub(super) fn of(json: &'a str) -> Option<Self> {
        let rest = json.strip_prefix('{')?.strip_suffix('}')?;
        // Without a way out on the first, so that many bytes are looked at at once.
        let has_escapes = rest.bytes().fold(false, |found, byte| found | (byte < b' ') | (byte == b'\\'));
        (!has_escapes).then_some(Self { rest })
    }

    fn text(&mut self) -> Option<&'a str> {
        let text = self.rest.strip_prefix('"')?;
        let (text, rest) = text.split_at(memchr(b'"', text.as_bytes())?);
        self.rest = rest.strip_prefix('"')?;
        Some(text)
    }

    fn number(&mut self) -> Option<PlainValue<'a>> {
        let (mut number, mut length) = (0_u64, 0);
        for digit in self.rest.bytes().map_while(|byte| byte.checked_sub(b'0').filter(|digit| *digit < 10)) {
            number = number.checked_mul(10)?.checked_add(digit.into())?;
            length += 1;
        }
        let is_json = length == 1 || (length > 1 && !self.rest.starts_with('0'));
        self.rest = &self.rest[length..];
        is_json.then_some(PlainValue::Number(number))
    }

    fn value(&mut self) -> Option<PlainValue<'a>> {
        self.rest = self.rest.strip_prefix(':')?;
        let value = if self.rest.starts_with('"') {
            PlainValue::Text(self.text()?)
        } else if let Some(rest) = self.rest.strip_prefix("[]") {
            self.rest = rest;
            PlainValue::EmptyList
        } else if let Some(rest) = self.rest.strip_prefix("null") {
            self.rest = rest;
            PlainValue::Null
        } else {
            self.number()?
        };
        if !self.rest.is_empty() {
            self.rest = self.rest.strip_prefix(',').filter(|rest| !rest.is_empty())?;
        }
        Some(value)
    }
}

impl<'de> MapAccess<'de> for PlainObject<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let name = self.text().ok_or_else(not_plain)?;
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(self.value().ok_or_else(not_plain)?)
    }
}

impl<'de> Deserializer<'de> for PlainValue<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Text(text) => visitor.visit_borrowed_str(text),
            Self::Number(number) => visitor.visit_u64(number),
            Self::Null => visitor.visit_unit(),
            Self::EmptyList => visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<()>())),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

fn not_plain() -> Error {
    Error::custom("no plain object")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde::de::value::MapAccessDeserializer;
    use serde_json::{Value, json};

    use super::*;

    fn read(json: &str) -> Option<Value> {
        Value::deserialize(MapAccessDeserializer::new(PlainObject::of(json)?)).ok()
    }

    #[test]
    fn plain_objects_are_read() {
        assert_eq!(read("{}"), Some(json!({})));
        assert_eq!(
            read(r#"{"type":"a.b","n":0,"m":18446744073709551615,"none":null,"list":[],"":"ö } , :"}"#),
            Some(json!({ "type": "a.b", "n": 0, "m": u64::MAX, "none": null, "list": [], "": "ö } , :" }))
        );
    }

    #[test]
    fn all_else_is_left_to_others() {
        for other in [
            "",
            "{",
            "}",
            "[]",
            "{ }",
            "{,}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":1"b":2}"#,
            r#"{"a":01}"#,
            r#"{"a":-1}"#,
            r#"{"a":1.5}"#,
            r#"{"a":1e3}"#,
            r#"{"a":18446744073709551616}"#,
            r#"{"a":nul}"#,
            r#"{"a":nullx}"#,
            r#"{"a":[1]}"#,
            r#"{"a":{}}"#,
            r#"{"a":true}"#,
            r#"{"a":"\n"}"#,
            r#"{"\u0061":1}"#,
            r#"{"a":"}"#,
            r#"{"a":"b\"}"#,
            "{\"a\":\"\n\"}",
            r#"{"a": 1}"#,
            r#"{"a":1}}"#,
            r#"{"a":1} "#,
            r#"{a:1}"#,
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "\"a\"",
            "\"b\"",
            "\"",
            ":",
            ",",
            "{",
            "}",
            "[]",
            "[",
            "null",
            "0",
            "12",
            "-",
            ".",
            "e",
            "\\",
            " ",
            "\n",
            "é",
            "\"a\":1",
            "\"a\":\"x\"",
            "\"b\":[]",
            ",\"c\":null",
        ]);
        prop::collection::vec(piece, 0..8).prop_map(|pieces| format!("{{{}}}", pieces.concat()))
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_serde_json_reads(json in pieces()) {
            if let Some(value) = read(&json) {
                prop_assert_eq!(serde_json::from_str::<Value>(&json).ok(), Some(value));
            }
        }
    }
}
