//! Members and entries of lists that are not of the expected form, and numbers of another form: the rest is read.

use std::fmt::Debug;

use codex_backend::ErrorKind;
use codex_backend::accounts::AccountsCheck;
use codex_backend::limits::{Credits, LimitWindow};
use codex_backend::plugins::PluginScope;
use codex_backend::request::ApiRequest;
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::usage::UsageReport;
use serde_json::{Value, json};

use crate::support::{client, client_with_plan, guard};

fn answer(backend: &Backend, route: Route, body: &Value) {
    backend.inject(route, Fault::status(200).body(body.to_string()));
}

#[tokio::test]
async fn fractions_do_not_lose_the_report() {
    let backend = Backend::start().unwrap();
    let mut usage: Value = serde_json::from_str(include_str!("../data/usage.json")).unwrap();
    usage["rate_limit"]["primary_window"] = json!({
        "used_percent": 37.5, "limit_window_seconds": 18_000.0, "reset_after_seconds": 5_399.9, "reset_at": 1.777e9,
    });
    usage["spend_control"] = json!({ "individual_limit": {
        "limit": "5", "used_percent": 20.25, "remaining_percent": 79.75, "reset_after_seconds": 1.0, "reset_at": 2.0,
    } });
    usage["rate_limit_reset_credits"] = json!({ "available_count": 1.0 });
    backend.set_usage(usage);
    let report = guard(client(&backend).usage().get()).await.unwrap();
    let window = report.window(LimitWindow::FiveHours).unwrap();
    assert_eq!((window.used_percent, window.reset_after_seconds, window.reset_at), (37.5, 5_399, 1_777_000_000));
    assert_eq!(report.snapshot().primary.unwrap().used_percent, 37.5);
    assert_eq!(report.rate_limit_reset_credits.as_ref().unwrap().available_count, 1);
    let limit = report.spend_control.as_ref().unwrap().individual_limit.as_ref().unwrap();
    assert_eq!((limit.used_percent, limit.remaining_percent, limit.reset_at), (20.25, 79.75, 2));
    let written = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<UsageReport>(&written).unwrap(), report);
}

#[test]
fn what_is_no_number_or_too_large_for_one_is_an_error() {
    for nonsense in [json!("37"), json!(true), json!([]), json!(1e300), json!(u64::MAX)] {
        let window = json!({ "rate_limit": { "primary_window": { "reset_at": nonsense } } });
        assert!(serde_json::from_value::<UsageReport>(window).is_err(), "{nonsense}");
    }
}

#[tokio::test]
async fn the_time_of_a_usage_limit_may_have_a_point() {
    let backend = Backend::start().unwrap();
    let error = json!({ "error": { "type": "usage_limit_reached", "resets_in_seconds": 120.0 } });
    backend.inject(Route::GET_USAGE, Fault::status(429).body(error.to_string()));
    let error = guard(client(&backend).usage().get()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UsageLimit);
    assert!(error.usage_limit().unwrap().resets_at.is_some());
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_does_not_lose_the_others() {
    let backend = Backend::start().unwrap();
    let client = client(&backend);
    let bad = [Value::Null, json!(7), json!({ "id": { "of": "tomorrow" } })];
    for bad in &bad {
        answer(&backend, Route::LIST_ENVIRONMENTS, &json!([bad, { "id": "e" }]));
        let environments = guard(client.cloud_environments().list().with_raw()).await.unwrap();
        assert_eq!((environments.value.len(), environments.value[0].id.as_str()), (1, "e"));
        assert_eq!(environments.raw[0], *bad);

        answer(&backend, Route::LIST_TASKS, &json!({ "items": [{ "id": "t" }, bad], "cursor": null }));
        let tasks = guard(client.cloud_tasks().list().all()).await.unwrap();
        assert_eq!(tasks.iter().map(|task| task.id.as_str()).collect::<Vec<_>>(), ["t"]);

        let accounts = json!({ "accounts": [bad, { "id": "a" }], "account_ordering": [null, "a"] });
        answer(&backend, Route::CHECK_ACCOUNTS, &accounts);
        let accounts: AccountsCheck = guard(client.accounts().check()).await.unwrap();
        assert_eq!((accounts.accounts[0].id.as_str(), accounts.account_ordering), ("a", vec!["a".to_owned()]));

        answer(&backend, Route::LIST_FEATURED_PLUGINS, &json!(["p", null, bad]));
        assert_eq!(guard(client.featured_plugins().list()).await.unwrap(), ["p"]);
    }
    answer(&backend, Route::LIST_MODELS, &json!({ "object": "list", "data": [null, { "id": "m" }] }));
    let with_a_key = backend.client().api_key(backend.api_key()).build().unwrap();
    assert_eq!(guard(with_a_key.openai_models().list()).await.unwrap()[0].id, "m");
}

#[tokio::test]
async fn lists_inside_of_lists_are_read_alike_and_places_stay_where_they_have_a_meaning() {
    let backend = Backend::start().unwrap();
    let client = client(&backend);
    let turn = json!({
        "sibling_turn_ids": ["b", null],
        "output_items": [null, { "type": "output_diff", "diff": 7 }, { "type": "message", "content": ["said", null] }],
        "worklog": { "messages": [null, { "author": 7 }, { "author": { "role": "assistant" }, "content": { "parts": ["x"] } }] },
    });
    answer(&backend, Route::GET_TASK, &json!({ "task": { "id": "t" }, "current_assistant_turn": turn }));
    let turn = guard(client.cloud_tasks().details("t")).await.unwrap().current_assistant_turn.unwrap();
    assert_eq!((turn.sibling_turn_ids.as_slice(), turn.output_items.len()), (["b".to_owned()].as_slice(), 2));
    assert_eq!((turn.output_items[0].kind.as_str(), &turn.output_items[0].diff), ("output_diff", &None));
    assert_eq!(turn.messages(), ["said", "x"]);
    let profile = json!({ "stats": { "daily_usage_buckets": [{ "start_date": "d", "tokens": 3.0 }, null] } });
    answer(&backend, Route::GET_PROFILE, &profile);
    let profile = guard(client.accounts().profile()).await.unwrap();
    assert_eq!((profile.stats.daily_usage_buckets.len(), profile.stats.daily_usage_buckets[0].tokens), (1, 3));
    // The least and the most.
    let credits: Credits = serde_json::from_value(json!({ "approx_local_messages": [null, 60] })).unwrap();
    assert_eq!(credits.approx_local_messages, [Value::Null, json!(60)]);
}

#[tokio::test]
async fn usage_is_read_but_for_what_is_odd_and_the_number_of_odd_parts_is_told() {
    let backend = Backend::start().unwrap();
    let client = client(&backend);
    let body: Value = serde_json::from_str(include_str!("../data/usage_odd.json")).unwrap();
    answer(&backend, Route::GET_USAGE, &body);
    let usage = guard(client.usage().get().with_raw()).await.unwrap();
    assert_eq!((usage.skipped, &usage.raw), (1, &body));
    let window = usage.value.rate_limit.unwrap().primary_window.unwrap();
    assert_eq!((window.used_percent, window.reset_at), (12.0, 1_783_357_722));
    let credits = usage.value.credits.unwrap();
    assert!(credits.has_credits && credits.balance.is_none(), "{credits:?}");

    // What stands in text is still a number: 0 % used would be a lie.
    let window = json!({ "used_percent": "97.5", "limit_window_seconds": "18000", "reset_at": "soon" });
    answer(&backend, Route::GET_USAGE, &json!({ "rate_limit": { "primary_window": window, "secondary_window": 7 } }));
    let usage = guard(client.usage().get().with_raw()).await.unwrap();
    assert_eq!(usage.skipped, 2);
    let limit = usage.value.rate_limit.unwrap();
    let window = limit.primary_window.unwrap();
    assert_eq!((window.used_percent, window.limit_window_seconds, window.reset_at), (97.5, 18_000, 0));
    assert!(limit.secondary_window.is_none());

    let usage = guard(client.usage().get().with_raw()).await.unwrap();
    assert_eq!(usage.skipped, 0);

    // A list is no object whose members come in some order.
    answer(
        &backend,
        Route::GET_USAGE,
        &json!({ "rate_limit": { "primary_window": [12, 18_000, 3_600, 1_783_357_722] } }),
    );
    let usage = guard(client.usage().get().with_raw()).await.unwrap();
    assert_eq!((usage.skipped, usage.value.rate_limit.unwrap().primary_window), (1, None));
}

/// What comes of a call to which a route gives this answer, and how much was skipped.
async fn outcome<T: Debug + Send + 'static>(
    backend: &Backend,
    route: Route,
    body: &Value,
    call: &(impl Fn() -> ApiRequest<T> + Sync),
) -> (String, usize) {
    answer(backend, route, body);
    match guard(call().with_raw()).await {
        Ok(read) => (format!("{:?}", read.value), read.skipped),
        Err(error) => (format!("{:?}: {}", error.kind(), error.message()), 0),
    }
}

/// Every member and entry of the embedded backend's answer, made odd one at a time, costs no more than itself.
async fn an_odd_part_costs_only_itself<T: Debug + Send + 'static>(
    backend: &Backend,
    route: Route,
    call: impl Fn() -> ApiRequest<T> + Send + Sync,
) {
    let sample = guard(call().with_raw()).await.unwrap();
    assert_eq!(sample.skipped, 0, "{route:?}");
    let mut places = pointers(&sample.raw);
    // Where the next page starts is read, or the answer is an error.
    places.retain(|place| {
        !["cursor", "nextToken", "pagination", "next_page_token"].iter().any(|name| place.ends_with(name))
    });
    assert!(!places.is_empty(), "{route:?}");
    let mut skipped_at_all = 0;
    for place in places {
        let with = |part: Value| {
            let mut body = sample.raw.clone();
            *body.pointer_mut(&place).unwrap() = part;
            body
        };
        let (without, _) = outcome(backend, route, &with(Value::Null), &call).await;
        for odd in [json!(7), json!("odd"), json!([{ "odd": [] }, 7]), json!({ "odd": 1 }), json!(true)] {
            let (read, skipped) = outcome(backend, route, &with(odd.clone()), &call).await;
            assert!(without.starts_with("Decode") || !read.starts_with("Decode"), "{route:?} {place}={odd}: {read}");
            // A list of odd entries is an empty one, which is not the same where `null` says more; and an entry whose id
            // cannot be read is none.
            if skipped > 0 && !odd.is_array() && !odd.is_object() && !place.ends_with("/id") {
                assert_eq!(read, without, "{route:?} {place}={odd}");
            }
            skipped_at_all += skipped;
        }
    }
    assert!(skipped_at_all > 0, "{route:?}");
}

/// Every member and entry inside of a value, by its JSON pointer.
fn pointers(value: &Value) -> Vec<String> {
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            members.iter().map(|(name, part)| (name.replace('~', "~0").replace('/', "~1"), part)).collect()
        }
        Value::Array(entries) => entries.iter().enumerate().map(|(index, part)| (index.to_string(), part)).collect(),
        _ => Vec::new(),
    };
    let all = parts.into_iter().flat_map(|(name, part)| {
        let inside = pointers(part).into_iter().map({
            let name = name.clone();
            move |pointer| format!("/{name}{pointer}")
        });
        std::iter::once(format!("/{name}")).chain(inside).collect::<Vec<_>>()
    });
    all.collect()
}

#[tokio::test]
async fn in_every_answer_an_odd_part_costs_only_itself() {
    let backend = Backend::start().unwrap();
    let client = client(&backend);
    backend.add_tasks(2);
    let task = client.cloud_tasks().list().page().await.unwrap().items[0].id.clone();
    let (usage, accounts, tasks) = (client.usage(), client.accounts(), client.cloud_tasks());
    an_odd_part_costs_only_itself(&backend, Route::GET_USAGE, || usage.get()).await;
    an_odd_part_costs_only_itself(&backend, Route::LIST_RESET_CREDITS, || usage.reset_credits()).await;
    an_odd_part_costs_only_itself(&backend, Route::CHECK_ACCOUNTS, || accounts.check()).await;
    an_odd_part_costs_only_itself(&backend, Route::GET_PROFILE, || accounts.profile()).await;
    an_odd_part_costs_only_itself(&backend, Route::LIST_WORKSPACE_MESSAGES, || accounts.workspace_messages()).await;
    an_odd_part_costs_only_itself(&backend, Route::GET_USER_SETTINGS, || accounts.user_settings()).await;
    an_odd_part_costs_only_itself(&backend, Route::GET_TASK, || tasks.details(&task)).await;
    an_odd_part_costs_only_itself(&backend, Route::LIST_ENVIRONMENTS, || client.cloud_environments().list()).await;
    an_odd_part_costs_only_itself(&backend, Route::LIST_CONNECTORS, || client.connectors().list().page()).await;
    an_odd_part_costs_only_itself(&backend, Route::BATCH_APPS, || client.connectors().batch(["connector_drive"], true))
        .await;
    an_odd_part_costs_only_itself(&backend, Route::LIST_PLUGINS, || client.plugins().list(PluginScope::Global).page())
        .await;
    an_odd_part_costs_only_itself(&backend, Route::GET_PLUGIN, || client.plugins().get("plugin_1")).await;
}

#[tokio::test]
async fn accounts_in_a_map_are_read_but_for_what_is_odd() {
    let backend = Backend::start().unwrap();
    let entry =
        |id: &str, name: Value| json!({ "account": { "account_id": id, "name": name, "structure": "personal" } });
    let body = json!({
        "accounts": { "a": entry("a", json!(7)), "b": 7, "c": entry("c", json!("C")) },
        "account_ordering": ["a", "b", "c"], "default_account_id": 3,
    });
    answer(&backend, Route::CHECK_ACCOUNTS, &body);
    let read = guard(client(&backend).accounts().check().with_raw()).await.unwrap();
    let accounts: Vec<_> =
        read.value.accounts.iter().map(|account| (account.id.as_str(), account.name.as_deref())).collect();
    assert_eq!((accounts.as_slice(), read.skipped), ([("a", None), ("c", Some("C"))].as_slice(), 2));
    assert_eq!(read.value.default_account_id, None);

    answer(&backend, Route::CHECK_ACCOUNTS, &json!({ "accounts": "none", "account_ordering": ["a"] }));
    let read = guard(client(&backend).accounts().check().with_raw()).await.unwrap();
    assert_eq!((read.value.accounts.len(), read.value.account_ordering.len(), read.skipped), (0, 1, 1));
}

#[tokio::test]
async fn a_list_does_not_end_because_a_cursor_cannot_be_read() {
    let backend = Backend::start().unwrap();
    let client = client(&backend);
    answer(&backend, Route::LIST_TASKS, &json!({ "items": [{ "id": "t" }], "cursor": { "at": 2 } }));
    let error = guard(client.cloud_tasks().list().all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
    answer(&backend, Route::LIST_PLUGINS, &json!({ "plugins": [], "pagination": { "next_page_token": [1] } }));
    let error = guard(client.plugins().list(PluginScope::Global).all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode, "{error}");

    answer(&backend, Route::LIST_PLUGINS, &json!({ "plugins": [], "pagination": 7 }));
    let error = guard(client.plugins().list(PluginScope::Global).all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode, "{error}");

    answer(&backend, Route::LIST_TASKS, &json!({ "items": [{ "id": "t", "title": 7 }], "cursor": "2" }));
    let page = guard(client.cloud_tasks().list().page().with_raw()).await.unwrap();
    assert_eq!((page.value.items.len(), page.value.next_cursor.as_deref(), page.skipped), (1, Some("2"), 1));
}

#[tokio::test]
async fn confirmations_and_what_administrators_demand_are_read_whole_or_not_at_all() {
    let backend = Backend::start().unwrap();
    let of_team = client_with_plan(&backend, "acct-team", "team");
    for settings in [
        json!({ "beta_settings": { "enable_plugins": "no" } }),
        json!({ "beta_settings": [] , "permissions": 7 }),
        json!({ "permissions": ["p", 7] }),
    ] {
        answer(&backend, Route::GET_WORKSPACE_SETTINGS, &settings);
        let error = guard(of_team.workspace_policy().settings()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{settings}");
    }
    answer(&backend, Route::REDEEM_RESET_CREDIT, &json!({ "code": "reset", "windows_reset": "two" }));
    let error = guard(of_team.usage().redeem_reset_credit("key")).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_sent()), (ErrorKind::Decode, true));
}
