//! What the tests share.

#[path = "../support/guard.rs"]
mod guard;
#[path = "../support/raw.rs"]
pub(crate) mod raw;

use std::error::Error as StdError;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use codex_backend::files::{UploadProgress, UploadRequest, UploadedFile};
use codex_backend::testing::{Backend, Fault, ManualClock, Route, StoredFile};
use codex_backend::{Client, ClientBuilder, CodexBackend, Error, ErrorKind, OpenAiFileUpload, RetryPolicy};
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use self::guard::guard;

/// How much of a path or of bytes is handed over at a time.
pub(crate) const CHUNK: usize = 256 << 10;
pub(crate) const LIMIT: u64 = 512 << 20;

pub(crate) fn start() -> Backend {
    Backend::start().unwrap()
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Retries as by default, without the waits.
pub(crate) fn impatient() -> RetryPolicy {
    RetryPolicy::default().base_delay(Duration::from_millis(1))
}

pub(crate) fn builder(backend: &Backend) -> ClientBuilder<CodexBackend> {
    backend.client().chatgpt(backend.chatgpt_tokens()).retry_policy(impatient())
}

pub(crate) fn client(backend: &Backend) -> Client<CodexBackend> {
    builder(backend).build().unwrap()
}

pub(crate) fn uploads(backend: &Backend) -> OpenAiFileUpload {
    OpenAiFileUpload::new(&client(backend))
}

pub(crate) fn manual_clock() -> ManualClock {
    ManualClock::starting_at(SystemTime::UNIX_EPOCH)
}

/// Waits for what happens on the server's thread.
pub(crate) async fn until(mut holds: impl FnMut() -> bool + Send) {
    guard(async move {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Time for something that must not happen to happen.
pub(crate) fn a_while() -> impl Future<Output = ()> + Send {
    tokio::time::sleep(Duration::from_millis(100))
}

/// Content in which no two chunks are alike.
pub(crate) fn content(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

pub(crate) fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

pub(crate) fn sparse(folder: &TempDir, name: &str, size: u64) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::File::create(&path).unwrap().set_len(size).unwrap();
    path
}

/// The content in pieces of a size that fits nothing.
pub(crate) fn pieces(content: &[u8]) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    let pieces: Vec<_> = content.chunks(7777).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces)
}

pub(crate) fn replayable(uploads: &OpenAiFileUpload, path: &Path) -> [(&'static str, UploadRequest); 2] {
    [("path", uploads.path(path)), ("bytes", uploads.bytes("bytes.bin", std::fs::read(path).unwrap()))]
}

pub(crate) fn one_shot(uploads: &OpenAiFileUpload, content: &[u8]) -> [(&'static str, UploadRequest); 2] {
    let length = content.len() as u64;
    [
        ("reader", uploads.reader("reader.bin", length, std::io::Cursor::new(content.to_vec()))),
        ("stream", uploads.stream("stream.bin", length, pieces(content))),
    ]
}

pub(crate) fn every_source(uploads: &OpenAiFileUpload, path: &Path) -> Vec<(&'static str, UploadRequest)> {
    let content = std::fs::read(path).unwrap();
    replayable(uploads, path).into_iter().chain(one_shot(uploads, &content)).collect()
}

pub(crate) fn kind(result: &Result<UploadedFile, Error>) -> ErrorKind {
    result.as_ref().expect_err("the upload should have failed").kind()
}

pub(crate) fn only_file(backend: &Backend) -> StoredFile {
    let mut files = backend.files();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[track_caller]
pub(crate) fn assert_no_request(backend: &Backend, what: &str) {
    assert!(backend.requests().is_empty(), "{what}: {:?}", backend.requests());
}

#[track_caller]
pub(crate) fn assert_nothing_finalized(backend: &Backend, what: &str) {
    assert!(backend.requests_to(Route::FINALIZE_FILE).is_empty(), "{what}: {:?}", backend.requests());
    assert!(!backend.files().iter().any(StoredFile::is_finalized), "{what}: {:?}", backend.files());
}

pub(crate) fn answer(value: &Value) -> Fault {
    Fault::status(200).header("content-type", "application/json").body(value.to_string())
}

/// Makes the next create answer with this id and URL, the PUT succeed, and the first finalize succeed.
pub(crate) fn play_upload(backend: &Backend, file_id: &str) {
    let address = backend.address();
    let upload_url = format!("http://{address}/upload/played?sig=played");
    backend.inject(Route::CREATE_FILE, answer(&json!({ "file_id": file_id, "upload_url": upload_url })));
    backend.inject(Route::PUT_FILE, Fault::status(201));
    let download_url = format!("http://{address}/download/played?sig=played");
    backend.inject(Route::FINALIZE_FILE, answer(&json!({ "status": "success", "download_url": download_url })));
}

/// Everything an error shows to anyone who prints it.
pub(crate) fn shown(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?} {:?} {:?}", error.body(), error.code());
    let mut next = error.source();
    while let Some(cause) = next {
        text += &format!(" {cause} {cause:?}");
        next = cause.source();
    }
    text
}

/// The value of `sig` in a URL or a recorded target.
pub(crate) fn signature(url: &str) -> String {
    let (_, signature) = url.split_once("sig=").expect("a signed URL");
    signature.split('&').next().unwrap().to_owned()
}

/// Keeps all reports of an upload's progress.
#[derive(Clone, Default)]
pub(crate) struct Reports {
    reports: Arc<Mutex<Vec<UploadProgress>>>,
}

impl Reports {
    pub(crate) fn of(&self, request: UploadRequest) -> UploadRequest {
        let reports = self.reports.clone();
        request.with_progress(move |progress| reports.lock().unwrap().push(progress))
    }

    pub(crate) fn all(&self) -> Vec<UploadProgress> {
        self.reports.lock().unwrap().clone()
    }

    /// The bytes handed over, of one attempt.
    pub(crate) fn bytes(&self, attempt: u32) -> Vec<u64> {
        self.all().iter().filter(|report| report.attempt == attempt).map(|report| report.bytes_handed_over).collect()
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.all().last().map_or(0, |report| report.attempt)
    }
}
