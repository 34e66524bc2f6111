//! What workspaces allow.

use serde_json::{Value, json};

use super::asked::Asked;
use super::backend::Backend;
use super::credentials::Accounts;
use super::reply::Reply;
use super::route::{Way, routes};
use super::world::World;
use crate::api::workspace;

routes! {
    /// The settings of a workspace.
    GET_WORKSPACE_SETTINGS = Way::codex(&workspace::SETTINGS, settings);
}

#[derive(Clone)]
struct Settings(Value);

impl Default for Settings {
    fn default() -> Self {
        Self(json!({ "beta_settings": {} }))
    }
}

fn settings(world: &mut World, asked: &Asked<'_>) -> Reply {
    if !world.of::<Accounts>().plan(asked.account_id).is_workspace() {
        return Reply::forbidden("not_a_workspace", "the account is not a workspace");
    }
    if asked.id("account_id") != asked.account_id {
        return Reply::forbidden("account_mismatch", "the settings are another account's");
    }
    Reply::json(&world.of::<Settings>().0)
}

/// Workspaces.
impl Backend {
    /// The settings of workspaces.
    pub fn set_workspace_settings(&self, settings: Value) {
        *self.world().of() = Settings(settings);
    }
}
