//! The table of routes of the embedded backend, as an application sees it.

use std::collections::HashSet;

use codex_backend::testing::{Backend, Route};
use codex_backend::{Client, CodexBackend};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

async fn ask(method: Method, url: String, headers: &HeaderMap) -> (StatusCode, Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.request(method, url).headers(headers.clone()).send().await.unwrap();
    let status = answer.status();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

async fn headers(client: &Client<CodexBackend>) -> HeaderMap {
    HeaderMap::from(&client.auth_headers().await.unwrap())
}

#[tokio::test]
async fn an_unknown_route_is_refused_by_name() {
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    let backend = Backend::start().unwrap();
    let client = backend.client().chatgpt(backend.chatgpt_tokens()).build().unwrap();
    let headers = headers(&client).await;
    for (method, path) in [
        (Method::GET, "/backend-api/wham/nowhere"),
        (Method::DELETE, "/backend-api/wham/usage"),
        (Method::POST, "/backend-api/ps/plugins/plugin_1/nowhere"),
        (Method::GET, "/api/codex/nowhere"),
        (Method::POST, "/oauth/nowhere"),
    ] {
        let url = format!("http://{}{path}?secret=MARK", backend.address());
        let (status, body) = ask(method.clone(), url, &headers).await;
        assert_eq!((status, &body["error"]["code"]), (StatusCode::NOT_FOUND, &"not_found".into()), "{path}");
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains(&format!("{method} {path}")) && !message.contains("MARK"), "{message}");
    }
    assert!(backend.requests().iter().all(|request| request.route.is_none()));
}

#[tokio::test]
async fn an_unknown_route_is_told_only_to_those_who_may_ask() {
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    let backend = Backend::start().unwrap();
    for base in [backend.codex_base_url(), backend.openai_base_url()] {
        let (status, _) = ask(Method::GET, format!("{base}/nowhere"), &HeaderMap::new()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{base}");
    }
}

#[test]
fn each_route_has_a_name_of_its_own_and_a_method_and_a_path() {
    let mut names = HashSet::new();
    let mut constants = HashSet::new();
    for route in Route::all() {
        assert!(names.insert(route.name()), "{}", route.name());
        assert!(constants.insert(format!("{route:?}")), "{route:?}");
        assert!(route.path().starts_with(['/', '{']), "{route:?}: {}", route.path());
    }
    assert!(names.contains("usage.get") && constants.contains("GET_USAGE"), "{constants:?}");
    assert_eq!((Route::PUT_FILE.name(), Route::PUT_FILE.method()), ("files.put", &Method::PUT));
}
