//! What is checked before any request.

use std::path::{Path, PathBuf};

use codex_backend::{ErrorKind, OpenAiFileUpload};
use futures_util::stream;

use crate::support::{LIMIT, assert_no_request, folder, guard, kind, sparse, start, uploads, write};

async fn assert_refused(path: impl Into<PathBuf> + Send, expected: ErrorKind) {
    let (backend, path) = (start(), path.into());
    let error = guard(uploads(&backend).path(&path)).await.unwrap_err();
    assert_eq!(error.kind(), expected, "{}", path.display());
    assert!(!error.may_have_been_sent() && !error.is_retryable(), "{}", path.display());
    assert!(error.to_string().contains(&*path.to_string_lossy()), "the error names the path: {error}");
    assert_no_request(&backend, "refused path");
}

#[tokio::test]
async fn one_byte_over_512_mib_fails_whatever_the_source() {
    let (backend, folder) = (start(), folder());
    let files = uploads(&backend);
    let nothing = || stream::empty::<Result<bytes::Bytes, std::io::Error>>();
    for (source, upload) in [
        ("path", files.path(sparse(&folder, "large.bin", LIMIT + 1))),
        // The pages of zeroes are never touched.
        ("bytes", files.bytes("large.bin", vec![0; LIMIT as usize + 1])),
        ("reader", files.reader("large.bin", LIMIT + 1, tokio::io::empty())),
        ("stream", files.stream("large.bin", LIMIT + 1, nothing())),
        ("an absurd length", files.stream("large.bin", u64::MAX, nothing())),
    ] {
        let error = guard(upload).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge, "{source}");
        assert!(error.to_string().contains("512 MiB"), "{error}");
    }
    assert_no_request(&backend, "too large");
}

#[tokio::test]
async fn a_missing_path_fails() {
    let folder = folder();
    let file = write(&folder, "file.txt", "hello");
    assert_refused(folder.path().join("missing.txt"), ErrorKind::FileNotFound).await;
    assert_refused(folder.path().join("no/such/folder.txt"), ErrorKind::FileNotFound).await;
    assert_refused(file.join("below-a-file.txt"), ErrorKind::FileNotFound).await;
    assert_refused("", ErrorKind::FileNotFound).await;
}

#[tokio::test]
async fn a_path_is_shown_on_one_line() {
    let backend = start();
    for path in ["no\nsuch\u{1b}[31m file", "no\r\nsuch"] {
        let error = guard(uploads(&backend).path(path)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileNotFound);
        assert!(!error.to_string().contains(char::is_control), "{error:?}");
    }
}

#[tokio::test]
async fn a_directory_fails() {
    let folder = folder();
    assert_refused(folder.path(), ErrorKind::NotAFile).await;
    assert_refused(folder.path().join(".."), ErrorKind::NotAFile).await;
    assert_refused(Path::new("/"), ErrorKind::NotAFile).await;
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_no_regular_file_fails_without_being_opened() {
    let folder = folder();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let socket = folder.path().join("socket");
    let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert_refused(pipe, ErrorKind::NotAFile).await;
    assert_refused(socket, ErrorKind::NotAFile).await;
    assert_refused("/dev/zero", ErrorKind::NotAFile).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_is_followed_to_where_it_leads() {
    let (backend, folder) = (start(), folder());
    let link = |target: &Path, name: &str| {
        let link = folder.path().join(name);
        std::os::unix::fs::symlink(target, &link).unwrap();
        link
    };
    let good = link(&write(&folder, "target.txt", "hello"), "link.txt");
    let file = guard(uploads(&backend).path(good)).await.unwrap();
    assert_eq!((file.file_name(), file.file_size_bytes()), ("link.txt", 5));
    assert_refused(link(&folder.path().join("missing"), "dangling"), ErrorKind::FileNotFound).await;
    assert_refused(link(folder.path(), "to-directory"), ErrorKind::NotAFile).await;
    assert_refused(link(&folder.path().join("circle"), "circle"), ErrorKind::FileUnreadable).await;
}

/// Names a file that the process cannot read, in the child that runs the test as another user.
#[cfg(unix)]
const UNREADABLE: &str = "CODEX_BACKEND_TEST_UNREADABLE_FILE";

#[cfg(unix)]
#[tokio::test]
async fn an_unreadable_file_fails() {
    use std::os::unix::fs::PermissionsExt;

    if let Some(path) = std::env::var_os(UNREADABLE) {
        return assert_refused(path, ErrorKind::FileUnreadable).await;
    }
    let folder = folder();
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let path = write(&folder, "secret.txt", "hello");
    mode(&path, 0o000);
    mode(folder.path(), 0o755);
    if std::fs::File::open(&path).is_err() {
        return assert_refused(path, ErrorKind::FileUnreadable).await;
    }
    run_as_nobody("before::an_unreadable_file_fails", &folder, &path);
}

/// Root can read everything, so the test runs again as someone else.
#[cfg(unix)]
fn run_as_nobody(test: &str, folder: &tempfile::TempDir, unreadable: &Path) {
    use std::os::unix::process::CommandExt;

    // The test binary itself may lie where nobody can reach it.
    let binary = folder.path().join("test-binary");
    std::fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    let mut command = std::process::Command::new(&binary);
    command.args(["--exact", test]).env(UNREADABLE, unreadable).current_dir("/").gid(65534).uid(65534);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// A regular file that opens and cannot be read.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_fails_while_it_is_read_is_not_finalized() {
    let backend = start();
    let result = guard(uploads(&backend).path("/proc/self/mem")).await;
    assert_eq!(kind(&result), ErrorKind::FileUnreadable);
    crate::support::assert_nothing_finalized(&backend, "failing read");
}

#[tokio::test]
async fn checks_wait_until_the_upload_is_awaited() {
    let (backend, folder) = (start(), folder());
    let upload = OpenAiFileUpload::new(&crate::support::client(&backend)).path(folder.path().join("later.txt"));
    write(&folder, "later.txt", "hello");
    assert_no_request(&backend, "not awaited");
    assert_eq!(guard(upload).await.unwrap().file_size_bytes(), 5);
}
