//! The environments in which cloud tasks run.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::asked::Asked;
use super::backend::Backend;
use super::reply::Reply;
use super::route::{Way, routes};
use super::world::World;
use crate::api::environments;

routes! {
    /// The environments.
    LIST_ENVIRONMENTS = Way::codex(&environments::LIST, list);
    /// The environments of a repository.
    LIST_REPOSITORY_ENVIRONMENTS = Way::codex(&environments::BY_REPOSITORY, by_repository);
}

#[derive(Debug, Clone)]
pub(super) struct Environments {
    environments: Vec<Environment>,
    busy: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Environment {
    id: String,
    label: String,
    is_pinned: bool,
    task_count: i64,
    repository: String,
}

impl Default for Environments {
    fn default() -> Self {
        let environment = |id: &str, label: &str, is_pinned, task_count| Environment {
            id: id.to_owned(),
            label: label.to_owned(),
            is_pinned,
            task_count,
            repository: label.to_owned(),
        };
        let environments =
            vec![environment("env_api", "acme/api", false, 40), environment("env_web", "acme/web", true, 12)];
        Self { environments, busy: BTreeSet::new() }
    }
}

impl Environments {
    pub(super) fn label(&self, id: &str) -> Option<&str> {
        let environment = self.environments.iter().find(|environment| environment.id == id);
        environment.map(|environment| environment.label.as_str())
    }

    pub(super) fn is_busy(&self, id: &str) -> bool {
        self.busy.contains(id)
    }

    fn told(&self, is_asked_for: impl Fn(&Environment) -> bool) -> Reply {
        let told = self.environments.iter().filter(|environment| is_asked_for(environment)).map(
            |it| json!({ "id": it.id, "label": it.label, "is_pinned": it.is_pinned, "task_count": it.task_count }),
        );
        Reply::json(&told.collect::<Value>())
    }
}

fn list(world: &mut World, _: &Asked<'_>) -> Reply {
    world.of::<Environments>().told(|_| true)
}

fn by_repository(world: &mut World, asked: &Asked<'_>) -> Reply {
    let repository = format!("{}/{}", asked.id("owner"), asked.id("repo"));
    world.of::<Environments>().told(|environment| environment.repository == repository)
}

/// Environments of cloud tasks.
impl Backend {
    /// Adds an environment for cloud tasks, beside `env_web` and `env_api`. The repository is `owner/name`.
    pub fn add_environment(&self, id: &str, label: &str, repository: &str) {
        self.world().of::<Environments>().environments.push(Environment {
            id: id.to_owned(),
            label: label.to_owned(),
            is_pinned: false,
            task_count: 0,
            repository: repository.to_owned(),
        });
    }

    /// Refuses new tasks in an environment with 409.
    pub fn set_environment_busy(&self, environment_id: &str) {
        self.world().of::<Environments>().busy.insert(environment_id.to_owned());
    }
}
