//! Whatever of a response is told in pieces, when it is done, or at the end: as long as all is told once, it is the same response.

use codex_backend::responses::ResponseStream;
use futures_util::FutureExt;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A text of an item: where it stands, and what it says.
#[derive(Debug, Clone)]
struct Text {
    /// `output_text`, `refusal`, `reasoning_summary_text`, `function_call_arguments`, ….
    kind: &'static str,
    text: String,
}

/// An item, and how a stream tells it.
#[derive(Debug, Clone)]
struct Item {
    kind: Kind,
    texts: Vec<String>,
    /// In its own event when it is done, at the end, or in pieces; in none of these only if there are pieces.
    when_done: bool,
    at_the_end: bool,
    in_pieces: bool,
    /// Whether the pieces are told one by one, as a whole, or both.
    deltas: bool,
    wholes: bool,
    /// Whether what is done is told without what the pieces told.
    is_hollow: bool,
    done_first: bool,
    names: (bool, bool),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Message,
    Reasoning,
    Call,
    CustomCall,
    McpCall,
    McpTools,
    Code,
}

impl Item {
    fn texts(&self) -> Vec<Text> {
        let text = |(place, text): (usize, &String)| {
            let kind = match self.kind {
                Kind::Message if place % 2 == 1 => "refusal",
                Kind::Message => "output_text",
                Kind::Reasoning => "reasoning_summary_text",
                Kind::Call => "function_call_arguments",
                Kind::CustomCall => "custom_tool_call_input",
                Kind::McpCall => "mcp_call_arguments",
                Kind::Code => "code_interpreter_call_code",
                Kind::McpTools => return None,
            };
            Some(Text { kind, text: text.clone() })
        };
        let most = if matches!(self.kind, Kind::Message | Kind::Reasoning) { 9 } else { 1 };
        self.texts.iter().enumerate().take(most).filter_map(text).collect()
    }

    /// The item, with its texts or as it begins.
    fn json(&self, place: usize, is_hollow: bool) -> Value {
        let texts = self.texts();
        let first = if is_hollow { "" } else { texts.first().map_or("", |text| text.text.as_str()) };
        let parts: Vec<Value> = texts
            .iter()
            .filter(|_| !is_hollow)
            .map(|text| match text.kind {
                "refusal" => json!({ "type": "refusal", "refusal": text.text }),
                "output_text" => json!({ "type": "output_text", "text": text.text }),
                _ => json!({ "type": "summary_text", "text": text.text }),
            })
            .collect();
        let (id, call_id) = (format!("item_{place}"), format!("call_{place}"));
        match self.kind {
            Kind::Message => json!({ "type": "message", "id": id, "role": "assistant", "content": parts }),
            Kind::Reasoning => json!({ "type": "reasoning", "id": id, "summary": parts }),
            Kind::Call => {
                json!({ "type": "function_call", "id": id, "call_id": call_id, "name": "f", "arguments": first })
            }
            Kind::CustomCall => {
                json!({ "type": "custom_tool_call", "id": id, "call_id": call_id, "name": "f", "input": first })
            }
            Kind::McpCall => {
                json!({ "type": "mcp_call", "id": id, "name": "f", "server_label": "s", "arguments": first })
            }
            Kind::McpTools => json!({ "type": "mcp_list_tools", "id": id, "server_label": id, "tools": [{}] }),
            Kind::Code => {
                json!({ "type": "code_interpreter_call", "id": id, "container_id": "c", "code": first })
            }
        }
    }

    /// The events that tell it.
    fn events(&self, place: usize) -> Vec<Value> {
        let done = self.when_done.then(|| {
            json!({ "type": "response.output_item.done", "output_index": place, "item": self.json(place, self.is_hollow) })
        });
        let mut events: Vec<Value> = done.iter().filter(|_| self.done_first).cloned().collect();
        if self.in_pieces {
            let mut begun = self.json(place, true);
            begun["status"] = json!("in_progress");
            events.push(json!({ "type": "response.output_item.added", "output_index": place, "item": begun }));
            for (part, text) in self.texts().iter().enumerate() {
                let event = |stage: &str, member: &str, said: &str| {
                    let mut event = json!({ "type": format!("response.{}.{stage}", text.kind), member: said });
                    match text.kind {
                        "reasoning_summary_text" => event["summary_index"] = json!(part),
                        "output_text" | "refusal" => event["content_index"] = json!(part),
                        _ => {}
                    }
                    if self.names.0 {
                        event["item_id"] = json!(format!("item_{place}"));
                    }
                    if self.names.1 {
                        event["output_index"] = json!(place);
                    }
                    event
                };
                if self.deltas {
                    events.extend(text.text.split_inclusive('a').map(|piece| event("delta", "delta", piece)));
                }
                if self.wholes {
                    let member = match text.kind {
                        "refusal" => "refusal",
                        "function_call_arguments" | "mcp_call_arguments" => "arguments",
                        "custom_tool_call_input" => "input",
                        "code_interpreter_call_code" => "code",
                        _ => "text",
                    };
                    events.push(event("done", member, &text.text));
                }
            }
        }
        events.extend(done.filter(|_| !self.done_first));
        events
    }
}

fn item() -> impl Strategy<Value = Item> {
    use Kind::{CustomCall, McpCall, McpTools, Message, Reasoning};
    let kind = prop::sample::select(vec![Message, Reasoning, Kind::Call, CustomCall, McpCall, McpTools, Kind::Code]);
    let texts = prop::collection::vec("[ab]{1,6}", 1..3);
    let told = prop::array::uniform7(any::<bool>());
    (kind, texts, told, 0..3_usize).prop_map(|(kind, texts, told, names)| {
        let [when_done, at_the_end, in_pieces, deltas, wholes, is_hollow, done_first] = told;
        let has_pieces = kind != McpTools;
        let in_pieces = has_pieces && (in_pieces || !(when_done || at_the_end));
        Item {
            kind,
            texts,
            when_done: when_done || !(has_pieces || at_the_end),
            at_the_end,
            in_pieces,
            deltas: deltas || !wholes,
            wholes,
            is_hollow: is_hollow && in_pieces,
            done_first,
            // A piece for a custom tool always names its item.
            names: [(true, true), (true, false), (kind == CustomCall, true)][names],
        }
    })
}

/// What was collected, without what the sources need not agree on.
fn collected(events: &[Value]) -> Value {
    let transcript: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let collecting = ResponseStream::from_transcript(transcript).collect();
    let answer = collecting.now_or_never().expect("a transcript never waits").unwrap();
    let mut items = serde_json::to_value(&answer.items).unwrap();
    for item in items.as_array_mut().unwrap() {
        item.as_object_mut().unwrap().remove("status");
    }
    items
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_sources_that_tell_all_of_a_response_give_the_same_one(
        mut items in prop::collection::vec(item(), 1..6),
        order in any::<prop::sample::Index>(),
    ) {
        // Ids change with each event on some servers, so two items that say the same in the same place are one.
        for (place, item) in items.iter_mut().enumerate() {
            item.texts.iter_mut().for_each(|text| text.insert_str(0, &place.to_string()));
        }
        let mut told: Vec<Vec<Value>> = items.iter().enumerate().map(|(place, item)| item.events(place)).collect();
        // The events of several items come in turns, or one item comes after the other.
        let mut events = Vec::new();
        let turns = order.index(3) + 1;
        while told.iter().any(|events| !events.is_empty()) {
            for of_item in &mut told {
                let now = if turns == 3 { of_item.len() } else { turns.min(of_item.len()) };
                events.extend(of_item.drain(..now));
            }
        }
        let output: Vec<Value> = (items.iter().enumerate())
            .filter(|(_, item)| item.at_the_end)
            .map(|(place, item)| item.json(place, item.is_hollow))
            .collect();
        events.push(json!({ "type": "response.completed", "response": { "id": "r", "output": output } }));
        let expected: Vec<Value> = items.iter().enumerate().map(|(place, item)| item.json(place, false)).collect();
        prop_assert_eq!(collected(&events), Value::Array(expected), "{:#?}", events);
    }
}
