//! Diffs that `git` makes of any two trees, applied; and diffs that mean harm.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use codex_backend::tasks::{ApplyOutcome, ApplyStatus, DiffStats, GitError, WorkingTree};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::guard;
use crate::support::rounds::rounds;

const NAMES: [&str; 32] = [
    "plain.txt",
    "with space",
    " leading",
    "trailing ",
    "tab\there",
    "line\nbreak",
    "carriage\r",
    "quote\"d",
    "back\\slash",
    "é",
    "e\u{301}",
    "日本 語/ファイル",
    "how to use .git",
    ".gitignored",
    "sub/.github notes.txt",
    "foo b/bar.txt",
    "old/file.txt",
    "a b/c d",
    "a/b/c",
    "b/a",
    "-dash",
    "a => b",
    "{x => y}/z",
    "dev/null",
    "@@ -1 +1 @@",
    "rename from x",
    ":colon",
    "*.star",
    "\u{7f}",
    "folder",
    "folder/inside",
    "folder/deeper/inside",
];

/// What stands at a path.
#[derive(Debug, Clone)]
enum Entry {
    File { content: String, is_executable: bool },
    Link(&'static str),
    Submodule(&'static str),
}

type Tree = BTreeMap<&'static str, Entry>;

/// Few enough that git finds renames and copies.
fn contents() -> impl Strategy<Value = String> {
    let text = |mark: &str| (0..20).map(|line| format!("{mark} {line}\n")).collect::<String>();
    let headers = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-- a\n++ b\nrename from x\ncopy to y\ndiff --git a/x b/y\n".repeat(3);
    let bases = [
        text("one"),
        text("two").replace('\n', "\r\n"),
        text("drei ß").trim_end().into(),
        headers,
        format!("\0\u{1}é{}", text("binary")),
        String::new(),
    ];
    (select(bases.to_vec()), 0..4_u8).prop_map(|(mut content, edit)| {
        match edit {
            1 => content.push_str("more\n"),
            2 => content.insert_str(0, "-- first\n"),
            3 => content.push_str("no newline"),
            _ => {}
        }
        content
    })
}

fn entries() -> impl Strategy<Value = Entry> {
    prop_oneof![
        8 => (contents(), any::<bool>())
            .prop_map(|(content, is_executable)| Entry::File { content, is_executable }),
        1 => select(vec!["plain.txt", "../elsewhere", "/no such/ziel é"]).prop_map(Entry::Link),
        1 => select(vec!["1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"])
            .prop_map(Entry::Submodule),
    ]
}

/// Without a file where another path has a folder.
fn trees() -> impl Strategy<Value = Tree> {
    prop::collection::btree_map(select(NAMES.to_vec()), entries(), 1..6).prop_map(|mut tree: Tree| {
        let names: BTreeSet<&str> = tree.keys().copied().collect();
        tree.retain(|name, _| !Path::new(name).ancestors().skip(1).any(|it| names.contains(it.to_str().unwrap())));
        tree
    })
}

/// A repository below a folder that is its own, so that what is written beside it is seen.
struct Repository {
    around: tempfile::TempDir,
}

impl Repository {
    fn new() -> Self {
        let repository = Self { around: tempfile::tempdir().unwrap() };
        fs::create_dir(repository.root()).unwrap();
        repository.git(&["init", "-q", "-b", "trunk"]);
        repository.git(&["config", "core.protectNTFS", "false"]);
        repository
    }

    fn root(&self) -> PathBuf {
        self.around.path().join("tree")
    }

    fn git(&self, arguments: &[&str]) -> Vec<u8> {
        self.git_reads(arguments, &[])
    }

    fn git_reads(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=n", "-c", "user.email=e@example.com"]).args(arguments).current_dir(self.root());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn text(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.git(arguments)).unwrap().trim_end().to_owned()
    }

    /// The id of a tree with those entries.
    fn tree(&self, entries: &Tree) -> String {
        let mut listing = Vec::new();
        for (name, entry) in entries {
            let blob = |content: &[u8]| {
                String::from_utf8(self.git_reads(&["hash-object", "-w", "--stdin"], content)).unwrap().trim().to_owned()
            };
            let (mode, id) = match entry {
                Entry::File { content, is_executable: false } => ("100644", blob(content.as_bytes())),
                Entry::File { content, is_executable: true } => ("100755", blob(content.as_bytes())),
                Entry::Link(target) => ("120000", blob(target.as_bytes())),
                Entry::Submodule(commit) => ("160000", (*commit).to_owned()),
            };
            listing.extend(format!("{mode} {id}\t{name}\0").into_bytes());
        }
        self.git(&["read-tree", "--empty"]);
        self.git_reads(&["update-index", "-z", "--index-info"], &listing);
        self.text(&["write-tree"])
    }

    /// Index and folder as in a tree.
    fn reset(&self, tree: &str) {
        let commit = self.text(&["commit-tree", "-m", "as it was", tree]);
        self.git(&["reset", "-q", "--hard", &commit]);
        self.git(&["clean", "-qffdx"]);
    }

    /// The tree of the index, and of the folder.
    fn trees_now(&self) -> (String, String) {
        let index = self.text(&["write-tree"]);
        self.git(&["add", "--all"]);
        (index, self.text(&["write-tree"]))
    }

    fn open(&self) -> WorkingTree {
        wait(WorkingTree::open(self.root())).unwrap()
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(guard(future))
}

fn told(outcome: &ApplyOutcome) -> BTreeSet<&str> {
    outcome.applied.iter().chain(&outcome.conflicted).map(String::as_str).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: rounds(24), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_diff_of_any_two_trees_makes_the_one_of_the_other_and_tells_what_differs(
        (before, after) in (trees(), trees()),
        renames in select(vec!["--no-renames", "--find-renames=40%", "--find-copies-harder"]),
        prefix in select(vec![&["--default-prefix"][..], &["--src-prefix=i/", "--dst-prefix=w/"]]),
        quoting in select(vec!["core.quotePath=true", "core.quotePath=false"]),
        index in select(vec!["--full-index", "--abbrev=12"]),
    ) {
        let repository = Repository::new();
        let (before, after) = (repository.tree(&before), repository.tree(&after));
        let mut arguments = vec!["-c", quoting, "diff", "--binary", renames, index];
        arguments.extend(prefix);
        arguments.extend([before.as_str(), after.as_str()]);
        let diff = String::from_utf8(repository.git(&arguments)).unwrap();
        prop_assume!(!diff.is_empty());
        let changed = repository.git(&["diff", "--no-renames", "--name-only", "-z", &before, &after]);
        let changed = String::from_utf8(changed).unwrap();
        let changed: BTreeSet<&str> = changed.split_terminator('\0').collect();
        repository.reset(&before);
        let tree = repository.open();

        let checked = wait(tree.check(&diff)).unwrap();
        prop_assert_eq!((checked.status, told(&checked)), (ApplyStatus::Applied, changed.clone()), "{}\n{:?}", diff, checked);
        prop_assert_eq!(repository.trees_now(), (before.clone(), before.clone()));

        let applied = wait(tree.apply(&diff)).unwrap();
        prop_assert_eq!((applied.status, told(&applied)), (ApplyStatus::Applied, changed.clone()), "{}\n{:?}", diff, applied);
        prop_assert_eq!(repository.trees_now(), (after.clone(), after.clone()), "{}", diff);

        match wait(tree.revert(&diff)) {
            Err(GitError::CopyNotReverted { path }) => {
                prop_assert!(diff.contains("\ncopy from ") && changed.contains(path.as_str()), "{}", diff);
                prop_assert_eq!(repository.trees_now(), (after.clone(), after), "{}", diff);
            }
            reverted => {
                let reverted = reverted.unwrap();
                prop_assert_eq!((reverted.status, told(&reverted)), (ApplyStatus::Applied, changed), "{}\n{:?}", diff, reverted);
                prop_assert_eq!(repository.trees_now(), (before.clone(), before), "{}", diff);
            }
        }
    }
}

/// Places that no diff may lead to, and some that one may.
const PLACES: [&str; 30] = [
    "../outside.txt",
    "../tree/x",
    "sub/../../outside.txt",
    "sub/../../../outside.txt",
    "./x",
    "sub/./x",
    "sub//x",
    ".git/config",
    ".git/hooks/post-checkout",
    ".GIT/config",
    ".git",
    "sub/.git/hooks/x",
    "link/x",
    "link/sub/x",
    "known/x",
    "known",
    "link",
    "/etc/outside.txt",
    "\"..\\057outside.txt\"",
    "\"\\056git/config\"",
    "\"sub/\\056\\056/\\056\\056/outside.txt\"",
    "\"lin\\153/x\"",
    "\"a\\000b\"",
    "\"unfinished",
    "\"\\",
    "é",
    "éé b/x",
    "a.txt",
    "sub/b.txt",
    "new/x.txt",
];

fn lines() -> impl Strategy<Value = String> {
    let place = || select(PLACES.to_vec());
    let number = || select(vec!["0", "1", "2", "3", "9", "18446744073709551616", "-1", "x", ""]);
    let side = || select(vec!["a/", "b/", "", "x/", "/", "a//"]);
    let sided = move || {
        (side(), place()).prop_map(|(side, place)| match place.strip_prefix('"') {
            Some(quoted) => format!("\"{side}{quoted}"),
            None => format!("{side}{place}"),
        })
    };
    prop_oneof![
        4 => (sided(), sided()).prop_map(|(old, new)| format!("diff --git {old} {new}")),
        2 => sided().prop_map(|path| format!("diff --git {path} {path}")),
        3 => (select(vec!["--- ", "+++ "]), sided()).prop_map(|(sign, path)| format!("{sign}{path}")),
        1 => select(vec!["--- /dev/null", "+++ /dev/null"]).prop_map(str::to_owned),
        2 => (select(vec!["rename from ", "rename to ", "copy from ", "copy to "]), place())
            .prop_map(|(word, path)| format!("{word}{path}")),
        2 => (
            select(vec!["new file mode ", "deleted file mode ", "old mode ", "new mode "]),
            select(vec!["100644", "100755", "120000", "160000", "040000", "0", "777777777777", ""]),
        )
            .prop_map(|(word, mode)| format!("{word}{mode}")),
        1 => Just("index 0000000..0000000 120000".to_owned()),
        3 => (number(), number(), number(), number())
            .prop_map(|(a, b, c, d)| format!("@@ -{a},{b} +{c},{d} @@")),
        1 => Just("@@ -1 +1 @@".to_owned()),
        1 => Just("@@ -0,0 +1 @@".to_owned()),
        4 => select(vec!["+x", "-x", " x", "+../outside", "\\ No newline at end of file", "", "-one", " one", "+++ x"])
            .prop_map(str::to_owned),
        1 => select(vec!["GIT binary patch", "literal 5", "Mc${NkW;", "delta 9", "similarity index 100%"]).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
    ]
}

/// A file made at a place, in a form that git takes wherever it may.
fn creations() -> impl Strategy<Value = String> {
    let mode = select(vec!["100644", "100755", "120000", "160000"]);
    let form = select(vec![0_u8, 1, 2]);
    (select(PLACES.to_vec()), mode, form).prop_map(|(place, mode, form)| {
        let side = |side: &str| match place.strip_prefix('"') {
            Some(quoted) => format!("\"{side}/{quoted}"),
            None => format!("{side}/{place}"),
        };
        let (old, new) = (side("a"), side("b"));
        match form {
            0 => format!(
                "diff --git {old} {new}\nnew file mode {mode}\n--- /dev/null\n+++ {new}\n@@ -0,0 +1 @@\n+../around\n"
            ),
            1 => format!("--- /dev/null\n+++ {new}\n@@ -0,0 +1 @@\n+x\n"),
            _ => format!("diff --git a/a.txt {new}\nsimilarity index 100%\nrename from a.txt\nrename to {place}\n"),
        }
    })
}

fn hostile_diffs() -> impl Strategy<Value = String> {
    let end = select(vec!["\n", "\r\n", "\n\n"]);
    prop_oneof![
        2 => (prop::collection::vec(lines(), 1..14), end).prop_map(|(lines, end)| {
            lines.iter().fold("diff --git a/a.txt b/a.txt\n".to_owned(), |diff, line| diff + line + end)
        }),
        3 => prop::collection::vec(creations(), 1..4).prop_map(|parts| parts.concat()),
        2 => (prop::collection::vec(creations(), 1..3), any::<prop::sample::Index>(), lines()).prop_map(
            |(parts, at, line)| {
                let diff = parts.concat();
                let at = (0..=at.index(diff.len())).rev().find(|at| diff.is_char_boundary(*at)).unwrap_or(0);
                format!("{}\n{line}\n{}", &diff[..at], &diff[at..])
            }
        ),
    ]
}

/// Everything that lies around the tree and in its `.git`, but for what git itself keeps there.
fn surroundings(around: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![around.to_owned(), around.join("tree/.git")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(around).unwrap();
            if ["tree", "tree/.git/objects", "tree/.git/index", "tree/.git/ORIG_HEAD", "tree/.git/logs"]
                .iter()
                .any(|own| name == Path::new(own))
                || name.starts_with("tree/.git/refs")
            {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path.clone());
                found.insert(path, Vec::new());
            } else {
                found.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    found
}

#[cfg(unix)]
#[test]
fn hostile_diffs_write_nothing_outside_and_panic_nowhere() {
    use proptest::test_runner::TestRunner;

    let repository = Repository::new();
    let root = repository.root();
    let known = Tree::from([
        ("a.txt", Entry::File { content: "one\n".to_owned(), is_executable: false }),
        ("sub/b.txt", Entry::File { content: "alpha\n".to_owned(), is_executable: false }),
        ("known", Entry::Link("../elsewhere")),
    ]);
    let known = repository.tree(&known);
    repository.reset(&known);
    let elsewhere = repository.around.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("x"), "untouched\n").unwrap();
    let link = || std::os::unix::fs::symlink(&elsewhere, root.join("link")).unwrap();
    link();
    let tree = repository.open();
    let before = surroundings(repository.around.path());
    let applied = std::cell::Cell::new(0_u32);
    let config = ProptestConfig {
        cases: rounds(500),
        failure_persistence: None,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&(hostile_diffs(), any::<bool>()), |(diff, is_reverted)| {
            prop_assert!(DiffStats::of(&diff).files_modified > 0, "{}", diff);
            let outcome = wait(async { if is_reverted { tree.revert(&diff).await } else { tree.apply(&diff).await } });
            let after = surroundings(repository.around.path());
            let names = before.keys().chain(after.keys());
            let written: Vec<&PathBuf> = names.filter(|name| before.get(*name) != after.get(*name)).collect();
            prop_assert!(written.is_empty(), "{:?}: {}", written, diff);
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(GitError::PathOutside { .. } | GitError::NotADiff | GitError::CopyNotReverted { .. }) => {
                    return Ok(());
                }
                Err(error) => return Err(TestCaseError::fail(format!("{error}: {diff}"))),
            };
            if outcome.exit_code == Some(128) {
                // Some faults git sees when it writes, not when it checks.
                repository.reset(&known);
                link();
                return Ok(());
            }
            let told: BTreeSet<&str> = told(&outcome);
            let status = repository.git(&["status", "--porcelain", "--no-renames", "--untracked-files=all", "-z"]);
            let status = String::from_utf8(status).unwrap();
            let changed: BTreeSet<&str> =
                status.split_terminator('\0').map(|entry| &entry[3..]).filter(|path| *path != "link").collect();
            prop_assert!(changed.is_subset(&told), "{:?}: {}\n{:?}", changed, diff, outcome);
            let exists = |path: &&&str| root.join(path).symlink_metadata().is_err();
            let gone: Vec<&&str> = told.iter().filter(exists).filter(|path| !changed.contains(**path)).collect();
            prop_assert!(gone.is_empty(), "{:?}: {}\n{:?}", gone, diff, outcome);
            if !told.is_empty() {
                applied.set(applied.get() + 1);
                repository.reset(&known);
                link();
            }
            Ok(())
        })
        .unwrap();
    assert!(applied.get() > 0, "what is made can be applied at times");
}
