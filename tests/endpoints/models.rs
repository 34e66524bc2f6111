//! The catalogue of models: when it is asked for, what is kept and for whom.

use std::time::{Duration, SystemTime};

use codex_backend::models::RefreshStrategy;
use codex_backend::testing::{Backend, Fault, ManualClock, Route};
use codex_backend::{ChatGptTokens, Client, CodexBackend, ErrorKind, RetryPolicy};
use serde_json::json;

use crate::support::guard;
#[cfg(unix)]
use crate::support::make_odd_files;

const MINUTE: Duration = Duration::from_secs(60);

fn client(backend: &Backend, clock: &ManualClock) -> Client<CodexBackend> {
    let builder = backend.client().chatgpt(backend.chatgpt_tokens()).clock(clock.clone());
    builder.retry_policy(RetryPolicy::never()).build().unwrap()
}

fn clock() -> ManualClock {
    ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_777_000_000))
}

fn asked(backend: &Backend) -> usize {
    backend.requests_to(Route::LIST_MODELS).len()
}

#[tokio::test]
async fn what_is_kept_is_fresh_for_its_time_and_each_strategy_does_what_it_says() {
    let (backend, clock) = (Backend::start().unwrap(), clock());
    let models = client(&backend, &clock).codex_models();
    let error = guard(models.catalogue(RefreshStrategy::Offline)).await.unwrap_err();
    assert_eq!((error.kind(), asked(&backend)), (ErrorKind::NotCached, 0));

    let catalogue = guard(models.catalogue(RefreshStrategy::OnlineIfUncached)).await.unwrap();
    assert_eq!(catalogue.etag(), Some("W/\"embedded-1\""));
    assert_eq!(catalogue.default_model().unwrap().slug, "gpt-test");
    let request = &backend.requests_to(Route::LIST_MODELS)[0];
    assert_eq!(request.target, "/backend-api/codex/models?client_version=0.171.0");
    assert_eq!(request.header("if-none-match"), None);

    clock.advance(5 * MINUTE);
    for strategy in [RefreshStrategy::OnlineIfUncached, RefreshStrategy::Offline] {
        guard(models.catalogue(strategy)).await.unwrap();
    }
    assert_eq!(asked(&backend), 1);
    guard(models.catalogue(RefreshStrategy::Online)).await.unwrap();
    assert_eq!(asked(&backend), 2);

    clock.advance(5 * MINUTE + Duration::from_secs(1));
    assert_eq!(guard(models.catalogue(RefreshStrategy::Offline)).await.unwrap_err().kind(), ErrorKind::NotCached);
    guard(models.clone().catalogue(RefreshStrategy::OnlineIfUncached)).await.unwrap();
    assert_eq!(asked(&backend), 3);

    // Old is better than none, but only where asking was not demanded.
    clock.advance(10 * MINUTE);
    backend.inject(Route::LIST_MODELS, Fault::status(500).times(2));
    guard(models.catalogue(RefreshStrategy::OnlineIfUncached)).await.unwrap();
    assert_eq!(guard(models.catalogue(RefreshStrategy::Online)).await.unwrap_err().kind(), ErrorKind::Server);

    let never = models.with_time_to_live(Duration::ZERO);
    let before = asked(&backend);
    guard(never.catalogue(RefreshStrategy::OnlineIfUncached)).await.unwrap();
    guard(never.catalogue(RefreshStrategy::OnlineIfUncached)).await.unwrap();
    assert_eq!(asked(&backend), before + 2);
}

#[tokio::test]
async fn many_that_ask_at_once_cause_one_request() {
    let (backend, clock) = (Backend::start().unwrap(), clock());
    let models = client(&backend, &clock).codex_models();
    let asking = (0..32).map(|_| models.catalogue(RefreshStrategy::OnlineIfUncached));
    for catalogue in guard(futures_util::future::join_all(asking)).await {
        assert_eq!(catalogue.unwrap().models().len(), 3);
    }
    assert_eq!(asked(&backend), 1);
}

#[tokio::test]
async fn a_new_version_that_an_answer_tells_is_looked_into_exactly_once() {
    let (backend, clock) = (Backend::start().unwrap(), clock());
    let client = client(&backend, &clock);
    let models = client.codex_models();
    guard(models.catalogue(RefreshStrategy::Online)).await.unwrap();
    let etag = async || {
        let stream = guard(client.codex_responses().create("gpt-test", "i", "hello").stream()).await.unwrap();
        guard(stream.collect()).await.unwrap().models_etag.unwrap()
    };
    // The version that is kept makes it fresh again, and asks for nothing.
    clock.advance(4 * MINUTE);
    guard(models.note_etag(&etag().await)).await.unwrap();
    clock.advance(4 * MINUTE);
    guard(models.catalogue(RefreshStrategy::Offline)).await.unwrap();
    assert_eq!(asked(&backend), 1);

    backend.set_models(json!([{ "slug": "gpt-next", "visibility": "list" }]), "W/\"2\"");
    for _ in 0..3 {
        let etag = etag().await;
        guard(futures_util::future::join_all((0..4).map(|_| models.note_etag(&etag)))).await;
    }
    assert_eq!(asked(&backend), 2);
    let catalogue = guard(models.catalogue(RefreshStrategy::Offline)).await.unwrap();
    assert_eq!((catalogue.etag(), catalogue.models()[0].slug.as_str()), (Some("W/\"2\""), "gpt-next"));

    // A version that the catalogue never gets to is not asked for again and again; a failure is.
    for _ in 0..3 {
        guard(models.note_etag("\"2\"")).await.unwrap();
    }
    assert_eq!(asked(&backend), 3);
    backend.inject(Route::LIST_MODELS, Fault::status(500));
    guard(models.note_etag("\"3\"")).await.unwrap_err();
    guard(models.note_etag("\"3\"")).await.unwrap();
    assert_eq!(asked(&backend), 5);
}

#[tokio::test]
async fn a_file_keeps_the_catalogue_for_its_account_server_and_version_alone() {
    let (backend, clock) = (Backend::start().unwrap(), clock());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("models.json");
    let first = client(&backend, &clock).codex_models().with_cache_file(&path);
    guard(first.catalogue(RefreshStrategy::Online)).await.unwrap();
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(written["etag"], "W/\"embedded-1\"");
    assert_eq!(written["models"][0]["shell_type"], "shell_command", "what this crate does not know is kept");
    assert!(!written.to_string().contains("eyJ"), "no credential");

    // Another program.
    let second = client(&backend, &clock).codex_models().with_cache_file(&path);
    let kept = guard(second.catalogue(RefreshStrategy::Offline)).await.unwrap();
    assert_eq!(kept.etag(), Some("W/\"embedded-1\""));

    // A third, which hears of the version before it has looked into the file, need not ask for it.
    let third = client(&backend, &clock).codex_models().with_cache_file(&path);
    guard(third.note_etag("W/\"embedded-1\"")).await.unwrap();
    assert_eq!(asked(&backend), 1);

    let other_account = backend.client().chatgpt(ChatGptTokens::new(backend.issue_access_token("acct-2")));
    let other_account = other_account.clock(clock.clone()).build().unwrap();
    let elsewhere = Backend::start().unwrap();
    let elsewhere = client(&elsewhere, &clock);
    for models in [
        other_account.codex_models(),
        elsewhere.codex_models(),
        client(&backend, &clock).codex_models().with_client_version("0.126.0"),
    ] {
        let error = guard(models.with_cache_file(&path).catalogue(RefreshStrategy::Offline)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotCached);
    }
    assert_eq!(asked(&backend), 1);

    std::fs::write(&path, "{ not json").unwrap();
    let models = client(&backend, &clock).codex_models().with_cache_file(&path);
    guard(models.catalogue(RefreshStrategy::OnlineIfUncached)).await.unwrap();
    assert_eq!(asked(&backend), 2);
    // A file that cannot be written costs nothing but itself.
    let nowhere = folder.path().join("no-folder/models.json");
    let models = client(&backend, &clock).codex_models().with_cache_file(nowhere);
    guard(models.catalogue(RefreshStrategy::Online)).await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_no_cache_is_a_miss_and_stays_what_it_is() {
    let (backend, clock) = (Backend::start().unwrap(), clock());
    let folder = tempfile::tempdir().unwrap();
    for path in make_odd_files(folder.path()) {
        let kind = std::fs::symlink_metadata(&path).unwrap().file_type();
        let models = client(&backend, &clock).codex_models().with_cache_file(&path);
        guard(models.catalogue(RefreshStrategy::OnlineIfUncached)).await.unwrap();
        let is_replaced = std::fs::symlink_metadata(&path).unwrap().file_type() != kind;
        assert!(!is_replaced, "{}", path.display());
    }
    assert_eq!(asked(&backend), 5);
}

#[tokio::test]
async fn an_account_that_is_not_known_has_no_file() {
    let (backend, clock) = (Backend::start().unwrap(), clock());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("models.json");
    backend.inject(Route::LIST_MODELS, Fault::status(200).body(r#"{"models":[{"slug":"a"}]}"#));
    let opaque = backend.client().chatgpt(ChatGptTokens::new("opaque")).clock(clock).build().unwrap();
    let models = opaque.codex_models().with_cache_file(&path);
    assert_eq!(guard(models.catalogue(RefreshStrategy::Online)).await.unwrap().models().len(), 1);
    assert!(!path.exists());
}

#[tokio::test]
async fn the_version_filters_and_the_suffix_is_cut_off() {
    let (backend, clock) = (Backend::start().unwrap(), clock());
    let models = client(&backend, &clock).codex_models();
    let old = models.clone().with_client_version("0.97.9-alpha.1");
    assert!(guard(old.catalogue(RefreshStrategy::Online)).await.unwrap().models().is_empty());
    let error = guard(models.with_client_version("newest").catalogue(RefreshStrategy::Online)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("client_version is required"), "{error}");
}

#[tokio::test]
async fn the_recorded_catalogue_can_be_read() {
    let (backend, clock) = (Backend::start().unwrap(), clock());
    let recorded = std::fs::read_to_string("tests/data/sse/http_07_models_ok.txt").unwrap();
    let body: serde_json::Value = serde_json::from_str(recorded.split("\n\n").nth(1).unwrap()).unwrap();
    backend.set_models(body["models"].clone(), "W/\"abc123\"");
    let catalogue = guard(client(&backend, &clock).codex_models().catalogue(RefreshStrategy::Online)).await.unwrap();
    assert_eq!((catalogue.unreadable(), catalogue.etag()), (0, Some("W/\"abc123\"")));
    let model = &catalogue.models()[0];
    assert_eq!(model.supported_reasoning_levels[1].effort, "medium");
    assert_eq!(model.truncation_policy.as_ref().unwrap().limit, 10_000);
    assert_eq!(model.compact_at(), Some(244_800));
}

#[tokio::test]
async fn the_public_list_is_another() {
    let backend = Backend::start().unwrap();
    let models = backend.client().api_key(backend.api_key()).build().unwrap().openai_models();
    let ids: Vec<String> = guard(models.list()).await.unwrap().into_iter().map(|model| model.id).collect();
    assert_eq!(ids, ["gpt-test", "gpt-test-mini"]);
    assert_eq!(guard(models.retrieve("gpt-test-mini")).await.unwrap().owned_by, "openai");
    let error = guard(models.retrieve("gpt-0/1")).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("model_not_found")));
    let error = guard(models.retrieve("gpt-0")).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("model_not_found")));
    let target = &backend.requests()[2].target;
    assert_eq!(target, "/v1/models/gpt-0%2F1");
}
