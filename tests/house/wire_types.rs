//! Answers of tomorrow: members that are new, missing or `null`, and words that are not known yet.

use std::fmt::Debug;
use std::mem::discriminant;

use codex_backend::Error;
use codex_backend::accounts::{AccountsCheck, Profile, UserSettings, WorkspaceMessages};
use codex_backend::connectors::{AppBatch, DirectoryApp};
use codex_backend::environments::CloudEnvironment;
use codex_backend::managed_config::{ConfigBundle, ConfigRequirements};
use codex_backend::models::OpenAiModel;
use codex_backend::openai_files::OpenAiFile;
use codex_backend::plugins::Plugin;
use codex_backend::responses::{
    ContentPart, DeletedObject, InputTokens, ModelResponse, ResponseEvent, ResponseEventKind, ResponseItem,
    ResponseStream, ResponseTool, TextPart, TokenUsage,
};
use codex_backend::skills::Skill;
use codex_backend::tasks::{TaskDetails, TaskListItem, TaskTurn};
use codex_backend::usage::{RedeemedReset, ResetCredits, ThreadUsage, UsageReport};
use codex_backend::workspace::WorkspaceSettings;
use futures_util::{FutureExt, StreamExt};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::rounds::rounds;

/// What happens to one member of one object.
#[derive(Debug, Clone)]
enum Change {
    Null,
    Missing,
    OtherText(String),
    Beside(String, Value),
    OtherType(Value),
}

fn value() -> impl Strategy<Value = Value> {
    let scalar =
        prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from)];
    scalar.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![Just(Change::Null), Just(Change::Missing), "\\PC{0,12}".prop_map(Change::OtherText), beside(),]
}

/// No name that this crate knows.
fn beside() -> impl Strategy<Value = Change> {
    ("x_[a-z]{1,8}", value()).prop_map(|(name, value)| Change::Beside(name, value))
}

/// Anything.
fn any_change() -> impl Strategy<Value = Change> {
    let text_or_number =
        prop_oneof!["\\PC{0,12}".prop_map(Value::from), any::<i16>().prop_map(|number| json!(f64::from(number) / 4.0))];
    prop_oneof![3 => change(), 1 => prop_oneof![value(), text_or_number].prop_map(Change::OtherType)]
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
                    Change::OtherType(value) => drop(object.insert(name.to_owned(), value.clone())),
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
            #![proptest_config(ProptestConfig::with_cases(rounds(50)))]
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
    turn_of_a_task: TaskTurn = turn();
    environment: CloudEnvironment = json!({ "id": "e", "label": "l", "is_pinned": true, "task_count": 7 });
    connector: DirectoryApp = directory_app();
    apps: AppBatch = json!({ "apps": [{
        "id": "a", "name": "n", "icon_url_dark": "u",
        "tools": [{ "name": "t", "description": "d", "is_read_only": true, "is_enabled": true, "disabled_reason": "r" }],
    }] });
    workspace_settings: WorkspaceSettings = json!({ "beta_settings": { "enable_plugins": true }, "permissions": ["p"] });
    plugin_of_the_directory: Plugin = plugin();
    openai_model: OpenAiModel = json!({ "id": "m", "created": 1, "owned_by": "o" });
    openai_file: OpenAiFile = json!({
        "id": "f", "filename": "n", "bytes": 11, "created_at": 1, "expires_at": 2, "purpose": "user_data", "status": "s",
    });
    deleted_object: DeletedObject = json!({ "id": "f", "deleted": true });
    input_tokens: InputTokens = json!({ "input_tokens": 3 });
    skill: Skill = json!({ "id": "s", "name": "n", "description": "d" });
    requirements: ConfigRequirements = json!({ "contents": "a = 1", "sha256": "s", "updated_at": "u" });
    config_bundle: ConfigBundle = {
        let mut bundle = data("config_bundle.json");
        let layer = json!([{ "id": "l", "name": "n", "contents": "" }]);
        bundle["config_toml"] = json!({ "managed_layers": { "baseline": layer, "system_overlay": layer } });
        bundle
    };
}

fn items() -> Vec<Value> {
    vec![
        json!({ "type": "message", "id": "m", "role": "assistant", "status": "completed", "phase": "final_answer",
            "end_turn": true, "content": [
                { "type": "output_text", "text": "a", "annotations": [{ "type": "url_citation", "url": "u" }], "logprobs": [] },
                { "type": "refusal", "refusal": "no" },
            ] }),
        json!({ "type": "message", "role": "user", "content": [
            { "type": "input_text", "text": "t" },
            { "type": "input_image", "image_url": "u", "detail": "low" },
            { "type": "input_file", "file_id": "f", "filename": "n", "file_data": "d" },
        ] }),
        json!({ "type": "reasoning", "id": "r", "summary": [{ "type": "summary_text", "text": "s" }],
            "content": [{ "type": "reasoning_text", "text": "c" }], "encrypted_content": "e" }),
        json!({ "type": "function_call", "id": "f", "call_id": "c", "name": "n", "namespace": "s", "arguments": "{}",
            "status": "completed" }),
        json!({ "type": "function_call_output", "id": "f", "call_id": "c", "output": "o" }),
        json!({ "type": "function_call_output", "call_id": "c", "output": [{ "type": "input_text", "text": "o" }] }),
        json!({ "type": "custom_tool_call", "id": "t", "call_id": "c", "name": "n", "input": "i", "status": "completed" }),
        json!({ "type": "custom_tool_call_output", "call_id": "c", "name": "n", "output": "o" }),
        json!({ "type": "local_shell_call", "id": "l", "call_id": "c", "status": "completed", "action": {
            "type": "exec", "command": ["ls"], "timeout_ms": 5, "working_directory": "/", "env": { "A": "b" },
        } }),
        json!({ "type": "tool_search_call", "call_id": "c", "execution": "server", "arguments": { "q": 1 }, "status": "completed" }),
        json!({ "type": "tool_search_output", "call_id": "c", "status": "completed", "execution": "client", "tools": [{ "a": 1 }] }),
        json!({ "type": "web_search_call", "id": "w", "status": "completed", "action": { "type": "search", "query": "q" } }),
        json!({ "type": "image_generation_call", "id": "i", "status": "completed", "revised_prompt": "p", "result": "AAAA" }),
        json!({ "type": "compaction", "id": "k", "encrypted_content": "e" }),
        json!({ "type": "of_tomorrow", "anything": [1, { "b": null }] }),
    ]
}

fn response() -> Value {
    json!({ "id": "r", "object": "response", "status": "completed", "model": "m", "created_at": 1.5, "output": items(),
        "error": { "code": "c", "message": "m", "param": "p" }, "incomplete_details": { "reason": "r" },
        "service_tier": "default", "end_turn": true, "metadata": { "a": "b" } })
}

fn events() -> Vec<Value> {
    let place = json!({ "sequence_number": 4, "item_id": "i", "call_id": "c", "output_index": 1, "content_index": 2 });
    let event = |event_type: &str, members: Value| {
        let mut event = place.clone();
        event["type"] = json!(event_type);
        event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        event
    };
    let mut events = vec![
        event("response.output_text.delta", json!({ "delta": "d" })),
        event("response.reasoning_text.delta", json!({ "delta": "d" })),
        event("response.reasoning_summary_text.delta", json!({ "delta": "d", "summary_index": 0 })),
        event("response.function_call_arguments.delta", json!({ "delta": "d" })),
        event("response.custom_tool_call_input.delta", json!({ "delta": "d" })),
        event("response.output_text.done", json!({ "text": "t" })),
        event("response.refusal.done", json!({ "refusal": "r" })),
        event("response.function_call_arguments.done", json!({ "arguments": "{}" })),
        event("response.custom_tool_call_input.done", json!({ "input": "i" })),
        event("response.code_interpreter_call_code.done", json!({ "code": "c" })),
        event("response.output_text.annotation.added", json!({ "annotation": { "type": "url_citation" } })),
        event("response.content_part.added", json!({ "part": { "type": "output_text", "text": "" } })),
        event("response.reasoning_summary_part.added", json!({ "part": { "type": "summary_text", "text": "" } })),
        event(
            "response.image_generation_call.partial_image",
            json!({ "partial_image_b64": "AA", "partial_image_index": 0 }),
        ),
        event("response.web_search_call.searching", json!({})),
        event("response.created", json!({ "response": response() })),
        event("response.completed", json!({ "response": response() })),
        event("response.incomplete", json!({ "response": response() })),
        event("response.failed", json!({ "response": response() })),
        event("response.of_tomorrow", json!({ "delta": 7 })),
        event("codex.rate_limits", json!({ "rate_limits": { "primary": { "used_percent": 1, "window_minutes": 5 } } })),
        event("error", json!({ "code": "c", "message": "m", "status": 500, "headers": { "a": "b" } })),
    ];
    events.extend(items().into_iter().map(|item| event("response.output_item.done", json!({ "item": item }))));
    events
}

/// Whether all that was told is still there. What is `null` says nothing; text in place of parts became one.
fn keeps(told: &Value, written: &Value) -> bool {
    match (told, written) {
        (Value::Null, _) => true,
        (Value::Object(told), Value::Object(written)) => told
            .iter()
            .all(|(name, value)| value.is_null() || written.get(name).is_some_and(|written| keeps(value, written))),
        (Value::Array(told), Value::Array(written)) => {
            told.len() == written.len() && told.iter().zip(written).all(|(told, written)| keeps(told, written))
        }
        (Value::String(text), Value::Array(parts)) => parts.len() == 1 && parts[0]["text"] == **text,
        (Value::String(text), Value::Object(part)) => part.get("text").is_some_and(|part| part == text),
        // Arguments that are no text become the text of their JSON.
        (told, Value::String(written)) if !told.is_string() => {
            serde_json::from_str::<Value>(written).is_ok_and(|written| keeps(told, &written))
        }
        (Value::Number(told), Value::Number(written)) => told == written || told.as_f64() == written.as_f64(),
        _ => told == written,
    }
}

fn is_kept<T: DeserializeOwned + Serialize + PartialEq + Debug>(told: &Value) -> Result<(), TestCaseError> {
    is_read::<T>(told)?;
    let written = serde_json::to_value(serde_json::from_value::<T>(told.clone()).unwrap()).unwrap();
    prop_assert!(keeps(told, &written), "{told} became {written}");
    Ok(())
}

/// What an event means: what comes of it, and how its stream ends.
fn told(event: &Value) -> (Vec<ResponseEvent>, Option<Error>) {
    let mut stream = ResponseStream::from_transcript(format!("data: {event}\n\n"));
    let (mut events, mut ended_in) = (Vec::new(), None);
    while let Some(item) = stream.next().now_or_never().expect("a transcript never waits") {
        match item {
            Ok(event) => events.push(event),
            Err(error) => ended_in = Some(error),
        }
    }
    (events, ended_in)
}

#[test]
fn members_that_are_new_are_kept_however_a_type_is_read_and_written() {
    let told = json!({ "text": "a", "of_tomorrow": { "b": 1 } });
    let read = TextPart::deserialize(&told).unwrap();
    assert_eq!((read.text.as_str(), &read.extra["of_tomorrow"]), ("a", &json!({ "b": 1 })));
    assert_eq!(read.serialize(serde_json::value::Serializer).unwrap(), told);
    let error = TextPart::deserialize(&json!(7)).unwrap_err();
    assert_eq!(error.to_string(), "invalid type: integer `7`, expected an object");
}

type Changes = Vec<(prop::sample::Index, Change)>;

fn changes(change: impl Strategy<Value = Change>) -> impl Strategy<Value = Changes> {
    prop::collection::vec((any::<prop::sample::Index>(), change), 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(rounds(200)))]

    #[test]
    fn items_are_given_back_as_they_came(item in prop::sample::select(items()), changes in changes(any_change())) {
        let item = changed(item, &changes);
        is_kept::<ResponseItem>(&item)?;
        for part in ["content", "summary", "output"].iter().filter_map(|name| item.get(name)?.as_array()).flatten() {
            is_kept::<ContentPart>(part)?;
        }
    }

    #[test]
    fn a_response_keeps_what_is_new(changes in changes(beside())) {
        is_kept::<ModelResponse>(&changed(response(), &changes))?;
    }

    #[test]
    fn usage_is_counted_as_it_is_told(counts in prop::array::uniform6(0..1_u64 << 53), in_floating_point: bool) {
        let [input, cached, written, output, reasoning, total] = counts;
        #[allow(clippy::cast_precision_loss, reason = "small enough")]
        let count = |count: u64| if in_floating_point { json!(count as f64) } else { json!(count) };
        let usage: TokenUsage = serde_json::from_value(json!({
            "input_tokens": count(input), "output_tokens": count(output), "total_tokens": count(total), "new": {},
            "input_tokens_details": { "cached_tokens": count(cached), "cache_write_tokens": count(written), "new": 1 },
            "output_tokens_details": { "reasoning_tokens": count(reasoning) },
        })).unwrap();
        prop_assert_eq!([usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens], [input, cached, written]);
        prop_assert_eq!([usage.output_tokens, usage.reasoning_tokens, usage.total_tokens], [output, reasoning, total]);
    }

    #[test]
    fn tools_are_offered_with_all_their_options(options in prop::collection::btree_map("x_[a-z]{1,6}", value(), 0..4)) {
        for tool in [ResponseTool::web_search(), ResponseTool::image_generation(), ResponseTool::local_shell()] {
            let offered = options.iter().fold(tool, |tool, (name, value)| tool.with_option(name, value.clone()));
            let offered = serde_json::to_value(offered).unwrap();
            prop_assert_eq!(offered.as_object().unwrap().len(), options.len() + 1);
            prop_assert!(options.iter().all(|(name, value)| &offered[name] == value), "{offered}");
        }
        let of_tomorrow = json!({ "type": "of_tomorrow", "options": options });
        prop_assert_eq!(serde_json::to_value(ResponseTool::Other(of_tomorrow.clone())).unwrap(), of_tomorrow);
    }

    #[test]
    fn no_event_is_lost(event in prop::sample::select(events()), changes in changes(any_change())) {
        let event = changed(event, &changes);
        let (events, ended_in) = told(&event);
        let completed = |event: &ResponseEvent| matches!(event.kind, ResponseEventKind::Completed(_));
        prop_assert_eq!(ended_in.is_none(), events.last().is_some_and(completed));
        let text = event.to_string();
        match events.iter().find(|event| !event.raw().is_empty()) {
            Some(told) => prop_assert_eq!(told.raw(), text),
            // Its end, and the stream's; the error tells it.
            None => prop_assert_eq!(ended_in.as_ref().and_then(Error::body), Some(text.as_str())),
        }
    }

    #[test]
    fn what_is_new_does_not_change_what_an_event_is(
        event in prop::sample::select(events()), changes in changes(beside()),
    ) {
        let (before, after) = (told(&event), told(&changed(event, &changes)));
        prop_assert_eq!(before.0.len(), after.0.len());
        for (before, after) in before.0.iter().zip(&after.0) {
            prop_assert_eq!(discriminant(&before.kind), discriminant(&after.kind), "{:?}", after);
            prop_assert_eq!(before.sequence_number, after.sequence_number);
        }
        prop_assert_eq!(before.1.as_ref().map(Error::kind), after.1.as_ref().map(Error::kind));
        prop_assert_eq!(before.1.as_ref().and_then(Error::code), after.1.as_ref().and_then(Error::code));
    }
}
