//! The model calls functions of the application's.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use codex_backend::ErrorKind;
use codex_backend::responses::{FunctionTool, ResponseEventKind, ResponseItem, TokenUsage, ToolLoopEvents, Tools};
use codex_backend::testing::{Backend, RecordedRequest, Route, ScriptedResponse};
use futures_util::{FutureExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};

use super::support::{ask, codex, guard, openai};

#[derive(Deserialize)]
struct Numbers {
    a: i64,
    b: i64,
}

fn tool(name: &str) -> FunctionTool {
    FunctionTool::new(name, "", json!({ "type": "object" }))
}

fn tools() -> Tools {
    Tools::new()
        .function(tool("add"), |numbers: Numbers| async move {
            numbers.a.checked_add(numbers.b).ok_or("the sum is too large")
        })
        .function(tool("describe"), |_: Value| async { Ok::<_, String>("plain text") })
        .function(tool("panic"), |_: Value| async {
            if true { panic!("a bug in the function") } else { Ok::<i32, String>(1) }
        })
}

/// What the model was told that the functions gave.
fn outputs(request: &Value) -> Vec<(String, String)> {
    let outputs = request["input"].as_array().unwrap().iter().filter(|item| item["type"] == "function_call_output");
    outputs
        .map(|item| (item["call_id"].as_str().unwrap().to_owned(), item["output"].as_str().unwrap().to_owned()))
        .collect()
}

fn call(name: &str, call_id: &str, arguments: &str) -> Value {
    json!({ "type": "function_call", "name": name, "call_id": call_id, "arguments": arguments, "status": "completed" })
}

#[tokio::test]
async fn every_outcome_of_a_call_is_told_to_the_model() {
    let backend = Backend::start().unwrap();
    backend.script_response(
        ScriptedResponse::items([
            json!({ "type": "reasoning", "summary": [], "encrypted_content": "g" }),
            call("add", "sum", r#"{"a":2,"b":3}"#),
            call("add", "error", &format!(r#"{{"a":{},"b":1}}"#, i64::MAX)),
            call("add", "misfit", r#"{"a":"two"}"#),
            call("add", "no-json", "{"),
            call("describe", "text", "{}"),
            call("panic", "panic", "{}"),
            call("unheard-of", "unknown", "{}"),
        ])
        .header("x-codex-turn-state", "state"),
    );
    let texts = Arc::new(Mutex::new(String::new()));
    let seen = texts.clone();
    let result = guard(ask(&codex(&backend)).run_tools(&tools()).on_event(move |event| {
        if let ResponseEventKind::OutputTextDelta(piece) = &event.kind {
            seen.lock().unwrap().push_str(&piece.delta);
        }
    }))
    .await
    .unwrap();
    assert_eq!((result.rounds, result.last.text().as_str()), (2, "Hello, world"));
    assert_eq!(*texts.lock().unwrap(), "Hello, world");
    assert_eq!(result.usage.total_tokens, 30);
    assert_eq!(result.items.len(), 8 + 7 + 1);
    assert!(matches!(result.items[8], ResponseItem::FunctionCallOutput(_)));

    let requests = backend.requests_to(Route::CREATE_RESPONSE);
    assert_eq!(requests[0].json()["tools"].as_array().unwrap().len(), 3);
    assert_eq!(requests[1].header("x-codex-turn-state"), Some("state"));
    let second = requests[1].json();
    assert_eq!(second["input"][1]["encrypted_content"], "g");
    assert!(second["input"].as_array().unwrap().iter().all(|item| item.get("id").is_none()), "{second}");
    let told = outputs(&second);
    let told_of = |id: &str| told.iter().find(|(call_id, _)| call_id == id).unwrap().1.as_str();
    assert_eq!(told_of("sum"), "5");
    assert_eq!(told_of("error"), r#"{"error":"the sum is too large"}"#);
    assert_eq!(told_of("text"), "plain text");
    assert_eq!(told_of("panic"), r#"{"error":"`panic` failed"}"#);
    assert_eq!(told_of("unknown"), r#"{"error":"there is no function `unheard-of`"}"#);
    for id in ["misfit", "no-json"] {
        assert!(told_of(id).contains("the arguments of `add` do not fit"), "{}", told_of(id));
    }
}

#[tokio::test]
async fn rounds_are_bounded() {
    let backend = Backend::start().unwrap();
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let tools = Tools::new().function(tool("again"), move |_: Value| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, String>(1) }
    });
    for number in 0..9 {
        backend.script_response(ScriptedResponse::items([call("again", &format!("call_{number}"), "{}")]));
    }
    let request = openai(&backend).openai_responses().create("gpt-5.5", "hello");
    let error = guard(request.run_tools(&tools).with_rounds(3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyRounds);
    assert_eq!((backend.requests().len(), runs.load(Ordering::Relaxed)), (3, 3));
}

#[tokio::test]
async fn a_failure_on_the_way_ends_the_loop_and_custom_tools_are_the_applications() {
    let backend = Backend::start().unwrap();
    backend.script_response(ScriptedResponse::function_call("describe", "{}"));
    backend.script_response(ScriptedResponse::failed("context_length_exceeded", "too long"));
    let error = guard(ask(&codex(&backend)).run_tools(&tools())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContextWindowExceeded);

    backend.script_response(ScriptedResponse::items([
        json!({ "type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "***" }),
        call("describe", "d", "{}"),
    ]));
    let result = guard(ask(&codex(&backend)).run_tools(&tools())).await.unwrap();
    assert_eq!((result.rounds, result.last.custom_tool_calls().count()), (1, 1));
    let answered = result.items.iter().filter(|item| item.item_type() == "function_call_output").count();
    assert_eq!(answered, 1, "the function called beside it was run");
}

#[tokio::test]
async fn what_a_loop_brought_before_an_error_is_not_lost() {
    let backend = Backend::start().unwrap();
    let run = || ask(&codex(&backend)).run_tools(&tools());
    let describe = || backend.script_response(ScriptedResponse::function_call("describe", "{}"));
    let item_types =
        |items: &[ResponseItem]| -> Vec<String> { items.iter().map(|item| item.item_type().to_owned()).collect() };
    let of_a_round = ["function_call", "function_call_output"];

    // Well.
    describe();
    let (result, ended_in) = guard(run().collect_partial()).await;
    assert!(ended_in.is_none(), "{ended_in:?}");
    assert_eq!((result.rounds, result.last.text().as_str(), result.items.len()), (2, "Hello, world", 3));

    // Too many rounds: the last one is whole, and its functions were run.
    describe();
    describe();
    let (result, ended_in) = guard(run().with_rounds(2).collect_partial()).await;
    assert_eq!(ended_in.unwrap().kind(), ErrorKind::TooManyRounds);
    assert_eq!((result.rounds, result.usage.total_tokens), (2, 30));
    assert_eq!(item_types(&result.items), [of_a_round, of_a_round].concat());
    assert_eq!(result.last.function_calls().count(), 1);
    guard(guard(ask(&codex(&backend)).input(result.items).stream()).await.unwrap().collect()).await.unwrap();
    let input = backend.requests().last().unwrap().json()["input"].clone();
    assert_eq!((input.as_array().unwrap().len(), &input[4]["output"]), (5, &json!("plain text")));

    // A later response breaks off: what it said is told, and what it called was not run.
    describe();
    let said =
        json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "I see" }] });
    let usage = json!({ "input_tokens": 1, "output_tokens": 2, "total_tokens": 3 });
    let incomplete = json!({ "id": "r", "incomplete_details": { "reason": "max_output_tokens" }, "usage": usage });
    backend.script_response(ScriptedResponse::events([
        json!({ "type": "response.output_item.done", "output_index": 0, "item": said }),
        json!({ "type": "response.output_item.done", "output_index": 1, "item": call("describe", "c", "{}") }),
        json!({ "type": "response.output_text.delta", "delta": " an" }),
        json!({ "type": "response.incomplete", "response": incomplete }),
    ]));
    let events = Arc::new(AtomicU32::new(0));
    let counted = events.clone();
    let shown = run().on_event(move |event| {
        counted.fetch_add(u32::from(matches!(event.kind, ResponseEventKind::OutputTextDelta(_))), Ordering::Relaxed);
    });
    let (result, ended_in) = guard(shown.collect_partial()).await;
    assert_eq!(ended_in.unwrap().kind(), ErrorKind::Incomplete);
    assert_eq!((result.rounds, result.usage.total_tokens), (2, 15 + 3));
    assert_eq!(item_types(&result.items), of_a_round);
    assert_eq!((result.last.text().as_str(), result.last.function_calls().count()), ("I see an", 1));
    assert_eq!((result.last.id(), events.load(Ordering::Relaxed)), (Some("r"), 1));

    // A later request has no response at all, or the first one has none.
    describe();
    backend.script_response(ScriptedResponse::refused(400, &json!({ "detail": "no" })));
    let (result, ended_in) = guard(run().collect_partial()).await;
    assert_eq!(ended_in.unwrap().kind(), ErrorKind::InvalidRequest);
    assert_eq!((result.rounds, result.last.function_calls().count()), (1, 1));
    assert_eq!(item_types(&result.items), of_a_round);
    backend.script_response(ScriptedResponse::refused(400, &json!({ "detail": "no" })));
    let (result, ended_in) = guard(run().collect_partial()).await;
    assert_eq!((result.rounds, result.items.len(), result.last.id()), (0, 0, None));
    assert_eq!((result.usage.total_tokens, ended_in.map(|error| error.kind())), (0, Some(ErrorKind::InvalidRequest)));
}

/// Functions without parameters, and how often they were run.
fn counted(names: &[&str]) -> (Tools, Arc<AtomicU32>) {
    let runs = Arc::new(AtomicU32::new(0));
    let add = |tools: Tools, name: &&str| {
        let runs = runs.clone();
        tools.function(tool(name), move |arguments: Value| {
            runs.fetch_add(1, Ordering::Relaxed);
            async move { Ok::<_, String>(arguments) }
        })
    };
    (names.iter().fold(Tools::new(), add), runs)
}

fn report(name: &str) -> String {
    std::fs::read_to_string(std::path::Path::new("tests/data/reports").join(name)).unwrap()
}

#[tokio::test]
async fn a_call_runs_once() {
    for name in ["09-same-call-done-twice.txt", "09b-second-time-without-arguments.txt"] {
        let backend = Backend::start().unwrap();
        let (tools, runs) = counted(&["pay"]);
        backend.script_response(ScriptedResponse::transcript(report(name)));
        guard(ask(&codex(&backend)).run_tools(&tools)).await.unwrap();
        let told = outputs(&backend.requests()[1].json());
        assert_eq!(
            (runs.load(Ordering::Relaxed), told),
            (1, vec![("call_1".to_owned(), r#"{"amount":5}"#.to_owned())])
        );
    }
    // In a later response it is the same call only if name and arguments are the same too.
    let backend = Backend::start().unwrap();
    let (tools, runs) = counted(&["pay", "refund"]);
    for (name, arguments) in [("pay", "{\"n\":1}"), ("pay", "{\"n\":1}"), ("pay", "{\"n\":2}"), ("refund", "{\"n\":2}")]
    {
        backend.script_response(ScriptedResponse::items([call(name, "c", arguments)]));
    }
    let result = guard(ask(&codex(&backend)).run_tools(&tools)).await.unwrap();
    assert_eq!((result.rounds, runs.load(Ordering::Relaxed)), (5, 3));
    let told: Vec<String> = outputs(&backend.requests()[4].json()).into_iter().map(|(_, output)| output).collect();
    assert_eq!(told, ["{\"n\":1}", "{\"n\":1}", "{\"n\":2}", "{\"n\":2}"], "each time it is answered");
}

#[tokio::test]
async fn no_arguments_are_an_empty_object_where_there_are_no_parameters() {
    let backend = Backend::start().unwrap();
    let (tools, runs) = counted(&["get_time"]);
    let schema = json!({ "type": "object", "properties": { "zone": { "type": "string" } } });
    let tools =
        tools.function(FunctionTool::new("in_zone", "", schema), |_: Value| async { Ok::<_, String>("not asked for") });
    let item: Value = serde_json::from_str(&report("06-tool-call-empty-arguments.json")).unwrap();
    backend.script_response(ScriptedResponse::items([item, call("in_zone", "call_2", "")]));
    guard(ask(&codex(&backend)).run_tools(&tools)).await.unwrap();
    let told = outputs(&backend.requests()[1].json());
    assert_eq!((told[0].1.as_str(), runs.load(Ordering::Relaxed)), ("{}", 1));
    assert_eq!(told[1].1, r#"{"error":"the arguments of `in_zone` are missing"}"#);
}

#[tokio::test]
async fn a_call_in_another_form_is_run_or_told_or_named() {
    let backend = Backend::start().unwrap();
    let (tools, runs) = counted(&["pay"]);
    let run = || guard(ask(&codex(&backend)).run_tools(&tools).collect_partial());
    backend.script_response(ScriptedResponse::transcript(report("34-arguments-as-an-object.txt")));
    assert!(run().await.1.is_none());
    assert_eq!(outputs(&backend.requests()[1].json())[0].1, r#"{"amount":5}"#);

    let unreadable = json!({ "type": "function_call", "call_id": "c", "name": 7 });
    backend.script_response(ScriptedResponse::items([unreadable]));
    let (result, ended_in) = run().await;
    assert!(ended_in.is_none() && result.rounds == 2, "{ended_in:?}");
    assert_eq!(outputs(&backend.requests()[3].json())[0].0, "c");

    backend.script_response(ScriptedResponse::items([json!({ "type": "function_call", "name": "pay" })]));
    let (result, ended_in) = run().await;
    let error = ended_in.unwrap();
    assert_eq!((error.kind(), result.rounds, runs.load(Ordering::Relaxed)), (ErrorKind::Decode, 1, 1));
    assert!(error.message().contains("`pay`"), "{error}");
}

#[tokio::test]
async fn a_forced_choice_is_forced_once() {
    use codex_backend::responses::ToolChoice;

    let allowed = |mode: &str| json!({ "type": "allowed_tools", "mode": mode, "tools": [] });
    for (choice, kept, first, then) in [
        (ToolChoice::Required, false, json!("required"), json!("auto")),
        (ToolChoice::Function("pay".to_owned()), false, json!({ "type": "function", "name": "pay" }), json!("auto")),
        (ToolChoice::Other(allowed("required")), false, allowed("required"), allowed("auto")),
        (ToolChoice::Required, true, json!("required"), json!("required")),
        (ToolChoice::None, false, json!("none"), json!("none")),
    ] {
        let backend = Backend::start().unwrap();
        backend.script_response(ScriptedResponse::function_call("pay", "{}"));
        let request = ask(&codex(&backend)).tool_choice(choice);
        guard(request.run_tools(&counted(&["pay"]).0).with_forced_choice_kept(kept)).await.unwrap();
        let choices: Vec<Value> =
            backend.requests().iter().map(|request| request.json()["tool_choice"].clone()).collect();
        assert_eq!(choices, [first, then]);
    }
}

#[tokio::test]
async fn parts_that_a_function_gives_stay_parts() {
    use codex_backend::responses::{ContentPart, ToolOutput};

    let parts = || vec![ContentPart::input_text("here"), ContentPart::input_image("data:image/png;base64,AAAA")];
    let tools = Tools::new()
        .function(tool("output"), move |_: Value| async move { Ok::<_, String>(ToolOutput::Parts(parts())) })
        .function(tool("parts"), move |_: Value| async move { Ok::<_, String>(parts()) })
        .function(tool("part"), move |_: Value| async move { Ok::<_, String>(parts().remove(1)) });
    let backend = Backend::start().unwrap();
    let calls = ["output", "parts", "part"].map(|name| call(name, name, "{}"));
    backend.script_response(ScriptedResponse::items(calls));
    guard(ask(&codex(&backend)).run_tools(&tools)).await.unwrap();
    let input = backend.requests()[1].json()["input"].clone();
    let image = json!({ "type": "input_image", "image_url": "data:image/png;base64,AAAA" });
    let both = json!([{ "type": "input_text", "text": "here" }, image]);
    assert_eq!([&input[4]["output"], &input[5]["output"], &input[6]["output"]], [&both, &both, &json!([image])]);
}

#[tokio::test]
async fn a_server_that_stores_nothing_gets_back_what_it_can_read() {
    use codex_backend::responses::ReasoningEffort;

    let backend = Backend::start().unwrap();
    let (tools, _) = counted(&["get_time"]);
    let items: Vec<Value> = serde_json::from_str(&report("07-reasoning-of-a-response-not-kept.json")).unwrap();
    let ask = || openai(&backend).openai_responses().create("gpt-5.5", "hello").store(false);
    backend.script_response(ScriptedResponse::items(items.clone()));
    let result = guard(ask().run_tools(&tools)).await.unwrap();
    let requests: Vec<Value> = backend.requests().iter().map(RecordedRequest::json).collect();
    assert_eq!(requests[0].get("include"), None, "a model that does not reason would refuse it");
    assert_eq!(requests[1]["include"], json!(["reasoning.encrypted_content"]));
    let told = requests[1]["input"].as_array().unwrap();
    assert!(told.iter().all(|item| item.get("id").is_none() && item["type"] != "reasoning"), "{told:?}");
    assert_eq!((told.len(), result.items.len()), (3, 3));

    let mut encrypted = items;
    encrypted[0]["encrypted_content"] = json!("gAAA");
    backend.script_response(ScriptedResponse::items(encrypted));
    guard(ask().reasoning_effort(ReasoningEffort::Low).run_tools(&tools)).await.unwrap();
    let requests: Vec<Value> = backend.requests()[2..].iter().map(RecordedRequest::json).collect();
    assert_eq!(requests[0]["include"], json!(["reasoning.encrypted_content"]));
    assert_eq!(requests[1]["input"][1], json!({ "type": "reasoning", "summary": [], "encrypted_content": "gAAA" }));
}

#[tokio::test]
async fn functions_run_beside_each_other_up_to_a_bound() {
    for (at_once, in_turns, most) in [(2, false, 2), (8, true, 1)] {
        let backend = Backend::start().unwrap();
        let (running, seen) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (now, highest) = (running.clone(), seen.clone());
        let tools = Tools::new().function(tool("wait"), move |number: Value| {
            let (now, highest) = (now.clone(), highest.clone());
            async move {
                highest.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                now.fetch_sub(1, Ordering::Relaxed);
                Ok::<_, String>(number["n"].clone())
            }
        });
        let calls = (0..5).map(|number| call("wait", &format!("c{number}"), &json!({ "n": number }).to_string()));
        backend.script_response(ScriptedResponse::items(calls));
        let request = ask(&codex(&backend)).parallel_tool_calls(!in_turns);
        guard(request.run_tools(&tools).with_functions_at_once(at_once)).await.unwrap();
        assert_eq!(seen.load(Ordering::Relaxed), most);
        let told: Vec<String> = outputs(&backend.requests()[1].json()).into_iter().map(|(_, output)| output).collect();
        assert_eq!(told, ["0", "1", "2", "3", "4"], "in the order of the calls");
    }
}

/// The next event that is text or the end of a response.
async fn next_text_or_end(events: &mut ToolLoopEvents) -> Option<String> {
    while let Some(event) = guard(events.next()).await {
        match event.unwrap().kind {
            ResponseEventKind::OutputTextDelta(piece) => return Some(piece.delta.to_string()),
            ResponseEventKind::Completed(_) => return Some("completed".to_owned()),
            _ => {}
        }
    }
    None
}

#[tokio::test]
async fn events_come_while_the_loop_runs() {
    let backend = Backend::start().unwrap();
    backend.script_response(ScriptedResponse::function_call("describe", "{}"));
    let (runs, shown) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (counted, counted_shown) = (runs.clone(), shown.clone());
    let tools = Tools::new().function(tool("describe"), move |_: Value| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, String>(1) }
    });
    let mut events = ask(&codex(&backend))
        .run_tools(&tools)
        .on_event(move |_| _ = counted_shown.fetch_add(1, Ordering::Relaxed))
        .events();
    assert_eq!(backend.requests().len(), 0, "nothing is sent before the stream is polled");

    assert_eq!(next_text_or_end(&mut events).await.as_deref(), Some("completed"));
    assert_eq!((backend.requests().len(), runs.load(Ordering::Relaxed)), (1, 0), "the first response is told at once");
    assert_eq!(next_text_or_end(&mut events).await.as_deref(), Some("Hello, "));
    assert_eq!((backend.requests().len(), runs.load(Ordering::Relaxed)), (2, 1));
    while next_text_or_end(&mut events).await.is_some() {}
    assert!(guard(events.next()).await.is_none(), "the end is the end");

    let streamed = events.into_result();
    backend.script_response(ScriptedResponse::function_call("describe", "{}"));
    let awaited = guard(ask(&codex(&backend)).run_tools(&tools)).await.unwrap();
    assert_eq!(
        (streamed.rounds, streamed.items.len(), streamed.usage),
        (awaited.rounds, awaited.items.len(), awaited.usage)
    );
    assert_eq!(streamed.last.text(), awaited.last.text());
    assert!(shown.load(Ordering::Relaxed) > 2, "a callback is called as well");
}

#[tokio::test]
async fn an_error_ends_the_events_of_a_loop_and_what_came_before_is_kept() {
    let backend = Backend::start().unwrap();
    backend.script_response(ScriptedResponse::function_call("describe", "{}"));
    backend.script_response(ScriptedResponse::events([
        json!({ "type": "response.output_text.delta", "delta": "I see" }),
        json!({ "type": "response.incomplete", "response": { "id": "r", "incomplete_details": { "reason": "max" } } }),
    ]));
    let mut events = ask(&codex(&backend)).run_tools(&tools()).events();
    let mut ended_in = None;
    while let Some(event) = guard(events.next()).await {
        assert!(ended_in.is_none(), "an item behind the error: {event:?}");
        ended_in = event.err();
    }
    assert_eq!(ended_in.unwrap().kind(), ErrorKind::Incomplete);
    let result = events.into_result();
    assert_eq!((result.rounds, result.last.text().as_str(), result.last.id()), (2, "I see", Some("r")));
    assert_eq!(result.items.len(), 2, "the call and its output");

    backend.script_response(ScriptedResponse::function_call("describe", "{}"));
    let mut events = ask(&codex(&backend)).run_tools(&tools()).with_rounds(1).events();
    let last = guard(async { events.by_ref().collect::<Vec<_>>().await.pop() }).await;
    assert_eq!(last.unwrap().unwrap_err().kind(), ErrorKind::TooManyRounds);
    assert_eq!(events.into_result().items.len(), 2, "the functions were run");
}

#[tokio::test]
async fn dropping_the_events_of_a_loop_cancels_it() {
    /// Tells when it is dropped.
    struct Guard(Arc<AtomicU32>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    let backend = Backend::start().unwrap();
    let (started, dropped) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (counted, guards) = (started.clone(), dropped.clone());
    let tools = Tools::new().function(tool("wait"), move |_: Value| {
        counted.fetch_add(1, Ordering::Relaxed);
        let held = Guard(guards.clone());
        async move {
            std::future::pending::<()>().await;
            drop(held);
            Ok::<_, String>(1)
        }
    });
    // While a function runs.
    backend.script_response(ScriptedResponse::function_call("wait", "{}"));
    let mut events = ask(&codex(&backend)).run_tools(&tools).events();
    assert_eq!(next_text_or_end(&mut events).await.as_deref(), Some("completed"));
    while started.load(Ordering::Relaxed) == 0 {
        assert!(events.next().now_or_never().is_none(), "the function runs, and nothing is told meanwhile");
        tokio::task::yield_now().await;
    }
    let result = events.into_result();
    assert_eq!((started.load(Ordering::Relaxed), dropped.load(Ordering::Relaxed)), (1, 1));
    assert_eq!((result.rounds, result.items.len(), backend.requests().len()), (1, 1, 1));

    // While a response comes: it counts as one that broke off.
    let mut events = ask(&codex(&backend)).run_tools(&tools).events();
    assert_eq!(next_text_or_end(&mut events).await.as_deref(), Some("Hello, "));
    let result = events.into_result();
    assert_eq!((result.rounds, result.items.len(), result.last.text().as_str()), (1, 0, "Hello, "));
    assert_eq!(backend.requests().len(), 2);
}

#[test]
fn a_sum_of_tokens_is_no_overflow() {
    let most = json!({ "input_tokens": u64::MAX, "output_tokens": 1, "total_tokens": u64::MAX });
    let mut sum: TokenUsage = serde_json::from_value(most).unwrap();
    sum += sum;
    assert_eq!((sum.input_tokens, sum.output_tokens, sum.total_tokens), (u64::MAX, 2, u64::MAX));
}
