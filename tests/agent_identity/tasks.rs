//! The life of a task: registered once, replaced once, and never half.

use std::sync::{Arc, Mutex};

use codex_backend::auth::{
    AgentAuthApi, AgentIdentity, AgentIdentityError, AuthErrorKind, AuthHeaders, AuthRecovery, AuthRefusal,
};
use codex_backend::testing::{Backend, Fault, RecordedRequest, Route};
use codex_backend::transport::{Environment, Transport, TransportError, TransportFuture, TransportRequest};
use codex_backend::{Client, ErrorKind, OpenAiFileUpload, RetryPolicy};
use futures_util::future::join_all;
use http::StatusCode;
use secrecy::ExposeSecret;
use serde_json::json;

use super::support::{Stage, agent_123, detail, json_answer, record, seconds, usage};

/// A transport that reaches nothing, and remembers where it was to go.
#[derive(Debug, Default, Clone)]
pub(crate) struct Recorder {
    urls: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    pub(crate) fn urls(&self) -> Vec<String> {
        self.urls.lock().unwrap().clone()
    }
}

impl Transport for Recorder {
    fn send(&self, request: TransportRequest) -> TransportFuture<'_> {
        self.urls.lock().unwrap().push(request.url.to_string());
        Box::pin(async { Err(TransportError::not_sent("nothing is reached")) })
    }
}

#[tokio::test]
async fn uploads_and_usage_with_either_agent_plain_and_sealed() {
    for seals in [false, true] {
        let backend = Backend::start().unwrap();
        backend.seal_agent_tasks(seals);
        backend.add_fedramp_account("acct-gov");
        let identity = backend.issue_agent_identity("acct-gov").unwrap();
        let context = backend.client().auth_context().unwrap();
        let clients = [
            backend.client().agent_identity(identity.register(&context).await.unwrap()).build().unwrap(),
            backend.client().agent_identity(identity.lazy()).build().unwrap(),
        ];
        for client in clients {
            let file = OpenAiFileUpload::new(&client).bytes("notes.txt", "hello").await.unwrap();
            assert!(file.uri().starts_with("sediment://"));
            usage(&client).await.unwrap();
        }
        assert_eq!(backend.requests_to(Route::REGISTER_TASK).len(), 2);
        for request in backend.requests_to(Route::PUT_FILE) {
            assert!(request.header("authorization").is_none() && request.header("chatgpt-account-id").is_none());
        }
        for request in backend.requests_to(Route::GET_USAGE) {
            assert!(request.header("authorization").unwrap().starts_with("AgentAssertion "));
            assert_eq!(request.header("chatgpt-account-id"), Some("acct-gov"));
            assert_eq!(request.header("x-openai-fedramp"), Some("true"));
        }
    }
}

#[tokio::test]
async fn a_task_that_is_kept_is_used_without_registering() {
    let stage = Stage::new();
    let first = agent_123().register(&stage.context()).await.unwrap();
    let kept = AgentIdentity::from_record(first.to_record()).unwrap();
    assert_eq!(
        kept.register(&stage.context()).await.unwrap().task_id().expose_secret(),
        first.task_id().expose_secret()
    );
    usage(&stage.client(kept.lazy())).await.unwrap();
    usage(&stage.client(kept.register(&stage.context()).await.unwrap())).await.unwrap();
    assert_eq!(stage.registrations(), 1);
    // A blank one is none.
    AgentIdentity::from_record(record(&json!({ "task_id": "  " }))).unwrap().register(&stage.context()).await.unwrap();
    assert_eq!(stage.registrations(), 2);
}

#[tokio::test]
async fn the_id_is_a_segment_of_the_path_and_nothing_else() {
    let stage = Stage::new();
    for id in ["../../escape?x=1#y", "agent ü/%2F", "agent:with:colons"] {
        let identity = AgentIdentity::from_record(record(&json!({ "agent_runtime_id": id }))).unwrap();
        stage.backend.add_agent(&identity);
        usage(&stage.client(identity.lazy())).await.unwrap();
    }
    let targets: Vec<String> =
        stage.backend.requests_to(Route::REGISTER_TASK).into_iter().map(|it| it.target).collect();
    assert_eq!(targets[0], "/backend-api/v1/agent/..%2F..%2Fescape%3Fx%3D1%23y/task/register");
    assert_eq!(targets[1], "/backend-api/v1/agent/agent%20%C3%BC%2F%252F/task/register");
}

#[tokio::test]
async fn a_thousand_first_calls_register_once() {
    let stage = Stage::new();
    let agent = agent_123().lazy();
    let client = stage.client(agent.clone());
    let calls = (0..1000).map(|_| {
        let client = client.clone();
        async move { client.auth_headers().await.unwrap() }
    });
    let headers = join_all(calls).await;
    assert_eq!(stage.registrations(), 1);
    let distinct: std::collections::BTreeSet<_> =
        headers.iter().flat_map(AuthHeaders::iter).map(|(_, value)| value.to_str().unwrap().to_owned()).collect();
    assert_eq!(distinct.len(), 2, "one assertion and one account");
    // A clone of the agent, in another client, has the task too.
    usage(&stage.client(agent)).await.unwrap();
    assert_eq!(stage.registrations(), 1);
}

#[tokio::test]
async fn a_registration_that_fails_fails_those_who_wait_and_not_the_next() {
    let stage = Stage::new();
    stage.backend.inject(Route::REGISTER_TASK, Fault::status(403).body(r#"{"error":{"code":"agent_disabled"}}"#));
    let client = stage.client(agent_123().lazy());
    for outcome in join_all((0..50).map(|_| usage(&client))).await {
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), error.may_have_been_sent()), (ErrorKind::Auth, false));
        assert!(matches!(
            detail(error.auth_error().unwrap()),
            AgentIdentityError::RegistrationStatus { status: 403, attempts: 1, .. }
        ));
    }
    assert_eq!((stage.registrations(), stage.backend.requests_to(Route::GET_USAGE).len()), (1, 0));
    usage(&client).await.unwrap();
    assert_eq!(stage.registrations(), 2);
}

#[tokio::test]
async fn whoever_waits_takes_over_from_one_who_goes_away() {
    let stage = Stage::new();
    stage.backend.inject(Route::REGISTER_TASK, Fault::stall());
    let client = stage.client(agent_123().lazy());
    let first = tokio::spawn({
        let client = client.clone();
        async move { usage(&client).await }
    });
    while stage.registrations() == 0 {
        tokio::task::yield_now().await;
    }
    let second = tokio::spawn({
        let client = client.clone();
        async move { usage(&client).await }
    });
    tokio::task::yield_now().await;
    first.abort();
    second.await.unwrap().unwrap();
    assert_eq!(stage.registrations(), 2);
}

#[tokio::test]
async fn each_attempt_has_a_signature_of_its_own() {
    let stage = Stage::new();
    stage.backend.inject(Route::REGISTER_TASK, Fault::status(503).times(1));
    stage.backend.inject(Route::REGISTER_TASK, Fault::reset_before_headers());
    agent_123().register(&stage.context()).await.unwrap();
    assert_eq!(stage.registrations(), 3);
    // The clock moves between attempts: one of them stalls for its 30 seconds.
    stage.backend.inject(Route::REGISTER_TASK, Fault::stall());
    let context = stage.context();
    let registering = tokio::spawn(async move { agent_123().register(&context).await.map(drop) });
    stage.clock.until_asleep_for(seconds(30)).await;
    while stage.registrations() < 4 {
        tokio::task::yield_now().await;
    }
    stage.clock.advance(seconds(30));
    registering.await.unwrap().unwrap();
    let bodies: Vec<_> = stage.backend.requests_to(Route::REGISTER_TASK).iter().map(RecordedRequest::json).collect();
    assert_eq!(bodies[4]["timestamp"], "2026-04-23T00:00:30Z");
    assert_ne!(bodies[3]["signature"], bodies[4]["signature"]);
}

#[tokio::test]
async fn the_policy_of_the_client_does_not_multiply_attempts() {
    let stage = Stage::new();
    stage.backend.inject(Route::REGISTER_TASK, Fault::status(500).times(99));
    let client = stage.backend.client().clock(stage.clock.clone());
    let client = client.retry_policy(RetryPolicy::default().max_attempts(7)).agent_identity(agent_123().lazy());
    let error = usage(&client.build().unwrap()).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(stage.registrations(), 3);
}

#[tokio::test]
async fn a_thousand_refusals_register_one_new_task() {
    let stage = Stage::new();
    let client = stage.client(agent_123().register(&stage.context()).await.unwrap());
    stage.backend.expire_agent_tasks();
    for outcome in join_all((0..1000).map(|_| usage(&client))).await {
        outcome.unwrap();
    }
    assert_eq!(stage.registrations(), 2);
    let sent = stage.backend.requests_to(Route::GET_USAGE).len();
    assert!((1001..=2000).contains(&sent), "{sent}");
}

#[tokio::test]
async fn a_forgotten_task_is_replaced_and_uploads_go_on() {
    let stage = Stage::new();
    let client = stage.client(agent_123().lazy());
    usage(&client).await.unwrap();
    stage.backend.forget_agent_tasks();
    OpenAiFileUpload::new(&client).bytes("a.txt", "hello").await.unwrap();
    assert_eq!(stage.registrations(), 2);
}

#[tokio::test]
async fn one_new_task_one_resend_then_an_error() {
    for code in ["invalid_task_id", "task_not_found", "task_expired", " TASK_Expired "] {
        for body in [
            json!({ "code": code }),
            json!({ "error": code }),
            json!({ "error": { "code": code } }),
            json!({ "error": "unauthorized", "code": code }),
            json!({ "error": { "message": "no", "type": "invalid_request_error" }, "code": code }),
        ] {
            let stage = Stage::new();
            let client = stage.client(agent_123().register(&stage.context()).await.unwrap());
            stage.backend.inject(Route::GET_USAGE, Fault::status(401).body(body.to_string()).times(9));
            let error = usage(&client).await.unwrap_err();
            assert_eq!((stage.registrations(), stage.backend.requests_to(Route::GET_USAGE).len()), (2, 2), "{body}");
            assert_eq!((error.kind(), error.status()), (ErrorKind::Auth, Some(StatusCode::UNAUTHORIZED)), "{body}");
            assert_eq!((error.attempts(), error.may_have_been_sent()), (2, true));
            match detail(error.auth_error().unwrap()) {
                AgentIdentityError::TaskRefused { code: named, skew: None } => assert_eq!(named, code.trim()),
                other => panic!("{body}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn any_other_refusal_is_final() {
    for answer in [
        Fault::unauthorized("token_expired"),
        Fault::status(401),
        Fault::status(403).body(r#"{"error":{"code":"task_expired"}}"#),
        Fault::status(401).body(r#"{"error":{"message":"task_expired"}}"#),
    ] {
        let stage = Stage::new();
        let client = stage.client(agent_123().register(&stage.context()).await.unwrap());
        stage.backend.inject(Route::GET_USAGE, answer);
        let error = usage(&client).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::Forbidden), "{error}");
        assert_eq!((stage.registrations(), stage.backend.requests_to(Route::GET_USAGE).len()), (1, 1));
    }
}

#[tokio::test]
async fn a_new_task_that_cannot_be_had_ends_the_call_and_the_next_call_tries_again() {
    let stage = Stage::new();
    let client = stage.client(agent_123().register(&stage.context()).await.unwrap());
    stage.backend.expire_agent_tasks();
    stage.backend.inject(Route::REGISTER_TASK, Fault::status(503).times(3));
    let error = usage(&client).await.unwrap_err();
    let auth = error.auth_error().unwrap();
    assert!(matches!(detail(auth), AgentIdentityError::RegistrationStatus { attempts: 3, .. }), "{error}");
    assert!(auth.is_transient() && error.is_retryable());
    usage(&client).await.unwrap();
}

#[tokio::test]
async fn the_generation_counts_tasks_and_a_stale_refusal_registers_nothing() {
    let stage = Stage::new();
    let client = stage.client(agent_123().lazy());
    let generation = client.auth_headers().await.unwrap().generation();
    stage.clock.advance(seconds(1));
    assert_eq!(client.auth_headers().await.unwrap().generation(), generation);
    let refusal = AuthRefusal::new(StatusCode::UNAUTHORIZED, generation).with_code("task_expired");
    assert_eq!(client.auth_refused(refusal.clone()).await.unwrap(), AuthRecovery::Retry);
    assert_eq!(client.auth_headers().await.unwrap().generation(), generation + 1);
    assert_eq!(client.auth_refused(refusal).await.unwrap(), AuthRecovery::Retry);
    assert_eq!(stage.registrations(), 2);
}

#[tokio::test]
async fn an_id_with_control_characters_from_the_server_is_refused() {
    let error = Stage::new().registering(json_answer(r#"{"task_id":"task\n1"}"#)).await.unwrap_err();
    assert!(matches!(detail(&error), AgentIdentityError::InvalidId { member: "task_id", .. }), "{error}");
}

#[tokio::test]
async fn a_loopback_backend_never_leads_to_production() {
    let recorder = Recorder::default();
    let vars: [(&str, &str); 0] = [];
    for base in ["http://127.0.0.1:9/backend-api", "http://localhost:9/api/codex", "http://[::1]:9"] {
        let client = Client::builder().codex_base_url(base).environment(Environment::from_vars(vars));
        let client = client.transport(recorder.clone()).retry_policy(RetryPolicy::never());
        usage(&client.agent_identity(agent_123().lazy()).build().unwrap()).await.unwrap_err();
    }
    let urls = recorder.urls();
    assert_eq!(urls.len(), 9);
    for (index, base) in
        ["http://127.0.0.1:9/backend-api", "http://localhost:9/api/codex", "http://[::1]:9"].iter().enumerate()
    {
        assert_eq!(urls[index * 3], format!("{base}/v1/agent/agent-123/task/register"));
    }
}

#[tokio::test]
async fn the_variable_and_the_setter_name_another_service() {
    for (variable, set, expected) in [
        (None, None, "https://auth.openai.com/api/accounts"),
        (Some("http://127.0.0.1:7/agents/"), None, "http://127.0.0.1:7/agents"),
        (Some("http://127.0.0.1:7/agents"), Some(AgentAuthApi::Production), "https://auth.openai.com/api/accounts"),
        (Some("http://127.0.0.1:7/agents"), Some(AgentAuthApi::AtTheBackend), "https://chatgpt.com/backend-api"),
        (Some("https://auth.api.openai.org/api/accounts"), None, "https://auth.api.openai.org/api/accounts"),
    ] {
        let name = "CODEX_AGENT_IDENTITY_AUTHAPI_BASE_URL";
        let variables = variable.map(|value| (name, value));
        let mut builder = Client::builder().environment(Environment::from_vars(variables));
        if let Some(api) = set {
            builder = builder.agent_auth_api(api);
        }
        let context = builder.auth_context().unwrap();
        assert_eq!(context.agent_auth_api_base_url().unwrap().as_str(), expected);
    }
}

#[tokio::test]
async fn a_backend_without_a_known_service_is_an_error_once_an_agent_is_needed() {
    let recorder = Recorder::default();
    let builder = || {
        let builder = Client::builder().environment(Environment::empty()).transport(recorder.clone());
        builder
            .dangerously_allow_origin("https://gateway.example")
            .codex_base_url("https://gateway.example/backend-api")
    };
    let error = agent_123().register(&builder().auth_context().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::Permanent);
    assert!(matches!(detail(&error), AgentIdentityError::UnsupportedEnvironment { .. }), "{error}");
    assert_eq!(recorder.urls(), [""; 0]);
    // One that needs no task needs no service either.
    let kept = AgentIdentity::from_record(record(&json!({ "task_id": "task-1" }))).unwrap();
    let client = builder().retry_policy(RetryPolicy::never()).agent_identity(kept.lazy()).build().unwrap();
    assert_eq!(usage(&client).await.unwrap_err().kind(), ErrorKind::Connect);
    assert_eq!(recorder.urls(), ["https://gateway.example/backend-api/wham/usage"]);
}
