//! Writes a changed document over the text it came from, so that what was not changed stays as it was to the letter: the
//! order of members, numbers that no type of ours can hold, the way things are spelled.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The text of `document`. Members that are as in `original` are taken over from there.
pub(super) fn rewrite(original: Option<&str>, document: &Map<String, Value>, layout: Layout) -> String {
    let mut text = String::new();
    write_object(&mut text, original, document, layout, 0);
    text
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Compact,
    Pretty,
}

fn write_object(out: &mut String, original: Option<&str>, members: &Map<String, Value>, layout: Layout, depth: usize) {
    let before = original.and_then(|text| serde_json::from_str::<Members<'_>>(text).ok()).unwrap_or_default();
    let kept = before.0.iter().filter_map(|(name, raw)| Some((name, Some(raw.get()), members.get(name)?)));
    let is_new = |name: &String| before.0.iter().all(|(known, _)| known != name);
    let added = members.iter().filter(|(name, _)| is_new(name)).map(|(name, value)| (name, None, value));
    out.push('{');
    let mut is_empty = true;
    for (name, original, value) in kept.chain(added) {
        if !is_empty {
            out.push(',');
        }
        is_empty = false;
        new_line(out, layout, depth + 1);
        out.push_str(&Value::from(name.as_str()).to_string());
        out.push_str(if layout == Layout::Pretty { ": " } else { ":" });
        write_value(out, original, value, layout, depth + 1);
    }
    if !is_empty {
        new_line(out, layout, depth);
    }
    out.push('}');
}

fn write_value(out: &mut String, original: Option<&str>, value: &Value, layout: Layout, depth: usize) {
    match (original, value) {
        (Some(text), value) if serde_json::from_str::<Value>(text).is_ok_and(|before| before == *value) => {
            out.push_str(text);
        }
        (original, Value::Object(members)) => write_object(out, original, members, layout, depth),
        (_, value) => out.push_str(&value.to_string()),
    }
}

fn new_line(out: &mut String, layout: Layout, depth: usize) {
    if layout == Layout::Pretty {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    }
}

/// The members of an object in their order, each once, and their texts.
#[derive(Default)]
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, &'de RawValue)> = Vec::new();
                while let Some((name, raw)) = map.next_entry::<String, &'de RawValue>()? {
                    // Of a member that stands there twice, the last one counts.
                    members.retain(|(known, _)| *known != name);
                    members.push((name, raw));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(original: &str, change: impl FnOnce(&mut Map<String, Value>), layout: Layout) -> String {
        let Value::Object(mut document) = serde_json::from_str(original).unwrap() else { panic!("{original}") };
        change(&mut document);
        let text = rewrite(Some(original), &document, layout);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), Value::Object(document), "{text}");
        text
    }

    #[test]
    fn what_is_not_changed_stays_to_the_letter() {
        let original =
            r#"{"z":123456789012345678901234567890,"tokens":{"b":1.10,"a":"old","c":[1E2, null]},"é":"\u00e9"}"#;
        let text = changed(original, |document| document["tokens"]["a"] = Value::from("new"), Layout::Compact);
        assert_eq!(text, original.replace("old", "new"));
    }

    #[test]
    fn members_come_and_go_and_change_their_kind() {
        let change = |document: &mut Map<String, Value>| {
            document.remove("gone");
            document.insert("kind".to_owned(), serde_json::json!({ "now": "an object" }));
            document.insert("new".to_owned(), Value::Null);
        };
        let text = changed(r#"{"gone":1,"kind":"text","twice":1,"twice":2}"#, change, Layout::Pretty);
        let expected = "{\n  \"kind\": {\n    \"now\": \"an object\"\n  },\n  \"twice\": 2,\n  \"new\": null\n}";
        assert_eq!(text, expected);
    }

    #[test]
    fn without_an_original_it_is_plain_json() {
        assert_eq!(rewrite(None, &Map::new(), Layout::Pretty), "{}");
        let Value::Object(document) = serde_json::json!({ "a": { "b": [1] } }) else { panic!() };
        assert_eq!(rewrite(None, &document, Layout::Compact), r#"{"a":{"b":[1]}}"#);
        assert_eq!(rewrite(Some("not JSON"), &document, Layout::Compact), r#"{"a":{"b":[1]}}"#);
    }
}
