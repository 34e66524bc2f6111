//! Usage, rate limits, and the credits that reset them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::asked::Asked;
use super::backend::Backend;
use super::reply::Reply;
use super::route::{Way, routes};
use super::world::World;
use crate::api::usage;

routes! {
    /// Usage and rate limits.
    GET_USAGE = Way::codex(&usage::GET, get);
    /// The credits that reset rate limits.
    LIST_RESET_CREDITS = Way::codex(&usage::LIST_RESET_CREDITS, list_reset_credits);
    /// A credit is used to reset rate limits.
    REDEEM_RESET_CREDIT = Way::codex(&usage::REDEEM_RESET_CREDIT, redeem_reset_credit);
    /// What threads used.
    QUERY_THREAD_USAGE = Way::codex(&usage::THREADS, query_threads);
}

#[derive(Clone)]
struct Usage {
    usage: Value,
    /// The keys of the requests that used a credit.
    redeemed: BTreeSet<String>,
    /// In millionths of a credit.
    threads: BTreeMap<String, i64>,
}

impl Default for Usage {
    fn default() -> Self {
        Self { usage: sample_usage(), redeemed: BTreeSet::new(), threads: BTreeMap::new() }
    }
}

fn sample_usage() -> Value {
    json!({
        "plan_type": "plus",
        "rate_limit": {
            "allowed": true,
            "limit_reached": false,
            "primary_window": {
                "used_percent": 37, "limit_window_seconds": 18_000, "reset_after_seconds": 5_400, "reset_at": 1_777_000_000
            },
            "secondary_window": {
                "used_percent": 12, "limit_window_seconds": 604_800, "reset_after_seconds": 400_000, "reset_at": 1_777_400_000
            },
        },
        "credits": { "has_credits": true, "unlimited": false, "balance": "12.50", "approx_local_messages": [20, 60] },
        "additional_rate_limits": [
            { "limit_name": "Code review", "metered_feature": "codex_review", "rate_limit": null }
        ],
        "rate_limit_reached_type": null,
        "rate_limit_reset_credits": { "available_count": 1 },
    })
}

fn get(world: &mut World, _: &Asked<'_>) -> Reply {
    Reply::json(&world.of::<Usage>().usage)
}

fn list_reset_credits(world: &mut World, _: &Asked<'_>) -> Reply {
    let count = world.of::<Usage>().usage["rate_limit_reset_credits"]["available_count"].as_i64().unwrap_or(0);
    let credit = |number: i64| {
        json!({
            "id": format!("credit_{number}"), "reset_type": "rate_limit", "status": "available",
            "granted_at": "2026-04-01T00:00:00Z", "expires_at": "2026-07-01T00:00:00Z",
            "title": "Rate limit reset", "description": null,
        })
    };
    Reply::json(&json!({ "available_count": count, "credits": (1..=count).map(credit).collect::<Vec<_>>() }))
}

fn redeem_reset_credit(world: &mut World, asked: &Asked<'_>) -> Reply {
    let (body, Usage { usage, redeemed, .. }) = (asked.json(), world.of::<Usage>());
    let Some(key) = body["redeem_request_id"].as_str().filter(|key| !key.is_empty()) else {
        return Reply::invalid("no `redeem_request_id`");
    };
    if redeemed.contains(key) {
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
    redeemed.insert(key.to_owned());
    usage["rate_limit_reset_credits"]["available_count"] = (left - 1).into();
    Reply::json(&json!({ "code": "reset", "credit": { "id": "credit_1" }, "windows_reset": windows }))
}

fn query_threads(world: &mut World, asked: &Asked<'_>) -> Reply {
    let (body, Usage { threads, .. }) = (asked.json(), world.of::<Usage>());
    let asked: Vec<&str> = body["thread_ids"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let distinct: BTreeSet<&str> = asked.iter().copied().collect();
    if !(1..=100).contains(&asked.len()) || distinct.len() < asked.len() {
        return Reply::invalid("1 to 100 distinct thread ids");
    }
    let row = |id: &&str| match threads.get(*id) {
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

/// Usage.
impl Backend {
    /// What the server answers when asked for usage, in place of a sample.
    pub fn set_usage(&self, usage: Value) {
        self.world().of::<Usage>().usage = usage;
    }

    /// What a thread used, in millionths of a credit.
    pub fn set_thread_usage(&self, thread_id: impl Into<String>, credits_micros: i64) {
        self.world().of::<Usage>().threads.insert(thread_id.into(), credits_micros);
    }
}
