//! Structured output: answers that are JSON of a known form.
//!
//! A JSON schema makes the model answer in JSON that fits it.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use codex_backend::testing::{Backend, ScriptedResponse};
//! # let backend = Backend::start()?;
//! # backend.script_response(ScriptedResponse::text(r#"{"city":"Oslo","degrees":-3.5}"#));
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! #[derive(serde::Deserialize)]
//! struct Weather {
//!     city: String,
//!     degrees: f64,
//! }
//!
//! let schema = serde_json::json!({
//!     "type": "object",
//!     "properties": { "city": { "type": "string" }, "degrees": { "type": "number" } },
//!     "required": ["city", "degrees"],
//!     "additionalProperties": false,
//! });
//! let request = client.codex_responses().create("gpt-5.5", "Answer in JSON.", "How cold is it in Oslo?");
//! let answer = request.json_schema("weather", schema).stream().await?.collect().await?;
//! let weather: Weather = answer.parse()?;
//! assert_eq!((weather.city.as_str(), weather.degrees), ("Oslo", -3.5));
//! # Ok(()) }
//! ```
//!
//! With the feature `schemars`, `.json_schema_of::<Weather>()` makes the schema from the type. As the servers demand, its
//! objects allow no other properties, and all properties are required: an `Option` is `null` in the answer where it has no
//! value. The properties stand in the order of the type's fields, and a model writes them in that order: a field `reasoning`
//! before a field `answer` lets it think first. So it is with a schema of your own, and with all JSON of a request: it leaves
//! as you wrote it.
//!
//! Not every type has a strict schema. What cannot be described is an error before anything is sent, which names the type and
//! the field: "the schema of `Scores.by_name` is a map, …".
//!
//! | Rust | strict schema |
//! | --- | --- |
//! | a struct, also a flattened one | an object, closed |
//! | `Option<T>`, a field with a default | required, may be `null` where it is an `Option` |
//! | an enum in a field, with or without a tag | a choice, `anyOf` |
//! | a set | a list, in which a value may stand twice |
//! | an array, or a tuple of one type | a list of that length |
//! | lengths of text | not told to the model |
//! | a description beside a field whose type is a struct or an enum | that of the type alone |
//! | a map, a flattened map | error: use a list of structs |
//! | a tuple of several types | error: use a struct |
//! | `serde_json::Value` | error: name a type |
//! | a flattened enum | error: put it into a field of its own |
//! | a tagged enum with another struct as a variant's content | error: give the variant a field that holds it |
//! | an enum, a list, a number or a text as the whole answer | error: put it into a field of a struct |
//!
//! An answer that is cut off is the error [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete), and not a text that does
//! not parse.
