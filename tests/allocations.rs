//! What cached auth headers cost, and JSON that is as large as it may be. A binary of its own: the counting allocator is global.

use allocation_counter::measure;
use codex_backend::auth::{AgentIdentity, AgentKey, AuthHeaders};
use codex_backend::testing::ManualClock;
use codex_backend::transport::Environment;
use codex_backend::{ApiKey, ChatGptTokens, Client, CodexBackend, OpenAiApi};
use futures_util::{FutureExt, StreamExt};
use http::HeaderMap;
use secrecy::ExposeSecret;

fn codex() -> Client<CodexBackend> {
    let tokens = ChatGptTokens::new("opaque-access-token").account_id("acct-1").fedramp(true);
    Client::builder().environment(Environment::empty()).chatgpt(tokens).build().unwrap()
}

/// With a task, and a clock that stands: what a second costs is signed once.
fn agent() -> Client<CodexBackend> {
    let identity = AgentIdentity::new("agent-1", AgentKey::from_random(&[7; 64]), "acct-1").unwrap();
    let identity = identity.fedramp(true).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(identity.to_record().expose_secret()).unwrap();
    record["task_id"] = "task-1".into();
    let agent = AgentIdentity::from_record(record.to_string()).unwrap().lazy();
    let clock = ManualClock::starting_at(std::time::SystemTime::UNIX_EPOCH);
    Client::builder().environment(Environment::empty()).clock(clock).agent_identity(agent).build().unwrap()
}

fn api() -> Client<OpenAiApi> {
    let key = ApiKey::new("sk-example").organization("org-1").project("proj_1");
    Client::builder().environment(Environment::empty()).api_key(key).build().unwrap()
}

fn allocations_of(mut fetch: impl FnMut() -> AuthHeaders) -> u64 {
    let mut headers = HeaderMap::with_capacity(8);
    fetch().apply_to(&mut headers);
    assert_eq!(headers.len(), 3);
    headers.clear();
    measure(|| {
        for _ in 0..100 {
            fetch().apply_to(&mut headers);
            headers.clear();
        }
    })
    .count_total
}

#[test]
fn the_counter_counts() {
    assert!(measure(|| drop(std::hint::black_box(Box::new(7)))).count_total > 0);
}

#[tokio::test]
async fn fetching_cached_headers_and_applying_them_allocates_nothing() {
    let (codex, api, agent) = (codex(), api(), agent());
    assert_eq!(allocations_of(|| codex.auth_headers().now_or_never().expect("at hand").unwrap()), 0);
    assert_eq!(allocations_of(|| agent.auth_headers().now_or_never().expect("at hand").unwrap()), 0);
    assert_eq!(allocations_of(|| api.auth_headers().now_or_never().expect("at hand").unwrap()), 0);
}

#[test]
fn awaiting_cached_headers_on_a_run_time_allocates_no_more_than_awaiting_nothing() {
    let client = codex();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut headers = HeaderMap::with_capacity(8);
    // Some bookkeeping is made once: by the run time, and by the bytes of a value when it is first shared.
    runtime.block_on(async { client.auth_headers().await.unwrap().apply_to(&mut headers) });
    let nothing = measure(|| runtime.block_on(async {})).count_total;
    let awaited = measure(|| {
        runtime.block_on(async {
            for _ in 0..100 {
                client.auth_headers().await.unwrap().apply_to(&mut headers);
            }
        });
    });
    assert_eq!((headers.len(), awaited.count_total), (3, nothing));
}

/// The most bytes of memory at once, for each byte of text, while an event's item and its whole JSON are made values; `None`
/// where both were refused.
fn bytes_for_each(json: &str) -> Option<f64> {
    let event = format!("data: {{\"type\":\"response.output_item.done\",\"item\":{json}}}\n\n");
    let mut read = None;
    let taken = measure(|| {
        let mut stream = codex_backend::responses::ResponseStream::from_transcript(event.clone());
        read = match stream.next().now_or_never().expect("a transcript never waits").expect("an event, or an error") {
            Ok(event) => Some(event.json().is_ok()),
            Err(error) => {
                assert_eq!(error.kind(), codex_backend::ErrorKind::ResponseTooLarge);
                None
            }
        };
    });
    read.map(|read| {
        assert!(read, "the item was read, and so was the event");
        taken.bytes_max as f64 / event.len() as f64
    })
}

#[test]
fn json_takes_memory_in_proportion_to_its_text_and_not_more_than_its_bounds() {
    let list = |entry: &str, entries: usize| format!("[{}]", vec![entry; entries].join(","));
    for (what, entry, values, most) in
        [("numbers", "0", 1, 200.0), ("objects", r#"{"":{}}"#, 2, 250.0), ("texts", r#""0123456""#, 1, 60.0)]
    {
        let ratio = |entries: usize| bytes_for_each(&list(entry, entries));
        let (few, many) = (ratio(10_000).unwrap(), ratio(999_000 / values).unwrap());
        println!("{what}: {few:.1} and {many:.1} bytes for each byte of text");
        assert!(many < most && many < 2.0 * few, "{what}: {many} bytes for each byte of text, of few entries {few}");
        assert!(ratio(1_000_100 / values).is_none(), "{what}");
    }
}
