//! The agent of a ChatGPT sign-in, kept beside its tokens.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use codex_backend::auth::{
    AgentDescription, AgentIdentity, AgentIdentityError, AuthContext, AuthErrorKind, FileStore, ManagedAgent,
    RegisteredAgent,
};
use codex_backend::testing::{Backend, Fault, ManualClock, Route};
use codex_backend::{ChatGptSession, ChatGptTokens, Client, CodexBackend};
use futures_util::future::join_all;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::support::{detail, key, seconds, usage};

struct SignIn {
    backend: Backend,
    clock: ManualClock,
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl SignIn {
    fn new() -> Self {
        let backend = Backend::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.json");
        let mut document: Value =
            serde_json::from_str(&backend.issue_auth_json("acct-1", Duration::from_secs(7 * 24 * 3600))).unwrap();
        document["mine"] = json!({ "deep": [1, null] });
        document["tokens"]["login_owner_id"] = json!(7);
        std::fs::write(&path, document.to_string()).unwrap();
        let clock = ManualClock::starting_at(std::time::SystemTime::now());
        backend.set_clock(clock.clone());
        Self { backend, clock, _folder: folder, path }
    }

    fn document(&self) -> Value {
        serde_json::from_slice(&std::fs::read(&self.path).unwrap()).unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut Value)) {
        let mut document = self.document();
        change(&mut document);
        std::fs::write(&self.path, document.to_string()).unwrap();
    }

    fn managed(&self) -> ManagedAgent {
        let session = ChatGptSession::open(FileStore::new(&self.path)).unwrap();
        ManagedAgent::new(session, AgentDescription::new("report-bot", "1.4.0").session_source("exec"))
    }

    fn context(&self) -> AuthContext {
        self.backend.client().clock(self.clock.clone()).auth_context().unwrap()
    }

    fn client(&self, agent: RegisteredAgent) -> Client<CodexBackend> {
        self.backend.client().clock(self.clock.clone()).agent_identity(agent).build().unwrap()
    }

    /// How many agents and tasks were registered.
    fn registered(&self) -> (usize, usize) {
        let count = |route| self.backend.requests_to(route).len();
        (count(Route::REGISTER_AGENT), count(Route::REGISTER_TASK))
    }
}

#[tokio::test]
async fn a_new_agent_is_kept_beside_the_tokens_and_taken_from_there() {
    let sign_in = SignIn::new();
    let before = sign_in.document();
    let agent = sign_in.managed().register(&sign_in.context()).await.unwrap();
    usage(&sign_in.client(agent.clone())).await.unwrap();
    assert_eq!(sign_in.registered(), (1, 1));
    let request = &sign_in.backend.requests_to(Route::REGISTER_AGENT)[0];
    let token = before["tokens"]["access_token"].as_str().unwrap();
    assert_eq!(request.header("authorization"), Some(format!("Bearer {token}").as_str()));
    assert_eq!(request.json()["abom"]["agent_harness_id"], "report-bot");

    let mut expected = before;
    let record: Value = serde_json::from_str(agent.to_record().expose_secret()).unwrap();
    assert_eq!(record["task_id"], agent.task_id().expose_secret());
    assert_eq!((&record["account_id"], &record["chatgpt_user_id"]), (&json!("acct-1"), &json!("user-embedded")));
    expected["agent_identity"] = record;
    assert_eq!(sign_in.document(), expected);

    // Another process finds it there.
    let again = sign_in.managed().register(&sign_in.context()).await.unwrap();
    assert_eq!(again.identity().agent_runtime_id(), agent.identity().agent_runtime_id());
    assert_eq!(again.task_id().expose_secret(), agent.task_id().expose_secret());
    usage(&sign_in.client(again)).await.unwrap();
    assert_eq!(sign_in.registered(), (1, 1));
    // The sign-in itself goes on.
    let session = ChatGptSession::open(FileStore::new(&sign_in.path)).unwrap();
    sign_in.backend.client().provider(session).build().unwrap().usage().get().await.unwrap();
}

#[tokio::test]
async fn many_callers_register_one_agent() {
    let sign_in = SignIn::new();
    let (managed, context) = (sign_in.managed(), sign_in.context());
    let agents = join_all((0..20).map(|_| managed.register(&context))).await;
    let ids: std::collections::BTreeSet<String> =
        agents.into_iter().map(|agent| agent.unwrap().task_id().expose_secret().to_owned()).collect();
    assert_eq!((ids.len(), sign_in.registered()), (1, (1, 1)));
}

#[tokio::test]
async fn an_agent_without_a_task_gets_one_and_what_is_not_known_of_it_stays() {
    let sign_in = SignIn::new();
    sign_in.managed().register(&sign_in.context()).await.unwrap();
    sign_in.change(|document| {
        document["agent_identity"]["task_id"] = json!("");
        document["agent_identity"]["later"] = json!({ "x": 1 });
    });
    let agent = sign_in.managed().register(&sign_in.context()).await.unwrap();
    assert_eq!(sign_in.registered(), (1, 2));
    let document = sign_in.document();
    assert_eq!(document["agent_identity"]["task_id"], agent.task_id().expose_secret());
    assert_eq!(document["agent_identity"]["later"], json!({ "x": 1 }));
    assert_eq!(document["mine"], json!({ "deep": [1, null] }));
}

#[tokio::test]
async fn an_agent_of_another_account_or_user_or_with_a_broken_key_is_replaced() {
    for (member, value) in [("account_id", "acct-2"), ("chatgpt_user_id", "user-2"), ("agent_private_key", "broken")] {
        let sign_in = SignIn::new();
        let first = sign_in.managed().register(&sign_in.context()).await.unwrap();
        sign_in.change(|document| document["agent_identity"][member] = json!(value));
        let agent = sign_in.managed().register(&sign_in.context()).await.unwrap();
        assert_ne!(agent.identity().agent_runtime_id(), first.identity().agent_runtime_id(), "{member}");
        assert_eq!(sign_in.registered(), (2, 2));
        usage(&sign_in.client(agent)).await.unwrap();
    }
}

#[tokio::test]
async fn a_failure_that_may_pass_is_not_tried_again_for_an_hour() {
    let sign_in = SignIn::new();
    let (managed, context) = (sign_in.managed(), sign_in.context());
    sign_in.backend.inject(Route::REGISTER_TASK, Fault::status(503).times(3));
    for attempt in 0..3 {
        let error = managed.register(&context).await.unwrap_err();
        match detail(&error) {
            AgentIdentityError::BootstrapUnavailable { operation, attempts: 3, message } => {
                assert_eq!(*operation, "auth.register_task");
                assert!(message.contains("503"), "{message}");
            }
            other => panic!("{attempt}: {other:?}"),
        }
        assert_eq!(sign_in.registered(), (1, 3), "{attempt}");
        sign_in.clock.advance(seconds(20 * 60));
    }
    managed.register(&context).await.unwrap();
    assert_eq!(sign_in.registered(), (1, 4));
}

#[tokio::test]
async fn any_other_failure_is_tried_again_at_once() {
    let sign_in = SignIn::new();
    let (managed, context) = (sign_in.managed(), sign_in.context());
    sign_in.backend.inject(Route::REGISTER_AGENT, Fault::status(403).body("not allowed"));
    let error = managed.register(&context).await.unwrap_err();
    assert!(matches!(detail(&error), AgentIdentityError::RegistrationStatus { status: 403, attempts: 1, .. }));
    sign_in.backend.inject(Route::REGISTER_AGENT, Fault::status(200).body("{}"));
    let error = managed.register(&context).await.unwrap_err();
    assert!(matches!(detail(&error), AgentIdentityError::RegistrationAnswer { .. }));
    assert_eq!(sign_in.document().get("agent_identity"), None);
    managed.register(&context).await.unwrap();
}

#[tokio::test]
async fn a_change_of_the_store_meanwhile_is_kept() {
    let sign_in = SignIn::new();
    let (managed, context) = (sign_in.managed(), sign_in.context());
    sign_in.backend.inject(Route::REGISTER_TASK, Fault::delay(Duration::from_millis(300)));
    let (outcome, ()) = tokio::join!(managed.register(&context), async {
        while sign_in.registered().1 == 0 {
            tokio::task::yield_now().await;
        }
        sign_in.change(|document| document["written"] = json!("meanwhile"));
    });
    let agent = outcome.unwrap();
    let document = sign_in.document();
    assert_eq!(document["written"], "meanwhile");
    assert_eq!(document["agent_identity"]["task_id"], agent.task_id().expose_secret());
}

#[tokio::test]
async fn an_agent_that_another_process_put_there_meanwhile_is_taken() {
    let sign_in = SignIn::new();
    let (managed, context) = (sign_in.managed(), sign_in.context());
    sign_in.backend.inject(Route::REGISTER_TASK, Fault::delay(Duration::from_millis(300)));
    let other = sign_in.managed();
    let (outcome, ()) = tokio::join!(managed.register(&context), async {
        while sign_in.registered().1 == 0 {
            tokio::task::yield_now().await;
        }
        other.register(&context).await.unwrap();
    });
    let (kept, agent) = (&sign_in.document()["agent_identity"], outcome.unwrap());
    assert_eq!(kept["agent_runtime_id"], agent.identity().agent_runtime_id());
    assert_eq!(kept["task_id"], agent.task_id().expose_secret());
    assert_eq!(sign_in.registered(), (1, 2));
}

#[tokio::test]
async fn of_two_processes_that_register_an_agent_at_once_one_gives_way() {
    let sign_in = SignIn::new();
    let (managed, context) = (sign_in.managed(), sign_in.context());
    sign_in.backend.inject(Route::REGISTER_AGENT, Fault::delay(Duration::from_millis(300)));
    let other = sign_in.managed();
    let (outcome, theirs) = tokio::join!(managed.register(&context), async {
        while sign_in.registered().0 == 0 {
            tokio::task::yield_now().await;
        }
        other.register(&context).await.unwrap()
    });
    assert_eq!(outcome.unwrap().task_id().expose_secret(), theirs.task_id().expose_secret());
    assert_eq!(sign_in.registered(), (2, 1));
}

#[tokio::test]
async fn an_agent_whose_task_cannot_be_had_is_kept_for_another_process() {
    let sign_in = SignIn::new();
    sign_in.backend.inject(Route::REGISTER_TASK, Fault::status(403));
    sign_in.managed().register(&sign_in.context()).await.unwrap_err();
    let kept = sign_in.document()["agent_identity"].clone();
    assert_eq!((kept.get("task_id"), sign_in.registered()), (None, (1, 1)));
    let agent = sign_in.managed().register(&sign_in.context()).await.unwrap();
    assert_eq!(
        (&kept["agent_runtime_id"], sign_in.registered()),
        (&json!(agent.identity().agent_runtime_id()), (1, 2))
    );
    assert_eq!(sign_in.document()["agent_identity"]["task_id"], agent.task_id().expose_secret());
    usage(&sign_in.client(agent)).await.unwrap();
}

#[tokio::test]
async fn a_task_that_replaces_a_refused_one_is_kept() {
    let sign_in = SignIn::new();
    let agent = sign_in.managed().register(&sign_in.context()).await.unwrap();
    sign_in.change(|document| document["agent_identity"]["later"] = json!({ "x": 1 }));
    let mut expected = sign_in.document();
    let client = sign_in.client(agent.clone());
    sign_in.backend.expire_agent_tasks();
    for outcome in join_all((0..100).map(|_| usage(&client))).await {
        outcome.unwrap();
    }
    expected["agent_identity"]["task_id"] = json!(agent.task_id().expose_secret());
    assert_eq!((sign_in.document(), sign_in.registered()), (expected, (1, 2)));

    // Another process is not refused.
    let again = sign_in.managed().register(&sign_in.context()).await.unwrap();
    let sent = sign_in.backend.requests_to(Route::GET_USAGE).len();
    usage(&sign_in.client(again)).await.unwrap();
    assert_eq!((sign_in.backend.requests_to(Route::GET_USAGE).len(), sign_in.registered()), (sent + 1, (1, 2)));
}

#[tokio::test]
async fn a_new_task_replaces_no_other_than_the_refused_one_and_no_agent_of_others() {
    for (member, value) in [("task_id", json!("theirs")), ("agent_runtime_id", json!("theirs")), ("", Value::Null)] {
        let sign_in = SignIn::new();
        let client = sign_in.client(sign_in.managed().register(&sign_in.context()).await.unwrap());
        sign_in.change(|document| match member {
            "" => drop(document.as_object_mut().unwrap().remove("agent_identity")),
            member => document["agent_identity"][member] = value,
        });
        let before = sign_in.document();
        sign_in.backend.expire_agent_tasks();
        usage(&client).await.unwrap();
        assert_eq!((sign_in.document(), sign_in.registered()), (before, (1, 2)), "{member}");
    }
}

#[tokio::test]
async fn a_call_goes_on_where_its_new_task_cannot_be_kept() {
    let sign_in = SignIn::new();
    let managed = sign_in.managed();
    managed.register(&sign_in.context()).await.unwrap();
    let before = sign_in.document();
    let session = ChatGptSession::open(FileStore::read_only(&sign_in.path)).unwrap();
    let reader = ManagedAgent::new(session, AgentDescription::new("test", "1"));
    let writing = sign_in.client(managed.register(&sign_in.context()).await.unwrap());
    let reading = sign_in.client(reader.register(&sign_in.context()).await.unwrap());
    sign_in.backend.expire_agent_tasks();
    usage(&reading).await.unwrap();
    assert_eq!(sign_in.document(), before);
    std::fs::write(&sign_in.path, "no credentials").unwrap();
    usage(&writing).await.unwrap();
    assert_eq!(
        (std::fs::read_to_string(&sign_in.path).unwrap().as_str(), sign_in.registered()),
        ("no credentials", (1, 3))
    );
}

#[tokio::test]
async fn a_sign_in_to_another_account_meanwhile_keeps_nothing() {
    let sign_in = SignIn::new();
    let (managed, context) = (sign_in.managed(), sign_in.context());
    sign_in.backend.inject(Route::REGISTER_TASK, Fault::delay(Duration::from_millis(300)));
    let theirs: Value = serde_json::from_str(&sign_in.backend.issue_auth_json("acct-2", seconds(3600))).unwrap();
    let (outcome, ()) = tokio::join!(managed.register(&context), async {
        while sign_in.registered().1 == 0 {
            tokio::task::yield_now().await;
        }
        std::fs::write(&sign_in.path, theirs.to_string()).unwrap();
    });
    assert_eq!(outcome.unwrap_err().kind(), AuthErrorKind::AccountMismatch);
    assert_eq!(sign_in.document(), theirs);
}

#[tokio::test]
async fn a_sign_in_of_another_user_or_with_a_key_meanwhile_keeps_nothing() {
    for kind in [AuthErrorKind::AccountMismatch, AuthErrorKind::Incomplete] {
        let sign_in = SignIn::new();
        let (managed, context) = (sign_in.managed(), sign_in.context());
        sign_in.backend.inject(Route::REGISTER_TASK, Fault::delay(Duration::from_millis(300)));
        let theirs = match kind {
            AuthErrorKind::AccountMismatch => {
                let claims = json!({ "https://api.openai.com/auth": { "chatgpt_user_id": "user-other" } });
                let token = format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
                json!({ "tokens": { "access_token": token, "refresh_token": "theirs", "account_id": "acct-1" } })
            }
            _ => json!({ "OPENAI_API_KEY": "sk-theirs" }),
        };
        let (outcome, ()) = tokio::join!(managed.register(&context), async {
            while sign_in.registered().1 == 0 {
                tokio::task::yield_now().await;
            }
            std::fs::write(&sign_in.path, theirs.to_string()).unwrap();
        });
        assert_eq!(outcome.unwrap_err().kind(), kind);
        assert_eq!(sign_in.document(), theirs);
    }
}

#[tokio::test]
async fn a_store_for_reading_only_registers_nothing_that_would_be_lost() {
    let sign_in = SignIn::new();
    let session = ChatGptSession::open(FileStore::read_only(&sign_in.path)).unwrap();
    let managed = ManagedAgent::new(session, AgentDescription::new("test", "1"));
    let error = managed.register(&sign_in.context()).await.unwrap_err();
    assert!(error.to_string().contains("reading only"), "{error}");
    assert_eq!(sign_in.registered(), (0, 0));
    sign_in.managed().register(&sign_in.context()).await.unwrap();
    managed.register(&sign_in.context()).await.unwrap();
    assert_eq!(sign_in.registered(), (1, 1));
}

#[tokio::test]
async fn an_expired_sign_in_is_refreshed_before_its_token_registers() {
    let sign_in = SignIn::new();
    std::fs::write(&sign_in.path, sign_in.backend.issue_auth_json("acct-1", Duration::ZERO)).unwrap();
    let agent = sign_in.managed().register(&sign_in.context()).await.unwrap();
    assert_eq!(sign_in.backend.requests_to(Route::REFRESH_TOKEN).len(), 1);
    let document = sign_in.document();
    assert_eq!(document["agent_identity"]["task_id"], agent.task_id().expose_secret());
    assert_ne!(document["last_refresh"], "2026-01-01T00:00:00Z");
}

#[tokio::test]
async fn an_agent_under_a_key_of_ones_own() {
    let sign_in = SignIn::new();
    sign_in.backend.add_fedramp_account("acct-gov");
    let tokens = ChatGptTokens::new(sign_in.backend.issue_access_token("acct-gov"));
    let description = AgentDescription::new("report-bot", "1.4.0");
    let identity = AgentIdentity::create(key(), &tokens, &description, &sign_in.context()).await.unwrap();
    assert!(identity.is_fedramp());
    let request = &sign_in.backend.requests_to(Route::REGISTER_AGENT)[0];
    assert_eq!(request.header("x-openai-fedramp"), Some("true"));
    usage(&sign_in.client(identity.register(&sign_in.context()).await.unwrap())).await.unwrap();
}
