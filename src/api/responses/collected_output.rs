//! The items of an output, put together from all that a stream tells of them.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::event::{EventText, PartEvent, ResponseEventKind, TextDelta, TextDone, ToolInputDelta, ToolInputDone};
use super::item::{
    ContentPart, ItemStatus, MessageItem, MessageRole, ReasoningItem, RefusalPart, ResponseItem, TextPart,
};

/// What has been told of the items so far. The same may be told in pieces, when a piece is done, when an item is done, and in
/// the last description of the response; any of these may be missing, or come late.
#[derive(Debug, Clone, Default)]
pub(super) struct CollectedOutput {
    /// Whether the response is complete: what was told of an item then is all of it.
    pub(super) is_complete: bool,
    items: Vec<Told>,
    /// Where each item is: by its type and id, by its type and the id of its call, and the last one by its place in the output.
    by_id: HashMap<String, usize>,
    by_call: HashMap<String, usize>,
    by_place: HashMap<u32, usize>,
    /// The last item of each type.
    last_of: HashMap<String, usize>,
    /// The piece that was added to last, where the next one nearly always goes.
    last: Option<(usize, usize)>,
}

/// What is told of one item.
#[derive(Debug, Clone)]
struct Told {
    item_type: String,
    id: Option<String>,
    call_id: Option<String>,
    place: Option<u32>,
    /// The item as it began; its content comes later.
    begun: Option<ResponseItem>,
    done: Option<ResponseItem>,
    pieces: Vec<Piece>,
}

/// A text within an item.
#[derive(Debug, Clone)]
struct Piece {
    of: PieceOf,
    index: u32,
    deltas: String,
    whole: Option<String>,
    /// The part of a message or of a summary, if it was told.
    part: Option<ContentPart>,
    annotations: Vec<Value>,
}

/// Where in its item a text belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PieceOf {
    Text,
    Refusal,
    Reasoning,
    Summary,
    Arguments,
    Input,
    McpArguments,
    Code,
}

impl PieceOf {
    fn item_type(self) -> &'static str {
        match self {
            Self::Text | Self::Refusal => "message",
            Self::Reasoning | Self::Summary => "reasoning",
            Self::Arguments => "function_call",
            Self::Input => "custom_tool_call",
            Self::McpArguments => "mcp_call",
            Self::Code => "code_interpreter_call",
        }
    }

    /// The member of its item.
    fn member(self) -> &'static str {
        match self {
            Self::Arguments | Self::McpArguments => "arguments",
            Self::Input => "input",
            Self::Code => "code",
            Self::Text | Self::Refusal | Self::Reasoning => "content",
            Self::Summary => "summary",
        }
    }

    fn part(self) -> ContentPart {
        let text = TextPart { text: String::new(), extra: Map::new() };
        match self {
            Self::Refusal => ContentPart::Refusal(RefusalPart { refusal: String::new(), extra: Map::new() }),
            Self::Reasoning => ContentPart::ReasoningText(text),
            Self::Summary => ContentPart::SummaryText(text),
            _ => ContentPart::OutputText(text),
        }
    }
}

/// What an event says about where it belongs.
#[derive(Clone, Copy)]
struct At<'a> {
    id: Option<&'a str>,
    call_id: Option<&'a str>,
    place: Option<u32>,
    part: Option<u32>,
}

impl CollectedOutput {
    pub(super) fn add(&mut self, event: ResponseEventKind) {
        use ResponseEventKind as Kind;
        match event {
            Kind::OutputTextDelta(piece) => self.add_text(PieceOf::Text, &piece),
            Kind::RefusalDelta(piece) => self.add_text(PieceOf::Refusal, &piece),
            Kind::ReasoningTextDelta(piece) => self.add_text(PieceOf::Reasoning, &piece),
            Kind::ReasoningSummaryTextDelta(piece) => self.add_text(PieceOf::Summary, &piece),
            Kind::FunctionCallArgumentsDelta(piece) => self.add_input(PieceOf::Arguments, &piece),
            Kind::CustomToolCallInputDelta(piece) => self.add_input(PieceOf::Input, &piece),
            Kind::McpCallArgumentsDelta(piece) => self.add_input(PieceOf::McpArguments, &piece),
            Kind::CodeInterpreterCallCodeDelta(piece) => self.add_input(PieceOf::Code, &piece),
            Kind::OutputTextDone(done) => self.end_text(PieceOf::Text, done),
            Kind::RefusalDone(done) => self.end_text(PieceOf::Refusal, done),
            Kind::ReasoningTextDone(done) => self.end_text(PieceOf::Reasoning, done),
            Kind::ReasoningSummaryTextDone(done) => self.end_text(PieceOf::Summary, done),
            Kind::FunctionCallArgumentsDone(done) => self.end_input(PieceOf::Arguments, done),
            Kind::CustomToolCallInputDone(done) => self.end_input(PieceOf::Input, done),
            Kind::McpCallArgumentsDone(done) => self.end_input(PieceOf::McpArguments, done),
            Kind::CodeInterpreterCallCodeDone(done) => self.end_input(PieceOf::Code, done),
            Kind::ContentPartAdded(event) => self.add_part(event, false, false),
            Kind::ContentPartDone(event) => self.add_part(event, true, false),
            Kind::ReasoningSummaryPartAdded(event) => self.add_part(event, false, true),
            Kind::ReasoningSummaryPartDone(event) => self.add_part(event, true, true),
            Kind::OutputTextAnnotationAdded(event) => {
                let at = At::text(event.item_id.as_ref(), event.output_index, event.part_index);
                self.piece(PieceOf::Text, &at).annotations.push(event.annotation);
            }
            Kind::OutputItemAdded(event) => self.begin_item(event.output_index, *event.item),
            Kind::OutputItemDone(event) => self.end_item(event.output_index, *event.item),
            _ => {}
        }
    }

    fn add_text(&mut self, of: PieceOf, delta: &TextDelta) {
        let at = At::text(delta.item_id.as_ref(), delta.output_index, delta.part_index);
        self.piece(of, &at).deltas.push_str(&delta.delta);
    }

    fn end_text(&mut self, of: PieceOf, done: TextDone) {
        let at = At::text(done.item_id.as_ref(), done.output_index, done.part_index);
        self.piece(of, &at).whole = Some(done.text.into());
    }

    fn add_input(&mut self, of: PieceOf, delta: &ToolInputDelta) {
        let at = At::call(delta.item_id.as_ref(), delta.call_id.as_ref(), delta.output_index);
        self.piece(of, &at).deltas.push_str(&delta.delta);
    }

    fn end_input(&mut self, of: PieceOf, done: ToolInputDone) {
        let at = At::call(done.item_id.as_ref(), done.call_id.as_ref(), done.output_index);
        self.piece(of, &at).whole = Some(done.input.into());
    }

    fn add_part(&mut self, event: PartEvent, is_done: bool, summary: bool) {
        let Some(part) = event.part else { return };
        let of = match *part {
            _ if summary => PieceOf::Summary,
            ContentPart::Refusal(_) => PieceOf::Refusal,
            ContentPart::ReasoningText(_) => PieceOf::Reasoning,
            _ => PieceOf::Text,
        };
        let at = At::text(event.item_id.as_ref(), event.output_index, event.part_index);
        let piece = self.piece(of, &at);
        if is_done || piece.part.is_none() {
            piece.part = Some(*part);
        }
    }

    /// The piece that an event is about.
    fn piece(&mut self, of: PieceOf, at: &At<'_>) -> &mut Piece {
        let last = self.last.filter(|(item, piece)| self.items[*item].is_at(*piece, of, at));
        let (item, piece) = last.unwrap_or_else(|| {
            let item = self.find(of.item_type(), at).unwrap_or_else(|| self.begin(of.item_type(), at));
            (item, self.items[item].piece(of, at.part))
        });
        self.last = Some((item, piece));
        &mut self.items[item].pieces[piece]
    }

    fn begin_item(&mut self, place: Option<u32>, item: ResponseItem) {
        let at = At::item(&item, place);
        let known = self.find(item.item_type(), &at).filter(|known| {
            let known = &self.items[*known];
            known.begun.is_none() || known.has_name(&at)
        });
        let known = known.unwrap_or_else(|| self.begin(item.item_type(), &at));
        self.name(known, &At::item(&item, place));
        self.items[known].begun.get_or_insert(item);
    }

    fn end_item(&mut self, place: Option<u32>, item: ResponseItem) {
        let at = At::item(&item, place);
        let known = self.find(item.item_type(), &at).filter(|known| {
            let known = &self.items[*known];
            known.has_name(&at) || known.done.as_ref().is_none_or(|done| is_same(done, &item))
        });
        let known = known.unwrap_or_else(|| self.begin(item.item_type(), &at));
        self.name(known, &At::item(&item, place));
        self.items[known].end(item);
    }

    /// An item that is known already: by its id, by that of its call, or by its place. Some servers give an item another id in
    /// each event, some give all items the same place; so the place counts as long as the item there is not done.
    fn find(&self, item_type: &str, at: &At<'_>) -> Option<usize> {
        self.find_by_name(item_type, at).or_else(|| {
            let known = match at.place {
                Some(place) => *self.by_place.get(&place)?,
                None => *self.last_of.get(item_type)?,
            };
            let item = &self.items[known];
            let is_named_otherwise = at.id.is_some() && item.id.is_some();
            let is_possible = item.item_type == item_type
                && (at.call_id.is_none() || item.call_id.is_none())
                && !(is_named_otherwise && (item.done.is_some() || at.place.is_none()))
                && (at.place.is_some() || item.done.is_none());
            is_possible.then_some(known)
        })
    }

    fn find_by_name(&self, item_type: &str, at: &At<'_>) -> Option<usize> {
        let by = |index: &HashMap<String, usize>, id: Option<&str>| index.get(&key(item_type, id?)).copied();
        // Where an event tells one id only, it may be that of the call.
        by(&self.by_id, at.id).or_else(|| by(&self.by_call, at.call_id.or(at.id)))
    }

    fn begin(&mut self, item_type: &str, at: &At<'_>) -> usize {
        let item = self.items.len();
        self.items.push(Told {
            item_type: item_type.to_owned(),
            id: None,
            call_id: None,
            place: at.place,
            begun: None,
            done: None,
            pieces: Vec::new(),
        });
        self.last_of.insert(item_type.to_owned(), item);
        self.name(item, at);
        item
    }

    /// Notes by what the item can be found.
    fn name(&mut self, item: usize, at: &At<'_>) {
        let told = &mut self.items[item];
        if let Some(id) = at.id {
            self.by_id.insert(key(&told.item_type, id), item);
            told.id = Some(id.to_owned());
        }
        if let Some(call_id) = at.call_id {
            self.by_call.insert(key(&told.item_type, call_id), item);
            told.call_id = Some(call_id.to_owned());
        }
        if let Some(place) = at.place {
            self.by_place.insert(place, item);
            told.place.get_or_insert(place);
        }
    }

    /// The items, and the text of messages that are not complete.
    pub(super) fn finish(mut self, snapshot: &[ResponseItem]) -> (Vec<ResponseItem>, String) {
        let order = self.take_snapshot(snapshot);
        let mut told: Vec<Option<Told>> = self.items.into_iter().map(Some).collect();
        let (mut items, mut unfinished_text) = (Vec::new(), String::new());
        for item in order.into_iter().filter_map(|item| told[item].take()) {
            if self.is_complete || item.done.is_some() {
                items.push(item.finish());
            } else {
                unfinished_text.extend(item.pieces.iter().filter(|piece| piece.of == PieceOf::Text).map(Piece::text));
            }
        }
        (items, unfinished_text)
    }

    /// Adds what the last description of the response tells, and gives the order of all items.
    fn take_snapshot(&mut self, snapshot: &[ResponseItem]) -> Vec<usize> {
        let mut places = self.places();
        let order = in_order(&places);
        let mut ranks = vec![0; order.len()];
        for (rank, item) in order.iter().enumerate() {
            ranks[*item] = rank;
        }
        let known_before = self.items.len();
        let mut expected = 0;
        let mut told = Vec::with_capacity(snapshot.len());
        for (place, item) in snapshot.iter().enumerate() {
            let at = At::item(item, u32::try_from(place).ok());
            let known = self.find_by_name(item.item_type(), &at).or_else(|| {
                let there = at.place.and_then(|place| self.by_place.get(&place));
                let mut likely = order.get(expected).into_iter().chain(there).copied();
                likely.find(|known| self.items[*known].may_be(item, &at))
            });
            let known = known.unwrap_or_else(|| self.begin(item.item_type(), &At { place: None, ..at }));
            if known < known_before {
                expected = ranks[known] + 1;
            }
            if self.is_complete || !item.is_in_progress() {
                self.items[known].end(item.clone());
            }
            told.push(known);
        }
        place_between(&mut places, &told);
        in_order(&places)
    }

    /// The place of each item in the output; the order in which they came, if the server does not tell one for each.
    fn places(&self) -> Vec<(i64, u32)> {
        let told: Option<Vec<i64>> = self.items.iter().map(|item| item.place.map(i64::from)).collect();
        let told = told.filter(|places| places.iter().collect::<HashSet<_>>().len() == places.len());
        let places = told.unwrap_or_else(|| (0..).take(self.items.len()).collect());
        places.into_iter().map(|place| (place, 0)).collect()
    }
}

/// Adds the places of the items that only the last description tells: between those of its neighbours there, where the events
/// left a place free if they did.
fn place_between(places: &mut Vec<(i64, u32)>, told: &[usize]) {
    let known_before = places.len();
    let mut taken: HashSet<i64> = places.iter().map(|(place, _)| *place).collect();
    let mut next = i64::MAX;
    let mut nexts: Vec<i64> = told
        .iter()
        .rev()
        .map(|item| {
            let behind = next;
            if *item < known_before {
                next = places[*item].0;
            }
            behind
        })
        .collect();
    nexts.reverse();
    let (mut before, mut free) = ((-1, 0), 0);
    for (item, next) in told.iter().zip(nexts) {
        if let Some(place) = places.get(*item) {
            before = *place;
            continue;
        }
        free = free.max(before.0 + 1);
        while taken.contains(&free) {
            free += 1;
        }
        before = if free < next { (free, 0) } else { (before.0, before.1 + 1) };
        taken.insert(before.0);
        places.push(before);
    }
}

fn in_order(places: &[(i64, u32)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|item| places[*item]);
    order
}

fn key(item_type: &str, id: &str) -> String {
    format!("{item_type} {id}")
}

impl<'a> At<'a> {
    fn text(id: Option<&'a EventText>, place: Option<u32>, part: Option<u32>) -> Self {
        Self { id: named(id), call_id: None, place, part }
    }

    fn call(id: Option<&'a EventText>, call_id: Option<&'a EventText>, place: Option<u32>) -> Self {
        Self { id: named(id), call_id: named(call_id), place, part: Some(0) }
    }

    fn item(item: &'a ResponseItem, place: Option<u32>) -> Self {
        Self { id: named(item.id()), call_id: named(item.call_id()), place, part: None }
    }
}

/// An id that names something.
fn named<T: AsRef<str> + ?Sized>(id: Option<&T>) -> Option<&str> {
    id.map(AsRef::as_ref).filter(|id| !id.is_empty())
}

impl Told {
    fn has_name(&self, at: &At<'_>) -> bool {
        (at.id.is_some() && at.id == self.id.as_deref())
            || (at.call_id.is_some() && at.call_id == self.call_id.as_deref())
    }

    /// Whether the piece is the one that an event is about, told by names only.
    fn is_at(&self, piece: usize, of: PieceOf, at: &At<'_>) -> bool {
        let piece = &self.pieces[piece];
        piece.of == of && at.part == Some(piece.index) && at.id.is_some() && at.id == self.id.as_deref()
    }

    /// Whether this is an item of the last description, under another name or none.
    fn may_be(&self, item: &ResponseItem, at: &At<'_>) -> bool {
        let is_named_otherwise = at.id.is_some() && self.id.is_some();
        let may_stand_there = self.place.is_none() || self.place == at.place;
        self.item_type == item.item_type()
            && (at.call_id.is_none() || self.call_id.is_none())
            && (!is_named_otherwise || (may_stand_there && self.begins(item)))
            && self.done.as_ref().map_or(may_stand_there, |done| is_same(done, item))
    }

    /// Whether the item says what has been told of this one, or more.
    fn begins(&self, item: &ResponseItem) -> bool {
        let said = match item {
            ResponseItem::Message(message) => message.content.iter().filter_map(text_of).collect(),
            ResponseItem::Reasoning(reasoning) => reasoning.summary.iter().filter_map(text_of).collect(),
            ResponseItem::FunctionCall(call) => call.arguments.clone(),
            ResponseItem::CustomToolCall(call) => call.input.clone(),
            _ => return self.pieces.is_empty(),
        };
        let told: String = self.pieces.iter().map(Piece::text).collect();
        said.starts_with(&told)
    }

    /// The place of a piece among the pieces.
    fn piece(&mut self, of: PieceOf, index: Option<u32>) -> usize {
        let known =
            self.pieces.iter().rposition(|piece| piece.of == of && index.is_none_or(|index| piece.index == index));
        known.unwrap_or_else(|| {
            let next = || self.pieces.iter().map(|piece| piece.index.saturating_add(1)).max().unwrap_or(0);
            let index = index.unwrap_or_else(next);
            let piece = Piece { of, index, deltas: String::new(), whole: None, part: None, annotations: Vec::new() };
            self.pieces.push(piece);
            self.pieces.len() - 1
        })
    }

    /// The item is done, or told again: then what it lacked is added.
    fn end(&mut self, item: ResponseItem) {
        match &mut self.done {
            None => self.done = Some(item),
            Some(done) if *done == item => {}
            Some(done) => {
                let filled = serde_json::to_value(&*done).and_then(|mut filled| {
                    fill("", &mut filled, serde_json::to_value(item)?);
                    serde_json::from_value(filled)
                });
                if let Ok(filled) = filled {
                    *done = filled;
                }
            }
        }
    }

    fn finish(mut self) -> ResponseItem {
        let mut item =
            self.done.take().or_else(|| self.begun.take().map(completed)).unwrap_or_else(|| self.unheard_of());
        if self.pieces.is_empty() {
            return item;
        }
        self.pieces.sort_by_key(|piece| piece.index);
        let (summary, content): (Vec<_>, Vec<_>) =
            self.pieces.into_iter().partition(|piece| piece.of == PieceOf::Summary);
        match &mut item {
            ResponseItem::Message(message) => add_pieces(&mut message.content, content),
            ResponseItem::Reasoning(reasoning) => {
                add_pieces(&mut reasoning.summary, summary);
                let mut shown = reasoning.content.take().unwrap_or_default();
                add_pieces(&mut shown, content);
                reasoning.content = Some(shown).filter(|shown| !shown.is_empty());
            }
            ResponseItem::FunctionCall(call) => add_input(&mut call.arguments, &content),
            ResponseItem::CustomToolCall(call) => add_input(&mut call.input, &content),
            _ => {
                let told = content.iter().map(|piece| (piece.of.member().to_owned(), piece.text().into()));
                let told = Value::Object(told.collect());
                let filled = serde_json::to_value(&item).and_then(|mut filled| {
                    fill("", &mut filled, told);
                    serde_json::from_value(filled)
                });
                item = filled.unwrap_or(item);
            }
        }
        item
    }

    /// An item of which only pieces were told.
    fn unheard_of(&self) -> ResponseItem {
        let id = self.id.clone();
        match self.item_type.as_str() {
            "message" => ResponseItem::Message(MessageItem {
                id,
                role: MessageRole::Assistant,
                content: Vec::new(),
                status: Some(ItemStatus::Completed),
                phase: None,
                end_turn: None,
                extra: Map::new(),
            }),
            "reasoning" => ResponseItem::Reasoning(ReasoningItem {
                id,
                summary: Vec::new(),
                content: None,
                encrypted_content: None,
                extra: Map::new(),
            }),
            item_type => {
                let mut members = json!({ "type": item_type, "id": id, "call_id": self.call_id });
                if let Value::Object(members) = &mut members {
                    members.retain(|_, value| !value.is_null());
                }
                ResponseItem::Other(members)
            }
        }
    }
}

/// An item that began, in a response that is complete.
fn completed(begun: ResponseItem) -> ResponseItem {
    if !begun.is_in_progress() {
        return begun;
    }
    let completed = serde_json::to_value(&begun).and_then(|mut item| {
        item["status"] = json!("completed");
        serde_json::from_value(item)
    });
    completed.unwrap_or(begun)
}

/// Whether two items without a common name say the same.
fn is_same(one: &ResponseItem, other: &ResponseItem) -> bool {
    let agree = |one: &str, other: &str| one == other || one.is_empty() || other.is_empty();
    match (one, other) {
        (ResponseItem::Message(one), ResponseItem::Message(other)) => agree(&one.text(), &other.text()),
        (ResponseItem::Reasoning(one), ResponseItem::Reasoning(other)) => {
            let encrypted = |item: &ReasoningItem| item.encrypted_content.clone().unwrap_or_default();
            agree(&one.summary_text(), &other.summary_text()) && agree(&encrypted(one), &encrypted(other))
        }
        (ResponseItem::FunctionCall(one), ResponseItem::FunctionCall(other)) => {
            one.name == other.name
                && (one.arguments == other.arguments || is_blank(&one.arguments) || is_blank(&other.arguments))
        }
        _ => {
            let without_name = |item: &ResponseItem| {
                let mut item = serde_json::to_value(item).unwrap_or_default();
                if let Value::Object(members) = &mut item {
                    members.retain(|name, value| !matches!(name.as_str(), "id" | "status") && !value.is_null());
                }
                item
            };
            without_name(one) == without_name(other)
        }
    }
}

/// Arguments that may stand for others which came, or did not.
fn is_blank(arguments: &str) -> bool {
    matches!(arguments.trim(), "" | "{}")
}

/// Adds what a value lacks and another one of the same thing has.
fn fill(name: &str, value: &mut Value, other: Value) {
    match (value, other) {
        (_, Value::Null) => {}
        (Value::Object(members), Value::Object(others)) => {
            for (name, other) in others {
                match members.get_mut(&name) {
                    Some(member) => fill(&name, member, other),
                    None => {
                        members.insert(name, other);
                    }
                }
            }
        }
        (Value::Array(values), Value::Array(others)) => {
            for (place, other) in others.into_iter().enumerate() {
                match values.get_mut(place) {
                    Some(value) => fill("", value, other),
                    None => values.push(other),
                }
            }
        }
        (Value::String(text), Value::String(other)) => {
            let is_open = match name {
                "arguments" => is_blank(text),
                "status" => text == ItemStatus::InProgress.as_str(),
                _ => text.is_empty(),
            };
            if is_open && !other.is_empty() {
                *text = other;
            }
        }
        (value @ Value::Null, other) => *value = other,
        _ => {}
    }
}

fn add_input(input: &mut String, pieces: &[Piece]) {
    if let Some(piece) = pieces.first()
        && is_blank(input)
        && !piece.text().is_empty()
    {
        *input = piece.text().to_owned();
    }
}

/// Adds to the parts of an item what they lack of the texts that were told one by one.
fn add_pieces(parts: &mut Vec<ContentPart>, pieces: Vec<Piece>) {
    let told = parts.len();
    for piece in pieces {
        let place = usize::try_from(piece.index).unwrap_or(usize::MAX);
        match parts.get_mut(place).filter(|_| place < told) {
            Some(part) => piece.add_to(part),
            None => parts.extend(piece.into_part()),
        }
    }
}

impl Piece {
    /// The text as far as it came: as a whole if it was told so.
    fn text(&self) -> &str {
        let of_part = self.part.as_ref().and_then(text_of).unwrap_or("");
        let told = [self.whole.as_deref().unwrap_or(""), of_part, &self.deltas];
        let is_open = |text: &str| match self.of {
            PieceOf::Arguments | PieceOf::McpArguments => is_blank(text),
            _ => text.is_empty(),
        };
        let most = told.into_iter().find(|text| !is_open(text));
        most.or_else(|| told.into_iter().find(|text| !text.is_empty())).unwrap_or("")
    }

    fn add_to(mut self, part: &mut ContentPart) {
        if text_of(part).is_some_and(str::is_empty) {
            let text = self.text().to_owned();
            set_text(part, text);
        }
        let of_part = self.part.as_mut().and_then(annotations_of).map(std::mem::take);
        let told = of_part.filter(|told| !told.is_empty()).unwrap_or(self.annotations);
        if !told.is_empty()
            && let Some(annotations) = annotations_of(part).filter(|annotations| annotations.is_empty())
        {
            *annotations = told;
        }
    }

    fn into_part(mut self) -> Option<ContentPart> {
        let mut part = self.part.take().unwrap_or_else(|| self.of.part());
        self.add_to(&mut part);
        let is_empty = text_of(&part).is_some_and(str::is_empty);
        (!is_empty).then_some(part)
    }
}

fn text_of(part: &ContentPart) -> Option<&str> {
    match part {
        ContentPart::Refusal(part) => Some(&part.refusal),
        part => part.text(),
    }
}

fn set_text(part: &mut ContentPart, text: String) {
    match part {
        ContentPart::Refusal(part) => part.refusal = text,
        ContentPart::OutputText(part)
        | ContentPart::InputText(part)
        | ContentPart::SummaryText(part)
        | ContentPart::ReasoningText(part)
        | ContentPart::Text(part) => part.text = text,
        _ => {}
    }
}

/// The sources that a text refers to.
fn annotations_of(part: &mut ContentPart) -> Option<&mut Vec<Value>> {
    let ContentPart::OutputText(part) = part else { return None };
    match part.extra.entry("annotations").or_insert_with(|| json!([])) {
        Value::Array(annotations) => Some(annotations),
        _ => None,
    }
}
