//! What the official tool was seen to send, beside what this crate sends in its place.

use std::collections::BTreeMap;

use codex_backend::auth::{AuthContext, AuthFuture, AuthHeaders};
use codex_backend::testing::{Backend, RecordedRequest};
use codex_backend::{AuthProvider, ChatGptTokens, Client, CodexBackend, FeaturedPlugins};
use serde::Deserialize;

use crate::support::guard;

#[derive(Debug, Deserialize)]
struct Official {
    credentials: String,
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// Where this crate differs, and why that is right.
const DIFFERENT_HEADERS: [(&str, &str); 4] = [
    ("user-agent", "it names the application that calls, and not the official tool"),
    ("originator", "the same; the official tool leaves it out of some requests, this crate of none"),
    ("content-type", "the official tool sends one with a GET that has no content"),
    ("host", "it is not in the list of what the official tool sent"),
];
const DIFFERENT_TARGETS: [(&str, &str, &str); 1] = [(
    "//connectors/",
    "/connectors/",
    "the official tool joins a base URL that ends in a slash with a path that begins with one",
)];
const AUTH: [&str; 3] = ["authorization", "chatgpt-account-id", "x-openai-fedramp"];

/// Agent identity as the official tool sends it, with a signature that stands for any.
struct Assertion;

impl AuthProvider for Assertion {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, _: &'a AuthContext) -> AuthFuture<'a> {
        let headers = AuthHeaders::new(0).with_header("authorization", "AgentAssertion <credential>");
        AuthFuture::ready(headers.and_then(|headers| headers.with_header("chatgpt-account-id", "acct-1")))
    }
}

#[tokio::test]
async fn the_same_requests_are_sent_but_for_differences_that_are_listed() {
    let official: Vec<Official> = serde_json::from_str(include_str!("../data/official_requests.json")).unwrap();
    assert_eq!(official.len(), 11);
    let mut met = Vec::new();
    for official in official {
        let sent = send_in_place_of(&official).await;
        assert_eq!((sent.method.as_str(), sent.body.as_ref()), (official.method.as_str(), official.body.as_bytes()));
        let target = DIFFERENT_TARGETS.iter().fold(official.target.clone(), |target, (theirs, ours, _)| {
            met.extend(target.contains(theirs).then_some(*theirs));
            target.replace(theirs, ours)
        });
        assert_eq!(sent.target, target);
        for name in AUTH {
            assert_eq!(sent.header(name), official.headers.get(name).map(String::as_str), "{name} of {target}");
        }
        let ours = sent.headers.keys().map(|name| name.as_str().to_owned());
        for name in ours.chain(official.headers.keys().cloned()) {
            if sent.header(&name) != official.headers.get(&name).map(String::as_str) {
                let listed = DIFFERENT_HEADERS.iter().find(|(listed, _)| *listed == name);
                met.push(listed.unwrap_or_else(|| panic!("{name} of {target} differs")).0);
            }
        }
    }
    // Nothing is listed that has ceased to differ.
    for listed in DIFFERENT_HEADERS.iter().map(|(name, _)| name).chain(DIFFERENT_TARGETS.iter().map(|(from, ..)| from))
    {
        assert!(met.contains(listed), "{listed}");
    }
}

async fn send_in_place_of(official: &Official) -> RecordedRequest {
    let backend = Backend::start().unwrap();
    match official.credentials.as_str() {
        "chatgpt" => {
            let tokens = ChatGptTokens::new("<credential>").account_id("acct-1");
            send(&backend.client().chatgpt(tokens).build().unwrap(), &official.target).await;
        }
        "agent-identity" => send(&backend.client().provider(Assertion).build().unwrap(), &official.target).await,
        "api-key" => {
            let client = backend.client().api_key("sk-credential").build().unwrap();
            assert!(official.target.contains("/plugins/featured"));
            drop(guard(FeaturedPlugins::new(&client).list()).await);
        }
        other => panic!("{other}"),
    }
    let [sent] = backend.requests().try_into().unwrap();
    sent
}

/// The credentials are none that the backend knows; what counts is what arrives there.
async fn send(client: &Client<CodexBackend>, target: &str) {
    let path = target.split('?').next().unwrap().replace("//", "/");
    match path.as_str() {
        "/backend-api/wham/tasks/list" => drop(guard(client.cloud_tasks().list().page()).await),
        "/backend-api/wham/tasks/task_e_1" => drop(guard(client.cloud_tasks().details("task_e_1")).await),
        "/backend-api/wham/environments" => drop(guard(client.cloud_environments().list()).await),
        "/backend-api/plugins/featured" => drop(guard(client.featured_plugins().list()).await),
        "/backend-api/connectors/directory/list" => drop(guard(client.connectors().list().page()).await),
        other => panic!("{other}"),
    }
}
