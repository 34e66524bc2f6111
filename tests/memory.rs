//! Memory does not grow with the file. Alone in its process, because the peak is the process's.

#![cfg(target_os = "linux")]

use std::time::Duration;

use codex_backend::files::UploadedFile;
use codex_backend::testing::Backend;
use codex_backend::{Error, OpenAiFileUpload};

const MIB: u64 = 1 << 20;

/// A line of `/proc/self/status`, in bytes.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap() * 1024
}

async fn upload(files: &OpenAiFileUpload, folder: &tempfile::TempDir, size: u64) -> Result<UploadedFile, Error> {
    let path = folder.path().join("sparse.bin");
    std::fs::File::create(&path).unwrap().set_len(size).unwrap();
    tokio::time::timeout(Duration::from_secs(300), files.path(path).into_future()).await.expect("it hangs")
}

#[tokio::test]
async fn an_upload_of_512_mib_passes_in_under_16_mib_of_memory() {
    let backend = Backend::start().unwrap();
    let client = backend.client().chatgpt(backend.chatgpt_tokens()).build().unwrap();
    let (files, folder) = (client.file_upload(), tempfile::tempdir().unwrap());
    // Connections, threads and buffers that are made once.
    upload(&files, &folder, 17 * MIB).await.unwrap();
    let idle = status("VmRSS:");
    for size in [256 * MIB, 512 * MIB] {
        let file = upload(&files, &folder, size).await.unwrap();
        assert_eq!(file.file_size_bytes(), size);
        let stored = backend.files().pop().unwrap();
        assert_eq!((stored.received_size(), stored.is_finalized()), (Some(size), true));
        // The peak includes the embedded backend, which is in this process too.
        let grown = status("VmHWM:").saturating_sub(idle);
        assert!(grown < 16 * MIB, "{} KiB above idle for {} MiB", grown / 1024, size / MIB);
    }
}
