//! Unified diffs: what they change, counted and by path.

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

/// What the headers of a diff tell that `git apply` does not list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct DiffHeaders {
    /// An absolute path, of which git would leave out the first slash.
    pub(crate) absolute: Option<String>,
    /// Old and new paths of what is renamed.
    pub(crate) renames: Vec<(String, String)>,
    /// Old and new paths of what is copied.
    pub(crate) copies: Vec<(String, String)>,
}

impl DiffHeaders {
    pub(crate) fn of(diff: &str) -> Self {
        let (mut headers, mut from) = (Self::default(), None);
        // A removed line may itself begin with `-- `: inside of a hunk, lines are counted and not read.
        let mut hunk = Hunk::default();
        for line in diff.split('\n') {
            if hunk.takes(line) {
                continue;
            }
            let old = |prefix| line.strip_prefix(prefix).map(unquoted);
            if let Some(header) = Hunk::begins(line) {
                hunk = header;
            } else if let Some(path) = line.strip_prefix("--- ").or_else(|| line.strip_prefix("+++ ")) {
                let path = unquoted(path.split('\t').next().unwrap_or_default().trim_end());
                if path.starts_with('/') && path != "/dev/null" && headers.absolute.is_none() {
                    headers.absolute = Some(path);
                }
            } else if let Some(path) = old("rename from ").or_else(|| old("copy from ")) {
                from = Some(path);
            } else if let Some(path) = old("rename to ") {
                headers.renames.extend(from.take().map(|from| (from, path)));
            } else if let Some(path) = old("copy to ") {
                headers.copies.extend(from.take().map(|from| (from, path)));
            }
        }
        headers
    }
}

/// The diff in which a deleted file has its mode as the new one too. Some versions of git that apply a diff in reverse
/// otherwise make a plain file of what was executable or a link.
pub(crate) fn with_modes_of_what_is_deleted(diff: &str) -> String {
    let (mut told, mut hunk) = (String::with_capacity(diff.len()), Hunk::default());
    for line in diff.split_inclusive('\n') {
        told.push_str(line);
        if hunk.takes(line) {
            continue;
        }
        if let Some(header) = Hunk::begins(line) {
            hunk = header;
        } else if let Some(mode) = line.strip_prefix("deleted file mode ") {
            told.extend(["new mode ", mode]);
        }
    }
    told
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
    fn headers_are_read_and_not_content() {
        let pair = |from: &str, to: &str| vec![(from.to_owned(), to.to_owned())];
        for (diff, renames, copies, absolute) in [
            ("diff --git a/x b/y\nrename from x\nrename to y\n", pair("x", "y"), vec![], None),
            ("diff --git a/x b/y\ncopy from x y\ncopy to \"\\303\\251\"\n", vec![], pair("x y", "é"), None),
            ("--- a\n+++ a\n@@ -1 +1,2 @@\n--- /etc/no\n+++ /etc/no\n+rename to x\n", vec![], vec![], None),
            ("--- /dev/null\n+++ /etc/x\t2026-01-01\n@@ -0,0 +1 @@\n+x\n", vec![], vec![], Some("/etc/x")),
            ("--- \"/etc/x y\"\n+++ /dev/null\n", vec![], vec![], Some("/etc/x y")),
        ] {
            let expected = DiffHeaders { absolute: absolute.map(str::to_owned), renames, copies };
            assert_eq!(DiffHeaders::of(diff), expected, "{diff}");
        }
    }

    #[test]
    fn what_git_does_not_take_for_a_hunk_hides_no_path() {
        for line in ["@@ -1,9 +1,9", "@@ -x,9 +1,9 @@", "@@ -1,9 +1,+9 @@", "@@ -1,9  +1,9 @@", "@@ -1,9 1,9 @@"] {
            let diff = format!("{line}\n--- /etc/x\n+++ /etc/x\n@@ -0,0 +1 @@\n+x\n");
            assert_eq!(DiffHeaders::of(&diff).absolute.as_deref(), Some("/etc/x"), "{line}");
        }
    }
}
