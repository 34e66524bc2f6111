//! Ready-made headers: checked once, sent as they are, never refreshed. Every secret in here holds the word `MARK`.

use codex_backend::auth::{AuthErrorKind, AuthHealth, AuthMode, AuthRecovery, AuthRefusal, ReadyMadeHeaders};
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::{CodexAuth, ErrorKind, OpenAiFileUpload};
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use crate::support::capture::{assert_debug_hides, assert_error_hides, assert_hidden, capture_traces};
use crate::support::guard::guard;

fn map(headers: &[(&str, &[u8])]) -> HeaderMap {
    let header =
        |(name, value): &(&str, &[u8])| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value).unwrap());
    let mut map = HeaderMap::new();
    for (name, value) in headers.iter().map(header) {
        map.append(name, value);
    }
    map
}

#[tokio::test]
async fn they_are_sent_as_they_are_with_each_request() {
    let backend = Backend::start().unwrap();
    backend.add_fedramp_account("acct-gov");
    let bearer = format!("Bearer {}", backend.issue_access_token("acct-gov").expose_secret());
    let headers = map(&[
        ("Authorization", bearer.as_bytes()),
        ("ChatGPT-Account-ID", b"acct-gov"),
        ("X-OpenAI-Fedramp", b"true"),
        ("x-openai-actor-authorization", b"actor-token and more"),
    ]);
    let ready_made = ReadyMadeHeaders::new(&headers).unwrap();
    assert_eq!(ready_made.account_id(), Some("acct-gov"));
    let client = backend.client().provider(ready_made).build().unwrap();
    guard(client.usage().get()).await.unwrap();
    guard(OpenAiFileUpload::new(&client).bytes("a.txt", "hello")).await.unwrap();
    let (to_storage, to_backend): (Vec<_>, Vec<_>) =
        backend.requests().into_iter().partition(|request| request.route == Some(Route::PUT_FILE));
    assert_eq!((to_storage.len(), to_backend.len()), (1, 3));
    for (name, value) in &headers {
        for request in &to_backend {
            assert_eq!(request.headers.get_all(name).iter().collect::<Vec<_>>(), [value], "{name}");
        }
        assert!(!to_storage[0].headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn they_make_credentials_of_the_mode_headers() {
    for (headers, account_id, is_fedramp) in [
        (map(&[("authorization", b"Bearer MARK"), ("chatgpt-account-id", b"acct-1")]), Some("acct-1"), false),
        (map(&[("x-openai-fedramp", b"true"), ("chatgpt-account-id", b"acct-1")]), Some("acct-1"), true),
        (map(&[("x-openai-fedramp", b"false"), ("x-other", b"MARK")]), None, false),
    ] {
        let auth = CodexAuth::from(ReadyMadeHeaders::new(&headers).unwrap());
        assert_eq!((auth.mode(), auth.source()), (AuthMode::Headers, "the application"));
        assert_eq!((auth.account_id(), auth.is_fedramp()), (account_id, is_fedramp));
        assert_eq!((auth.email(), auth.plan_type(), auth.chatgpt_user_id()), (None, None, None));
        assert!(auth.uses_codex_backend() && auth.expires_at().is_none() && auth.data_residency().is_none());
        let backend = Backend::start().unwrap();
        let client = backend.client().codex_auth(&auth).unwrap().build().unwrap();
        assert_eq!(HeaderMap::from(&client.auth_headers().await.unwrap()), headers);
        assert_eq!(client.auth_health(), AuthHealth::Ready);
    }
}

#[test]
fn what_cannot_be_sent_is_an_error_that_names_the_header_and_not_its_value() {
    capture_traces();
    for (headers, kind, named) in [
        (map(&[]), AuthErrorKind::Incomplete, "no ready-made headers"),
        (
            map(&[("authorization", b"Bearer MARK1"), ("authorization", b"Bearer MARK2")]),
            AuthErrorKind::InvalidHeaderValue,
            "`authorization`",
        ),
        (
            map(&[("x-a", b"MARK"), ("x-b", b"MARK"), ("x-b", b"MARK")]),
            AuthErrorKind::InvalidHeaderValue,
            "`x-b` cannot be used: it stands there twice",
        ),
        (map(&[("authorization", b"")]), AuthErrorKind::InvalidHeaderValue, "`authorization`"),
        (map(&[("chatgpt-account-id", b" \t ")]), AuthErrorKind::InvalidHeaderValue, "`chatgpt-account-id`"),
        (map(&[("x-a", "MARK é".as_bytes())]), AuthErrorKind::InvalidHeaderValue, "outside printable ASCII"),
        (map(&[("x-a", b"MARK \xff")]), AuthErrorKind::InvalidHeaderValue, "`x-a`"),
        (map(&[("host", b"MARK.example")]), AuthErrorKind::InvalidHeaderValue, "`host`"),
        (map(&[("content-length", b"5")]), AuthErrorKind::InvalidHeaderValue, "`content-length`"),
        (map(&[("transfer-encoding", b"chunked")]), AuthErrorKind::InvalidHeaderValue, "`transfer-encoding`"),
        (
            map(&[("authorization", b"Bearer MARK"), ("connection", b"close")]),
            AuthErrorKind::InvalidHeaderValue,
            "`connection`",
        ),
    ] {
        let error = ReadyMadeHeaders::new(&headers).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(named), "{error}");
        assert_error_hides(&error);
    }
}

#[tokio::test]
async fn after_a_401_there_are_no_others() {
    let backend = Backend::start().unwrap();
    let token = backend.issue_access_token("acct-1");
    let bearer = format!("Bearer {}", token.expose_secret());
    let ready_made = ReadyMadeHeaders::new(&map(&[("authorization", bearer.as_bytes())])).unwrap();
    let client = backend.client().provider(ready_made).build().unwrap();
    backend.inject(Route::GET_USAGE, Fault::unauthorized("token_expired"));
    let error = guard(client.usage().get()).await.unwrap_err();
    assert_eq!((error.kind(), error.code(), error.attempts()), (ErrorKind::Unauthorized, Some("token_expired"), 1));
    assert!(error.needs_sign_in());
    let refusal = AuthRefusal::new(http::StatusCode::UNAUTHORIZED, 0);
    assert_eq!(client.auth_refused(refusal).await.unwrap(), AuthRecovery::GiveUp);
    // They are not given up: the server may think better of it.
    guard(client.usage().get()).await.unwrap();
}

#[tokio::test]
async fn they_show_their_names_alone_and_are_sensitive() {
    let headers = map(&[("authorization", b"Bearer MARK-token"), ("x-secret", b"MARK-secret")]);
    let ready_made = ReadyMadeHeaders::new(&headers).unwrap();
    assert_debug_hides(&ready_made);
    assert!(format!("{ready_made:?}").contains("x-secret"));
    let client = Backend::start().unwrap().client().provider(ready_made).build().unwrap();
    let headers = client.auth_headers().await.unwrap();
    assert!(headers.iter().all(|(_, value)| value.is_sensitive()));
    assert_hidden(&format!("{headers:?} {:?}", HeaderMap::from(&headers)));
}
