//! The catalogue of models, and the list of the OpenAI API.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::asked::Asked;
use super::backend::Backend;
use super::reply::Reply;
use super::route::{Way, routes};
use super::world::World;
use crate::api::models;

routes! {
    /// The backend's catalogue of models, or the OpenAI API's list.
    LIST_MODELS = Way::codex(&models::CATALOGUE, catalogue), Way::openai(&models::LIST, list);
    /// A model of the OpenAI API.
    RETRIEVE_MODEL = Way::openai(&models::RETRIEVE, retrieve);
}

/// The names by which the official tool calls itself in `User-Agent`.
const OFFICIAL_NAMES: [&str; 3] = ["codex_cli_rs", "codex-tui", "codex_vscode"];

#[derive(Debug, Clone)]
pub(super) struct Models {
    models: Value,
    pub(super) etag: String,
}

impl Default for Models {
    fn default() -> Self {
        let model = |slug: &str, priority: i32, visibility: &str| {
            json!({
                "slug": slug, "display_name": slug, "description": "a model for tests", "priority": priority,
                "visibility": visibility, "default_reasoning_level": "medium",
                "supported_reasoning_levels": [{ "effort": "low", "description": "quick" },
                    { "effort": "medium", "description": "balanced" }],
                "shell_type": "shell_command", "minimal_client_version": "0.98.0", "supported_in_api": true,
                "base_instructions": "base instructions", "supports_reasoning_summaries": true, "support_verbosity": true,
                "truncation_policy": { "mode": "tokens", "limit": 10_000 }, "supports_parallel_tool_calls": true,
                "context_window": 272_000, "experimental_supported_tools": [], "prefer_websockets": true,
            })
        };
        let models = [model("gpt-test-mini", 2, "list"), model("gpt-test", 1, "list"), model("gpt-review", 0, "hide")];
        Self { models: json!(models), etag: "W/\"embedded-1\"".to_owned() }
    }
}

impl Models {
    /// Whether the client can use the model, by the version of the official tool that its headers tell. One that tells none
    /// can use all, and so can anyone use a model that is not in the catalogue.
    pub(super) fn can_be_used(&self, slug: &str, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let of_user_agent = || {
            let (name, version) = text("user-agent")?.split_once('/')?;
            OFFICIAL_NAMES.contains(&name).then_some(version)
        };
        let told = text("version").or_else(of_user_agent);
        let told = told.and_then(|told| version(told.split(['-', '+', ' ']).next().unwrap_or_default()));
        let model = self.models.as_array().into_iter().flatten().find(|model| model["slug"] == slug);
        model.zip(told).is_none_or(|(model, version)| is_usable(model, version))
    }
}

fn catalogue(world: &mut World, asked: &Asked<'_>) -> Reply {
    let version = asked.query("client_version").and_then(version);
    let Some(version) = version else {
        let body = json!({ "detail": "client_version is required" }).to_string();
        return Reply::bytes(StatusCode::BAD_REQUEST, "application/json", body);
    };
    let Models { models, etag } = world.of();
    let models = models.as_array().into_iter().flatten();
    let models: Vec<&Value> = models.filter(|model| is_usable(model, version)).collect();
    let mut reply = Reply::json(&json!({ "models": models }));
    reply.add_headers(HeaderValue::try_from(&*etag).ok().map(|etag| (HeaderName::from_static("etag"), etag)));
    reply
}

fn list(world: &mut World, _: &Asked<'_>) -> Reply {
    let models = world.of::<Models>().models.as_array().into_iter().flatten();
    let mut models: Vec<Value> = models.map(listed).filter(|model| model["id"] != "gpt-review").collect();
    models.sort_by_key(|model| model["id"].as_str().map(str::to_owned));
    Reply::json(&json!({ "object": "list", "data": models }))
}

fn retrieve(world: &mut World, asked: &Asked<'_>) -> Reply {
    let id = asked.id("model");
    match world.of::<Models>().models.as_array().into_iter().flatten().find(|model| model["slug"] == id) {
        Some(model) => Reply::json(&listed(model)),
        None => {
            let message = format!("The model '{id}' does not exist");
            Reply::error(StatusCode::NOT_FOUND, "model_not_found", &message)
        }
    }
}

fn is_usable(model: &Value, version: [u64; 3]) -> bool {
    let minimal = model["minimal_client_version"].as_str().and_then(self::version);
    minimal.is_none_or(|minimal| minimal <= version)
}

fn listed(model: &Value) -> Value {
    json!({ "id": model["slug"], "object": "model", "created": 1_777_000_000, "owned_by": "openai" })
}

fn version(text: &str) -> Option<[u64; 3]> {
    let mut parts = text.split('.').map(str::parse);
    let version = [parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?];
    parts.next().is_none().then_some(version)
}

/// Models.
impl Backend {
    /// The catalogue of models, and its version, in place of a sample. Streams of responses tell the version too. A model
    /// whose `minimal_client_version` is newer than the version of the official tool that a request tells, in `version` or
    /// `User-Agent`, is refused to it.
    pub fn set_models(&self, models: Value, etag: &str) {
        *self.world().of() = Models { models, etag: etag.to_owned() };
    }
}
