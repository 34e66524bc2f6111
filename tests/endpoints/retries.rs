//! Which requests are sent again after a failure: as the table in the documentation says.

use codex_backend::accounts::NudgeEmail;
use codex_backend::environments::GitHubRepository;
use codex_backend::plugins::PluginScope;
use codex_backend::tasks::NewTask;
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::{Client, CodexBackend, Error};

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
        Route::LIST_INSTALLED_PLUGINS => guard(plugins.installed(PluginScope::Global).page()).await.map(drop),
        Route::GET_PLUGIN => guard(plugins.get("plugin_1")).await.map(drop),
        Route::LIST_FEATURED_PLUGINS => guard(client.featured_plugins().list()).await.map(drop),
        #[cfg(feature = "managed-config")]
        Route::GET_REQUIREMENTS => guard(client.managed_config().requirements()).await.map(drop),
        #[cfg(feature = "managed-config")]
        Route::GET_CONFIG_BUNDLE => guard(client.managed_config().bundle()).await.map(drop),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn reads_and_idempotent_requests_are_repeated_and_no_others() {
    let backend = Backend::start().unwrap();
    backend.add_tasks(1);
    let client = client_with_plan(&backend, "acct-corp", "enterprise");
    let mut routes = vec![
        (Route::GET_USAGE, true),
        (Route::LIST_RESET_CREDITS, true),
        (Route::REDEEM_RESET_CREDIT, true),
        (Route::QUERY_THREAD_USAGE, true),
        (Route::CHECK_ACCOUNTS, true),
        (Route::GET_PROFILE, true),
        (Route::LIST_WORKSPACE_MESSAGES, true),
        (Route::GET_USER_SETTINGS, true),
        (Route::SEND_NUDGE_EMAIL, false),
        (Route::LIST_TASKS, true),
        (Route::GET_TASK, true),
        (Route::LIST_SIBLING_TURNS, true),
        (Route::CREATE_TASK, false),
        (Route::LIST_ENVIRONMENTS, true),
        (Route::LIST_REPOSITORY_ENVIRONMENTS, true),
        (Route::LIST_CONNECTORS, true),
        (Route::LIST_WORKSPACE_CONNECTORS, true),
        (Route::BATCH_APPS, true),
        (Route::GET_WORKSPACE_SETTINGS, true),
        (Route::LIST_PLUGINS, true),
        (Route::LIST_INSTALLED_PLUGINS, true),
        (Route::GET_PLUGIN, true),
        (Route::LIST_FEATURED_PLUGINS, true),
    ];
    if cfg!(feature = "managed-config") {
        routes.extend([(Route::GET_REQUIREMENTS, true), (Route::GET_CONFIG_BUNDLE, true)]);
    }
    for (route, repeated) in routes {
        send(&client, route).await.unwrap_or_else(|error| panic!("{route:?}: {error}"));
        for fault in [Fault::status(503), Fault::reset_before_headers()] {
            let before = backend.requests_to(route).len();
            backend.inject(route, fault);
            let outcome = send(&client, route).await;
            assert_eq!(outcome.is_ok(), repeated, "{route:?}: {outcome:?}");
            assert_eq!(backend.requests_to(route).len() - before, if repeated { 2 } else { 1 }, "{route:?}");
        }
        // A call that succeeds gives back a part of the budget for repeats; several give back enough.
        for _ in 0..10 {
            send(&client, Route::GET_USAGE).await.unwrap();
        }
    }
}
