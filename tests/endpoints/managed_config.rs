//! Managed configuration: requirements, the bundle, and the cache.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use codex_backend::auth::{AccountFacts, MemoryStore, StoredCredentials};
use codex_backend::limits::PlanType;
use codex_backend::managed_config::{CacheStatus, ConfigCache, ConfigLoadSource, ManagedConfigError};
use codex_backend::testing::{Backend, Fault, ManualClock, Route};
use codex_backend::{ChatGptSession, ChatGptTokens, ErrorKind, ManagedConfig};
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::clock::WaitLog;
#[cfg(unix)]
use crate::support::make_odd_files;
use crate::support::{client, client_with_plan, guard};

const POLICY: &str = "allowed_approval_policies = [\"never\"]";
const REQUIREMENTS_SIGNATURE: &str = "MQ3qiCbGYdUphYv1wr7R65AHG90ci0e6BwEJhdo9vTk=";
const BUNDLE_SIGNATURE: &str = "Z2OU+V5gx+K08KinicSph2xI4ma+0gFH3sihSsQC3qc=";

fn at(time: &str) -> SystemTime {
    humantime::parse_rfc3339(time).unwrap()
}

fn bundle() -> Value {
    json!({
        "config_toml": { "enterprise_managed": [] },
        "requirements_toml": { "enterprise_managed": [{ "id": "req_1", "name": "Base policy", "contents": POLICY }] },
    })
}

fn account() -> AccountFacts {
    AccountFacts::new("acc-1").user_id("user-1").plan_type(PlanType::Enterprise)
}

/// The configuration of `user-1` in `acc-1`, at that time.
fn managed(backend: &Backend, now: &str) -> ManagedConfig {
    backend.add_account_with_plan("acc-1", "enterprise");
    let tokens = ChatGptTokens::new(backend.issue_access_token("acc-1"));
    let client = backend.client().chatgpt(tokens).clock(ManualClock::starting_at(at(now))).build().unwrap();
    client.managed_config().with_account(account())
}

fn file(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
}

#[tokio::test]
async fn what_is_written_for_the_official_tool_is_signed_as_it_signs() {
    let (backend, folder) = (Backend::start().unwrap(), tempfile::tempdir().unwrap());
    backend.set_requirements(json!({ "contents": POLICY, "sha256": "x" }));
    backend.set_config_bundle(bundle());
    let cache = ConfigCache::shared_with_official_tool(folder.path());

    let config = managed(&backend, "2026-04-23T00:00:00Z");
    let loaded = guard(config.load_requirements().with_cache(cache.clone())).await.unwrap();
    assert_eq!((loaded.source, loaded.cache), (ConfigLoadSource::Server, Some(CacheStatus::Missing)));
    let kept = file(folder.path(), "cloud-requirements-cache.json");
    assert_eq!(kept["signature"], REQUIREMENTS_SIGNATURE);
    assert_eq!(kept["signed_payload"]["expires_at"], "2026-04-23T00:30:00Z");

    let config = managed(&backend, "2026-06-01T00:00:00Z");
    guard(config.load_bundle().with_cache(cache.clone())).await.unwrap();
    let kept = file(folder.path(), "cloud-config-bundle-cache.json");
    assert_eq!(kept["signature"], BUNDLE_SIGNATURE);
    assert_eq!((&kept["signed_payload"]["version"], &kept["signed_payload"]["bundle"]), (&json!(1), &bundle()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// The cache of the official tool as it writes it: pretty, members in their order.
fn official_file(bundle: &str, signature: &str) -> String {
    format!(
        "{{\n  \"signed_payload\": {{\n    \"version\": 1,\n    \"cached_at\": \"2026-06-01T00:00:00Z\",\n    \
         \"expires_at\": \"2026-06-01T01:00:00Z\",\n    \"chatgpt_user_id\": \"user-1\",\n    \
         \"account_id\": \"acc-1\",\n    \"bundle\": {bundle}\n  }},\n  \"signature\": \"{signature}\"\n}}\n"
    )
}

const OFFICIAL_BUNDLE: &str = r#"{
      "config_toml": { "enterprise_managed": [] },
      "requirements_toml": { "enterprise_managed": [
        { "id": "req_1", "name": "Base policy", "contents": "allowed_approval_policies = [\"never\"]" }
      ] }
    }"#;

#[tokio::test]
async fn each_way_in_which_a_cache_is_of_no_use_is_told_in_the_order_of_the_checks() {
    let (backend, folder) = (Backend::start().unwrap(), tempfile::tempdir().unwrap());
    let path = folder.path().join("cloud-config-bundle-cache.json");
    let cache = ConfigCache::shared_with_official_tool(folder.path());
    let official = official_file(OFFICIAL_BUNDLE, BUNDLE_SIGNATURE);
    fs::write(&path, &official).unwrap();
    let config = managed(&backend, "2026-06-01T00:59:59Z");
    let loaded = guard(config.load_bundle().with_cache(cache.clone())).await.unwrap();
    assert_eq!((loaded.source, loaded.cache), (ConfigLoadSource::Cache, Some(CacheStatus::Hit)));
    assert_eq!(loaded.value.unwrap().requirements()[0].contents, POLICY);
    assert!(backend.requests_to(Route::GET_CONFIG_BUNDLE).is_empty());

    let status = async |content: Option<&str>, config: ManagedConfig| {
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let loaded = guard(config.load_bundle().with_cache(cache.clone())).await.unwrap();
        loaded.cache.unwrap()
    };
    let now = || managed(&backend, "2026-06-01T00:30:00Z");
    let nobody = AccountFacts::new("acc-1").plan_type(PlanType::Enterprise);
    let other = AccountFacts::new("acc-1").user_id("user-2").plan_type(PlanType::Enterprise);
    for (content, config, expected) in [
        (Some("not looked at"), now().with_account(nobody), CacheStatus::NoIdentity),
        (None, now(), CacheStatus::Missing),
        (Some("{"), now(), CacheStatus::Malformed),
        (Some(&official.replace("Base", "Bass")[..]), now(), CacheStatus::BadSignature),
        (Some(&official_file(OFFICIAL_BUNDLE, "AAAA")), now(), CacheStatus::BadSignature),
        (Some(&official), now().with_account(other), CacheStatus::OtherIdentity),
        (Some(&official), managed(&backend, "2026-06-01T01:00:00Z"), CacheStatus::Expired),
    ] {
        assert_eq!(status(content, config).await, expected);
    }
    // A folder cannot be read as a file.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let loaded = guard(now().load_bundle().with_cache(cache.clone())).await.unwrap();
    assert_eq!((loaded.source, loaded.cache), (ConfigLoadSource::Server, Some(CacheStatus::Unreadable)));
}

#[tokio::test]
async fn a_cache_of_ones_own_is_another_file_with_another_signature() {
    let (backend, folder) = (Backend::start().unwrap(), tempfile::tempdir().unwrap());
    backend.set_config_bundle(bundle());
    let own = ConfigCache::in_folder(folder.path());
    let config = managed(&backend, "2026-06-01T00:00:00Z");
    let first = guard(config.load_bundle().with_cache(own.clone())).await.unwrap();
    let again = guard(config.load_bundle().with_cache(own.clone())).await.unwrap();
    assert_eq!((again.source, &again.value), (ConfigLoadSource::Cache, &first.value));
    let kept = file(folder.path(), "codex-backend-config-bundle-cache.json");
    assert_ne!(kept["signature"], BUNDLE_SIGNATURE);
    assert!(!folder.path().join("cloud-config-bundle-cache.json").exists());
    assert_eq!(backend.requests_to(Route::GET_CONFIG_BUNDLE).len(), 1);
    // A folder that is not there costs the cache, and nothing else.
    let nowhere = ConfigCache::in_folder(folder.path().join("missing"));
    let loaded = guard(config.load_bundle().with_cache(nowhere)).await.unwrap();
    assert_eq!((loaded.source, loaded.value), (ConfigLoadSource::Server, first.value));
}

#[tokio::test]
async fn the_sample_is_understood_and_nothing_is_nothing() {
    let backend = Backend::start().unwrap();
    let config = managed(&backend, "2026-06-01T00:00:00Z");
    backend.set_config_bundle(serde_json::from_str(include_str!("../data/config_bundle.json")).unwrap());
    let found = guard(config.bundle()).await.unwrap();
    assert_eq!((found.config(), found.requirements()[0].contents.as_str()), (&[][..], POLICY));
    for empty in [json!({}), json!({ "config_toml": { "enterprise_managed": null }, "requirements_toml": null })] {
        backend.set_config_bundle(empty);
        let loaded = guard(config.load_bundle()).await.unwrap();
        assert_eq!((loaded.value, loaded.source), (None, ConfigLoadSource::Server));
    }
    let loaded = guard(config.load_requirements()).await.unwrap();
    assert_eq!((loaded.value, loaded.source), (None, ConfigLoadSource::Server));
}

#[tokio::test]
async fn plans_without_it_are_not_asked_about() {
    let backend = Backend::start().unwrap();
    for plan in ["pro", "team", "plus", "of tomorrow"] {
        let config = client_with_plan(&backend, &format!("acct-{plan}"), plan).managed_config();
        assert_eq!(guard(config.load_bundle()).await.unwrap().source, ConfigLoadSource::NotEligible, "{plan}");
        let error = guard(config.bundle()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotEligible, "{error}");
    }
    let opaque = backend.client().chatgpt(ChatGptTokens::new("opaque")).build().unwrap();
    assert_eq!(guard(opaque.managed_config().load_requirements()).await.unwrap().source, ConfigLoadSource::NotEligible);
    assert!(backend.requests().is_empty());
    for plan in ["business", "enterprise", "enterprise_cbp_usage_based", "edu", "ent26"] {
        let config = client_with_plan(&backend, &format!("acct-{plan}"), plan).managed_config();
        let load = config.load_bundle().with_timeout(Duration::from_secs(600));
        assert_eq!(guard(load).await.unwrap().source, ConfigLoadSource::Server, "{plan}");
    }
    // The server has the last word.
    let error = guard(client(&backend).managed_config().with_account(account()).bundle()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Forbidden, Some("plan_not_eligible")));
}

#[tokio::test]
async fn it_is_tried_five_times_with_growing_waits_and_then_fails_closed_or_open() {
    let backend = Backend::start().unwrap();
    backend.add_account_with_plan("acc-1", "enterprise");
    let (tokens, log) = (ChatGptTokens::new(backend.issue_access_token("acc-1")), WaitLog::default());
    let client = backend.client().chatgpt(tokens).clock(log.clone()).build().unwrap();
    let config = client.managed_config();
    // Any failure counts, those too that are not repeated elsewhere.
    let fail = || {
        for status in [500, 404, 403, 503, 418] {
            backend.inject(Route::GET_REQUIREMENTS, Fault::status(status));
        }
    };
    fail();
    // The clock of these tests lets time pass only by waits; the limits of 15 s and less would pass at once.
    let patient = || config.load_requirements().with_timeout(Duration::from_secs(600));
    match guard(patient()).await.unwrap_err() {
        ManagedConfigError::RequestFailed { attempts: 5, last } => assert_eq!(last.status().unwrap().as_u16(), 418),
        other => panic!("{other:?}"),
    }
    let waits = log.waits();
    assert_eq!(waits.len(), 4, "{waits:?}");
    for (wait, middle) in waits.iter().zip([200, 400, 800, 1600]) {
        let (low, high) = (Duration::from_millis(middle * 9 / 10), Duration::from_millis(middle * 11 / 10));
        assert!((low..=high).contains(wait), "{waits:?}");
    }
    fail();
    let loaded = guard(patient().fail_open()).await.unwrap();
    assert_eq!((loaded.value, loaded.source), (None, ConfigLoadSource::FailedOpen));
    assert!(matches!(loaded.failure, Some(ManagedConfigError::RequestFailed { .. })));
}

#[tokio::test]
async fn all_of_it_is_bounded() {
    let backend = Backend::start().unwrap();
    let clock = ManualClock::starting_at(at("2026-06-01T00:00:00Z"));
    backend.add_account_with_plan("acc-1", "enterprise");
    let tokens = ChatGptTokens::new(backend.issue_access_token("acc-1"));
    let client = backend.client().chatgpt(tokens).clock(clock.clone()).build().unwrap();
    backend.inject(Route::GET_CONFIG_BUNDLE, Fault::stall());
    let loading = tokio::spawn(client.managed_config().load_bundle().into_future());
    guard(clock.until_asleep_for(Duration::from_secs(15))).await;
    clock.advance(Duration::from_secs(15));
    match guard(loading).await.unwrap().unwrap_err() {
        ManagedConfigError::Timeout { limit, last: Some(last) } => {
            assert_eq!(limit, Duration::from_secs(15));
            assert!(last.is_timeout());
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn refused_credentials_are_renewed_inside_of_an_attempt_or_end_the_loading() {
    let backend = Backend::start().unwrap();
    backend.add_account_with_plan("acc-1", "enterprise");
    let document = StoredCredentials::from_json(&backend.issue_auth_json("acc-1", Duration::from_secs(3600))).unwrap();
    let session = ChatGptSession::open(MemoryStore::new(document)).unwrap();
    let client = backend.client().provider(session).build().unwrap();
    backend.inject(Route::GET_CONFIG_BUNDLE, Fault::unauthorized("token_expired"));
    let loaded = guard(client.managed_config().load_bundle().with_attempts(1)).await.unwrap();
    assert_eq!(loaded.source, ConfigLoadSource::Server);
    assert_eq!(backend.requests_to(Route::REFRESH_TOKEN).len(), 1);

    let held = client_with_plan(&backend, "acc-2", "enterprise").managed_config();
    backend.inject(Route::GET_CONFIG_BUNDLE, Fault::unauthorized("token_revoked"));
    match guard(held.load_bundle().with_timeout(Duration::from_secs(600))).await.unwrap_err() {
        ManagedConfigError::Auth(error) => assert_eq!(error.code(), Some("token_revoked")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_not_toml_fails_at_once_and_is_not_kept() {
    let (backend, folder) = (Backend::start().unwrap(), tempfile::tempdir().unwrap());
    let config = managed(&backend, "2026-06-01T00:00:00Z");
    let cache = ConfigCache::in_folder(folder.path());
    backend.set_requirements(json!({ "contents": "fine = 1\nnot toml" }));
    backend.set_config_bundle(json!({ "config_toml": { "enterprise_managed": [
        { "id": "c1", "name": "Good", "contents": "a = 1" }, { "id": "c2", "name": "Bad", "contents": "=" },
    ] } }));
    for (error, name, line) in [
        (guard(config.load_requirements().with_cache(cache.clone())).await.unwrap_err(), "requirements", "line 2"),
        (guard(config.load_bundle().with_cache(cache.clone())).await.unwrap_err(), "Bad", "line 1"),
    ] {
        assert!(matches!(&error, ManagedConfigError::Parse { name: said, .. } if said == name), "{error:?}");
        assert!(error.to_string().contains(line), "{error}");
    }
    assert_eq!(backend.requests().len(), 2);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn it_is_refreshed_for_as_long_as_the_caller_asks() {
    let (backend, folder) = (Backend::start().unwrap(), tempfile::tempdir().unwrap());
    let config = client_with_plan(&backend, "acc-1", "enterprise").managed_config();
    let cache = ConfigCache::in_folder(folder.path());
    let load =
        || config.load_bundle().with_cache(cache.clone()).with_attempts(1).with_timeout(Duration::from_secs(600));
    let mut refreshes = load().refreshes_every(Duration::from_secs(5));
    let kept = || fs::read(folder.path().join("codex-backend-config-bundle-cache.json")).unwrap();

    backend.set_config_bundle(bundle());
    assert!(guard(refreshes.next()).await.unwrap().unwrap().value.is_some());
    let before = kept();
    backend.inject(Route::GET_CONFIG_BUNDLE, Fault::status(500));
    assert!(guard(refreshes.next()).await.unwrap().is_err());
    assert_eq!(kept(), before);
    backend.set_config_bundle(json!({}));
    assert_eq!(guard(refreshes.next()).await.unwrap().unwrap().value, None);
    assert_ne!(kept(), before);
    backend.inject(Route::GET_CONFIG_BUNDLE, Fault::unauthorized("token_revoked"));
    let ended = guard(refreshes.next()).await.unwrap().unwrap_err();
    assert!(matches!(ended, ManagedConfigError::Auth(_)));
    assert!(guard(refreshes.next()).await.is_none());
}

#[tokio::test]
async fn a_demand_of_the_administrators_cannot_be_left_out() {
    let backend = Backend::start().unwrap();
    let client = client_with_plan(&backend, "acc-1", "enterprise");
    for bad in [Value::Null, json!(7), json!({ "id": "r", "contents": 7 })] {
        let fragments = json!([{ "id": "r", "name": "n", "contents": "a = 1" }, bad]);
        let body = json!({ "requirements_toml": { "enterprise_managed": fragments } });
        backend.inject(Route::GET_CONFIG_BUNDLE, Fault::status(200).body(body.to_string()));
        let error = guard(client.managed_config().bundle()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{bad}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_no_cache_is_unreadable_and_stays_what_it_is() {
    let (backend, folder) = (Backend::start().unwrap(), tempfile::tempdir().unwrap());
    backend.set_requirements(json!({ "contents": POLICY, "sha256": "x" }));
    for path in make_odd_files(folder.path()) {
        let place = folder.path().join("cloud-requirements-cache.json");
        std::os::unix::fs::symlink(&path, &place).unwrap();
        let cache = ConfigCache::shared_with_official_tool(folder.path());
        let config = managed(&backend, "2026-04-23T00:00:00Z");
        let loaded = guard(config.load_requirements().with_cache(cache)).await.unwrap();
        assert_eq!((loaded.source, loaded.cache), (ConfigLoadSource::Server, Some(CacheStatus::Unreadable)));
        // What is merely too large may be replaced.
        assert_eq!(place.is_symlink(), !path.ends_with("huge"), "{}", path.display());
        fs::remove_file(&place).unwrap();
    }
}
