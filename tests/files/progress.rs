//! The progress callback.

use codex_backend::testing::{Fault, Route};

use crate::support::{
    CHUNK, Reports, content, every_source, folder, guard, one_shot, replayable, start, uploads, write,
};

#[track_caller]
fn assert_rises(bytes: &[u64], to: u64, what: &str) {
    assert_eq!((bytes.first(), bytes.last()), (Some(&0), Some(&to)), "{what}: {bytes:?}");
    assert!(bytes.windows(2).all(|pair| pair[0] < pair[1]), "{what}: {bytes:?}");
}

#[tokio::test]
async fn progress_rises_from_nothing_to_the_total_for_every_source() {
    let folder = folder();
    for length in [1, 7777, CHUNK + 1, 3 * CHUNK] {
        let path = write(&folder, "path.bin", content(length));
        let backend = start();
        for (source, upload) in every_source(&uploads(&backend), &path) {
            let reports = Reports::default();
            guard(reports.of(upload)).await.unwrap();
            assert_rises(&reports.bytes(1), length as u64, &format!("{source} of {length}"));
            let all = reports.all();
            assert!(all.iter().all(|report| report.total_bytes == length as u64), "{source} of {length}: {all:?}");
            assert_eq!(reports.attempts(), 1, "{source} of {length}");
        }
    }
}

#[tokio::test]
async fn a_callback_may_keep_count_by_itself_over_all_attempts() {
    let backend = start();
    backend.inject(Route::PUT_FILE, Fault::status(503));
    let (tell, told) = std::sync::mpsc::channel();
    let mut calls = 0;
    let upload = uploads(&backend).bytes("a.bin", content(CHUNK)).with_progress(move |progress| {
        calls += 1;
        tell.send((calls, progress.attempt)).unwrap();
    });
    guard(upload).await.unwrap();
    let told: Vec<(u32, u32)> = told.iter().collect();
    assert_eq!(told.iter().map(|(calls, _)| *calls).collect::<Vec<_>>(), (1..=told.len() as u32).collect::<Vec<_>>());
    assert_eq!((told.first().unwrap().1, told.last().unwrap().1), (1, 2), "{told:?}");
}

#[tokio::test]
async fn an_empty_file_reports_once() {
    let (backend, folder) = (start(), folder());
    for (source, upload) in every_source(&uploads(&backend), &write(&folder, "path.bin", "")) {
        let reports = Reports::default();
        guard(reports.of(upload)).await.unwrap();
        let all = reports.all();
        assert_eq!(all.len(), 1, "{source}: {all:?}");
        assert_eq!((all[0].bytes_handed_over, all[0].total_bytes, all[0].attempt), (0, 0, 1), "{source}");
    }
}

#[tokio::test]
async fn a_large_source_reports_often_enough_for_a_progress_bar() {
    let (backend, folder) = (start(), folder());
    let path = write(&folder, "path.bin", content(8 * CHUNK));
    for (source, upload) in replayable(&uploads(&backend), &path) {
        let reports = Reports::default();
        guard(reports.of(upload)).await.unwrap();
        let steps: Vec<_> = reports.bytes(1).windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(steps.len() >= 8 && steps.iter().all(|step| *step <= CHUNK as u64), "{source}: {steps:?}");
    }
}

#[tokio::test]
async fn each_attempt_starts_again_at_nothing_and_counts() {
    let folder = folder();
    let length = 2 * CHUNK + 1;
    let path = write(&folder, "path.bin", content(length));
    for index in 0..2 {
        let backend = start();
        backend.inject(Route::PUT_FILE, Fault::status(503).times(2));
        let (source, upload) = replayable(&uploads(&backend), &path).into_iter().nth(index).unwrap();
        let reports = Reports::default();
        guard(reports.of(upload)).await.unwrap();
        let attempts: Vec<_> = reports.all().iter().map(|report| report.attempt).collect();
        assert!(attempts.is_sorted(), "{source}: {attempts:?}");
        assert_eq!(reports.attempts(), 3, "{source}");
        for attempt in 1..=3 {
            assert_rises(&reports.bytes(attempt), length as u64, &format!("{source}, attempt {attempt}"));
        }
    }
}

#[tokio::test]
async fn bytes_are_handed_over_as_the_source_gives_them() {
    let backend = start();
    for (source, upload) in one_shot(&uploads(&backend), &content(20_000)) {
        let reports = Reports::default();
        guard(reports.of(upload)).await.unwrap();
        let expected = if source == "stream" { vec![0, 7777, 15_554, 20_000] } else { vec![0, 20_000] };
        assert_eq!(reports.bytes(1), expected, "{source}");
    }
}

#[tokio::test]
async fn there_is_no_progress_before_the_content_is_sent() {
    let (backend, folder) = (start(), folder());
    backend.inject(Route::CREATE_FILE, Fault::status(500));
    let reports = Reports::default();
    let upload = uploads(&backend).path(write(&folder, "path.bin", "hello"));
    assert!(guard(reports.of(upload)).await.is_err());
    assert!(reports.all().is_empty(), "{:?}", reports.all());
}
