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
//! value.
//!
//! An answer that is cut off is the error [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete), and not a text that does
//! not parse.
