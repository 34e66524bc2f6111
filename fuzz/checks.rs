//! What must hold of any input. Shared by the fuzz targets and the test that runs their corpora.

use bytes::Bytes;
use codex_backend::ErrorKind;
use codex_backend::http::{HeaderMap, HeaderName, HeaderValue};
use codex_backend::limits::{OpenAiRateLimits, RateLimitSnapshot};
use codex_backend::responses::{ResponseEvent, ResponseEventKind, ResponseStream};
use futures_util::{FutureExt, StreamExt, stream};

/// The first byte says how long the pieces are into which the others are split: the events do not depend on it, and there
/// is exactly one end.
pub(crate) fn event_stream(input: &[u8]) {
    let Some((size, body)) = input.split_first() else { return };
    let size = usize::from(*size).max(1);
    let whole = told(vec![Bytes::copy_from_slice(body)]);
    let split = told(body.chunks(size).map(Bytes::copy_from_slice).collect());
    assert_eq!(whole, split, "pieces of {size} bytes");
}

/// The input is the data of one event: whatever it is, it is told, or ends the stream, and its JSON is not changed.
pub(crate) fn event(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if text.contains(['\r', '\n']) {
        return;
    }
    let mut stream = ResponseStream::from_transcript(format!("data: {text}\n\n"));
    let (mut events, mut errors) = (Vec::new(), Vec::new());
    while let Some(item) = stream.next().now_or_never().expect("a transcript never waits") {
        match item {
            Ok(event) => events.push(event),
            Err(error) => errors.push(error),
        }
    }
    // A space behind it leads around the reader of plain objects, and changes nothing.
    if text != "[DONE]" {
        let kinds = |data: String| kinds_told(Bytes::from(format!("data: {data}\n\n")));
        assert_eq!(kinds(text.to_owned()), kinds(format!("{text} ")), "both readers read the same");
    }
    let completed = events.iter().any(|event| matches!(event.kind, ResponseEventKind::Completed(_)));
    assert_eq!(errors.len(), usize::from(!completed), "one end: {errors:?}");
    for event in &events {
        assert!(event.raw().is_empty() || event.raw() == text);
        if !matches!(event.kind, ResponseEventKind::Undecodable(_)) && !event.raw().is_empty() {
            assert!(text.trim_start().starts_with('{'), "what is decoded is an object");
        }
    }
    if let Some(error) = errors.first() {
        assert_eq!(error.events_delivered(), Some(events.len() as u64));
        assert!(error.to_string().len() < 16 << 10, "an error is short");
    }
}

/// The input is a member of an event of a type that nobody knows, and an item: what is made of it in memory keeps the bounds,
/// and nothing in it means something to `serde_json`.
pub(crate) fn bounded_json(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if text.contains(['\r', '\n']) {
        return;
    }
    for event in [
        format!(r#"{{"type":"of_tomorrow","v":{text}}}"#),
        format!(r#"{{"type":"response.output_item.done","item":{text}}}"#),
    ] {
        let mut stream = ResponseStream::from_transcript(format!("data: {event}\n\n"));
        match stream.next().now_or_never().expect("a transcript never waits") {
            Some(Ok(event)) => {
                let Ok(value) = event.json() else { return };
                let mut values = 0;
                let mut left = vec![(&value, 1)];
                while let Some((value, depth)) = left.pop() {
                    values += 1;
                    assert!(depth <= 129 && values <= 1_000_000, "{depth} levels, {values} values");
                    let members = value.as_object().into_iter().flatten();
                    for (name, value) in members {
                        assert!(!name.starts_with("$serde_json::private::"), "{name}");
                        left.push((value, depth + 1));
                    }
                    left.extend(value.as_array().into_iter().flatten().map(|entry| (entry, depth + 1)));
                }
                // What can be read is read, and told as it was.
                let again: serde_json::Value = serde_json::from_str(&value.to_string()).expect("it was JSON");
                assert_eq!(again, value);
            }
            Some(Err(error)) => assert!(
                matches!(error.kind(), ErrorKind::Truncated | ErrorKind::ResponseTooLarge | ErrorKind::Decode),
                "{error:?}"
            ),
            None => panic!("a stream has an end that is told"),
        }
    }
}

/// Lines of `name: value`: whatever they say, windows are numbers.
pub(crate) fn rate_limit_headers(input: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n').take(1000) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii())) {
            headers.append(name, value);
        }
    }
    let snapshots = RateLimitSnapshot::all_from_headers(&headers);
    for snapshot in &snapshots {
        assert!(!snapshot.limit_id.is_empty());
        for window in [snapshot.primary, snapshot.secondary].into_iter().flatten() {
            assert!(window.used_percent.is_finite());
        }
        let again = RateLimitSnapshot::from_headers(&headers, &snapshot.limit_id);
        assert_eq!(&again, snapshot, "a limit is found by its id");
    }
    if let Some(limits) = OpenAiRateLimits::from_headers(&headers) {
        assert!(limits.requests.is_some() || limits.tokens.is_some());
    }
}

/// The events, and how it ended.
fn told(chunks: Vec<Bytes>) -> (Vec<String>, Option<(ErrorKind, String)>) {
    told_as(chunks, 4096, |event| format!("{event:?}"))
}

/// The same, without the events' JSON, of an event that has room however long it is.
fn kinds_told(chunk: Bytes) -> (Vec<String>, Option<(ErrorKind, String)>) {
    let longest = chunk.len();
    told_as(vec![chunk], longest, |event| format!("{:?} {:?}", event.sequence_number, event.kind))
}

fn told_as(
    chunks: Vec<Bytes>,
    longest: usize,
    shown: fn(&ResponseEvent) -> String,
) -> (Vec<String>, Option<(ErrorKind, String)>) {
    let chunks = stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>));
    let mut stream = ResponseStream::from_chunks(chunks).with_longest_event(longest);
    let (mut events, mut end) = (Vec::new(), None);
    loop {
        // A stream that always has chunks at hand lets others have their turn now and then.
        let Some(item) = stream.next().now_or_never() else { continue };
        match item {
            Some(Ok(event)) => {
                assert!(end.is_none(), "an event behind the end");
                events.push(shown(&event));
            }
            Some(Err(error)) => {
                assert!(end.is_none(), "two ends");
                end = Some((error.kind(), error.message().to_owned()));
            }
            None => return (events, end),
        }
    }
}
