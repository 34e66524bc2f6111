//! Answers of tomorrow: members that are new, missing or `null`, and words that are not known yet.

use std::fmt::Debug;

use codex_backend::{
    AccountsCheck, AppBatch, CloudEnvironment, ConfigBundle, ConfigRequirements, DirectoryApp, Plugin, Profile,
    RedeemedReset, ResetCredits, TaskDetails, TaskListItem, ThreadUsage, Turn, UsageReport, UserSettings,
    WorkspaceMessages, WorkspaceSettings,
};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What happens to one member of one object.
#[derive(Debug, Clone)]
enum Change {
    Null,
    Missing,
    OtherText(String),
    Beside(String, Value),
}

fn change() -> impl Strategy<Value = Change> {
    let scalar =
        prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from)];
    let value = scalar.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..3).prop_map(|map| json!(map)),
        ]
    });
    prop_oneof![
        Just(Change::Null),
        Just(Change::Missing),
        "\\PC{0,12}".prop_map(Change::OtherText),
        // No name that this crate knows.
        ("x_[a-z]{1,8}", value).prop_map(|(name, value)| Change::Beside(name, value)),
    ]
}

/// Applies each change to the member at that number, counted through all objects.
fn changed(mut value: Value, changes: &[(prop::sample::Index, Change)]) -> Value {
    for (index, change) in changes {
        let count = visit(&mut value, &mut |_, _| {});
        if count == 0 {
            break;
        }
        let (wanted, mut number) = (index.index(count), 0);
        visit(&mut value, &mut |object, name| {
            if number == wanted {
                match change {
                    Change::Null => drop(object.insert(name.to_owned(), Value::Null)),
                    Change::Missing => drop(object.remove(name)),
                    Change::OtherText(text) => {
                        if let Some(Value::String(old)) = object.get_mut(name) {
                            old.clone_from(text);
                        }
                    }
                    Change::Beside(beside, value) => drop(object.insert(beside.clone(), value.clone())),
                }
            }
            number += 1;
        });
    }
    value
}

type Members = serde_json::Map<String, Value>;

fn visit(value: &mut Value, act: &mut impl FnMut(&mut Members, &str)) -> usize {
    match value {
        Value::Array(items) => items.iter_mut().map(|item| visit(item, act)).sum(),
        Value::Object(object) => {
            let names: Vec<String> = object.keys().cloned().collect();
            let mut count = names.len();
            for name in &names {
                act(object, name);
                if let Some(member) = object.get_mut(name) {
                    count += visit(member, act);
                }
            }
            count
        }
        _ => 0,
    }
}

fn is_read<T: DeserializeOwned + Serialize + PartialEq + Debug>(answer: &Value) -> Result<(), TestCaseError> {
    let read: T = match serde_json::from_value(answer.clone()) {
        Ok(read) => read,
        Err(error) => return Err(TestCaseError::fail(format!("{error}: {answer}"))),
    };
    let written = serde_json::to_string(&read).unwrap();
    let again: T = serde_json::from_str(&written).unwrap();
    prop_assert_eq!(&read, &again);
    prop_assert_eq!(serde_json::to_string(&again).unwrap(), written);
    Ok(())
}

fn data(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn task_list_item() -> Value {
    json!({
        "id": "t", "title": "T", "archived": false, "has_unread_turn": true, "has_generated_title": true,
        "updated_at": 1.5, "created_at": 1.25,
        "task_status_display": { "environment_label": "e", "state": "ready", "latest_turn_status_display": {
            "turn_status": "completed", "sibling_turn_ids": ["a"], "updated_at": 2.5, "created_at": 2.0,
            "diff_stats": { "files_modified": 1, "lines_added": 2, "lines_removed": 3 },
        } },
        "pull_requests": [{ "id": "p", "assistant_turn_id": "a", "codex_updated_sha": "s", "pull_request": {
            "number": 7, "url": "u", "state": "open", "merged": false, "mergeable": true, "draft": false, "title": "T",
            "body": "B", "base": "main", "head": "h", "base_sha": "1", "head_sha": "2", "merge_commit_sha": "3",
            "comments": [], "diff": {}, "user": { "login": "l" },
        } }],
    })
}

fn turn() -> Value {
    json!({
        "id": "a", "attempt_placement": 1, "turn_status": "failed", "sibling_turn_ids": ["b"], "created_at": 5.5,
        "input_items": [{ "type": "message", "role": "user", "content": ["text", { "content_type": "text", "text": "t" }, 7] }],
        "output_items": [{ "type": "output_diff", "diff": "d" }, { "type": "pr", "output_diff": { "diff": "d" } }],
        "worklog": { "messages": [{ "author": { "role": "assistant" }, "content": { "parts": ["x", null] } }] },
        "error": { "code": "c", "message": "m" },
    })
}

fn plugin() -> Value {
    json!({
        "id": "p", "name": "n", "scope": "GLOBAL", "installation_policy": "a", "authentication_policy": "b", "status": "s",
        "enabled": true, "disabled_skill_names": ["x"],
        "release": {
            "version": "1", "display_name": "d", "description": "e", "app_ids": ["a"],
            "interface": { "short_description": "s", "capabilities": ["c"], "default_prompt": "p", "screenshot_urls": ["u"] },
            "skills": [{ "name": "n", "description": "d", "interface": { "display_name": "x" } }],
        },
    })
}

fn directory_app() -> Value {
    json!({
        "id": "a", "name": "n", "description": "d", "labels": { "l": "v" }, "logoUrl": "u", "logoUrlDark": "v",
        "distributionChannel": "c", "visibility": "VISIBLE",
        "branding": { "category": "c", "privacyPolicy": "p", "termsOfService": "t", "isDiscoverableApp": true },
        "appMetadata": {
            "review": { "status": "s" }, "categories": ["c"], "subCategories": ["s"], "versionId": "v",
            "screenshots": [{ "url": "u", "fileId": "f", "userPrompt": "p" }], "showInComposerWhenUnlinked": true,
        },
    })
}

macro_rules! answers {
    ($($name:ident: $type:ty = $sample:expr;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(200))]
            $(
                #[test]
                fn $name(changes in prop::collection::vec((any::<prop::sample::Index>(), change()), 0..6)) {
                    is_read::<$type>(&changed($sample, &changes))?;
                }
            )*
        }
    };
}

answers! {
    usage: UsageReport = {
        let mut usage = data("usage.json");
        usage["rate_limit_reached_type"] = json!({ "type": "rate_limit_reached" });
        usage["spend_control"] = json!({ "reached": false, "individual_limit": {
            "limit": "5", "used": "1", "remaining": "4", "used_percent": 20, "remaining_percent": 80,
            "reset_after_seconds": 1, "reset_at": 2, "source": "x",
        } });
        usage
    };
    reset_credits: ResetCredits = json!({ "available_count": 1, "credits": [{
        "id": "c", "reset_type": "r", "status": "available", "granted_at": "g", "expires_at": "e", "title": "t",
    }] });
    redeemed: RedeemedReset = json!({ "code": "reset", "credit": { "id": "x" }, "windows_reset": 2 });
    thread_usage: ThreadUsage = json!({
        "thread_id": "t", "estimated_usage_credits_micros": 1, "estimated_usage_usd_micros": 2,
        "groups": [{ "model": "m", "estimated_usage_credits_micros": 3, "total_tokens": 4 }],
    });
    accounts_as_a_list: AccountsCheck = json!({
        "accounts": [{ "id": "a", "name": "n", "profile_picture_url": "u", "structure": "personal" }],
        "account_ordering": ["a"], "default_account_id": "a",
    });
    accounts_as_a_map: AccountsCheck = json!({
        "accounts": { "a": { "account": { "account_id": "a", "name": "n", "structure": "workspace" } } },
        "account_ordering": ["a"], "default_account_id": "a",
    });
    profile: Profile = json!({ "stats": {
        "lifetime_tokens": 1, "peak_daily_tokens": 2, "daily_usage_buckets": [{ "start_date": "d", "tokens": 3 }],
    } });
    workspace_messages: WorkspaceMessages = json!({ "messages": [{
        "message_id": "m", "message_type": "headline", "message_body": "b", "created_at": "c", "archived_at": "a",
    }] });
    user_settings: UserSettings = json!({ "commit_attribution_enabled": true });
    task_in_a_list: TaskListItem = task_list_item();
    task_details: TaskDetails = data("task_details.json");
    turn_of_a_task: Turn = turn();
    environment: CloudEnvironment = json!({ "id": "e", "label": "l", "is_pinned": true, "task_count": 7 });
    connector: DirectoryApp = directory_app();
    apps: AppBatch = json!({ "apps": [{
        "id": "a", "name": "n", "icon_url_dark": "u",
        "tools": [{ "name": "t", "description": "d", "is_read_only": true, "is_enabled": true, "disabled_reason": "r" }],
    }] });
    workspace_settings: WorkspaceSettings = json!({ "beta_settings": { "enable_plugins": true }, "permissions": ["p"] });
    plugin_of_the_directory: Plugin = plugin();
    requirements: ConfigRequirements = json!({ "contents": "a = 1", "sha256": "s", "updated_at": "u" });
    config_bundle: ConfigBundle = {
        let mut bundle = data("config_bundle.json");
        let layer = json!([{ "id": "l", "name": "n", "contents": "" }]);
        bundle["config_toml"] = json!({ "managed_layers": { "baseline": layer, "system_overlay": layer } });
        bundle
    };
}
