//! Many processes refresh one `auth.json`: all at once, killed on the way, and beside writers that are not ours.
//!
//! The binary is its own worker: with `worker` as its first argument it does one thing and reports on standard output.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use codex_backend::auth::{AuthErrorKind, FileStore};
use codex_backend::testing::{Fault, RecordedRequest, Route};
use codex_backend::{ChatGptSession, Error};
use serde_json::{Value, json};

use crate::support::harness::Test;
use crate::support::rounds::rounds;
use crate::support::sign_in::{EXPIRED, HOUR, SignIn, account_of, block_on, replace_without_locks, until};
use crate::worker::{Worker, lock_exclusively};

pub(crate) const TESTS: &[Test] = &[
    ("a_storm_of_processes_refreshes_once", a_storm_of_processes_refreshes_once),
    ("a_process_killed_at_any_point_breaks_nothing", a_process_killed_at_any_point_breaks_nothing),
    ("what_a_killed_refresh_left_behind_goes_with_the_next", what_a_killed_refresh_left_behind_goes_with_the_next),
    ("the_official_tool_and_a_refresh_lose_nothing", the_official_tool_and_a_refresh_lose_nothing),
    ("newer_tokens_written_without_locks_are_adopted", newer_tokens_written_without_locks_are_adopted),
    ("a_race_with_a_writer_without_locks_fails_no_call", a_race_with_a_writer_without_locks_fails_no_call),
    ("a_sign_in_to_another_account_is_never_overwritten", a_sign_in_to_another_account_is_never_overwritten),
    ("accounts_that_alternate_are_never_mixed", accounts_that_alternate_are_never_mixed),
];

// ---- many at once ----

const PROCESSES: usize = 32;
const TASKS: usize = 32;

fn a_storm_of_processes_refreshes_once() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    let before = sign_in.document();
    let mut workers: Vec<Worker> = (0..PROCESSES).map(|number| Worker::calling(&sign_in, number, TASKS)).collect();
    workers.iter_mut().for_each(Worker::wait_until_ready);
    workers.iter_mut().for_each(Worker::release);
    for worker in workers {
        assert_eq!(worker.outcome().unwrap(), json!(vec![Value::Null; TASKS]));
    }

    assert_eq!(sign_in.refreshes().len(), 1);
    assert_eq!(sign_in.backend.requests_to(Route::GET_USAGE).len(), PROCESSES * TASKS);
    assert_refreshed(&before, &sign_in.document());
    assert_eq!(sign_in.temporaries(), [""; 0]);
    assert_family_lives(&sign_in);
}

/// New tokens, and everything else as it was.
#[track_caller]
fn assert_refreshed(before: &Value, after: &Value) {
    let mut expected = before.clone();
    for member in ["access_token", "refresh_token"] {
        assert_ne!(after["tokens"][member], before["tokens"][member]);
        expected["tokens"][member] = after["tokens"][member].clone();
    }
    assert!(after["last_refresh"].as_str() > before["last_refresh"].as_str());
    expected["last_refresh"] = after["last_refresh"].clone();
    assert_eq!(*after, expected);
}

/// The tokens in the file open the backend, and the refresh token among them can be used.
#[track_caller]
fn assert_family_lives(sign_in: &SignIn) {
    sign_in.call().unwrap();
    sign_in.revoke_access_token_in_use();
    let refreshes = sign_in.refreshes().len();
    sign_in.call().unwrap();
    assert_eq!(sign_in.refreshes().len(), refreshes + 1);
    assert_eq!(sign_in.temporaries(), [""; 0]);
}

// ---- killed ----

const CROWD: usize = 4;
/// The worker that is released first, and killed.
const VICTIM: usize = 0;

/// When the victim is killed: that, and up to a random pause later.
#[derive(Debug, Clone, Copy)]
enum Moment {
    Released,
    RequestSent,
    Answered,
    /// After the answer, while the locks that a save needs are held by somebody else.
    BeforeTheSave,
}

impl Moment {
    const ALL: [Self; 4] = [Self::Released, Self::RequestSent, Self::Answered, Self::BeforeTheSave];

    /// In microseconds: long enough to reach into the next moment.
    fn longest_pause(self) -> u64 {
        match self {
            Self::Released | Self::RequestSent => 30_000,
            Self::Answered => 4_000,
            Self::BeforeTheSave => 10_000,
        }
    }
}

/// How far the victim came.
#[derive(Debug, Default)]
struct Tally {
    sent_nothing: u32,
    died_unanswered: u32,
    answered_and_lost: u32,
    answered_and_saved: u32,
}

fn a_process_killed_at_any_point_breaks_nothing() {
    let rounds_each = rounds(4);
    let mut random = fastrand::Rng::with_seed(20_261_123);
    for moment in Moment::ALL {
        let mut tally = Tally::default();
        for _ in 0..rounds_each {
            kill_in_one_round(moment, Duration::from_micros(random.u64(0..moment.longest_pause())), &mut tally);
        }
        println!("  killed at {moment:?}: {tally:?}");
        if matches!(moment, Moment::BeforeTheSave) {
            assert_eq!(tally.answered_and_lost, rounds_each);
        }
    }
}

fn kill_in_one_round(moment: Moment, pause: Duration, tally: &mut Tally) {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    // The same for each: the server acts on the requests in the order in which they were sent.
    sign_in.backend.inject(Route::REFRESH_TOKEN, Fault::delay(Duration::from_millis(15)).times(20));
    let before = sign_in.document();
    let survivors = kill_one(&sign_in, moment, pause);

    let after = sign_in.document();
    let answered_to_victim = answered(&sign_in).iter().any(is_of_the_victim);
    let is_lost = after["tokens"]["refresh_token"] == before["tokens"]["refresh_token"];
    let counter = match (answered_to_victim, is_lost) {
        (true, true) => &mut tally.answered_and_lost,
        (true, false) => &mut tally.answered_and_saved,
        (false, true) => panic!("{moment:?} {pause:?}: the family is lost, and the victim had no answer"),
        (false, false) if sign_in.refreshes().iter().any(is_of_the_victim) => &mut tally.died_unanswered,
        (false, false) => &mut tally.sent_nothing,
    };
    *counter += 1;
    if is_lost {
        assert_eq!(after, before);
        assert_sign_in_is_asked_for(&sign_in, &survivors);
        replace_without_locks(&sign_in.path(), &sign_in.backend.issue_auth_json("acct-1", EXPIRED));
    } else {
        assert_refreshed(&before, &after);
        let answers = answered(&sign_in);
        assert_eq!(
            answers.iter().filter(|post| has_refresh_token_of(post, &before)).count(),
            1,
            "{moment:?} {pause:?}"
        );
        assert!(survivors.iter().flatten().all(Value::is_null), "{moment:?} {pause:?}: {survivors:?}");
    }
    assert_family_lives(&sign_in);
}

/// What the survivors' calls came to.
fn kill_one(sign_in: &SignIn, moment: Moment, pause: Duration) -> Vec<Vec<Value>> {
    let mut workers: Vec<Worker> = (0..CROWD).map(|number| Worker::calling(sign_in, number, CROWD)).collect();
    workers.iter_mut().for_each(Worker::wait_until_ready);
    workers[VICTIM].release();
    if !matches!(moment, Moment::Released) {
        until("a request", || !sign_in.refreshes().is_empty());
    }
    // Taken before that, it would keep the request from being sent.
    let held = matches!(moment, Moment::BeforeTheSave).then(|| lock_exclusively(&sign_in.folder().join("auth.lock")));
    workers[VICTIM + 1..].iter_mut().for_each(Worker::release);
    if matches!(moment, Moment::Answered | Moment::BeforeTheSave) {
        until("an answer", || !answered(sign_in).is_empty());
    }
    thread::sleep(pause);
    workers.remove(VICTIM).kill();
    drop(held);
    let outcomes = workers.into_iter().map(|worker| worker.outcome().unwrap());
    outcomes.map(|outcome| outcome.as_array().unwrap().clone()).collect()
}

fn what_a_killed_refresh_left_behind_goes_with_the_next() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    let before = sign_in.document();
    let mut victim = Worker::calling(&sign_in, VICTIM, 1);
    victim.wait_until_ready();
    sign_in.backend.inject(Route::REFRESH_TOKEN, Fault::delay(Duration::from_millis(200)));
    victim.release();
    until("a request", || !sign_in.refreshes().is_empty());
    let held = lock_exclusively(&sign_in.folder().join("auth.lock"));
    until("an answer", || !answered(&sign_in).is_empty());
    victim.kill();
    drop(held);
    assert_eq!((sign_in.temporaries().len(), sign_in.document()), (1, before));
    assert_sign_in_is_asked_for(&sign_in, &[]);
    assert_eq!(sign_in.temporaries(), [""; 0]);
}

fn assert_sign_in_is_asked_for(sign_in: &SignIn, survivors: &[Vec<Value>]) {
    for failure in survivors.iter().flatten() {
        assert_eq!(failure["kind"], "ReauthRequired", "{failure}");
        assert!(failure["text"].as_str().unwrap().contains("sign in again"), "{failure}");
    }
    let error = sign_in.call().unwrap_err();
    assert_eq!(auth_kind(&error), Some(AuthErrorKind::ReauthRequired));
    assert!(error.needs_sign_in());
}

/// The requests that the server has acted on: it records the body when it does.
fn answered(sign_in: &SignIn) -> Vec<RecordedRequest> {
    sign_in.refreshes().into_iter().filter(|post| !post.body.is_empty()).collect()
}

fn is_of_the_victim(post: &RecordedRequest) -> bool {
    post.header("originator") == Some(&Worker::name(VICTIM))
}

fn has_refresh_token_of(post: &RecordedRequest, document: &Value) -> bool {
    post.json()["refresh_token"] == document["tokens"]["refresh_token"]
}

// ---- beside others ----

fn the_official_tool_and_a_refresh_lose_nothing() {
    let refreshes = rounds(5);
    let sign_in = SignIn::with_foreign_members(HOUR);
    let before = sign_in.document();
    let mut tool = Worker::official_tool(&sign_in);
    tool.wait_until_ready();
    for _ in 0..refreshes {
        let old = sign_in.document();
        sign_in.revoke_access_token_in_use();
        sign_in.call().unwrap();
        assert_ne!(sign_in.document()["tokens"]["access_token"], old["tokens"]["access_token"]);
    }
    tool.release();
    let rewrites = tool.outcome().unwrap();

    assert!(rewrites.as_u64().unwrap() > 0);
    let mut after = sign_in.document();
    assert_eq!(after["tool"].take(), json!({ "rewrites": rewrites }));
    assert_eq!(after["tokens"]["login_owner_id"].take(), rewrites);
    let mut expected = before;
    expected["tool"].take();
    expected["tokens"]["login_owner_id"].take();
    assert_refreshed(&expected, &after);
    assert_no_token_was_sent_twice(&sign_in, refreshes as usize);
    assert_family_lives(&sign_in);
}

#[track_caller]
fn assert_no_token_was_sent_twice(sign_in: &SignIn, expected: usize) {
    let mut sent: Vec<String> =
        sign_in.refreshes().iter().map(|post| post.json()["refresh_token"].to_string()).collect();
    assert_eq!(sent.len(), expected);
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), expected);
}

fn newer_tokens_written_without_locks_are_adopted() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    let newer = sign_in.backend.issue_auth_json("acct-1", HOUR);
    call_during_which(&sign_in, || replace_without_locks(&sign_in.path(), &newer)).unwrap();
    let newer: Value = serde_json::from_str(&newer).unwrap();
    assert_eq!(sign_in.document(), newer);
    let used = sign_in.backend.requests_to(Route::GET_USAGE);
    let bearer = format!("Bearer {}", newer["tokens"]["access_token"].as_str().unwrap());
    assert_eq!(used.last().unwrap().header("authorization"), Some(&*bearer));
    assert_family_lives(&sign_in);
}

/// One call that has to refresh; `happens` while the request of the refresh is on its way.
fn call_during_which(sign_in: &SignIn, happens: impl FnOnce()) -> Result<(), Error> {
    sign_in.backend.inject(Route::REFRESH_TOKEN, Fault::delay(Duration::from_millis(400)));
    thread::scope(|scope| {
        let call = scope.spawn(|| sign_in.call());
        until("a request", || !sign_in.refreshes().is_empty());
        happens();
        call.join().unwrap()
    })
}

fn a_race_with_a_writer_without_locks_fails_no_call() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    beside_a_writer(
        || replace_without_locks(&sign_in.path(), &sign_in.backend.issue_auth_json("acct-1", HOUR)),
        || {
            for _ in 0..rounds(10) {
                sign_in.revoke_access_token_in_use();
                sign_in.call().unwrap();
                assert_of_one_account(&sign_in.document());
            }
        },
    );
    sign_in.call().unwrap();
    assert_family_lives(&sign_in);
}

/// Runs `ours` while `writes` is done again and again on a thread of its own.
fn beside_a_writer(writes: impl Fn() + Sync, ours: impl FnOnce()) {
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stopped = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&stopped);
        scope.spawn(|| {
            while !stopped.load(Ordering::Relaxed) {
                writes();
                thread::sleep(Duration::from_millis(4));
            }
        });
        ours();
    });
}

#[track_caller]
fn assert_of_one_account(document: &Value) -> String {
    let tokens = &document["tokens"];
    let account = tokens["account_id"].as_str().unwrap();
    for token in ["access_token", "id_token"] {
        assert_eq!(account_of(tokens[token].as_str().unwrap()), account, "{token}");
    }
    account.to_owned()
}

fn a_sign_in_to_another_account_is_never_overwritten() {
    let sign_in = SignIn::with_foreign_members(EXPIRED);
    let other = sign_in.backend.issue_auth_json("acct-2", HOUR);
    let error = call_during_which(&sign_in, || replace_without_locks(&sign_in.path(), &other)).unwrap_err();
    assert_eq!(auth_kind(&error), Some(AuthErrorKind::AccountMismatch), "{error:?}");
    assert_eq!(sign_in.document(), serde_json::from_str::<Value>(&other).unwrap());
    assert_eq!(sign_in.refreshes().len(), 1);
    assert_eq!(sign_in.temporaries(), [""; 0]);
    assert_family_lives(&sign_in);
}

fn accounts_that_alternate_are_never_mixed() {
    let sign_in = SignIn::with_foreign_members(HOUR);
    let turn = AtomicBool::new(false);
    let sign_in_elsewhere = || {
        let account = if turn.fetch_xor(true, Ordering::Relaxed) { "acct-1" } else { "acct-2" };
        replace_without_locks(&sign_in.path(), &sign_in.backend.issue_auth_json(account, HOUR));
    };
    beside_a_writer(sign_in_elsewhere, || {
        for _ in 0..rounds(20) {
            let session = ChatGptSession::open(FileStore::new(sign_in.path())).unwrap();
            sign_in.revoke_access_token_in_use();
            if let Err(error) = block_on(sign_in.client_of(session).usage().get().into_future()) {
                assert_eq!(auth_kind(&error), Some(AuthErrorKind::AccountMismatch), "{error:?}");
            }
            assert_of_one_account(&sign_in.document());
        }
    });
    assert_of_one_account(&sign_in.document());
    sign_in.call().unwrap();
    assert_family_lives(&sign_in);
}

fn auth_kind(error: &Error) -> Option<AuthErrorKind> {
    error.auth_error().map(codex_backend::AuthError::kind)
}
