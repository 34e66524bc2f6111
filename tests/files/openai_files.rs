//! The files of the OpenAI API, with real files and a real server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use codex_backend::openai_files::OpenAiFilePurpose;
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::{Client, ErrorKind, OpenAiApi, OpenAiFiles, RetryPolicy};
use futures_util::StreamExt;

use crate::support::guard;
use crate::support::raw::{RawServer, answer};

fn client(backend: &Backend) -> Client<OpenAiApi> {
    let builder = backend.client().api_key(backend.api_key());
    builder.retry_policy(RetryPolicy::default().base_delay(Duration::ZERO)).build().unwrap()
}

async fn content(files: &OpenAiFiles, id: &str) -> Vec<u8> {
    guard(guard(files.content(id)).await.unwrap().bytes()).await.unwrap().to_vec()
}

#[tokio::test]
async fn a_file_comes_back_as_it_was_sent() {
    let backend = Backend::start().unwrap();
    let files = client(&backend).openai_files();
    let folder = tempfile::tempdir().unwrap();
    // Larger than a chunk, and full of what could be taken for a boundary.
    let bytes: Vec<u8> = b"\r\n--codex-backend-\r\n\0\xff".iter().copied().cycle().take(700_001).collect();
    let path = folder.path().join("ev\"il; name=\"x.bin");
    std::fs::write(&path, &bytes).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let progress = seen.clone();
    let upload = files.path(&path, OpenAiFilePurpose::UserData).with_expiry(Duration::from_secs(3600));
    let file =
        guard(upload.with_progress(move |now| progress.lock().unwrap().push(now.bytes_handed_over))).await.unwrap();
    assert_eq!((file.bytes, file.purpose), (700_001, Some(OpenAiFilePurpose::UserData)));
    assert_eq!(file.filename, "ev%22il; name=%22x.bin");
    assert_eq!(file.expires_at.unwrap() - file.created_at, 3600);
    assert_eq!(content(&files, &file.id).await, bytes);
    let seen = seen.lock().unwrap();
    assert!(seen[0] == 0 && seen.is_sorted() && *seen.last().unwrap() == 700_001, "{seen:?}");
    let request = &backend.requests_to(Route::CREATE_OPENAI_FILE)[0];
    assert_eq!(request.target, "/v1/files");
    assert_eq!(request.header("content-length").unwrap().parse::<usize>().unwrap(), request.body.len());
    assert_eq!(request.header("chatgpt-account-id"), None);
}

#[tokio::test]
async fn every_source_of_any_length_is_taken() {
    let backend = Backend::start().unwrap();
    let files = client(&backend).openai_files();
    for length in [0, 1, 300_000] {
        let bytes = vec![b'x'; length];
        let by_bytes = guard(files.bytes("a", bytes.clone(), OpenAiFilePurpose::Batch)).await.unwrap();
        let reader = std::io::Cursor::new(bytes.clone());
        let by_reader = guard(files.reader("b", length as u64, reader, OpenAiFilePurpose::Batch)).await.unwrap();
        for id in [by_bytes.id, by_reader.id] {
            assert_eq!(content(&files, &id).await, bytes, "{length}");
        }
    }
    let short =
        guard(files.reader("b", 10, std::io::Cursor::new(vec![0; 9]), OpenAiFilePurpose::Batch)).await.unwrap_err();
    assert_eq!(short.kind(), ErrorKind::LengthMismatch);
    let missing = guard(files.path("no-such-file", OpenAiFilePurpose::Batch)).await.unwrap_err();
    assert_eq!((missing.kind(), missing.may_have_been_sent()), (ErrorKind::FileNotFound, false));
    let soon = files.bytes("a", "b", OpenAiFilePurpose::Batch).with_expiry(Duration::from_secs(3599));
    assert_eq!(guard(soon).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn an_upload_is_retried_only_if_the_server_did_not_act() {
    let backend = Backend::start().unwrap();
    let files = client(&backend).openai_files();
    backend.inject(Route::CREATE_OPENAI_FILE, Fault::status(429));
    guard(files.bytes("a", "b", OpenAiFilePurpose::Batch)).await.unwrap();
    assert_eq!(backend.requests_to(Route::CREATE_OPENAI_FILE).len(), 2);
    for fault in [Fault::status(500), Fault::reset_before_headers()] {
        let before = backend.requests_to(Route::CREATE_OPENAI_FILE).len();
        backend.inject(Route::CREATE_OPENAI_FILE, fault);
        guard(files.bytes("a", "b", OpenAiFilePurpose::Batch)).await.unwrap_err();
        assert_eq!(backend.requests_to(Route::CREATE_OPENAI_FILE).len(), before + 1);
    }
}

#[tokio::test]
async fn files_are_listed_retrieved_and_deleted() {
    let backend = Backend::start().unwrap();
    let files = client(&backend).openai_files();
    for n in 0..5 {
        let purpose =
            if n % 2 == 0 { OpenAiFilePurpose::Batch } else { OpenAiFilePurpose::Other("of_tomorrow".to_owned()) };
        guard(files.bytes(n.to_string(), "x", purpose)).await.unwrap();
    }
    let all = guard(files.list().all()).await.unwrap();
    let names: Vec<&str> = all.iter().map(|file| file.filename.as_str()).collect();
    assert_eq!(names, ["4", "3", "2", "1", "0"]);
    let odd = guard(files.list_of(OpenAiFilePurpose::Other("of_tomorrow".to_owned())).all()).await.unwrap();
    assert_eq!(odd.len(), 2);
    let id = &all[0].id;
    assert_eq!(guard(files.retrieve(id)).await.unwrap(), all[0]);
    assert!(guard(files.delete(id)).await.unwrap().deleted);
    for kind in [
        guard(files.retrieve(id)).await.unwrap_err().kind(),
        guard(files.delete(id)).await.unwrap_err().kind(),
        guard(files.content(id)).await.unwrap_err().kind(),
    ] {
        assert_eq!(kind, ErrorKind::NotFound);
    }
    assert_eq!(guard(files.content("..")).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn content_is_read_into_memory_up_to_a_length() {
    let backend = Backend::start().unwrap();
    let files = client(&backend).openai_files();
    let id = guard(files.bytes("a", vec![b'x'; 1000], OpenAiFilePurpose::Batch)).await.unwrap().id;
    let read = async |longest| guard(guard(files.content(&id)).await.unwrap().bytes_up_to(longest)).await;
    assert_eq!(read(1000).await.unwrap().len(), 1000);
    let error = read(999).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResponseTooLarge);
    assert!(error.message().contains("999 bytes"), "{error}");
    // Nobody said how long it would be.
    let server = RawServer::start(|_| {
        let mut body = answer("HTTP/1.1 200 OK\ncontent-type: application/octet-stream", "");
        body.resize(body.len() + (1 << 20), b'x');
        body
    });
    let unannounced =
        Client::builder().openai_base_url(format!("{}/v1", server.origin())).api_key("key").build().unwrap();
    let content = guard(unannounced.openai_files().content("file_1")).await.unwrap();
    assert_eq!(content.length(), None);
    assert_eq!(guard(content.bytes_up_to(1 << 19)).await.unwrap_err().kind(), ErrorKind::ResponseTooLarge);
}

#[tokio::test]
async fn content_that_breaks_off_is_an_error_and_not_an_end() {
    let backend = Backend::start().unwrap();
    let files = client(&backend).openai_files();
    let id = guard(files.bytes("a", vec![b'x'; 1000], OpenAiFilePurpose::Batch)).await.unwrap().id;
    backend.inject(Route::READ_OPENAI_FILE, Fault::reset_in_body());
    let mut stream = guard(files.content(&id)).await.unwrap();
    let mut error = None;
    while let Some(chunk) = guard(stream.next()).await {
        assert!(error.is_none());
        error = chunk.err();
    }
    assert_eq!(error.unwrap().kind(), ErrorKind::Interrupted);
    // Before the head has come, it is asked for again.
    backend.inject(Route::READ_OPENAI_FILE, Fault::status(503));
    assert_eq!(content(&files, &id).await.len(), 1000);
}

#[tokio::test]
async fn a_large_file_goes_in_parts_which_may_fail_and_is_cancelled_if_one_does_for_good() {
    let backend = Backend::start().unwrap();
    let files = client(&backend).openai_files();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.jsonl");
    let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&path, &bytes).unwrap();
    backend.inject(Route::ADD_OPENAI_UPLOAD_PART, Fault::status(503));
    let file = guard(files.large_path(&path, OpenAiFilePurpose::FineTune).with_part_size(150_000)).await.unwrap();
    assert_eq!((file.filename.as_str(), file.bytes), ("big.jsonl", 400_000));
    assert_eq!(content(&files, &file.id).await, bytes);
    assert_eq!(backend.requests_to(Route::ADD_OPENAI_UPLOAD_PART).len(), 4);

    let file =
        guard(files.large_bytes("b", bytes.clone(), OpenAiFilePurpose::Batch).with_part_size(399_999)).await.unwrap();
    assert_eq!(content(&files, &file.id).await, bytes);

    backend.inject(Route::ADD_OPENAI_UPLOAD_PART, Fault::status(400));
    let error = guard(files.large_path(&path, OpenAiFilePurpose::FineTune)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(backend.requests_to(Route::CANCEL_OPENAI_UPLOAD).len(), 1);

    for (path, kind) in
        [(folder.path().join("no"), ErrorKind::FileNotFound), (folder.path().to_owned(), ErrorKind::NotAFile)]
    {
        assert_eq!(guard(files.large_path(path, OpenAiFilePurpose::Batch)).await.unwrap_err().kind(), kind);
    }
    let huge = folder.path().join("huge");
    std::fs::File::create(&huge).unwrap().set_len((8 << 30) + 1).unwrap();
    assert_eq!(
        guard(files.large_path(huge, OpenAiFilePurpose::Batch)).await.unwrap_err().kind(),
        ErrorKind::FileTooLarge
    );
}
