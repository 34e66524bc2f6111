//! Headers of an agent identity: by a warm assertion, by a cold one, and what verifying a JWT costs.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use codex_backend::testing::{Backend, ManualClock};
use codex_backend::auth::{AgentIdentity, AuthContext, AuthHeaders, RegisteredAgent};
use codex_backend::{Client, CodexBackend};
use http::HeaderMap;

use crate::rounds::{self, Arm, ratio};
use crate::{Failure, allocations};

const ROUNDS: usize = 200;
const WARM_CALLS: usize = 200;
const COLD_CALLS: usize = 20;
const MANY: u32 = 1_000_000;

pub fn run() -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    let backend = Backend::start()?;
    backend.add_fedramp_account("acct-gov");
    let jwt = backend.issue_agent_jwt("acct-gov");
    let context = backend.client().auth_context()?;
    let identity = runtime.block_on(AgentIdentity::from_jwt(jwt.clone(), &context))?;
    let agent = runtime.block_on(identity.register(&context))?;

    let warm = backend.client().agent_identity(agent.clone()).build()?;
    let mut headers = HeaderMap::with_capacity(8);
    let allocated = {
        fetch(&warm).apply_to(&mut headers);
        headers.clear();
        allocations::during(|| fetch(&warm).apply_to(black_box(&mut headers)))
    };
    let mut arms = [
        Arm::new("warm, fetched", timed(WARM_CALLS, || drop(black_box(fetch(&warm))))),
        Arm::new("warm, fetched, again (noise)", timed(WARM_CALLS, || drop(black_box(fetch(&warm))))),
        Arm::new("warm, fetched and applied", applied(&warm)),
    ];
    rounds::run(&mut arms, ROUNDS);
    println!("### A warm assertion: {ROUNDS} rounds of {WARM_CALLS} calls, {allocated} allocations a call\n");
    println!("| arm | ns per call | time against the first (of lowest) |");
    println!("| --- | --- | --- |");
    table(&arms, 1.0);

    let start = Instant::now();
    for _ in 0..MANY {
        drop(black_box(fetch(&warm)));
    }
    let took = start.elapsed();
    println!("\n{MANY} calls in a row took {took:.2?}: one signature for each second of it, and no more.\n");

    let (cold, same) = (Cold::new(&backend, agent.clone())?, Cold::new(&backend, agent)?);
    let mut arms = [
        Arm::new("cold: a new second for each", timed(COLD_CALLS, || cold.fetch())),
        Arm::new("cold, again (noise)", timed(COLD_CALLS, || same.fetch())),
        Arm::new("verifying a JWT, its key at hand", timed(COLD_CALLS, || verify(&jwt, &context))),
    ];
    rounds::run(&mut arms, ROUNDS);
    println!("### What is computed: {ROUNDS} rounds of {COLD_CALLS} calls\n");
    println!("| arm | µs per call | time against the first (of lowest) |");
    println!("| --- | --- | --- |");
    table(&arms, 1e3);
    println!();
    Ok(())
}

fn table(arms: &[Arm<'_>], unit: f64) {
    for arm in arms {
        let against = ratio(arm, &arms[0]);
        println!("| {} | {:.1} | {:.3} ({:.3}) |", arm.name, arm.median() / unit, against.median, against.of_lowest);
    }
}

fn fetch(client: &Client<CodexBackend>) -> AuthHeaders {
    let mut future = client.auth_headers();
    match std::pin::Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(headers)) => headers,
        other => panic!("no headers at hand: {other:?}"),
    }
}

/// A client whose clock shows another second at each call.
struct Cold {
    client: Client<CodexBackend>,
    clock: ManualClock,
}

impl Cold {
    fn new(backend: &Backend, agent: RegisteredAgent) -> Result<Self, Failure> {
        let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
        Ok(Self { client: backend.client().clock(clock.clone()).agent_identity(agent).build()?, clock })
    }

    fn fetch(&self) {
        self.clock.advance(Duration::from_secs(1));
        drop(black_box(fetch(&self.client)));
    }
}

fn verify(jwt: &codex_backend::secrecy::SecretString, context: &AuthContext) {
    let verified = pin!(AgentIdentity::from_jwt(jwt.clone(), context));
    match verified.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(identity)) => drop(black_box(identity)),
        other => panic!("not verified at once: {other:?}"),
    }
}

fn timed(calls: usize, mut call: impl FnMut()) -> impl FnMut() -> f64 {
    move || {
        let start = Instant::now();
        for _ in 0..calls {
            call();
        }
        start.elapsed().as_secs_f64() * 1e9 / calls as f64
    }
}

/// On maps that have room but no headers yet. Making and emptying them is not timed.
fn applied(client: &Client<CodexBackend>) -> impl FnMut() -> f64 {
    let mut maps: Vec<HeaderMap> = (0..WARM_CALLS).map(|_| HeaderMap::with_capacity(8)).collect();
    move || {
        maps.iter_mut().for_each(HeaderMap::clear);
        let start = Instant::now();
        for headers in &mut maps {
            fetch(client).apply_to(black_box(headers));
        }
        start.elapsed().as_secs_f64() * 1e9 / WARM_CALLS as f64
    }
}
