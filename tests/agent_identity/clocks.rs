//! Clocks that differ.

use codex_backend::auth::{AgentIdentityError, ClockSkew};
use codex_backend::testing::{Backend, Fault, ManualClock, Route};
use codex_backend::{Error, ErrorKind};

use super::support::{Stage, TIMESTAMP, after_epoch, agent_123, at, detail, seconds, usage};

fn skew(error: &Error) -> ClockSkew {
    match detail(error.auth_error().unwrap_or_else(|| panic!("{error:?}"))) {
        AgentIdentityError::WrongClock { skew, .. } => *skew,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_error_says_by_how_much() {
    for (local, expected, words) in [
        ("2026-04-22T23:50:00Z", ClockSkew::Behind(seconds(600)), "10m behind the server's"),
        ("2026-04-23T01:00:05Z", ClockSkew::Ahead(seconds(3605)), "1h 5s ahead of the server's"),
    ] {
        let stage = Stage::new();
        let agent = agent_123().register(&stage.context()).await.unwrap();
        let clock = ManualClock::starting_at(at(local));
        let client = stage.backend.client().clock(clock).agent_identity(agent).build().unwrap();
        let error = usage(&client).await.unwrap_err();
        assert_eq!(skew(&error), expected);
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Auth, 401));
        assert_eq!(error.code(), Some("timestamp_out_of_range"));
        assert_eq!(stage.backend.requests_to(Route::GET_USAGE).len(), 1);
    }
}

#[tokio::test]
async fn a_minute_is_not_the_problem() {
    for (ahead, is_named) in [(60, false), (61, true)] {
        let stage = Stage::new();
        let client = stage.client(agent_123().register(&stage.context()).await.unwrap());
        let date = httpdate::fmt_http_date(at(TIMESTAMP) + seconds(ahead));
        stage.backend.inject(Route::GET_USAGE, Fault::unauthorized("token_revoked").header("date", &date));
        let error = usage(&client).await.unwrap_err();
        assert_eq!(error.kind() == ErrorKind::Auth, is_named, "{error}");
    }
}

#[tokio::test]
async fn the_servers_time_is_taken_over_where_that_is_wanted() {
    let stage = Stage::new();
    let clock = ManualClock::starting_at(at("2020-01-01T00:00:00Z"));
    let client = || stage.backend.client().clock(clock.clone());
    // From the registration on.
    let identity = agent_123().follow_server_clock(true);
    let agent = identity.register(&client().auth_context().unwrap()).await.unwrap();
    assert_eq!(stage.registrations(), 2);
    let one = client().agent_identity(agent).build().unwrap();
    usage(&one).await.unwrap();
    assert_eq!(stage.backend.requests_to(Route::GET_USAGE).len(), 1);
    // The clock of this machine jumps: found out by the next refusal.
    clock.set_now(at("2030-01-01T00:00:00Z"));
    usage(&one).await.unwrap();
    assert_eq!(stage.backend.requests_to(Route::GET_USAGE).len(), 3);
    usage(&one).await.unwrap();
    assert_eq!(stage.backend.requests_to(Route::GET_USAGE).len(), 4);
}

#[tokio::test]
async fn an_expired_task_behind_a_wrong_clock_is_replaced_in_the_same_call() {
    let stage = Stage::new();
    let agent = agent_123().follow_server_clock(true).register(&stage.context()).await.unwrap();
    let clock = ManualClock::starting_at(at("2026-04-22T12:00:00Z"));
    let client = stage.backend.client().clock(clock).agent_identity(agent).build().unwrap();
    stage.backend.expire_agent_tasks();
    usage(&client).await.unwrap();
    let sent = stage.backend.requests_to(Route::GET_USAGE).len();
    assert_eq!((sent, stage.registrations()), (3, 2));
    // The other way about: the registration of the new task is what finds the clock wrong.
    let agent = agent_123().follow_server_clock(true).register(&stage.context()).await.unwrap();
    let clock = ManualClock::starting_at(at("2026-04-22T12:00:00Z"));
    let client = stage.backend.client().clock(clock).agent_identity(agent).build().unwrap();
    stage.backend.inject(Route::GET_USAGE, Fault::status(401).body(r#"{"code":"task_expired"}"#));
    usage(&client).await.unwrap();
    let sent = stage.backend.requests_to(Route::GET_USAGE).len() - sent;
    assert_eq!((sent, stage.registrations()), (2, 5));
}

#[tokio::test]
async fn many_refusals_at_once_take_it_over_together() {
    let stage = Stage::new();
    let agent = agent_123().follow_server_clock(true).register(&stage.context()).await.unwrap();
    let clock = ManualClock::starting_at(at("2026-04-22T12:00:00Z"));
    let client = stage.backend.client().clock(clock).agent_identity(agent).build().unwrap();
    for outcome in futures_util::future::join_all((0..100).map(|_| usage(&client))).await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn a_refused_registration_and_a_refused_new_task_name_the_clock() {
    let stage = Stage::new();
    let clock = ManualClock::starting_at(at("2026-04-22T23:50:00Z"));
    let context = stage.backend.client().clock(clock.clone()).auth_context().unwrap();
    let error = agent_123().register(&context).await.unwrap_err();
    assert!(matches!(detail(&error), AgentIdentityError::RegistrationStatus { status: 401, .. }), "{error}");
    assert!(error.to_string().contains("10m behind the server's"), "{error}");
}

#[tokio::test]
async fn a_clock_that_no_timestamp_can_carry_is_an_error_and_no_panic() {
    for now in [at("1970-01-01T00:00:00Z") - seconds(1), after_epoch(253_402_300_800)] {
        let backend = Backend::start().unwrap();
        let identity = backend.issue_agent_identity("acct-1").unwrap();
        let context = backend.client().clock(ManualClock::starting_at(now)).auth_context().unwrap();
        let error = identity.register(&context).await.unwrap_err();
        assert!(matches!(detail(&error), AgentIdentityError::ClockUnusable), "{error}");
        assert_eq!(backend.requests().len(), 0);
    }
    let last = after_epoch(253_402_300_799);
    let backend = Backend::start().unwrap();
    backend.set_clock(ManualClock::starting_at(last));
    let identity = backend.issue_agent_identity("acct-1").unwrap();
    identity.register(&backend.client().clock(ManualClock::starting_at(last)).auth_context().unwrap()).await.unwrap();
}
