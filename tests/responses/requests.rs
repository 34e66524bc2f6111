//! What is sent, in both modes.

use codex_backend::ErrorKind;
use codex_backend::models::{COMPATIBLE_VERSION, RefreshStrategy};
use codex_backend::responses::{
    ContentPart, CustomTool, FunctionTool, NamespaceTool, ReasoningEffort, ReasoningSummary, ResponseEventKind as Kind,
    ResponseItem, ResponseTool, ResponseTurn, ServiceTier, ToolChoice, ToolSearchTool, Verbosity,
};
use codex_backend::testing::{Backend, Route, ScriptedResponse};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::support::{ask, codex, guard, openai, read};

fn sent(backend: &Backend) -> Value {
    backend.requests_to(Route::CREATE_RESPONSE).last().unwrap().json()
}

#[tokio::test]
async fn a_request_to_the_backend_has_its_constants_and_all_that_was_set() {
    let backend = Backend::start().unwrap();
    let function = FunctionTool::new("f", "does f", json!({ "type": "object", "properties": {} }));
    let request = ask(&codex(&backend))
        .input(vec![
            ResponseItem::developer("be quick"),
            serde_json::from_value(
                json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "g" }),
            )
            .unwrap(),
            ResponseItem::function_call_output("call_1", vec![ContentPart::input_text("out")]),
        ])
        .tool(function.clone())
        .tools([
            ResponseTool::web_search().with_option("search_context_size", "low"),
            CustomTool::new("patch", "patches").grammar("lark", "start: \"a\"").into(),
            NamespaceTool::new("n", "names", [function.strict(true).defer_loading(true)]).into(),
            ToolSearchTool::new("server", "searches", json!({})).into(),
        ])
        .tool_choice(ToolChoice::Function("f".to_owned()))
        .parallel_tool_calls(true)
        .reasoning_effort(ReasoningEffort::High)
        .reasoning_summary(ReasoningSummary::Auto)
        .verbosity(Verbosity::Low)
        .json_schema("answer", json!({ "type": "object" }))
        .service_tier(ServiceTier::Priority)
        .prompt_cache_key("key")
        .client_metadata("x-codex-installation-id", "id")
        .session_id("0196a1b2")
        .field("stream_options", json!({ "reasoning_summary_delivery": "sequential_cutoff" }));
    guard(guard(request.stream()).await.unwrap().collect()).await.unwrap();

    let parameters = json!({ "type": "object", "properties": {} });
    assert_eq!(
        sent(&backend),
        json!({
            "model": "gpt-5.5",
            "instructions": "You are a test agent.",
            "input": [
                { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hello" }] },
                { "type": "message", "role": "developer", "content": [{ "type": "input_text", "text": "be quick" }] },
                { "type": "reasoning", "summary": [], "encrypted_content": "g" },
                { "type": "function_call_output", "call_id": "call_1", "output": [{ "type": "input_text", "text": "out" }] },
            ],
            "tools": [
                { "type": "function", "name": "f", "description": "does f", "strict": false, "parameters": parameters },
                { "type": "web_search", "search_context_size": "low" },
                { "type": "custom", "name": "patch", "description": "patches",
                    "format": { "type": "grammar", "syntax": "lark", "definition": "start: \"a\"" } },
                { "type": "namespace", "name": "n", "description": "names", "tools": [
                    { "type": "function", "name": "f", "description": "does f", "strict": true, "parameters": parameters,
                        "defer_loading": true },
                ] },
                { "type": "tool_search", "execution": "server", "description": "searches", "parameters": {} },
            ],
            "tool_choice": { "type": "function", "name": "f" },
            "parallel_tool_calls": true,
            "reasoning": { "effort": "high", "summary": "auto" },
            "text": { "verbosity": "low",
                "format": { "type": "json_schema", "name": "answer", "strict": true, "schema": { "type": "object" } } },
            "service_tier": "priority",
            "prompt_cache_key": "key",
            "client_metadata": { "x-codex-installation-id": "id" },
            "stream_options": { "reasoning_summary_delivery": "sequential_cutoff" },
            "include": ["reasoning.encrypted_content"],
            "store": false,
            "stream": true,
        })
    );
    let request = &backend.requests_to(Route::CREATE_RESPONSE)[0];
    assert_eq!(request.target, "/backend-api/codex/responses");
    assert_eq!(request.header("accept"), Some("text/event-stream"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    for name in ["session_id", "session-id", "thread_id", "thread-id", "x-client-request-id"] {
        assert_eq!(request.header(name), Some("0196a1b2"), "{name}");
    }
    assert_eq!(request.header("x-codex-window-id"), Some("0196a1b2:0"));
    assert_eq!(request.header("x-openai-subagent"), None);
    assert_eq!(request.header("content-encoding"), None);
    assert_eq!(request.header("x-codex-turn-state"), None);
}

#[tokio::test]
async fn a_thread_of_a_session_is_told_in_every_request_of_it() {
    let backend = Backend::start().unwrap();
    let request = ask(&codex(&backend))
        .session_id("session")
        .thread_id("thread")
        .compactions(2)
        .subagent("review", Some("parent".to_owned()))
        .client_metadata("x-codex-installation-id", "installation");
    guard(request.clone().stream()).await.unwrap();
    guard(request.compact()).await.unwrap();
    let requests = backend.requests();
    for request in &requests {
        for (name, value) in [
            ("session_id", "session"),
            ("session-id", "session"),
            ("thread_id", "thread"),
            ("thread-id", "thread"),
            ("x-client-request-id", "thread"),
            ("x-codex-window-id", "thread:2"),
            ("x-openai-subagent", "review"),
            ("x-codex-parent-thread-id", "parent"),
        ] {
            assert_eq!(request.header(name), Some(value), "{name} of {}", request.target);
        }
    }
    // In the body where there is a place for it.
    assert_eq!(requests[0].json()["client_metadata"]["x-codex-installation-id"], "installation");
    let installation: Vec<_> = requests.iter().map(|request| request.header("x-codex-installation-id")).collect();
    assert_eq!(installation, [None, Some("installation")]);
}

#[tokio::test]
async fn a_request_to_the_api_has_all_that_the_backend_refuses() {
    let backend = Backend::start().unwrap();
    let request = openai(&backend)
        .openai_responses()
        .create("gpt-5.5", "hello")
        .instructions("be terse")
        .temperature(0.5)
        .top_p(0.9)
        .top_logprobs(3)
        .max_output_tokens(100)
        .max_tool_calls(2)
        .metadata("a", "b")
        .prompt_cache_retention("24h")
        .safety_identifier("hash")
        .truncation("auto")
        .user("u")
        .store(true)
        .background(false)
        .conversation("conv_1");
    let answer = guard(request.send()).await.unwrap();
    assert_eq!((answer.output_text().as_str(), answer.usage.unwrap().total_tokens), ("Hello, world", 15));
    assert_eq!(
        sent(&backend),
        json!({
            "model": "gpt-5.5", "instructions": "be terse", "temperature": 0.5, "top_p": 0.9, "top_logprobs": 3,
            "max_output_tokens": 100, "max_tool_calls": 2, "metadata": { "a": "b" }, "prompt_cache_retention": "24h",
            "safety_identifier": "hash", "truncation": "auto", "user": "u", "store": true, "background": false,
            "conversation": "conv_1",
            "input": [{ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hello" }] }],
        })
    );
    assert_eq!(backend.requests()[0].target, "/v1/responses");
}

#[tokio::test]
async fn a_request_given_as_a_value_is_checked_before_a_byte_leaves() {
    #[derive(serde::Serialize)]
    struct Own {
        model: &'static str,
        instructions: Option<&'static str>,
        input: &'static str,
        temperature: Option<f32>,
    }
    let backend = Backend::start().unwrap();
    let client = codex(&backend);
    let own = Own { model: "gpt-5.5", instructions: Some("i"), input: "hello", temperature: None };
    guard(client.codex_responses().create_from(&own).stream()).await.unwrap();
    assert_eq!(sent(&backend)["input"][0]["role"], "user");
    guard(client.codex_responses().create_from(&own).compact()).await.unwrap();
    assert_eq!(backend.requests_to(Route::COMPACT_RESPONSE)[0].json()["input"], sent(&backend)["input"]);

    let wrong = Own { instructions: None, temperature: Some(0.5), ..own };
    let error = guard(client.codex_responses().create_from(&wrong).stream()).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_sent()), (ErrorKind::InvalidInput, false));
    assert_eq!(
        error.message(),
        "the Codex backend would refuse the request: `instructions` are missing or empty; `temperature` is not supported"
    );
    let through_the_open_door = ask(&client).field("top_p", 0.5);
    assert_eq!(guard(through_the_open_door.stream()).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    for not_an_object in [json!([1]), json!("text")] {
        let error = guard(client.codex_responses().create_from(&not_an_object).stream()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    let long = "x".repeat(257);
    for id in ["two\r\nlines", "", &long] {
        for request in [ask(&client).session_id(id), ask(&client).thread_id(id), ask(&client).subagent(id, None)] {
            let error = guard(request.clone().stream()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert_eq!(guard(request.compact()).await.unwrap_err().message(), error.message());
        }
    }
    let request = ask(&codex(&backend)).client_metadata("x-codex-installation-id", "two\r\nlines");
    let error = guard(request.compact()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.message().contains("the id of the installation is not 1 to 256 visible"), "{error}");
    let api = openai(&backend).openai_responses();
    let error =
        guard(api.create_from(&json!({ "model": "m", "input": "i", "stream": true })).send()).await.unwrap_err();
    assert!(error.message().contains("call `stream()`"), "{error}");
    assert_eq!(backend.requests().len(), 2);
}

#[tokio::test]
async fn the_servers_words_for_what_they_refuse() {
    // Where another test has been here before, there is one already.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let backend = Backend::start().unwrap();
    let key = secrecy::ExposeSecret::expose_secret(&backend.issue_access_token("acct-1")).to_owned();
    let url = format!("{}/codex/responses", backend.codex_base_url());
    let refusal = async |headers: &[(&str, &str)], change: (&str, Value)| {
        let mut body = json!({ "model": "gpt-test", "instructions": "", "input": [], "store": false, "stream": true });
        body[change.0] = change.1;
        // `null` stands for a member that is missing.
        body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let request = reqwest::Client::new().post(&url).bearer_auth(&key).body(body.to_string());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = guard(request.send()).await.unwrap();
        if answer.status() == 200 {
            return None;
        }
        assert_eq!(answer.status(), 400);
        let answer: Value = serde_json::from_slice(&guard(answer.bytes()).await.unwrap()).unwrap();
        assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
        Some(answer["detail"].as_str().unwrap().to_owned())
    };
    for (name, value, detail) in [
        ("store", json!(null), "Store must be set to false"),
        ("store", json!(true), "Store must be set to false"),
        ("stream", json!(null), "Stream must be set to true"),
        ("stream", json!(false), "Stream must be set to true"),
        ("instructions", json!(null), "Instructions are required"),
        ("input", json!("text"), "Input must be a list"),
        ("input", json!([{ "role": "system", "content": [] }]), "System messages are not allowed"),
    ] {
        assert_eq!(refusal(&[], (name, value)).await.as_deref(), Some(detail));
    }
    let unsupported = "max_output_tokens max_completion_tokens temperature top_p frequency_penalty presence_penalty user \
        truncation context_management prompt_cache_retention prompt_cache_options safety_identifier \
        prompt_cache_breakpoint previous_response_id background conversation max_tool_calls metadata prompt top_logprobs";
    for name in unsupported.split(' ') {
        let refusal = refusal(&[], (name, json!(1))).await;
        assert_eq!(refusal, Some(format!("Unsupported parameter: {name}")));
        // The client refuses it before that.
        let mut request = json!({ "model": "m", "instructions": "i", "input": [] });
        request[name] = json!(1);
        let error = guard(codex(&backend).codex_responses().create_from(&request).stream()).await.unwrap_err();
        assert!(error.message().contains(&format!("`{name}` is not supported")), "{error}");
    }
    assert!(refusal(&[("content-encoding", "br")], ("store", json!(false))).await.unwrap().contains("encoding"));

    // A model is refused to the versions of the official tool that cannot use it, by whichever header they tell it.
    let older = "The 'gpt-test' model is not supported when using Codex with a ChatGPT account.";
    for (headers, detail) in [
        (&[("version", "0.97.9")][..], Some(older)),
        (&[("version", "0.98.0-alpha.1")], None),
        (&[("user-agent", "codex_cli_rs/0.97.0 (Debian 12.0.0; x86_64) xterm")], Some(older)),
        (&[("user-agent", "codex_cli_rs/0.97.0 (Debian 12.0.0; x86_64) xterm"), ("version", "0.125.0")], None),
        (&[("user-agent", "codex_cli_rs/0.125.0 (Debian 12.0.0; x86_64) xterm")], None),
        (&[("user-agent", "report-bot/0.1.0")], None),
        (&[], None),
    ] {
        assert_eq!(refusal(headers, ("store", json!(false))).await.as_deref(), detail, "{headers:?}");
    }
    assert_eq!(refusal(&[("version", "0.1.0")], ("model", json!("gpt-5.5"))).await, None, "of no catalogue");
}

#[tokio::test]
async fn the_state_of_a_turn_goes_with_its_further_requests_and_no_others() {
    let backend = Backend::start().unwrap();
    let client = codex(&backend);
    let turn = ResponseTurn::new();
    for state in ["first", "second"] {
        backend.script_response(ScriptedResponse::text("a").header("x-codex-turn-state", state));
        read(guard(ask(&client).in_turn(&turn).stream()).await.unwrap()).await;
    }
    read(guard(ask(&client).in_turn(&turn.clone()).stream()).await.unwrap()).await;
    read(guard(ask(&client).in_turn(&ResponseTurn::new()).stream()).await.unwrap()).await;
    read(guard(ask(&client).stream()).await.unwrap()).await;
    let states: Vec<_> =
        backend.requests().iter().map(|request| request.header("x-codex-turn-state").map(str::to_owned)).collect();
    let first = Some("first".to_owned());
    assert_eq!(states, [None, first.clone(), first, None, None]);
    assert!(!format!("{turn:?}").contains("first"));

    // So does a retry of the request whose answer told it.
    backend.script_response(ScriptedResponse::transcript("").header("x-codex-turn-state", "early").cut());
    let before = backend.requests().len();
    read(guard(ask(&client).in_turn(&ResponseTurn::new()).stream()).await.unwrap()).await;
    let states: Vec<_> = backend.requests()[before..]
        .iter()
        .map(|request| request.header("x-codex-turn-state").map(str::to_owned))
        .collect();
    assert_eq!(states, [None, Some("early".to_owned())]);
}

#[tokio::test]
async fn what_headers_tell_comes_before_the_body_and_the_model_only_when_it_changes() {
    let backend = Backend::start().unwrap();
    let model = |name: &str| json!({ "type": "response.in_progress", "response": { "id": "r", "headers": { "OpenAI-Model": [name] } } });
    backend.script_response(
        ScriptedResponse::events([
            model("gpt-a"),
            model("gpt-b"),
            json!({ "type": "response.metadata", "headers": { "x-codex-turn-state": "later" }, "metadata": {
                "openai_verification_recommendation": ["trusted_access_for_cyber", "trusted_access_for_cyber"], "x": 1 } }),
            json!({ "type": "response.output_text.delta", "delta": "a", "safety_buffering": { "use_cases": ["u"] },
                "headers": { "x-codex-safety-buffering-faster-model": "gpt-fast" } }),
            json!({ "type": "response.completed", "response": { "id": "r" } }),
        ])
        .header("openai-model", "gpt-a")
        .header("x-codex-primary-used-percent", "12.5")
        .header("x-codex-primary-window-minutes", "300")
        .header("x-reasoning-included", "yes")
        .header("x-codex-turn-state", "state"),
    );
    let (events, ended_in) = read(guard(ask(&codex(&backend)).stream()).await.unwrap()).await;
    assert!(ended_in.is_none());
    let told: Vec<String> = events
        .iter()
        .map(|event| match &event.kind {
            Kind::ServerModel(model) => format!("model {model}"),
            Kind::RateLimits(snapshot) => format!("limit {}", snapshot.limit_id),
            Kind::TurnState(state) => format!("state {state}"),
            Kind::VerificationRecommended(names) => format!("verify {names:?}"),
            Kind::Metadata(metadata) => format!("metadata {metadata}"),
            Kind::SafetyBuffering(buffering) => format!("buffering {:?}", buffering.retry_model),
            other => format!("{other:?}").split('(').next().unwrap().to_owned(),
        })
        .collect();
    assert_eq!(
        told,
        [
            "model gpt-a",
            "limit codex",
            "ModelsEtag",
            "ReasoningIncluded",
            "state state",
            "InProgress",
            "model gpt-b",
            "InProgress",
            "state later",
            "verify [\"trusted_access_for_cyber\"]",
            "metadata {\"x\":1}",
            "buffering Some(\"gpt-fast\")",
            "OutputTextDelta",
            "Completed",
        ]
    );
}

#[tokio::test]
async fn events_come_while_the_answer_is_still_being_written() {
    let backend = Backend::start().unwrap();
    let piece = json!({ "type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 2, "delta": "a\u{e9}\n" });
    backend.script_response(ScriptedResponse::events([piece]).stall());
    let mut stream = guard(ask(&codex(&backend)).stream()).await.unwrap();
    loop {
        let event = guard(stream.next()).await.unwrap().unwrap();
        if let Kind::OutputTextDelta(piece) = event.kind {
            assert_eq!(piece.delta, "aé\n");
            assert_eq!((piece.item_id.as_deref(), piece.output_index, piece.part_index), (Some("i"), Some(0), Some(2)));
            return;
        }
    }
}

#[cfg(feature = "zstd")]
#[tokio::test]
async fn a_body_is_compressed_once_and_only_when_asked() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::CREATE_RESPONSE, codex_backend::testing::Fault::status(503));
    let request = ask(&codex(&backend)).field("padding", "x".repeat(50_000)).compressed();
    guard(request.stream()).await.unwrap();
    let requests = backend.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].header("content-encoding"), Some("zstd"));
    assert!(requests[0].body.len() < 5_000 && requests[0].body == requests[1].body);
    let plain: Value = serde_json::from_slice(&zstd::decode_all(&requests[1].body[..]).unwrap()).unwrap();
    assert_eq!((&plain["store"], plain["padding"].as_str().unwrap().len()), (&json!(false), 50_000));
}

#[cfg(feature = "schemars")]
#[tokio::test]
async fn a_rust_type_is_a_schema_and_reads_the_answer() {
    #[derive(schemars::JsonSchema, serde::Deserialize, PartialEq, Debug)]
    struct Verdict {
        ok: bool,
        why: Option<String>,
    }
    let backend = Backend::start().unwrap();
    backend.script_response(ScriptedResponse::text(r#"{"ok":true,"why":null}"#));
    let request = ask(&codex(&backend)).json_schema_of::<Verdict>().tool(FunctionTool::of::<Verdict>("f", "d"));
    let answer = guard(guard(request.stream()).await.unwrap().collect()).await.unwrap();
    assert_eq!(answer.parse::<Verdict>().unwrap(), Verdict { ok: true, why: None });
    let format = &sent(&backend)["text"]["format"];
    assert_eq!((&format["name"], &format["strict"]), (&json!("Verdict"), &json!(true)));
    assert_eq!(format["schema"]["required"], json!(["ok", "why"]));
    assert_eq!(format["schema"]["additionalProperties"], false);
    assert_eq!(sent(&backend)["tools"][0]["parameters"], format["schema"]);
}

#[tokio::test]
async fn a_type_without_a_strict_schema_is_named_before_anything_is_sent() {
    #[derive(schemars::JsonSchema)]
    #[allow(dead_code, reason = "only its schema counts")]
    struct Scores {
        by_name: std::collections::HashMap<String, u32>,
    }
    let backend = Backend::start().unwrap();
    let client = codex(&backend);
    let tool = FunctionTool::of::<Scores>("score", "Scores.");
    let namespace = json!([tool.clone().strict(false)]);
    for request in [ask(&client).json_schema_of::<Scores>(), ask(&client).tool(tool.clone())] {
        for error in [guard(request.clone().stream()).await.unwrap_err(), guard(request.compact()).await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.message().contains("`Scores.by_name`") && error.message().contains("map"), "{error}");
        }
    }
    assert!(backend.requests().is_empty());
    // The schema as it is can be had.
    assert_eq!(namespace[0]["parameters"]["properties"]["by_name"]["type"], "object");
    guard(ask(&client).tool(tool.strict(false)).stream()).await.unwrap();
}

#[tokio::test]
async fn json_leaves_in_the_order_in_which_it_was_written() {
    #[derive(schemars::JsonSchema)]
    #[allow(dead_code, reason = "only its schema counts")]
    struct Verdict {
        reasoning: String,
        answer: bool,
        #[serde(default)]
        certainty: f64,
    }
    let backend = Backend::start().unwrap();
    let client = codex(&backend);
    let schema = json!({ "type": "object", "properties": { "z": { "type": "null" }, "a": { "type": "null" } } });
    let text = |request: codex_backend::responses::ResponseRequest<_>| async {
        guard(request.stream()).await.unwrap();
        String::from_utf8(backend.requests().pop().unwrap().body.to_vec()).unwrap()
    };
    let sent = text(ask(&client).json_schema("s", schema)).await;
    assert!(sent.contains(r#""properties":{"z":{"type":"null"},"a":"#), "{sent}");
    let sent = text(ask(&client).json_schema_of::<Verdict>().verbosity(Verbosity::Low)).await;
    assert!(sent.contains(r#""properties":{"reasoning":{"type":"string"},"answer":"#), "{sent}");
    assert!(sent.contains(r#""required":["reasoning","answer","certainty"]"#), "{sent}");
    // An id that is taken out leaves the rest where it was.
    let item = json!({ "type": "message", "id": "msg_1", "role": "user", "content": "hi", "z": 1, "a": 2 });
    let given = json!({ "model": "m", "instructions": "i", "zeta": 1, "input": [item], "alpha": { "b": 1, "a": 2 } });
    let sent = text(client.codex_responses().create_from(&given)).await;
    assert!(
        sent.starts_with(r#"{"model":"m","instructions":"i","zeta":1,"input":[{"type":"message","role":"#),
        "{sent}"
    );
    assert!(sent.contains(r#""z":1,"a":2}],"alpha":{"b":1,"a":2}"#), "{sent}");
}

#[tokio::test]
async fn model_routes_of_the_backend_are_told_one_compatible_version_and_others_none() {
    let backend = Backend::start().unwrap();
    let builder = || backend.client().chatgpt(backend.chatgpt_tokens());
    let asked = async |client: codex_backend::Client<codex_backend::CodexBackend>, version: &str| {
        guard(ask(&client).stream()).await.unwrap();
        guard(ask(&client).compact()).await.unwrap();
        guard(client.codex_models().catalogue(RefreshStrategy::Online)).await.unwrap();
        let requests = backend.requests();
        for request in &requests[requests.len() - 3..] {
            assert_eq!(request.header("version"), Some(version), "{}", request.target);
            assert_eq!(request.header("originator"), Some("codex-backend"));
            assert!(request.header("user-agent").unwrap().starts_with("codex-backend/"));
        }
        assert!(requests.last().unwrap().target.ends_with(&format!("client_version={version}")));
    };
    assert_eq!(COMPATIBLE_VERSION, "0.171.0");
    asked(builder().build().unwrap(), COMPATIBLE_VERSION).await;
    asked(builder().compatible_version("0.172.1").build().unwrap(), "0.172.1").await;
    assert!(builder().compatible_version("0.172\r\n").build().is_err());
    // A model that needs it is neither hidden nor refused.
    let newer = json!({ "slug": "newer", "display_name": "", "minimal_client_version": "0.171.0" });
    backend.set_models(json!([newer]), "2");
    let client = codex(&backend);
    let catalogue = guard(client.codex_models().catalogue(RefreshStrategy::Online)).await.unwrap();
    assert!(catalogue.find("newer").is_some());
    guard(client.codex_responses().create("newer", "i", "hi").stream()).await.unwrap();
    guard(client.usage().get()).await.unwrap();
    assert_eq!(backend.requests().pop().unwrap().header("version"), None);
    guard(openai(&backend).openai_responses().create("m", "hi").send()).await.unwrap();
    assert_eq!(backend.requests().pop().unwrap().header("version"), None);
}

#[tokio::test]
async fn the_current_form_of_the_official_tool_is_sent_whole() {
    let backend = Backend::start().unwrap();
    let request = json!({
        "model": "gpt-6.2-sol", "stream": true,
        "input": [
            { "type": "additional_tools", "id": "at_1", "role": "developer", "tools": [{ "type": "custom", "name": "shell" }] },
            { "type": "message", "role": "developer", "content": [{ "type": "input_text", "text": "Be terse." }] },
            { "type": "configuration_update", "id": "cu_1", "later": { "z": 1, "a": [null] } },
            { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hi" }] },
        ],
        "tool_choice": "auto", "parallel_tool_calls": false, "reasoning": { "effort": 42, "context": "all_turns" },
        "store": false, "include": ["reasoning.encrypted_content"], "prompt_cache_key": "THREAD",
        "text": { "verbosity": "low" }, "client_metadata": { "turn_id": "", "thread_id": "THREAD" },
    });
    guard(codex(&backend).codex_responses().create_from(&request).stream()).await.unwrap();
    let sent = String::from_utf8(backend.requests().pop().unwrap().body.to_vec()).unwrap();
    assert_eq!(sent, request.to_string(), "to the letter");
}

#[tokio::test]
async fn effort_may_be_a_number_and_the_api_may_manage_the_context() {
    let backend = Backend::start().unwrap();
    let strategy = json!([{ "type": "compaction", "compact_threshold": 100_000 }]);
    let request = openai(&backend).openai_responses().create("m", "hi").context_management(&strategy);
    guard(request.reasoning_summary(ReasoningSummary::Auto).reasoning_effort_number(42).send()).await.unwrap();
    let body = sent(&backend);
    assert_eq!(
        (&body["context_management"], &body["reasoning"]),
        (&strategy, &json!({ "summary": "auto", "effort": 42 }))
    );
}
