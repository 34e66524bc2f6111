//! The diff of a cloud task, applied to a working tree.

use std::fs;
use std::path::Path;
use std::process::Command;

use codex_backend::tasks::{ApplyStatus, GitError, WorkingTree};

use crate::support::guard;

/// Writes a script of the shell, by another process: a file that a process forked meanwhile holds open for writing cannot be
/// started.
#[cfg(unix)]
fn write_program(path: &Path, lines: &str) {
    let write = "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"";
    let status = Command::new("/bin/sh").args(["-c", write, "sh"]).arg(path).arg(lines).status().unwrap();
    assert!(status.success());
}

/// A repository with two files, committed.
struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    fn new() -> Self {
        let repository = Self { folder: tempfile::tempdir().unwrap() };
        repository.git(&["init", "-q", "-b", "trunk"]);
        repository.write("a.txt", "one\ntwo\nthree\n");
        repository.write("sub/b.txt", "alpha\nbeta\n");
        repository.git(&["add", "."]);
        repository.commit("first");
        repository
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git").args(arguments).current_dir(self.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn commit(&self, message: &str) {
        self.git(&["-c", "user.name=n", "-c", "user.email=e@example.com", "commit", "-q", "-m", message]);
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap()
    }

    /// Tree and index, as git sees them.
    fn state(&self) -> String {
        self.git(&["status", "--porcelain"]) + &self.git(&["diff", "HEAD"])
    }

    /// The diff that turns what is committed into `changes`; the tree is as it was afterwards.
    fn diff_of(&self, changes: &[(&str, &str)]) -> String {
        for (path, content) in changes {
            self.write(path, content);
        }
        self.git(&["add", "."]);
        let diff = self.git(&["diff", "--cached", "--full-index"]);
        self.git(&["reset", "-q", "--hard"]);
        diff
    }

    async fn open(&self) -> WorkingTree {
        guard(WorkingTree::open(self.path())).await.unwrap()
    }

    /// With a `git` that a script starts, after those lines of shell.
    #[cfg(unix)]
    async fn open_with_shell(&self, lines: &str) -> WorkingTree {
        let script = self.script("git.sh", &format!("{lines}\nexec git \"$@\""));
        guard(WorkingTree::open_with(self.path(), script)).await.unwrap()
    }

    /// A program in `.git`, where it is no part of the tree.
    #[cfg(unix)]
    fn script(&self, name: &str, lines: &str) -> String {
        let path = self.path().join(".git").join(name);
        write_program(&path, lines);
        path.to_str().unwrap().to_owned()
    }

    /// A program that does to its input what `cat` does, and leaves a trace.
    #[cfg(unix)]
    fn trap(&self) -> String {
        self.script("trap.sh", &format!("echo \"$0 $*\" >> '{}'; cat", self.path().join(".git/started").display()))
    }

    #[cfg(unix)]
    fn started(&self) -> String {
        fs::read_to_string(self.path().join(".git/started")).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_diff_is_checked_applied_and_taken_back() {
    let repository = Repository::new();
    let diff = repository.diff_of(&[("a.txt", "one\nTWO\nthree\n"), ("new é.txt", "new\n")]);
    let tree = repository.open().await;
    let before = repository.state();

    let checked = guard(tree.check(&diff)).await.unwrap();
    assert_eq!((checked.status, checked.is_check), (ApplyStatus::Applied, true));
    assert_eq!(checked.applied, ["a.txt", "new é.txt"]);
    assert_eq!(repository.state(), before);

    let applied = guard(tree.apply(&diff)).await.unwrap();
    assert_eq!((applied.status, applied.is_check, applied.exit_code), (ApplyStatus::Applied, false, Some(0)));
    assert_eq!((applied.applied, applied.skipped, applied.conflicted), (checked.applied, vec![], vec![]));
    assert_eq!(
        (repository.read("a.txt").as_str(), repository.read("new é.txt").as_str()),
        ("one\nTWO\nthree\n", "new\n")
    );

    assert_eq!(guard(tree.revert(&diff)).await.unwrap().status, ApplyStatus::Applied);
    assert_eq!(repository.state(), before);
}

#[tokio::test]
async fn conflicts_are_told_from_what_fits() {
    let repository = Repository::new();
    let diff = repository.diff_of(&[("a.txt", "one\nTWO\nthree\n"), ("sub/b.txt", "alpha\nBETA\n")]);
    repository.write("a.txt", "one\ntwo, but other\nthree\n");
    repository.git(&["add", "."]);
    repository.commit("meanwhile");
    let tree = repository.open().await;
    let before = repository.state();

    let checked = guard(tree.check(&diff)).await.unwrap();
    assert_eq!((checked.status, &checked.conflicted[..]), (ApplyStatus::Partial, &["a.txt".to_owned()][..]));
    assert_eq!(repository.state(), before);

    let applied = guard(tree.apply(&diff)).await.unwrap();
    assert_eq!(applied.status, ApplyStatus::Partial);
    assert_eq!(
        (&applied.applied[..], &applied.conflicted[..]),
        (&["sub/b.txt".to_owned()][..], &["a.txt".to_owned()][..])
    );
    assert!(repository.read("a.txt").contains("<<<<<<<"));
    assert_eq!(repository.read("sub/b.txt"), "alpha\nBETA\n");
}

#[tokio::test]
async fn a_diff_that_does_not_fit_changes_nothing() {
    let repository = Repository::new();
    let tree = repository.open().await;
    let before = repository.state();
    let fits = "diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n";
    let does_not = "diff --git a/none.txt b/none.txt\n--- a/none.txt\n+++ b/none.txt\n@@ -1 +1 @@\n-x\n+y\n";
    let both = format!("{fits}{does_not}");
    for outcome in [guard(tree.check(&both)).await.unwrap(), guard(tree.apply(&both)).await.unwrap()] {
        assert_eq!(outcome.status, ApplyStatus::Failed, "{outcome:?}");
        assert_eq!(outcome.skipped, ["a.txt", "none.txt"]);
        assert!(outcome.applied.is_empty() && outcome.stderr.contains("none.txt"), "{outcome:?}");
        assert_eq!(repository.state(), before);
    }
    // Without its last line's end, too.
    assert_eq!(guard(tree.apply(fits.trim_end())).await.unwrap().status, ApplyStatus::Applied);
}

#[tokio::test]
async fn what_is_no_diff_or_leads_outside_is_not_given_to_git() {
    let repository = Repository::new();
    let tree = repository.open().await;
    let outside = repository.path().parent().unwrap().join("outside.txt");
    for text in ["", "I could not do it.", "*** Begin Patch\n*** End Patch\n"] {
        assert!(matches!(guard(tree.apply(text)).await, Err(GitError::NotADiff)), "{text}");
    }
    for path in ["../outside.txt", "sub/../../outside.txt", ".git/hooks/post-checkout", "sub/.GIT/config", "./x"] {
        let diff = format!(
            "diff --git a/{path} b/{path}\nnew file mode 100755\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"
        );
        match guard(tree.apply(&diff)).await {
            Err(GitError::PathOutside { path: refused }) => assert_eq!(refused, path),
            other => panic!("{path}: {other:?}"),
        }
    }
    let absolute = format!("--- {0}\n+++ {0}\n@@ -0,0 +1 @@\n+x\n", outside.display());
    assert!(matches!(guard(tree.apply(&absolute)).await, Err(GitError::PathOutside { .. })));
    let renamed = "diff --git a/a.txt b/a.txt\nsimilarity index 100%\nrename from a.txt\nrename to ../outside.txt\n";
    assert!(matches!(guard(tree.apply(renamed)).await, Err(GitError::PathOutside { .. })));
    assert!(!outside.exists() && repository.state().is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_leads_nowhere_outside() {
    let repository = Repository::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().display();
    let diff = format!(
        "diff --git a/link b/link\nnew file mode 120000\n--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+{target}\n\\ No newline at end of file\n\
         diff --git a/link/x b/link/x\nnew file mode 100644\n--- /dev/null\n+++ b/link/x\n@@ -0,0 +1 @@\n+x\n"
    );
    let outcome = guard(repository.open().await.apply(&diff)).await.unwrap();
    assert_eq!(outcome.status, ApplyStatus::Failed, "{outcome:?}");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn no_git_and_no_repository_are_clear_errors() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no-such-git");
    match guard(WorkingTree::open_with(folder.path(), &missing)).await {
        Err(error @ GitError::GitNotFound { .. }) => assert!(error.to_string().contains("install git"), "{error}"),
        other => panic!("{other:?}"),
    }
    for path in [folder.path().to_owned(), folder.path().join("no-such-folder")] {
        let error = guard(WorkingTree::open(&path)).await.unwrap_err();
        assert!(matches!(error, GitError::NotAWorkingTree { .. }), "{error:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn a_tree_that_is_gone_is_not_a_missing_git() {
    let repository = Repository::new();
    let tree = repository.open().await;
    fs::remove_dir_all(repository.path()).unwrap();
    let error = guard(tree.branch()).await.unwrap_err();
    assert!(matches!(error, GitError::NotAWorkingTree { .. }), "{error:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_tree_may_have_a_name_that_is_no_text() {
    use std::os::unix::ffi::OsStrExt;

    let repository = Repository::new();
    let diff = repository.diff_of(&[("a.txt", "one\nTWO\nthree\n")]);
    let folder = repository.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    repository.git(&["clone", "-q", ".", "clone"]);
    fs::rename(repository.path().join("clone"), &folder).unwrap();
    let tree = guard(WorkingTree::open(&folder)).await.unwrap();
    assert_eq!(guard(tree.apply(&diff)).await.unwrap().applied, ["a.txt"]);
}

#[tokio::test]
async fn the_whole_tree_is_meant_wherever_it_is_opened() {
    let repository = Repository::new();
    let tree = guard(WorkingTree::open(repository.path().join("sub"))).await.unwrap();
    assert_eq!(tree.root().canonicalize().unwrap(), repository.path().canonicalize().unwrap());
    let diff = repository.diff_of(&[("a.txt", "one\nTWO\nthree\n")]);
    assert_eq!(guard(tree.apply(&diff)).await.unwrap().applied, ["a.txt"]);
}

#[tokio::test]
async fn names_are_read_as_git_reads_them() {
    for (file, old, new) in [
        ("18-rename-with-b-slash", "old/file.txt", "foo b/bar.txt"),
        ("18b-rename-with-spaces", "my notes.txt", "my .github notes.txt"),
        ("18c-rename-with-word-git", "how to use .git", "how to use .git.md"),
    ] {
        let repository = Repository::new();
        repository.write(old, "text\n");
        repository.git(&["add", "."]);
        repository.commit("second");
        let diff = fs::read_to_string(format!("tests/data/diffs/{file}.diff")).unwrap();
        let applied = guard(repository.open().await.apply(&diff)).await.unwrap();
        assert_eq!((applied.status, &applied.applied[..]), (ApplyStatus::Applied, &[old, new].map(str::to_owned)[..]));
        assert!(repository.path().join(new).is_file() && !repository.path().join(old).exists());
    }
}

#[tokio::test]
async fn a_header_that_git_cannot_read_is_an_outcome() {
    let repository = Repository::new();
    let outcome = guard(repository.open().await.apply("diff --git a/éé b/x\n")).await.unwrap();
    assert_eq!((outcome.status, outcome.exit_code), (ApplyStatus::Failed, Some(128)));
    assert!(outcome.skipped.is_empty() && outcome.stderr.contains("No valid patches"), "{outcome:?}");
}

#[tokio::test]
async fn a_diff_at_which_git_aborts_leaves_no_lock_behind() {
    let repository = Repository::new();
    let diff = "diff --git a/x b/x\nnew fi\n\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+x\n";
    let outcome = guard(repository.open().await.apply(diff)).await.unwrap();
    assert!(!repository.path().join(".git/index.lock").exists(), "{outcome:?}");
    // Not every version aborts.
    assert_eq!(outcome.status == ApplyStatus::Applied, repository.path().join("x").exists(), "{outcome:?}");
}

#[tokio::test]
async fn paths_are_told_as_they_are_written_where_git_leaves_no_folder_out() {
    let repository = Repository::new();
    let diff = "--- a.txt\n+++ a.txt\n@@ -1,3 +1,3 @@\n-one\n+ONE\n two\n three\n--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+x\n";
    let applied = guard(repository.open().await.apply(diff)).await.unwrap();
    assert_eq!(applied.applied, ["a.txt", "b/new.txt"], "{applied:?}");
    assert!(repository.path().join("b/new.txt").is_file());
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_that_git_does_not_know_leads_nowhere_outside() {
    let repository = Repository::new();
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), repository.path().join("link")).unwrap();
    let diff = "diff --git a/link/sub/x b/link/sub/x\nnew file mode 100644\n--- /dev/null\n+++ b/link/sub/x\n@@ -0,0 +1 @@\n+x\n";
    match guard(repository.open().await.apply(diff)).await {
        Err(GitError::PathOutside { path }) => assert_eq!(path, "link/sub/x"),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);

    // A link that the diff replaces by a folder is no such thing.
    repository.git(&["add", "link"]);
    repository.commit("link");
    fs::remove_file(repository.path().join("link")).unwrap();
    let diff = repository.diff_of(&[("link/sub/x", "x\n")]);
    let applied = guard(repository.open().await.apply(&diff)).await.unwrap();
    assert_eq!((applied.status, applied.applied.len()), (ApplyStatus::Applied, 2), "{applied:?}");
    assert_eq!(repository.read("link/sub/x"), "x\n");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn settings_of_the_user_change_neither_what_is_applied_nor_whether() {
    let diff = fs::read_to_string("tests/data/diffs/41-trailing-blanks.diff").unwrap();
    for settings in [
        "[apply]\nwhitespace = error\n[core]\nwhitespace = tab-in-indent,trailing-space",
        "[apply]\nwhitespace = fix\nignoreWhitespace = change",
        "[apply]\nwhitespace = error-all",
        "[alias]\napply = !false\nls-files = !false\nconfig = !false",
        "[diff]\nnoprefix = true\nmnemonicPrefix = true\nrenames = copies\nexternal = false\nignoreSubmodules = all",
        "[core]\nquotePath = false\nattributesFile = .git/own-attributes\n[color]\nui = always",
    ] {
        for is_local in [true, false] {
            let repository = Repository::new();
            repository.write("a.md", "one\n");
            repository.git(&["add", "."]);
            repository.commit("second");
            fs::write(repository.path().join(".git/own-attributes"), "* text eol=crlf\n").unwrap();
            let home = tempfile::tempdir().unwrap();
            if is_local {
                let path = repository.path().join(".git/config");
                fs::write(&path, fs::read_to_string(&path).unwrap() + settings).unwrap();
            } else {
                fs::write(home.path().join(".gitconfig"), settings).unwrap();
            }
            let tree = repository.open_with_shell(&format!("export HOME='{}'", home.path().display())).await;
            let applied = guard(tree.apply(&diff)).await.unwrap();
            assert_eq!((applied.status, applied.applied.len()), (ApplyStatus::Applied, 1), "{settings}: {applied:?}");
            assert_eq!(repository.read("a.md"), "one\ntwo  \n", "{settings}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn settings_that_say_how_files_lie_on_the_disk_are_obeyed() {
    let diff = "diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n";
    for (setting, value) in [("core.autocrlf", "true"), ("core.eol", "crlf")] {
        let repository = Repository::new();
        repository.write(".gitattributes", if setting == "core.eol" { "* text=auto\n" } else { "" });
        repository.git(&["add", "."]);
        repository.commit("attributes");
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join(".gitconfig");
        repository.git(&["config", "--file", config.to_str().unwrap(), setting, value]);
        repository.write("a.txt", "one\r\ntwo\r\nthree\r\n");
        repository.git(&["-c", &format!("{setting}={value}"), "add", "a.txt"]);
        let tree = repository.open_with_shell(&format!("export HOME='{}'", home.path().display())).await;
        assert_eq!(guard(tree.apply(diff)).await.unwrap().status, ApplyStatus::Applied);
        assert_eq!(repository.read("a.txt"), "one\r\nTWO\r\nthree\r\n", "{setting}");
    }
    let repository = Repository::new();
    repository.git(&["config", "core.symlinks", "false"]);
    let link = "diff --git a/link b/link\nnew file mode 120000\n--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+a.txt\n\\ No newline at end of file\n";
    guard(repository.open().await.apply(link)).await.unwrap();
    assert!(repository.path().join("link").symlink_metadata().unwrap().is_file());
    assert_eq!(repository.read("link"), "a.txt");
}

/// Runs a test of this binary again, in a process with those variables.
#[cfg(unix)]
fn again_with(test: &str, variables: &[(&str, &str)]) {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(["--exact", test]).envs(variables.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(unix)]
#[tokio::test]
async fn variables_change_nothing_and_git_gets_no_secret() {
    if std::env::var_os("GIT_TRACE").is_none() {
        let nowhere = tempfile::tempdir().unwrap();
        let missing = nowhere.path().join("missing");
        let missing = missing.to_str().unwrap();
        return again_with(
            "apply::variables_change_nothing_and_git_gets_no_secret",
            &[
                ("GIT_TRACE", missing),
                ("GIT_DIR", missing),
                ("GIT_WORK_TREE", missing),
                ("GIT_INDEX_FILE", missing),
                ("GIT_EXEC_PATH", missing),
                ("GIT_CONFIG_GLOBAL", missing),
                ("GIT_CONFIG_COUNT", "1"),
                ("GIT_CONFIG_KEY_0", "apply.whitespace"),
                ("GIT_CONFIG_VALUE_0", "error"),
                ("GIT_LITERAL_PATHSPECS", "1"),
                ("GIT_EXTERNAL_DIFF", "false"),
                ("GIT_DIFF_OPTS", "-u0"),
                ("GIT_ATTR_SOURCE", "no-such-tree"),
                ("OPENAI_API_KEY", "sk-secret"),
                ("CODEX_BACKEND_ACCESS_TOKEN", "eyJ-secret"),
                ("HTTPS_PROXY", "http://user:secret@proxy"),
            ],
        );
    }
    // The variables are those of the tests' own `git` too.
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let status = Command::new("git").args(arguments).current_dir(&folder).env_clear().status().unwrap();
        assert!(status.success(), "{arguments:?}");
    };
    git(&["init", "-q"]);
    fs::write(folder.path().join("a.md"), "one\n").unwrap();
    git(&["add", "a.md"]);
    let (script, seen) = (folder.path().join(".git/git.sh"), folder.path().join(".git/seen"));
    write_program(&script, &format!("env >> '{}'\nexec git \"$@\"", seen.display()));
    let tree = guard(WorkingTree::open_with(folder.path(), &script)).await.unwrap();
    let diff = fs::read_to_string("tests/data/diffs/41-trailing-blanks.diff").unwrap();
    assert_eq!(guard(tree.apply(&diff)).await.unwrap().applied, ["a.md"]);
    assert_eq!(fs::read_to_string(folder.path().join("a.md")).unwrap(), "one\ntwo  \n");
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.contains("PATH=") && !seen.contains("secret") && !seen.contains("missing"), "{seen}");
}

#[cfg(unix)]
#[tokio::test]
async fn no_program_is_started_that_the_repository_names() {
    let repository = Repository::new();
    // Deep enough that both sides have changed apart from each other, so that there is something to merge.
    let lines = |first: &str, last: &str| format!("{first}\n{}{last}\n", "same\n".repeat(20));
    repository.write("a.txt", &lines("one", "two"));
    repository.git(&["add", "."]);
    repository.commit("second");
    let diff = repository.diff_of(&[("a.txt", &lines("one", "TWO")), ("new.txt", "new\n")]);
    repository.write("a.txt", &lines("ONE", "two"));
    repository.git(&["add", "."]);
    repository.commit("meanwhile");

    let trap = repository.trap();
    let hooks = repository.path().join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    for hook in ["post-index-change", "post-checkout", "pre-commit", "post-applypatch", "fsmonitor-watchman"] {
        fs::copy(&trap, hooks.join(hook)).unwrap();
    }
    fs::write(repository.path().join(".git/info/attributes"), "* merge=evil diff=evil\n").unwrap();
    for setting in [
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "core.editor",
        "core.askPass",
        "merge.evil.driver",
        "diff.evil.textconv",
        "diff.evil.command",
        "diff.external",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "hook.evil.command",
        "credential.helper",
    ] {
        repository.git(&["config", setting, &trap]);
    }
    repository.git(&["config", "hook.evil.event", "post-index-change"]);
    repository.git(&["config", "merge.default", "evil"]);
    let tree = repository.open().await;
    fs::remove_file(repository.path().join(".git/started")).unwrap_or_default();
    assert_eq!(guard(tree.check(&diff)).await.unwrap().status, ApplyStatus::Applied);
    let applied = guard(tree.apply(&diff)).await.unwrap();
    assert_eq!(
        (applied.status, &applied.applied[..]),
        (ApplyStatus::Applied, &["a.txt", "new.txt"].map(str::to_owned)[..])
    );
    assert_eq!(repository.read("a.txt"), lines("ONE", "TWO"));
    guard(tree.github_repositories()).await.unwrap();
    guard(tree.branch()).await.unwrap();
    guard(tree.revert(&diff)).await.unwrap();

    // A filter that the diff itself brings along is not started either.
    let attributes = "diff --git a/.gitattributes b/.gitattributes\nnew file mode 100644\n--- /dev/null\n+++ b/.gitattributes\n@@ -0,0 +1 @@\n+* filter=evil merge=evil\n";
    let file = "diff --git a/z.txt b/z.txt\nnew file mode 100644\n--- /dev/null\n+++ b/z.txt\n@@ -0,0 +1 @@\n+z\n";
    assert_eq!(guard(tree.apply(&format!("{attributes}{file}"))).await.unwrap().status, ApplyStatus::Applied);
    assert_eq!(repository.started(), "");
}

#[cfg(unix)]
#[tokio::test]
async fn a_path_that_needs_a_filter_is_refused_by_name_unless_that_is_allowed() {
    let repository = Repository::new();
    repository.write(".gitattributes", "sub/*.txt filter=shout\n*.md filter=not-configured\n");
    repository.git(&["add", "."]);
    repository.commit("attributes");
    let diff = repository.diff_of(&[("a.txt", "one\nTWO\nthree\n"), ("sub/b.txt", "alpha\nBETA\n")]);
    let without = repository.diff_of(&[("a.txt", "one\nTWO\nthree\n"), ("x.md", "x\n")]);
    let trap = repository.trap();
    repository.git(&["config", "filter.shout.smudge", &trap]);
    let tree = repository.open().await;
    let before = fs::read_to_string(repository.path().join("a.txt")).unwrap();
    for outcome in [guard(tree.check(&diff)).await, guard(tree.apply(&diff)).await] {
        match outcome {
            Err(error @ GitError::FilterNeeded { .. }) => {
                let said = error.to_string();
                assert!(said.contains("`sub/b.txt`") && said.contains("`shout`"), "{said}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((repository.read("a.txt"), repository.started()), (before, String::new()));
    assert_eq!(guard(tree.apply(&without)).await.unwrap().status, ApplyStatus::Applied);
    repository.git(&["reset", "-q", "--hard"]);
    fs::write(repository.path().join(".git/started"), "").unwrap();
    assert_eq!(guard(tree.with_filters().apply(&diff)).await.unwrap().status, ApplyStatus::Applied);
    assert!(repository.started().contains("trap.sh") && repository.read("sub/b.txt") == "alpha\nBETA\n");
}

#[tokio::test]
async fn remotes_are_those_that_git_would_use() {
    let repository = Repository::new();
    for (setting, value) in [
        ("remote.origin.url", "gh:acme/web"),
        ("url.https://github.com/.insteadOf", "gh:"),
        ("remote.pushed.url", "work:acme/pushed"),
        ("url.git@ssh.github.com:.pushInsteadOf", "work:"),
        ("remote.port.url", "ssh://git@ssh.github.com:443/acme/port.git"),
        ("remote.www.url", "https://user:pass@www.github.com:443/acme/www/"),
        ("remote.own.url", "https://gitlab.com/acme/none"),
        ("remote.own.pushurl", "github.com:acme/own"),
        ("remote.away.url", "https://github.com/acme/away"),
        ("url.https://git.example.com/.insteadOf", "https://github.com/acme/away"),
        ("remote.partial.url", "git+ssh://git@github.com/acme/partial"),
        ("remote.partial.promisor", "true"),
        ("remote.partial.partialCloneFilter", "blob:none"),
        ("remote.none.fetch", "+refs/heads/*:refs/remotes/none/*"),
    ] {
        repository.git(&["config", setting, value]);
    }
    let found = guard(repository.open().await.github_repositories()).await.unwrap();
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["acme/own", "acme/partial", "acme/port", "acme/pushed", "acme/web", "acme/www"]);
}

#[tokio::test]
async fn remotes_and_branches_are_found() {
    let repository = Repository::new();
    let tree = repository.open().await;
    assert_eq!(guard(tree.github_repositories()).await.unwrap(), []);
    assert_eq!(guard(tree.branch()).await.unwrap(), "trunk");
    for (name, url) in [
        ("origin", "git@github.com:acme/web.git"),
        ("mirror", "https://gitlab.com/acme/web"),
        ("again", "https://github.com/acme/web"),
        ("api", "https://github.com/acme/api.git"),
    ] {
        repository.git(&["remote", "add", name, url]);
    }
    let found = guard(tree.github_repositories()).await.unwrap();
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["acme/api", "acme/web"]);

    repository.git(&["checkout", "-q", "--detach"]);
    assert_eq!(guard(tree.branch()).await.unwrap(), "main");
    repository.git(&["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/stable"]);
    assert_eq!(guard(tree.branch()).await.unwrap(), "stable");
}
