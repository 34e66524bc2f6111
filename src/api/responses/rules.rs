//! What each route requires and refuses of a request, checked before anything is sent.

use serde_json::{Map, Value, json};

use super::item::MessageRole;

/// The rules of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    CodexBackend,
    OpenAiApi,
}

/// What the Codex backend answers with `Unsupported parameter`, or cannot do because it keeps no responses.
const REFUSED_BY_THE_BACKEND: [&str; 21] = [
    "background",
    "context_management",
    "conversation",
    "frequency_penalty",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "presence_penalty",
    "previous_response_id",
    "prompt",
    "prompt_cache_breakpoint",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "temperature",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
    "messages",
];

/// The types of items that get an id from the server which made them, and mean the same without it.
const ITEMS_WITH_IDS_OF_THE_SERVER: [&str; 12] = [
    "compaction",
    "compaction_summary",
    "custom_tool_call",
    "custom_tool_call_output",
    "function_call",
    "function_call_output",
    "local_shell_call",
    "message",
    "reasoning",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
];

/// What reasoning must be given back as, where the server keeps none.
pub(super) const ENCRYPTED_REASONING: &str = "reasoning.encrypted_content";

impl Rules {
    /// The start of the sentence about a request that breaks them.
    pub(super) fn refusal(self) -> &'static str {
        match self {
            Self::CodexBackend => "the Codex backend would refuse the request",
            Self::OpenAiApi => "the OpenAI API would refuse the request",
        }
    }

    /// Sets what has but one legal value and is not given.
    pub(super) fn fill_in(self, fields: &mut Map<String, Value>, streamed: bool) {
        // What is `null` is not given.
        fields.retain(|name, value| !value.is_null() || name == "reasoning");
        if streamed {
            fields.entry("stream").or_insert(json!(true));
        }
        if self == Self::CodexBackend {
            fields.entry("store").or_insert(json!(false));
            if !items(fields).any(|item| is_of_type(item, "additional_tools")) {
                fields.entry("tools").or_insert(json!([]));
            }
            self.settle_input(fields);
            let include = fields.entry("include").or_insert(json!([]));
            if let Value::Array(included) = include
                && !included.iter().any(|what| what == ENCRYPTED_REASONING)
            {
                included.push(json!(ENCRYPTED_REASONING));
            }
        }
    }

    /// Puts the input into the form that the backend takes: a list, of items without the ids of a server that kept them.
    pub(super) fn settle_input(self, fields: &mut Map<String, Value>) {
        if self != Self::CodexBackend {
            return;
        }
        match fields.get_mut("input") {
            Some(Value::Array(items)) => items.iter_mut().for_each(forget_id),
            Some(input @ Value::String(_)) => {
                let text = input.take();
                let content = json!([{ "type": "input_text", "text": text }]);
                *input = json!([{ "type": "message", "role": "user", "content": content }]);
            }
            _ => {}
        }
    }

    /// Each rule that the request breaks, in words.
    pub(super) fn violations(self, fields: &Map<String, Value>, streamed: bool) -> Vec<String> {
        let mut violations = Vec::new();
        let mut check = |holds: bool, violation: &str| {
            if !holds {
                violations.push(violation.to_owned());
            }
        };
        let is_text = |name: &str| fields.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        let streams = fields.get("stream");
        match self {
            Self::CodexBackend => {
                check(is_text("model"), "`model` is missing");
                let in_input =
                    |item: &Value| is_of_type(item, "additional_tools") || has_role(item, &MessageRole::Developer);
                let instructed =
                    is_text("instructions") || !fields.contains_key("instructions") && items(fields).any(in_input);
                check(instructed, "`instructions` are missing or empty");
                check(fields.get("store") == Some(&json!(false)), "`store` must be false");
                check(streams == Some(&json!(true)), "`stream` must be true");
                check(fields.get("input").is_some_and(Value::is_array), "`input` must be a list");
                check(fields.get("include").is_none_or(Value::is_array), "`include` must be a list");
                let has_system = items(fields).any(|item| has_role(item, &MessageRole::System));
                check(!has_system, "`input` holds a message with the role `system`; use `developer`");
                for name in REFUSED_BY_THE_BACKEND.iter().filter(|name| fields.contains_key(**name)) {
                    check(false, &format!("`{name}` is not supported"));
                }
            }
            Self::OpenAiApi => {
                check(is_text("model") || fields.contains_key("prompt"), "`model` is missing");
                let asks_for_stream = streams == Some(&json!(true));
                check(streams.is_none_or(Value::is_boolean), "`stream` must be true or false");
                check(streamed || !asks_for_stream, "`stream` is true: call `stream()` in place of `send()`");
                check(!streamed || asks_for_stream, "`stream` is false: call `send()` in place of `stream()`");
                if let Some(Value::Object(pairs)) = fields.get("metadata") {
                    check(pairs.len() <= 16, "`metadata` has more than 16 pairs");
                    let characters = |text: &str, most| text.chars().count() <= most;
                    check(
                        pairs.keys().all(|name| characters(name, 64)),
                        "a name in `metadata` is longer than 64 characters",
                    );
                    let fits = |value: &Value| value.as_str().is_some_and(|text| characters(text, 512));
                    check(pairs.values().all(fits), "a value in `metadata` is no text of at most 512 characters");
                }
            }
        }
        violations
    }

    /// Whether the server stores the response, so that a retry could store a second one.
    pub(super) fn is_kept(self, fields: &Map<String, Value>) -> bool {
        let is = |name: &str, value: bool| fields.get(name) == Some(&json!(value));
        match self {
            Self::CodexBackend => false,
            // Stored by default.
            Self::OpenAiApi => !is("store", false) || is("background", true),
        }
    }
}

/// The backend stores no items, so it would not find this one by its id. That of an image names the image, and what the
/// id of an unknown item means is not known.
fn forget_id(item: &mut Value) {
    let Some(members) = item.as_object_mut() else { return };
    let item_type = members.get("type").and_then(Value::as_str).unwrap_or("message");
    if ITEMS_WITH_IDS_OF_THE_SERVER.contains(&item_type) {
        members.shift_remove("id");
    }
}

fn items(fields: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    fields.get("input").and_then(Value::as_array).into_iter().flatten()
}

fn is_of_type(item: &Value, name: &str) -> bool {
    item.get("type").and_then(Value::as_str) == Some(name)
}

fn has_role(item: &Value, role: &MessageRole) -> bool {
    item.get("role").and_then(Value::as_str) == Some(role.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(rules: Rules, request: Value, streamed: bool) -> String {
        let Value::Object(mut fields) = request else { panic!("{request}") };
        rules.fill_in(&mut fields, streamed);
        rules.violations(&fields, streamed).join("; ")
    }

    #[test]
    fn the_backend_demands_what_it_demands_and_constants_are_filled_in() {
        let request = json!({ "model": "m", "instructions": "i", "input": "hello", "temperature": null });
        assert_eq!(violations(Rules::CodexBackend, request, true), "");
        let bare = violations(Rules::CodexBackend, json!({ "store": true, "stream": false }), true);
        assert_eq!(
            bare,
            "`model` is missing; `instructions` are missing or empty; `store` must be false; `stream` must be true; \
             `input` must be a list"
        );
    }

    #[test]
    fn items_are_given_back_to_the_backend_without_the_ids_that_it_does_not_know() {
        let given = |rules: Rules, item: Value| {
            let Value::Object(mut fields) = json!({ "input": [item, "odd"] }) else { unreachable!() };
            rules.fill_in(&mut fields, true);
            fields["input"][0]["id"].clone()
        };
        for item in ITEMS_WITH_IDS_OF_THE_SERVER {
            let item = json!({ "type": item, "id": "x_1" });
            assert_eq!(given(Rules::CodexBackend, item.clone()), Value::Null, "{item}");
            assert_eq!(given(Rules::OpenAiApi, item), "x_1");
        }
        assert_eq!(given(Rules::CodexBackend, json!({ "role": "user", "id": "x_1" })), Value::Null);
        for item in ["image_generation_call", "of_tomorrow"] {
            assert_eq!(given(Rules::CodexBackend, json!({ "type": item, "id": "x_1" })), "x_1", "{item}");
        }
    }

    #[test]
    fn the_current_form_of_the_official_tool_is_taken_whole() {
        let input = json!([
            { "type": "additional_tools", "id": "at_1", "role": "developer", "tools": [{ "type": "custom", "name": "shell" }] },
            { "type": "message", "role": "developer", "content": [{ "type": "input_text", "text": "Be terse." }] },
            { "type": "configuration_update", "id": "cu_1", "anything": { "z": 1, "a": 2 } },
            { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hi" }] },
        ]);
        let request = json!({ "model": "m", "stream": true, "input": input, "store": false,
            "include": [ENCRYPTED_REASONING], "client_metadata": { "turn_id": "" } });
        let Value::Object(mut fields) = request.clone() else { unreachable!() };
        Rules::CodexBackend.fill_in(&mut fields, true);
        assert_eq!(Value::Object(fields), request, "nothing is added, and nothing left out");
        assert_eq!(violations(Rules::CodexBackend, request, true), "");
        let by_developer = json!({ "model": "m", "input": [{ "role": "developer", "content": "Be terse." }] });
        assert_eq!(violations(Rules::CodexBackend, by_developer, true), "");
        let by_nobody = json!({ "model": "m", "input": [{ "role": "user", "content": "hi" }] });
        assert_eq!(violations(Rules::CodexBackend, by_nobody, true), "`instructions` are missing or empty");
        let empty = json!({ "model": "m", "instructions": "", "input": [{ "role": "developer", "content": "x" }] });
        assert_eq!(violations(Rules::CodexBackend, empty, true), "`instructions` are missing or empty");
    }

    #[test]
    fn each_refused_field_is_named() {
        for name in REFUSED_BY_THE_BACKEND {
            let request = json!({ "model": "m", "instructions": "i", "input": [], name: 1 });
            assert_eq!(violations(Rules::CodexBackend, request, true), format!("`{name}` is not supported"));
        }
        let request = json!({ "model": "m", "instructions": "i", "input": [{ "role": "system", "content": [] }] });
        assert!(violations(Rules::CodexBackend, request, true).contains("`developer`"));
        let request = json!({ "model": "m", "instructions": "i", "input": [], "include": "all" });
        assert_eq!(violations(Rules::CodexBackend, request, true), "`include` must be a list");
    }

    #[test]
    fn the_api_is_asked_in_the_way_the_request_says() {
        let request = |stream: Value| json!({ "model": "m", "input": "i", "stream": stream });
        assert_eq!(violations(Rules::OpenAiApi, request(json!(true)), true), "");
        assert_eq!(violations(Rules::OpenAiApi, request(json!(null)), true), "");
        assert_eq!(violations(Rules::OpenAiApi, request(json!(false)), false), "");
        assert!(violations(Rules::OpenAiApi, request(json!(true)), false).contains("call `stream()`"));
        assert!(violations(Rules::OpenAiApi, request(json!(false)), true).contains("call `send()`"));
        let many: Map<String, Value> = (0..17).map(|n| (n.to_string(), json!("v"))).collect();
        assert!(violations(Rules::OpenAiApi, json!({ "model": "m", "metadata": many }), false).contains("16 pairs"));
        let long = json!({ "model": "m", "metadata": { "k".repeat(65): "v".repeat(513) } });
        assert!(violations(Rules::OpenAiApi, long, false).contains("64 characters; a value"));
    }

    #[test]
    fn what_is_kept_is_known() {
        let kept = |rules: Rules, request: Value| rules.is_kept(request.as_object().unwrap());
        assert!(kept(Rules::OpenAiApi, json!({})));
        assert!(kept(Rules::OpenAiApi, json!({ "store": true })));
        assert!(kept(Rules::OpenAiApi, json!({ "store": false, "background": true })));
        assert!(!kept(Rules::OpenAiApi, json!({ "store": false })));
        assert!(!kept(Rules::CodexBackend, json!({ "store": false })));
    }
}
