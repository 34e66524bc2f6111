//! Lists of several pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use codex_backend::tasks::TaskFilter;
use codex_backend::testing::{Backend, Fault, ManualClock, Route};
use codex_backend::transport::Environment;
use codex_backend::{ChatGptTokens, Client, ErrorKind, RetryPolicy};
use futures_util::{StreamExt, TryStreamExt};
use proptest::prelude::*;

use crate::raw::{RawServer, answer};
use crate::support::{client, guard};

#[tokio::test]
async fn pages_are_asked_for_when_they_are_needed() {
    let backend = Backend::start().unwrap();
    backend.add_tasks(45);
    let tasks = client(&backend).cloud_tasks();
    let mut items = tasks.list().items();
    for _ in 0..20 {
        guard(items.try_next()).await.unwrap().unwrap();
    }
    assert_eq!(backend.requests_to(Route::LIST_TASKS).len(), 1);
    assert_eq!(guard(items.try_next()).await.unwrap().unwrap().id, "task_e_25");
    assert_eq!(backend.requests_to(Route::LIST_TASKS).len(), 2);
    drop(items);
    let targets: Vec<String> = backend.requests().into_iter().map(|request| request.target).collect();
    let list = "/backend-api/wham/tasks/list?limit=20&task_filter=current";
    assert_eq!(targets, [list.to_owned(), format!("{list}&cursor=after%3D20")]);
}

#[tokio::test]
async fn limits_on_items_and_pages_end_a_list_without_a_request_too_many() {
    let backend = Backend::start().unwrap();
    backend.add_tasks(45);
    let tasks = client(&backend).cloud_tasks();
    for (items, pages, expected, requests) in [
        (Some(0), None, 0, 0),
        (Some(20), None, 20, 1),
        (Some(21), None, 21, 2),
        (None, Some(0), 0, 0),
        (None, Some(2), 40, 2),
        (Some(30), Some(1), 20, 1),
        (None, None, 45, 3),
    ] {
        let before = backend.requests().len();
        let mut list = tasks.list();
        if let Some(items) = items {
            list = list.with_item_limit(items);
        }
        if let Some(pages) = pages {
            list = list.with_page_limit(pages);
        }
        assert_eq!(guard(list.all()).await.unwrap().len(), expected, "{items:?} {pages:?}");
        assert_eq!(backend.requests().len() - before, requests, "{items:?} {pages:?}");
    }
}

#[tokio::test]
async fn a_list_can_be_gone_through_by_hand_and_taken_up_again() {
    let backend = Backend::start().unwrap();
    backend.add_tasks(5);
    let tasks = client(&backend).cloud_tasks();
    let list = || tasks.list_matching(TaskFilter::default().page_size(2));
    let first = guard(list().page()).await.unwrap();
    let second = guard(list().from_cursor(first.next_cursor.unwrap()).page()).await.unwrap();
    let rest = guard(list().from_cursor(second.next_cursor.unwrap()).all()).await.unwrap();
    let ids = first.items.iter().chain(&second.items).chain(&rest).map(|task| task.id.as_str());
    assert_eq!(ids.collect::<Vec<_>>(), ["task_e_5", "task_e_4", "task_e_3", "task_e_2", "task_e_1"]);
}

#[tokio::test]
async fn after_an_error_a_stream_is_over() {
    let backend = Backend::start().unwrap();
    backend.add_tasks(45);
    let tasks = client(&backend).cloud_tasks();
    let mut pages = tasks.list().with_retry_policy(RetryPolicy::never()).pages();
    let first = guard(pages.next()).await.unwrap().unwrap();
    backend.inject(Route::LIST_TASKS, Fault::status(500));
    let error = guard(pages.next()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert!(guard(pages.next()).await.is_none());
    let rest = guard(tasks.list().from_cursor(first.next_cursor.unwrap()).all()).await.unwrap();
    assert_eq!(rest.len(), 25);
}

#[tokio::test]
async fn a_server_that_repeats_a_page_ends_the_list_with_an_error() {
    let backend = Backend::start().unwrap();
    backend.add_tasks(3);
    backend.set_task_list_repeats(true);
    let error = guard(client(&backend).cloud_tasks().list().all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RepeatedCursor);
    assert_eq!(backend.requests_to(Route::LIST_TASKS).len(), 2);
}

#[tokio::test]
async fn a_page_size_out_of_range_is_refused_before_it_is_sent() {
    let backend = Backend::start().unwrap();
    let tasks = client(&backend).cloud_tasks();
    for size in [0, 21] {
        let error = guard(tasks.list_matching(TaskFilter::default().page_size(size)).page()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    assert!(backend.requests().is_empty());
}

/// A server whose list of tasks is cut into these pages; after the last page comes `then`.
fn server_with_pages(pages: Vec<usize>, then: Option<usize>) -> RawServer {
    RawServer::start(move |request| {
        let page = request
            .line
            .split("cursor=p")
            .nth(1)
            .map_or(0, |rest| rest.split([' ', '&']).next().unwrap().parse().unwrap());
        let start: usize = pages[..page].iter().sum();
        let items: Vec<String> = (start..start + pages[page]).map(|n| format!(r#"{{"id":"t{n}"}}"#)).collect();
        let next = if page + 1 < pages.len() { Some(page + 1) } else { then };
        let cursor = next.map_or("null".to_owned(), |next| format!("\"p{next}\""));
        answer("HTTP/1.1 200 OK", format!(r#"{{"items":[{}],"cursor":{cursor}}}"#, items.join(",")))
    })
}

fn list(server: &RawServer) -> Result<Vec<String>, codex_backend::Error> {
    let client = Client::builder()
        .codex_base_url(server.codex_base_url())
        .environment(Environment::empty())
        .chatgpt(ChatGptTokens::new("opaque-access-token"))
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tasks = runtime.block_on(guard(client.cloud_tasks().list().all()))?;
    Ok(tasks.into_iter().map(|task| task.id).collect())
}

/// A server whose lists never end, and repeat no cursor. Each page takes that long, by the clock.
fn endless_server(clock: &ManualClock, page_takes: Duration) -> (RawServer, Arc<AtomicUsize>) {
    let pages = Arc::new(AtomicUsize::new(0));
    let (counted, clock) = (pages.clone(), clock.clone());
    let server = RawServer::start(move |_| {
        let page = counted.fetch_add(1, Ordering::Relaxed);
        clock.advance(page_takes);
        let item = format!(r#"{{"id":"t{page}","title":"t","name":"n"}}"#);
        answer(
            "HTTP/1.1 200 OK",
            format!(r#"{{"items":[{item}],"cursor":"c{page}","apps":[{item}],"nextToken":"c{page}"}}"#),
        )
    });
    (server, pages)
}

#[tokio::test]
async fn a_list_without_end_is_bounded_in_pages_and_in_time() {
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
    let client = |server: &RawServer| {
        let builder = Client::builder().codex_base_url(server.codex_base_url()).environment(Environment::empty());
        builder.chatgpt(ChatGptTokens::new("opaque").account_id("acct-1")).clock(clock.clone()).build().unwrap()
    };
    let (server, pages) = endless_server(&clock, Duration::ZERO);
    let tasks = client(&server).cloud_tasks();
    let error = guard(tasks.list().all()).await.unwrap_err();
    assert_eq!((error.kind(), pages.swap(0, Ordering::Relaxed)), (ErrorKind::ListTooLong, 1_000));
    assert!(error.to_string().contains("1000 pages with 1000 items") && error.may_have_been_sent(), "{error}");
    // The application may allow more, and what has come by then is kept.
    assert_eq!(guard(tasks.list().with_page_limit(1_001).all()).await.unwrap().len(), 1_001);
    let (items, errors): (Vec<_>, Vec<_>) =
        guard(tasks.list().items().collect::<Vec<_>>()).await.into_iter().partition(Result::is_ok);
    assert_eq!((items.len(), errors.len()), (1_000, 1));
    pages.store(0, Ordering::Relaxed);
    let error = guard(client(&server).connectors().directory()).await.unwrap_err();
    assert_eq!((error.kind(), pages.load(Ordering::Relaxed)), (ErrorKind::ListTooLong, 1_000));

    let (server, pages) = endless_server(&clock, Duration::from_secs(50));
    let tasks = client(&server).cloud_tasks();
    let error = guard(tasks.list().all()).await.unwrap_err();
    assert_eq!((error.kind(), pages.swap(0, Ordering::Relaxed)), (ErrorKind::ListTooLong, 12));
    assert!(error.to_string().contains("12 pages with 12 items, in 600 s"), "{error}");
    let error = guard(tasks.list().with_total_timeout(Duration::from_secs(100)).all()).await.unwrap_err();
    assert_eq!((error.kind(), pages.load(Ordering::Relaxed)), (ErrorKind::ListTooLong, 2));
    // Time in which no page is waited for is the application's own.
    let mut items = tasks.list().with_total_timeout(Duration::from_secs(100)).items();
    guard(items.try_next()).await.unwrap().unwrap();
    clock.advance(Duration::from_secs(1_000));
    assert!(guard(items.try_next()).await.unwrap().is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_cut_into_pages_gives_the_same_items(pages in prop::collection::vec(0_usize..6, 1..7)) {
        let total: usize = pages.iter().sum();
        let expected: Vec<String> = (0..total).map(|n| format!("t{n}")).collect();
        prop_assert_eq!(list(&server_with_pages(pages, None)).unwrap(), expected);
    }

    #[test]
    fn a_repeated_cursor_is_an_error_wherever_it_leads_back_to(
        (pages, back) in prop::collection::vec(0_usize..4, 2..7).prop_flat_map(|pages| {
            let last = pages.len();
            (Just(pages), 1..last)
        }),
    ) {
        let error = list(&server_with_pages(pages, Some(back))).unwrap_err();
        prop_assert_eq!(error.kind(), ErrorKind::RepeatedCursor);
    }
}
