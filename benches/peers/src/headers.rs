//! Putting cached auth headers on a request.

use std::hint::black_box;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use async_openai::config::{Config, OpenAIConfig};
use codex_backend::{Client, CodexBackend};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::rounds::{self, Arm, ratio};
use crate::{Failure, allocations, clients};

const ROUNDS: usize = 400;
const CALLS: usize = 100;

const ACCOUNT_ID: HeaderName = HeaderName::from_static("chatgpt-account-id");
const FEDRAMP: HeaderName = HeaderName::from_static("x-openai-fedramp");

pub fn run() -> Result<(), Failure> {
    let client = clients::codex("http://127.0.0.1:1")?;
    let token = clients::token();
    let config = OpenAIConfig::new()
        .with_api_key(clients::token())
        .with_header(ACCOUNT_ID, clients::ACCOUNT)?
        .with_header(FEDRAMP, "true")?;

    let ours = |headers: &mut HeaderMap| apply_cached(&client, headers);
    let parsed = parsed(&token);
    let by_hand = |headers: &mut HeaderMap| insert_parsed(&parsed, headers);
    let formatted = |headers: &mut HeaderMap| format_and_parse(&token, headers);
    let peer = |headers: &mut HeaderMap| headers.extend(config.headers());
    for apply in [&ours as &dyn Fn(&mut HeaderMap), &by_hand, &formatted, &peer] {
        check(apply);
    }
    let allocated = [allocated(ours), allocated(ours), allocated(by_hand), allocated(formatted), allocated(peer)];
    let mut arms = [
        Arm::new("codex-backend", timed(ours)),
        Arm::new("codex-backend again (noise)", timed(ours)),
        Arm::new("three `HeaderMap::insert`s by hand", timed(by_hand)),
        Arm::new("`format!` and parse for each request", timed(formatted)),
        Arm::new("async-openai's `Config::headers`", timed(peer)),
    ];
    rounds::run(&mut arms, ROUNDS);

    println!("### Cached auth headers: {ROUNDS} rounds of {CALLS} calls\n");
    println!("| arm | ns per call | allocations per call | time against codex-backend (of lowest) |");
    println!("| --- | --- | --- | --- |");
    for (arm, allocated) in arms.iter().zip(allocated) {
        let against = ratio(arm, &arms[0]);
        let (name, cost) = (arm.name, arm.median());
        println!("| {name} | {cost:.1} | {allocated} | {:.3} ({:.3}) |", against.median, against.of_lowest);
    }
    println!();
    Ok(())
}

fn apply_cached(client: &Client<CodexBackend>, headers: &mut HeaderMap) {
    let mut future = client.auth_headers();
    match std::pin::Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(auth)) => auth.apply_to(headers),
        other => panic!("no cached headers: {other:?}"),
    }
}

fn parsed(token: &str) -> [(HeaderName, HeaderValue); 3] {
    let parse = |text: &str| text.parse::<HeaderValue>().expect("a legal header value");
    [
        (AUTHORIZATION, parse(&format!("Bearer {token}"))),
        (ACCOUNT_ID, parse(clients::ACCOUNT)),
        (FEDRAMP, parse("true")),
    ]
}

/// The plain way for someone who has all three at hand: what fetching them through a client comes on top of.
fn insert_parsed(parsed: &[(HeaderName, HeaderValue); 3], headers: &mut HeaderMap) {
    for (name, value) in parsed {
        headers.insert(name, value.clone());
    }
}

fn format_and_parse(token: &str, headers: &mut HeaderMap) {
    for (name, value) in parsed(token) {
        headers.insert(name, value);
    }
}

/// Every arm puts the same headers on a request.
fn check(apply: &dyn Fn(&mut HeaderMap)) {
    let mut headers = HeaderMap::new();
    apply(&mut headers);
    assert_eq!(headers.len(), 3, "{headers:?}");
    assert_eq!(headers[AUTHORIZATION].len(), "Bearer ".len() + clients::TOKEN_LENGTH);
    assert_eq!(headers[ACCOUNT_ID], clients::ACCOUNT);
    assert_eq!(headers[FEDRAMP], "true");
}

/// A batch of calls, each on a map that has room but no headers yet. Making and emptying the maps is not timed.
fn timed(apply: impl Fn(&mut HeaderMap)) -> impl FnMut() -> f64 {
    let mut maps: Vec<HeaderMap> = (0..CALLS).map(|_| HeaderMap::with_capacity(8)).collect();
    move || {
        maps.iter_mut().for_each(HeaderMap::clear);
        let start = Instant::now();
        for headers in &mut maps {
            apply(black_box(headers));
        }
        start.elapsed().as_secs_f64() * 1e9 / CALLS as f64
    }
}

fn allocated(apply: impl Fn(&mut HeaderMap)) -> u64 {
    let mut headers = HeaderMap::with_capacity(8);
    apply(&mut headers);
    headers.clear();
    allocations::during(|| apply(black_box(&mut headers)))
}
