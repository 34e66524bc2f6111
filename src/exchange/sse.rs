//! The lines of `text/event-stream`, cut into events as their bytes come.

use std::time::Duration;

use bytes::{Buf, Bytes};
use bytestring::ByteString;
use memchr::{memchr, memchr2};

/// The longest event, in bytes of its data, unless another limit is set.
pub(crate) const LONGEST_EVENT: usize = 16 << 20;
/// What a line has beside its data.
const FIELD: usize = "data: ".len();

/// Cuts chunks of bytes, however they are split, into events.
///
/// Any line ending counts: LF, CR, CRLF. The data of an event that lies in one chunk on one line is a slice of that chunk;
/// of any other it is copied once. Text is checked once, as it comes: what is not UTF-8 is an error as soon as it is seen,
/// behind the events before it. An event that no blank line closes is none.
///
/// [`next`](Self::next) is called until it gives nothing more, then [`push`](Self::push) with the next chunk.
#[derive(Debug)]
pub(crate) struct SseReader {
    longest_event: usize,
    /// The last chunk as far as it is text, and how far it has been read.
    text: ByteString,
    read: usize,
    /// The start of a character that the last chunk ended in.
    cut: Vec<u8>,
    /// The start of a line that the last chunk ended in.
    line: String,
    fields: Fields,
    /// Whether anything has come; before that, a byte-order mark may.
    begun: bool,
    /// Whether a line feed that comes next belongs to the carriage return before it.
    after_return: bool,
    failure: Option<SseFailure>,
    told: SseTold,
}

/// How the last event was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SseTold {
    /// As any event.
    Event,
    /// By its name, or by the name of its field, as an error.
    Error,
    /// As lines of JSON that are no fields. That is no event, and the words of a server that did not make a stream of its error.
    Stray,
}

/// The longest text that is no event and kept, in case it is an error.
const LONGEST_STRAY: usize = 64 << 10;

/// Why there are no more events to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SseFailure {
    NotUtf8,
    EventTooLong,
}

/// What the lines so far say.
#[derive(Debug)]
struct Fields {
    data: Data,
    is_error: bool,
    stray: String,
    last_event_id: Option<ByteString>,
    retry: Option<Duration>,
}

/// The data of an event so far.
#[derive(Debug)]
enum Data {
    None,
    OneLine(ByteString),
    Lines(String),
}

impl SseReader {
    pub(crate) fn new() -> Self {
        Self {
            longest_event: LONGEST_EVENT,
            text: ByteString::new(),
            read: 0,
            cut: Vec::new(),
            line: String::new(),
            fields: Fields {
                data: Data::None,
                is_error: false,
                stray: String::new(),
                last_event_id: None,
                retry: None,
            },
            begun: false,
            after_return: false,
            failure: None,
            told: SseTold::Event,
        }
    }

    pub(crate) fn limit_event(&mut self, longest: usize) {
        self.longest_event = longest;
    }

    /// The `id` that stood last in the stream.
    pub(crate) fn last_event_id(&self) -> Option<&str> {
        self.fields.last_event_id.as_deref()
    }

    /// How long the server asks to wait before the stream is asked for again.
    pub(crate) fn retry(&self) -> Option<Duration> {
        self.fields.retry
    }

    /// How the event was told that [`next`](Self::next) or [`finish`](Self::finish) gave last.
    pub(crate) fn told(&self) -> SseTold {
        self.told
    }

    /// At the end of the body: what no blank line closed. It is no event, and may be an error.
    pub(crate) fn finish(&mut self) -> Option<ByteString> {
        if self.failure.is_some() {
            return None;
        }
        let line = ByteString::from(std::mem::take(&mut self.line));
        if !line.is_empty() {
            self.fields.take_line(&line, &line);
        }
        let (data, told) = self.fields.take()?;
        self.told = if told == SseTold::Event { SseTold::Stray } else { told };
        Some(data)
    }

    /// Takes the next chunk. The one before has been read to its end.
    pub(crate) fn push(&mut self, mut chunk: Bytes) {
        debug_assert!(self.read == self.text.len(), "the chunk before has not been read to its end");
        (self.text, self.read) = (ByteString::new(), 0);
        if self.failure.is_some() {
            return;
        }
        while !self.cut.is_empty() && chunk.has_remaining() {
            self.cut.push(chunk.get_u8());
            match str::from_utf8(&self.cut) {
                Ok(character) => {
                    self.after_return = false;
                    if self.begun || character != "\u{feff}" {
                        self.line.push_str(character);
                    }
                    self.begun = true;
                    self.cut.clear();
                }
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return self.failure = Some(SseFailure::NotUtf8),
            }
        }
        self.text = match ByteString::try_from(chunk.clone()) {
            Ok(text) => text,
            Err(error) => {
                let text = chunk.split_to(error.valid_up_to());
                match error.error_len() {
                    None => self.cut.extend_from_slice(&chunk),
                    Some(_) => self.failure = Some(SseFailure::NotUtf8),
                }
                ByteString::try_from(text).unwrap_or_default()
            }
        };
        if !self.begun && !self.text.is_empty() {
            self.begun = true;
            if self.text.starts_with('\u{feff}') {
                self.read = '\u{feff}'.len_utf8();
            }
        }
    }

    /// The data of the next event that is complete.
    pub(crate) fn next(&mut self) -> Option<Result<ByteString, SseFailure>> {
        while self.read < self.text.len() {
            let rest = &self.text.as_bytes()[self.read..];
            if std::mem::take(&mut self.after_return) && rest[0] == b'\n' {
                self.read += 1;
                continue;
            }
            let end = memchr2(b'\n', b'\r', rest);
            let length = end.unwrap_or(rest.len());
            if self.is_too_long(length) {
                return self.fail(SseFailure::EventTooLong);
            }
            let part = self.read..self.read + length;
            let Some(end) = end else {
                self.line.push_str(&self.text[part]);
                self.read = self.text.len();
                break;
            };
            self.after_return = rest[end] == b'\r';
            self.read += length + 1;
            if self.line.is_empty() {
                if part.is_empty() {
                    if let Some((data, told)) = self.fields.take() {
                        self.told = told;
                        return Some(Ok(data));
                    }
                    continue;
                }
                self.fields.take_line(&self.text, &self.text[part]);
            } else {
                self.line.push_str(&self.text[part]);
                let line = ByteString::from(std::mem::take(&mut self.line));
                self.fields.take_line(&line, &line);
            }
            // Without a blank or with no name at all, a line has more data than its length told.
            if self.fields.data.len() > self.longest_event {
                return self.fail(SseFailure::EventTooLong);
            }
        }
        // What is kept of an unfinished character counts nothing: it is three bytes at the most.
        if self.is_too_long(0) {
            return self.fail(SseFailure::EventTooLong);
        }
        self.failure.map(Err)
    }

    /// Whether an event is longer than the limit whose last line goes on for so many bytes. A line of any other field
    /// counts as one of data.
    fn is_too_long(&self, more: usize) -> bool {
        self.fields.data.len() + (self.line.len() + more).saturating_sub(FIELD) > self.longest_event
    }

    fn fail(&mut self, failure: SseFailure) -> Option<Result<ByteString, SseFailure>> {
        self.failure = Some(failure);
        (self.text, self.read) = (ByteString::new(), 0);
        (self.line, self.fields.data) = (String::new(), Data::None);
        Some(Err(failure))
    }
}

impl Fields {
    /// Takes a line that is not empty and lies within `whole`.
    fn take_line(&mut self, whole: &ByteString, line: &str) {
        let (field, value) = match memchr(b':', line.as_bytes()) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, ""),
        };
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => self.data.add(whole, value),
            "event" => self.is_error = value == "error",
            "error" => {
                self.is_error = true;
                self.data.add(whole, value);
            }
            "id" if !value.contains('\0') => self.last_event_id = Some(ByteString::from(value)),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok().map(Duration::from_millis).or(self.retry);
            }
            // A comment has an empty name. Of the name of an event no more is looked at: its JSON has a `type`.
            "" => {}
            _ => self.take_stray(line),
        }
    }

    fn take_stray(&mut self, line: &str) {
        let begins = line.trim_start().starts_with(['{', '[', '"']);
        if (begins || !self.stray.is_empty()) && self.stray.len() + line.len() < LONGEST_STRAY {
            self.stray.push_str(line);
            self.stray.push('\n');
        }
    }

    /// What a blank line ends.
    fn take(&mut self) -> Option<(ByteString, SseTold)> {
        let is_error = std::mem::take(&mut self.is_error);
        if let Some(data) = self.data.take() {
            return Some((data, if is_error { SseTold::Error } else { SseTold::Event }));
        }
        let stray = std::mem::take(&mut self.stray);
        (!stray.is_empty()).then(|| (stray.into(), SseTold::Stray))
    }
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::OneLine(line) => line.len(),
            Self::Lines(lines) => lines.len(),
        }
    }

    fn add(&mut self, whole: &ByteString, line: &str) {
        match self {
            Self::None => *self = Self::OneLine(whole.slice_ref(line)),
            Self::OneLine(first) => *self = Self::Lines(format!("{first}\n{line}")),
            Self::Lines(lines) => {
                lines.push('\n');
                lines.push_str(line);
            }
        }
    }

    fn take(&mut self) -> Option<ByteString> {
        match std::mem::replace(self, Self::None) {
            Self::None => None,
            Self::OneLine(line) => Some(line),
            Self::Lines(lines) => Some(lines.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Events and, at the end, how it failed if it did.
    type Read = (Vec<String>, Option<SseFailure>);

    fn read(reader: &mut SseReader, chunks: impl IntoIterator<Item = Bytes>) -> Read {
        let mut events = Vec::new();
        for chunk in chunks {
            reader.push(chunk);
            while let Some(event) = reader.next() {
                match event {
                    Ok(_) if reader.told() == SseTold::Stray => {}
                    Ok(data) => events.push(data.to_string()),
                    Err(failure) => return (events, Some(failure)),
                }
            }
        }
        (events, None)
    }

    fn chunks(bytes: &[u8], size: usize) -> Vec<Bytes> {
        bytes.chunks(size).map(Bytes::copy_from_slice).collect()
    }

    /// The events of the bytes, which are the same however the bytes are split.
    fn events(bytes: impl AsRef<[u8]>) -> Read {
        let bytes = bytes.as_ref();
        let whole = read(&mut SseReader::new(), [Bytes::copy_from_slice(bytes)]);
        for size in [1, 2, 3, 5, 7] {
            assert_eq!(read(&mut SseReader::new(), chunks(bytes, size)), whole, "chunks of {size} bytes");
        }
        whole
    }

    fn data(bytes: impl AsRef<[u8]>) -> Vec<String> {
        let (events, failure) = events(bytes);
        assert_eq!(failure, None);
        events
    }

    #[test]
    fn any_line_ending_ends_a_line() {
        for text in ["data: a\n\ndata: b\n\n", "data: a\r\n\r\ndata: b\r\n\r\n", "data: a\r\rdata: b\r\r"] {
            assert_eq!(data(text), ["a", "b"], "{text:?}");
        }
        assert_eq!(data("data: a\r\n\rdata: b\n\r\ndata: c\r\r\n"), ["a", "b", "c"]);
        // A carriage return ends the event at once, without waiting for a line feed.
        let mut reader = SseReader::new();
        assert_eq!(read(&mut reader, [Bytes::from("data: a\r\n\r")]).0, ["a"]);
        assert_eq!(read(&mut reader, [Bytes::from("\ndata: b\r\r")]).0, ["b"]);
    }

    #[test]
    fn several_data_lines_are_joined_with_line_feeds() {
        assert_eq!(data("data: a\ndata:b\r\ndata\ndata:  c\n\n"), ["a\nb\n\n c"]);
        assert_eq!(data("data\n\n"), [""]);
        assert_eq!(data("data:\n\n"), [""]);
    }

    #[test]
    fn comments_names_and_unknown_fields_make_no_event() {
        assert_eq!(data(": keepalive\n\nevent: ping\n\nfoo: bar\n\n:\ndatax: 1\n\ndata : 2\n\n"), [""; 0]);
        assert_eq!(data("event: x\n: between\ndata: y\n\n"), ["y"]);
    }

    #[test]
    fn an_event_that_no_blank_line_closes_is_none() {
        assert_eq!(data("data: a\n\ndata: b\n"), ["a"]);
        assert_eq!(data("data: a\n\ndata: b"), ["a"]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped_once_and_only_at_the_start() {
        assert_eq!(data("\u{feff}data: a\n\n\u{feff}data: b\n\n"), ["a"]);
        assert_eq!(data("\u{feff}\u{feff}data: a\n\n"), [""; 0]);
        assert_eq!(data("data: \u{feff}\n\n"), ["\u{feff}"]);
    }

    #[test]
    fn ids_and_retry_times_are_kept() {
        let mut reader = SseReader::new();
        assert_eq!((reader.last_event_id(), reader.retry()), (None, None));
        read(&mut reader, chunks(b"id: 7\nretry: 3000\nretry: soon\nretry:\nid: a\0b\n\n", 3));
        assert_eq!((reader.last_event_id(), reader.retry()), (Some("7"), Some(Duration::from_secs(3))));
        read(&mut reader, chunks(b"id\nretry: 99999999999999999999\n", 4));
        assert_eq!((reader.last_event_id(), reader.retry()), (Some(""), Some(Duration::from_secs(3))));
    }

    #[test]
    fn characters_that_are_split_are_put_together() {
        let text = "data: wörld 👋\n\ndata: 你好\r\n\r\n";
        assert_eq!(data(text), ["wörld 👋", "你好"]);
    }

    #[test]
    fn what_is_not_utf_8_is_an_error_at_once_behind_the_events_before_it() {
        let expected = (vec!["a".to_owned()], Some(SseFailure::NotUtf8));
        assert_eq!(events(b"data: a\n\ndata: \xff"), expected);
        assert_eq!(events(b"data: a\n\ndata: \xe2\x82x\n\n"), expected);
        assert_eq!(events(b"data: a\n\n\xc0\x80"), expected);
        // A surrogate, and a character beyond the last one.
        assert_eq!(events(b"data: a\n\n\xed\xa0\x80"), expected);
        assert_eq!(events(b"data: a\n\n\xf4\x90\x80\x80"), expected);
        // The reader stays failed.
        let mut reader = SseReader::new();
        reader.push(Bytes::from_static(b"\xff"));
        for _ in 0..2 {
            assert_eq!(reader.next().map(Result::err), Some(Some(SseFailure::NotUtf8)));
            reader.push(Bytes::from_static(b"data: b\n\n"));
        }
    }

    #[test]
    fn an_event_may_be_as_long_as_the_limit_and_no_longer() {
        let of = |text: &str, size| {
            let mut reader = SseReader::new();
            reader.limit_event(10);
            read(&mut reader, chunks(text.as_bytes(), size))
        };
        for size in [1, 3, 100] {
            let whole = ["data:1234567890", "data: 1234567890", "data:1234\ndata:56789\n: four", "id: 1234567890"];
            for whole in whole {
                assert_eq!(of(&format!("{whole}\n\n"), size).1, None, "{whole}");
            }
            for long in [
                "data:12345678901\n\n",
                "data: 12345678901\n\n",
                "data:12345\ndata:67890\n\n",
                ": a comment of more bytes",
                "data:12345\n: of comment\n\n",
            ] {
                let after = format!("data:1\n\n{long}");
                assert_eq!(of(&after, size), (vec!["1".to_owned()], Some(SseFailure::EventTooLong)), "{long}");
            }
        }
    }

    #[test]
    fn the_data_of_an_event_in_one_chunk_is_a_slice_of_it() {
        let chunk = Bytes::from("event: x\ndata: {\"a\":1}\n\ndata: b\n\n");
        let within = chunk.as_ptr_range();
        let mut reader = SseReader::new();
        reader.push(chunk);
        for _ in 0..2 {
            let data = reader.next().unwrap().unwrap();
            assert!(within.contains(&data.as_bytes().as_ptr()), "{data} was copied");
        }
    }

    /// The standard's own words, on the whole text: no chunks, no slices.
    fn by_the_standard(text: &str) -> Vec<String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
        let mut lines: Vec<&str> = text.split('\n').collect();
        lines.pop();
        let (mut events, mut data) = (Vec::new(), None::<String>);
        for line in lines {
            if line.is_empty() {
                events.extend(data.take());
            } else if line == "data" || line.starts_with("data:") {
                let value = line.get(5..).unwrap_or("");
                let value = value.strip_prefix(' ').unwrap_or(value);
                data = Some(data.map_or_else(|| value.to_owned(), |data| format!("{data}\n{value}")));
            }
        }
        events
    }

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just("data:".as_bytes().to_vec()),
            Just("data: {\"type\":\"x\"}".as_bytes().to_vec()),
            Just(b"event: y".to_vec()),
            Just(b"id: 1".to_vec()),
            Just(b": c".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\n\n".to_vec()),
            Just("\u{feff}".as_bytes().to_vec()),
            "\\PC{0,6}".prop_map(String::into_bytes),
            // Rarely what is not UTF-8.
            proptest::collection::vec(any::<u8>(), 0..2),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn any_split_gives_the_events_of_the_whole(
            bytes in pieces(),
            sizes in proptest::collection::vec(1_usize..9, 1..9),
            longest in prop_oneof![Just(LONGEST_EVENT), 4_usize..40],
        ) {
            let mut whole = SseReader::new();
            whole.limit_event(longest);
            let expected = read(&mut whole, [Bytes::copy_from_slice(&bytes)]);

            let mut split = SseReader::new();
            split.limit_event(longest);
            let (mut rest, mut sizes, mut parts) = (&bytes[..], sizes.iter().cycle(), Vec::new());
            while !rest.is_empty() {
                let (part, tail) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                parts.push(Bytes::copy_from_slice(part));
                rest = tail;
            }
            prop_assert_eq!(&read(&mut split, parts), &expected);
            prop_assert_eq!(whole.last_event_id(), split.last_event_id());

            if longest == LONGEST_EVENT && let Ok(text) = str::from_utf8(&bytes) {
                prop_assert_eq!(expected, (by_the_standard(text), None));
            }
        }
    }
}
