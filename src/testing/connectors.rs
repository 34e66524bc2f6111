//! The directory of connectors.

use serde_json::{Value, json};

use super::asked::Asked;
use super::backend::Backend;
use super::credentials::Accounts;
use super::reply::Reply;
use super::route::{Way, routes};
use super::world::World;
use crate::api::connectors;

routes! {
    /// The connectors that everyone may use.
    LIST_CONNECTORS = Way::codex(&connectors::LIST, list);
    /// The connectors of the workspace alone.
    LIST_WORKSPACE_CONNECTORS = Way::codex(&connectors::LIST_WORKSPACE, list_workspace);
    /// Connectors by their ids.
    BATCH_APPS = Way::codex(&connectors::BATCH, batch);
}

/// How many connectors to a page.
const PAGE: usize = 2;

#[derive(Clone)]
struct Connectors {
    public: Vec<Value>,
    of_workspaces: Vec<Value>,
}

impl Default for Connectors {
    fn default() -> Self {
        Self {
            public: vec![
                json!({ "id": "connector_slack", "name": "Slack", "description": " ", "labels": { "tier": "1" } }),
                json!({
                    "id": "connector_drive", "name": "Google Drive", "description": "Files", "logoUrl": "https://example.com/d.png",
                    "branding": { "developer": "Google", "isDiscoverableApp": true },
                    "appMetadata": { "categories": ["files"], "showInComposerWhenUnlinked": true },
                }),
                json!({ "id": "connector_hidden", "name": "Hidden", "visibility": "HIDDEN" }),
            ],
            of_workspaces: vec![json!({ "id": "connector_own", "name": "Our wiki" })],
        }
    }
}

fn list(world: &mut World, asked: &Asked<'_>) -> Reply {
    let connectors = &world.of::<Connectors>().public;
    let start = match asked.query("token") {
        None => 0,
        Some(token) => match token.strip_prefix("from/").and_then(|start| start.parse().ok()) {
            Some(start) => start,
            None => return Reply::invalid("the token is not one of this server"),
        },
    };
    let apps: Vec<&Value> = connectors.iter().skip(start).take(PAGE).collect();
    let next = start + apps.len();
    // The real one sends an empty token on the last page.
    let token = if next < connectors.len() { format!("from/{next}") } else { " ".to_owned() };
    Reply::json(&json!({ "apps": apps, "nextToken": token }))
}

fn list_workspace(world: &mut World, asked: &Asked<'_>) -> Reply {
    if !world.of::<Accounts>().plan(asked.account_id).is_workspace() {
        return Reply::forbidden("not_a_workspace", "the account is not a workspace");
    }
    Reply::json(&json!({ "apps": world.of::<Connectors>().of_workspaces }))
}

fn batch(world: &mut World, asked: &Asked<'_>) -> Reply {
    let body = asked.json();
    let Some(ids) = body["app_ids"].as_array().filter(|ids| !ids.is_empty()) else {
        return Reply::invalid("no `app_ids`");
    };
    let tools = if body["include_tools"] == true {
        json!([{ "name": "search", "description": "Finds things", "is_read_only": true }])
    } else {
        Value::Null
    };
    let known = world.of::<Connectors>().public.iter().filter(|app| ids.contains(&app["id"]));
    let apps: Vec<Value> = known.map(|app| json!({ "id": app["id"], "name": app["name"], "tools": tools })).collect();
    Reply::json(&json!({ "apps": apps }))
}

/// Connectors.
impl Backend {
    /// The connectors of the directory, in place of samples. Two to a page.
    pub fn set_connectors(&self, apps: Vec<Value>) {
        self.world().of::<Connectors>().public = apps;
    }

    /// The connectors that workspaces have of their own, in place of a sample.
    pub fn set_workspace_connectors(&self, apps: Vec<Value>) {
        self.world().of::<Connectors>().of_workspaces = apps;
    }
}
