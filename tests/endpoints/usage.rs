//! Usage, its limits, and the credits that reset them.

use codex_backend::ErrorKind;
use codex_backend::limits::{LimitWindow, PlanType, RateLimitReachedReason};
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::usage::{ResetOutcome, UsageReport};
use serde_json::{Value, json};

use crate::support::{client, guard};

#[tokio::test]
async fn both_path_styles_are_served() {
    let backend = Backend::start().unwrap();
    let tokens = backend.chatgpt_tokens();
    let origin = format!("http://{}", backend.address());
    let plain = backend.client().codex_base_url(&origin).chatgpt(tokens).build().unwrap();
    let chatgpt = client(&backend);
    assert_eq!(guard(plain.usage().get()).await.unwrap(), guard(chatgpt.usage().get()).await.unwrap());
    let targets: Vec<String> = backend.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/api/codex/usage", "/backend-api/wham/usage"]);
}

#[test]
fn the_first_snapshot_is_codex_itself_and_each_feature_has_one() {
    let mut answer: Value = serde_json::from_str(include_str!("../data/usage.json")).unwrap();
    answer["rate_limit_reached_type"] = json!({ "type": "workspace_member_credits_depleted" });
    answer["additional_rate_limits"][0]["rate_limit"] =
        json!({ "allowed": true, "limit_reached": false, "primary_window": { "used_percent": 5 } });
    let report: UsageReport = serde_json::from_value(answer).unwrap();
    let [codex, review] = report.snapshots().try_into().unwrap();
    assert_eq!((codex.limit_id.as_str(), codex.limit_name.as_deref()), ("codex", None));
    assert_eq!(codex.primary.unwrap().kind(), Some(LimitWindow::FiveHours));
    assert_eq!(codex.secondary.unwrap().window_minutes, Some(10_080));
    assert_eq!(codex.credits.as_ref().unwrap().balance.as_deref(), Some("12.50"));
    assert_eq!(codex.reached, Some(RateLimitReachedReason::WorkspaceMemberCreditsDepleted));
    assert_eq!(report.snapshot(), codex);
    assert_eq!((review.limit_id.as_str(), review.limit_name.as_deref()), ("codex_review", Some("Code review")));
    assert_eq!((review.credits, review.reached, review.plan_type), (None, None, Some(PlanType::Plus)));
    let window = review.primary.unwrap();
    assert_eq!((window.window_minutes, window.resets_at, window.kind()), (None, None, None));
    assert_eq!(UsageReport::default().snapshots().len(), 1);
}

#[test]
fn a_window_is_found_by_its_length_wherever_it_stands() {
    let weekly_first = json!({ "rate_limit": {
        "primary_window": { "limit_window_seconds": 604_800, "used_percent": 1 },
        "secondary_window": { "limit_window_seconds": 18_000, "used_percent": 2 },
    } });
    let report: UsageReport = serde_json::from_value(weekly_first).unwrap();
    assert_eq!(report.window(LimitWindow::FiveHours).unwrap().used_percent, 2.0);
    assert_eq!(report.window(LimitWindow::Week).unwrap().used_percent, 1.0);
    assert_eq!(report.window(LimitWindow::Day), None);
}

#[tokio::test]
async fn a_redemption_is_retried_with_its_key_and_counts_once() {
    let backend = Backend::start().unwrap();
    let usage = client(&backend).usage();
    // The first answer is lost on the way; the credit is gone all the same.
    backend.inject(Route::REDEEM_RESET_CREDIT, Fault::reset_in_body());
    let redeemed = guard(usage.redeem_reset_credit("key-1")).await.unwrap();
    assert_eq!(redeemed.code, Some(ResetOutcome::AlreadyRedeemed));
    let sent = backend.requests_to(Route::REDEEM_RESET_CREDIT);
    assert_eq!(sent.len(), 2);
    for request in sent {
        assert_eq!(request.json(), json!({ "redeem_request_id": "key-1" }));
    }
    assert_eq!(guard(usage.reset_credits()).await.unwrap().available_count, 0);
    assert_eq!(guard(usage.redeem_reset_credit("key-2")).await.unwrap().code, Some(ResetOutcome::NoCredit));
    assert_eq!(guard(usage.get()).await.unwrap().window(LimitWindow::FiveHours).unwrap().used_percent, 0.0);
}

#[tokio::test]
async fn a_credit_can_be_named() {
    let backend = Backend::start().unwrap();
    let usage = client(&backend).usage();
    let credits = guard(usage.reset_credits()).await.unwrap().credits;
    let id = credits[0].id.clone().unwrap();
    let redeemed = guard(usage.redeem_reset_credit_with_id("key-1", &id)).await.unwrap();
    assert_eq!((redeemed.code, redeemed.windows_reset), (Some(ResetOutcome::Reset), 2));
    let sent = &backend.requests_to(Route::REDEEM_RESET_CREDIT)[0];
    assert_eq!(sent.json(), json!({ "redeem_request_id": "key-1", "credit_id": id }));
}

#[tokio::test]
async fn thread_ids_are_checked_before_they_are_sent() {
    let backend = Backend::start().unwrap();
    let usage = client(&backend).usage();
    let many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    for (ids, said) in [(vec![], "0 thread ids"), (many, "101 thread ids"), (vec!["a".into(), "a".into()], "twice")] {
        let error = guard(usage.threads(ids)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(said) && !error.may_have_been_sent(), "{error}");
    }
    let error = guard(usage.redeem_reset_credit(" ")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(backend.requests().is_empty());
    let hundred: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    assert_eq!(guard(usage.threads(hundred)).await.unwrap(), []);
}

#[tokio::test]
async fn an_answer_about_other_threads_is_refused() {
    let backend = Backend::start().unwrap();
    let usage = client(&backend).usage();
    for threads in [json!([{ "thread_id": "b" }]), json!([{ "thread_id": "a" }, { "thread_id": "a" }])] {
        let body = json!({ "threads": threads }).to_string();
        backend.inject(Route::QUERY_THREAD_USAGE, Fault::status(200).body(body));
        let error = guard(usage.threads(["a"])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
    }
}
