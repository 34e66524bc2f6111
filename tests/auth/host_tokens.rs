//! ChatGPT tokens that a host application gives: when it is asked, for whom, and what becomes of its errors.

use std::future::{Future, pending};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use codex_backend::auth::{
    AuthErrorKind, AuthHealth, AuthMode, AuthRecovery, AuthRefusal, CredentialRestrictions, HostTokenRequest,
    HostTokens, ReauthReason, SignInMethod,
};
use codex_backend::testing::{Backend, Fault, ManualClock, Route};
use codex_backend::{AuthError, ChatGptTokens, Client, CodexAuth, CodexBackend, Error, ErrorKind, OpenAiFileUpload};
use futures_util::future::join_all;
use secrecy::SecretString;
use tokio::sync::Semaphore;

use crate::support::guard::guard;

const LIMIT: Duration = Duration::from_secs(10);

/// A host application that notes what it is asked.
#[derive(Clone)]
struct Host {
    backend: Arc<Backend>,
    asked: Arc<Mutex<Vec<HostTokenRequest>>>,
}

impl Host {
    fn new() -> Self {
        Self { backend: Arc::new(Backend::start().unwrap()), asked: Arc::default() }
    }

    /// Its answers are made by `answer`, which gets the number of the question, counted from 0.
    fn answering<T>(&self, answer: impl Fn(usize, HostTokenRequest) -> T + Send + Sync + 'static) -> HostTokens
    where
        T: Future<Output = Result<ChatGptTokens, AuthError>> + Send + 'static,
    {
        let asked = self.asked.clone();
        HostTokens::new(move |request| {
            let number = {
                let mut asked = asked.lock().unwrap();
                asked.push(request.clone());
                asked.len() - 1
            };
            answer(number, request)
        })
    }

    /// Gives a token of the account that comes next.
    fn of_accounts(&self, accounts: &'static [&'static str]) -> HostTokens {
        let backend = self.backend.clone();
        self.answering(move |number, _| {
            let token = backend.issue_access_token(accounts[number]);
            async move { Ok(ChatGptTokens::new(token)) }
        })
    }

    fn client(&self, tokens: HostTokens) -> Client<CodexBackend> {
        self.backend.client().provider(tokens).build().unwrap()
    }

    /// Whether each question was for tokens in place of refused ones, and whose those were.
    fn asked(&self) -> Vec<(bool, Option<String>)> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|request| (request.unauthorized, request.previous_account_id.clone())).collect()
    }

    fn sent(&self) -> usize {
        self.backend.requests_to(Route::GET_USAGE).len()
    }
}

fn of(account_id: &str) -> Option<String> {
    Some(account_id.to_owned())
}

async fn usage(client: &Client<CodexBackend>) -> Result<(), Error> {
    guard(client.usage().get()).await.map(drop)
}

/// As many calls at once, each in a task of its own.
async fn calls(client: &Client<CodexBackend>, count: usize) -> Vec<Result<(), Error>> {
    let calls: Vec<_> = (0..count)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { usage(&client).await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for call in calls {
        outcomes.push(guard(call).await.unwrap());
    }
    outcomes
}

#[tokio::test]
async fn the_host_is_asked_once_and_its_tokens_open_every_endpoint() {
    let host = Host::new();
    let client = host.client(host.of_accounts(&["acct-1"]));
    assert!(host.asked().is_empty(), "nothing is asked before the first request");
    usage(&client).await.unwrap();
    guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await.unwrap();
    assert_eq!(host.asked(), [(false, None)]);
    assert_eq!(host.backend.requests()[0].header("chatgpt-account-id"), Some("acct-1"));
    assert_eq!(client.auth_health(), AuthHealth::Ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_calls_ask_the_host_once() {
    let host = Host::new();
    let (backend, gate) = (host.backend.clone(), Arc::new(Semaphore::new(0)));
    let opened = gate.clone();
    let tokens = host.answering(move |_, _| {
        let (token, gate) = (backend.issue_access_token("acct-1"), gate.clone());
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(ChatGptTokens::new(token))
        }
    });
    let client = host.client(tokens.clone());
    // Clones share what they hold, whichever client they are in.
    let other = host.client(tokens);
    let (first, second) = tokio::join!(calls(&client, 50), async {
        while host.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        let calls = calls(&other, 50);
        opened.add_permits(100);
        calls.await
    });
    assert!(first.iter().chain(&second).all(Result::is_ok));
    assert_eq!((host.asked().len(), host.sent()), (1, 100));
}

#[tokio::test]
async fn a_failure_is_shared_and_does_not_poison_what_follows() {
    let host = Host::new();
    let (backend, gate) = (host.backend.clone(), Arc::new(Semaphore::new(0)));
    let opened = gate.clone();
    let tokens = host.answering(move |number, _| {
        let (token, gate) = (backend.issue_access_token("acct-1"), gate.clone());
        async move {
            if number == 0 {
                gate.acquire().await.unwrap().forget();
                return Err(AuthError::transient("the window is not open yet"));
            }
            Ok(ChatGptTokens::new(token))
        }
    });
    let client = host.client(tokens);
    let waiting = tokio::spawn(join_all((0..20).map(|_| {
        let client = client.clone();
        async move { client.auth_headers().await }
    })));
    // One thread: when the host has been asked, all of them have begun to wait.
    while host.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    opened.add_permits(1);
    for outcome in guard(waiting).await.unwrap() {
        let error = outcome.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("not open yet"), "{error}");
    }
    assert_eq!((host.asked().len(), host.sent()), (1, 0));
    usage(&client).await.unwrap();
    assert_eq!(host.asked(), [(false, None), (false, None)]);
}

#[tokio::test]
async fn after_a_401_the_host_is_told_and_asked_again() {
    let host = Host::new();
    let client = host.client(host.of_accounts(&["acct-1", "acct-1", "acct-1"]));
    usage(&client).await.unwrap();
    let first = client.auth_headers().await.unwrap();
    host.backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired"));
    usage(&client).await.unwrap();
    assert_eq!(host.asked(), [(false, None), (true, of("acct-1"))]);
    let second = client.auth_headers().await.unwrap();
    assert_eq!((first.generation(), second.generation()), (0, 1));

    // Somebody who was refused with the first tokens need not ask for third ones.
    let late = AuthRefusal::new(http::StatusCode::UNAUTHORIZED, first.generation());
    assert_eq!(client.auth_refused(late).await.unwrap(), AuthRecovery::Retry);
    assert_eq!(host.asked().len(), 2);
    let now = AuthRefusal::new(http::StatusCode::UNAUTHORIZED, second.generation());
    assert_eq!(client.auth_refused(now).await.unwrap(), AuthRecovery::Retry);
    assert_eq!((host.asked().len(), client.auth_headers().await.unwrap().generation()), (3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_401s_asks_once() {
    let host = Host::new();
    let revoked = Arc::new(Mutex::new(None::<SecretString>));
    let (backend, first) = (host.backend.clone(), revoked.clone());
    let tokens = host.answering(move |number, _| {
        let token = backend.issue_access_token("acct-1");
        if number == 0 {
            *first.lock().unwrap() = Some(token.clone());
        }
        async move { Ok(ChatGptTokens::new(token)) }
    });
    let client = host.client(tokens);
    usage(&client).await.unwrap();
    host.backend.revoke_access_token(revoked.lock().unwrap().as_ref().unwrap());
    let outcomes = calls(&client, 50).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(host.asked(), [(false, None), (true, of("acct-1"))]);
}

#[tokio::test]
async fn tokens_that_are_refused_again_end_the_call_after_three_sends() {
    let host = Host::new();
    let client = host.client(host.of_accounts(&["acct-1"; 4]));
    host.backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired").times(3));
    let error = usage(&client).await.unwrap_err();
    assert_eq!(error.auth_error().unwrap().reauth_reason(), Some(ReauthReason::RefusedAgain));
    assert_eq!((error.code(), error.attempts(), host.sent()), (Some("token_expired"), 3, 3));
    assert_eq!(host.asked().len(), 3);
    // The next call is not the worse for it.
    usage(&client).await.unwrap();
}

#[tokio::test]
async fn a_host_that_has_no_more_tokens_ends_the_call_in_its_own_words() {
    let host = Host::new();
    let backend = host.backend.clone();
    let tokens = host.answering(move |number, _| {
        let token = backend.issue_access_token("acct-1");
        async move {
            match number {
                0 | 3 => Ok(ChatGptTokens::new(token)),
                1 => Err(AuthError::reauth_required("the user has closed the session")),
                _ => Err(AuthError::transient("the pipe is full")),
            }
        }
    });
    let client = host.client(tokens);
    usage(&client).await.unwrap();
    for (kind, said, retryable) in
        [(AuthErrorKind::ReauthRequired, "closed the session", false), (AuthErrorKind::Transient, "pipe is full", true)]
    {
        host.backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired"));
        let error = usage(&client).await.unwrap_err();
        assert_eq!((error.kind(), error.auth_error().unwrap().kind()), (ErrorKind::Auth, kind));
        assert!(error.to_string().contains(said) && error.may_have_been_sent(), "{error}");
        assert_eq!((error.is_retryable(), error.needs_sign_in()), (retryable, !retryable));
    }
    // The earlier tokens are still used; when they are refused again, the host is asked again.
    usage(&client).await.unwrap();
    host.backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired"));
    usage(&client).await.unwrap();
    assert_eq!(host.asked().len(), 4);
}

#[tokio::test]
async fn tokens_of_another_account_are_refused_and_the_first_ones_stay() {
    let host = Host::new();
    let client = host.client(host.of_accounts(&["acct-1", "acct-2", "acct-1"]));
    usage(&client).await.unwrap();
    host.backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired").times(2));
    let error = usage(&client).await.unwrap_err();
    assert_eq!(error.auth_error().unwrap().kind(), AuthErrorKind::AccountMismatch);
    assert_eq!(client.auth_headers().await.unwrap().generation(), 0);
    // The account asked for is still the first one.
    usage(&client).await.unwrap();
    assert_eq!(host.asked(), [(false, None), (true, of("acct-1")), (true, of("acct-1"))]);
    for request in host.backend.requests() {
        assert_eq!(request.header("chatgpt-account-id"), Some("acct-1"));
    }
}

#[tokio::test]
async fn tokens_that_do_not_tell_their_account_are_no_answer_for_one_that_is_known() {
    let host = Host::new();
    let backend = host.backend.clone();
    let tokens = host.answering(move |number, _| {
        let token = if number == 0 { backend.issue_access_token("acct-1") } else { "opaque".into() };
        async move { Ok(ChatGptTokens::new(token)) }
    });
    let client = host.client(tokens);
    host.backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired"));
    let error = usage(&client).await.unwrap_err();
    assert_eq!(error.auth_error().unwrap().kind(), AuthErrorKind::AccountMismatch);
}

#[tokio::test]
async fn tokens_that_cannot_be_used_are_not_sent() {
    let jwt = Backend::start().unwrap().issue_access_token("acct-1");
    type Make = fn(SecretString) -> ChatGptTokens;
    let cases: [(Make, AuthErrorKind); 4] = [
        (|jwt| ChatGptTokens::new(jwt).account_id("acct-2"), AuthErrorKind::AccountMismatch),
        (|_| ChatGptTokens::new("two words"), AuthErrorKind::InvalidHeaderValue),
        (|_| ChatGptTokens::new(""), AuthErrorKind::Incomplete),
        (|_| ChatGptTokens::new("opaque").account_id("acct\n1"), AuthErrorKind::InvalidHeaderValue),
    ];
    for (make, kind) in cases {
        let (host, jwt) = (Host::new(), jwt.clone());
        let tokens = host.answering(move |_, _| {
            let tokens = make(jwt.clone());
            async move { Ok(tokens) }
        });
        let error = usage(&host.client(tokens)).await.unwrap_err();
        assert_eq!(error.auth_error().unwrap().kind(), kind);
        assert!(!error.may_have_been_sent() && host.backend.requests().is_empty());
    }
}

#[tokio::test]
async fn the_host_has_ten_seconds_and_then_its_answer_is_dropped() {
    struct Dropped(Arc<AtomicUsize>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let host = Host::new();
    let (backend, dropped) = (host.backend.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = dropped.clone();
    let tokens = host.answering(move |number, _| {
        let (token, pondered) = (backend.issue_access_token("acct-1"), Dropped(counted.clone()));
        async move {
            if number == 0 {
                pending::<()>().await;
            }
            drop(pondered);
            Ok(ChatGptTokens::new(token))
        }
    });
    let clock = ManualClock::starting_at(SystemTime::now());
    let client = host.backend.client().clock(clock.clone()).provider(tokens).build().unwrap();
    let call = tokio::spawn({
        let client = client.clone();
        async move { usage(&client).await }
    });
    guard(clock.until_asleep_for(LIMIT)).await;
    clock.advance(LIMIT - Duration::from_millis(1));
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    clock.advance(Duration::from_millis(1));
    let error = guard(call).await.unwrap().unwrap_err();
    assert!(error.auth_error().unwrap().is_transient() && error.to_string().contains("10s"), "{error}");
    assert_eq!((dropped.load(Ordering::SeqCst), host.sent()), (1, 0));
    usage(&client).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_its_question_with_it_and_nothing_else() {
    let host = Host::new();
    let backend = host.backend.clone();
    let tokens = host.answering(move |number, _| {
        let token = backend.issue_access_token("acct-1");
        async move {
            if number == 0 {
                pending::<()>().await;
            }
            Ok(ChatGptTokens::new(token))
        }
    });
    let client = host.client(tokens);
    let [first, second] = [0, 1].map(|_| {
        let client = client.clone();
        tokio::spawn(async move { usage(&client).await })
    });
    while host.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    first.abort();
    guard(second).await.unwrap().unwrap();
    assert_eq!(host.asked(), [(false, None), (false, None)]);
}

#[tokio::test]
async fn a_host_that_panics_does_so_in_the_call_that_asks_and_in_no_other() {
    let host = Host::new();
    let backend = host.backend.clone();
    let tokens = host.answering(move |number, _| {
        assert_ne!(number, 0, "a mistake in the application");
        let token = backend.issue_access_token("acct-1");
        async move { Ok(ChatGptTokens::new(token)) }
    });
    let client = host.client(tokens);
    let call = tokio::spawn({
        let client = client.clone();
        async move { usage(&client).await }
    });
    assert!(guard(call).await.unwrap_err().is_panic());
    usage(&client).await.unwrap();
}

#[tokio::test]
async fn restrictions_hold_for_whatever_the_host_gives() {
    for (restrictions, allowed) in [
        (CredentialRestrictions::default().workspaces(["acct-1", "acct-9"]), true),
        (CredentialRestrictions::default().sign_in_method(SignInMethod::ChatGpt), true),
        (CredentialRestrictions::default().workspaces(["acct-2"]), false),
        (CredentialRestrictions::default().sign_in_method(SignInMethod::Api), false),
    ] {
        let backend = Arc::new(Backend::start().unwrap());
        let issuer = backend.clone();
        let tokens = HostTokens::restricted(restrictions, move |_| {
            let token = issuer.issue_access_token("acct-1");
            async move { Ok(ChatGptTokens::new(token)) }
        });
        let outcome = usage(&backend.client().provider(tokens).build().unwrap()).await;
        assert_eq!(outcome.is_ok(), allowed, "{outcome:?}");
        if let Err(error) = outcome {
            assert_eq!(error.auth_error().unwrap().kind(), AuthErrorKind::NotAllowed);
            assert!(backend.requests().is_empty());
        }
    }
}

#[tokio::test]
async fn they_are_chatgpt_auth_tokens_and_show_none() {
    let host = Host::new();
    let tokens = host.of_accounts(&["acct-1"]);
    let auth = CodexAuth::from(tokens.clone());
    assert_eq!((auth.mode(), auth.source()), (AuthMode::ChatGptAuthTokens, "the application"));
    assert_eq!(auth.account_id(), None);
    let client = host.backend.client().codex_auth(&auth).unwrap().build().unwrap();
    usage(&client).await.unwrap();
    let shown = format!("{tokens:?} {auth:?} {:?}", auth.provider());
    assert!(shown.contains("acct-1"), "{shown}");
    let sent = host.backend.requests()[0].header("authorization").unwrap().to_owned();
    assert!(!shown.contains(sent.rsplit('.').next().unwrap()), "{shown}");
}
