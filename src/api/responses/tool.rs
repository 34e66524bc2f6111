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
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResponseTool {
    /// A function of the application's.
    Function(FunctionTool),
    /// A tool that takes text of its own form.
    Custom(CustomTool),
    /// Functions under a common name.
    Namespace(NamespaceTool),
    /// Search among tools that are told to the model only when it needs them.
    ToolSearch(ToolSearchTool),
    /// Search in the web.
    WebSearch(HostedToolOptions),
    /// Images.
    ImageGeneration(HostedToolOptions),
    /// Commands that the application runs.
    LocalShell(HostedToolOptions),
    /// Any other, as JSON.
    #[serde(untagged)]
    Other(Value),
}

impl ResponseTool {
    /// Search in the web.
    #[must_use]
    pub fn web_search() -> Self {
        Self::WebSearch(HostedToolOptions::default())
    }

    /// Images.
    #[must_use]
    pub fn image_generation() -> Self {
        Self::ImageGeneration(HostedToolOptions::default())
    }

    /// Commands that the application runs.
    #[must_use]
    pub fn local_shell() -> Self {
        Self::LocalShell(HostedToolOptions::default())
    }

    /// Sets an option of a tool that the server runs, by its name on the wire. For other tools nothing happens.
    #[must_use]
    pub fn with_option(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        if let Self::WebSearch(hosted) | Self::ImageGeneration(hosted) | Self::LocalShell(hosted) = &mut self {
            hosted.options.insert(name.into(), value.into());
        }
        self
    }
}

/// A function of the application's.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FunctionTool {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// Whether the arguments are certain to fit the schema. Default `false`; `true` asks more of the schema: every object
    /// lists all its properties as `required` and has `"additionalProperties": false`.
    pub strict: bool,
    /// The JSON schema of the arguments.
    pub parameters: Value,
    /// Whether the model is told of it only when it searches among tools. Default `false`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub defer_loading: bool,
}

impl FunctionTool {
    /// With the JSON schema of its arguments.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        Self { name: name.into(), description: description.into(), strict: false, parameters, defer_loading: false }
    }

    /// With arguments of a Rust type. The schema is made strict.
    #[cfg(feature = "schemars")]
    pub fn of<T: schemars::JsonSchema>(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self { strict: true, ..Self::new(name, description, super::schema::strict_schema_of::<T>()) }
    }

    /// Whether the arguments are certain to fit the schema.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Whether the model is told of it only when it searches among tools.
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

/// A tool that takes text of its own form.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CustomTool {
    /// Its name.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// The form of its input. `None`: any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Value>,
}

impl CustomTool {
    /// One that takes any text.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self { name: name.into(), description: description.into(), format: None }
    }

    /// One whose input follows a grammar, in the syntax `lark` or `regex`.
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
    /// With its functions.
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

/// Search among tools that are told to the model only when it needs them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ToolSearchTool {
    /// Who searches: `server` or `client`.
    pub execution: String,
    /// What it does, for the model.
    pub description: String,
    /// The JSON schema of what it is asked.
    pub parameters: Value,
}

impl ToolSearchTool {
    /// With who searches, and the JSON schema of what it is asked.
    pub fn new(execution: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        Self { execution: execution.into(), description: description.into(), parameters }
    }
}

impl From<ToolSearchTool> for ResponseTool {
    fn from(tool: ToolSearchTool) -> Self {
        Self::ToolSearch(tool)
    }
}

/// The options of a tool that needs no description, by their names on the wire.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HostedToolOptions {
    /// The options.
    #[serde(flatten)]
    pub options: Map<String, Value>,
}
