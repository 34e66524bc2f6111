//! JSON schemas of Rust types, as strict as the models' servers ask.

use serde_json::{Map, Value};

/// The formats of text that a strict schema may name.
const FORMATS: [&str; 9] = ["date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"];

/// The schema of a type: every object closed, and all of its properties required. What may be missing is `null` then.
pub(super) fn strict_schema_of<T: schemars::JsonSchema>() -> Value {
    let mut schema = schemars::schema_for!(T).to_value();
    if let Some(root) = schema.as_object_mut() {
        root.remove("$schema");
        root.remove("title");
    }
    make_strict(&mut schema);
    schema
}

/// The name of a type's schema, of the characters that a name may have.
pub(super) fn name_of<T: schemars::JsonSchema>() -> String {
    let name = T::schema_name();
    let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    name.chars().map(legal).take(64).collect()
}

fn make_strict(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get("properties") {
                let names: Vec<Value> = properties.keys().cloned().map(Value::String).collect();
                object.insert("required".to_owned(), Value::Array(names));
                object.insert("additionalProperties".to_owned(), Value::Bool(false));
            } else if is_closed_object(object) {
                object.insert("properties".to_owned(), Value::Object(Map::new()));
                object.insert("required".to_owned(), Value::Array(Vec::new()));
                object.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            // Beside a reference nothing else may stand, and a choice is called `anyOf`.
            if object.contains_key("$ref") {
                object.retain(|keyword, _| keyword == "$ref");
            }
            // Sizes of numbers and other formats of the generator's own are refused.
            let format = object.get("format").and_then(Value::as_str);
            if format.is_some_and(|format| !FORMATS.contains(&format)) {
                object.remove("format");
            }
            object.remove("default");
            if let Some(choice) = object.remove("oneOf") {
                object.insert("anyOf".to_owned(), choice);
            }
            for (keyword, value) in object.iter_mut() {
                match (keyword.as_str(), value) {
                    // Names of the application's, with schemas behind them.
                    ("properties" | "$defs", Value::Object(named)) => named.values_mut().for_each(make_strict),
                    ("items" | "anyOf" | "allOf" | "prefixItems" | "additionalProperties", value) => make_strict(value),
                    _ => {}
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(make_strict),
        _ => {}
    }
}

/// An object type without properties that is not a map.
fn is_closed_object(object: &Map<String, Value>) -> bool {
    object.get("type").and_then(Value::as_str) == Some("object") && !object.contains_key("additionalProperties")
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde_json::json;

    use super::*;

    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its schema counts")]
    struct Report {
        /// In one line.
        title: String,
        rating: Option<u8>,
        parts: Vec<Part>,
        /// The one that matters.
        first: Part,
        address: std::net::Ipv4Addr,
    }

    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its schema counts")]
    struct Part {
        default: bool,
    }

    #[test]
    fn every_object_is_closed_and_every_property_required() {
        let schema = strict_schema_of::<Report>();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["required"], json!(["address", "first", "parts", "rating", "title"]));
        assert_eq!(schema["properties"]["title"], json!({ "type": "string", "description": "In one line." }));
        assert_eq!(schema["properties"]["rating"]["type"], json!(["integer", "null"]));
        assert_eq!(schema["properties"]["rating"].get("format"), None, "{schema}");
        assert_eq!(schema["properties"]["first"], json!({ "$ref": "#/$defs/Part" }));
        assert_eq!(schema["properties"]["address"]["format"], "ipv4");
        assert_eq!(schema["$defs"]["Part"]["additionalProperties"], false);
        assert_eq!(schema["$defs"]["Part"]["properties"]["default"]["type"], "boolean", "a property of that name");
        assert!(schema.get("$schema").is_none());
        assert_eq!(name_of::<Vec<Report>>(), "Array_of_Report");
    }
}
