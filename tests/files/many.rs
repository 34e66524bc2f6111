//! Several uploads at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use codex_backend::files::{UploadMany, UploadRequest};
use codex_backend::testing::{Fault, Route};
use codex_backend::{ErrorKind, OpenAiFileUpload};
use futures_util::stream;
use tokio::sync::watch;

use crate::support::{a_while, folder, guard, start, until, uploads, write};

/// Sources that count how many of them are read at once.
#[derive(Clone)]
struct Crowd {
    now: Arc<AtomicUsize>,
    most: watch::Sender<usize>,
}

impl Crowd {
    fn new() -> Self {
        Self { now: Arc::default(), most: watch::Sender::new(0) }
    }

    /// An upload that ends only after `wanted` of them have been under way at once, and some time more.
    fn upload(&self, files: &OpenAiFileUpload, name: String, wanted: usize) -> UploadRequest {
        let crowd = self.clone();
        let content = async move {
            let now = crowd.now.fetch_add(1, Ordering::SeqCst) + 1;
            crowd.most.send_if_modified(|most| std::mem::replace(most, now.max(*most)) < now);
            crowd.most.subscribe().wait_for(|most| *most >= wanted).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
            crowd.now.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, std::io::Error>(Bytes::from_static(b"hello"))
        };
        files.stream(name, 5, stream::once(content))
    }
}

type Setting = fn(UploadMany) -> UploadMany;

#[tokio::test]
async fn as_many_uploads_run_at_once_as_allowed_and_no_more() {
    let cases: [(Setting, usize); 5] = [
        (|many| many, 4),
        (|many| many.with_concurrency(0), 1),
        (|many| many.with_concurrency(1), 1),
        (|many| many.with_concurrency(3), 3),
        (|many| many.with_concurrency(usize::MAX), 9),
    ];
    for (set, expected) in cases {
        let (backend, crowd) = (start(), Crowd::new());
        let files = uploads(&backend);
        let several: Vec<_> = (0..9).map(|index| crowd.upload(&files, format!("{index}.txt"), expected)).collect();
        let results = guard(set(files.many(several))).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_eq!((results.len(), *crowd.most.borrow()), (9, expected));
    }
}

#[tokio::test]
async fn an_upload_is_not_begun_before_there_is_room_for_it() {
    let backend = start();
    backend.inject(Route::FINALIZE_FILE, Fault::stall().times(2));
    let files = uploads(&backend);
    let several: Vec<_> = (0..5).map(|index| files.bytes(format!("{index}.txt"), "hello")).collect();
    let several = tokio::spawn(files.many(several).with_concurrency(2).into_future());
    until(|| backend.requests_to(Route::FINALIZE_FILE).len() == 2).await;
    a_while().await;
    assert_eq!(backend.requests_to(Route::CREATE_FILE).len(), 2);
    several.abort();
}

#[tokio::test]
async fn results_come_in_the_order_of_the_requests() {
    let backend = start();
    let files = uploads(&backend);
    // The first are the last to be done.
    let several: Vec<_> = (0..6_u64)
        .map(|index| {
            let content = async move {
                tokio::time::sleep(Duration::from_millis(10 * (6 - index))).await;
                Ok::<_, std::io::Error>(Bytes::from_static(b"hello"))
            };
            files.stream(format!("{index}.txt"), 5, stream::once(content))
        })
        .collect();
    let results = guard(files.many(several).with_concurrency(6)).await;
    let names: Vec<_> = results.iter().map(|result| result.as_ref().unwrap().file_name().to_owned()).collect();
    assert_eq!(names, ["0.txt", "1.txt", "2.txt", "3.txt", "4.txt", "5.txt"]);
}

#[tokio::test]
async fn one_failure_does_not_stop_the_others() {
    let (backend, folder) = (start(), folder());
    let files = uploads(&backend);
    let several = [
        files.path(folder.path().join("missing.txt")),
        files.path(write(&folder, "good.txt", "good")),
        files.bytes("bad/name.txt", "bad"),
        files.stream("short.txt", 9, crate::support::pieces(b"short")),
        files.bytes("last.txt", "last"),
    ];
    let results = guard(files.many(several).with_concurrency(2)).await;
    let outcomes: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().map(|file| file.file_name().to_owned()).map_err(codex_backend::Error::kind))
        .collect();
    let expected = [
        Err(ErrorKind::FileNotFound),
        Ok("good.txt".to_owned()),
        Err(ErrorKind::InvalidFileName),
        Err(ErrorKind::LengthMismatch),
        Ok("last.txt".to_owned()),
    ];
    assert_eq!(outcomes, expected);
    let finalized: Vec<_> =
        backend.files().iter().filter(|file| file.is_finalized()).map(|file| file.file_name().to_owned()).collect();
    assert_eq!(finalized, ["good.txt", "last.txt"]);
}

#[tokio::test]
async fn a_slow_upload_does_not_keep_the_other_places_empty() {
    let backend = start();
    let files = uploads(&backend);
    let finished = watch::Sender::new(0);
    let mut waiting = finished.subscribe();
    let slow = async move {
        waiting.wait_for(|finished| *finished == 3).await.unwrap();
        Ok::<_, std::io::Error>(Bytes::from_static(b"hello"))
    };
    let mut several = vec![files.stream("slow.txt", 5, stream::once(slow))];
    for index in 0..3 {
        let finished = finished.clone();
        several.push(files.bytes(format!("{index}.txt"), "hello").with_progress(move |progress| {
            if progress.bytes_handed_over == progress.total_bytes {
                finished.send_modify(|finished| *finished += 1);
            }
        }));
    }
    let upload = files.many(several).with_concurrency(2).into_future();
    let results = tokio::time::timeout(Duration::from_secs(10), upload).await;
    let results = results.expect("with one slow upload, no other is begun in the place that is free");
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

#[tokio::test]
async fn no_uploads_give_no_results() {
    let backend = start();
    assert!(guard(uploads(&backend).many([])).await.is_empty());
    crate::support::assert_no_request(&backend, "nothing to upload");
}
