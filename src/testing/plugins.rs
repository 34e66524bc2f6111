//! Plugins, and those that are featured to everyone.

use serde_json::{Value, json};

use super::asked::Asked;
use super::reply::Reply;
use super::route::{Access, Way, routes};
use super::world::World;
use crate::api::plugins;

routes! {
    /// The plugins that can be installed.
    LIST_PLUGINS = Way::codex(&plugins::LIST, list);
    /// The plugins that are installed.
    LIST_INSTALLED_PLUGINS = Way::codex(&plugins::INSTALLED, list_installed);
    /// A plugin by its id.
    GET_PLUGIN = Way::codex(&plugins::GET, get);
    /// The plugins that are featured, which needs no credentials.
    LIST_FEATURED_PLUGINS = Way::codex(&plugins::FEATURED, list_featured).access(Access::AccountOrOpen);
}

#[derive(Clone)]
struct Plugins {
    plugins: Vec<Value>,
    featured: Vec<String>,
}

impl Default for Plugins {
    fn default() -> Self {
        Self {
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

fn list(world: &mut World, asked: &Asked<'_>) -> Reply {
    let Some(scope @ ("GLOBAL" | "WORKSPACE")) = asked.query("scope") else {
        return Reply::invalid("`scope` is neither `GLOBAL` nor `WORKSPACE`");
    };
    page(world, asked, |plugin| plugin["scope"] == scope, Value::clone)
}

fn list_installed(world: &mut World, asked: &Asked<'_>) -> Reply {
    let installed = |plugin: &Value| {
        let mut plugin = plugin.clone();
        plugin["enabled"] = true.into();
        plugin["disabled_skill_names"] = Value::Null;
        plugin
    };
    page(world, asked, |_| true, installed)
}

fn get(world: &mut World, asked: &Asked<'_>) -> Reply {
    match world.of::<Plugins>().plugins.iter().find(|plugin| plugin["id"] == asked.id("plugin_id")) {
        Some(plugin) => Reply::json(plugin),
        None => Reply::not_found("no such plugin"),
    }
}

fn list_featured(world: &mut World, asked: &Asked<'_>) -> Reply {
    match asked.query("platform") {
        Some(_) => Reply::json(&json!(world.of::<Plugins>().featured)),
        None => Reply::invalid("no `platform`"),
    }
}

fn page(
    world: &mut World,
    asked: &Asked<'_>,
    is_listed: impl Fn(&Value) -> bool,
    shown: impl Fn(&Value) -> Value,
) -> Reply {
    let mut listed = world.of::<Plugins>().plugins.iter().filter(|plugin| is_listed(plugin));
    // One to a page, however many are asked for: the real one may give fewer, too.
    let start = asked.query("pageToken").and_then(|token| token.parse().ok()).unwrap_or(0);
    let page: Vec<Value> = listed.by_ref().skip(start).take(1).map(shown).collect();
    let next = listed.next().is_some().then(|| (start + 1).to_string());
    Reply::json(&json!({ "plugins": page, "pagination": { "next_page_token": next } }))
}
