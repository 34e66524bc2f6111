//! Connectors, plugins and the policy of a workspace.

use std::time::{Duration, SystemTime};

use codex_backend::auth::{AccountFacts, MemoryStore, PersonalAccessToken, StoredCredentials};
use codex_backend::connectors::connector_install_url;
use codex_backend::limits::PlanType;
use codex_backend::plugins::{PluginInterface, PluginScope};
use codex_backend::testing::{Backend, Fault, ManualClock, Route};
use codex_backend::workspace::WorkspaceSettings;
use codex_backend::{ChatGptSession, ChatGptTokens, Connectors, ErrorKind, FeaturedPlugins};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::support::{client, client_with_plan, guard};

#[tokio::test]
async fn the_directory_is_merged_and_in_order() {
    let backend = Backend::start().unwrap();
    backend.set_connectors(vec![
        json!({ "id": "b", "name": "", "description": "first", "logo_url": "one" }),
        json!({ "id": "z", "name": "  ", "description": "" }),
        json!({ "id": "h", "name": "Hidden", "visibility": "HIDDEN" }),
        json!({ "id": "b", "name": " Beta ", "description": " ", "logoUrl": "two" }),
        json!({ "id": "b", "name": "Later", "description": "last", "labels": { "a": "b" } }),
        json!({ "id": "a2", "name": "Alpha" }),
        json!({ "id": "a1", "name": "Alpha" }),
    ]);
    backend.set_workspace_connectors(vec![
        json!({ "id": "w", "name": "Wiki" }),
        json!({ "id": "a1", "logoUrlDark": "d" }),
    ]);
    let connectors = Connectors::new(&client_with_plan(&backend, "acct-team", "team"));
    let directory = guard(connectors.directory()).await.unwrap();
    let shown: Vec<(&str, &str)> = directory.iter().map(|it| (it.id.as_str(), it.name.as_str())).collect();
    assert_eq!(shown, [("a1", "Alpha"), ("a2", "Alpha"), ("b", "Beta"), ("w", "Wiki"), ("z", "z")]);
    let beta = &directory[2];
    assert_eq!((beta.description.as_deref(), beta.app.logo_url.as_deref()), (Some("last"), Some("one")));
    assert_eq!(beta.app.labels.as_ref().unwrap()["a"], "b");
    assert_eq!(beta.install_url, "https://chatgpt.com/apps/beta/b");
    assert_eq!(
        (directory[4].description.as_deref(), directory[4].install_url.as_str()),
        (None, "https://chatgpt.com/apps/app/z")
    );
    assert_eq!(directory[0].app.logo_url_dark.as_deref(), Some("d"));
    let targets: Vec<String> = backend.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets[0], "/backend-api/connectors/directory/list?external_logos=true");
    assert_eq!(targets[1], "/backend-api/connectors/directory/list?token=from%2F2&external_logos=true");
    assert_eq!(targets[4], "/backend-api/connectors/directory/list_workspace?external_logos=true");
    assert_eq!(targets.len(), 5);
}

#[test]
fn where_connectors_are_installed() {
    for (name, slug) in
        [("Google Drive", "google-drive"), ("A & B", "a---b"), ("日本", "app"), ("", "app"), ("-x-", "x")]
    {
        assert_eq!(connector_install_url(name, "c/1"), format!("https://chatgpt.com/apps/{slug}/c%2F1"));
    }
}

#[tokio::test]
async fn a_directory_is_remembered_for_an_hour_and_for_its_account_alone() {
    let backend = Backend::start().unwrap();
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
    let client = backend.client().chatgpt(backend.chatgpt_tokens()).clock(clock.clone()).build().unwrap();
    let connectors = client.connectors();
    let asked = || backend.requests_to(Route::LIST_CONNECTORS).len();
    guard(connectors.directory()).await.unwrap();
    clock.advance(Duration::from_secs(3599));
    guard(connectors.clone().directory()).await.unwrap();
    assert_eq!(asked(), 2);
    let other = connectors.clone().with_account(AccountFacts::new("acct-embedded").user_id("someone else"));
    guard(other.directory()).await.unwrap();
    assert_eq!(asked(), 4);
    clock.advance(Duration::from_secs(1));
    guard(connectors.directory()).await.unwrap();
    assert_eq!(asked(), 6);
    connectors.forget();
    guard(connectors.directory()).await.unwrap();
    assert_eq!(asked(), 8);
}

#[tokio::test]
async fn a_workspace_list_that_fails_is_left_out_and_a_directory_that_fails_is_not_remembered() {
    let backend = Backend::start().unwrap();
    let connectors = client_with_plan(&backend, "acct-team", "team").connectors();
    backend.inject(Route::LIST_CONNECTORS, Fault::status(403));
    assert_eq!(guard(connectors.directory()).await.unwrap_err().kind(), ErrorKind::Forbidden);
    backend.inject(Route::LIST_WORKSPACE_CONNECTORS, Fault::status(403));
    assert_eq!(guard(connectors.directory()).await.unwrap().len(), 2);
    assert_eq!(guard(connectors.list_workspace()).await.unwrap()[0].id, "connector_own");
}

#[tokio::test]
async fn what_needs_an_account_or_a_workspace_is_not_sent_without() {
    let backend = Backend::start().unwrap();
    let opaque = backend.client().chatgpt(ChatGptTokens::new("opaque")).build().unwrap();
    for outcome in [
        guard(opaque.connectors().list().page()).await.map(drop),
        guard(opaque.connectors().directory()).await.map(drop),
        guard(opaque.connectors().batch(["a"], false)).await.map(drop),
        guard(opaque.workspace_policy().with_account(AccountFacts::default().plan_type(PlanType::Team)).settings())
            .await
            .map(drop),
    ] {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoAccountId, "{error}");
        assert!(!error.may_have_been_sent());
    }
    for outcome in [
        guard(opaque.workspace_policy().settings()).await.map(drop),
        guard(client(&backend).workspace_policy().settings()).await.map(drop),
        guard(client(&backend).connectors().list_workspace()).await.map(drop),
    ] {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::NotAWorkspace);
    }
    let error = guard(client(&backend).connectors().batch(Vec::<String>::new(), false)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn what_the_caller_knows_of_the_account_takes_the_place_of_what_the_credentials_tell() {
    let backend = Backend::start().unwrap();
    let workspace = client(&backend).workspace_policy();
    let knowing = workspace.with_account(AccountFacts::new("acct/1").plan_type(PlanType::Business));
    assert_eq!(guard(knowing.settings()).await.unwrap_err().code(), Some("not_a_workspace"));
    assert_eq!(backend.requests()[0].target, "/backend-api/accounts/acct%2F1/settings");
}

#[tokio::test]
async fn credentials_that_are_no_jwt_tell_their_plan_all_the_same() {
    let backend = Backend::start().unwrap();
    backend.add_account_with_plan("acct-team", "team");
    let token = backend.issue_personal_access_token("acct-team");
    let token = PersonalAccessToken::verify(token, &backend.client().auth_context().unwrap()).await.unwrap();
    let client = backend.client().provider(token).build().unwrap();
    guard(client.workspace_policy().settings()).await.unwrap();

    // As the official tool keeps them: the plan stands in the id token.
    let id_token = backend.issue_access_token("acct-team");
    let document = json!({
        "auth_mode": "chatgpt",
        "tokens": { "id_token": id_token.expose_secret(), "access_token": "opaque", "account_id": "acct-team" },
    });
    let stored = StoredCredentials::from_json(&document.to_string()).unwrap();
    let session = ChatGptSession::open(MemoryStore::new(stored)).unwrap();
    let client = backend.client().provider(session).build().unwrap();
    let error = guard(client.workspace_policy().settings()).await.unwrap_err();
    assert_eq!((error.status().map(|status| status.as_u16()), error.code()), (Some(401), Some("token_invalidated")));
}

#[test]
fn what_is_not_said_about_plugins_is_allowed() {
    for (settings, allowed) in [
        (json!({}), true),
        (json!({ "beta_settings": null, "permissions": null }), true),
        (json!({ "beta_settings": { "enable_plugins": false } }), false),
        (json!({ "beta_settings": { "plugins": false } }), false),
        (json!({ "permissions": [] }), false),
        (json!({ "permissions": ["x", "chatgpt.workspace_plugin.use"] }), true),
        (
            json!({ "permissions": ["chatgpt.workspace_plugin.use"], "beta_settings": { "enable_plugins": false } }),
            false,
        ),
    ] {
        let parsed: WorkspaceSettings = serde_json::from_value(settings.clone()).unwrap();
        assert_eq!(parsed.allows_plugins(), allowed, "{settings}");
    }
}

#[tokio::test]
async fn whether_plugins_are_allowed_is_remembered_for_a_quarter_of_an_hour() {
    let backend = Backend::start().unwrap();
    backend.add_account_with_plan("acct-team", "team");
    backend.set_workspace_settings(json!({ "beta_settings": { "enable_plugins": false } }));
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
    let tokens = ChatGptTokens::new(backend.issue_access_token("acct-team"));
    let workspace = backend.client().chatgpt(tokens).clock(clock.clone()).build().unwrap().workspace_policy();
    assert!(!guard(workspace.allows_plugins()).await.unwrap());
    backend.set_workspace_settings(json!({}));
    clock.advance(Duration::from_secs(899));
    assert!(!guard(workspace.allows_plugins()).await.unwrap());
    clock.advance(Duration::from_secs(1));
    assert!(guard(workspace.allows_plugins()).await.unwrap());
    assert_eq!(backend.requests_to(Route::GET_WORKSPACE_SETTINGS).len(), 2);
}

#[tokio::test]
async fn plugins_come_in_pages() {
    let backend = Backend::start().unwrap();
    let plugins = client(&backend).plugins();
    let names: Vec<String> =
        guard(plugins.list(PluginScope::Global).all()).await.unwrap().into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["notes", "calendar"]);
    assert_eq!(guard(plugins.list(PluginScope::Workspace).all()).await.unwrap(), []);
    assert_eq!(guard(plugins.installed().page()).await.unwrap().items[0].enabled, Some(true));
    assert!(backend.requests().iter().all(|request| request.header("oai-product-sku") == Some("codex")));
    let targets: Vec<String> = backend.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(
        targets,
        [
            "/backend-api/ps/plugins/list?scope=GLOBAL&limit=200",
            "/backend-api/ps/plugins/list?scope=GLOBAL&limit=200&pageToken=1",
            "/backend-api/ps/plugins/list?scope=WORKSPACE&limit=200",
            "/backend-api/ps/plugins/installed?limit=200",
        ]
    );
    assert_eq!(guard(plugins.get("none")).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_prompt_that_is_too_long_is_not_shown() {
    for (prompt, usable) in
        [("", false), (" ", false), ("x", true), (&"é".repeat(128), true), (&"é".repeat(129), false)]
    {
        let interface: PluginInterface = serde_json::from_value(json!({ "default_prompt": prompt })).unwrap();
        assert_eq!(interface.usable_default_prompt().is_some(), usable, "{prompt}");
    }
}

#[tokio::test]
async fn featured_plugins_are_for_anyone_and_only_the_backends_own_credentials_go_along() {
    let backend = Backend::start().unwrap();
    let builder = || backend.client();
    let signed_in = builder().chatgpt(backend.chatgpt_tokens()).build().unwrap();
    let with_a_key = builder().api_key(backend.api_key()).build().unwrap();
    let anyone = builder().without_credentials().build().unwrap();
    for featured in [FeaturedPlugins::new(&signed_in), with_a_key.featured_plugins(), anyone.featured_plugins()] {
        assert_eq!(guard(featured.list()).await.unwrap(), ["plugin_2"]);
    }
    let requests = backend.requests_to(Route::LIST_FEATURED_PLUGINS);
    let with_auth: Vec<bool> = requests.iter().map(|request| request.header("authorization").is_some()).collect();
    assert_eq!(with_auth, [true, false, false]);
    assert!(requests.iter().all(|request| request.target == "/backend-api/plugins/featured?platform=codex"));
    // Credentials that are sent are looked at.
    let stale = builder().chatgpt(ChatGptTokens::new("stale")).build().unwrap();
    assert_eq!(guard(stale.featured_plugins().list()).await.unwrap_err().kind(), ErrorKind::Unauthorized);
}

#[tokio::test]
async fn an_api_on_loopback_does_not_fall_back_to_production() {
    let backend = Backend::start().unwrap();
    let client = codex_backend::Client::builder()
        .environment(codex_backend::transport::Environment::empty())
        .openai_base_url(backend.openai_base_url())
        .api_key(backend.api_key())
        .build()
        .unwrap();
    let error = guard(client.featured_plugins().list()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoBackend);
    assert!(error.to_string().contains("codex_base_url") && !error.may_have_been_sent(), "{error}");
    let misled = backend.client().codex_base_url("https://evil.test").api_key(backend.api_key()).build().unwrap();
    let error = guard(misled.featured_plugins().list()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoBackend);
    assert!(error.to_string().contains("https://evil.test") && !error.may_have_been_sent(), "{error}");
}

#[tokio::test]
async fn plugins_are_installed_and_uninstalled_where_the_server_confirms_it() {
    let backend = Backend::start().unwrap();
    let plugins = client(&backend).plugins();
    guard(plugins.uninstall("plugin_1")).await.unwrap();
    let installed = guard(plugins.installed().all()).await.unwrap();
    assert_eq!(installed.iter().map(|plugin| plugin.id.as_str()).collect::<Vec<_>>(), ["plugin_2"]);
    guard(plugins.install("plugin_1")).await.unwrap();
    assert_eq!(guard(plugins.installed().all()).await.unwrap().len(), 2);
    assert_eq!(backend.requests_to(Route::UNINSTALL_PLUGIN)[0].target, "/backend-api/plugins/plugin_1/uninstall");
    assert_eq!(backend.requests_to(Route::INSTALL_PLUGIN)[0].target, "/backend-api/ps/plugins/plugin_1/install");
    assert!(guard(plugins.created().all()).await.unwrap().is_empty());
    let page = json!({ "plugins": [{ "id": "plugin_7", "name": "ours" }], "pagination": { "next_page_token": null } });
    backend.inject(Route::LIST_CREATED_PLUGINS, Fault::status(200).body(page.to_string()));
    let created = guard(plugins.created().all()).await.unwrap();
    assert_eq!((created.len(), created[0].id.as_str()), (1, "plugin_7"));
    let target = backend.requests().pop().unwrap().target;
    assert_eq!(target, "/backend-api/ps/plugins/workspace/created?limit=200");
    for told in [
        json!({ "id": "plugin_2", "enabled": true }),
        json!({ "id": "plugin_1", "enabled": false }),
        json!({ "id": "plugin_1", "enabled": "true" }),
        json!({ "id": "plugin_1" }),
        json!({}),
        json!(null),
    ] {
        backend.inject(Route::INSTALL_PLUGIN, Fault::status(200).body(told.to_string()));
        let error = guard(plugins.install("plugin_1")).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_been_sent()), (ErrorKind::Decode, true), "{told}: {error}");
    }
}
