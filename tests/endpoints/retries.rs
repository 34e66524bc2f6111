//! Which requests are retried after a failure: as `operations!` declares, and so as the documentation says.

use codex_backend::accounts::NudgeEmail;
use codex_backend::environments::GitHubRepository;
use codex_backend::openai_files::OpenAiFilePurpose;
use codex_backend::plugins::PluginScope;
use codex_backend::skills::SkillScope;
use codex_backend::tasks::NewTask;
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::{Client, CodexBackend, Error, OpenAiApi};

use crate::clock::WaitLog;
use crate::declarations::{endpoints, operations};
use crate::support::{client_with_plan, guard};

async fn send(client: &Client<CodexBackend>, route: Route) -> Result<(), Error> {
    let (usage, accounts, tasks) = (client.usage(), client.accounts(), client.cloud_tasks());
    let (environments, connectors, plugins) = (client.cloud_environments(), client.connectors(), client.plugins());
    match route {
        Route::GET_USAGE => guard(usage.get()).await.map(drop),
        Route::LIST_RESET_CREDITS => guard(usage.reset_credits()).await.map(drop),
        Route::REDEEM_RESET_CREDIT => guard(usage.redeem_reset_credit("key")).await.map(drop),
        Route::QUERY_THREAD_USAGE => guard(usage.threads(["thread"])).await.map(drop),
        Route::CHECK_ACCOUNTS => guard(accounts.check()).await.map(drop),
        Route::GET_PROFILE => guard(accounts.profile()).await.map(drop),
        Route::LIST_WORKSPACE_MESSAGES => guard(accounts.workspace_messages()).await.map(drop),
        Route::GET_USER_SETTINGS => guard(accounts.user_settings()).await.map(drop),
        Route::SEND_NUDGE_EMAIL => guard(accounts.send_nudge_email(NudgeEmail::Credits)).await,
        Route::LIST_TASKS => guard(tasks.list().page()).await.map(drop),
        Route::GET_TASK => guard(tasks.details("task_e_1")).await.map(drop),
        Route::LIST_SIBLING_TURNS => guard(tasks.sibling_turns("task_e_1", "turn_task_e_1_0")).await.map(drop),
        Route::CREATE_TASK => guard(tasks.create(NewTask::new("env_web", "x"))).await.map(drop),
        Route::LIST_ENVIRONMENTS => guard(environments.list()).await.map(drop),
        Route::LIST_REPOSITORY_ENVIRONMENTS => {
            guard(environments.by_repository(&GitHubRepository::new("acme", "web"))).await.map(drop)
        }
        Route::LIST_CONNECTORS => guard(connectors.list().page()).await.map(drop),
        Route::LIST_WORKSPACE_CONNECTORS => guard(connectors.list_workspace()).await.map(drop),
        Route::BATCH_APPS => guard(connectors.batch(["connector_drive"], false)).await.map(drop),
        Route::GET_WORKSPACE_SETTINGS => guard(client.workspace_policy().settings()).await.map(drop),
        Route::LIST_PLUGINS => guard(plugins.list(PluginScope::Global).page()).await.map(drop),
        Route::LIST_INSTALLED_PLUGINS => guard(plugins.installed().page()).await.map(drop),
        Route::GET_PLUGIN => guard(plugins.get("plugin_1")).await.map(drop),
        Route::LIST_CREATED_PLUGINS => guard(plugins.created().page()).await.map(drop),
        Route::INSTALL_PLUGIN => guard(plugins.install("plugin_1")).await,
        Route::UNINSTALL_PLUGIN => guard(plugins.uninstall("plugin_1")).await,
        Route::LIST_SKILLS => guard(client.skills().list(SkillScope::Personal)).await.map(drop),
        Route::EXPORT_SKILL => guard(client.skills().export("skill_1")).await.map(drop),
        Route::LIST_FEATURED_PLUGINS => guard(client.featured_plugins().list()).await.map(drop),
        #[cfg(feature = "managed-config")]
        Route::GET_REQUIREMENTS => guard(client.managed_config().requirements()).await.map(drop),
        #[cfg(feature = "managed-config")]
        Route::GET_CONFIG_BUNDLE => guard(client.managed_config().bundle()).await.map(drop),
        other => panic!("{other:?} is declared in src/api: say in tests/endpoints/retries.rs how it is sent"),
    }
}

async fn send_to_openai(client: &Client<OpenAiApi>, route: Route) -> Result<(), Error> {
    let (models, files, responses) = (client.openai_models(), client.openai_files(), client.openai_responses());
    let upload = || async { guard(files.bytes("a.txt", "all is well", OpenAiFilePurpose::UserData)).await };
    let answer = || async { guard(responses.create("gpt-test", "Hello").send()).await };
    match route {
        Route::LIST_MODELS => guard(models.list()).await.map(drop),
        Route::RETRIEVE_MODEL => guard(models.retrieve("gpt-test")).await.map(drop),
        Route::LIST_OPENAI_FILES => guard(files.list().page()).await.map(drop),
        Route::RETRIEVE_OPENAI_FILE => guard(files.retrieve(&upload().await?.id)).await.map(drop),
        Route::READ_OPENAI_FILE => guard(files.content(&upload().await?.id)).await.map(drop),
        Route::DELETE_OPENAI_FILE => guard(files.delete(&upload().await?.id)).await.map(drop),
        Route::RETRIEVE_RESPONSE => guard(responses.retrieve(&answer().await?.id)).await.map(drop),
        Route::DELETE_RESPONSE => guard(responses.delete(&answer().await?.id)).await.map(drop),
        Route::CANCEL_RESPONSE => guard(responses.cancel(&answer().await?.id)).await.map(drop),
        Route::LIST_INPUT_ITEMS => guard(responses.input_items(&answer().await?.id).page()).await.map(drop),
        Route::COUNT_INPUT_TOKENS => {
            guard(responses.input_tokens(&responses.create("gpt-test", "Hello"))).await.map(drop)
        }
        other => panic!("{other:?} is declared in src/api: say in tests/endpoints/retries.rs how it is sent"),
    }
}

/// Handles whose requests are several, or whose retries depend on what they carry: other tests are about those.
const ELSEWHERE: [&str; 3] = ["OpenAiFileUpload", "CodexResponses", "CodexModels"];
const ELSEWHERE_OF_OPENAI: [&str; 8] = [
    "openai_files.create",
    "openai_uploads.create",
    "openai_uploads.part",
    "openai_uploads.complete",
    "openai_uploads.cancel",
    "openai_responses.create",
    "openai_responses.compact",
    "openai_responses.follow",
];

/// The declared requests of handles that accept these modes, and whether each is retried.
fn declared(modes: &[&str]) -> Vec<(Route, bool)> {
    let handles: Vec<String> = endpoints()
        .into_iter()
        .filter(|endpoint| modes.contains(&endpoint.accepts.as_str()) && !ELSEWHERE.contains(&endpoint.name.as_str()))
        .map(|endpoint| endpoint.name)
        .collect();
    let requests = operations().into_iter().filter(|operation| handles.contains(&operation.handle));
    let requests = requests.filter(|operation| !ELSEWHERE_OF_OPENAI.contains(&operation.name.as_str()));
    let requests = requests.filter_map(|operation| {
        let route = Route::all().find(|route| route.operations().any(|name| name == operation.name));
        // A feature that is off has no routes.
        Some((route?, operation.retries.0 == "Safe"))
    });
    let requests: Vec<_> = requests.collect();
    assert!(requests.len() > 10, "{requests:?}");
    requests
}

#[tokio::test]
async fn reads_and_idempotent_requests_are_retried_and_no_others() {
    let backend = Backend::start().unwrap();
    backend.add_tasks(1);
    let client = client_with_plan(&backend, "acct-corp", "enterprise");
    for (route, retried) in declared(&["CodexBackend", "AnyMode"]) {
        is_retried_if(retried, &backend, route, || send(&client, route)).await;
        refill_the_budget(|| send(&client, Route::GET_USAGE)).await;
    }
    let client = backend.client().api_key(backend.api_key()).clock(WaitLog::default()).build().unwrap();
    for (route, retried) in declared(&["OpenAiApi"]) {
        is_retried_if(retried, &backend, route, || send_to_openai(&client, route)).await;
        refill_the_budget(|| send_to_openai(&client, Route::LIST_MODELS)).await;
    }
}

async fn is_retried_if<F: Future<Output = Result<(), Error>>>(
    retried: bool,
    backend: &Backend,
    route: Route,
    send: impl Fn() -> F,
) {
    send().await.unwrap_or_else(|error| panic!("{route:?}: {error}"));
    for fault in [Fault::status(503), Fault::reset_before_headers()] {
        let before = backend.requests_to(route).len();
        backend.inject(route, fault);
        let outcome = send().await;
        assert_eq!(outcome.is_ok(), retried, "{route:?}: {outcome:?}");
        assert_eq!(backend.requests_to(route).len() - before, if retried { 2 } else { 1 }, "{route:?}");
    }
}

/// A call that succeeds gives back a part of the budget for retries; several give back enough.
async fn refill_the_budget<F: Future<Output = Result<(), Error>>>(send: impl Fn() -> F) {
    for _ in 0..10 {
        send().await.unwrap();
    }
}
