//! A working tree of git on this machine: where cloud tasks start from, and where their diffs go.

mod apply;
mod error;
mod git;

use std::path::{Path, PathBuf};

pub use self::apply::{ApplyOutcome, ApplyStatus};
use self::apply::{Direction, apply};
pub use self::error::GitError;
use self::git::Git;
use super::environments::GitHubRepository;

/// A working tree of git. It runs the `git` command, which has to be installed.
///
/// Only [`apply`](Self::apply) and [`revert`](Self::revert) write anything, and only below the tree's root. Once
/// started, `git` runs to its end even if the future is dropped, so a tree is not left half written.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let git = |arguments: &[&str]| std::process::Command::new("git").args(arguments).current_dir(&folder).output();
/// # git(&["init", "-q"])?;
/// # std::fs::write(folder.path().join("x"), "a\n")?;
/// # git(&["add", "x"])?;
/// use codex_backend::tasks::{ApplyStatus, WorkingTree};
///
/// let diff = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n";
/// let tree = WorkingTree::open(folder.path()).await?;
/// assert_eq!(tree.check(diff).await?.status, ApplyStatus::Applied);
/// assert_eq!(std::fs::read_to_string(folder.path().join("x"))?, "a\n"); // unchanged
///
/// assert_eq!(tree.apply(diff).await?.applied, ["x"]);
/// assert_eq!(std::fs::read_to_string(folder.path().join("x"))?, "b\n");
/// # Ok(()) }
/// ```
#[doc(alias("diff", "patch", "apply"))]
#[derive(Debug, Clone)]
pub struct WorkingTree {
    git: Git,
}

impl WorkingTree {
    /// The working tree that contains a folder.
    ///
    /// # Errors
    ///
    /// When there is no `git`, or the folder is in no working tree.
    pub async fn open(folder: impl AsRef<Path>) -> Result<Self, GitError> {
        Self::open_with(folder, "git").await
    }

    /// As [`open`](Self::open), with another program than the `git` found in `PATH`.
    ///
    /// # Errors
    ///
    /// When there is no such program, or the folder is in no working tree.
    pub async fn open_with(folder: impl AsRef<Path>, program: impl Into<PathBuf>) -> Result<Self, GitError> {
        Ok(Self { git: Git::at_root_of(folder.as_ref(), program.into()).await? })
    }

    /// The folder at the top of the tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.git.root()
    }

    /// The GitHub repositories of the remotes, without duplicates, in order.
    ///
    /// # Errors
    ///
    /// When `git` cannot be run.
    pub async fn github_repositories(&self) -> Result<Vec<GitHubRepository>, GitError> {
        let configured = self.git.run(&["config", "--get-regexp", r"^remote\..*\.url$"], None).await?;
        // A configuration without remotes is no error, and git's code says so.
        let lines = String::from_utf8_lossy(&configured.stdout);
        let addresses = lines.lines().filter_map(|line| line.split_once(' ')).map(|(_, address)| address);
        let mut repositories: Vec<_> = addresses.filter_map(GitHubRepository::parse).collect();
        repositories.sort();
        repositories.dedup();
        Ok(repositories)
    }

    /// The branch to start a task from: the one that is checked out, else the default branch of the remote `origin`, else
    /// `main`.
    ///
    /// # Errors
    ///
    /// When `git` cannot be run.
    pub async fn branch(&self) -> Result<String, GitError> {
        for (arguments, prefix) in [
            (["symbolic-ref", "--quiet", "--short", "HEAD"], ""),
            (["symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"], "origin/"),
        ] {
            let answer = self.git.run(&arguments, None).await?;
            let name = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
            if let Some(name) = name.strip_prefix(prefix)
                && answer.code == Some(0)
                && !name.is_empty()
            {
                return Ok(name.to_owned());
            }
        }
        Ok("main".to_owned())
    }

    /// Checks what [`apply`](Self::apply) would do. Changes neither the tree nor the index.
    ///
    /// # Errors
    ///
    /// A [`GitError`] when `git` must not or cannot be run on the diff. A diff that does not fit is not an error: see
    /// the outcome's status.
    pub async fn check(&self, diff: &str) -> Result<ApplyOutcome, GitError> {
        apply(&self.git, diff, Direction::Forward, true).await
    }

    /// Applies a unified diff to the tree and its index (`git apply --3way`). If the tree has changed meanwhile, the
    /// changes are merged; conflicts are left in the files, with conflict markers.
    ///
    /// # Errors
    ///
    /// A [`GitError`] when `git` must not or cannot be run on the diff, for example because it is not a unified diff,
    /// or names a path outside of the tree. A diff that does not fit is not an error: see the outcome's status.
    pub async fn apply(&self, diff: &str) -> Result<ApplyOutcome, GitError> {
        apply(&self.git, diff, Direction::Forward, false).await
    }

    /// Reverts a diff that was applied.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply).
    pub async fn revert(&self, diff: &str) -> Result<ApplyOutcome, GitError> {
        apply(&self.git, diff, Direction::Reverse, false).await
    }
}
