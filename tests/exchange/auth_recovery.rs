//! What happens when the server refuses the credentials, or the provider has none to give.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use codex_backend::auth::{
    AuthContext, AuthErrorKind, AuthFuture, AuthHeaders, AuthRecovery, AuthRefusal, ReauthReason,
};
use codex_backend::testing::{Backend, Fault, ManualClock, Route};
use codex_backend::usage::UsageReport;
use codex_backend::{
    AuthError, AuthProvider, Client, CodexBackend, Error, ErrorKind, OpenAiFileUpload, RetryPolicy, Timeouts, Usage,
};
use secrecy::SecretString;

use crate::support::clock::WaitLog;
use crate::support::guard::guard;

const SECOND: Duration = Duration::from_secs(1);
const ACCOUNT: &str = "acct-embedded";

type MakeHeaders = dyn Fn(u64) -> Result<AuthHeaders, AuthError> + Send + Sync;
type AnswerRefusal = dyn Fn(&AuthRefusal) -> Result<AuthRecovery, AuthError> + Send + Sync;

/// What a provider does; the tests replace single parts.
struct Script {
    headers: Box<MakeHeaders>,
    refused: Box<AnswerRefusal>,
    /// How often a future of this provider is pending before it is ready; `None` is forever.
    pending: Option<u32>,
}

/// A provider that follows a script and notes what it is asked. Its generation counts the resends it promised.
struct Scripted {
    script: Script,
    noted: Arc<Noted>,
}

#[derive(Default)]
struct Noted {
    headers_made: Mutex<u32>,
    refusals: Mutex<Vec<AuthRefusal>>,
    generation: Mutex<u64>,
}

impl Noted {
    fn headers_made(&self) -> u32 {
        *self.headers_made.lock().unwrap()
    }

    fn refusals(&self) -> Vec<AuthRefusal> {
        self.refusals.lock().unwrap().clone()
    }
}

impl AuthProvider for Scripted {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a> {
        *self.noted.headers_made.lock().unwrap() += 1;
        assert!(context.base_url().ends_with("/backend-api"));
        let headers = (self.script.headers)(*self.noted.generation.lock().unwrap());
        self.after_work(headers)
    }

    fn refused<'a>(&'a self, refusal: &'a AuthRefusal, _: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
        self.noted.refusals.lock().unwrap().push(refusal.clone());
        let recovery = (self.script.refused)(refusal);
        if matches!(recovery, Ok(AuthRecovery::Retry)) {
            *self.noted.generation.lock().unwrap() += 1;
        }
        self.after_work(recovery)
    }
}

impl Scripted {
    fn after_work<T: Send + 'static>(&self, result: Result<T, AuthError>) -> AuthFuture<'static, T> {
        match self.script.pending {
            Some(0) => AuthFuture::ready(result),
            Some(times) => AuthFuture::boxed(async move {
                for _ in 0..times {
                    tokio::task::yield_now().await;
                }
                result
            }),
            None => AuthFuture::boxed(pending()),
        }
    }
}

fn scripted(script: Script) -> (Scripted, Arc<Noted>) {
    let noted = Arc::new(Noted::default());
    (Scripted { script, noted: noted.clone() }, noted)
}

/// Good headers, and an answer to refusals.
fn answering(
    backend: &Backend,
    refused: impl Fn(&AuthRefusal) -> Result<AuthRecovery, AuthError> + Send + Sync + 'static,
) -> Script {
    let token = backend.issue_access_token(ACCOUNT);
    Script {
        headers: Box::new(move |generation| AuthHeaders::new(generation).with_bearer(&token)),
        refused: Box::new(refused),
        pending: Some(0),
    }
}

fn always(recovery: AuthRecovery) -> impl Fn(&AuthRefusal) -> Result<AuthRecovery, AuthError> + Send + Sync + 'static {
    move |_| Ok(recovery)
}

fn client(backend: &Backend, provider: Scripted) -> Client<CodexBackend> {
    backend.client().provider(provider).clock(WaitLog::default()).build().unwrap()
}

async fn usage(client: &Client<CodexBackend>) -> Result<UsageReport, Error> {
    guard(Usage::new(client).get()).await
}

#[tokio::test]
async fn a_refused_request_is_sent_again_with_the_headers_that_the_provider_then_has() {
    let backend = Backend::start().unwrap();
    let (stale, fresh) = (backend.issue_access_token(ACCOUNT), backend.issue_access_token(ACCOUNT));
    backend.revoke_access_token(&stale);
    let tokens: [SecretString; 2] = [stale, fresh];
    let mut script = answering(&backend, always(AuthRecovery::Retry));
    script.headers = Box::new(move |at| AuthHeaders::new(at).with_bearer(&tokens[usize::try_from(at).unwrap()]));
    let (provider, noted) = scripted(script);
    usage(&client(&backend, provider)).await.unwrap();
    let sent: Vec<_> = backend.requests().iter().map(|it| it.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(sent.len(), 2);
    assert_ne!(sent[0], sent[1]);
    let refusals = noted.refusals();
    assert_eq!((refusals.len(), refusals[0].generation), (1, 0));
    assert_eq!(refusals[0].code.as_deref(), Some("token_revoked"));
}

#[tokio::test]
async fn a_request_that_is_not_idempotent_is_sent_again_after_a_refusal_too() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::CREATE_FILE, Fault::unauthorized("token_expired"));
    backend.inject(Route::FINALIZE_FILE, Fault::unauthorized("token_expired"));
    let (provider, noted) = scripted(answering(&backend, always(AuthRecovery::Retry)));
    let client = client(&backend, provider);
    let file = guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await.unwrap();
    assert_eq!(file.file_size_bytes(), 5);
    assert_eq!((backend.files().len(), noted.refusals().len()), (1, 2));
    assert_eq!(
        (backend.requests_to(Route::CREATE_FILE).len(), backend.requests_to(Route::FINALIZE_FILE).len()),
        (2, 2)
    );
}

#[tokio::test]
async fn a_provider_that_gives_up_ends_the_call_with_the_servers_answer() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired").times(9));
    let (provider, noted) = scripted(answering(&backend, always(AuthRecovery::GiveUp)));
    let error = usage(&client(&backend, provider)).await.unwrap_err();
    assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Unauthorized, 401));
    assert_eq!((error.code(), error.attempts()), (Some("token_expired"), 1));
    assert!(error.needs_sign_in() && !error.is_retryable() && error.auth_error().is_none());
    assert!(error.to_string().contains("Sign in again"), "{error}");
    assert_eq!((backend.requests().len(), noted.refusals().len()), (1, 1));
}

#[tokio::test]
async fn the_default_answer_to_a_refusal_is_to_give_up() {
    struct Held(SecretString);
    impl AuthProvider for Held {
        type Route = CodexBackend;
        fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
            AuthFuture::ready(AuthHeaders::new(0).with_bearer(&self.0))
        }
    }
    let backend = Backend::start().unwrap();
    let client = backend.client().provider(Held("not-a-known-token".into())).build().unwrap();
    let error = usage(&client).await.unwrap_err();
    assert_eq!((error.kind(), backend.requests().len()), (ErrorKind::Unauthorized, 1));
}

#[tokio::test]
async fn one_call_is_sent_three_times_at_the_most_whatever_the_provider_says() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired").times(99));
    let (provider, noted) = scripted(answering(&backend, always(AuthRecovery::Retry)));
    let error = usage(&client(&backend, provider)).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Auth, 3));
    assert_eq!(error.auth_error().unwrap().reauth_reason(), Some(ReauthReason::RefusedAgain));
    assert_eq!((error.status(), error.code()), (Some(http::StatusCode::UNAUTHORIZED), Some("token_expired")));
    assert_eq!((backend.requests().len(), noted.headers_made()), (3, 3));
    assert!(error.needs_sign_in());
}

#[tokio::test]
async fn refusals_for_the_first_requests_are_survived() {
    for (refusals, succeeds) in [(1, true), (2, true), (3, false)] {
        let backend = Backend::start().unwrap();
        backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired").times(refusals));
        let (provider, _) = scripted(answering(&backend, always(AuthRecovery::Retry)));
        assert_eq!(usage(&client(&backend, provider)).await.is_ok(), succeeds, "{refusals}");
        assert_eq!(backend.requests().len(), 3.min(usize::try_from(refusals).unwrap() + 1));
    }
}

#[tokio::test]
async fn a_refusal_tells_what_was_refused_and_what_the_server_said() {
    let backend = Backend::start().unwrap();
    let date = "Wed, 21 Oct 2026 07:28:00 GMT";
    backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired").header("date", date));
    backend.inject(Route::GET_USAGE, Fault::status(401).header("date", "some day"));
    let (provider, noted) = scripted(answering(&backend, always(AuthRecovery::Retry)));
    usage(&client(&backend, provider)).await.unwrap();
    let refusals = noted.refusals();
    let told: Vec<_> =
        refusals.iter().map(|it| (it.status.as_u16(), it.generation, it.code.as_deref(), it.count)).collect();
    assert_eq!(told, [(401, 0, Some("token_expired"), 1), (401, 1, None, 2)]);
    let server_dates: Vec<Option<SystemTime>> = refusals.iter().map(|it| it.server_date).collect();
    assert_eq!(server_dates, [Some(httpdate::parse_http_date(date).unwrap()), None]);
}

#[tokio::test]
async fn a_generation_that_was_refreshed_meanwhile_is_told_apart() {
    let backend = Backend::start().unwrap();
    let token = backend.issue_access_token(ACCOUNT);
    backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired"));
    let mut script = answering(&backend, |refusal| {
        Ok(if refusal.generation == 41 { AuthRecovery::Retry } else { AuthRecovery::GiveUp })
    });
    script.headers = Box::new(move |generation| AuthHeaders::new(41 + generation).with_bearer(&token));
    let (provider, noted) = scripted(script);
    usage(&client(&backend, provider)).await.unwrap();
    assert_eq!(noted.refusals()[0].generation, 41);
}

#[tokio::test]
async fn an_error_in_answer_to_a_refusal_ends_the_call() {
    type Case = (fn() -> AuthError, AuthErrorKind, bool, bool);
    let cases: [Case; 3] = [
        (|| AuthError::reauth_required("the refresh token was used twice"), AuthErrorKind::ReauthRequired, true, false),
        (|| AuthError::transient("the token service did not answer"), AuthErrorKind::Transient, false, true),
        (|| AuthError::permanent("the account was closed"), AuthErrorKind::Permanent, false, false),
    ];
    for (make, kind, sign_in, retryable) in cases {
        let backend = Backend::start().unwrap();
        backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired").times(9));
        let (provider, noted) = scripted(answering(&backend, move |_| Err(make())));
        let error = usage(&client(&backend, provider)).await.unwrap_err();
        assert_eq!((error.kind(), error.auth_error().unwrap().kind()), (ErrorKind::Auth, kind));
        assert_eq!((error.needs_sign_in(), error.is_retryable()), (sign_in, retryable));
        assert!(error.may_have_been_sent(), "{error:?}");
        assert!(error.to_string().contains(&make().to_string()), "{error}");
        assert_eq!((backend.requests().len(), noted.refusals().len()), (1, 1));
    }
}

#[tokio::test]
async fn an_error_in_answer_to_a_refusal_tells_how_often_the_call_was_sent() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired").times(9));
    let (provider, _) = scripted(answering(&backend, |refusal| match refusal.count {
        1 => Ok(AuthRecovery::Retry),
        _ => Err(AuthError::reauth_required("refused twice")),
    }));
    let error = usage(&client(&backend, provider)).await.unwrap_err();
    assert_eq!((backend.requests().len(), error.attempts()), (2, 2), "{error:?}");
}

#[tokio::test]
async fn nothing_is_sent_when_the_provider_has_no_headers_to_give() {
    type Make = fn(u64) -> Result<AuthHeaders, AuthError>;
    let cases: [(Make, AuthErrorKind, bool); 5] = [
        (|_| Err(AuthError::reauth_required("signed out")), AuthErrorKind::ReauthRequired, true),
        (|_| Err(AuthError::permanent("no task")), AuthErrorKind::Permanent, false),
        (|_| Err(AuthError::transient("vault is sealed")), AuthErrorKind::Transient, false),
        (|at| AuthHeaders::new(at).with_bearer(&"two\nlines".into()), AuthErrorKind::InvalidHeaderValue, false),
        (|at| Ok(AuthHeaders::new(at)), AuthErrorKind::Incomplete, false),
    ];
    for (make, kind, sign_in) in cases {
        for pending in [0, 1] {
            let backend = Backend::start().unwrap();
            let script = Script {
                headers: Box::new(make),
                pending: Some(pending),
                ..answering(&backend, always(AuthRecovery::Retry))
            };
            let (provider, noted) = scripted(script);
            let client = client(&backend, provider);
            let upload = guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await.unwrap_err();
            for error in [usage(&client).await.unwrap_err(), upload] {
                assert_eq!((error.kind(), error.auth_error().unwrap().kind()), (ErrorKind::Auth, kind));
                assert_eq!((error.needs_sign_in(), error.may_have_been_sent()), (sign_in, false), "{error:?}");
                assert_eq!(error.status(), None);
            }
            assert_eq!(client.auth_headers().await.unwrap_err().kind(), kind);
            assert_eq!((backend.requests().len(), noted.refusals().len()), (0, 0), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_provider_keeps_its_cause_in_the_chain() {
    let backend = Backend::start().unwrap();
    let mut script = answering(&backend, always(AuthRecovery::GiveUp));
    script.headers = Box::new(|_| {
        Err(AuthError::transient("the vault did not answer").with_source(std::io::Error::other("socket closed")))
    });
    let (provider, _) = scripted(script);
    let error = usage(&client(&backend, provider)).await.unwrap_err();
    let mut chain = Vec::new();
    let mut next: Option<&dyn std::error::Error> = Some(&error);
    while let Some(cause) = next {
        chain.push(cause.to_string());
        next = cause.source();
    }
    assert_eq!(chain.iter().filter(|line| line.contains("the vault did not answer")).count(), 1, "{chain:?}");
    assert!(chain.last().unwrap().contains("socket closed"), "{chain:?}");
}

#[tokio::test]
async fn a_provider_may_do_work_before_the_request_and_after_a_refusal() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired"));
    let (provider, noted) = scripted(Script { pending: Some(3), ..answering(&backend, always(AuthRecovery::Retry)) });
    usage(&client(&backend, provider)).await.unwrap();
    assert_eq!((backend.requests().len(), noted.headers_made(), noted.refusals().len()), (2, 2, 1));
}

#[tokio::test]
async fn a_provider_that_does_io_of_its_own_is_awaited() {
    /// Asks a token service, which is another server, before every request.
    struct Remote(Backend, Arc<Backend>);
    impl AuthProvider for Remote {
        type Route = CodexBackend;
        fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
            AuthFuture::boxed(async {
                let service = self.0.client().chatgpt(self.0.chatgpt_tokens()).build();
                let service = service.map_err(|error| AuthError::permanent(error.to_string()))?;
                Usage::new(&service).get().await.map_err(|error| AuthError::transient(error.to_string()))?;
                AuthHeaders::new(0).with_bearer(&self.1.issue_access_token(ACCOUNT))
            })
        }
    }
    let (service, backend) = (Backend::start().unwrap(), Arc::new(Backend::start().unwrap()));
    service.inject(Route::GET_USAGE, Fault::delay(Duration::from_millis(20)));
    let client = backend.client().provider(Remote(service, backend.clone())).build().unwrap();
    usage(&client).await.unwrap();
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn a_provider_that_never_answers_is_bounded_by_the_limit_of_the_call() {
    let backend = Backend::start().unwrap();
    let (provider, noted) = scripted(Script { pending: None, ..answering(&backend, always(AuthRecovery::GiveUp)) });
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
    let timeouts = Timeouts::default().attempt(3 * SECOND).call(7 * SECOND);
    let client = backend.client().provider(provider).clock(clock.clone()).timeouts(timeouts).build().unwrap();
    let call = tokio::spawn(Usage::new(&client).get().into_future());
    guard(clock.until_asleep_for(7 * SECOND)).await;
    clock.advance(7 * SECOND);
    let error = guard(call).await.unwrap().unwrap_err();
    assert!(error.is_timeout() && !error.may_have_been_sent(), "{error:?}");
    assert!(error.to_string().contains("7s") && error.to_string().contains("auth provider"), "{error}");
    assert_eq!((backend.requests().len(), noted.headers_made()), (0, 1));
}

/// Good headers at once; a refusal is pondered forever.
struct Brooding(SecretString);

impl AuthProvider for Brooding {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        AuthFuture::ready(AuthHeaders::new(0).with_bearer(&self.0))
    }

    fn refused<'a>(&'a self, _: &'a AuthRefusal, _: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
        AuthFuture::boxed(pending())
    }
}

#[tokio::test]
async fn a_recovery_that_never_ends_is_bounded_by_the_limit_of_the_call() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired"));
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
    let provider = Brooding(backend.issue_access_token(ACCOUNT));
    let timeouts = Timeouts::default().attempt(3 * SECOND).call(7 * SECOND);
    let client = backend.client().provider(provider).clock(clock.clone()).timeouts(timeouts).build().unwrap();
    let call = tokio::spawn(Usage::new(&client).get().into_future());
    guard(clock.until_asleep_for(7 * SECOND)).await;
    clock.advance(7 * SECOND);
    let error = guard(call).await.unwrap().unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!((backend.requests().len(), error.attempts()), (1, 1));
    assert!(error.may_have_been_sent(), "one request was sent and answered: {error:?}");
}

#[tokio::test]
async fn a_provider_behind_a_shared_trait_object_serves_its_route() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired"));
    let (provider, noted) = scripted(answering(&backend, always(AuthRecovery::Retry)));
    let provider: Arc<dyn AuthProvider<Route = CodexBackend>> = Arc::new(provider);
    let clients: Vec<Client<CodexBackend>> =
        (0..2).map(|_| backend.client().provider(provider.clone()).build().unwrap()).collect();
    for client in &clients {
        usage(client).await.unwrap();
    }
    assert_eq!((noted.headers_made(), noted.refusals().len()), (3, 1));
}

#[tokio::test]
async fn retries_and_recovery_do_not_multiply() {
    for (faults, succeeds, sent) in [
        // (401 or 503 in this order, whether the call succeeds with three attempts, requests)
        (vec![503, 401], true, 3),
        (vec![401, 503], true, 3),
        (vec![401, 503, 401, 503, 401], false, 3),
        (vec![503, 401, 503, 401, 503], false, 3),
        (vec![503, 503, 401, 401], false, 3),
        (vec![401, 401, 503, 503], false, 3),
    ] {
        let backend = Backend::start().unwrap();
        for status in &faults {
            backend.inject(Route::GET_USAGE, Fault::status(*status));
        }
        let (provider, _) = scripted(answering(&backend, always(AuthRecovery::Retry)));
        let result = usage(&client(&backend, provider)).await;
        assert_eq!((result.is_ok(), backend.requests().len()), (succeeds, sent), "{faults:?}");
    }
}

#[tokio::test]
async fn recovery_needs_no_retry_policy_and_takes_nothing_from_the_budget() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired").times(2));
    let (provider, _) = scripted(answering(&backend, always(AuthRecovery::Retry)));
    let policy = RetryPolicy::never().budget(0, 0.0);
    let client = backend.client().provider(provider).retry_policy(policy).build().unwrap();
    usage(&client).await.unwrap();
    assert_eq!(backend.requests().len(), 3);
}

#[tokio::test]
async fn only_a_401_is_a_refusal() {
    for fault in [Fault::status(403), Fault::status(407), Fault::status(500), Fault::reset_before_headers()] {
        let backend = Backend::start().unwrap();
        backend.inject(Route::GET_USAGE, fault.clone().times(9));
        let (provider, noted) = scripted(answering(&backend, always(AuthRecovery::Retry)));
        usage(&client(&backend, provider)).await.unwrap_err();
        assert!(noted.refusals().is_empty(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_refused_put_to_the_signed_url_asks_no_provider() {
    let backend = Backend::start().unwrap();
    backend.inject(Route::PUT_FILE, Fault::status(401));
    let (provider, noted) = scripted(answering(&backend, always(AuthRecovery::Retry)));
    let client = client(&backend, provider);
    let error = guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await.unwrap_err();
    assert_eq!((error.operation(), error.status().unwrap().as_u16()), ("files.put", 401));
    assert_eq!((noted.refusals().len(), noted.headers_made()), (0, 1));
    assert_eq!(backend.requests_to(Route::PUT_FILE).len(), 1);
}

#[tokio::test]
async fn an_application_with_another_http_stack_can_recover_through_the_client() {
    let backend = Backend::start().unwrap();
    let (provider, noted) = scripted(answering(&backend, |refusal| match refusal.code.as_deref() {
        Some("token_expired") => Ok(AuthRecovery::Retry),
        _ => Err(AuthError::reauth_required("unknown code")),
    }));
    let client = client(&backend, provider);
    let generation = client.auth_headers().await.unwrap().generation();
    let refusal = AuthRefusal::new(http::StatusCode::UNAUTHORIZED, generation).with_code("token_expired");
    assert_eq!(client.auth_refused(refusal).await.unwrap(), AuthRecovery::Retry);
    assert_eq!(client.auth_headers().await.unwrap().generation(), generation + 1);
    let refusal =
        AuthRefusal::new(http::StatusCode::UNAUTHORIZED, generation + 1).with_server_date(SystemTime::UNIX_EPOCH);
    assert!(client.auth_refused(refusal).await.unwrap_err().needs_sign_in());
    assert_eq!(noted.refusals()[1].server_date, Some(SystemTime::UNIX_EPOCH));
    assert!(backend.requests().is_empty());
}
