//! Lists, shows and starts cloud tasks, waits for them, and applies their diffs.
//!
//! ```text
//! cargo run --example tasks -- list
//! cargo run --example tasks -- create acme/web "Fix the flaky test" --best-of 2
//! cargo run --example tasks -- apply task_e_1
//! ```
//!
//! With nothing configured it talks to the embedded backend, which has a few tasks, and says so. With
//! `CODEX_BACKEND_BASE_URL` set it talks to that backend; with `--live`, to the real one.

#[macro_use]
#[path = "support/output.rs"]
mod output;
mod support;

use std::process::ExitCode;

use codex_backend::tasks::{ApplyStatus, NewTask, TaskSummary, WorkingTree};
use codex_backend::{CloudTasks, CodexClient};
use futures_util::TryStreamExt;
use support::{Connection, Failure};

const USAGE: &str = "usage: tasks [--live] COMMAND

  list [--limit N]                          lists the latest tasks
  show TASK                                 prints the prompt and the answer
  create ENVIRONMENT PROMPT [--branch B] [--best-of N]
                                            starts a task in an environment: its id, its label, or `auto`
  diff TASK [--attempt N]                   prints the diff
  apply TASK [--attempt N] [--check]        applies the diff to the git working tree you are in
  wait TASK                                 prints each change of the task until it is done

  --live    talk to the real backend, with the credentials that are found

A task is named by its id or its URL.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tasks: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Arguments {
    live: bool,
    help: bool,
    check: bool,
    limit: Option<usize>,
    attempt: Option<usize>,
    best_of: Option<u32>,
    branch: Option<String>,
    words: Vec<String>,
}

impl Arguments {
    fn parse() -> Result<Self, Failure> {
        let (mut parsed, mut arguments) = (Self::default(), std::env::args().skip(1));
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` needs a value\n\n{USAGE}"));
            let number = |text: String| text.parse::<u32>().map_err(|_| format!("`{text}` is not a number"));
            match argument.as_str() {
                "--live" => parsed.live = true,
                "--check" => parsed.check = true,
                "-h" | "--help" => parsed.help = true,
                "--limit" => parsed.limit = Some(number(value()?)? as usize),
                "--attempt" => parsed.attempt = Some(number(value()?)? as usize),
                "--best-of" => parsed.best_of = Some(number(value()?)?),
                "--branch" => parsed.branch = Some(value()?),
                option if option.starts_with("--") => {
                    return Err(format!("unknown option `{option}`\n\n{USAGE}").into());
                }
                _ => parsed.words.push(argument),
            }
        }
        Ok(parsed)
    }
}

async fn run() -> Result<ExitCode, Failure> {
    let arguments = Arguments::parse()?;
    if arguments.help {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    if words.is_empty() {
        return Err(format!("no command given\n\n{USAGE}").into());
    }
    let Connection { auth, builder, embedded } = support::connect(arguments.live).await?;
    if let Some((backend, _)) = &embedded {
        backend.add_tasks(3);
        backend.add_task_that_progresses("task_e_4");
    }
    let client = builder.application("tasks", "1.0").codex_auth(&auth)?.build()?;
    let tasks = client.cloud_tasks();
    let attempt = arguments.attempt.unwrap_or(1);
    let mut code = ExitCode::SUCCESS;
    match words[..] {
        ["list"] => list(&tasks, arguments.limit.unwrap_or(20)).await?,
        ["show", task] => show(&tasks, id(task)?).await?,
        ["create", environment, prompt] => create(&client, environment, prompt, &arguments).await?,
        ["diff", task] => {
            let diff = tasks.diff(id(task)?, attempt).await?;
            print!("{diff}");
        }
        ["apply", task] => code = apply(&tasks, id(task)?, attempt, arguments.check).await?,
        ["wait", task] => wait(&tasks, id(task)?).await?,
        _ => return Err(format!("this is no command: `{}`\n\n{USAGE}", words.join(" ")).into()),
    }
    auth.settled().await?;
    Ok(code)
}

fn id(text: &str) -> Result<&str, String> {
    CloudTasks::task_id(text).ok_or_else(|| format!("`{text}` is neither a task's id nor its URL"))
}

async fn list(tasks: &CloudTasks, limit: usize) -> Result<(), Failure> {
    let mut items = tasks.list().with_item_limit(limit).items();
    while let Some(task) = items.try_next().await? {
        print_summary(&task.summary());
    }
    Ok(())
}

fn print_summary(task: &TaskSummary) {
    let updated = task.updated_at.and_then(|at| jiff::Timestamp::try_from(at).ok());
    let updated = updated.map_or_else(String::new, |at| {
        at.to_zoned(jiff::tz::TimeZone::system()).strftime("%d %b %Y %H:%M").to_string()
    });
    let stats = task.diff_stats;
    println!(
        "{:<12} {:<8} {:<17} {:<10} +{} -{}  {}",
        task.id,
        task.status,
        updated,
        task.environment_label.as_deref().unwrap_or("-"),
        stats.lines_added,
        stats.lines_removed,
        task.title
    );
}

async fn show(tasks: &CloudTasks, task_id: &str) -> Result<(), Failure> {
    let details = tasks.details(task_id).await?;
    print_summary(&details.summary());
    println!("{}\n", tasks.task_url(task_id));
    println!("> {}\n", details.prompt().unwrap_or_default().replace('\n', "\n> "));
    for message in details.messages() {
        println!("{message}\n");
    }
    Ok(())
}

async fn create(client: &CodexClient, environment: &str, prompt: &str, arguments: &Arguments) -> Result<(), Failure> {
    let environments = client.cloud_environments();
    let environment = match environment {
        "auto" => {
            let repositories = WorkingTree::open(".").await?.github_repositories().await?;
            environments.detect(&repositories, None).await?
        }
        named => environments.resolve(named).await?,
    };
    let mut task = NewTask::new(&environment.id, prompt).best_of(arguments.best_of.unwrap_or(1));
    if let Some(branch) = &arguments.branch {
        task = task.branch(branch);
    }
    let tasks = client.cloud_tasks();
    let created = tasks.create(task).await?;
    println!("{} in {}", tasks.task_url(&created.id), environment.label.as_deref().unwrap_or(&environment.id));
    Ok(())
}

async fn apply(tasks: &CloudTasks, task_id: &str, attempt: usize, check: bool) -> Result<ExitCode, Failure> {
    let tree = WorkingTree::open(".").await?;
    let diff = tasks.diff(task_id, attempt).await?;
    let outcome = if check { tree.check(&diff).await? } else { tree.apply(&diff).await? };
    for (word, paths) in
        [("applied", &outcome.applied), ("conflict", &outcome.conflicted), ("skipped", &outcome.skipped)]
    {
        for path in paths {
            println!("{word:<9} {path}");
        }
    }
    if outcome.status == ApplyStatus::Failed {
        eprint!("{}", outcome.stderr);
    }
    Ok(if outcome.status == ApplyStatus::Applied { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn wait(tasks: &CloudTasks, task_id: &str) -> Result<(), Failure> {
    let mut changes = tasks.wait(task_id).changes();
    while let Some(task) = changes.try_next().await? {
        print_summary(&task.summary());
    }
    Ok(())
}
