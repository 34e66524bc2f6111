//! What holds for all ids, all moments and all mutations.

use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use codex_backend::auth::{AgentIdentity, AuthContext};
use codex_backend::testing::{Backend, ManualClock};
use codex_backend::transport::Environment;
use codex_backend::{ChatGptTokens, Client};
use proptest::prelude::*;
use ring::signature::{ED25519, UnparsedPublicKey};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::rounds::rounds;
use super::support::{ACCOUNT, Stage, after_epoch, agent_123, key, plain_http, record};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// A header as a client makes it.
fn header(identity: &AgentIdentity, second: u64) -> String {
    let builder =
        Client::builder().environment(Environment::empty()).clock(ManualClock::starting_at(after_epoch(second)));
    let client = builder.agent_identity(identity.lazy()).build().unwrap();
    let headers = RUNTIME.block_on(client.auth_headers().into_future()).unwrap();
    let map = http::HeaderMap::from(&headers);
    map["authorization"].to_str().unwrap().to_owned()
}

/// Verifies as a server would: by the public key alone.
fn verify(header: &str) -> Option<(String, String, String)> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(header.strip_prefix("AgentAssertion ")?).ok()?;
    let envelope: Value = serde_json::from_slice(&json).ok()?;
    let text = |member: &str| envelope[member].as_str().map(str::to_owned);
    let (id, task, timestamp) = (text("agent_runtime_id")?, text("task_id")?, text("timestamp")?);
    let signature = base64::prelude::BASE64_STANDARD.decode(text("signature")?).ok()?;
    let public = UnparsedPublicKey::new(&ED25519, key().public_key());
    public.verify(format!("{id}:{task}:{timestamp}").as_bytes(), &signature).ok()?;
    // Canonical: the members in the order of their names, no white space.
    let canonical = format!(
        r#"{{"agent_runtime_id":{},"signature":{},"task_id":{},"timestamp":{}}}"#,
        json!(id),
        envelope["signature"],
        json!(task),
        json!(timestamp)
    );
    (canonical.as_bytes() == json).then_some((id, task, timestamp))
}

fn id() -> impl Strategy<Value = String> {
    "\\PC{1,40}".prop_filter("ids that can be sent", |id| {
        !id.trim().is_empty() && !id.chars().any(char::is_control) && !matches!(id.as_str(), "." | "..")
    })
}

/// A JWT of a server, and a context that has its keys.
static SIGNED: LazyLock<(Backend, SecretString, AuthContext)> = LazyLock::new(|| {
    let stage = Stage::new();
    let jwt = stage.backend.sign_agent_jwt(&agent_123(), &json!({}));
    let context = stage.context();
    RUNTIME.block_on(AgentIdentity::from_jwt(jwt.clone(), &context)).unwrap();
    (stage.backend, jwt, context)
});

/// A server that knows the task of an assertion, and the assertion.
static ASSERTED: LazyLock<(Stage, String)> = LazyLock::new(|| {
    let stage = Stage::new();
    stage.backend.add_agent_task(&agent_123(), "task-123");
    let identity = AgentIdentity::from_record(record(&json!({ "task_id": "task-123" }))).unwrap();
    let client = stage.client(identity.lazy());
    let headers = RUNTIME.block_on(client.auth_headers().into_future()).unwrap();
    let header = http::HeaderMap::from(&headers)["authorization"].to_str().unwrap().to_owned();
    (stage, header)
});

fn status_of(header: &str) -> Option<u16> {
    let (stage, _) = &*ASSERTED;
    let value = http::HeaderValue::from_str(header).ok()?;
    let url = format!("{}/wham/usage", stage.backend.codex_base_url());
    RUNTIME.block_on(async {
        let request = plain_http().get(url).header("authorization", value).header("chatgpt-account-id", ACCOUNT);
        Some(request.send().await.ok()?.status().as_u16())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: rounds(32), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_id_task_and_moment_round_trips(id in id(), task in id(), second in 0_u64..253_402_300_800) {
        let identity = AgentIdentity::from_record(record(&json!({ "agent_runtime_id": id, "task_id": task }))).unwrap();
        let header = header(&identity, second);
        let timestamp = humantime::format_rfc3339_seconds(after_epoch(second)).to_string();
        prop_assert_eq!(verify(&header), Some((id, task, timestamp)));
    }

    #[test]
    fn a_record_round_trips(id in id(), task in proptest::option::of(id()), email in proptest::option::of("\\PC{1,20}"), fedramp: bool) {
        let changes = json!({
            "agent_runtime_id": id, "task_id": task, "email": email, "chatgpt_account_is_fedramp": fedramp,
        });
        let identity = AgentIdentity::from_record(record(&changes)).unwrap();
        let again = AgentIdentity::from_record(identity.to_record()).unwrap();
        let (one, other) = (identity.to_record(), again.to_record());
        prop_assert_eq!(one.expose_secret(), other.expose_secret());
        prop_assert_eq!(again.agent_runtime_id(), id);
        prop_assert_eq!(again.is_fedramp(), fedramp);
    }

    #[test]
    fn any_change_of_a_byte_of_the_jwt_is_refused(position: prop::sample::Index, with: u8) {
        let (_, jwt, context) = &*SIGNED;
        let mut bytes = jwt.expose_secret().as_bytes().to_vec();
        let position = position.index(bytes.len());
        prop_assume!(bytes[position] != with && with.is_ascii() && !with.is_ascii_whitespace());
        bytes[position] = with;
        let jwt = String::from_utf8(bytes).unwrap();
        prop_assert!(RUNTIME.block_on(AgentIdentity::from_jwt(jwt, context)).is_err());
    }

    #[test]
    fn any_change_of_a_byte_of_the_envelope_is_refused(position: prop::sample::Index, with: u8) {
        let header = &ASSERTED.1;
        let json = BASE64_URL_SAFE_NO_PAD.decode(&header["AgentAssertion ".len()..]).unwrap();
        let (position, mut json) = (position.index(json.len()), json);
        prop_assume!(json[position] != with);
        json[position] = with;
        let changed = format!("AgentAssertion {}", BASE64_URL_SAFE_NO_PAD.encode(json));
        prop_assert_eq!(status_of(&changed), Some(401));
    }

    #[test]
    fn any_change_of_a_byte_of_the_header_is_refused(position: prop::sample::Index, with in 0x21_u8..0x7f) {
        let header = &ASSERTED.1;
        let (position, mut bytes) = (position.index(header.len()), header.clone().into_bytes());
        prop_assume!(bytes[position] != with);
        bytes[position] = with;
        prop_assert_eq!(status_of(std::str::from_utf8(&bytes).unwrap()), Some(401));
    }

    #[test]
    fn no_record_jwt_or_answer_makes_a_panic(text in "\\PC{0,200}") {
        let _refused = AgentIdentity::from_record(text.clone());
        let _refused = codex_backend::auth::AgentKey::from_pkcs8_base64(text.clone());
        let (_, _, context) = &*SIGNED;
        prop_assert!(RUNTIME.block_on(AgentIdentity::from_jwt(text, context)).is_err());
    }
}

/// Every byte, with one bit changed.
#[test]
fn every_byte_of_the_jwt_counts() {
    let (_, jwt, context) = &*SIGNED;
    let bytes = jwt.expose_secret().as_bytes();
    for position in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[position] ^= 1;
        let changed = String::from_utf8(changed).unwrap();
        assert!(RUNTIME.block_on(AgentIdentity::from_jwt(changed, context)).is_err(), "byte {position}");
    }
}

/// Every byte, with one bit changed.
#[test]
fn every_byte_of_the_envelope_counts() {
    let json = BASE64_URL_SAFE_NO_PAD.decode(&ASSERTED.1["AgentAssertion ".len()..]).unwrap();
    for position in 0..json.len() {
        let mut changed = json.clone();
        changed[position] ^= 1;
        let header = format!("AgentAssertion {}", BASE64_URL_SAFE_NO_PAD.encode(changed));
        assert_eq!(status_of(&header), Some(401), "byte {position}");
    }
}

#[test]
fn the_server_that_is_asked_takes_the_unchanged_ones() {
    assert_eq!(status_of(&ASSERTED.1), Some(200));
    assert!(verify(&ASSERTED.1).is_some());
    // And one of its own kind of tokens is still a bearer token.
    let tokens = ChatGptTokens::new(ASSERTED.0.backend.issue_access_token(ACCOUNT));
    let client = ASSERTED.0.backend.client().chatgpt(tokens).build().unwrap();
    RUNTIME.block_on(super::support::usage(&client)).unwrap();
}
