//! Connectors, plugins, and what workspaces allow.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Backend;
use super::endpoints::{Asked, invalid, not_found};
use super::recorded::Route;
use super::server::Reply;
use crate::limits::PlanType;

/// How many connectors to a page.
const PAGE: usize = 2;

#[derive(Debug)]
pub(super) struct Directory {
    connectors: Vec<Value>,
    workspace_connectors: Vec<Value>,
    workspace_settings: Value,
    plugins: Vec<Value>,
    featured: Vec<String>,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            connectors: vec![
                json!({ "id": "connector_slack", "name": "Slack", "description": " ", "labels": { "tier": "1" } }),
                json!({
                    "id": "connector_drive", "name": "Google Drive", "description": "Files", "logoUrl": "https://example.com/d.png",
                    "branding": { "developer": "Google", "isDiscoverableApp": true },
                    "appMetadata": { "categories": ["files"], "showInComposerWhenUnlinked": true },
                }),
                json!({ "id": "connector_hidden", "name": "Hidden", "visibility": "HIDDEN" }),
            ],
            workspace_connectors: vec![json!({ "id": "connector_own", "name": "Our wiki" })],
            workspace_settings: json!({ "beta_settings": {} }),
            plugins: vec![plugin("plugin_1", "notes"), plugin("plugin_2", "calendar")],
            featured: vec!["plugin_2".to_owned()],
        }
    }
}

fn plugin(id: &str, name: &str) -> Value {
    json!({
        "id": id, "name": name, "scope": "GLOBAL", "installation_policy": "AVAILABLE", "authentication_policy": "ON_USE",
        "release": {
            "version": "1.0.0", "display_name": name, "description": "", "app_ids": ["connector_drive"],
            "interface": { "short_description": "A sample", "default_prompt": "What is new?" }, "skills": [],
        },
    })
}

pub(super) fn route<'a>(method: &Method, rest: &[&'a str]) -> Option<(Route, Vec<&'a str>)> {
    Some(match (method.as_str(), rest) {
        ("GET", ["connectors", "directory", "list"]) => (Route::LIST_CONNECTORS, vec![]),
        ("GET", ["connectors", "directory", "list_workspace"]) => (Route::LIST_WORKSPACE_CONNECTORS, vec![]),
        ("POST", ["ps", "apps", "batch"]) => (Route::BATCH_APPS, vec![]),
        ("GET", ["accounts", id, "settings"]) => (Route::GET_WORKSPACE_SETTINGS, vec![id]),
        ("GET", ["ps", "plugins", "list"]) => (Route::LIST_PLUGINS, vec![]),
        ("GET", ["ps", "plugins", "installed"]) => (Route::LIST_INSTALLED_PLUGINS, vec![]),
        ("GET", ["ps", "plugins", id]) => (Route::GET_PLUGIN, vec![id]),
        ("GET", ["plugins", "featured"]) => (Route::LIST_FEATURED_PLUGINS, vec![]),
        _ => return None,
    })
}

impl Directory {
    pub(super) fn answer(&self, route: Route, asked: &Asked<'_>, plan: &PlanType) -> Reply {
        match route {
            Route::LIST_CONNECTORS => self.connectors(asked),
            Route::LIST_WORKSPACE_CONNECTORS | Route::GET_WORKSPACE_SETTINGS if !plan.is_workspace() => {
                forbidden("not_a_workspace", "the account is not a workspace")
            }
            Route::LIST_WORKSPACE_CONNECTORS => Reply::json(&json!({ "apps": self.workspace_connectors })),
            Route::GET_WORKSPACE_SETTINGS if asked.id(0) != asked.account_id => {
                forbidden("account_mismatch", "the settings are another account's")
            }
            Route::GET_WORKSPACE_SETTINGS => Reply::json(&self.workspace_settings),
            Route::BATCH_APPS => self.batch(&asked.body),
            Route::LIST_PLUGINS => self.plugins(asked, Value::clone),
            Route::LIST_INSTALLED_PLUGINS => self.plugins(asked, |plugin| {
                let mut plugin = plugin.clone();
                plugin["enabled"] = true.into();
                plugin["disabled_skill_names"] = Value::Null;
                plugin
            }),
            Route::GET_PLUGIN => match self.plugins.iter().find(|plugin| plugin["id"] == asked.id(0)) {
                Some(plugin) => Reply::json(plugin),
                None => not_found("no such plugin"),
            },
            Route::LIST_FEATURED_PLUGINS if asked.query("platform").is_some() => Reply::json(&json!(self.featured)),
            _ => invalid("a parameter is missing"),
        }
    }

    fn connectors(&self, asked: &Asked<'_>) -> Reply {
        let start = match asked.query("token") {
            None => 0,
            Some(token) => match token.strip_prefix("from/").and_then(|start| start.parse().ok()) {
                Some(start) => start,
                None => return invalid("the token is not one of this server"),
            },
        };
        let apps: Vec<&Value> = self.connectors.iter().skip(start).take(PAGE).collect();
        let next = start + apps.len();
        // The real one sends an empty token on the last page.
        let token = if next < self.connectors.len() { format!("from/{next}") } else { " ".to_owned() };
        Reply::json(&json!({ "apps": apps, "nextToken": token }))
    }

    fn batch(&self, body: &Value) -> Reply {
        let Some(ids) = body["app_ids"].as_array().filter(|ids| !ids.is_empty()) else {
            return invalid("no `app_ids`");
        };
        let tools = if body["include_tools"] == true {
            json!([{ "name": "search", "description": "Finds things", "is_read_only": true }])
        } else {
            Value::Null
        };
        let known = self.connectors.iter().filter(|app| ids.contains(&app["id"]));
        let apps: Vec<Value> =
            known.map(|app| json!({ "id": app["id"], "name": app["name"], "tools": tools })).collect();
        Reply::json(&json!({ "apps": apps }))
    }

    fn plugins(&self, asked: &Asked<'_>, shown: impl Fn(&Value) -> Value) -> Reply {
        let Some(scope @ ("GLOBAL" | "WORKSPACE")) = asked.query("scope") else {
            return invalid("`scope` is neither `GLOBAL` nor `WORKSPACE`");
        };
        let mut of_scope = self.plugins.iter().filter(|plugin| plugin["scope"] == scope);
        // One to a page, however many are asked for: the real one may give fewer, too.
        let start = asked.query("pageToken").and_then(|token| token.parse().ok()).unwrap_or(0);
        let page: Vec<Value> = of_scope.by_ref().skip(start).take(1).map(shown).collect();
        let next = of_scope.next().is_some().then(|| (start + 1).to_string());
        Reply::json(&json!({ "plugins": page, "pagination": { "next_page_token": next } }))
    }
}

fn forbidden(code: &str, message: &str) -> Reply {
    Reply::error(StatusCode::FORBIDDEN, code, message)
}

/// Connectors, plugins, and what workspaces allow.
impl Backend {
    /// The connectors of the directory, in place of samples. Two to a page.
    pub fn set_connectors(&self, apps: Vec<Value>) {
        self.state.world().endpoints.directory.connectors = apps;
    }

    /// The connectors that workspaces have of their own, in place of a sample.
    pub fn set_workspace_connectors(&self, apps: Vec<Value>) {
        self.state.world().endpoints.directory.workspace_connectors = apps;
    }

    /// The settings of workspaces.
    pub fn set_workspace_settings(&self, settings: Value) {
        self.state.world().endpoints.directory.workspace_settings = settings;
    }
}
