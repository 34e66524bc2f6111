//! The name under which a file is kept.

use std::path::PathBuf;

use codex_backend::ErrorKind;

use crate::support::{assert_no_request, folder, guard, kind, one_shot, only_file, replayable, start, uploads, write};

const IMPOSSIBLE: [&str; 14] =
    ["", ".", "..", "/", "a/b", "/a", "a/", "..\\..\\a", "a\\b", "\\", "a\nb", "a\0", "\u{7f}", "tab\there"];

#[tokio::test]
async fn an_impossible_name_fails_before_any_request_whatever_the_source() {
    let (backend, folder) = (start(), folder());
    let files = uploads(&backend);
    let path = write(&folder, "plain.txt", "hello");
    for name in IMPOSSIBLE {
        for (source, upload) in replayable(&files, &path).into_iter().chain(one_shot(&files, b"hello")) {
            let error = guard(upload.with_file_name(name)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidFileName, "{source} as {name:?}");
            assert!(!error.may_have_been_sent(), "{source} as {name:?}");
        }
        let result = guard(files.bytes(name, "hello")).await;
        assert_eq!(kind(&result), ErrorKind::InvalidFileName, "{name:?}");
    }
    for control in (0..=0x9f_u32).filter_map(char::from_u32).filter(|c| c.is_control()) {
        let result = guard(files.bytes(format!("a{control}b"), "hello")).await;
        assert_eq!(kind(&result), ErrorKind::InvalidFileName, "{control:?}");
    }
    assert_no_request(&backend, "names");
}

#[tokio::test]
async fn the_error_about_a_name_is_one_line_and_says_what_to_do() {
    let backend = start();
    let error = guard(uploads(&backend).bytes("two\nlines", "hello")).await.unwrap_err();
    let text = error.to_string();
    assert!(!text.contains('\n') && text.contains("control character") && text.contains("with_file_name"), "{text}");
}

#[tokio::test]
async fn a_path_is_uploaded_under_its_last_component_or_the_name_given() {
    let (backend, folder) = (start(), folder());
    let path = write(&folder, "own.txt", "hello");
    let plain = guard(uploads(&backend).path(&path)).await.unwrap();
    let renamed = guard(uploads(&backend).path(&path).with_file_name("other.md")).await.unwrap();
    assert_eq!((plain.file_name(), renamed.file_name()), ("own.txt", "other.md"));
    let kept: Vec<_> = backend.files().iter().map(|file| file.file_name().to_owned()).collect();
    assert_eq!(kept, ["own.txt", "other.md"]);
}

#[cfg(unix)]
fn awkward_paths(folder: &tempfile::TempDir) -> Vec<PathBuf> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let names: [&[u8]; 3] = [b"new\nline", b"back\\slash", b"not-\xff\xfe-unicode"];
    // Some file systems have no such names; there they cannot be met either.
    let paths = names.map(|name| folder.path().join(OsStr::from_bytes(name)));
    paths.into_iter().filter(|path| std::fs::write(path, "hello").is_ok()).collect()
}

#[cfg(unix)]
#[tokio::test]
async fn a_path_with_an_impossible_name_fails_before_any_request() {
    let (backend, folder) = (start(), folder());
    for path in awkward_paths(&folder) {
        let result = guard(uploads(&backend).path(&path)).await;
        assert_eq!(kind(&result), ErrorKind::InvalidFileName, "{path:?}");
        assert_no_request(&backend, "awkward path");
    }
    #[cfg(target_os = "linux")]
    assert_eq!(awkward_paths(&folder).len(), 3);
}

#[cfg(unix)]
#[tokio::test]
async fn another_name_mends_an_impossible_one() {
    let folder = folder();
    for path in awkward_paths(&folder) {
        let backend = start();
        guard(uploads(&backend).path(&path).with_file_name("plain.txt")).await.unwrap();
        let stored = only_file(&backend);
        assert_eq!((stored.file_name(), &stored.content().unwrap()[..]), ("plain.txt", &b"hello"[..]), "{path:?}");
    }
}
