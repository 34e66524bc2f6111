//! Accounts, the profile and the settings of a user, and the messages of a workspace.

use codex_backend::accounts::{NudgeEmail, WorkspaceMessageType};
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::{ErrorKind, RetryPolicy};
use serde_json::json;

use crate::support::{client, guard};

#[tokio::test]
async fn accounts_come_as_a_list_or_as_an_ordered_map() {
    let backend = Backend::start().unwrap();
    let accounts = client(&backend).accounts();
    let named =
        |id: &str| json!({ "account": { "account_id": id, "name": id.to_uppercase(), "structure": "workspace" } });
    backend.set_accounts_check(json!({
        "accounts": {
            "b": named("b"), "a": named("a"), "unordered": named("unordered"),
            "nameless": { "account": { "name": "no id" } }, "empty": {}, "null": null,
        },
        "account_ordering": ["a", "nameless", "missing", "empty", "null", "b"],
        "default_account_id": "b",
    }));
    let found = guard(accounts.check()).await.unwrap();
    let ids: Vec<&str> = found.accounts.iter().map(|account| account.id.as_str()).collect();
    assert_eq!((ids, found.default_account_id.as_deref()), (vec!["a", "b"], Some("b")));
    assert_eq!(found.accounts[0].name.as_deref(), Some("A"));

    backend.set_accounts_check(json!({ "accounts": [{ "id": "one" }, { "id": "two", "structure": "personal" }] }));
    let found = guard(accounts.check()).await.unwrap();
    assert_eq!((found.accounts.len(), found.accounts[0].structure.as_str()), (2, ""));
    backend.set_accounts_check(json!({}));
    assert_eq!(guard(accounts.check()).await.unwrap().accounts, []);
}

#[tokio::test]
async fn messages_and_settings_are_asked_for_past_all_caches() {
    let backend = Backend::start().unwrap();
    let accounts = client(&backend).accounts();
    backend.set_workspace_messages(vec![
        json!({ "message_id": "m1", "message_type": "headline", "message_body": "Maintenance" }),
        json!({ "message_id": "m2", "message_type": "banner", "message_body": "Hello", "archived_at": null }),
    ]);
    backend.set_user_settings(json!({ "commit_attribution_enabled": true }));
    let messages = guard(accounts.workspace_messages()).await.unwrap().messages;
    let types: Vec<_> = messages.into_iter().filter_map(|message| message.message_type).collect();
    assert_eq!(types, [WorkspaceMessageType::Headline, WorkspaceMessageType::Other("banner".into())]);
    assert!(guard(accounts.user_settings()).await.unwrap().commit_attribution_enabled);
    let caching = |route| backend.requests_to(route)[0].header("cache-control").unwrap().to_owned();
    assert_eq!(caching(Route::LIST_WORKSPACE_MESSAGES), "no-store");
    assert_eq!(caching(Route::GET_USER_SETTINGS), "no-cache, no-store");
}

#[tokio::test]
async fn an_email_is_asked_for_once_whatever_happens() {
    let backend = Backend::start().unwrap();
    let accounts = client(&backend).accounts();
    let eager = RetryPolicy::default().max_attempts(9);
    for fault in [Fault::status(503), Fault::status(429), Fault::reset_before_headers(), Fault::reset_in_body()] {
        let before = backend.requests_to(Route::SEND_NUDGE_EMAIL).len();
        backend.inject(Route::SEND_NUDGE_EMAIL, fault);
        let outcome = guard(accounts.send_nudge_email(NudgeEmail::UsageLimit).with_retry_policy(eager)).await;
        outcome.unwrap_err();
        assert_eq!(backend.requests_to(Route::SEND_NUDGE_EMAIL).len(), before + 1);
    }
    guard(accounts.send_nudge_email(NudgeEmail::UsageLimit)).await.unwrap();
    // The server acted on the request whose answer was lost, and on the last.
    assert_eq!(backend.nudge_emails(), ["usage_limit", "usage_limit"]);
}

#[tokio::test]
async fn a_call_of_another_account_is_refused_as_the_backend_does() {
    let backend = Backend::start().unwrap();
    let token = backend.issue_access_token("acct-1");
    let tokens = codex_backend::ChatGptTokens::new(token.clone());
    let client = backend.client().chatgpt(tokens).build().unwrap();
    backend.revoke_access_token(&token);
    let error = guard(client.accounts().profile()).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Unauthorized, "accounts.profile"));
}

#[tokio::test]
async fn the_raw_answer_stands_beside_the_typed_one() {
    let backend = Backend::start().unwrap();
    let accounts = client(&backend).accounts();
    backend.set_user_settings(json!({ "commit_attribution_enabled": true, "theme": "dark" }));
    let settings = guard(accounts.user_settings().with_raw()).await.unwrap();
    assert!(settings.value.commit_attribution_enabled);
    assert_eq!(settings.raw["theme"], "dark");
    // An answer that says nothing is no error, raw or not.
    backend.inject(Route::SEND_NUDGE_EMAIL, Fault::status(202).body("on its way"));
    assert!(guard(accounts.send_nudge_email(NudgeEmail::Credits).with_raw()).await.unwrap().raw.is_null());
}
