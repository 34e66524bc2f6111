//! The diff of a cloud task, applied to a working tree.

use std::fs;
use std::path::Path;
use std::process::Command;

use codex_backend::tasks::{ApplyStatus, GitError, WorkingTree};

use crate::support::guard;

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
