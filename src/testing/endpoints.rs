//! The simple endpoints of the backend: which request is whose, and who may make it.

use std::collections::{BTreeMap, BTreeSet};

use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::directory::Directory;
use super::recorded::Route;
use super::server::Reply;
use super::tasks::Tasks;
use super::{Backend, World};
use crate::limits::PlanType;

/// What the simple endpoints know, beside usage.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    pub(super) tasks: Tasks,
    accounts_check: Option<Value>,
    redeemed: BTreeSet<String>,
    thread_usage: BTreeMap<String, i64>,
    nudge_emails: Vec<String>,
    workspace_messages: Vec<Value>,
    user_settings: Option<Value>,
    pub(super) directory: Directory,
    requirements: Option<Value>,
    config_bundle: Option<Value>,
}

/// A request whose credentials have been checked.
pub(super) struct Asked<'a> {
    pub(super) account_id: &'a str,
    /// The parts of the path that are its own, decoded.
    pub(super) ids: Vec<String>,
    pub(super) query: BTreeMap<String, String>,
    pub(super) body: Value,
}

impl Asked<'_> {
    pub(super) fn id(&self, index: usize) -> &str {
        self.ids.get(index).map_or("", String::as_str)
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }
}

/// The route of a request, and the parts of the path that are its own.
pub(super) fn route<'a>(method: &Method, parts: &[&'a str]) -> Option<(Route, Vec<&'a str>)> {
    let rest = match parts {
        ["backend-api", "wham", rest @ ..] | ["api", "codex", rest @ ..] => rest,
        ["backend-api", rest @ ..] => return super::directory::route(method, rest),
        _ => return None,
    };
    Some(match (method.as_str(), rest) {
        ("GET", ["rate-limit-reset-credits"]) => (Route::LIST_RESET_CREDITS, vec![]),
        ("POST", ["rate-limit-reset-credits", "consume"]) => (Route::REDEEM_RESET_CREDIT, vec![]),
        ("POST", ["usage", "thread_usage", "query"]) => (Route::QUERY_THREAD_USAGE, vec![]),
        ("GET", ["accounts", "check"]) => (Route::CHECK_ACCOUNTS, vec![]),
        ("GET", ["profiles", "me"]) => (Route::GET_PROFILE, vec![]),
        ("POST", ["accounts", "send_add_credits_nudge_email"]) => (Route::SEND_NUDGE_EMAIL, vec![]),
        ("GET", ["workspace-messages"]) => (Route::LIST_WORKSPACE_MESSAGES, vec![]),
        ("GET", ["settings", "user"]) => (Route::GET_USER_SETTINGS, vec![]),
        ("GET", ["tasks", "list"]) => (Route::LIST_TASKS, vec![]),
        ("GET", ["tasks", id]) => (Route::GET_TASK, vec![id]),
        ("GET", ["tasks", id, "turns", turn, "sibling_turns"]) => (Route::LIST_SIBLING_TURNS, vec![id, turn]),
        ("POST", ["tasks"]) => (Route::CREATE_TASK, vec![]),
        ("GET", ["environments"]) => (Route::LIST_ENVIRONMENTS, vec![]),
        ("GET", ["environments", "by-repo", "github", owner, repo]) => {
            (Route::LIST_REPOSITORY_ENVIRONMENTS, vec![owner, repo])
        }
        ("GET", ["config", "requirements"]) => (Route::GET_REQUIREMENTS, vec![]),
        ("GET", ["config", "bundle"]) => (Route::GET_CONFIG_BUNDLE, vec![]),
        _ => return None,
    })
}

impl World {
    /// The answer of a simple endpoint, or `None` where the request is for something else.
    pub(super) fn answer_endpoint(&mut self, head: &Parts, body: &[u8]) -> Option<Reply> {
        let parts: Vec<&str> = head.uri.path().trim_start_matches('/').split('/').collect();
        let (route, ids) = route(&head.method, &parts)?;
        let is_public = route == Route::LIST_FEATURED_PLUGINS && !head.headers.contains_key("authorization");
        let account_id = match self.accounts.check_backend(&head.headers) {
            Ok(account_id) => account_id,
            Err(_) if is_public => String::new(),
            Err(refusal) => return Some(refusal),
        };
        let decoded = |part: &&str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
        let query = url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned();
        let asked = Asked {
            account_id: &account_id,
            ids: ids.iter().map(decoded).collect(),
            query: query.collect(),
            body: serde_json::from_slice(body).unwrap_or_default(),
        };
        Some(self.answer_asked(route, &asked, &head.headers))
    }

    fn answer_asked(&mut self, route: Route, asked: &Asked<'_>, headers: &HeaderMap) -> Reply {
        let plan = self.accounts.plan(asked.account_id);
        let caching = headers.get("cache-control").and_then(|value| value.to_str().ok());
        let endpoints = &mut self.endpoints;
        match route {
            Route::LIST_RESET_CREDITS => Reply::json(&reset_credits(&self.usage)),
            Route::REDEEM_RESET_CREDIT => endpoints.redeem(&mut self.usage, &asked.body),
            Route::QUERY_THREAD_USAGE => endpoints.thread_usage(&asked.body),
            Route::CHECK_ACCOUNTS => {
                let listed = || self.accounts.check_list(asked.account_id);
                Reply::json(&endpoints.accounts_check.clone().unwrap_or_else(listed))
            }
            Route::GET_PROFILE => Reply::json(&json!({ "stats": {
                "lifetime_tokens": 1_200_000, "peak_daily_tokens": 90_000, "longest_running_turn_sec": 840,
                "current_streak_days": 3, "longest_streak_days": 11,
                "daily_usage_buckets": [{ "start_date": "2026-04-22", "tokens": 90_000 }],
            } })),
            Route::SEND_NUDGE_EMAIL => endpoints.nudge(&asked.body),
            Route::LIST_WORKSPACE_MESSAGES if caching == Some("no-store") => {
                Reply::json(&json!({ "messages": endpoints.workspace_messages }))
            }
            Route::GET_USER_SETTINGS if caching == Some("no-cache, no-store") => {
                let settings = endpoints.user_settings.clone();
                Reply::json(&settings.unwrap_or_else(|| json!({ "commit_attribution_enabled": false })))
            }
            Route::LIST_WORKSPACE_MESSAGES | Route::GET_USER_SETTINGS => {
                invalid("the answer must not come out of a cache, and `cache-control` does not say so")
            }
            Route::LIST_TASKS => endpoints.tasks.list(asked),
            Route::GET_TASK => endpoints.tasks.details(asked.id(0)),
            Route::LIST_SIBLING_TURNS => endpoints.tasks.sibling_turns(asked.id(0), asked.id(1)),
            Route::CREATE_TASK => endpoints.tasks.create(&asked.body),
            Route::LIST_ENVIRONMENTS => Reply::json(&endpoints.tasks.environments(None)),
            Route::LIST_REPOSITORY_ENVIRONMENTS => {
                Reply::json(&endpoints.tasks.environments(Some((asked.id(0), asked.id(1)))))
            }
            Route::GET_REQUIREMENTS | Route::GET_CONFIG_BUNDLE => endpoints.managed_config(route, &plan),
            _ => endpoints.directory.answer(route, asked, &plan),
        }
    }
}

impl Endpoints {
    fn managed_config(&self, route: Route, plan: &PlanType) -> Reply {
        if !plan.has_managed_config() {
            return Reply::error(StatusCode::FORBIDDEN, "plan_not_eligible", "the plan has no managed configuration");
        }
        let set = if route == Route::GET_REQUIREMENTS { &self.requirements } else { &self.config_bundle };
        Reply::json(set.as_ref().unwrap_or(&json!({})))
    }

    fn redeem(&mut self, usage: &mut Value, body: &Value) -> Reply {
        let Some(key) = body["redeem_request_id"].as_str().filter(|key| !key.is_empty()) else {
            return invalid("no `redeem_request_id`");
        };
        if self.redeemed.contains(key) {
            return Reply::json(&json!({ "code": "already_redeemed" }));
        }
        let left = usage["rate_limit_reset_credits"]["available_count"].as_i64().unwrap_or(0);
        if left <= 0 || body["credit_id"].as_str().is_some_and(|id| id != "credit_1") {
            return Reply::json(&json!({ "code": "no_credit" }));
        }
        let mut windows = 0;
        for window in ["primary_window", "secondary_window"] {
            let used = &mut usage["rate_limit"][window]["used_percent"];
            if used.as_i64().is_some_and(|used| used > 0) {
                *used = 0.into();
                windows += 1;
            }
        }
        if windows == 0 {
            return Reply::json(&json!({ "code": "nothing_to_reset" }));
        }
        self.redeemed.insert(key.to_owned());
        usage["rate_limit_reset_credits"]["available_count"] = (left - 1).into();
        Reply::json(&json!({ "code": "reset", "credit": { "id": "credit_1" }, "windows_reset": windows }))
    }

    fn thread_usage(&self, body: &Value) -> Reply {
        let asked: Vec<&str> = body["thread_ids"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let distinct: BTreeSet<&str> = asked.iter().copied().collect();
        if !(1..=100).contains(&asked.len()) || distinct.len() < asked.len() {
            return invalid("1 to 100 distinct thread ids");
        }
        let row = |id: &&str| match self.thread_usage.get(*id) {
            Some(micros) => json!({
                "thread_id": id,
                "estimated_usage_credits_micros": micros,
                "estimated_usage_usd_micros": micros / 25,
                "groups": [{ "model": "gpt-5.4", "reasoning_effort": "high", "estimated_usage_credits_micros": micros }],
            }),
            None => json!({ "thread_id": id, "estimated_usage_credits_micros": null }),
        };
        Reply::json(&json!({ "threads": asked.iter().map(row).collect::<Vec<_>>() }))
    }

    fn nudge(&mut self, body: &Value) -> Reply {
        match body["credit_type"].as_str() {
            Some(about @ ("credits" | "usage_limit")) => {
                self.nudge_emails.push(about.to_owned());
                Reply::json(&json!({ "sent": true }))
            }
            _ => invalid("`credit_type` is neither `credits` nor `usage_limit`"),
        }
    }
}

fn reset_credits(usage: &Value) -> Value {
    let count = usage["rate_limit_reset_credits"]["available_count"].as_i64().unwrap_or(0);
    let credit = |number: i64| {
        json!({
            "id": format!("credit_{number}"), "reset_type": "rate_limit", "status": "available",
            "granted_at": "2026-04-01T00:00:00Z", "expires_at": "2026-07-01T00:00:00Z",
            "title": "Rate limit reset", "description": null,
        })
    };
    json!({ "available_count": count, "credits": (1..=count).map(credit).collect::<Vec<_>>() })
}

pub(super) fn invalid(message: &str) -> Reply {
    Reply::error(StatusCode::BAD_REQUEST, "invalid_request", message)
}

pub(super) fn not_found(message: &str) -> Reply {
    Reply::error(StatusCode::NOT_FOUND, "not_found", message)
}

/// What the simple endpoints answer.
impl Backend {
    /// Adds an account with a plan (`business`, `enterprise`, `free`, …), which its access tokens then tell.
    pub fn add_account_with_plan(&self, account_id: impl Into<String>, plan: &str) {
        self.state.world().accounts.add_with_plan(account_id, plan);
    }

    /// What the server answers when asked for the user's accounts, in place of the one that asks.
    pub fn set_accounts_check(&self, answer: Value) {
        self.state.world().endpoints.accounts_check = Some(answer);
    }

    /// What a thread used, in millionths of a credit.
    pub fn set_thread_usage(&self, thread_id: impl Into<String>, credits_micros: i64) {
        self.state.world().endpoints.thread_usage.insert(thread_id.into(), credits_micros);
    }

    /// What the workspace tells its members, in place of nothing.
    pub fn set_workspace_messages(&self, messages: Vec<Value>) {
        self.state.world().endpoints.workspace_messages = messages;
    }

    /// The user's settings.
    pub fn set_user_settings(&self, settings: Value) {
        self.state.world().endpoints.user_settings = Some(settings);
    }

    /// What the server answers when asked for requirements, in place of none.
    pub fn set_requirements(&self, requirements: Value) {
        self.state.world().endpoints.requirements = Some(requirements);
    }

    /// What the server answers when asked for the bundle of managed configuration, in place of an empty one.
    pub fn set_config_bundle(&self, bundle: Value) {
        self.state.world().endpoints.config_bundle = Some(bundle);
    }

    /// What the e-mails that were sent asked for, in order.
    #[must_use]
    pub fn nudge_emails(&self) -> Vec<String> {
        self.state.world().endpoints.nudge_emails.clone()
    }
}
