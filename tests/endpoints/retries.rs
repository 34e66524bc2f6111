//! Which requests are sent again after a failure: as the table in the documentation says.

use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::{Client, CodexBackend, Error, GitHubRepository, NewTask, NudgeEmail, PluginScope};

use crate::support::{client_with_plan, guard};

async fn send(client: &Client<CodexBackend>, route: Route) -> Result<(), Error> {
    let (usage, accounts, tasks) = (client.usage(), client.accounts(), client.cloud_tasks());
    let (environments, connectors, plugins) = (client.cloud_environments(), client.connectors(), client.plugins());
    match route {
        Route::GetUsage => guard(usage.get()).await.map(drop),
        Route::ListResetCredits => guard(usage.reset_credits()).await.map(drop),
        Route::RedeemResetCredit => guard(usage.redeem_reset_credit("key")).await.map(drop),
        Route::QueryThreadUsage => guard(usage.threads(["thread"])).await.map(drop),
        Route::CheckAccounts => guard(accounts.check()).await.map(drop),
        Route::GetProfile => guard(accounts.profile()).await.map(drop),
        Route::ListWorkspaceMessages => guard(accounts.workspace_messages()).await.map(drop),
        Route::GetUserSettings => guard(accounts.user_settings()).await.map(drop),
        Route::SendNudgeEmail => guard(accounts.send_nudge_email(NudgeEmail::Credits)).await,
        Route::ListTasks => guard(tasks.list().page()).await.map(drop),
        Route::GetTask => guard(tasks.details("task_e_1")).await.map(drop),
        Route::ListSiblingTurns => guard(tasks.sibling_turns("task_e_1", "turn_task_e_1_0")).await.map(drop),
        Route::CreateTask => guard(tasks.create(NewTask::new("env_web", "x"))).await.map(drop),
        Route::ListEnvironments => guard(environments.list()).await.map(drop),
        Route::ListRepositoryEnvironments => {
            guard(environments.by_repository(&GitHubRepository::new("acme", "web"))).await.map(drop)
        }
        Route::ListConnectors => guard(connectors.list().page()).await.map(drop),
        Route::ListWorkspaceConnectors => guard(connectors.list_workspace()).await.map(drop),
        Route::BatchApps => guard(connectors.batch(["connector_drive"], false)).await.map(drop),
        Route::GetWorkspaceSettings => guard(client.workspace_policy().settings()).await.map(drop),
        Route::ListPlugins => guard(plugins.list(PluginScope::Global).page()).await.map(drop),
        Route::ListInstalledPlugins => guard(plugins.installed(PluginScope::Global).page()).await.map(drop),
        Route::GetPlugin => guard(plugins.get("plugin_1")).await.map(drop),
        Route::ListFeaturedPlugins => guard(client.featured_plugins().list()).await.map(drop),
        #[cfg(feature = "managed-config")]
        Route::GetRequirements => guard(client.managed_config().requirements()).await.map(drop),
        #[cfg(feature = "managed-config")]
        Route::GetConfigBundle => guard(client.managed_config().bundle()).await.map(drop),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn reads_and_idempotent_requests_are_repeated_and_no_others() {
    let backend = Backend::start().unwrap();
    backend.add_tasks(1);
    let client = client_with_plan(&backend, "acct-corp", "enterprise");
    let mut routes = vec![
        (Route::GetUsage, true),
        (Route::ListResetCredits, true),
        (Route::RedeemResetCredit, true),
        (Route::QueryThreadUsage, true),
        (Route::CheckAccounts, true),
        (Route::GetProfile, true),
        (Route::ListWorkspaceMessages, true),
        (Route::GetUserSettings, true),
        (Route::SendNudgeEmail, false),
        (Route::ListTasks, true),
        (Route::GetTask, true),
        (Route::ListSiblingTurns, true),
        (Route::CreateTask, false),
        (Route::ListEnvironments, true),
        (Route::ListRepositoryEnvironments, true),
        (Route::ListConnectors, true),
        (Route::ListWorkspaceConnectors, true),
        (Route::BatchApps, true),
        (Route::GetWorkspaceSettings, true),
        (Route::ListPlugins, true),
        (Route::ListInstalledPlugins, true),
        (Route::GetPlugin, true),
        (Route::ListFeaturedPlugins, true),
    ];
    if cfg!(feature = "managed-config") {
        routes.extend([(Route::GetRequirements, true), (Route::GetConfigBundle, true)]);
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
            send(&client, Route::GetUsage).await.unwrap();
        }
    }
}
