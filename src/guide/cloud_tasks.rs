//! Cloud tasks.
//!
//! A task runs in an *environment* of the backend and ends in a diff. From its start to the change in your files:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! # let folder = tempfile::tempdir()?;
//! # let git = |arguments: &[&str]| std::process::Command::new("git").args(arguments).current_dir(&folder).output();
//! # git(&["init", "-q"])?;
//! # git(&["remote", "add", "origin", "git@github.com:acme/api.git"])?;
//! # std::fs::write(folder.path().join("x"), "a\n")?;
//! # git(&["add", "x"])?;
//! # let folder = folder.path();
//! use codex_backend::tasks::{ApplyStatus, NewTask, WorkingTree};
//!
//! // The repository we are in, and the environment that belongs to it.
//! let tree = WorkingTree::open(folder).await?;
//! let environments = client.cloud_environments();
//! let environment = environments.detect(&tree.github_repositories().await?, None).await?;
//!
//! let tasks = client.cloud_tasks();
//! let task = NewTask::new(&environment.id, "Fix the flaky test").branch(tree.branch().await?).best_of(2);
//! let created = tasks.create(task).await?;
//! println!("see {}", tasks.task_url(&created.id));
//!
//! # backend.finish_task(&created.id, "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n");
//! let done = tasks.wait(&created.id).await?;
//! println!("{}: {}", done.summary().status, done.messages().join("\n"));
//!
//! // The diff of the first of the two attempts. Check whether it applies, then apply it.
//! let diff = tasks.diff(&created.id, 1).await?;
//! if tree.check(&diff).await?.status == ApplyStatus::Applied {
//!     println!("changed: {:?}", tree.apply(&diff).await?.applied);
//! }
//! # assert_eq!(environment.id, "env_api");
//! # assert_eq!(std::fs::read_to_string(folder.join("x"))?, "b\n");
//! # Ok(()) }
//! ```
//!
//! ## What is safe
//!
//! * **Starting a task** is retried only if it is certain that the backend did not act on the request. Where
//!   [`Error::may_have_been_sent`](crate::Error::may_have_been_sent) is true, look into the list before you start another.
//! * **Waiting** polls the backend, at growing intervals, and goes on after errors that are
//!   [retryable](crate::Error::is_retryable). It fails after an hour, unless you set another time-out. Dropping it ends the
//!   waiting, not the task.
//! * **Applying** is done by the real `git`, from the root of the tree. A diff that is no unified diff, or that names a
//!   path outside of the tree, inside of `.git` or behind a symbolic link, is never applied. The paths that are told are
//!   those that `git` reads from the diff.
//! * **The configuration of `git`** counts where it says how files lie on the disk. No program that it names is started: no
//!   hook, no merge driver, no fsmonitor. A path that needs a filter, such as Git LFS, is refused unless
//!   `WorkingTree::with_filters` allows it. Variables named `GIT_…` count for nothing, and `git` gets no secret from the
//!   environment.
//!   [`WorkingTree::revert`](crate::tasks::WorkingTree::revert) takes a diff back.
//!
//! ## Lists
//!
//! A list is read as a stream of items or of pages, and each page is requested when it is needed:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! # backend.add_tasks(30);
//! use codex_backend::tasks::TaskFilter;
//! use futures_util::TryStreamExt;
//!
//! let tasks = client.cloud_tasks();
//! let of_web = TaskFilter::default().environment("env_web");
//! let mut items = tasks.list_matching(of_web).with_item_limit(100).items();
//! while let Some(task) = items.try_next().await? {
//!     println!("{}", task.title);
//! }
//!
//! // Or page by page: the cursor of the next page can be kept for later.
//! let page = tasks.list().page().await?;
//! if let Some(cursor) = page.next_cursor {
//!     let next = tasks.list().from_cursor(cursor).page().await?;
//!     # assert_eq!(next.items.len(), 10);
//! }
//! # Ok(()) }
//! ```
