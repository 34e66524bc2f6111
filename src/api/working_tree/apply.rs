//! Applies a diff to a working tree, in the steps that `git` needs.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Component, Path};

use bytes::Bytes;

use super::error::GitError;
use super::git::{Git, Programs, Ran, path_in};
use crate::api::tasks::{DiffHeaders, is_unified_diff, with_modes_of_what_is_deleted};

/// The outcome of applying a diff. Paths are those that `git` reads from the diff: of a renamed file both, of a copied
/// one only the new one. What is no UTF-8 in a path is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApplyOutcome {
    /// The status.
    pub status: ApplyStatus,
    /// Whether it was only a check, which changes nothing.
    pub is_check: bool,
    /// The paths to which the diff was applied (in a check: would be).
    pub applied: Vec<String>,
    /// The paths that are unchanged. Empty if `git` cannot read the diff.
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
    /// Nothing fits, and nothing was written, unless `git` failed while it wrote (exit code 128).
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Reverse,
}

/// A path as git writes it, which need not be text.
type PathBytes = Vec<u8>;

pub(super) async fn apply(git: &Git, diff: &str, direction: Direction, check: bool) -> Result<ApplyOutcome, GitError> {
    if !is_unified_diff(diff) {
        return Err(GitError::NotADiff);
    }
    let headers = DiffHeaders::of(diff);
    if let Some(path) = headers.absolute {
        return Err(GitError::PathOutside { path });
    }
    if direction == Direction::Reverse
        && let Some((_, path)) = headers.copies.first()
    {
        return Err(GitError::CopyNotReverted { path: path.clone() });
    }
    // Git refuses a last line without its end.
    let end = if diff.ends_with('\n') { "" } else { "\n" };
    let diff = format!("{diff}{end}");
    let input = Bytes::from(match direction {
        Direction::Forward => diff,
        Direction::Reverse => with_modes_of_what_is_deleted(&diff),
    });
    // Where a path ends, and how many folders to leave out of it, only git knows.
    let list = ["apply", "--numstat", "-z", "--whitespace=nowarn", "-"];
    let ran = git.run(&list, Some(input.clone())).await?;
    if ran.code != Some(0) {
        return Ok(outcome(&ran, check, Vec::new(), &BTreeSet::new()));
    }
    let new = names_in(&ran.stdout);
    let old = names_in(&git.run(&[&list[..], &["--reverse"]].concat(), Some(input.clone())).await?.stdout);
    let all: BTreeSet<PathBytes> = new.iter().chain(&old).cloned().collect();
    refuse_what_leads_outside(git, all.clone()).await?;
    let programs = git.programs().await?;
    refuse_what_needs_a_filter(git, &programs, &all).await?;

    let mut arguments = vec!["apply", "--3way", "--whitespace=nowarn", "-"];
    arguments.extend((direction == Direction::Reverse).then_some("--reverse"));
    let before = unmerged(git).await?;
    let checked = git.run_without(&programs, &[&arguments[..], &["--check"]].concat(), Some(input.clone())).await?;
    // There are diffs at which git aborts: with the index locked, where it was not only to check.
    let ran = if check || checked.code.is_none() {
        checked
    } else {
        git.run_without(&programs, &arguments, Some(input)).await?
    };
    let changed = changed_paths(&new, &old, &headers.renames, &headers.copies);
    let conflicts: BTreeSet<String> = if check {
        // Nothing was written that could be looked at.
        let said = [b"\n", &ran.stderr[..]].concat();
        let is_conflict = |path: &&String| {
            let sentence = |quote| format!("\nApplied patch to {quote}{path}{quote} with conflicts.\n");
            ["'", ""].iter().any(|quote| memchr::memmem::find(&said, sentence(quote).as_bytes()).is_some())
        };
        changed.iter().filter(is_conflict).cloned().collect()
    } else {
        unmerged(git).await?.difference(&before).cloned().collect()
    };
    Ok(outcome(&ran, check, changed, &conflicts))
}

fn outcome(ran: &Ran, is_check: bool, paths: Vec<String>, conflicts: &BTreeSet<String>) -> ApplyOutcome {
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
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&ran.stdout), text(&ran.stderr));
    ApplyOutcome { status, is_check, applied, skipped, conflicted, exit_code: ran.code, stdout, stderr }
}

/// The names in `added TAB removed TAB name NUL …`.
fn names_in(numstat: &[u8]) -> Vec<PathBytes> {
    let name = |entry: &[u8]| entry.splitn(3, |byte| *byte == b'\t').nth(2).map(<[u8]>::to_vec);
    numstat.split(|byte| *byte == 0).filter_map(name).collect()
}

/// The paths that change, each once, in the order of the diff. Git lists either the new or the old path of each file; the
/// headers tell which belong together, and which old ones stay as they are because they are only copied.
fn changed_paths(
    new: &[PathBytes],
    old: &[PathBytes],
    renames: &[(String, String)],
    copies: &[(String, String)],
) -> Vec<String> {
    let text = |path: &PathBytes| String::from_utf8_lossy(path).into_owned();
    let old: Vec<String> = old.iter().map(text).collect();
    let renamed: HashMap<&str, &str> = renames.iter().map(|(from, to)| (to.as_str(), from.as_str())).collect();
    let kept: HashSet<&str> = copies.iter().map(|(from, _)| from.as_str()).collect();
    let kept: HashSet<&str> = kept.difference(&renamed.values().copied().collect()).copied().collect();
    let known: HashSet<&str> = old.iter().map(String::as_str).collect();
    let mut paths = Vec::new();
    for path in new.iter().map(text) {
        paths.extend(renamed.get(path.as_str()).filter(|from| known.contains(*from)).map(|&from| from.to_owned()));
        paths.push(path);
    }
    paths.extend(old.iter().filter(|path| !kept.contains(path.as_str())).cloned());
    let mut seen = HashSet::new();
    paths.retain(|path| seen.insert(path.clone()));
    paths
}

async fn refuse_what_leads_outside(git: &Git, paths: BTreeSet<PathBytes>) -> Result<(), GitError> {
    let root = git.root().to_owned();
    let outside = tokio::task::spawn_blocking(move || {
        let mut plain_folders = HashSet::new();
        paths
            .iter()
            .find(|path| !is_inside(path) || leads_through_a_link(&root, path, &paths, &mut plain_folders))
            .cloned()
    });
    let failed = |stopped| GitError::NotRun { command: "apply".to_owned(), source: io::Error::other(stopped) };
    match outside.await.map_err(failed)? {
        Some(path) => Err(GitError::PathOutside { path: String::from_utf8_lossy(&path).into_owned() }),
        None => Ok(()),
    }
}

/// Whether a path leads to a place inside of the tree that is git's to write.
fn is_inside(path: &[u8]) -> bool {
    let is_plain = |part: Component<'_>| match part {
        Component::Normal(name) => !name.eq_ignore_ascii_case(".git"),
        _ => false,
    };
    !path.is_empty() && !path.contains(&0) && path_in(path).components().all(is_plain)
}

/// Whether one of the folders above is a symbolic link. Git looks for those in its index alone, and follows others. One
/// that the diff itself changes git knows.
fn leads_through_a_link(
    root: &Path,
    path: &[u8],
    named: &BTreeSet<PathBytes>,
    plain_folders: &mut HashSet<PathBytes>,
) -> bool {
    let ends = memchr::memchr_iter(b'/', path);
    ends.map(|end| &path[..end]).any(|folder| {
        if named.contains(folder) || plain_folders.contains(folder) {
            return false;
        }
        let is_link = root.join(path_in(folder)).symlink_metadata().is_ok_and(|found| found.is_symlink());
        if !is_link {
            plain_folders.insert(folder.to_owned());
        }
        is_link
    })
}

async fn refuse_what_needs_a_filter(
    git: &Git,
    programs: &Programs,
    paths: &BTreeSet<PathBytes>,
) -> Result<(), GitError> {
    if programs.filters.is_empty() {
        return Ok(());
    }
    let input: Vec<u8> = paths.iter().flat_map(|path| path.iter().copied().chain([0])).collect();
    let ran = git.run(&["check-attr", "-z", "--stdin", "filter"], Some(input.into())).await?;
    // Path, attribute, value, each with a NUL behind it.
    let answers: Vec<&[u8]> = ran.stdout.split(|byte| *byte == 0).collect();
    match answers.chunks_exact(3).find(|answer| programs.filters.contains(answer[2])) {
        Some(answer) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Err(GitError::FilterNeeded { path: text(answer[0]), filter: text(answer[2]) })
        }
        None if ran.code == Some(0) => Ok(()),
        None => Err(ran.not_run("check-attr")),
    }
}

/// The paths with conflicts that the index knows of.
async fn unmerged(git: &Git) -> Result<BTreeSet<String>, GitError> {
    let ran = git.run(&["ls-files", "--unmerged", "-z"], None).await?;
    let name = |entry: &[u8]| {
        let start = memchr::memchr(b'\t', entry)? + 1;
        Some(String::from_utf8_lossy(&entry[start..]).into_owned())
    };
    Ok(ran.stdout.split(|byte| *byte == 0).filter_map(name).collect())
}
