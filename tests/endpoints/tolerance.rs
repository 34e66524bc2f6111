//! Entries of lists that are `null` or not of the expected form, and numbers of another form: the rest is read.

use codex_backend::ErrorKind;
use codex_backend::accounts::AccountsCheck;
use codex_backend::limits::{Credits, LimitWindow};
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::usage::UsageReport;
use serde_json::{Value, json};

use crate::support::{client, guard};

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
    assert_eq!((turn.sibling_turn_ids.as_slice(), turn.output_items.len()), (["b".to_owned()].as_slice(), 1));
    assert_eq!(turn.messages(), ["said", "x"]);
    let profile = json!({ "stats": { "daily_usage_buckets": [{ "start_date": "d", "tokens": 3.0 }, null] } });
    answer(&backend, Route::GET_PROFILE, &profile);
    let profile = guard(client.accounts().profile()).await.unwrap();
    assert_eq!((profile.stats.daily_usage_buckets.len(), profile.stats.daily_usage_buckets[0].tokens), (1, 3));
    // The least and the most.
    let credits: Credits = serde_json::from_value(json!({ "approx_local_messages": [null, 60] })).unwrap();
    assert_eq!(credits.approx_local_messages, [Value::Null, json!(60)]);
}
