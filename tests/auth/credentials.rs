//! Which credentials a client takes, the headers they become, and where they may go.

use std::collections::BTreeMap;
use std::future::IntoFuture;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use codex_backend::auth::{AuthContext, AuthErrorKind, AuthFuture, AuthHeaders, AuthRecovery};
use codex_backend::files::{UploadMany, UploadRequest};
use codex_backend::testing::{Backend, Route};
use codex_backend::transport::Environment;
use codex_backend::usage::UsageReport;
use codex_backend::{
    AnyClient, ApiKey, ApiRequest, AuthError, AuthProvider, ChatGptTokens, Client, ClientBuilder, CodexBackend,
    CodexClient, ConfigError, Error, NoAuth, OpenAiApi, OpenAiClient, OpenAiFileUpload, RetryPolicy, Usage, WrongMode,
};
use futures_util::FutureExt;
use serde_json::{Value, json};

/// A token whose claims about the account are these.
fn token(auth: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "exp": 4_102_444_800_u64, "https://api.openai.com/auth": auth });
    format!("{}.{}.c2lnbmF0dXJl", part(&json!({ "alg": "none" })), part(&claims))
}

fn offline() -> ClientBuilder<codex_backend::mode::Unset> {
    Client::builder().environment(Environment::empty())
}

async fn codex_headers(tokens: ChatGptTokens) -> BTreeMap<String, String> {
    listed(&offline().chatgpt(tokens).build().unwrap().auth_headers().await.unwrap())
}

async fn api_headers(key: ApiKey) -> BTreeMap<String, String> {
    listed(&offline().api_key(key).build().unwrap().auth_headers().await.unwrap())
}

fn listed(headers: &AuthHeaders) -> BTreeMap<String, String> {
    assert!(headers.iter().all(|(_, value)| value.is_sensitive()));
    headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

fn expected<const N: usize>(headers: [(&str, &str); N]) -> BTreeMap<String, String> {
    headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

// ---- headers ----

#[tokio::test]
async fn chatgpt_tokens_become_exactly_these_headers() {
    let opaque = || ChatGptTokens::new("opaque-access-token");
    const BEARER: (&str, &str) = ("authorization", "Bearer opaque-access-token");
    for (tokens, headers) in [
        (opaque(), expected([BEARER])),
        (opaque().account_id("acct-1"), expected([BEARER, ("chatgpt-account-id", "acct-1")])),
        (opaque().fedramp(false), expected([BEARER])),
        (
            opaque().account_id("acct-1").fedramp(true),
            expected([BEARER, ("chatgpt-account-id", "acct-1"), ("x-openai-fedramp", "true")]),
        ),
    ] {
        assert_eq!(codex_headers(tokens).await, headers);
    }
}

#[tokio::test]
async fn the_claims_of_a_token_become_headers() {
    let account = ("chatgpt-account-id", "acct-1");
    let fedramp = ("x-openai-fedramp", "true");
    let residency = ("x-openai-internal-codex-residency", "us");
    for (claims, headers) in [
        (json!({}), vec![]),
        (json!({ "chatgpt_account_id": "" }), vec![]),
        (json!({ "chatgpt_account_id": "acct-1" }), vec![account]),
        (json!({ "chatgpt_account_id": "acct-1", "chatgpt_account_is_fedramp": true }), vec![account, fedramp]),
        (json!({ "chatgpt_account_id": "acct-1", "chatgpt_account_is_fedramp": false }), vec![account]),
        (json!({ "chatgpt_account_is_fedramp": "true" }), vec![]),
        (json!({ "chatgpt_data_residency": "us", "chatgpt_compute_residency": "eu" }), vec![residency]),
        (json!({ "chatgpt_compute_residency": "us" }), vec![residency]),
        (json!({ "chatgpt_data_residency": "no_constraint" }), vec![]),
        (Value::Null, vec![]),
    ] {
        let token = token(&claims);
        let mut all = expected([("authorization", &format!("Bearer {token}"))]);
        all.extend(headers.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        assert_eq!(codex_headers(ChatGptTokens::new(token)).await, all, "{claims}");
    }
}

#[tokio::test]
async fn what_the_caller_says_goes_together_with_the_claims() {
    let claims = json!({ "chatgpt_account_id": "acct-1", "chatgpt_account_is_fedramp": true });
    let tokens = ChatGptTokens::new(token(&claims)).account_id("acct-1").fedramp(false);
    let headers = codex_headers(tokens).await;
    assert_eq!(headers["chatgpt-account-id"], "acct-1");
    assert_eq!(headers["x-openai-fedramp"], "true", "the claim stands");
    let tokens = ChatGptTokens::new(token(&json!({}))).account_id("acct-2").fedramp(true);
    let headers = codex_headers(tokens).await;
    assert_eq!((&*headers["chatgpt-account-id"], &*headers["x-openai-fedramp"]), ("acct-2", "true"));
}

#[tokio::test]
async fn an_api_key_becomes_exactly_these_headers() {
    let key = || ApiKey::new("sk-example");
    const BEARER: (&str, &str) = ("authorization", "Bearer sk-example");
    for (key, headers) in [
        (key(), expected([BEARER])),
        (key().organization("org-1"), expected([BEARER, ("openai-organization", "org-1")])),
        (key().project("proj_1"), expected([BEARER, ("openai-project", "proj_1")])),
        (
            key().project("proj_1").organization("org-1"),
            expected([BEARER, ("openai-organization", "org-1"), ("openai-project", "proj_1")]),
        ),
    ] {
        assert_eq!(api_headers(key).await, headers);
    }
}

#[tokio::test]
async fn the_backend_sees_these_headers_and_no_others_of_the_kind() {
    let backend = Backend::start().unwrap();
    backend.add_fedramp_account("acct-fed");
    let token = backend.issue_access_token("acct-fed");
    let client = backend.client().chatgpt(ChatGptTokens::new(token).account_id("acct-fed")).build().unwrap();
    Usage::new(&client).get().await.unwrap();
    OpenAiFileUpload::new(&client).bytes("a.txt", "hello").await.unwrap();
    let auth = client.auth_headers().await.unwrap();
    for request in backend.requests() {
        let is_put = request.route == Some(Route::PUT_FILE);
        for (name, value) in auth.iter() {
            assert_eq!(request.headers.get(name), (!is_put).then_some(value), "{name} {:?}", request.route);
        }
        for absent in ["openai-organization", "openai-project", "cookie", "x-openai-internal-codex-residency"] {
            assert!(!request.headers.contains_key(absent), "{absent}");
        }
    }
}

#[tokio::test]
async fn auth_headers_go_on_a_request_of_another_http_stack() {
    let backend = Backend::start().unwrap();
    let client = backend.client().chatgpt(backend.chatgpt_tokens()).build().unwrap();
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    let stack = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/wham/usage", client.base_url());
    let mut request = stack.get(&url).header("authorization", "Bearer of-another-user").build().unwrap();
    client.auth_headers().await.unwrap().apply_to(request.headers_mut());
    assert_eq!(request.headers().get_all("authorization").iter().count(), 1);
    assert!(!format!("{request:?}").contains("Bearer"), "{request:?}");
    assert_eq!(stack.execute(request).await.unwrap().status(), 200);
    let headers = http::HeaderMap::from(&client.auth_headers().await.unwrap());
    assert_eq!(stack.get(&url).headers(headers).send().await.unwrap().status(), 200);
    assert_eq!(stack.get(&url).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn held_headers_are_ready_at_once_and_share_their_bytes() {
    let client = offline().chatgpt(ChatGptTokens::new("opaque-access-token").account_id("acct-1")).build().unwrap();
    let first = client.auth_headers().now_or_never().expect("at hand").unwrap();
    let second = client.auth_headers().now_or_never().expect("at hand").unwrap();
    let mut headers = http::HeaderMap::with_capacity(4);
    second.apply_to(&mut headers);
    for (name, value) in first.iter() {
        assert_eq!(value.as_bytes().as_ptr(), headers[name].as_bytes().as_ptr(), "{name} was copied");
    }
}

// ---- values that cannot be sent ----

fn refused<S: std::fmt::Debug>(result: Result<Client<S>, ConfigError>) -> AuthError
where
    Client<S>: std::fmt::Debug,
{
    match result {
        Err(ConfigError::Credentials(error)) => error,
        other => panic!("not refused for its credentials: {other:?}"),
    }
}

#[test]
fn a_token_or_key_that_no_header_can_carry_is_refused_when_the_client_is_built() {
    for (secret, kind) in [
        ("", AuthErrorKind::Incomplete),
        (" ", AuthErrorKind::InvalidHeaderValue),
        ("tok\nen", AuthErrorKind::InvalidHeaderValue),
        ("token\n", AuthErrorKind::InvalidHeaderValue),
        ("tok en", AuthErrorKind::InvalidHeaderValue),
        ("tok\0en", AuthErrorKind::InvalidHeaderValue),
        ("tökén", AuthErrorKind::InvalidHeaderValue),
    ] {
        let codex = refused(offline().chatgpt(ChatGptTokens::new(secret)).build());
        let api = refused(offline().api_key(secret).build());
        for error in [codex, api] {
            assert_eq!(error.kind(), kind, "{secret:?}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("tok en") && !shown.contains("tök") && !shown.contains("tok\\n"), "{shown}");
        }
    }
}

#[test]
fn an_account_organization_or_project_that_no_header_can_carry_is_refused_and_named() {
    for value in ["", "  ", "acct\n1", "acct\u{7f}"] {
        assert_refused_and_named(value);
    }
}

#[test]
fn an_account_organization_or_project_outside_ascii_is_refused_and_named() {
    for value in ["\u{e4}ccount", "acct\u{1F600}"] {
        assert_refused_and_named(value);
    }
}

#[track_caller]
fn assert_refused_and_named(value: &str) {
    let tokens = ChatGptTokens::new("opaque-access-token").account_id(value);
    for (error, header) in [
        (refused(offline().chatgpt(tokens).build()), "chatgpt-account-id"),
        (refused(offline().api_key(ApiKey::new("sk-x").organization(value)).build()), "openai-organization"),
        (refused(offline().api_key(ApiKey::new("sk-x").project(value)).build()), "openai-project"),
    ] {
        assert_eq!(error.kind(), AuthErrorKind::InvalidHeaderValue, "{value:?}");
        assert!(error.to_string().contains(header), "{error}");
    }
}

#[test]
fn an_illegal_value_in_a_claim_is_refused_and_not_left_out() {
    for (claims, header) in [
        (json!({ "chatgpt_account_id": "acct\n1" }), "chatgpt-account-id"),
        (json!({ "chatgpt_data_residency": "u\ns" }), "x-openai-internal-codex-residency"),
    ] {
        let error = refused(offline().chatgpt(ChatGptTokens::new(token(&claims))).build());
        assert!(error.to_string().contains(header), "{error}");
    }
}

#[test]
fn an_account_that_is_not_the_one_of_the_token_is_refused_and_both_are_named() {
    let token = token(&json!({ "chatgpt_account_id": "acct-of-the-token" }));
    let built = offline().chatgpt(ChatGptTokens::new(token.clone()).account_id("acct-given")).build();
    let error = built.as_ref().unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("acct-given") && shown.contains("acct-of-the-token"), "{shown}");
    assert!(token.split('.').all(|part| !shown.contains(part)), "{shown}");
    assert_eq!(refused(built).kind(), AuthErrorKind::AccountMismatch);
}

#[test]
fn an_application_that_no_header_can_carry_is_refused() {
    for (name, version, part) in
        [("", "1", "name"), ("bot\r\n", "1", "name"), ("bot", "1\0", "version"), ("b/t", "1", "name")]
    {
        let error = offline().application(name, version).api_key("sk-x").build().unwrap_err();
        assert!(matches!(error, ConfigError::InvalidApplication { part: wrong, .. } if wrong == part), "{error:?}");
    }
}

// ---- where credentials may go ----

fn codex_at(url: &str) -> Result<Client<CodexBackend>, ConfigError> {
    offline().codex_base_url(url).chatgpt(ChatGptTokens::new("opaque-access-token")).build()
}

fn api_at(url: &str) -> Result<Client<OpenAiApi>, ConfigError> {
    offline().openai_base_url(url).api_key("sk-example").build()
}

const CODEX_ACCEPTED: [(&str, &str); 8] = [
    ("https://chatgpt.com", "https://chatgpt.com/backend-api"),
    ("https://chatgpt.com/backend-api///", "https://chatgpt.com/backend-api"),
    ("https://chat.openai.com", "https://chat.openai.com/backend-api"),
    ("https://chatgpt-staging.com", "https://chatgpt-staging.com"),
    ("https://sub.chatgpt.com", "https://sub.chatgpt.com"),
    ("http://127.0.0.1:8080/backend-api", "http://127.0.0.1:8080/backend-api"),
    ("http://[::1]:9/x", "http://[::1]:9/x"),
    ("http://localhost:1/backend-api", "http://localhost:1/backend-api"),
];

/// Origins that are refused without the opt-in.
const CODEX_UNTRUSTED: [&str; 8] = [
    "https://chatgpt.com.evil.test",
    "https://evilchatgpt.com",
    "http://chatgpt.com",
    "https://chatgpt.com:8443",
    "http://localhost.evil.test",
    "https://api.openai.com",
    "http://127.0.0.1.evil.test",
    "https://sub.chat.openai.com",
];

/// URLs that are refused whatever is allowed.
const NOT_USABLE: [&str; 8] = [
    "https://user@chatgpt.com",
    "https://user:p4ss@chatgpt.com/backend-api",
    "https://chatgpt.com@evil.test",
    "https://chatgpt.com/backend-api?x=p4ss",
    "https://chatgpt.com/backend-api#p4ss",
    "ws://chatgpt.com",
    "chatgpt.com",
    "",
];

#[test]
fn credentials_for_the_codex_backend_go_to_its_hosts_and_to_this_machine() {
    for (given, used) in CODEX_ACCEPTED {
        assert_eq!(codex_at(given).unwrap_or_else(|error| panic!("{given}: {error}")).base_url(), used);
        let anonymous = offline().codex_base_url(given).without_credentials().build().unwrap();
        assert_eq!(anonymous.base_url(), used);
    }
    let default = offline().chatgpt(ChatGptTokens::new("opaque-access-token")).build().unwrap();
    assert_eq!(default.base_url(), "https://chatgpt.com/backend-api");
}

#[test]
fn credentials_for_the_codex_backend_go_nowhere_else() {
    for given in CODEX_UNTRUSTED {
        for error in
            [codex_at(given).unwrap_err(), offline().codex_base_url(given).without_credentials().build().unwrap_err()]
        {
            assert!(matches!(error, ConfigError::UntrustedOrigin { .. }), "{given}: {error:?}");
            assert!(error.to_string().contains("dangerously_allow_origin"), "{error}");
            assert_eq!(error.to_string().contains("use `https`"), given.starts_with("http:"), "{given}: {error}");
        }
    }
    for given in NOT_USABLE {
        let error = codex_at(given).unwrap_err();
        assert!(matches!(error, ConfigError::InvalidBaseUrl { mode: "CodexBackend", .. }), "{given}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("p4ss"), "{error:?}");
    }
}

#[test]
fn an_api_key_goes_to_the_public_api_and_to_this_machine() {
    for (given, used) in [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1//", "https://api.openai.com/v1"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("http://[::1]:9/v1", "http://[::1]:9/v1"),
        ("https://localhost:1", "https://localhost:1"),
    ] {
        assert_eq!(api_at(given).unwrap_or_else(|error| panic!("{given}: {error}")).base_url(), used);
    }
    for given in [
        "https://chatgpt.com",
        "https://gateway.example/v1",
        "https://mine.openai.azure.com/openai/v1",
        "http://api.openai.com/v1",
        "https://api.openai.com:8443/v1",
        "https://api.openai.com.evil.test/v1",
        "https://sub.api.openai.com/v1",
    ] {
        let error = api_at(given).unwrap_err();
        assert!(matches!(error, ConfigError::UntrustedOrigin { mode: "OpenAiApi", .. }), "{given}: {error:?}");
    }
    for given in NOT_USABLE {
        assert!(matches!(api_at(given).unwrap_err(), ConfigError::InvalidBaseUrl { mode: "OpenAiApi", .. }), "{given}");
    }
    let default = offline().api_key("sk-example").build().unwrap();
    assert_eq!(default.base_url(), "https://api.openai.com/v1");
}

#[test]
fn a_base_url_of_the_other_route_alone_builds_no_client() {
    for url in ["http://127.0.0.1:9/v1", "https://gateway.test", "nothing"] {
        let codex = offline().openai_base_url(url).chatgpt(ChatGptTokens::new("opaque-access-token")).build();
        let anonymous = offline().openai_base_url(url).without_credentials().build();
        let api = offline().codex_base_url(url).api_key("sk-example").build();
        for (error, mode, needed) in [
            (codex.unwrap_err(), "CodexBackend", ".codex_base_url(..)"),
            (anonymous.unwrap_err(), "NoAuth", ".codex_base_url(..)"),
            (api.unwrap_err(), "OpenAiApi", ".openai_base_url(..)"),
        ] {
            let told = error.to_string();
            assert!(told.contains(&format!("set `{needed}`")) && told.contains(mode), "{told}");
            assert!(matches!(error, ConfigError::OtherBaseUrl { .. }), "{error:?}");
        }
    }
}

#[test]
fn a_client_with_a_base_url_on_loopback_is_not_built_for_production() {
    for local in ["http://127.0.0.1:9/v1", "http://localhost:9", "http://[::1]:9/backend-api"] {
        let tokens = ChatGptTokens::new("opaque-access-token");
        let codex = offline().codex_base_url("https://chatgpt.com/backend-api").openai_base_url(local).chatgpt(tokens);
        let api = offline().openai_base_url("https://api.openai.com/v1").codex_base_url(local).api_key("sk-example");
        for error in [codex.build().unwrap_err(), api.build().unwrap_err()] {
            assert!(error.to_string().contains("loopback") && matches!(error, ConfigError::Conflict(_)), "{error}");
        }
    }
}

#[tokio::test]
async fn what_auth_itself_asks_stays_on_loopback_with_any_base_url_there() {
    let backend = Backend::start().unwrap();
    let token = backend.issue_personal_access_token("acct-1");
    let origin = backend.codex_base_url();
    let builder = Client::builder().openai_base_url(&origin).environment(Environment::empty());
    let context = builder.auth_context().unwrap();
    assert_eq!(context.base_url(), origin);
    // The server of the test knows the token, and no other server does.
    codex_backend::auth::PersonalAccessToken::verify(token, &context).await.unwrap();
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn the_environment_names_no_base_url() {
    let names = ["CODEX_BACKEND_BASE_URL", "OPENAI_BASE_URL", "CHATGPT_BASE_URL", "CODEX_BASE_URL", "OPENAI_API_BASE"];
    let environment = Environment::from_vars(names.map(|name| (name, "https://evil.test/v1")));
    let api = Client::builder().environment(environment.clone()).api_key("sk-example").build().unwrap();
    assert_eq!(api.base_url(), "https://api.openai.com/v1");
    let tokens = ChatGptTokens::new("opaque-access-token");
    let codex = Client::builder().environment(environment).chatgpt(tokens).build().unwrap();
    assert_eq!(codex.base_url(), "https://chatgpt.com/backend-api");
}

#[test]
fn the_opt_in_allows_the_origin_it_names_and_no_other() {
    for given in CODEX_UNTRUSTED {
        let tokens = || ChatGptTokens::new("opaque-access-token");
        let client = offline().dangerously_allow_origin(given).codex_base_url(given).chatgpt(tokens()).build();
        assert_eq!(client.unwrap_or_else(|error| panic!("{given}: {error}")).base_url(), given);
        let other = offline().dangerously_allow_origin("https://other.test").codex_base_url(given).chatgpt(tokens());
        assert!(matches!(other.build().unwrap_err(), ConfigError::UntrustedOrigin { .. }), "{given}");
    }
    let gateways = || {
        offline()
            .dangerously_allow_origin("https://gateway.example")
            .dangerously_allow_origin("https://mine.openai.azure.com")
    };
    for given in ["https://gateway.example/openai/v1", "https://mine.openai.azure.com/openai/v1"] {
        assert_eq!(gateways().openai_base_url(given).api_key("k").build().unwrap().base_url(), given);
    }
    for given in ["http://gateway.example/v1", "https://gateway.example:444/v1", "https://x.gateway.example/v1"] {
        let error = gateways().openai_base_url(given).api_key("k").build().unwrap_err();
        assert!(matches!(error, ConfigError::UntrustedOrigin { .. }), "{given}: {error:?}");
    }
}

#[test]
fn the_opt_in_allows_no_user_info_query_or_fragment() {
    for given in NOT_USABLE {
        let builder = offline()
            .dangerously_allow_origin("https://chatgpt.com")
            .dangerously_allow_origin("https://evil.test")
            .codex_base_url(given)
            .chatgpt(ChatGptTokens::new("opaque-access-token"));
        assert!(matches!(builder.build().unwrap_err(), ConfigError::InvalidBaseUrl { .. }), "{given}");
    }
    for not_an_origin in
        ["https://user:p4ss@evil.test", "https://evil.test/path", "https://evil.test?x", "evil.test", "*"]
    {
        let error = offline().dangerously_allow_origin(not_an_origin).api_key("k").build().unwrap_err();
        assert!(matches!(error, ConfigError::InvalidBaseUrl { .. }), "{not_an_origin}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("p4ss"), "{error:?}");
    }
}

#[test]
fn settings_that_an_own_transport_would_ignore_are_a_conflict() {
    #[derive(Debug)]
    struct Own;
    impl codex_backend::transport::Transport for Own {
        fn send(&self, _: codex_backend::transport::TransportRequest) -> codex_backend::transport::TransportFuture<'_> {
            Box::pin(async { Err(codex_backend::transport::TransportError::not_sent("offline")) })
        }
    }
    let error = offline().proxy("http://proxy.test:1").transport(Own).api_key("k").build().unwrap_err();
    assert!(matches!(error, ConfigError::Conflict(_)), "{error:?}");
    let pem = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    let error = offline().root_certificates(pem).transport(Own).api_key("k").build().unwrap_err();
    assert!(matches!(error, ConfigError::Conflict(_)), "{error:?}");
    assert!(offline().transport(Own).api_key("k").build().is_ok());
}

// ---- modes known at run time ----

fn one_of_each() -> (Client<CodexBackend>, Client<OpenAiApi>, Client<NoAuth>) {
    (
        codex_at("https://chatgpt.com").unwrap(),
        api_at("https://api.openai.com/v1").unwrap(),
        offline().without_credentials().build().unwrap(),
    )
}

#[test]
fn a_client_whose_mode_is_known_at_run_time_is_narrowed_to_it() {
    let (codex, api, anonymous) = one_of_each();
    let any = [AnyClient::from(codex), AnyClient::from(api), AnyClient::from(anonymous)];
    assert_eq!(any.clone().map(|client| client.mode()), ["CodexBackend", "OpenAiApi", "NoAuth"]);
    let [codex, api, anonymous] = any;
    assert!(matches!(codex, AnyClient::Codex(_)));
    assert!(matches!(api, AnyClient::OpenAi(_)));
    assert!(matches!(anonymous, AnyClient::Anonymous(_)));
    assert_eq!(codex.into_codex_backend().unwrap().base_url(), "https://chatgpt.com/backend-api");
    assert_eq!(api.into_openai_api().unwrap().base_url(), "https://api.openai.com/v1");
    assert!(Client::<NoAuth>::try_from(anonymous).is_ok());
}

#[test]
fn narrowing_to_another_mode_says_what_is_needed_and_gives_the_client_back() {
    let (codex, api, anonymous) = one_of_each();
    let cases: [(Result<(), WrongMode>, &str, &str, &str); 6] = [
        (AnyClient::from(api.clone()).into_codex_backend().map(drop), "OpenAiApi", "CodexBackend", ".chatgpt(tokens)"),
        (
            AnyClient::from(anonymous.clone()).into_codex_backend().map(drop),
            "NoAuth",
            "CodexBackend",
            ".chatgpt(tokens)",
        ),
        (AnyClient::from(codex.clone()).into_openai_api().map(drop), "CodexBackend", "OpenAiApi", ".api_key(key)"),
        (AnyClient::from(anonymous).into_openai_api().map(drop), "NoAuth", "OpenAiApi", ".api_key(key)"),
        (
            Client::<NoAuth>::try_from(AnyClient::from(codex)).map(drop),
            "CodexBackend",
            "NoAuth",
            ".without_credentials()",
        ),
        (Client::<NoAuth>::try_from(AnyClient::from(api)).map(drop), "OpenAiApi", "NoAuth", ".without_credentials()"),
    ];
    for (result, found, needed, how) in cases {
        let error = result.unwrap_err();
        assert_eq!((error.found(), error.needed()), (found, needed));
        let text = error.to_string();
        for part in [&format!("`Client<{found}>`"), &format!("`Client<{needed}>`"), how] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(error.into_client().mode(), found);
    }
}

#[tokio::test]
async fn a_client_that_was_given_back_still_works() {
    let backend = Backend::start().unwrap();
    let client = AnyClient::from(backend.client().chatgpt(backend.chatgpt_tokens()).build().unwrap());
    let client = client.into_openai_api().unwrap_err().into_client().into_codex_backend().unwrap();
    Usage::new(&client).get().await.unwrap();
    assert_eq!(backend.requests_to(Route::GET_USAGE).len(), 1);
}

// ---- what the types promise ----

#[test]
fn a_client_is_one_pointer_wide_and_so_is_an_error() {
    const WORD: usize = size_of::<usize>();
    assert_eq!(size_of::<Client<CodexBackend>>(), WORD);
    assert_eq!(size_of::<Client<OpenAiApi>>(), WORD);
    assert_eq!(size_of::<Client<NoAuth>>(), WORD);
    assert_eq!(size_of::<Option<Client<CodexBackend>>>(), WORD);
    assert_eq!(size_of::<Option<Client<OpenAiApi>>>(), WORD);
    assert_eq!(size_of::<OpenAiFileUpload>(), WORD);
    assert_eq!(size_of::<Usage>(), WORD);
    assert_eq!(size_of::<Error>(), WORD);
    assert_eq!(size_of::<AuthError>(), WORD);
    assert_eq!(size_of::<Result<(), Error>>(), WORD);
}

#[test]
fn clients_handles_requests_and_their_futures_cross_threads() {
    fn shared<T: Send + Sync + Clone + Unpin + std::fmt::Debug + 'static>() {}
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    fn request<T: IntoFuture<IntoFuture: Send + 'static> + Send + 'static>() {}
    fn future<T: Future + Send>(_: T) {}
    shared::<CodexClient>();
    shared::<OpenAiClient>();
    shared::<Client<NoAuth>>();
    shared::<AnyClient>();
    shared::<WrongMode>();
    shared::<OpenAiFileUpload>();
    shared::<Usage>();
    shared::<codex_backend::Skills>();
    shared::<ChatGptTokens>();
    shared::<ApiKey>();
    shared::<AuthHeaders>();
    shared::<Environment>();
    shared::<RetryPolicy>();
    error::<Error>();
    error::<AuthError>();
    error::<ConfigError>();
    error::<WrongMode>();
    request::<ApiRequest<UsageReport>>();
    request::<UploadRequest>();
    request::<UploadMany>();
    let client = codex_at("https://chatgpt.com").unwrap();
    future(client.auth_headers());
    future(AuthFuture::ready(Ok(AuthRecovery::Retry)));
}

#[test]
fn an_auth_provider_is_object_safe_and_keeps_its_route() {
    struct Held;
    impl AuthProvider for Held {
        type Route = OpenAiApi;
        fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
            AuthFuture::ready(AuthHeaders::new(0).with_bearer(&"sk-example".into()))
        }
    }
    let shared: std::sync::Arc<dyn AuthProvider<Route = OpenAiApi>> = std::sync::Arc::new(Held);
    let client: Client<OpenAiApi> = offline().provider(shared).build().unwrap();
    assert_eq!(client.base_url(), "https://api.openai.com/v1");
    let headers = client.auth_headers().now_or_never().unwrap().unwrap();
    assert_eq!(listed(&headers), expected([("authorization", "Bearer sk-example")]));
}
