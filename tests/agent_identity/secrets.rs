//! Nothing that is shown, logged or said holds a secret.

use codex_backend::auth::{AgentDescription, AgentIdentity, AgentKey, FileStore, ManagedAgent, StoredCredentials};
use codex_backend::testing::{Fault, Route};
use codex_backend::{AuthError, ChatGptSession};
use secrecy::ExposeSecret;
use serde_json::json;

use super::capture::{capture_traces, traced};
use super::support::{KEY, Stage, agent_123, json_answer, key, record, usage};

/// All that must not be seen, gathered while it is used.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn add(&mut self, secret: impl Into<String>) {
        let secret = secret.into();
        assert!(secret.len() >= 8, "too short to be told from other text");
        self.0.push(secret);
    }

    #[track_caller]
    fn assert_not_in(&self, shown: &str) {
        for secret in &self.0 {
            if let Some(line) = shown.lines().find(|line| line.contains(secret.as_str())) {
                panic!("{secret} is shown: {line}");
            }
        }
    }

    #[track_caller]
    fn assert_error_hides(&self, error: &AuthError) {
        let mut next: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = next {
            self.assert_not_in(&format!("{error}\n{error:#}\n{error:?}\n{error:#?}"));
            next = error.source();
        }
    }
}

#[tokio::test]
async fn keys_jwts_assertions_and_task_ids_are_never_shown() {
    capture_traces();
    let mut secrets = Secrets::default();
    let stage = Stage::new();
    stage.backend.seal_agent_tasks(true);
    for form in [KEY, &KEY[20..], key().to_pkcs8_base64().expose_secret()] {
        secrets.add(form);
    }
    secrets.add("[7, 7, 7, 7, 7, 7");
    let jwt = stage.backend.sign_agent_jwt(&agent_123(), &json!({}));
    jwt.expose_secret().split('.').for_each(|part| secrets.add(part));

    let identity = AgentIdentity::from_jwt(jwt.clone(), &stage.context()).await.unwrap();
    let agent = identity.register(&stage.context()).await.unwrap();
    secrets.add(agent.task_id().expose_secret());
    let lazy = identity.lazy();
    let client = stage.client(agent.clone());
    usage(&client).await.unwrap();
    for request in stage.backend.requests() {
        if let Some(authorization) = request.header("authorization") {
            secrets.add(authorization.split_once(' ').unwrap().1);
        }
        if let Some(signature) = request.json()["signature"].as_str() {
            secrets.add(signature);
        }
    }
    let headers = client.auth_headers().await.unwrap();
    secrets.assert_not_in(&format!("{identity:?} {agent:?} {lazy:?} {client:?} {headers:?} {:?}", identity.key()));
    secrets.assert_not_in(&format!("{:?}", stage.backend));
    let record = agent.to_record();
    secrets.assert_not_in(&format!("{record:?} {:?} {:?}", agent.task_id(), identity.key().to_pkcs8_base64()));

    // Servers that echo what they were sent, and JWTs and records that are almost right.
    let assertion = stage.backend.requests_to(Route::GET_USAGE)[0].header("authorization").unwrap().to_owned();
    let echo = format!("you sent {assertion} and {KEY} and {}", jwt.expose_secret());
    for (status, times) in [(400, 1), (401, 1), (500, 3)] {
        stage.backend.inject(Route::REGISTER_TASK, Fault::status(status).body(echo.clone()).times(times));
        let error = agent_123().register(&stage.context()).await.unwrap_err();
        secrets.assert_error_hides(&error);
        // A server's failure would be waited out, on a clock that stands.
        let status = status.min(401);
        stage.backend.inject(Route::GET_USAGE, Fault::status(status).body(echo.clone()));
        let error = client.usage().get().await.unwrap_err();
        secrets.assert_not_in(&format!("{error} {error:?} {:?}", error.body()));
    }
    let task_id = agent.task_id().expose_secret().to_owned();
    for body in [
        json!({ "task_id": [task_id] }),
        json!({ "task_id": 5, "encrypted_task_id": task_id }),
        json!({ "encrypted_task_id": format!("{task_id}%") }),
    ] {
        stage.backend.inject(Route::REGISTER_TASK, json_answer(&body.to_string()));
        secrets.assert_error_hides(&agent_123().register(&stage.context()).await.unwrap_err());
    }
    let cut = &jwt.expose_secret()[..jwt.expose_secret().len() - 4];
    for broken in [cut.to_owned(), format!("{}.x", jwt.expose_secret()), jwt.expose_secret().replace("eyJ", "fyJ")] {
        secrets.assert_error_hides(&AgentIdentity::from_jwt(broken, &stage.context()).await.unwrap_err());
    }
    for broken in [format!("{KEY}%"), format!("{KEY}AAAA")] {
        secrets.assert_error_hides(&AgentKey::from_pkcs8_base64(broken.clone()).unwrap_err());
        let broken = record_with_key(&broken);
        secrets.assert_error_hides(&AgentIdentity::from_record(broken.clone()).unwrap_err());
        let stored = StoredCredentials::from_json(&format!(r#"{{"agent_identity":{broken}}}"#)).unwrap();
        let error = AgentIdentity::from_stored(&stored, &stage.context()).await.unwrap_err();
        secrets.assert_error_hides(&error);
    }

    // The expired task, a second one, and one that is refused again.
    stage.backend.expire_agent_tasks();
    usage(&client).await.unwrap();
    secrets.add(agent.task_id().expose_secret());
    stage.backend.inject(Route::GET_USAGE, Fault::unauthorized("task_expired").times(9));
    let error = client.usage().get().await.unwrap_err();
    secrets.assert_not_in(&format!("{error} {error:?}"));

    // An agent of a sign-in.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.json");
    std::fs::write(&path, stage.backend.issue_auth_json("acct-1", std::time::Duration::from_secs(3600 * 24 * 9999)))
        .unwrap();
    let session = ChatGptSession::open(FileStore::new(&path)).unwrap();
    let managed = ManagedAgent::new(session, AgentDescription::new("test", "1"));
    let own = managed.register(&stage.context()).await.unwrap();
    secrets.add(own.task_id().expose_secret());
    secrets.add(own.identity().key().to_pkcs8_base64().expose_secret());
    secrets.assert_not_in(&format!("{managed:?} {own:?}"));

    secrets.assert_not_in(&traced());
    assert!(traced().contains("auth.register_task") && traced().contains("registered a task"));
}

fn record_with_key(key: &str) -> String {
    record(&json!({ "agent_private_key": key })).expose_secret().to_owned()
}
