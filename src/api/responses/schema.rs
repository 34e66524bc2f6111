//! JSON schemas of Rust types, as strict as the models' servers ask.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

/// The formats of text that a strict schema may name.
const FORMATS: [&str; 9] = ["date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"];
/// What a strict schema may say.
const KEYWORDS: [&str; 21] = [
    "$defs",
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "description",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maximum",
    "maxItems",
    "minimum",
    "minItems",
    "multipleOf",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
];
/// What it may not say, and what means little enough to be left out: every value that fits without it can be read.
const LEFT_OUT: [&str; 12] = [
    "$comment",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "default",
    "deprecated",
    "examples",
    "maxLength",
    "minLength",
    "readOnly",
    "uniqueItems",
    "writeOnly",
];

/// The schema of a type: every object closed, and all of its properties required, in the order of the type's fields. What may
/// be missing is `null` then. An error names the field that no strict schema can describe.
pub(super) fn strict_schema_of<T: JsonSchema>() -> Result<Value, String> {
    let mut schema = loose_schema_of::<T>();
    let name = T::schema_name().into_owned();
    let Some(root) = schema.as_object().filter(|root| is_object(root)) else {
        return Err(format!("the schema of `{name}` is not that of an object: put it into a field of a struct"));
    };
    if root.contains_key("oneOf") || root.contains_key("anyOf") {
        return Err(format!("the schema of `{name}` {CHOICE_BESIDE}"));
    }
    make_strict(&mut schema, &name)?;
    Ok(schema)
}

/// The schema as it is derived.
pub(super) fn loose_schema_of<T: JsonSchema>() -> Value {
    let mut schema = schemars::schema_for!(T).to_value();
    if let Some(root) = schema.as_object_mut() {
        root.shift_remove("$schema");
        root.shift_remove("title");
    }
    schema
}

/// The name of a type's schema, of the characters that a name may have.
pub(super) fn name_of<T: JsonSchema>() -> String {
    let name = T::schema_name();
    let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    name.chars().map(legal).take(64).collect()
}

const CHOICE_BESIDE: &str =
    "has a choice beside its properties, as a flattened enum makes it: put the enum into a field of its own";

/// Makes a schema strict, or tells what cannot be: `place` is the type, and the fields on the way.
fn make_strict(schema: &mut Value, place: &str) -> Result<(), String> {
    let refused = |why: &str| Err(format!("the schema of `{place}` {why}"));
    let object = match schema {
        Value::Object(object) if !object.is_empty() => object,
        _ => return refused("may be anything: name a type"),
    };
    if object.contains_key("$ref") {
        if object.contains_key("properties") {
            return refused("adds properties to those of another type: give the variant a field that holds it");
        }
        // Beside a reference nothing else may stand.
        object.retain(|keyword, _| matches!(keyword.as_str(), "$ref" | "$defs"));
    }
    // Sizes of numbers and other formats of the generator's own are refused.
    let format = object.get("format").and_then(Value::as_str);
    if format.is_some_and(|format| !FORMATS.contains(&format)) {
        object.shift_remove("format");
    }
    object.retain(|keyword, _| !LEFT_OUT.contains(&keyword.as_str()));
    if object.get("unevaluatedProperties") == Some(&Value::Bool(false)) {
        object.shift_remove("unevaluatedProperties");
    }
    // A choice is called `anyOf`.
    if let Some(choice) = object.shift_remove("oneOf") {
        object.insert("anyOf".to_owned(), choice);
    }
    if object.contains_key("properties") && object.contains_key("anyOf") {
        return refused(CHOICE_BESIDE);
    }
    if is_object(object) {
        let is_open = object.get("additionalProperties").is_some_and(|others| *others != Value::Bool(false));
        if is_open || object.contains_key("patternProperties") {
            return refused("is a map, or has members of any name: use a list of structs");
        }
        close(object);
    } else if has_type(object, "array") {
        make_uniform(object).or_else(|()| refused("is a tuple of different types: use a struct"))?;
    }
    if let Some(keyword) = object.keys().find(|keyword| !KEYWORDS.contains(&keyword.as_str())) {
        return refused(&format!("needs `{keyword}`, which strict schemas do not have"));
    }
    if !["$ref", "anyOf", "const", "enum", "type"].iter().any(|keyword| object.contains_key(*keyword)) {
        return refused("may be anything: name a type");
    }
    for (keyword, value) in object.iter_mut() {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(named)) => {
                named.iter_mut().try_for_each(|(name, schema)| make_strict(schema, &format!("{place}.{name}")))?;
            }
            ("$defs", Value::Object(types)) => {
                types.iter_mut().try_for_each(|(name, schema)| make_strict(schema, name))?;
            }
            ("items", entry) => make_strict(entry, &format!("{place}[]"))?,
            ("anyOf", Value::Array(choices)) => choices.iter_mut().try_for_each(|schema| make_strict(schema, place))?,
            _ => {}
        }
    }
    Ok(())
}

fn has_type(schema: &Map<String, Value>, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    }
}

fn is_object(schema: &Map<String, Value>) -> bool {
    has_type(schema, "object")
}

/// Nothing but the properties, and all of them.
fn close(object: &mut Map<String, Value>) {
    let properties = object.entry("properties").or_insert_with(|| json!({}));
    let names: Vec<Value> = properties.as_object().into_iter().flatten().map(|(name, _)| name.clone().into()).collect();
    object.insert("required".to_owned(), Value::Array(names));
    object.insert("additionalProperties".to_owned(), Value::Bool(false));
}

/// The entries of a list have one schema; those of a tuple may have the same one each.
fn make_uniform(list: &mut Map<String, Value>) -> Result<(), ()> {
    let Some(entries) = list.shift_remove("prefixItems") else { return Ok(()) };
    list.shift_remove("items");
    let mut entries = entries.as_array().cloned().unwrap_or_default().into_iter();
    let first = entries.next().ok_or(())?;
    if entries.any(|entry| entry != first) {
        return Err(());
    }
    list.insert("items".to_owned(), first);
    Ok(())
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
        let schema = strict_schema_of::<Report>().unwrap();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["required"], json!(["title", "rating", "parts", "first", "address"]));
        let properties: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(properties, ["title", "rating", "parts", "first", "address"], "in the order of the fields");
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

    mod types {
        #![allow(dead_code, reason = "only their schemas count")]

        use std::collections::{BTreeMap, BTreeSet, HashMap};

        use schemars::JsonSchema;
        use serde_json::Value;

        #[derive(JsonSchema)]
        pub(super) struct Scores {
            by_name: HashMap<String, u32>,
        }

        #[derive(JsonSchema)]
        pub(super) struct Deep {
            list: Vec<Option<Inner>>,
        }

        #[derive(JsonSchema)]
        struct Inner {
            maybe: Option<BTreeMap<u32, bool>>,
        }

        #[derive(JsonSchema)]
        pub(super) struct Order {
            number: u32,
            #[serde(flatten)]
            payment: Payment,
        }

        #[derive(JsonSchema)]
        pub(super) struct Orders {
            orders: Vec<Order>,
        }

        #[derive(JsonSchema)]
        pub(super) enum Payment {
            Card { digits: String },
            Cash { coins: bool },
        }

        #[derive(JsonSchema)]
        #[serde(tag = "kind")]
        pub(super) enum Step {
            Search { query: String },
            Stop,
        }

        #[derive(JsonSchema)]
        pub(super) struct Anything {
            anything: Value,
        }

        #[derive(JsonSchema)]
        pub(super) struct Pair {
            pair: (u8, String),
        }

        #[derive(JsonSchema)]
        pub(super) struct Open {
            known: bool,
            #[serde(flatten)]
            others: serde_json::Map<String, Value>,
        }

        #[derive(JsonSchema)]
        #[serde(tag = "kind")]
        enum Tagged {
            Search(Content),
            Stop,
        }

        #[derive(JsonSchema)]
        struct Content {
            query: String,
        }

        #[derive(JsonSchema)]
        pub(super) struct Steps {
            steps: Vec<Tagged>,
        }

        #[derive(JsonSchema)]
        pub(super) struct Legal {
            payment: Payment,
            step: Step,
            tags: BTreeSet<String>,
            point: (f64, f64),
            array: [u8; 3],
            letter: char,
            nothing: (),
            #[serde(flatten)]
            content: Content,
            #[schemars(length(min = 1, max = 9))]
            name: String,
            next: Option<Box<Legal>>,
            #[serde(default)]
            missing: bool,
        }
    }

    #[test]
    fn what_no_strict_schema_describes_is_named_by_type_and_field() {
        use types::*;
        let refusal = |schema: Result<Value, String>| schema.unwrap_err();
        for (said, place, hint) in [
            (refusal(strict_schema_of::<Scores>()), "`Scores.by_name`", "list of structs"),
            (refusal(strict_schema_of::<Deep>()), "`Inner.maybe`", "list of structs"),
            (refusal(strict_schema_of::<Order>()), "`Order`", "field of its own"),
            (refusal(strict_schema_of::<Orders>()), "`Order`", "field of its own"),
            (refusal(strict_schema_of::<Payment>()), "`Payment`", "field of a struct"),
            (refusal(strict_schema_of::<Step>()), "`Step`", "field of a struct"),
            (refusal(strict_schema_of::<Vec<u8>>()), "`Array_of_uint8`", "field of a struct"),
            (refusal(strict_schema_of::<Value>()), "`AnyValue`", "field of a struct"),
            (refusal(strict_schema_of::<Anything>()), "`Anything.anything`", "name a type"),
            (refusal(strict_schema_of::<Pair>()), "`Pair.pair`", "use a struct"),
            (refusal(strict_schema_of::<Open>()), "`Open`", "list of structs"),
            (refusal(strict_schema_of::<Steps>()), "`Tagged`", "a field that holds it"),
        ] {
            assert!(said.contains(place) && said.contains(hint), "{said}");
        }
    }

    #[test]
    fn what_can_be_made_legal_is() {
        let schema = strict_schema_of::<types::Legal>().unwrap();
        let property = |name: &str| &schema["properties"][name];
        assert_eq!(*property("tags"), json!({ "type": "array", "items": { "type": "string" } }));
        let point = json!({ "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 });
        assert_eq!(*property("point"), point);
        assert_eq!(property("array")["minItems"], 3);
        assert_eq!(
            (property("letter"), property("name")),
            (&json!({ "type": "string" }), &json!({ "type": "string" }))
        );
        assert_eq!(*property("query"), json!({ "type": "string" }), "a struct may be flattened");
        assert!(schema["required"].as_array().unwrap().contains(&json!("missing")));
        let step = &schema["$defs"]["Step"];
        assert_eq!(step["anyOf"][0]["required"], json!(["kind", "query"]), "{step}");
        assert_eq!(step["anyOf"][1]["additionalProperties"], false);
        assert_eq!(schema["$defs"]["Payment"]["anyOf"][0]["properties"]["Card"]["additionalProperties"], false);
        legal(&schema);
    }

    /// Holds a schema to what the servers say of strict ones.
    fn legal(schema: &Value) {
        let object = schema.as_object().unwrap_or_else(|| panic!("{schema}"));
        assert!(object.keys().all(|keyword| KEYWORDS.contains(&keyword.as_str())), "{schema}");
        if object.contains_key("properties") || is_object(object) {
            assert_eq!(object["additionalProperties"], false, "{schema}");
            let names: Vec<&String> = object["properties"].as_object().unwrap().keys().collect();
            assert_eq!(object["required"], json!(names));
        }
        for keyword in ["properties", "$defs"] {
            object.get(keyword).and_then(Value::as_object).into_iter().flatten().for_each(|(_, schema)| legal(schema));
        }
        object.get("anyOf").and_then(Value::as_array).into_iter().flatten().for_each(legal);
        object.get("items").into_iter().for_each(legal);
    }
}
