//! How the events of a stream are decoded: in one pass, with text that is a slice of the received bytes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use bytestring::ByteString;
use http::HeaderMap;
use serde::Deserialize;
use serde::de::value::StringDeserializer;
use serde::de::{Deserializer, Error as _, IgnoredAny, IntoDeserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::event::{
    AnnotationEvent, EventText, HostedTool, HostedToolProgress, HostedToolStage, ItemEvent, PartEvent, PartialImage,
    ResponseEventKind, SafetyBuffering, TextDelta, TextDone, ToolInputDelta, ToolInputDone, UndecodableEvent,
    UnknownEvent,
};
use super::item::ResponseItem;
use super::plain_object::PlainObject;
use super::response::ModelResponse;
use super::turn::TURN_STATE;
use crate::exchange::{headers_of_json, tells_error};
use crate::limits::{OpenAiRateLimits, RateLimitSnapshot};
use crate::wire::{Excess, check, whole};

/// What a decoded event means for its stream.
pub(super) enum Decoded {
    /// The stream continues; the number is the event's sequence number.
    Event(ResponseEventKind, Option<u64>),
    /// The stream continues, and the event is not delivered.
    Nothing,
    /// The stream ends with a complete response.
    Completed(Box<ModelResponse>, Option<u64>),
    /// The response is complete, but cannot be read.
    CompletedUnreadably,
    /// The stream ends with an incomplete response.
    Incomplete(Option<Box<ModelResponse>>),
    /// The stream ends, because of an event that costs too much to be read.
    Excessive(Excess),
    /// The stream ends in the error that the event describes.
    Failed(Option<Box<ModelResponse>>),
}

/// Decodes an event. What it carries besides goes into `before`, and is delivered before it.
pub(super) fn decode(raw: &ByteString, before: &mut Vec<ResponseEventKind>) -> Decoded {
    let mut members = Members::default();
    if PlainObject::of(raw).is_some_and(|plain| MembersVisitor(&mut members).visit_map(plain).is_ok()) {
        return interpret(raw, &members, before);
    }
    members = Members::default();
    let mut json = serde_json::Deserializer::from_str(raw);
    match json.deserialize_map(MembersVisitor(&mut members)).and_then(|()| json.end()) {
        Ok(()) => interpret(raw, &members, before),
        Err(_) => decode_leniently(raw, before),
    }
}

fn interpret(raw: &ByteString, members: &Members<'_>, before: &mut Vec<ResponseEventKind>) -> Decoded {
    if let Err(excess) = members.check_nested() {
        return Decoded::Excessive(excess);
    }
    carried_by_any(members, before);
    let Some(event_type) = &members.event_type else {
        return not_typed(raw, "it has no type");
    };

    let text = |text: &Str<'_>| text.share(raw);
    let optional = |part: &Option<Str<'_>>| part.as_ref().map(text);
    let (item_id, output_index) = (|| optional(&members.item_id), members.output_index);
    let part_index = members.content_index.or(members.summary_index);

    let text_delta =
        || Some(TextDelta { item_id: item_id(), output_index, part_index, delta: text(members.delta.as_ref()?) });
    let text_done = |whole: &Option<Str<'_>>| {
        Some(TextDone { item_id: item_id(), output_index, part_index, text: text(whole.as_ref()?) })
    };
    // If there is only the call's id, it stands for the item's.
    let call_item_id = || item_id().or_else(|| optional(&members.call_id));
    let input_delta = || {
        let call_id = optional(&members.call_id);
        Some(ToolInputDelta { item_id: call_item_id(), call_id, output_index, delta: text(members.delta.as_ref()?) })
    };
    let input_done = |whole: &Option<Str<'_>>| {
        let call_id = optional(&members.call_id);
        Some(ToolInputDone { item_id: call_item_id(), call_id, output_index, input: text(whole.as_ref()?) })
    };
    let item = || Some(ItemEvent { output_index, item: Box::new(item(members.item?)?) });
    let part = || {
        let part = members.part.and_then(parse).map(Box::new);
        PartEvent { item_id: item_id(), output_index, part_index, part }
    };
    let response = || {
        let told = members.response?;
        parse(told).or_else(|| ModelResponse::in_part(parse(told)?)).map(Box::new)
    };

    use ResponseEventKind as Kind;
    let kind = match &*event_type.0 {
        "response.output_text.delta" => text_delta().map(Kind::OutputTextDelta),
        "response.reasoning_summary_text.delta" => {
            text_delta().filter(|delta| delta.part_index.is_some()).map(Kind::ReasoningSummaryTextDelta)
        }
        "response.reasoning_text.delta" => {
            text_delta().filter(|delta| delta.part_index.is_some()).map(Kind::ReasoningTextDelta)
        }
        "response.function_call_arguments.delta" => input_delta().map(Kind::FunctionCallArgumentsDelta),
        "response.custom_tool_call_input.delta" => {
            input_delta().filter(|delta| delta.item_id.is_some()).map(Kind::CustomToolCallInputDelta)
        }
        "response.refusal.delta" => text_delta().map(Kind::RefusalDelta),
        "response.mcp_call_arguments.delta" => input_delta().map(Kind::McpCallArgumentsDelta),
        "response.code_interpreter_call_code.delta" => input_delta().map(Kind::CodeInterpreterCallCodeDelta),
        "response.output_item.added" => item().map(Kind::OutputItemAdded),
        "response.output_item.done" => item().map(Kind::OutputItemDone),
        "response.content_part.added" => Some(Kind::ContentPartAdded(part())),
        "response.content_part.done" => Some(Kind::ContentPartDone(part())),
        "response.output_text.done" => text_done(&members.text).map(Kind::OutputTextDone),
        "response.output_text.annotation.added" => {
            let annotation = members.annotation.and_then(parse);
            annotation.map(|annotation| {
                Kind::OutputTextAnnotationAdded(AnnotationEvent {
                    item_id: item_id(),
                    output_index,
                    part_index,
                    annotation,
                })
            })
        }
        "response.refusal.done" => text_done(&members.refusal).map(Kind::RefusalDone),
        "response.reasoning_text.done" => text_done(&members.text).map(Kind::ReasoningTextDone),
        "response.reasoning_summary_text.done" => text_done(&members.text).map(Kind::ReasoningSummaryTextDone),
        "response.reasoning_summary_part.added" => {
            part_index.is_some().then(|| Kind::ReasoningSummaryPartAdded(part()))
        }
        "response.reasoning_summary_part.done" => Some(Kind::ReasoningSummaryPartDone(part())),
        "response.function_call_arguments.done" => input_done(&members.arguments).map(Kind::FunctionCallArgumentsDone),
        "response.custom_tool_call_input.done" => input_done(&members.input).map(Kind::CustomToolCallInputDone),
        "response.mcp_call_arguments.done" => input_done(&members.arguments).map(Kind::McpCallArgumentsDone),
        "response.code_interpreter_call_code.done" => input_done(&members.code).map(Kind::CodeInterpreterCallCodeDone),
        "response.image_generation_call.partial_image" => members.partial_image_b64.as_ref().map(|image| {
            let index = members.partial_image_index;
            Kind::ImageGenerationPartialImage(PartialImage {
                item_id: item_id(),
                output_index,
                index,
                image: text(image),
            })
        }),
        "response.created" => response().map(Kind::Created),
        "response.queued" => response().map(Kind::Queued),
        "response.in_progress" => response().map(Kind::InProgress),
        "response.completed" => {
            return match response().filter(|response| !response.id.is_empty()) {
                Some(response) => Decoded::Completed(response, members.sequence_number),
                None => Decoded::CompletedUnreadably,
            };
        }
        "response.incomplete" => return Decoded::Incomplete(response()),
        "response.failed" | "error" => return Decoded::Failed(response()),
        "codex.rate_limits" => RateLimitSnapshot::from_event(raw).map(Box::new).map(Kind::RateLimits),
        "response.metadata" => Some(carried_by_metadata(members, before)),
        other => Some(match hosted_tool(other) {
            Some((tool, stage)) => {
                Kind::HostedToolProgress(HostedToolProgress { tool, stage, item_id: item_id(), output_index })
            }
            None => Kind::Unknown(UnknownEvent { event_type: text(event_type) }),
        }),
    };
    let kind = kind.unwrap_or_else(|| not_decoded(Some(text(event_type)), MISFIT));
    Decoded::Event(kind, members.sequence_number)
}

const MISFIT: &str = "a member that its type needs is missing or wrong";

/// Decodes an event of an unusual form. Of a member that is there twice the last counts, and one of another type than
/// this crate knows counts as missing.
#[cold]
fn decode_leniently(raw: &ByteString, before: &mut Vec<ResponseEventKind>) -> Decoded {
    if &**raw == "[DONE]" {
        return Decoded::Nothing;
    }
    let Ok(told) = serde_json::from_str::<HashMap<String, &RawValue>>(raw) else {
        return not_typed(raw, "it is not a JSON object");
    };
    let mut members = Members::default();
    for (name, value) in told {
        let name: StringDeserializer<serde_json::Error> = name.into_deserializer();
        if let Ok(member) = Member::deserialize(name)
            && value.get() != "null"
        {
            members.read_leniently(member, value);
        }
    }
    interpret(raw, &members, before)
}

/// Some servers send errors without saying that they are events.
#[cold]
fn not_typed(raw: &str, reason: &'static str) -> Decoded {
    if tells_error(raw) { Decoded::Failed(None) } else { Decoded::Event(not_decoded(None, reason), None) }
}

fn not_decoded(event_type: Option<EventText>, reason: &'static str) -> ResponseEventKind {
    ResponseEventKind::Undecodable(UndecodableEvent { event_type, reason })
}

/// The events made from headers of the answer, in the order in which they are delivered.
pub(super) fn header_events(headers: &HeaderMap) -> Vec<ResponseEventKind> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(EventText::from);
    let mut events = Vec::new();
    events.extend(server_model(headers).map(ResponseEventKind::ServerModel));
    // A limit without any data makes no event.
    let snapshots = RateLimitSnapshot::all_from_headers(headers).into_iter().filter(RateLimitSnapshot::says_something);
    events.extend(snapshots.map(|snapshot| ResponseEventKind::RateLimits(Box::new(snapshot))));
    events.extend(OpenAiRateLimits::from_headers(headers).map(ResponseEventKind::OpenAiRateLimits));
    events.extend(text("x-models-etag").map(ResponseEventKind::ModelsEtag));
    events.extend(headers.contains_key("x-reasoning-included").then_some(ResponseEventKind::ReasoningIncluded));
    events.extend(text(TURN_STATE).map(ResponseEventKind::TurnState));
    events
}

fn server_model(headers: &HeaderMap) -> Option<EventText> {
    let model = ["openai-model", "x-openai-model"].into_iter().find_map(|name| headers.get(name))?;
    model.to_str().ok().map(str::trim).filter(|model| !model.is_empty()).map(EventText::from)
}

/// What an event of any type may carry: headers, and a note about safety buffering.
fn carried_by_any(members: &Members<'_>, before: &mut Vec<ResponseEventKind>) {
    // Those within the response count before those beside it.
    let mentions_headers = members.response.filter(|response| response.get().contains("\"headers\""));
    if mentions_headers.is_none() && members.headers.is_none() && members.safety_buffering.is_none() {
        return;
    }
    let inner = mentions_headers.and_then(parse::<Value>).and_then(|response| response.get("headers").cloned());
    let beside = members.headers.and_then(parse::<Value>);
    let headers: Vec<HeaderMap> = [inner, beside].into_iter().flatten().map(|told| headers_of_json(&told)).collect();
    before.extend(headers.iter().find_map(server_model).map(ResponseEventKind::ServerModel));
    let Some(mut buffering) = members.safety_buffering.and_then(parse::<SafetyBuffering>) else { return };
    if buffering.retry_model.is_none() {
        let faster = headers.iter().find_map(|headers| headers.get("x-codex-safety-buffering-faster-model"));
        buffering.retry_model = faster.and_then(|value| value.to_str().ok()).map(str::to_owned);
    }
    before.push(ResponseEventKind::SafetyBuffering(buffering));
}

/// What `response.metadata` says: all but the last into `before`.
fn carried_by_metadata(members: &Members<'_>, before: &mut Vec<ResponseEventKind>) -> ResponseEventKind {
    let mut kinds = Vec::new();
    if let Some(headers) = members.headers.and_then(parse::<Value>).map(|headers| headers_of_json(&headers)) {
        let state = headers.get(TURN_STATE).and_then(|value| value.to_str().ok());
        kinds.extend(state.map(|state| ResponseEventKind::TurnState(state.into())));
    }
    let mut metadata = members.metadata.and_then(parse::<Value>).unwrap_or_default();
    if let Value::Object(members) = &mut metadata {
        const VERIFICATION: &str = "openai_verification_recommendation";
        if members.get(VERIFICATION).is_some_and(Value::is_array)
            && let Some(Value::Array(recommended)) = members.shift_remove(VERIFICATION)
        {
            let mut names: Vec<String> = Vec::new();
            for name in recommended.iter().filter_map(Value::as_str) {
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
            kinds.extend((!names.is_empty()).then_some(ResponseEventKind::VerificationRecommended(names)));
        }
        let moderation = members.shift_remove("openai_chatgpt_moderation_metadata");
        kinds.extend(moderation.map(ResponseEventKind::ModerationMetadata));
    }
    let is_empty = metadata.is_null() || metadata.as_object().is_some_and(Map::is_empty);
    // At least one event is made, or what this one carries besides would be lost.
    let last = if is_empty { kinds.pop() } else { None };
    before.extend(kinds);
    last.unwrap_or(ResponseEventKind::Metadata(metadata))
}

/// `response.web_search_call.searching` and its like.
fn hosted_tool(event_type: &str) -> Option<(HostedTool, HostedToolStage)> {
    let (tool, stage) = event_type.strip_prefix("response.")?.split_once('.')?;
    let (tool, stage) = (HostedTool::from(tool.to_owned()), HostedToolStage::from(stage.to_owned()));
    let is_known = !matches!(tool, HostedTool::Other(_)) && !matches!(stage, HostedToolStage::Other(_));
    is_known.then_some((tool, stage))
}

/// An item. Of a member that is there twice, the last counts.
fn item(raw: &RawValue) -> Option<ResponseItem> {
    match parse(raw)? {
        ResponseItem::Other(value) => serde_json::from_value(value).ok(),
        item => Some(item),
    }
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// Declares the members that any event may have: for each its value, its name, and how it is read.
macro_rules! members {
    ($($member:ident $(= $name:literal)?: $type:ty,)*) => {
        #[derive(Default)]
        struct Members<'a> {
            $($member: Option<$type>,)*
        }

        /// The name of a member.
        #[derive(Deserialize)]
        #[serde(field_identifier)]
        #[allow(non_camel_case_types, reason = "named as on the wire")]
        enum Member {
            $($(#[serde(rename = $name)])? $member,)*
            #[serde(other)]
            Other,
        }

        impl<'a> Members<'a> {
            /// Reads the value that comes next, which must fit.
            #[inline]
            fn read<A: MapAccess<'a>>(&mut self, member: Member, from: &mut A) -> Result<(), A::Error> {
                match member {
                    $(Member::$member => read_once(from, &mut self.$member),)*
                    Member::Other => from.next_value().map(|IgnoredAny| ()),
                }
            }

            /// Reads a value that counts as missing if it does not fit.
            fn read_leniently(&mut self, member: Member, value: &'a RawValue) {
                match member {
                    $(Member::$member => self.$member = MemberValue::read_leniently(value),)*
                    Member::Other => {}
                }
            }
        }
    };
}

members! {
    event_type = "type": Str<'a>,
    sequence_number: u64,
    item_id: Str<'a>,
    call_id: Str<'a>,
    output_index: u32,
    content_index: u32,
    summary_index: u32,
    delta: Str<'a>,
    text: Str<'a>,
    refusal: Str<'a>,
    arguments: Str<'a>,
    input: Str<'a>,
    code: Str<'a>,
    partial_image_b64: Str<'a>,
    partial_image_index: u32,
    item: &'a RawValue,
    part: &'a RawValue,
    response: &'a RawValue,
    annotation: &'a RawValue,
    headers: &'a RawValue,
    metadata: &'a RawValue,
    safety_buffering: &'a RawValue,
}

impl Members<'_> {
    /// Bounds what may become a value in memory. An event that holds none is not looked at.
    fn check_nested(&self) -> Result<(), Excess> {
        let nested =
            [self.item, self.part, self.response, self.annotation, self.headers, self.metadata, self.safety_buffering];
        nested.into_iter().flatten().try_for_each(|told| check(told.get().as_bytes()))
    }
}

/// Reads the members in one pass, each to its place: what a derived decoder makes is moved several times.
struct MembersVisitor<'m, 'a>(&'m mut Members<'a>);

impl<'de> Visitor<'de> for MembersVisitor<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(member) = map.next_key()? {
            self.0.read(member, &mut map)?;
        }
        Ok(())
    }
}

/// Reads a member's value; a second one is an error.
fn read_once<'de, A: MapAccess<'de>, T: Deserialize<'de>>(from: &mut A, place: &mut Option<T>) -> Result<(), A::Error> {
    if place.is_some() {
        return Err(A::Error::custom("a member is told twice"));
    }
    *place = from.next_value()?;
    Ok(())
}

/// What a member may be.
trait MemberValue<'a>: Sized {
    fn read_leniently(value: &'a RawValue) -> Option<Self>;
}

impl<'a> MemberValue<'a> for Str<'a> {
    fn read_leniently(value: &'a RawValue) -> Option<Self> {
        parse(value)
    }
}

impl<'a> MemberValue<'a> for u64 {
    fn read_leniently(value: &'a RawValue) -> Option<Self> {
        whole(&parse(value)?)
    }
}

impl<'a> MemberValue<'a> for u32 {
    fn read_leniently(value: &'a RawValue) -> Option<Self> {
        u64::read_leniently(value)?.try_into().ok()
    }
}

impl<'a> MemberValue<'a> for &'a RawValue {
    fn read_leniently(value: &'a RawValue) -> Option<Self> {
        Some(value)
    }
}

/// Text that is borrowed from the event where it has no escapes. (`Option<Cow<str>>` would always copy.)
struct Str<'a>(Cow<'a, str>);

impl Str<'_> {
    fn share(&self, raw: &ByteString) -> EventText {
        EventText(match &self.0 {
            Cow::Borrowed(text) => raw.slice_ref(text),
            Cow::Owned(text) => ByteString::from(text.clone()),
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Str<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Str<'de>, E> {
                Ok(Str(Cow::Borrowed(text)))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Str<'de>, E> {
                Ok(Str(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
