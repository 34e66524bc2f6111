//! Files that change while they are uploaded.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use codex_backend::auth::{AuthContext, AuthFuture, AuthHeaders};
use codex_backend::files::UploadProgress;
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::{AuthProvider, CodexBackend, ErrorKind, OpenAiFileUpload};
use tempfile::TempDir;

use crate::support::{CHUNK, assert_nothing_finalized, content, folder, guard, kind, only_file, start, uploads, write};

const SIZE: usize = 4 << 20;

type Change = fn(&Path);

const CHANGES: [(&str, Change); 6] = [
    ("grows by a byte", |path| append(path, b"x")),
    ("grows by a chunk", |path| append(path, &[7; CHUNK])),
    ("shrinks", |path| OpenOptions::new().write(true).open(path).unwrap().set_len(SIZE as u64 / 2).unwrap()),
    ("is emptied", |path| drop(File::create(path).unwrap())),
    ("is rewritten with the same size", |path| fs::write(path, vec![7; SIZE]).unwrap()),
    ("is replaced", replace),
];

fn append(path: &Path, more: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(more).unwrap();
}

/// As editors save: the new file has the size and time of the old one.
fn replace(path: &Path) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let new = path.with_extension("new");
    fs::write(&new, vec![7; SIZE]).unwrap();
    File::options().write(true).open(&new).unwrap().set_modified(modified).unwrap();
    fs::rename(new, path).unwrap();
}

/// A file that was last written an hour ago, so that any change to it has another time.
fn old_file(folder: &TempDir, size: usize) -> PathBuf {
    let path = write(folder, "changing.bin", content(size));
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    File::options().write(true).open(&path).unwrap().set_modified(hour_ago).unwrap();
    path
}

/// Changes the file once, at the first report that `due` picks.
fn changing(
    backend: &Backend,
    path: &Path,
    change: Change,
    due: fn(UploadProgress) -> bool,
) -> codex_backend::files::UploadRequest {
    let (file, done) = (path.to_owned(), AtomicBool::new(false));
    uploads(backend).path(path).with_progress(move |progress| {
        if due(progress) && !done.swap(true, Ordering::Relaxed) {
            change(&file);
        }
    })
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_not_finalized() {
    for (what, change) in CHANGES {
        let (backend, folder) = (start(), folder());
        backend.inject(Route::PUT_FILE, Fault::slow_reading(Duration::from_millis(1)));
        let path = old_file(&folder, SIZE);
        let result = guard(changing(&backend, &path, change, |progress| progress.bytes_handed_over > 0)).await;
        assert_nothing_finalized(&backend, what);
        assert_eq!(kind(&result), ErrorKind::FileChanged, "{what}");
        assert_eq!(only_file(&backend).received_size(), None, "{what}");
        let error = result.unwrap_err();
        assert_eq!((error.attempts(), error.is_retryable()), (1, false), "{what}");
    }
}

#[tokio::test]
async fn a_file_that_changes_between_two_attempts_is_not_finalized() {
    for (what, change) in CHANGES {
        let (backend, folder) = (start(), folder());
        backend.inject(Route::PUT_FILE, Fault::status(503));
        let path = old_file(&folder, SIZE);
        // All bytes are handed over only after the last check of this attempt.
        let at_the_end = |progress: UploadProgress| progress.bytes_handed_over == progress.total_bytes;
        let result = guard(changing(&backend, &path, change, at_the_end)).await;
        assert_nothing_finalized(&backend, what);
        assert_eq!(kind(&result), ErrorKind::FileChanged, "{what}");
        assert_eq!(only_file(&backend).received_size(), None, "{what}");
    }
}

#[tokio::test]
async fn a_file_that_is_gone_at_the_second_attempt_is_not_finalized() {
    let (backend, folder) = (start(), folder());
    backend.inject(Route::PUT_FILE, Fault::status(503));
    let path = old_file(&folder, SIZE);
    let remove: Change = |path| fs::remove_file(path).unwrap();
    let upload = changing(&backend, &path, remove, |progress| progress.bytes_handed_over == progress.total_bytes);
    let result = guard(upload).await;
    assert_nothing_finalized(&backend, "gone");
    assert!(matches!(kind(&result), ErrorKind::FileNotFound | ErrorKind::FileChanged), "{result:?}");
}

/// Changes a file when headers are asked for: after the checks, and before the content is read.
struct Meddler {
    headers: AuthHeaders,
    path: PathBuf,
    change: Change,
}

impl AuthProvider for Meddler {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        (self.change)(&self.path);
        AuthFuture::ready(Ok(self.headers.clone()))
    }
}

#[tokio::test]
async fn a_file_that_changes_before_it_is_read_is_not_finalized() {
    for size in [1, SIZE] {
        for (what, change) in CHANGES {
            // Half of four MiB is no shrinking for one byte.
            if size == 1 && what == "shrinks" {
                continue;
            }
            let (backend, folder) = (start(), folder());
            let path = old_file(&folder, size);
            let headers = AuthHeaders::new(0).with_bearer(&backend.issue_access_token("acct-1")).unwrap();
            let client = backend.client().provider(Meddler { headers, path: path.clone(), change }).build().unwrap();
            let result = guard(OpenAiFileUpload::new(&client).path(&path)).await;
            assert_nothing_finalized(&backend, what);
            assert_eq!(kind(&result), ErrorKind::FileChanged, "{what}, {size} bytes");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_only_read_meanwhile_has_not_changed() {
    let (backend, folder) = (start(), folder());
    let path = old_file(&folder, SIZE);
    let read: Change = |path| assert_eq!(fs::read(path).unwrap().len(), SIZE);
    guard(changing(&backend, &path, read, |progress| progress.bytes_handed_over > 0)).await.unwrap();
    assert!(only_file(&backend).content().unwrap() == content(SIZE));
}
