//! Credentials that are found at run time: sources and their order, kinds, and the clients they make.

use std::path::Path;

use codex_backend::testing::Backend;
use codex_backend::{
    AnyClient, AuthErrorKind, AuthMode, AuthSource, AuthSources, Client, CodexAuth, Environment, PlanType,
};

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
        ("CODEX_ACCESS_TOKEN", "a.MARK.c", AuthErrorKind::Unsupported),
        ("CODEX_AGENT_IDENTITY", "a.MARK.c", AuthErrorKind::Unsupported),
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
}

#[tokio::test]
async fn clients_have_the_mode_of_what_was_found() {
    let backend = Backend::start().unwrap();
    let home = home_with(&backend.issue_auth_json("acct-1", std::time::Duration::ZERO));
    let signed_in = CodexAuth::load(&sources(&[("CODEX_HOME", path(&home))])).await.unwrap();
    let client = backend.client().codex_auth(&signed_in).unwrap().build().unwrap();
    client.usage().get().await.unwrap();
    assert!(matches!(backend.client().build_any(&signed_in).unwrap(), AnyClient::Backend(_)));

    let key = CodexAuth::load(&sources(&[("CODEX_API_KEY", "sk-example")])).await.unwrap();
    assert!(matches!(backend.client().build_any(&key).unwrap(), AnyClient::PublicApi(_)));
    let error = Client::builder().codex_auth(&key).unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::WrongMode);
    assert!(error.to_string().contains("CODEX_API_KEY") && error.to_string().contains("apikey"), "{error}");
}

#[tokio::test]
async fn a_file_for_reading_only_stays_as_it_is() {
    let home = home_with(r#"{"OPENAI_API_KEY":"sk-file"}"#);
    let file = home.path().join("auth.json");
    let only = AuthSources::none().and(AuthSource::ReadOnlyAuthJson(file.clone()));
    assert_eq!(CodexAuth::load(&only).await.unwrap().mode(), AuthMode::ApiKey);
    let entries = std::fs::read_dir(home.path()).unwrap().count();
    assert_eq!((entries, Path::new(&file).exists()), (1, true));
}
