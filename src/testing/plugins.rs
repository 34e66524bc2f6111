//! Plugins, and those that are featured to everyone.

use std::collections::BTreeSet;

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
    /// The plugins that the workspace has made.
    LIST_CREATED_PLUGINS = Way::codex(&plugins::CREATED, list_created);
    /// Installs a plugin.
    INSTALL_PLUGIN = Way::codex(&plugins::INSTALL, install);
    /// Uninstalls a plugin.
    UNINSTALL_PLUGIN = Way::codex(&plugins::UNINSTALL, uninstall);
    /// The plugins that are featured, which needs no credentials.
    LIST_FEATURED_PLUGINS = Way::codex(&plugins::FEATURED, list_featured).access(Access::AccountOrOpen);
}

#[derive(Clone)]
struct Plugins {
    plugins: Vec<Value>,
    /// By their ids. All others are installed.
    uninstalled: BTreeSet<String>,
    featured: Vec<String>,
}

impl Default for Plugins {
    fn default() -> Self {
        Self {
            plugins: vec![plugin("plugin_1", "notes"), plugin("plugin_2", "calendar")],
            uninstalled: BTreeSet::new(),
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
    let uninstalled = world.of::<Plugins>().uninstalled.clone();
    let is_installed = |plugin: &Value| plugin["id"].as_str().is_some_and(|id| !uninstalled.contains(id));
    let installed = |plugin: &Value| {
        let mut plugin = plugin.clone();
        plugin["enabled"] = true.into();
        plugin["disabled_skill_names"] = Value::Null;
        plugin
    };
    page(world, asked, is_installed, installed)
}

fn list_created(world: &mut World, asked: &Asked<'_>) -> Reply {
    page(world, asked, |plugin| plugin["scope"] == "WORKSPACE", Value::clone)
}

fn install(world: &mut World, asked: &Asked<'_>) -> Reply {
    set_enabled(world, asked, true)
}

fn uninstall(world: &mut World, asked: &Asked<'_>) -> Reply {
    set_enabled(world, asked, false)
}

fn set_enabled(world: &mut World, asked: &Asked<'_>, enabled: bool) -> Reply {
    let (plugins, id) = (world.of::<Plugins>(), asked.id("plugin_id"));
    if !plugins.plugins.iter().any(|plugin| plugin["id"] == id) {
        return Reply::not_found("no such plugin");
    }
    if enabled {
        plugins.uninstalled.remove(id);
    } else {
        plugins.uninstalled.insert(id.to_owned());
    }
    Reply::json(&json!({ "id": id, "enabled": enabled }))
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
