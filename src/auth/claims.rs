//! What a ChatGPT token says about its account. The payload is read, not verified: the server does that.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde_json::Value;

use super::headers::{ACCOUNT_ID, AuthHeaders, FEDRAMP, RESIDENCY};
use crate::error::AuthError;
use crate::limits::PlanType;

/// The claims that become headers, or that tell the account to a person.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) account_id: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) email: Option<String>,
    pub(super) plan_type: Option<PlanType>,
    pub(super) is_fedramp: bool,
    pub(super) residency: Option<String>,
    pub(super) expires_at: Option<SystemTime>,
}

impl Claims {
    /// The headers of a request in this account's name.
    pub(super) fn headers(&self, token: &SecretString, generation: u64) -> Result<AuthHeaders, AuthError> {
        let mut headers = AuthHeaders::new(generation).with_bearer(token)?;
        if let Some(account_id) = &self.account_id {
            headers = headers.with_header(ACCOUNT_ID, account_id)?;
        }
        if self.is_fedramp {
            headers = headers.with_header(FEDRAMP, "true")?;
        }
        if let Some(residency) = &self.residency {
            headers = headers.with_header(RESIDENCY, residency)?;
        }
        Ok(headers)
    }

    /// The claims of a JWT: at least three non-empty parts, base64url, which some issuers pad. An opaque token has none.
    pub(super) fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, payload, _) = (filled(parts.next())?, filled(parts.next())?, filled(parts.next())?);
        let claims: Value =
            crate::wire::from_bytes(&BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()?;
        let auth = claims.get("https://api.openai.com/auth").unwrap_or(&Value::Null);
        Some(Self::among(&claims, auth))
    }

    /// The claims in an object that was once made of a token, with those about the account among the others.
    pub(super) fn already_read(claims: &Value) -> Self {
        Self::among(claims, claims)
    }

    fn among(claims: &Value, auth: &Value) -> Self {
        let text = |name: &str| auth.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
        let email_in =
            |claims: &Value| claims.get("email")?.as_str().filter(|email| !email.is_empty()).map(str::to_owned);
        let profile = claims.get("https://api.openai.com/profile");
        let residency = text("chatgpt_data_residency").or_else(|| text("chatgpt_compute_residency"));
        Self {
            account_id: text("chatgpt_account_id").map(str::to_owned),
            user_id: text("chatgpt_user_id").or_else(|| text("user_id")).map(str::to_owned),
            email: email_in(claims).or_else(|| email_in(profile?)),
            plan_type: text("chatgpt_plan_type").map(|plan| plan.to_owned().into()),
            is_fedramp: auth.get("chatgpt_account_is_fedramp").and_then(Value::as_bool).unwrap_or(false),
            expires_at: claims
                .get("exp")
                .and_then(Value::as_f64)
                .and_then(|exp| Duration::try_from_secs_f64(exp).ok())
                .and_then(|exp| UNIX_EPOCH.checked_add(exp)),
            residency: residency.filter(|residency| *residency != "no_constraint").map(str::to_owned),
        }
    }
}

fn filled(part: Option<&str>) -> Option<&str> {
    part.filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_of_a_token() {
        let token = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJlbWFpbCI6InVzZXJAZXhhbXBsZS5jb20iLCJodHRwczovL2FwaS5vcGVuYWkuY29tL2F1dGgiOnsiY2hhdGdwdF9wbGFuX3R5cGUiOiJwcm8iLCJjaGF0Z3B0X2FjY291bnRfaWQiOiJhY2N0LTEiLCJjaGF0Z3B0X3VzZXJfaWQiOiJ1c2VyLTEiLCJjaGF0Z3B0X2FjY291bnRfaXNfZmVkcmFtcCI6dHJ1ZX19.c2ln";
        let expected = Claims {
            account_id: Some("acct-1".into()),
            user_id: Some("user-1".into()),
            email: Some("user@example.com".into()),
            plan_type: Some(PlanType::Pro),
            is_fedramp: true,
            residency: None,
            expires_at: None,
        };
        assert_eq!(Claims::of(token), Some(expected));
    }

    #[test]
    fn residency_follows_the_data_claim_then_the_compute_claim() {
        for (auth, expected) in [
            (r#"{"chatgpt_data_residency":"us","chatgpt_compute_residency":"eu"}"#, Some("us")),
            (r#"{"chatgpt_compute_residency":"eu"}"#, Some("eu")),
            (r#"{"chatgpt_data_residency":"no_constraint"}"#, None),
            ("{}", None),
        ] {
            let payload = BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"https://api.openai.com/auth":{auth}}}"#));
            assert_eq!(Claims::of(&format!("e30.{payload}.c2ln")).unwrap().residency.as_deref(), expected);
        }
    }

    #[test]
    fn opaque_tokens_have_no_claims() {
        for token in ["opaque", "a.b", "a..c", "a.b.c", "e30.bm90IGpzb24.c2ln"] {
            assert_eq!(Claims::of(token), None, "{token}");
        }
    }
}
