//! Cloud tasks and their environments.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};

use super::Backend;
use super::endpoints::{Asked, invalid, not_found};
use super::server::Reply;

const SAMPLE_DIFF: &str =
    "diff --git a/README.md b/README.md\n--- a/README.md\n+++ b/README.md\n@@ -1 +1,2 @@\n # Sample\n+More.\n";
/// A moment in 2026.
const FIRST_CREATED: f64 = 1_776_900_000.25;

/// The tasks, the oldest first, and the environments.
#[derive(Debug)]
pub(super) struct Tasks {
    tasks: Vec<Task>,
    environments: Vec<Environment>,
    busy: BTreeSet<String>,
    repeats_cursor: bool,
}

#[derive(Debug, Clone)]
struct Task {
    id: String,
    title: String,
    prompt: String,
    environment_id: String,
    attempts: u64,
    state: State,
    /// In place of what is told of it.
    details: Option<Value>,
}

#[derive(Debug, Clone)]
enum State {
    Waiting,
    /// Done after so many more questions.
    Running {
        questions: u32,
    },
    Done {
        diff: String,
    },
    Failed {
        code: String,
        message: String,
    },
}

#[derive(Debug)]
struct Environment {
    id: String,
    label: String,
    is_pinned: bool,
    task_count: i64,
    repository: String,
}

impl Default for Tasks {
    fn default() -> Self {
        let environment = |id: &str, label: &str, is_pinned, task_count| Environment {
            id: id.to_owned(),
            label: label.to_owned(),
            is_pinned,
            task_count,
            repository: label.to_owned(),
        };
        Self {
            tasks: Vec::new(),
            environments: vec![
                environment("env_api", "acme/api", false, 40),
                environment("env_web", "acme/web", true, 12),
            ],
            busy: BTreeSet::new(),
            repeats_cursor: false,
        }
    }
}

impl Tasks {
    pub(super) fn list(&self, asked: &Asked<'_>) -> Reply {
        let Some(limit) = asked.query("limit").unwrap_or("20").parse().ok().filter(|limit| (1..=20).contains(limit))
        else {
            return invalid("`limit` is not 1 to 20");
        };
        let start = match asked.query("cursor") {
            None => 0,
            Some(cursor) => match cursor.strip_prefix("after=").and_then(|start| start.parse().ok()) {
                Some(start) => start,
                None => return invalid("the cursor is not one of this server"),
            },
        };
        let environment = asked.query("environment_id");
        let is_asked = |task: &&Task| environment.is_none_or(|environment| task.environment_id == environment);
        let mut matching = self.tasks.iter().rev().filter(is_asked).skip(start);
        let items: Vec<Value> = matching.by_ref().take(limit).map(|task| self.item(task)).collect();
        let next = if self.repeats_cursor { 0 } else { start + items.len() };
        let cursor = (self.repeats_cursor || matching.next().is_some()).then(|| format!("after={next}"));
        Reply::json(&json!({ "items": items, "cursor": cursor }))
    }

    pub(super) fn details(&mut self, id: &str) -> Reply {
        let Some(index) = self.tasks.iter().position(|task| task.id == id) else {
            return not_found("no such task");
        };
        let task = &mut self.tasks[index];
        if let State::Running { questions } = &mut task.state {
            match questions.checked_sub(1) {
                Some(left) => *questions = left,
                None => task.state = State::Done { diff: SAMPLE_DIFF.to_owned() },
            }
        }
        let task = &self.tasks[index];
        Reply::json(&task.details.clone().unwrap_or_else(|| self.all_of(task)))
    }

    pub(super) fn sibling_turns(&self, id: &str, turn_id: &str) -> Reply {
        match self.tasks.iter().find(|task| task.id == id && turn_id == task.turn_id(0)) {
            Some(task) => {
                let turns: Vec<Value> = (1..task.attempts).rev().map(|placement| task.turn(placement)).collect();
                Reply::json(&json!({ "sibling_turns": turns }))
            }
            None => not_found("no such turn"),
        }
    }

    pub(super) fn create(&mut self, body: &Value) -> Reply {
        let Some(environment_id) = body["new_task"]["environment_id"].as_str() else {
            return invalid("no `environment_id`");
        };
        let Some(prompt) = body["input_items"][0]["content"][0]["text"].as_str() else {
            return invalid("no text to work on");
        };
        let attempts = body["metadata"]["best_of_n"].as_u64().unwrap_or(1);
        if !(1..=4).contains(&attempts) {
            return invalid("`best_of_n` is not 1 to 4");
        }
        if !self.environments.iter().any(|environment| environment.id == environment_id) {
            return Reply::error(StatusCode::NOT_FOUND, "environment_not_found", "no such environment");
        }
        if self.busy.contains(environment_id) {
            return Reply::error(StatusCode::CONFLICT, "environment_busy", "the environment is being set up");
        }
        let id = format!("task_e_{}", self.tasks.len() + 1);
        self.tasks.push(Task {
            id: id.clone(),
            title: prompt.lines().next().unwrap_or_default().to_owned(),
            prompt: prompt.to_owned(),
            environment_id: environment_id.to_owned(),
            attempts,
            state: State::Waiting,
            details: None,
        });
        Reply::json(&json!({ "task": { "id": id } }))
    }

    pub(super) fn environments(&self, repository: Option<(&str, &str)>) -> Value {
        let wanted = repository.map(|(owner, name)| format!("{owner}/{name}"));
        let environments = self.environments.iter();
        let of_it = environments.filter(|it| wanted.as_ref().is_none_or(|wanted| it.repository == *wanted));
        let told = of_it.map(
            |it| json!({ "id": it.id, "label": it.label, "is_pinned": it.is_pinned, "task_count": it.task_count }),
        );
        told.collect()
    }

    fn add(&mut self, id: String, number: usize, state: State) {
        self.tasks.push(Task {
            id,
            title: format!("Task {number}"),
            prompt: format!("Do {number}"),
            environment_id: "env_web".to_owned(),
            attempts: 1,
            state,
            details: None,
        });
    }

    fn finish(&mut self, id: &str, state: &State) {
        if let Some(task) = self.tasks.iter_mut().find(|task| task.id == id) {
            task.state = state.clone();
        }
    }

    fn item(&self, task: &Task) -> Value {
        json!({
            "id": task.id, "title": task.title, "archived": false, "has_unread_turn": true, "has_generated_title": true,
            "created_at": self.created_at(task), "updated_at": self.created_at(task) + 60.0,
            "task_status_display": self.display(task), "pull_requests": [],
        })
    }

    fn all_of(&self, task: &Task) -> Value {
        json!({
            "task": {
                "id": task.id, "title": task.title, "archived": false, "external_pull_requests": [],
                "environment_id": task.environment_id, "created_at": self.created_at(task),
                "updated_at": self.created_at(task) + 60.0, "task_status_display": self.display(task),
            },
            "current_user_turn": { "input_items": [{
                "type": "message", "role": "user", "content": [{ "content_type": "text", "text": task.prompt }],
            }] },
            "current_assistant_turn": task.turn(0),
        })
    }

    fn display(&self, task: &Task) -> Value {
        let stats = match &task.state {
            State::Done { diff } => {
                let count = |mark: char, header: &str| {
                    diff.lines().filter(|line| line.starts_with(mark) && !line.starts_with(header)).count()
                };
                let files = diff.lines().filter(|line| line.starts_with("diff --git ")).count();
                json!({ "files_modified": files, "lines_added": count('+', "+++"), "lines_removed": count('-', "---") })
            }
            _ => Value::Null,
        };
        let environment = self.environments.iter().find(|environment| environment.id == task.environment_id);
        json!({
            "environment_label": environment.map(|environment| &environment.label),
            "latest_turn_status_display": {
                "turn_status": task.turn_status(), "diff_stats": stats, "sibling_turn_ids": task.sibling_turn_ids(),
            },
        })
    }

    #[allow(clippy::cast_precision_loss, reason = "a small number")]
    fn created_at(&self, task: &Task) -> f64 {
        let index = self.tasks.iter().position(|known| known.id == task.id).unwrap_or(0);
        FIRST_CREATED + 3600.0 * index as f64
    }
}

impl Task {
    fn turn_id(&self, placement: u64) -> String {
        format!("turn_{}_{placement}", self.id)
    }

    fn sibling_turn_ids(&self) -> Vec<String> {
        (1..self.attempts).map(|placement| self.turn_id(placement)).collect()
    }

    fn turn_status(&self) -> &'static str {
        match &self.state {
            State::Waiting => "pending",
            State::Running { questions: 0 } | State::Running { .. } => "in_progress",
            State::Done { .. } => "completed",
            State::Failed { .. } => "failed",
        }
    }

    fn turn(&self, placement: u64) -> Value {
        let siblings = self.sibling_turn_ids();
        let mut turn = json!({
            "id": self.turn_id(placement), "attempt_placement": placement, "turn_status": self.turn_status(),
            "sibling_turn_ids": if placement == 0 { siblings } else { Vec::new() },
        });
        match &self.state {
            State::Done { diff } => {
                turn["output_items"] = json!([
                    { "type": "message", "content": [{ "content_type": "text", "text": "Done." }] },
                    { "type": "pr", "output_diff": { "diff": diff } },
                ]);
            }
            State::Failed { code, message } => turn["error"] = json!({ "code": code, "message": message }),
            State::Waiting | State::Running { .. } => {}
        }
        turn
    }
}

/// Cloud tasks.
impl Backend {
    /// Adds tasks that are done, in the environment `env_web`: `task_e_1`, `task_e_2`, … The last is the newest.
    pub fn add_tasks(&self, count: usize) {
        let tasks = &mut self.state.world().endpoints.tasks;
        for _ in 0..count {
            let number = tasks.tasks.len() + 1;
            tasks.add(format!("task_e_{number}"), number, State::Done { diff: SAMPLE_DIFF.to_owned() });
        }
    }

    /// Adds a task that runs, and is done when it has been asked about three times.
    pub fn add_task_that_progresses(&self, task_id: impl Into<String>) {
        let tasks = &mut self.state.world().endpoints.tasks;
        let number = tasks.tasks.len() + 1;
        tasks.add(task_id.into(), number, State::Running { questions: 3 });
    }

    /// What the server tells of a task, in place of what it knows. A task that does not exist is added.
    pub fn set_task_details(&self, task_id: &str, details: Value) {
        let tasks = &mut self.state.world().endpoints.tasks;
        if !tasks.tasks.iter().any(|task| task.id == task_id) {
            let number = tasks.tasks.len() + 1;
            tasks.add(task_id.to_owned(), number, State::Waiting);
        }
        if let Some(task) = tasks.tasks.iter_mut().find(|task| task.id == task_id) {
            task.details = Some(details);
        }
    }

    /// Ends a task with a diff, all of its attempts.
    pub fn finish_task(&self, task_id: &str, diff: &str) {
        self.state.world().endpoints.tasks.finish(task_id, &State::Done { diff: diff.to_owned() });
    }

    /// Ends a task with an error.
    pub fn fail_task(&self, task_id: &str, code: &str, message: &str) {
        let failed = State::Failed { code: code.to_owned(), message: message.to_owned() };
        self.state.world().endpoints.tasks.finish(task_id, &failed);
    }

    /// Adds an environment for cloud tasks, beside `env_web` and `env_api`. The repository is `owner/name`.
    pub fn add_environment(&self, id: &str, label: &str, repository: &str) {
        self.state.world().endpoints.tasks.environments.push(Environment {
            id: id.to_owned(),
            label: label.to_owned(),
            is_pinned: false,
            task_count: 0,
            repository: repository.to_owned(),
        });
    }

    /// Refuses new tasks in an environment with 409.
    pub fn set_environment_busy(&self, environment_id: &str) {
        self.state.world().endpoints.tasks.busy.insert(environment_id.to_owned());
    }

    /// Makes the list of tasks name its first page as the next, for ever.
    pub fn set_task_list_repeats(&self, repeats: bool) {
        self.state.world().endpoints.tasks.repeats_cursor = repeats;
    }
}
