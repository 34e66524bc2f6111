//! Applies a diff to a working tree, in the steps that `git` needs.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use bytes::Bytes;

use super::error::GitError;
use super::git::Git;
use crate::api::tasks::{is_unified_diff, paths_of};

/// The outcome of applying a diff.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApplyOutcome {
    /// The status.
    pub status: ApplyStatus,
    /// Whether it was only a check, which changes nothing.
    pub is_check: bool,
    /// The paths to which the diff was applied (in a check: would be).
    pub applied: Vec<String>,
    /// The paths that are unchanged.
    pub skipped: Vec<String>,
    /// The paths that have conflict markers now.
    pub conflicted: Vec<String>,
    /// The exit code of `git`; `None` if a signal ended it.
    pub exit_code: Option<i32>,
    /// What `git` wrote to its standard output.
    pub stdout: String,
    /// What `git` wrote to its standard error.
    pub stderr: String,
}

/// The status of applying a diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApplyStatus {
    /// The whole diff fits.
    Applied,
    /// A part of it fits; there are conflicts to resolve.
    Partial,
    /// Nothing fits, and nothing was written.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Reverse,
}

pub(super) async fn apply(git: &Git, diff: &str, direction: Direction, check: bool) -> Result<ApplyOutcome, GitError> {
    if !is_unified_diff(diff) {
        return Err(GitError::NotADiff);
    }
    let paths = paths_of(diff);
    if let Some(path) = paths.iter().find(|path| !is_inside(path)) {
        return Err(GitError::PathOutside { path: path.clone() });
    }
    let mut arguments = vec!["apply", "--3way"];
    arguments.extend(check.then_some("--check"));
    arguments.extend((direction == Direction::Reverse).then_some("--reverse"));
    arguments.push("-");
    // Git refuses a last line without its end.
    let end = if diff.ends_with('\n') { "" } else { "\n" };
    let before = unmerged(git).await?;
    let ran = git.run(&arguments, Some(Bytes::from(format!("{diff}{end}")))).await?;
    let after = unmerged(git).await?;
    let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
    let conflicts: BTreeSet<String> = if check {
        // Nothing was written that could be looked at.
        stderr.lines().filter_map(conflict_in).collect()
    } else {
        after.difference(&before).cloned().collect()
    };
    let (mut applied, mut skipped, mut conflicted) = (Vec::new(), Vec::new(), Vec::new());
    for path in paths {
        // Git writes all files, some with conflicts, or none.
        let place = match (conflicts.contains(&path), ran.code) {
            (true, _) => &mut conflicted,
            (false, Some(0)) => &mut applied,
            (false, _) if !conflicts.is_empty() => &mut applied,
            (false, _) => &mut skipped,
        };
        place.push(path);
    }
    let status = match (conflicted.is_empty(), ran.code) {
        (true, Some(0)) => ApplyStatus::Applied,
        (true, _) => ApplyStatus::Failed,
        (false, _) => ApplyStatus::Partial,
    };
    let stdout = String::from_utf8_lossy(&ran.stdout).into_owned();
    Ok(ApplyOutcome { status, is_check: check, applied, skipped, conflicted, exit_code: ran.code, stdout, stderr })
}

/// Whether a path leads to a place inside of the tree that is git's to write.
fn is_inside(path: &str) -> bool {
    let parts = Path::new(path).components();
    let is_plain = |part: Component<'_>| match part {
        Component::Normal(name) => !name.eq_ignore_ascii_case(".git"),
        _ => false,
    };
    !path.is_empty() && !path.contains('\0') && parts.into_iter().all(is_plain)
}

/// The paths with conflicts that the index knows of.
async fn unmerged(git: &Git) -> Result<BTreeSet<String>, GitError> {
    let ran = git.run(&["diff", "--name-only", "--diff-filter=U", "-z"], None).await?;
    let listed = String::from_utf8_lossy(&ran.stdout).into_owned();
    Ok(listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

/// `Applied patch to 'x' with conflicts.`, without quotes in older versions.
fn conflict_in(line: &str) -> Option<String> {
    let path = line.strip_prefix("Applied patch to ")?.strip_suffix(" with conflicts.")?;
    Some(path.trim_matches('\'').to_owned())
}
