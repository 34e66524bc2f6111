//! What administrators demand: requirements, and the bundle of managed configuration.

use serde_json::{Value, json};

use super::asked::Asked;
use super::backend::Backend;
use super::credentials::Accounts;
use super::reply::Reply;
use super::route::{Way, routes};
use super::world::World;
use crate::api::managed_config::document;

routes! {
    /// The administrators' requirements.
    GET_REQUIREMENTS = Way::codex(&document::REQUIREMENTS, requirements);
    /// The bundle of managed configuration.
    GET_CONFIG_BUNDLE = Way::codex(&document::BUNDLE, bundle);
}

#[derive(Default, Clone)]
struct ManagedConfig {
    requirements: Option<Value>,
    bundle: Option<Value>,
}

fn requirements(world: &mut World, asked: &Asked<'_>) -> Reply {
    answer(world, asked, |config| &config.requirements)
}

fn bundle(world: &mut World, asked: &Asked<'_>) -> Reply {
    answer(world, asked, |config| &config.bundle)
}

fn answer(world: &mut World, asked: &Asked<'_>, part: impl Fn(&ManagedConfig) -> &Option<Value>) -> Reply {
    if !world.of::<Accounts>().plan(asked.account_id).has_managed_config() {
        return Reply::forbidden("plan_not_eligible", "the plan has no managed configuration");
    }
    Reply::json(part(world.of()).as_ref().unwrap_or(&json!({})))
}

/// Managed configuration.
impl Backend {
    /// What the server answers when asked for requirements, in place of none.
    pub fn set_requirements(&self, requirements: Value) {
        self.world().of::<ManagedConfig>().requirements = Some(requirements);
    }

    /// What the server answers when asked for the bundle of managed configuration, in place of an empty one.
    pub fn set_config_bundle(&self, bundle: Value) {
        self.world().of::<ManagedConfig>().bundle = Some(bundle);
    }
}
