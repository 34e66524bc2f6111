//! Keys and records: what is read, and what is refused.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use codex_backend::auth::{AgentIdentity, AgentIdentityError, AgentKey, AuthErrorKind, StoredCredentials};
use codex_backend::limits::PlanType;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::support::{ACCOUNT, KEY, Stage, agent_123, detail, key, record};

const V2: &str =
    "MFECAQEwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHgSEA6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";

#[test]
fn white_space_around_a_key_is_ignored() {
    for text in [format!("{KEY}\n"), format!(" \t{V2}\r\n ")] {
        assert_eq!(AgentKey::from_pkcs8_base64(text).unwrap().public_key(), key().public_key());
    }
}

#[test]
fn a_key_that_is_not_strict_base64_is_refused() {
    let unpadded = V2.trim_end_matches('=').to_owned();
    for text in ["", "%%%", &unpadded, &V2.replace('+', "-"), &format!("{} {}", &KEY[..8], &KEY[8..]), &KEY[..63]] {
        let error = AgentKey::from_pkcs8_base64(text).unwrap_err();
        let found = detail(&error);
        let is_expected = matches!(found, AgentIdentityError::PrivateKeyBase64)
            || (text.is_empty() && matches!(found, AgentIdentityError::PrivateKeyPkcs8));
        assert!(is_expected, "{text}: {error}");
    }
}

#[test]
fn a_key_that_is_no_ed25519_key_in_pkcs8_is_refused() {
    let (v1, v2) = (BASE64_STANDARD.decode(KEY).unwrap(), BASE64_STANDARD.decode(V2).unwrap());
    let changed = |der: &[u8], at: usize| {
        let mut der = der.to_vec();
        der[at] ^= 1;
        der
    };
    let cases = [
        ("of another algorithm", changed(&v1, 11)),
        ("of another version", changed(&v1, 4)),
        ("with another length", changed(&v1, 1)),
        ("with something behind it", [&v1[..], &[0]].concat()),
        ("cut off", v1[..47].to_vec()),
        ("a bare seed", vec![7; 32]),
        ("with a public key of another", changed(&v2, 82)),
        ("with a public key that belongs to another seed", changed(&v2, 20)),
    ];
    for (what, der) in cases {
        let error = AgentKey::from_pkcs8_base64(BASE64_STANDARD.encode(der)).unwrap_err();
        assert!(matches!(detail(&error), AgentIdentityError::PrivateKeyPkcs8), "{what}: {error}");
    }
}

#[test]
fn generated_keys_differ_and_can_be_kept() {
    let (one, other) = (AgentKey::generate().unwrap(), AgentKey::generate().unwrap());
    assert_ne!(one.public_key(), other.public_key());
    let kept = AgentKey::from_pkcs8_base64(one.to_pkcs8_base64()).unwrap();
    assert_eq!(kept.ssh_public_key(), one.ssh_public_key());
    assert_eq!(one.ssh_public_key().len(), "ssh-ed25519 ".len() + 68);
}

#[test]
fn a_record_without_a_member_is_refused_and_the_member_named() {
    for member in [
        "agent_runtime_id",
        "agent_private_key",
        "account_id",
        "chatgpt_user_id",
        "plan_type",
        "chatgpt_account_is_fedramp",
    ] {
        for value in [json!("[absent]"), json!(7), Value::Null] {
            let error = AgentIdentity::from_record(record(&json!({ member: value }))).unwrap_err();
            assert_eq!(error.kind(), AuthErrorKind::Incomplete);
            match detail(&error) {
                AgentIdentityError::RecordIncomplete { member: named } => assert_eq!(*named, member),
                other => panic!("{other:?}"),
            }
        }
    }
    for text in ["", "[]", "{}", "\"text\"", "{"] {
        assert!(AgentIdentity::from_record(text).is_err(), "{text}");
    }
}

#[test]
fn the_email_of_a_record_may_be_missing() {
    for email in [json!("[absent]"), Value::Null, json!("")] {
        let identity = AgentIdentity::from_record(record(&json!({ "email": email }))).unwrap();
        assert_eq!(identity.email(), None);
        let written: Value = serde_json::from_str(identity.to_record().expose_secret()).unwrap();
        assert_eq!(written["email"], "");
    }
}

#[test]
fn a_record_has_no_second_names_of_plans() {
    for (text, expected) in [("hc", PlanType::Other("hc".into())), ("enterprise", PlanType::Enterprise)] {
        let identity = AgentIdentity::from_record(record(&json!({ "plan_type": text }))).unwrap();
        assert_eq!(identity.plan_type(), Some(&expected));
    }
}

#[test]
fn ids_that_cannot_be_sent_are_refused() {
    let long = "a".repeat(4097);
    for (member, id) in [
        ("agent_runtime_id", ""),
        ("agent_runtime_id", " \t"),
        ("agent_runtime_id", "agent\n123"),
        ("agent_runtime_id", "agent\u{7f}"),
        ("agent_runtime_id", "agent\u{85}"),
        ("agent_runtime_id", ".."),
        ("agent_runtime_id", "."),
        ("agent_runtime_id", &long),
        ("task_id", "task\0"),
        ("account_id", ""),
        ("account_id", "acct\r\nx: y"),
    ] {
        let error = AgentIdentity::from_record(record(&json!({ member: id }))).unwrap_err();
        match detail(&error) {
            AgentIdentityError::InvalidId { member: named, .. } => assert_eq!(*named, member),
            other => panic!("{member} {id:?}: {other:?}"),
        }
    }
    let error = AgentIdentity::from_record(record(&json!({ "account_id": "ünternehmen" }))).unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::InvalidHeaderValue);
}

#[test]
fn an_identity_from_its_parts() {
    let identity = AgentIdentity::new("agent-123", key(), ACCOUNT).unwrap();
    assert_eq!((identity.chatgpt_user_id(), identity.email(), identity.plan_type()), (None, None, None));
    assert!(!identity.is_fedramp() && identity.fedramp(true).unwrap().is_fedramp());
    assert_eq!(agent_123().key().ssh_public_key(), key().ssh_public_key());
}

#[tokio::test]
async fn stored_credentials_without_material() {
    let stage = Stage::new();
    for member in [
        Value::Null,
        json!(""),
        json!("  "),
        json!({}),
        json!({ "agent_runtime_id": "agent-123", "agent_private_key": " " }),
        json!({ "agent_runtime_id": "", "agent_private_key": KEY }),
        json!(5),
    ] {
        let stored = json!({ "auth_mode": "agentIdentity", "agent_identity": member }).to_string();
        let stored = StoredCredentials::from_json(&stored).unwrap();
        let error = AgentIdentity::from_stored(&stored, &stage.context()).await.unwrap_err();
        assert!(matches!(detail(&error), AgentIdentityError::MissingMaterial), "{member}: {error}");
    }
    assert_eq!(stage.backend.requests().len(), 0);
}
