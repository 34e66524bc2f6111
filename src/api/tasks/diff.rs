//! Unified diffs: what they change, counted and by path.

use std::collections::HashSet;

use crate::wire::open_struct;

/// The statistics of a diff.
///
/// ```
/// use codex_backend::tasks::DiffStats;
///
/// let stats = DiffStats::of("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1,2 @@\n-old\n+new\n+more\n");
/// assert_eq!((stats.files_modified, stats.lines_added, stats.lines_removed), (1, 2, 1));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DiffStats {
    /// The number of changed files.
    pub files_modified: u64,
    /// The number of added lines.
    pub lines_added: u64,
    /// The number of removed lines.
    pub lines_removed: u64,
}

impl DiffStats {
    /// Counts the changes of a unified diff. Files are counted by their `diff --git` lines, or if there are none, by
    /// `---` and `+++`. A diff that names no file counts as one file, unless it is blank.
    #[must_use]
    pub fn of(diff: &str) -> Self {
        let mut stats = Self::default();
        let (mut hunk, mut is_named, mut has_old_side) = (Hunk::default(), false, false);
        for line in diff.lines() {
            // What looks like a side may be a line that was changed.
            let is_content = hunk.takes(line);
            let is_old_side = !is_content && line.starts_with("--- ");
            if line.starts_with("diff --git ") {
                stats.files_modified += 1;
                (hunk, is_named) = (Hunk::default(), true);
            } else if line.starts_with("+++") || line.starts_with("---") || line.starts_with("@@") {
                if !is_content && has_old_side && line.starts_with("+++ ") {
                    stats.files_modified += u64::from(!is_named);
                    is_named = false;
                } else if !is_content && let Some(begun) = Hunk::begins(line) {
                    hunk = begun;
                }
            } else if line.starts_with('+') {
                stats.lines_added += 1;
            } else if line.starts_with('-') {
                stats.lines_removed += 1;
            }
            has_old_side = is_old_side;
        }
        if stats.files_modified == 0 && !diff.trim().is_empty() {
            stats.files_modified = 1;
        }
        stats
    }
}

open_struct! {
    /// The statistics of a diff, as the backend sends them.
    #[derive(Eq)]
    pub WireDiffStats {
        /// The number of changed files.
        files_modified: i64,
        /// The number of added lines.
        lines_added: i64,
        /// The number of removed lines.
        lines_removed: i64,
    }
}

impl From<&WireDiffStats> for DiffStats {
    fn from(stats: &WireDiffStats) -> Self {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Self {
            files_modified: count(stats.files_modified),
            lines_added: count(stats.lines_added),
            lines_removed: count(stats.lines_removed),
        }
    }
}

/// Whether a text is a unified diff, or at least looks like one.
pub(crate) fn is_unified_diff(text: &str) -> bool {
    let text = text.trim_start();
    let has_files = text.starts_with("--- ") || text.contains("\n--- ");
    let has_hunk = text.starts_with("@@ ") || text.contains("\n@@ ");
    text.starts_with("diff --git ") || (has_files && text.contains("\n+++ ") && has_hunk)
}

/// The paths that a diff names, each once, in order, without the `a/` and `b/` before them.
pub(crate) fn paths_of(diff: &str) -> Vec<String> {
    let (mut paths, mut known) = (Vec::new(), HashSet::new());
    let mut add = |path: Option<String>| {
        if let Some(path) = path
            && path != "/dev/null"
            && known.insert(path.clone())
        {
            paths.push(path);
        }
    };
    // A removed line may itself begin with `-- `: inside of a hunk, lines are counted and not read.
    let mut hunk = Hunk::default();
    for line in diff.lines() {
        if hunk.takes(line) {
            continue;
        }
        if let Some(header) = Hunk::begins(line) {
            hunk = header;
        } else if let Some(both) = line.strip_prefix("diff --git ") {
            for path in git_header(both) {
                add(Some(path));
            }
        } else if let Some(path) = line.strip_prefix("--- ").or_else(|| line.strip_prefix("+++ ")) {
            add(side(path));
        } else {
            for prefix in ["rename from ", "rename to ", "copy from ", "copy to "] {
                add(line.strip_prefix(prefix).map(unquoted));
            }
        }
    }
    paths
}

/// The lines that a hunk still has to come.
#[derive(Default)]
struct Hunk {
    old: u64,
    new: u64,
}

impl Hunk {
    fn begins(line: &str) -> Option<Self> {
        // As strictly as git: what it reads over is no hunk, and the lines behind it are read.
        let (old, new) = line.strip_prefix("@@ -")?.split_once(" @@")?.0.split_once(" +")?;
        let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?;
        let count = |range: &str| match range.split_once(',') {
            Some((start, count)) => number(start).and(number(count)),
            None => number(range).and(Some(1)),
        };
        Some(Self { old: count(old)?, new: count(new)? })
    }

    fn takes(&mut self, line: &str) -> bool {
        if self.old == 0 && self.new == 0 {
            return false;
        }
        match line.as_bytes().first() {
            Some(b'-') => self.old = self.old.saturating_sub(1),
            Some(b'+') => self.new = self.new.saturating_sub(1),
            Some(b'\\') => {}
            _ => (self.old, self.new) = (self.old.saturating_sub(1), self.new.saturating_sub(1)),
        }
        true
    }
}

/// The two paths after `diff --git`. With spaces in them the line alone does not tell where the first ends; then the lines
/// that follow name them.
fn git_header(both: &str) -> Vec<String> {
    if let Some(rest) = both.strip_prefix('"') {
        let end = closing_quote(rest);
        let (first, second) = rest.split_at(end.min(rest.len()));
        return [side(&format!("\"{first}\"")), side(second.trim_start_matches('"').trim_start())]
            .into_iter()
            .flatten()
            .collect();
    }
    // Without a rename both are the same, so the middle is where the space is.
    let (old, new) = both.split_at(both.len() / 2);
    match (old.strip_prefix("a/"), new.strip_prefix(" b/")) {
        (Some(old), Some(new)) if old == new => vec![old.to_owned()],
        _ => both.split_whitespace().filter_map(side).collect(),
    }
}

fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    for (index, character) in text.char_indices() {
        match character {
            '"' if !escaped => return index,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// One side's path, without what follows a tab, and without its first part.
fn side(text: &str) -> Option<String> {
    let path = unquoted(text.split('\t').next()?.trim_end());
    if path == "/dev/null" {
        return None;
    }
    // As `git apply` does. An absolute path has no first part to leave out.
    Some(match path.split_once('/') {
        Some((first, rest)) if !first.is_empty() => rest.to_owned(),
        _ => path,
    })
}

/// A path as git quotes it in C's manner, when it has special characters.
fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return text.to_owned() };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.bytes().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'n') => bytes.push(b'\n'),
            Some(b't') => bytes.push(b'\t'),
            Some(b'r') => bytes.push(b'\r'),
            Some(digit @ b'0'..=b'3') => {
                let mut value = digit - b'0';
                for _ in 0..2 {
                    if let Some(next) = rest.next_if(|next| matches!(next, b'0'..=b'7')) {
                        value = value.wrapping_mul(8).wrapping_add(next - b'0');
                    }
                }
                bytes.push(value);
            }
            Some(other) => bytes.push(other),
            None => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_a_diff() {
        let two =
            "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-old\n+new\ndiff --git a/b b/b\n@@ -0,0 +1 @@\n+x\n";
        let classic = "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-old\n+new\n--- a/b\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-x\n-y\n";
        let sides_in_a_hunk = "--- a\n+++ a\n@@ -1,2 +1,2 @@\n--- x\n+++ y\n-z\n+z\n";
        for (diff, expected) in [
            (two, (2, 2, 1)),
            (classic, (2, 1, 3)),
            (sides_in_a_hunk, (1, 1, 1)),
            ("diff --git a/a b/b\nrename from a\nrename to b\n", (1, 0, 0)),
            ("+a\n-b\n", (1, 1, 1)),
            ("", (0, 0, 0)),
            (" \n", (0, 0, 0)),
        ] {
            let stats = DiffStats::of(diff);
            assert_eq!((stats.files_modified, stats.lines_added, stats.lines_removed), expected, "{diff}");
        }
    }

    #[test]
    fn what_is_a_unified_diff() {
        for text in
            ["\n diff --git a/x b/x\n", "--- a/x\n+++ b/x\n@@ -1 +1 @@\n", "text\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n"]
        {
            assert!(is_unified_diff(text), "{text}");
        }
        for text in ["", "*** Begin Patch\n", "--- a/x\n+++ b/x\n", "@@ -1 +1 @@\n-a\n+b\n", "+a\n-b\n"] {
            assert!(!is_unified_diff(text), "{text}");
        }
    }

    #[test]
    fn paths_are_read_from_headers_and_not_from_content() {
        for (diff, expected) in [
            ("diff --git a/x y b/x y\n--- a/x y\n+++ b/x y\n@@ -1 +1 @@\n--- a/no\n+++ b/no\n", vec!["x y"]),
            ("diff --git a/x b/y\nrename from x\nrename to y\n", vec!["x", "y"]),
            ("--- /dev/null\n+++ b/new.txt\t2026-01-01\n@@ -0,0 +1 @@\n+../evil\n", vec!["new.txt"]),
            ("diff --git a/../../etc/x b/../../etc/x\n", vec!["../../etc/x"]),
            ("diff --git \"a/\\303\\251 \\\"x\" \"b/\\303\\251 \\\"x\"\n", vec!["é \"x"]),
            ("--- /etc/passwd\n+++ /etc/passwd\n@@ -1 +1 @@\n", vec!["/etc/passwd"]),
        ] {
            assert_eq!(paths_of(diff), expected, "{diff}");
        }
    }

    #[test]
    fn what_git_does_not_take_for_a_hunk_hides_no_path() {
        for line in ["@@ -1,9 +1,9", "@@ -x,9 +1,9 @@", "@@ -1,9 +1,+9 @@", "@@ -1,9  +1,9 @@", "@@ -1,9 1,9 @@"] {
            let diff = format!("{line}\n--- a/../../x\n+++ b/../../x\n@@ -0,0 +1 @@\n+x\n");
            assert_eq!(paths_of(&diff), ["../../x"], "{line}");
        }
    }

    #[test]
    fn many_paths_take_time_in_proportion() {
        let diff: String = (0..200_000).map(|number| format!("rename from {number}\n")).collect();
        assert_eq!(paths_of(&diff).len(), 200_000);
    }
}
