//! The tools that a request offers to the model.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// A tool that the model may use.
///
/// ```
/// use codex_backend::responses::{FunctionTool, ResponseTool};
/// use serde_json::json;
///
/// let weather = FunctionTool::new(
///     "get_weather",
///     "The weather in a city.",
///     json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] }),
/// );
/// let tools = [ResponseTool::from(weather), ResponseTool::web_search()];
/// assert_eq!(serde_json::to_value(&tools)?[1], json!({ "type": "web_search" }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[doc(alias("tool"))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResponseTool {
    /// A function of the application's.
    Function(FunctionTool),
    /// A tool that takes free-form text, or text that follows a grammar.
    Custom(CustomTool),
    /// Functions under a common name.
    Namespace(NamespaceTool),
    /// Search among tools that the model is shown only when it needs them.
    ToolSearch(ToolSearchTool),
    /// Web search.
    WebSearch(HostedToolOptions),
    /// Image generation.
    ImageGeneration(HostedToolOptions),
    /// Shell commands that the application runs.
    LocalShell(HostedToolOptions),
    /// Any other, as JSON.
    #[serde(untagged)]
    Other(Value),
}

impl ResponseTool {
    /// Web search.
    #[must_use]
    pub fn web_search() -> Self {
        Self::WebSearch(HostedToolOptions::default())
    }

    /// Image generation.
    #[must_use]
    pub fn image_generation() -> Self {
        Self::ImageGeneration(HostedToolOptions::default())
    }

    /// Shell commands that the application runs.
    #[must_use]
    pub fn local_shell() -> Self {
        Self::LocalShell(HostedToolOptions::default())
    }

    /// Sets an option of a tool that the server runs, by its name on the wire. Does nothing for other tools.
    #[must_use]
    pub fn with_option(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        if let Self::WebSearch(hosted) | Self::ImageGeneration(hosted) | Self::LocalShell(hosted) = &mut self {
            hosted.options.insert(name.into(), value.into());
        }
        self
    }
}

/// A function of the application's.
#[doc(alias("tool", "function calling"))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FunctionTool {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// Whether the server guarantees that the arguments fit the schema. Default `false`. `true` requires a strict
    /// schema: every object lists all its properties as `required` and has `"additionalProperties": false`.
    pub strict: bool,
    /// The JSON schema of the arguments.
    pub parameters: Value,
    /// Whether the model is shown it only when it searches among tools. Default `false`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub defer_loading: bool,
    /// Why no strict schema describes the type of the arguments: a tool that has one cannot be sent.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "refuse")]
    refused: Option<String>,
}

fn refuse<S: serde::Serializer>(refused: &Option<String>, _: S) -> Result<S::Ok, S::Error> {
    Err(serde::ser::Error::custom(refused.as_deref().unwrap_or_default()))
}

impl FunctionTool {
    /// A function with the JSON schema of its arguments.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        let (name, description) = (name.into(), description.into());
        Self { name, description, strict: false, parameters, defer_loading: false, refused: None }
    }

    /// A function whose arguments are a Rust type. The schema is derived, and strict. If the type has none
    /// ([table](crate::guide::structured_output)), a request with this function is
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), unless [`strict(false)`](Self::strict) asks for the schema as it is.
    #[cfg(feature = "schemars")]
    pub fn of<T: schemars::JsonSchema>(name: impl Into<String>, description: impl Into<String>) -> Self {
        let (parameters, refused) = match super::schema::strict_schema_of::<T>() {
            Ok(schema) => (schema, None),
            Err(refused) => (super::schema::loose_schema_of::<T>(), Some(refused)),
        };
        Self { strict: true, refused, ..Self::new(name, description, parameters) }
    }

    /// Whether the server guarantees that the arguments fit the schema; see [`strict`](field@Self::strict).
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self.refused = self.refused.filter(|_| strict);
        self
    }

    /// Whether the model is shown it only when it searches among tools.
    #[must_use]
    pub fn defer_loading(mut self, deferred: bool) -> Self {
        self.defer_loading = deferred;
        self
    }
}

impl From<FunctionTool> for ResponseTool {
    fn from(tool: FunctionTool) -> Self {
        Self::Function(tool)
    }
}

/// A tool that takes free-form text, or text that follows a grammar.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CustomTool {
    /// Its name.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// The format of its input. `None`: any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Value>,
}

impl CustomTool {
    /// A tool that takes any text.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self { name: name.into(), description: description.into(), format: None }
    }

    /// Makes its input follow a grammar, in the syntax `lark` or `regex`.
    #[must_use]
    pub fn grammar(mut self, syntax: &str, definition: &str) -> Self {
        self.format = Some(json!({ "type": "grammar", "syntax": syntax, "definition": definition }));
        self
    }
}

impl From<CustomTool> for ResponseTool {
    fn from(tool: CustomTool) -> Self {
        Self::Custom(tool)
    }
}

/// Functions under a common name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NamespaceTool {
    /// The name.
    pub name: String,
    /// What the functions have in common, for the model.
    pub description: String,
    /// The functions.
    pub tools: Vec<ResponseTool>,
}

impl NamespaceTool {
    /// A namespace with its functions.
    pub fn new(
        name: impl Into<String>,
        description: impl Into<String>,
        functions: impl IntoIterator<Item = FunctionTool>,
    ) -> Self {
        let tools = functions.into_iter().map(ResponseTool::from).collect();
        Self { name: name.into(), description: description.into(), tools }
    }
}

impl From<NamespaceTool> for ResponseTool {
    fn from(tool: NamespaceTool) -> Self {
        Self::Namespace(tool)
    }
}

/// Search among tools that the model is shown only when it needs them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ToolSearchTool {
    /// Who runs the search: `server` or `client`.
    pub execution: String,
    /// What it does, for the model.
    pub description: String,
    /// The JSON schema of the search's arguments.
    pub parameters: Value,
}

impl ToolSearchTool {
    /// A search with the JSON schema of its arguments; `execution` is `server` or `client`.
    pub fn new(execution: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        Self { execution: execution.into(), description: description.into(), parameters }
    }
}

impl From<ToolSearchTool> for ResponseTool {
    fn from(tool: ToolSearchTool) -> Self {
        Self::ToolSearch(tool)
    }
}

/// The options of a built-in tool, by their names on the wire.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HostedToolOptions {
    /// The options.
    #[serde(flatten)]
    pub options: Map<String, Value>,
}
