//! What can go wrong when a diff is applied.

use std::io;
use std::path::PathBuf;

/// Why `git` was not run, or could not be. The working tree is unchanged.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # std::process::Command::new("git").args(["init", "-q"]).current_dir(&folder).status()?;
/// use codex_backend::tasks::{GitError, WorkingTree};
///
/// let tree = WorkingTree::open(folder.path()).await?;
/// let outside = "--- a/../../x\n+++ b/../../x\n@@ -1 +1 @@\n-a\n+b\n";
/// assert!(matches!(tree.apply(outside).await, Err(GitError::PathOutside { .. })));
/// assert!(matches!(tree.apply("I could not do it.").await, Err(GitError::NotADiff)));
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// There is no `git`.
    #[error("there is no program `{}`: install git, or name the program with `WorkingTree::open_with`", program.display())]
    GitNotFound {
        /// The program.
        program: PathBuf,
    },
    /// The folder is in no working tree.
    #[error("`{}` is in no working tree of git: {said}", folder.display())]
    NotAWorkingTree {
        /// The folder.
        folder: PathBuf,
        /// What git said.
        said: String,
    },
    /// The text is not a unified diff; `git` was not run on it.
    #[error("this is not a unified diff; nothing was applied")]
    NotADiff,
    /// The diff names a path outside of the working tree, inside of `.git`, or behind a symbolic link.
    #[error("the diff names `{path}`, which is no file of the working tree; nothing was applied")]
    PathOutside {
        /// The path.
        path: String,
    },
    /// The attributes of a path name a filter, which is a program, and the application has not allowed filters:
    /// [`WorkingTree::with_filters`](super::WorkingTree::with_filters).
    #[error("`{path}` needs the filter `{filter}`, which `WorkingTree::with_filters` would allow; nothing was applied")]
    FilterNeeded {
        /// The path.
        path: String,
        /// The name of the filter.
        filter: String,
    },
    /// The diff to revert copies a file: `git` reverts no copy, and may leave it where it is without saying so.
    #[error("the diff makes `{path}` by copying, which `git` does not revert; nothing was reverted")]
    CopyNotReverted {
        /// The path of the copy.
        path: String,
    },
    /// `git` could not be run.
    #[error("`git {command}` could not be run: {source}")]
    NotRun {
        /// Its first argument.
        command: String,
        /// Why.
        source: io::Error,
    },
}
