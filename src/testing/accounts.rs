//! The accounts of a user, the profile, settings, and messages of the workspace.

use serde_json::{Value, json};

use super::asked::Asked;
use super::backend::Backend;
use super::credentials::Accounts;
use super::reply::Reply;
use super::route::{Way, routes};
use super::world::World;
use crate::api::accounts;

routes! {
    /// The accounts to choose from.
    CHECK_ACCOUNTS = Way::codex(&accounts::CHECK, check);
    /// The user's profile.
    GET_PROFILE = Way::codex(&accounts::PROFILE, profile);
    /// The owner of the workspace is asked by e-mail for more credits.
    SEND_NUDGE_EMAIL = Way::codex(&accounts::SEND_NUDGE_EMAIL, send_nudge_email);
    /// What the workspace tells its members.
    LIST_WORKSPACE_MESSAGES = Way::codex(&accounts::WORKSPACE_MESSAGES, workspace_messages);
    /// The user's settings.
    GET_USER_SETTINGS = Way::codex(&accounts::USER_SETTINGS, user_settings);
}

#[derive(Default, Clone)]
struct Answers {
    check: Option<Value>,
    nudge_emails: Vec<String>,
    workspace_messages: Vec<Value>,
    user_settings: Option<Value>,
}

/// Unless it is set, the one account that asks.
fn check(world: &mut World, asked: &Asked<'_>) -> Reply {
    if let Some(answer) = &world.of::<Answers>().check {
        return Reply::json(answer);
    }
    let id = asked.account_id;
    let is_workspace = world.of::<Accounts>().plan(id).is_workspace();
    let structure = if is_workspace { "workspace" } else { "personal" };
    Reply::json(&json!({
        "accounts": [{ "id": id, "name": "Embedded", "structure": structure }],
        "account_ordering": [id],
        "default_account_id": id,
    }))
}

fn profile(_: &mut World, _: &Asked<'_>) -> Reply {
    Reply::json(&json!({ "stats": {
        "lifetime_tokens": 1_200_000, "peak_daily_tokens": 90_000, "longest_running_turn_sec": 840,
        "current_streak_days": 3, "longest_streak_days": 11,
        "daily_usage_buckets": [{ "start_date": "2026-04-22", "tokens": 90_000 }],
    } }))
}

fn send_nudge_email(world: &mut World, asked: &Asked<'_>) -> Reply {
    match asked.json()["credit_type"].as_str() {
        Some(about @ ("credits" | "usage_limit")) => {
            world.of::<Answers>().nudge_emails.push(about.to_owned());
            Reply::json(&json!({ "sent": true }))
        }
        _ => Reply::invalid("`credit_type` is neither `credits` nor `usage_limit`"),
    }
}

fn workspace_messages(world: &mut World, asked: &Asked<'_>) -> Reply {
    if asked.header("cache-control") != Some("no-store") {
        return out_of_a_cache();
    }
    Reply::json(&json!({ "messages": world.of::<Answers>().workspace_messages }))
}

fn user_settings(world: &mut World, asked: &Asked<'_>) -> Reply {
    if asked.header("cache-control") != Some("no-cache, no-store") {
        return out_of_a_cache();
    }
    let settings = world.of::<Answers>().user_settings.clone();
    Reply::json(&settings.unwrap_or_else(|| json!({ "commit_attribution_enabled": false })))
}

fn out_of_a_cache() -> Reply {
    Reply::invalid("the answer must not come out of a cache, and `cache-control` does not say so")
}

/// What is told of the user's accounts.
impl Backend {
    /// What the server answers when asked for the user's accounts, in place of the one that asks.
    pub fn set_accounts_check(&self, answer: Value) {
        self.world().of::<Answers>().check = Some(answer);
    }

    /// What the workspace tells its members, in place of nothing.
    pub fn set_workspace_messages(&self, messages: Vec<Value>) {
        self.world().of::<Answers>().workspace_messages = messages;
    }

    /// The user's settings.
    pub fn set_user_settings(&self, settings: Value) {
        self.world().of::<Answers>().user_settings = Some(settings);
    }

    /// What the e-mails that were sent asked for, in order.
    #[must_use]
    pub fn nudge_emails(&self) -> Vec<String> {
        self.world().of::<Answers>().nudge_emails.clone()
    }
}
