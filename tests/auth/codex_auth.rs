//! Credentials that are found at run time: sources and their order, kinds, and the clients they make.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use codex_backend::auth::{
    AuthErrorKind, AuthMode, AuthSource, AuthSources, CredentialRestrictions, FileStore, PersonalAccessToken,
    SignInMethod, SignOut, WorkloadIdentity,
};
use codex_backend::limits::PlanType;
use codex_backend::mode::Unset;
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::transport::{Environment, Transport, TransportError, TransportFuture, TransportRequest};
use codex_backend::{
    AnyClient, AuthError, ChatGptSession, Client, ClientBuilder, CodexAuth, CodexBackend, ConfigError, OpenAiApi,
    OpenAiFileUpload, RetryPolicy,
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::capture::{assert_debug_hides, assert_error_hides, capture_traces, traced};
use crate::support::raw::{RawServer, answer};

const ID_TOKEN: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJlbWFpbCI6InVzZXJAZXhhbXBsZS5jb20iLCJodHRwczovL2FwaS5vcGVuYWkuY29tL2F1dGgiOnsiY2hhdGdwdF9wbGFuX3R5cGUiOiJwcm8iLCJjaGF0Z3B0X2FjY291bnRfaWQiOiJhY2N0LTEiLCJjaGF0Z3B0X3VzZXJfaWQiOiJ1c2VyLTEiLCJjaGF0Z3B0X2FjY291bnRfaXNfZmVkcmFtcCI6dHJ1ZX19.c2ln";

fn sources(vars: &[(&str, &str)]) -> AuthSources {
    AuthSources::default().environment(Environment::from_vars(vars.iter().copied()))
}

fn home_with(auth_json: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("auth.json"), auth_json).unwrap();
    home
}

fn path(folder: &tempfile::TempDir) -> &str {
    folder.path().to_str().unwrap()
}

#[tokio::test]
async fn the_first_source_that_holds_something_decides() {
    let home = home_with(r#"{"OPENAI_API_KEY":"sk-file"}"#);
    let mut vars = vec![("CODEX_HOME", path(&home)), ("OPENAI_API_KEY", "sk-ignored"), ("CODEX_API_KEY", "  ")];
    let file = home.path().join("auth.json");
    assert_eq!(CodexAuth::load(&sources(&vars)).await.unwrap().source(), file.to_str().unwrap());
    vars.push(("CODEX_API_KEY", "sk-key"));
    assert_eq!(CodexAuth::load(&sources(&vars)).await.unwrap().source(), "CODEX_API_KEY");
    vars.push(("CODEX_BACKEND_ACCESS_TOKEN", "access-token"));
    let auth = CodexAuth::load(&sources(&vars)).await.unwrap();
    assert_eq!((auth.source(), auth.mode()), ("CODEX_BACKEND_ACCESS_TOKEN", AuthMode::ChatGptAuthTokens));

    let mine = AuthSources::none().and(AuthSource::OpenAiApiKey).and(AuthSource::CodexHome);
    let mine = mine.environment(Environment::from_vars(vars));
    assert_eq!(CodexAuth::load(&mine).await.unwrap().source(), "OPENAI_API_KEY");
}

#[tokio::test]
async fn nothing_found_says_where_it_looked() {
    for vars in [&[][..], &[("CODEX_HOME", "no-such-folder"), ("OPENAI_API_KEY", "sk-x")]] {
        let error = CodexAuth::load(&sources(vars)).await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::NotFound);
        let said = error.to_string();
        assert!(said.contains("CODEX_BACKEND_ACCESS_TOKEN, OPENAI_FEDERATION_RULE_ID, CODEX_API_KEY, CODEX_ACCESS_TOKEN, CODEX_AGENT_IDENTITY, CODEX_HOME"), "{said}");
    }
}

#[tokio::test]
async fn what_is_broken_never_looks_like_nothing() {
    for (auth_json, said) in [
        ("{\"MARK", "line 1"),
        (r#"{"auth_mode":"apikey"}"#, "OPENAI_API_KEY"),
        (r#"{"auth_mode":"chatgpt","OPENAI_API_KEY":"sk-MARK12345"}"#, "tokens"),
        (r#"{"auth_mode":"bedrockApiKey","bedrock_api_key":{"api_key":"MARK"}}"#, "bedrockApiKey"),
        (r#"{"auth_mode":"personalAccessToken"}"#, "personal_access_token"),
        (r#"{"personal_access_token":"MARK"}"#, "at-"),
        (r#"{"OPENAI_API_KEY":"sk MARK"}"#, "authorization"),
    ] {
        let home = home_with(auth_json);
        let error = CodexAuth::load(&sources(&[("CODEX_HOME", path(&home))])).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert_ne!(error.kind(), AuthErrorKind::NotFound, "{shown}");
        assert!(shown.contains(said) && shown.contains("auth.json") && !shown.contains("MARK"), "{shown}");
    }
    let error =
        CodexAuth::load(&sources(&[("CODEX_BACKEND_ACCESS_TOKEN", ID_TOKEN), ("CODEX_BACKEND_ACCOUNT_ID", "acct-2")]))
            .await;
    assert_eq!(error.unwrap_err().kind(), AuthErrorKind::AccountMismatch);
}

#[tokio::test]
async fn what_cannot_be_used_is_no_reason_to_take_other_credentials() {
    let home = home_with(r#"{"OPENAI_API_KEY":"sk-file"}"#);
    let backend = Backend::start().unwrap();
    for (variable, value, kind) in [
        ("CODEX_ACCESS_TOKEN", "at-MARK12345", AuthErrorKind::ReauthRequired),
        ("CODEX_ACCESS_TOKEN", "a.MARK.c", AuthErrorKind::Permanent),
        ("CODEX_AGENT_IDENTITY", "a.MARK.c", AuthErrorKind::Permanent),
        ("OPENAI_FEDERATION_RULE_ID", "MARK", AuthErrorKind::Incomplete),
        ("OPENAI_IDENTITY_TOKEN_FILE", "/MARK", AuthErrorKind::Incomplete),
    ] {
        let vars = [("CODEX_HOME", path(&home)), (variable, value)];
        let error = backend.client().load_auth(&sources(&vars)).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert_eq!(error.kind(), kind, "{shown}");
        assert!(shown.contains(variable) && !shown.contains("MARK"), "{shown}");
    }
}

#[tokio::test]
async fn the_account_is_told() {
    let auth_json = format!(
        r#"{{"tokens":{{"id_token":"{ID_TOKEN}","access_token":"opaque","refresh_token":"rt","account_id":"acct-1"}}}}"#
    );
    let home = home_with(&auth_json);
    let auth = CodexAuth::load(&sources(&[("CODEX_HOME", path(&home))])).await.unwrap();
    assert_eq!(auth.mode(), AuthMode::ChatGpt);
    assert!(auth.uses_codex_backend() && auth.is_fedramp() && !auth.is_workspace_account());
    assert_eq!((auth.account_id(), auth.chatgpt_user_id()), (Some("acct-1"), Some("user-1")));
    assert_eq!((auth.email(), auth.plan_type()), (Some("user@example.com"), Some(&PlanType::Pro)));
    assert_eq!((auth.data_residency(), auth.expires_at()), (None, None));
    assert!(!format!("{auth:?} {:?}", auth.provider()).contains("opaque"));
    assert_debug_hides(&auth);
}

#[tokio::test]
async fn clients_have_the_mode_of_what_was_found() {
    let backend = Backend::start().unwrap();
    let home = home_with(&backend.issue_auth_json("acct-1", Duration::ZERO));
    let signed_in = CodexAuth::load(&sources(&[("CODEX_HOME", path(&home))])).await.unwrap();
    let client = backend.client().codex_auth(&signed_in).unwrap().build().unwrap();
    client.usage().get().await.unwrap();
    assert!(matches!(backend.client().build_any(&signed_in).unwrap(), AnyClient::Codex(_)));

    let key = CodexAuth::load(&sources(&[("CODEX_API_KEY", "sk-example")])).await.unwrap();
    assert!(matches!(backend.client().build_any(&key).unwrap(), AnyClient::OpenAi(_)));
    let error = Client::builder().codex_auth(&key).unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::OtherMode);
    assert!(error.to_string().contains("CODEX_API_KEY") && error.to_string().contains("apikey"), "{error}");
}

#[tokio::test]
async fn a_file_for_reading_only_stays_as_it_is() {
    let home = home_with(r#"{"OPENAI_API_KEY":"sk-file"}"#);
    let file = home.path().join("auth.json");
    let only = AuthSources::none().and(AuthSource::ReadOnlyAuthJson(file.clone()));
    assert_eq!(CodexAuth::load(&only).await.unwrap().mode(), AuthMode::OpenAiKey);
    let entries = std::fs::read_dir(home.path()).unwrap().count();
    assert_eq!((entries, Path::new(&file).exists()), (1, true));
}

// ---- the shapes of `auth.json` ----

fn jwt(claims: &Value) -> String {
    format!("e30.{}.MARK", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// ChatGPT tokens as the official tool writes them.
fn tokens() -> Value {
    json!({ "id_token": ID_TOKEN, "access_token": "MARK", "refresh_token": "rt_MARK_0123456789", "account_id": "acct-1" })
}

async fn load_file(document: &Value) -> Result<CodexAuth, AuthError> {
    capture_traces();
    let home = home_with(&document.to_string());
    let loaded = CodexAuth::load(&sources(&[("CODEX_HOME", path(&home))])).await;
    if let Err(error) = &loaded {
        assert_error_hides(error);
        let file = home.path().join("auth.json");
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
        assert_eq!(std::fs::read_to_string(file).unwrap(), document.to_string());
    }
    loaded
}

#[tokio::test]
async fn every_shape_of_the_file_is_read() {
    for (document, mode) in [
        (json!({ "OPENAI_API_KEY": "sk-MARK-12345" }), AuthMode::OpenAiKey),
        (json!({ "OPENAI_API_KEY": " sk-MARK-12345\n", "tokens": null, "last_refresh": null }), AuthMode::OpenAiKey),
        (json!({ "auth_mode": "apikey", "OPENAI_API_KEY": "sk-MARK-12345" }), AuthMode::OpenAiKey),
        // Both: the mode decides, and without it the key does.
        (json!({ "OPENAI_API_KEY": "sk-MARK-12345", "tokens": tokens() }), AuthMode::OpenAiKey),
        (json!({ "auth_mode": "chatgpt", "OPENAI_API_KEY": "sk-MARK-12345", "tokens": tokens() }), AuthMode::ChatGpt),
        (json!({ "auth_mode": "apikey", "OPENAI_API_KEY": "sk-MARK-12345", "tokens": tokens() }), AuthMode::OpenAiKey),
        (json!({ "tokens": tokens() }), AuthMode::ChatGpt),
        (json!({ "auth_mode": null, "OPENAI_API_KEY": null, "tokens": tokens() }), AuthMode::ChatGpt),
        (
            json!({ "auth_mode": "chatgpt", "tokens": tokens(), "last_refresh": "2026-04-23T00:00:00.123456789Z" }),
            AuthMode::ChatGpt,
        ),
        (json!({ "tokens": tokens(), "last_refresh": "some day" }), AuthMode::ChatGpt),
        // An object that an earlier version kept for its agents, and members that no version knows.
        (
            json!({
                "auth_mode": "chatgpt",
                "tokens": tokens(),
                "agent_identity": { "workspace_id": "w", "agent_runtime_id": "a", "background_task_id": "MARK" },
                "bedrock_api_key": null,
                "unknown": { "deep": [{ "er": "MARK" }] },
            }),
            AuthMode::ChatGpt,
        ),
    ] {
        assert_eq!(load_file(&document).await.unwrap().mode(), mode, "{document}");
    }
}

#[tokio::test]
async fn the_first_versions_id_token_is_an_object() {
    let mut document = json!({ "tokens": tokens() });
    document["tokens"]["account_id"] = Value::Null;
    document["tokens"]["id_token"] =
        json!({ "email": "user@example.com", "chatgpt_plan_type": "team", "chatgpt_account_id": "acct-9" });
    let auth = load_file(&document).await.unwrap();
    assert_eq!((auth.mode(), auth.account_id()), (AuthMode::ChatGpt, Some("acct-9")));
    assert_eq!((auth.email(), auth.plan_type()), (Some("user@example.com"), Some(&PlanType::Team)));
    assert!(auth.is_workspace_account());
    // What it says is optional, and what it is not is no reason to fail.
    for id_token in [json!({}), json!({ "email": 5, "chatgpt_plan_type": [] }), json!(5), json!("MARK"), Value::Null] {
        document["tokens"]["id_token"] = id_token;
        let auth = load_file(&document).await.unwrap();
        assert_eq!((auth.mode(), auth.email(), auth.plan_type()), (AuthMode::ChatGpt, None, None));
    }
}

#[tokio::test]
async fn tokens_that_a_host_application_left_in_a_file_are_used_and_never_refreshed() {
    let backend = Backend::start().unwrap();
    let mut document: Value =
        serde_json::from_str(&backend.issue_auth_json("acct-1", Duration::from_secs(3600))).unwrap();
    document["auth_mode"] = json!("chatgptAuthTokens");
    let home = home_with(&document.to_string());
    let auth = backend.client().load_auth(&sources(&[("CODEX_HOME", path(&home))])).await.unwrap();
    assert_eq!((auth.mode(), auth.account_id()), (AuthMode::ChatGptAuthTokens, Some("acct-1")));
    let client = backend.client().codex_auth(&auth).unwrap().build().unwrap();
    client.usage().get().await.unwrap();
    backend.revoke_access_token(&document["tokens"]["access_token"].as_str().unwrap().to_owned().into());
    client.usage().get().await.unwrap_err();
    assert!(backend.requests_to(Route::REFRESH_TOKEN).is_empty());
}

#[tokio::test]
async fn a_blank_key_beside_tokens_is_none() {
    let auth = load_file(&json!({ "OPENAI_API_KEY": " ", "tokens": tokens() })).await.unwrap();
    assert_eq!(auth.mode(), AuthMode::ChatGpt);
}

#[tokio::test]
async fn what_is_of_no_use_here_is_refused_clearly() {
    let bedrock_key = json!({ "api_key": "MARK", "region": "eu-central-1" });
    let bedrock_keys = json!({ "access_key_id": "MARK", "secret_access_key": "MARK" });
    for (document, kind, said) in [
        (json!({ "bedrock_api_key": bedrock_key }), AuthErrorKind::Unsupported, "Amazon Bedrock"),
        (json!({ "bedrock_api_key": { "api_key": "MARK" } }), AuthErrorKind::Unsupported, "`bedrockApiKey`"),
        (
            json!({ "bedrock_api_key": bedrock_key, "OPENAI_API_KEY": "sk-MARK-12345" }),
            AuthErrorKind::Unsupported,
            "Amazon Bedrock",
        ),
        (json!({ "auth_mode": "bedrockApiKey" }), AuthErrorKind::Unsupported, "Amazon Bedrock"),
        (json!({ "bedrock_access_keys": bedrock_keys }), AuthErrorKind::Unsupported, "`bedrockAccessKeys`"),
        (json!({ "auth_mode": "headers" }), AuthErrorKind::Unsupported, "never kept in a store"),
        (json!({ "auth_mode": "callerProvided" }), AuthErrorKind::Incomplete, "not known"),
        (json!({ "auth_mode": "MARK", "OPENAI_API_KEY": "sk-MARK-12345" }), AuthErrorKind::Incomplete, "not known"),
        (json!({ "auth_mode": "ApiKey", "OPENAI_API_KEY": "sk-MARK-12345" }), AuthErrorKind::Incomplete, "not known"),
        (json!({ "auth_mode": "", "OPENAI_API_KEY": "sk-MARK-12345" }), AuthErrorKind::Incomplete, "not known"),
        (json!({ "auth_mode": 5, "OPENAI_API_KEY": "sk-MARK-12345" }), AuthErrorKind::Incomplete, "not known"),
        (json!({ "auth_mode": ["MARK"], "tokens": tokens() }), AuthErrorKind::Incomplete, "not known"),
    ] {
        let error = load_file(&document).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{document}: {error}");
        assert!(error.to_string().contains(said), "{document}: {error}");
    }
}

#[tokio::test]
async fn what_is_incomplete_says_what_is_missing() {
    for (document, missing) in [
        (json!({}), "`tokens`"),
        (json!({ "OPENAI_API_KEY": null }), "`tokens`"),
        (json!({ "auth_mode": "chatgpt" }), "`tokens`"),
        (json!({ "tokens": "MARK" }), "`tokens`"),
        (json!({ "tokens": {} }), "`tokens.access_token`"),
        (json!({ "tokens": { "access_token": "", "refresh_token": "MARK" } }), "`tokens.access_token`"),
        (json!({ "tokens": { "access_token": ["MARK"] } }), "`tokens.access_token`"),
        (json!({ "auth_mode": "apikey" }), "`OPENAI_API_KEY`"),
        (json!({ "OPENAI_API_KEY": "  " }), "`OPENAI_API_KEY`"),
        (json!({ "auth_mode": "apikey", "OPENAI_API_KEY": { "MARK": 1 } }), "`OPENAI_API_KEY`"),
        (json!({ "auth_mode": "apikey", "tokens": tokens() }), "`OPENAI_API_KEY`"),
        (json!({ "auth_mode": "personalAccessToken", "OPENAI_API_KEY": "MARK" }), "`personal_access_token`"),
        (json!({ "personal_access_token": " " }), "`personal_access_token`"),
    ] {
        let error = load_file(&document).await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::Incomplete, "{document}");
        assert!(error.to_string().contains(missing), "{document}: {error}");
    }
}

#[tokio::test]
async fn a_personal_access_token_in_the_file_is_verified() {
    let backend = Backend::start().unwrap();
    let token = backend.issue_personal_access_token("acct-1");
    let token = token.expose_secret();
    // The official tool leaves the mode away, so that its older versions can read the file.
    for document in [
        json!({ "personal_access_token": token }),
        json!({ "personal_access_token": token, "OPENAI_API_KEY": "sk-MARK-12345", "tokens": tokens() }),
        json!({ "auth_mode": "personalAccessToken", "personal_access_token": format!(" {token} ") }),
    ] {
        let home = home_with(&document.to_string());
        let auth = backend.client().load_auth(&sources(&[("CODEX_HOME", path(&home))])).await.unwrap();
        assert_eq!((auth.mode(), auth.account_id()), (AuthMode::PersonalToken, Some("acct-1")));
        assert_eq!(auth.email(), Some("user@embedded.example"));
        backend.client().codex_auth(&auth).unwrap().build().unwrap().usage().get().await.unwrap();
        assert_eq!(auth.forget().removed, [home.path().join("auth.json").to_str().unwrap()]);
    }
    assert_eq!(backend.requests_to(Route::WHOAMI).len(), 3);
}

#[tokio::test]
async fn plans_are_told_as_the_token_spells_them() {
    for (claim, plan, is_workspace) in [
        ("free", PlanType::Free, false),
        ("go", PlanType::Go, false),
        ("plus", PlanType::Plus, false),
        ("pro", PlanType::Pro, false),
        ("prolite", PlanType::ProLite, false),
        ("team", PlanType::Team, true),
        ("self_serve_business_usage_based", PlanType::SelfServeBusinessUsageBased, true),
        ("business", PlanType::Business, true),
        ("enterprise_cbp_usage_based", PlanType::EnterpriseUsageBased, true),
        ("enterprise", PlanType::Enterprise, true),
        ("hc", PlanType::Enterprise, true),
        ("edu", PlanType::Education, true),
        ("education", PlanType::Education, true),
        ("ent26", PlanType::Other("ent26".to_owned()), true),
        ("enterprise_cbp_automation", PlanType::Other("enterprise_cbp_automation".to_owned()), true),
        ("self_serve_business_prolite", PlanType::Other("self_serve_business_prolite".to_owned()), true),
        ("self_serve_business_pro_lite", PlanType::Other("self_serve_business_pro_lite".to_owned()), true),
        ("edu_plus", PlanType::Other("edu_plus".to_owned()), true),
        ("edu_pro", PlanType::Other("edu_pro".to_owned()), true),
        ("PRO", PlanType::Other("PRO".to_owned()), false),
        ("Foo", PlanType::Other("Foo".to_owned()), false),
    ] {
        let mut document = json!({ "tokens": tokens() });
        document["tokens"]["id_token"] = json!(jwt(&json!({
            "https://api.openai.com/auth": { "chatgpt_plan_type": claim },
        })));
        let auth = load_file(&document).await.unwrap();
        assert_eq!((auth.plan_type(), auth.is_workspace_account()), (Some(&plan), is_workspace), "{claim}");
        let expected = match claim {
            "hc" => "enterprise",
            "education" => "edu",
            claim => claim,
        };
        assert_eq!(serde_json::to_value(auth.plan_type()).unwrap(), expected);
    }
}

#[tokio::test]
async fn what_the_tokens_say_is_told() {
    let about = |auth: Value, rest: Value| {
        let mut claims = json!({ "https://api.openai.com/auth": auth });
        claims.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        jwt(&claims)
    };
    let document = json!({ "tokens": {
        "id_token": about(
            json!({ "chatgpt_plan_type": "team", "chatgpt_account_is_fedramp": true, "user_id": "old-user" }),
            json!({ "email": null, "https://api.openai.com/profile": { "email": "profile@example.com" } }),
        ),
        "access_token": about(
            json!({ "chatgpt_user_id": "user-7", "user_id": "old", "chatgpt_account_id": "acct-7", "chatgpt_data_residency": "eu" }),
            json!({ "exp": 1_900_000_000 }),
        ),
        "refresh_token": "",
        "account_id": null,
    } });
    let auth = load_file(&document).await.unwrap();
    assert_eq!((auth.account_id(), auth.chatgpt_user_id()), (Some("acct-7"), Some("user-7")));
    assert_eq!((auth.email(), auth.data_residency()), (Some("profile@example.com"), Some("eu")));
    assert_eq!(auth.expires_at(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000)));
    assert!(auth.is_fedramp() && auth.is_workspace_account());

    let key = load_file(&json!({ "OPENAI_API_KEY": "sk-MARK-12345" })).await.unwrap();
    assert_eq!((key.account_id(), key.chatgpt_user_id(), key.email()), (None, None, None));
    assert_eq!((key.plan_type(), key.data_residency(), key.expires_at()), (None, None, None));
    assert!(!key.is_fedramp() && !key.is_workspace_account() && !key.uses_codex_backend());
}

// ---- sources ----

/// The name of what decides, whether or not it can be used.
async fn winner(backend: &Backend, sources: &AuthSources) -> String {
    match backend.client().load_auth(sources).await {
        Ok(auth) => auth.source().to_owned(),
        Err(error) => error.to_string().split(':').next().unwrap().to_owned(),
    }
}

#[tokio::test]
async fn the_order_of_the_sources_is_as_documented() {
    let backend = Backend::start().unwrap();
    let home = home_with(r#"{"OPENAI_API_KEY":"sk-MARK-12345"}"#);
    let token_file = home.path().join("identity");
    std::fs::write(&token_file, backend.issue_workload_identity("rule-1", "acct-1")).unwrap();
    let (held, pat) = (backend.issue_access_token("acct-1"), backend.issue_personal_access_token("acct-1"));
    let file = home.path().join("auth.json");
    let mut vars = vec![
        ("CODEX_BACKEND_ACCESS_TOKEN", held.expose_secret()),
        ("OPENAI_FEDERATION_RULE_ID", "rule-1"),
        ("CODEX_API_KEY", "sk-MARK-12345"),
        ("CODEX_ACCESS_TOKEN", pat.expose_secret()),
        ("CODEX_AGENT_IDENTITY", "header.payload.signature"),
        ("CODEX_HOME", path(&home)),
    ];
    let also = [("OPENAI_IDENTITY_TOKEN_FILE", token_file.to_str().unwrap()), ("OPENAI_API_KEY", "sk-MARK-67890")];
    while let Some((expected, _)) = vars.first().copied() {
        // The file beside a rule is no source of its own.
        let beside = also.iter().filter(|(name, _)| {
            *name != also[0].0 || vars.iter().any(|(known, _)| *known == "OPENAI_FEDERATION_RULE_ID")
        });
        let all: Vec<(&str, &str)> = vars.iter().chain(beside).copied().collect();
        let expected = if expected == "CODEX_HOME" { file.to_str().unwrap() } else { expected };
        assert_eq!(winner(&backend, &sources(&all)).await, expected);
        vars.remove(0);
    }
    assert_eq!(CodexAuth::load(&sources(&also[1..])).await.unwrap_err().kind(), AuthErrorKind::NotFound);
}

#[tokio::test]
async fn the_caller_says_which_sources_there_are_and_in_which_order() {
    let backend = Backend::start().unwrap();
    let (home, mine) =
        (home_with(r#"{"OPENAI_API_KEY":"sk-MARK-1234"}"#), home_with(r#"{"OPENAI_API_KEY":"sk-MARK-5678"}"#));
    let environment = Environment::from_vars([
        ("CODEX_HOME", path(&home)),
        ("CODEX_API_KEY", "sk-MARK-12345"),
        ("OPENAI_API_KEY", "sk-MARK-12345"),
        ("CODEX_ACCESS_TOKEN", "at-MARK-12345"),
    ]);
    let (file, other) = (home.path().join("auth.json"), mine.path().join("auth.json"));
    let missing = mine.path().join("missing.json");
    for (order, expected) in [
        (vec![AuthSource::CodexHome, AuthSource::CodexApiKey], file.to_str().unwrap()),
        (vec![AuthSource::OpenAiApiKey, AuthSource::CodexHome], "OPENAI_API_KEY"),
        (vec![AuthSource::AuthJson(other.clone()), AuthSource::CodexHome], other.to_str().unwrap()),
        (vec![AuthSource::AuthJson(missing.clone()), AuthSource::CodexHome], file.to_str().unwrap()),
        (vec![AuthSource::ReadOnlyAuthJson(missing), AuthSource::CodexApiKey], "CODEX_API_KEY"),
        // One that is named again moves to the end.
        (vec![AuthSource::CodexHome, AuthSource::CodexApiKey, AuthSource::CodexHome], "CODEX_API_KEY"),
    ] {
        let chosen = order.iter().cloned().fold(AuthSources::none(), AuthSources::and).environment(environment.clone());
        assert_eq!(winner(&backend, &chosen).await, expected, "{order:?}");
    }
    let none = AuthSources::none().environment(environment);
    assert_eq!(CodexAuth::load(&none).await.unwrap_err().kind(), AuthErrorKind::NotFound);
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn what_is_blank_is_not_set() {
    let names = [
        "CODEX_BACKEND_ACCESS_TOKEN",
        "CODEX_BACKEND_ACCOUNT_ID",
        "CODEX_BACKEND_FEDRAMP",
        "OPENAI_FEDERATION_RULE_ID",
        "OPENAI_IDENTITY_TOKEN_FILE",
        "CODEX_API_KEY",
        "CODEX_ACCESS_TOKEN",
        "CODEX_AGENT_IDENTITY",
        "CODEX_HOME",
        "CODEX_AUTHAPI_BASE_URL",
        "CODEX_REFRESH_TOKEN_URL_OVERRIDE",
        "CODEX_REVOKE_TOKEN_URL_OVERRIDE",
    ];
    for blank in ["", " ", "\t\n"] {
        let vars: Vec<_> = names.iter().map(|name| (*name, blank)).collect();
        assert_eq!(CodexAuth::load(&sources(&vars)).await.unwrap_err().kind(), AuthErrorKind::NotFound);
        // One that is not is trimmed.
        let vars: Vec<_> = vars.into_iter().filter(|(name, _)| *name != "CODEX_API_KEY").collect();
        let vars: Vec<_> = vars.into_iter().chain([("CODEX_API_KEY", " sk-MARK-12345\n")]).collect();
        let auth = CodexAuth::load(&sources(&vars)).await.unwrap();
        let client = Client::<OpenAiApi>::try_from(auth).unwrap();
        let headers = http::HeaderMap::from(&client.auth_headers().await.unwrap());
        assert_eq!(headers["authorization"], "Bearer sk-MARK-12345");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_no_text_is_an_error_and_not_passed_over() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    for name in ["CODEX_BACKEND_ACCESS_TOKEN", "CODEX_API_KEY", "CODEX_ACCESS_TOKEN", "CODEX_AGENT_IDENTITY"] {
        let home = home_with(r#"{"OPENAI_API_KEY":"sk-file"}"#);
        let vars = [(name, OsString::from_vec(b"at-MARK\xff".to_vec())), ("CODEX_HOME", home.path().into())];
        let error =
            CodexAuth::load(&AuthSources::default().environment(Environment::from_vars(vars))).await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::Incomplete);
        assert!(error.to_string().contains(&format!("{name} is not Unicode")), "{error}");
    }
    // A folder may have any name.
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(OsString::from_vec(b"\xff".to_vec()));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("auth.json"), r#"{"OPENAI_API_KEY":"sk-file"}"#).unwrap();
    let sources = AuthSources::default().environment(Environment::from_vars([("CODEX_HOME", folder)]));
    assert_eq!(CodexAuth::load(&sources).await.unwrap().mode(), AuthMode::OpenAiKey);
}

#[tokio::test]
async fn the_home_is_where_the_environment_says() {
    let user = tempfile::tempdir().unwrap();
    let in_home = user.path().join(".codex/auth.json");
    std::fs::create_dir(user.path().join(".codex")).unwrap();
    std::fs::write(&in_home, r#"{"OPENAI_API_KEY":"sk-home"}"#).unwrap();
    let codex_home = home_with(r#"{"OPENAI_API_KEY":"sk-codex-home"}"#);
    let (in_home, in_codex_home) = (in_home.to_str().unwrap(), codex_home.path().join("auth.json"));
    for (vars, expected) in [
        (vec![("HOME", path(&user))], in_home),
        (vec![("USERPROFILE", path(&user))], in_home),
        (vec![("HOME", path(&user)), ("USERPROFILE", path(&codex_home))], in_home),
        (vec![("HOME", path(&user)), ("CODEX_HOME", " ")], in_home),
        (vec![("HOME", path(&user)), ("CODEX_HOME", path(&codex_home))], in_codex_home.to_str().unwrap()),
    ] {
        assert_eq!(CodexAuth::load(&sources(&vars)).await.unwrap().source(), expected, "{vars:?}");
    }
    // A home that was named and is empty is not made up for by another.
    let empty = tempfile::tempdir().unwrap();
    let vars = [("HOME", path(&user)), ("CODEX_HOME", path(&empty))];
    assert_eq!(CodexAuth::load(&sources(&vars)).await.unwrap_err().kind(), AuthErrorKind::NotFound);
}

#[tokio::test]
async fn an_error_names_the_variable_it_is_about() {
    let backend = Backend::start().unwrap();
    for (vars, kind) in [
        (vec![("CODEX_API_KEY", "sk MARK")], AuthErrorKind::InvalidHeaderValue),
        (vec![("CODEX_BACKEND_ACCESS_TOKEN", "MARK words")], AuthErrorKind::InvalidHeaderValue),
        (
            vec![("CODEX_BACKEND_ACCESS_TOKEN", ID_TOKEN), ("CODEX_BACKEND_ACCOUNT_ID", "acct-2")],
            AuthErrorKind::AccountMismatch,
        ),
        (vec![("CODEX_BACKEND_FEDRAMP", "MARK"), ("CODEX_BACKEND_ACCESS_TOKEN", "MARK")], AuthErrorKind::Incomplete),
        (vec![("CODEX_ACCESS_TOKEN", "at-MARK 12345")], AuthErrorKind::InvalidHeaderValue),
    ] {
        let error = backend.client().load_auth(&sources(&vars)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(vars[0].0), "{error}");
        assert_error_hides(&error);
    }
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn a_held_token_brings_its_account_along() {
    let backend = Backend::start().unwrap();
    backend.add_fedramp_account("acct-gov");
    let token = backend.issue_access_token("acct-gov");
    let opaque = [
        ("CODEX_BACKEND_ACCESS_TOKEN", "opaque"),
        ("CODEX_BACKEND_ACCOUNT_ID", " acct-1 "),
        ("CODEX_BACKEND_FEDRAMP", "true"),
    ];
    let auth = CodexAuth::load(&sources(&opaque)).await.unwrap();
    assert_eq!(
        (auth.mode(), auth.account_id(), auth.is_fedramp()),
        (AuthMode::ChatGptAuthTokens, Some("acct-1"), true)
    );
    let client = Client::<CodexBackend>::try_from(auth).unwrap();
    let headers = http::HeaderMap::from(&client.auth_headers().await.unwrap());
    assert_eq!(
        (&headers["chatgpt-account-id"], &headers["x-openai-fedramp"]),
        (&"acct-1".parse().unwrap(), &"true".parse().unwrap())
    );
    // The token's own claims say it as well.
    let vars = [("CODEX_BACKEND_ACCESS_TOKEN", token.expose_secret()), ("CODEX_BACKEND_FEDRAMP", "false")];
    let auth = CodexAuth::load(&sources(&vars)).await.unwrap();
    assert_eq!((auth.account_id(), auth.is_fedramp()), (Some("acct-gov"), true));
    backend.client().codex_auth(&auth).unwrap().build().unwrap().usage().get().await.unwrap();
}

#[tokio::test]
async fn the_winning_source_is_logged() {
    capture_traces();
    let home = home_with(r#"{"OPENAI_API_KEY":"sk-MARK-12345"}"#);
    let auth = CodexAuth::load(&sources(&[("CODEX_HOME", path(&home))])).await.unwrap();
    let traced = traced();
    let line = traced.lines().find(|line| line.contains("found credentials") && line.contains(auth.source())).unwrap();
    assert!(line.contains("apikey") && !line.contains("MARK"), "{line}");
}

// ---- restrictions ----

#[tokio::test]
async fn restrictions_are_checked_when_credentials_are_loaded() {
    let backend = Backend::start().unwrap();
    let chatgpt = home_with(&backend.issue_auth_json("acct-1", Duration::from_secs(3600)));
    let key = home_with(r#"{"OPENAI_API_KEY":"sk-MARK-12345"}"#);
    let pat = backend.issue_personal_access_token("acct-1");
    let none = CredentialRestrictions::default;
    for (restrictions, chatgpt_allowed, key_allowed) in [
        (none(), true, true),
        (none().workspaces(["acct-1"]), true, true),
        (none().workspaces(["acct-2", " acct-1 ", ""]), true, true),
        (none().workspaces(["acct-2"]), false, true),
        (none().workspaces::<String>([]), false, true),
        (none().workspaces(["acct-1"]).workspaces(["acct-2"]), false, true),
        (none().sign_in_method(SignInMethod::ChatGpt), true, false),
        (none().sign_in_method(SignInMethod::Api), false, true),
        (none().sign_in_method(SignInMethod::Api).sign_in_method(SignInMethod::ChatGpt), false, false),
    ] {
        for (vars, allowed) in [
            (("CODEX_HOME", path(&chatgpt)), chatgpt_allowed),
            (("CODEX_ACCESS_TOKEN", pat.expose_secret()), chatgpt_allowed),
            (("CODEX_HOME", path(&key)), key_allowed),
            (("CODEX_API_KEY", "sk-MARK-12345"), key_allowed),
        ] {
            let loaded = backend.client().load_auth(&sources(&[vars]).restrict(restrictions.clone())).await;
            assert_eq!(loaded.is_ok(), allowed, "{restrictions:?}: {loaded:?}");
            if let Err(error) = loaded {
                assert_eq!(error.kind(), AuthErrorKind::NotAllowed);
                assert!(
                    error.to_string().contains(if vars.0 == "CODEX_HOME" { "auth.json" } else { vars.0 }),
                    "{error}"
                );
            }
        }
    }
    assert!(chatgpt.path().join("auth.json").exists() && key.path().join("auth.json").exists());
}

#[tokio::test]
async fn what_is_not_allowed_is_no_reason_to_take_other_credentials() {
    let vars = [("CODEX_BACKEND_ACCESS_TOKEN", "opaque"), ("CODEX_API_KEY", "sk-MARK-12345")];
    let only_keys = CredentialRestrictions::default().sign_in_method(SignInMethod::Api);
    let error = CodexAuth::load(&sources(&vars).restrict(only_keys)).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::NotAllowed);
    // A token that does not tell its workspace is for none of those allowed.
    let ours = CredentialRestrictions::default().workspaces(["acct-1"]);
    let error = CodexAuth::load(&sources(&vars).restrict(ours)).await.unwrap_err();
    assert!(error.to_string().contains("do not tell theirs"), "{error}");
}

#[tokio::test]
async fn restrictions_that_are_set_twice_both_hold() {
    let vars = [("CODEX_BACKEND_ACCESS_TOKEN", "opaque"), ("CODEX_BACKEND_ACCOUNT_ID", "acct-1")];
    let only = |workspaces: &[&str]| CredentialRestrictions::default().workspaces(workspaces.iter().copied());
    let (ours, chatgpt) =
        (only(&["acct-1", "acct-2"]), CredentialRestrictions::default().sign_in_method(SignInMethod::ChatGpt));
    let allowed = sources(&vars).restrict(ours.clone()).restrict(chatgpt.clone()).restrict(only(&["acct-1"]));
    assert!(CodexAuth::load(&allowed).await.is_ok());
    for refused in [
        sources(&vars).restrict(ours.clone()).restrict(only(&["acct-2"])),
        sources(&vars).restrict(only(&["acct-2"])).restrict(chatgpt.clone()),
        sources(&vars).restrict(only(&["acct-2"])).restrict(CredentialRestrictions::default()),
        sources(&vars).restrict(chatgpt).restrict(CredentialRestrictions::default().sign_in_method(SignInMethod::Api)),
    ] {
        assert_eq!(CodexAuth::load(&refused).await.unwrap_err().kind(), AuthErrorKind::NotAllowed);
    }
}

#[tokio::test]
async fn a_refresh_under_restrictions_uses_no_tokens_of_another_sign_in_and_loses_none_of_its_own() {
    let backend = Backend::start().unwrap();
    let home = home_with(&backend.issue_auth_json("acct-1", Duration::ZERO));
    let file = || std::fs::read_to_string(home.path().join("auth.json")).unwrap();
    let claims = json!({ "https://api.openai.com/auth": {
        "chatgpt_account_id": "acct-2", "chatgpt_user_id": "user-other",
    } });
    let theirs = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    let (before, theirs) = (file(), format!("e30.{theirs}.c2ln"));
    // That another workspace is allowed, too, does not make the session its own.
    for workspaces in [&["acct-1"][..], &["acct-1", "acct-2"]] {
        let ours = CredentialRestrictions::default().workspaces(workspaces.iter().copied());
        let ours = sources(&[("CODEX_HOME", path(&home))]).restrict(ours);
        let auth = backend.client().load_auth(&ours).await.unwrap();
        let client = backend.client().codex_auth(&auth).unwrap().build().unwrap();
        let answer = json!({ "access_token": theirs, "refresh_token": "theirs" });
        backend.inject(Route::REFRESH_TOKEN, Fault::status(200).body(answer.to_string()));
        let error = client.usage().get().await.unwrap_err();
        assert_eq!(error.auth_error().unwrap().kind(), AuthErrorKind::AccountMismatch);
        assert_eq!((file(), backend.requests_to(Route::GET_USAGE).len()), (before.clone(), 0));
    }

    // What another process has put there meanwhile is not taken either.
    let ours =
        sources(&[("CODEX_HOME", path(&home))]).restrict(CredentialRestrictions::default().workspaces(["acct-1"]));
    let auth = backend.client().load_auth(&ours).await.unwrap();
    let client = backend.client().codex_auth(&auth).unwrap().build().unwrap();
    let changed = backend.issue_auth_json("acct-2", Duration::from_secs(3600));
    std::fs::write(home.path().join("auth.json"), &changed).unwrap();
    let error = client.usage().get().await.unwrap_err();
    assert_eq!(error.auth_error().unwrap().kind(), AuthErrorKind::AccountMismatch);
    assert_eq!((file(), backend.requests_to(Route::GET_USAGE).len()), (changed, 0));

    // With its own credentials in their place the same session goes on.
    std::fs::write(home.path().join("auth.json"), &before).unwrap();
    client.usage().get().await.unwrap();
    assert_eq!(backend.requests_to(Route::GET_USAGE)[0].header("chatgpt-account-id"), Some("acct-1"));
    assert_ne!(file(), before);
}

// ---- clients ----

#[tokio::test]
async fn a_client_is_made_of_what_was_found_or_the_error_says_what_it_is() {
    let backend = Backend::start().unwrap();
    let home = home_with(&backend.issue_auth_json("acct-1", Duration::from_secs(3600)));
    let signed_in = CodexAuth::load(&sources(&[("CODEX_HOME", path(&home))])).await.unwrap();
    let key = CodexAuth::load(&sources(&[("CODEX_API_KEY", "sk-MARK-12345")])).await.unwrap();

    let AnyClient::Codex(client) = AnyClient::from_auth(&signed_in).unwrap() else { panic!("another mode") };
    assert_eq!(client.base_url(), "https://chatgpt.com/backend-api");
    let AnyClient::OpenAi(client) = AnyClient::from_auth(&key).unwrap() else { panic!("another mode") };
    assert_eq!(client.base_url(), "https://api.openai.com/v1");
    assert!(Client::<CodexBackend>::try_from(signed_in.clone()).is_ok());
    assert!(Client::<OpenAiApi>::try_from(key.clone()).is_ok());

    let file = home.path().join("auth.json");
    for (error, found, from, needed) in [
        (Client::<CodexBackend>::try_from(key).map(drop), "`apikey`", "CODEX_API_KEY", "ChatGPT sign-in"),
        (Client::<OpenAiApi>::try_from(signed_in).map(drop), "`chatgpt`", file.to_str().unwrap(), "API key"),
    ] {
        let error = error.unwrap_err();
        let said = error.to_string();
        assert!([found, from, needed].iter().all(|part| said.contains(part)), "{said}");
        assert!(matches!(error, ConfigError::Credentials(error) if error.kind() == AuthErrorKind::OtherMode));
    }
}

#[tokio::test]
async fn loading_and_narrowing_go_in_one_step() {
    let backend = Backend::start().unwrap();
    let home = home_with(&backend.issue_auth_json("acct-1", Duration::from_secs(3600)));
    let client = backend.client().load_codex_backend(&sources(&[("CODEX_HOME", path(&home))])).await.unwrap();
    client.build().unwrap().usage().get().await.unwrap();
    for (vars, kind) in
        [(vec![("CODEX_API_KEY", "sk-MARK-12345")], AuthErrorKind::OtherMode), (vec![], AuthErrorKind::NotFound)]
    {
        let error = backend.client().load_codex_backend(&sources(&vars)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn clients_of_the_same_credentials_share_their_refreshes() {
    let backend = Backend::start().unwrap();
    let home = home_with(&backend.issue_auth_json("acct-1", Duration::ZERO));
    let auth = CodexAuth::load(&sources(&[("CODEX_HOME", path(&home))])).await.unwrap();
    for auth in [auth.clone(), auth] {
        backend.client().codex_auth(&auth).unwrap().build().unwrap().usage().get().await.unwrap();
    }
    assert_eq!(backend.requests_to(Route::REFRESH_TOKEN).len(), 1);
}

// ---- where auth's own calls go ----

#[tokio::test]
async fn the_environment_says_where_tokens_are_refreshed() {
    let service = Backend::start().unwrap();
    let elsewhere = RawServer::start(|_| answer("HTTP/1.1 200 OK", "{}"));
    let home = home_with(&service.issue_auth_json("acct-1", Duration::ZERO));
    let token_url = format!("http://{}/oauth/token", service.address());
    let environment =
        Environment::from_vars([("CODEX_HOME", path(&home)), ("CODEX_REFRESH_TOKEN_URL_OVERRIDE", token_url.as_str())]);
    let builder = Client::builder().codex_base_url(elsewhere.codex_base_url()).environment(environment.clone());
    let client = builder.load_codex_backend(&AuthSources::default().environment(environment)).await.unwrap();
    client.build().unwrap().usage().get().await.unwrap();
    assert_eq!(service.requests_to(Route::REFRESH_TOKEN).len(), 1);
    let lines: Vec<String> = elsewhere.requests().into_iter().map(|request| request.line).collect();
    assert_eq!(lines, ["GET /backend-api/wham/usage HTTP/1.1"]);
}

#[tokio::test]
async fn the_environment_says_where_personal_access_tokens_are_verified() {
    let service = Backend::start().unwrap();
    let token = service.issue_personal_access_token("acct-1");
    let base_url = service.codex_base_url();
    let vars = [("CODEX_ACCESS_TOKEN", token.expose_secret()), ("CODEX_AUTHAPI_BASE_URL", base_url.as_str())];
    // With the settings of a plain builder, whose backend is in production.
    let auth = CodexAuth::load(&sources(&vars)).await.unwrap();
    assert_eq!((auth.source(), auth.account_id()), ("CODEX_ACCESS_TOKEN", Some("acct-1")));
    assert_eq!(service.requests_to(Route::WHOAMI).len(), 1);
}

#[tokio::test]
async fn the_environment_names_no_foreign_host() {
    for variable in ["CODEX_REFRESH_TOKEN_URL_OVERRIDE", "CODEX_REVOKE_TOKEN_URL_OVERRIDE", "CODEX_AUTHAPI_BASE_URL"] {
        for url in ["https://evil.test/MARK", "https://auth.openai.com@evil.test/", "http://auth.openai.com/"] {
            let vars = [("CODEX_API_KEY", "sk-MARK-12345"), (variable, url)];
            let error = CodexAuth::load(&sources(&vars)).await.unwrap_err();
            assert!(error.to_string().contains(variable), "{error}");
            assert_error_hides(&error);
            let builder = Client::builder().environment(Environment::from_vars(vars)).api_key("sk-MARK-12345");
            assert!(builder.build().unwrap_err().to_string().contains(variable));
        }
    }
}

/// Notes where requests would go, and lets none out.
#[derive(Debug, Clone, Default)]
struct Recording {
    urls: Arc<Mutex<BTreeSet<String>>>,
}

impl Transport for Recording {
    fn send(&self, request: TransportRequest) -> TransportFuture<'_> {
        self.urls.lock().unwrap().insert(request.url.to_string());
        Box::pin(async { Err(TransportError::not_sent("nothing leaves here")) })
    }
}

/// Each call there is, of auth and of endpoints, with clients of that builder; and where they went.
async fn destinations(builder: impl Fn() -> ClientBuilder<Unset> + Send + Sync) -> BTreeSet<String> {
    let recording = Recording::default();
    let builder = || builder().retry_policy(RetryPolicy::never()).transport(recording.clone());
    let context = builder().auth_context().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let expired = file("auth.json", &Backend::start().unwrap().issue_auth_json("acct-1", Duration::ZERO));
    let identity = WorkloadIdentity::new("rule-1", file("identity", "MARK")).unwrap();
    PersonalAccessToken::verify("at-MARK-12345", &context).await.unwrap_err();
    SignOut::of(FileStore::new(&expired)).revoke(&context).await.unwrap_err();
    let session = ChatGptSession::open(FileStore::new(&expired)).unwrap();
    for client in [builder().provider(session).build().unwrap(), builder().provider(identity).build().unwrap()] {
        client.usage().get().await.unwrap_err();
    }
    let held = builder().chatgpt(codex_backend::ChatGptTokens::new("MARK")).build().unwrap();
    held.usage().get().await.unwrap_err();
    OpenAiFileUpload::new(&held).bytes("a.txt", "hello").await.unwrap_err();
    let urls = recording.urls.lock().unwrap();
    urls.clone()
}

#[tokio::test]
async fn nothing_of_a_client_on_loopback_ever_goes_to_production() {
    for base_url in ["http://127.0.0.1:9/backend-api", "http://localhost:9/api", "http://[::1]:9"] {
        let gone_to =
            destinations(|| Client::builder().codex_base_url(base_url).environment(Environment::empty())).await;
        assert_eq!(gone_to.len(), 5, "{gone_to:?}");
        let origin: String = base_url.split('/').take(3).collect::<Vec<_>>().join("/");
        for url in &gone_to {
            assert!(url.starts_with(&format!("{origin}/")), "{url}");
        }
    }
}

#[tokio::test]
async fn the_services_belong_to_the_backend() {
    for (base_url, backend, auth) in [
        ("https://chatgpt.com", "https://chatgpt.com/backend-api", "https://auth.openai.com"),
        (
            "https://chatgpt-staging.com/backend-api",
            "https://chatgpt-staging.com/backend-api",
            "https://auth.api.openai.org",
        ),
    ] {
        let gone_to =
            destinations(|| Client::builder().codex_base_url(base_url).environment(Environment::empty())).await;
        let expected = [
            format!("{auth}/api/accounts/v1/user-auth-credential/whoami"),
            format!("{auth}/oauth/token"),
            format!("{auth}/oauth/revoke"),
            format!("{backend}/wham/usage"),
            format!("{backend}/files"),
        ];
        assert_eq!(gone_to, expected.into());
    }
}
