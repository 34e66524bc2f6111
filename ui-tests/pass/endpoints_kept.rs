use codex_backend::request::WithRaw;
use codex_backend::tasks::TaskListItem;
use codex_backend::usage::UsageReport;
use codex_backend::{ApiRequest, Client, CloudTasks, CodexBackend, Connectors, PagedRequest};

/// Handles and requests are kept without naming a mode, and go to other tasks.
struct App {
    tasks: CloudTasks,
    connectors: Connectors,
    usage: ApiRequest<WithRaw<UsageReport>>,
    list: PagedRequest<TaskListItem>,
}

fn app(client: &Client<CodexBackend>) -> App {
    App {
        tasks: client.cloud_tasks(),
        connectors: client.connectors(),
        usage: client.usage().get().with_raw(),
        list: client.cloud_tasks().list(),
    }
}

async fn run(app: App) {
    let App { tasks, connectors, usage, list } = app;
    tokio::spawn(async move {
        let _ = (usage.await, connectors.directory().await, tasks.wait("task_e_1").await, list.all().await);
    });
}

fn main() {
    let _ = (app, run);
}
