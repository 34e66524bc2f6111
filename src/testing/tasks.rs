//! Cloud tasks.

use http::StatusCode;
use serde_json::{Value, json};

use super::asked::Asked;
use super::backend::Backend;
use super::environments::Environments;
use super::reply::Reply;
use super::route::{Way, routes};
use super::world::World;
use crate::api::tasks;

routes! {
    /// The tasks, page by page.
    LIST_TASKS = Way::codex(&tasks::LIST, list);
    /// A task with its turns.
    GET_TASK = Way::codex(&tasks::DETAILS, details);
    /// The other attempts at a turn.
    LIST_SIBLING_TURNS = Way::codex(&tasks::SIBLING_TURNS, sibling_turns);
    /// A task is created.
    CREATE_TASK = Way::codex(&tasks::CREATE, create);
}

const SAMPLE_DIFF: &str =
    "diff --git a/README.md b/README.md\n--- a/README.md\n+++ b/README.md\n@@ -1 +1,2 @@\n # Sample\n+More.\n";
/// A moment in 2026.
const FIRST_CREATED: f64 = 1_776_900_000.25;

#[derive(Debug, Default, Clone)]
struct Tasks {
    /// The oldest first.
    tasks: Vec<Task>,
    /// Whether the cursor of each page is the one of the first.
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

fn list(world: &mut World, asked: &Asked<'_>) -> Reply {
    let environments = world.of::<Environments>().clone();
    let tasks = world.of::<Tasks>();
    let Some(limit) = asked.query("limit").unwrap_or("20").parse().ok().filter(|limit| (1..=20).contains(limit)) else {
        return Reply::invalid("`limit` is not 1 to 20");
    };
    let start = match asked.query("cursor") {
        None => 0,
        Some(cursor) => match cursor.strip_prefix("after=").and_then(|start| start.parse().ok()) {
            Some(start) => start,
            None => return Reply::invalid("the cursor is not one of this server"),
        },
    };
    let environment = asked.query("environment_id");
    let is_asked = |task: &&Task| environment.is_none_or(|environment| task.environment_id == environment);
    let mut matching = tasks.tasks.iter().rev().filter(is_asked).skip(start);
    let items: Vec<Value> = matching.by_ref().take(limit).map(|task| tasks.item(task, &environments)).collect();
    let next = if tasks.repeats_cursor { 0 } else { start + items.len() };
    let cursor = (tasks.repeats_cursor || matching.next().is_some()).then(|| format!("after={next}"));
    Reply::json(&json!({ "items": items, "cursor": cursor }))
}

fn details(world: &mut World, asked: &Asked<'_>) -> Reply {
    let environments = world.of::<Environments>().clone();
    let tasks = world.of::<Tasks>();
    let Some(index) = tasks.tasks.iter().position(|task| task.id == asked.id("task_id")) else {
        return Reply::not_found("no such task");
    };
    let task = &mut tasks.tasks[index];
    if let State::Running { questions } = &mut task.state {
        match questions.checked_sub(1) {
            Some(left) => *questions = left,
            None => task.state = State::Done { diff: SAMPLE_DIFF.to_owned() },
        }
    }
    let task = &tasks.tasks[index];
    Reply::json(&task.details.clone().unwrap_or_else(|| tasks.all_of(task, &environments)))
}

fn sibling_turns(world: &mut World, asked: &Asked<'_>) -> Reply {
    let (id, turn_id) = (asked.id("task_id"), asked.id("turn_id"));
    match world.of::<Tasks>().tasks.iter().find(|task| task.id == id && turn_id == task.turn_id(0)) {
        Some(task) => {
            let turns: Vec<Value> = (1..task.attempts).rev().map(|placement| task.turn(placement)).collect();
            Reply::json(&json!({ "sibling_turns": turns }))
        }
        None => Reply::not_found("no such turn"),
    }
}

fn create(world: &mut World, asked: &Asked<'_>) -> Reply {
    let body = asked.json();
    let Some(environment_id) = body["new_task"]["environment_id"].as_str() else {
        return Reply::invalid("no `environment_id`");
    };
    let Some(prompt) = body["input_items"][0]["content"][0]["text"].as_str() else {
        return Reply::invalid("no text to work on");
    };
    let attempts = body["metadata"]["best_of_n"].as_u64().unwrap_or(1);
    if !(1..=4).contains(&attempts) {
        return Reply::invalid("`best_of_n` is not 1 to 4");
    }
    let environments = world.of::<Environments>();
    if environments.label(environment_id).is_none() {
        return Reply::error(StatusCode::NOT_FOUND, "environment_not_found", "no such environment");
    }
    if environments.is_busy(environment_id) {
        return Reply::error(StatusCode::CONFLICT, "environment_busy", "the environment is being set up");
    }
    let tasks = &mut world.of::<Tasks>().tasks;
    let id = format!("task_e_{}", tasks.len() + 1);
    tasks.push(Task {
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

impl Tasks {
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

    fn item(&self, task: &Task, environments: &Environments) -> Value {
        json!({
            "id": task.id, "title": task.title, "archived": false, "has_unread_turn": true, "has_generated_title": true,
            "created_at": self.created_at(task), "updated_at": self.created_at(task) + 60.0,
            "task_status_display": task.display(environments), "pull_requests": [],
        })
    }

    fn all_of(&self, task: &Task, environments: &Environments) -> Value {
        json!({
            "task": {
                "id": task.id, "title": task.title, "archived": false, "external_pull_requests": [],
                "environment_id": task.environment_id, "created_at": self.created_at(task),
                "updated_at": self.created_at(task) + 60.0, "task_status_display": task.display(environments),
            },
            "current_user_turn": { "input_items": [{
                "type": "message", "role": "user", "content": [{ "content_type": "text", "text": task.prompt }],
            }] },
            "current_assistant_turn": task.turn(0),
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

    fn display(&self, environments: &Environments) -> Value {
        let stats = match &self.state {
            State::Done { diff } => {
                let count = |mark: char, header: &str| {
                    diff.lines().filter(|line| line.starts_with(mark) && !line.starts_with(header)).count()
                };
                let files = diff.lines().filter(|line| line.starts_with("diff --git ")).count();
                json!({ "files_modified": files, "lines_added": count('+', "+++"), "lines_removed": count('-', "---") })
            }
            _ => Value::Null,
        };
        json!({
            "environment_label": environments.label(&self.environment_id),
            "latest_turn_status_display": {
                "turn_status": self.turn_status(), "diff_stats": stats, "sibling_turn_ids": self.sibling_turn_ids(),
            },
        })
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
        let mut world = self.world();
        let tasks = world.of::<Tasks>();
        for _ in 0..count {
            let number = tasks.tasks.len() + 1;
            tasks.add(format!("task_e_{number}"), number, State::Done { diff: SAMPLE_DIFF.to_owned() });
        }
    }

    /// Adds a task that runs, and is done when it has been asked about three times.
    pub fn add_task_that_progresses(&self, task_id: impl Into<String>) {
        let mut world = self.world();
        let tasks = world.of::<Tasks>();
        let number = tasks.tasks.len() + 1;
        tasks.add(task_id.into(), number, State::Running { questions: 3 });
    }

    /// What the server tells of a task, in place of what it knows. A task that does not exist is added.
    pub fn set_task_details(&self, task_id: &str, details: Value) {
        let mut world = self.world();
        let tasks = world.of::<Tasks>();
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
        self.world().of::<Tasks>().finish(task_id, &State::Done { diff: diff.to_owned() });
    }

    /// Ends a task with an error.
    pub fn fail_task(&self, task_id: &str, code: &str, message: &str) {
        let failed = State::Failed { code: code.to_owned(), message: message.to_owned() };
        self.world().of::<Tasks>().finish(task_id, &failed);
    }

    /// Makes the list of tasks name its first page as the next, for ever.
    pub fn set_task_list_repeats(&self, repeats: bool) {
        self.world().of::<Tasks>().repeats_cursor = repeats;
    }
}
