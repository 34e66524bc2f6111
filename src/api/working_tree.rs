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
/// `git` obeys the settings that say how files lie on the disk (`core.autocrlf`, `core.eol`, `core.fileMode`,
/// `core.symlinks`, `core.ignoreCase` and their like) and none that changes what a diff does. It starts no program that
/// the configuration or the attributes of the repository name: no hook, no fsmonitor, no merge driver, and no filter
/// unless [`with_filters`](Self::with_filters) allows it. It fetches nothing. Of the environment it gets paths only.
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

    /// Allows the filters that the attributes of a path name, such as Git LFS. They are programs that `git` starts. By
    /// default a diff that changes such a path is refused, with [`GitError::FilterNeeded`].
    #[must_use]
    pub fn with_filters(mut self) -> Self {
        self.git.allows_filters = true;
        self
    }

    /// The folder at the top of the tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.git.root()
    }

    /// The GitHub repositories of the remotes, without duplicates, in order. What counts are the URLs that `git` would
    /// fetch from and push to, after `insteadOf` and `pushInsteadOf`.
    ///
    /// # Errors
    ///
    /// When `git` cannot be run.
    pub async fn github_repositories(&self) -> Result<Vec<GitHubRepository>, GitError> {
        let remotes = self.git.run(&["remote", "--verbose"], None).await?;
        let lines = String::from_utf8_lossy(&remotes.stdout);
        // `origin TAB URL (fetch)`, and behind it what a partial clone leaves out.
        let url = |line: &str| {
            let (_, url) = line.split_once('\t')?;
            let end = url.rfind(" (fetch)").or_else(|| url.rfind(" (push)"))?;
            GitHubRepository::parse(&url[..end])
        };
        let mut repositories: Vec<_> = lines.lines().filter_map(url).collect();
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
    /// As [`apply`](Self::apply), and when the diff copies a file, which `git` does not revert.
    pub async fn revert(&self, diff: &str) -> Result<ApplyOutcome, GitError> {
        apply(&self.git, diff, Direction::Reverse, false).await
    }
}
