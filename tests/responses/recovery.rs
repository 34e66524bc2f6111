//! A 401 is recovered from on every call to models, whatever the credentials.

use std::pin::Pin;
use std::time::Duration;

use codex_backend::auth::{AuthSource, AuthSources};
use codex_backend::models::RefreshStrategy;
use codex_backend::responses::Tools;
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::{Client, CodexAuth, CodexBackend, Error, RetryPolicy};

use super::support::{ask, guard};

type Outcome = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
type Call = (&'static str, Route, fn(Client<CodexBackend>) -> Outcome);

fn calls() -> [Call; 4] {
    [
        ("stream", Route::CREATE_RESPONSE, |client| {
            Box::pin(async move { ask(&client).stream().await?.collect().await.map(drop) })
        }),
        ("run_tools", Route::CREATE_RESPONSE, |client| {
            Box::pin(async move { ask(&client).run_tools(&Tools::new()).await.map(drop) })
        }),
        ("compact", Route::COMPACT_RESPONSE, |client| Box::pin(async move { ask(&client).compact().await.map(drop) })),
        ("catalogue", Route::LIST_MODELS, |client| {
            Box::pin(async move { client.codex_models().catalogue(RefreshStrategy::Online).await.map(drop) })
        }),
    ]
}

#[tokio::test]
async fn a_session_is_renewed_once() {
    for (name, route, call) in calls() {
        let backend = Backend::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.json");
        std::fs::write(&path, backend.issue_auth_json("acct-1", Duration::from_secs(3600))).unwrap();
        let auth = CodexAuth::load(&AuthSources::none().and(AuthSource::AuthJson(path))).await.unwrap();
        let builder = backend.client().retry_policy(RetryPolicy::never());
        let client = builder.build_any(&auth).unwrap().into_codex_backend().unwrap();
        backend.inject(route, Fault::unauthorized("token_expired"));
        guard(call(client)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(backend.requests_to(Route::REFRESH_TOKEN).len(), 1, "{name}");
        let tokens = backend.requests_to(route);
        assert_eq!(tokens.len(), 2, "{name}");
        assert_ne!(tokens[0].header("authorization"), tokens[1].header("authorization"), "{name}");
    }
}

#[cfg(feature = "agent-identity")]
#[tokio::test]
async fn an_agent_registers_for_another_task_once() {
    for (name, route, call) in calls() {
        let backend = Backend::start().unwrap();
        let agent = backend.issue_agent_identity("acct-1").unwrap();
        let client = backend.client().agent_identity(agent.lazy()).retry_policy(RetryPolicy::never()).build().unwrap();
        backend.inject(route, Fault::unauthorized("task_expired"));
        guard(call(client)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(backend.requests_to(Route::REGISTER_TASK).len(), 2, "{name}");
        assert_eq!(backend.requests_to(route).len(), 2, "{name}");
    }
}
