use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::server::Reply;
use crate::limits::PlanType;

/// The only user there is.
const USER: &str = "user-embedded";

/// The accounts, and the credentials that open them.
#[derive(Default)]
pub(super) struct Accounts {
    accounts: HashMap<String, Account>,
    tokens: HashMap<String, Token>,
    refresh_tokens: HashMap<String, RefreshToken>,
    revoked_families: HashSet<u64>,
    api_keys: HashSet<String>,
    workloads: HashMap<String, Workload>,
}

#[derive(Debug)]
struct Account {
    is_fedramp: bool,
    plan: String,
}

impl Account {
    fn new(is_fedramp: bool) -> Self {
        Self { is_fedramp, plan: "pro".to_owned() }
    }
}

struct Token {
    account_id: String,
    /// `None`: a personal access token, whose requests must name the account.
    expires_at: Option<SystemTime>,
    revoked: bool,
}

/// What an identity token of a workload opens.
struct Workload {
    rule_id: String,
    account_id: String,
}

/// A refresh token works once. Whoever brings it again loses all that came of it.
struct RefreshToken {
    account_id: String,
    family: u64,
    used: bool,
}

impl Accounts {
    pub(super) fn add(&mut self, account_id: impl Into<String>, is_fedramp: bool) {
        self.accounts.insert(account_id.into(), Account::new(is_fedramp));
    }

    pub(super) fn add_with_plan(&mut self, account_id: impl Into<String>, plan: &str) {
        let account = Account { plan: plan.to_owned(), ..Account::new(false) };
        self.accounts.insert(account_id.into(), account);
    }

    pub(super) fn plan(&self, account_id: &str) -> PlanType {
        self.accounts.get(account_id).map_or("", |account| account.plan.as_str()).to_owned().into()
    }

    /// What the backend tells of the accounts to choose from: the one that asks.
    pub(super) fn check_list(&self, account_id: &str) -> Value {
        let structure = if self.plan(account_id).is_workspace() { "workspace" } else { "personal" };
        json!({
            "accounts": [{ "id": account_id, "name": "Embedded", "structure": structure }],
            "account_ordering": [account_id],
            "default_account_id": account_id,
        })
    }

    #[cfg(feature = "agent-identity")]
    pub(super) fn add_if_missing(&mut self, account_id: &str) {
        self.accounts.entry(account_id.to_owned()).or_insert_with(|| Account::new(false));
    }

    pub(super) fn issue_access_token(&mut self, account_id: &str, lifetime: Duration) -> SecretString {
        let expires_at = SystemTime::now() + lifetime;
        let account = self.accounts.entry(account_id.to_owned()).or_insert_with(|| Account::new(false));
        let claims = json!({
            "exp": expires_at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            "jti": random(),
            "https://api.openai.com/auth": {
                "chatgpt_account_id": account_id,
                "chatgpt_account_is_fedramp": account.is_fedramp,
                "chatgpt_plan_type": account.plan,
                "chatgpt_user_id": USER,
            },
        });
        let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let token = format!("{}.{}.{}", part(r#"{"alg":"none"}"#), part(&claims.to_string()), part(&random()));
        self.tokens.insert(
            token.clone(),
            Token { account_id: account_id.to_owned(), expires_at: Some(expires_at), revoked: false },
        );
        token.into()
    }

    /// The content of an `auth.json` as the official tool writes it, with an access token of that lifetime.
    pub(super) fn issue_auth_json(&mut self, account_id: &str, lifetime: Duration) -> String {
        let family = fastrand::u64(..);
        let access_token = self.issue_access_token(account_id, lifetime);
        let id_token = self.issue_access_token(account_id, lifetime);
        let auth_json = json!({
            "auth_mode": "chatgpt",
            "OPENAI_API_KEY": null,
            "tokens": {
                "id_token": id_token.expose_secret(),
                "access_token": access_token.expose_secret(),
                "refresh_token": self.issue_refresh_token(account_id, family),
                "account_id": account_id,
            },
            "last_refresh": "2026-01-01T00:00:00Z",
        });
        auth_json.to_string()
    }

    fn issue_refresh_token(&mut self, account_id: &str, family: u64) -> String {
        let token = format!("rt_embedded_{}", random());
        let refresh_token = RefreshToken { account_id: account_id.to_owned(), family, used: false };
        self.refresh_tokens.insert(token.clone(), refresh_token);
        token
    }

    /// `POST /oauth/token`.
    pub(super) fn redeem(&mut self, body: &[u8]) -> Reply {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        if body["grant_type"] != "refresh_token" || body["client_id"].as_str().is_none_or(str::is_empty) {
            return refuse(StatusCode::BAD_REQUEST, "invalid_request", "not a request to redeem a refresh token");
        }
        let token = body["refresh_token"].as_str().and_then(|token| self.refresh_tokens.get_mut(token));
        let Some(token) = token else {
            return refuse(StatusCode::UNAUTHORIZED, "refresh_token_invalidated", "the refresh token is not known");
        };
        let (account_id, family) = (token.account_id.clone(), token.family);
        if std::mem::replace(&mut token.used, true) {
            self.revoked_families.insert(family);
            return refuse(StatusCode::UNAUTHORIZED, "refresh_token_reused", "the refresh token has been used");
        }
        if self.revoked_families.contains(&family) {
            return refuse(StatusCode::UNAUTHORIZED, "refresh_token_invalidated", "the refresh token has been revoked");
        }
        let lifetime = Duration::from_secs(60 * 60);
        let access_token = self.issue_access_token(&account_id, lifetime);
        Reply::json(&json!({
            "access_token": access_token.expose_secret(),
            "refresh_token": self.issue_refresh_token(&account_id, family),
        }))
    }

    pub(super) fn issue_personal_access_token(&mut self, account_id: &str) -> SecretString {
        self.accounts.entry(account_id.to_owned()).or_insert_with(|| Account::new(false));
        let token = format!("at-embedded-{}", random());
        self.tokens
            .insert(token.clone(), Token { account_id: account_id.to_owned(), expires_at: None, revoked: false });
        token.into()
    }

    /// `GET /v1/user-auth-credential/whoami`.
    pub(super) fn whoami(&self, headers: &HeaderMap) -> Reply {
        let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
        let token =
            authorization.and_then(|value| value.strip_prefix("Bearer ")).and_then(|token| self.tokens.get(token));
        match token.filter(|token| token.expires_at.is_none() && !token.revoked) {
            Some(token) => Reply::json(&json!({
                "email": "user@embedded.example",
                "chatgpt_user_id": USER,
                "chatgpt_account_id": token.account_id,
                "chatgpt_plan_type": self.plan(&token.account_id),
                "chatgpt_account_is_fedramp": self.is_fedramp(&token.account_id),
            })),
            None => refuse(StatusCode::UNAUTHORIZED, "invalid_token", "the personal access token is not known"),
        }
    }

    pub(super) fn issue_workload_identity(&mut self, rule_id: &str, account_id: &str) -> String {
        let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let assertion = format!("{}.{}.{}", part(r#"{"alg":"none"}"#), part(&random()), part(&random()));
        let workload = Workload { rule_id: rule_id.to_owned(), account_id: account_id.to_owned() };
        self.workloads.insert(assertion.clone(), workload);
        assertion
    }

    /// `POST /oauth/token` with a form: the identity of a workload against an access token.
    pub(super) fn exchange(&mut self, body: &[u8]) -> Reply {
        let form: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if field("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
            return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", "not an exchange of an identity token");
        }
        let workload =
            self.workloads.get(field("assertion")).filter(|workload| workload.rule_id == field("federation_rule_id"));
        let Some(account_id) = workload.map(|workload| workload.account_id.clone()) else {
            return refuse(StatusCode::BAD_REQUEST, "invalid_grant", "the identity token does not fit the rule");
        };
        let lifetime = Duration::from_secs(60 * 60);
        let access_token = self.issue_access_token(&account_id, lifetime);
        Reply::json(&json!({
            "access_token": access_token.expose_secret(),
            "token_type": "Bearer",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "expires_in": lifetime.as_secs(),
            "scope": "codex",
            "user_id": USER,
            "chatgpt_account_id": account_id,
            "chatgpt_account_user_id": format!("{USER}__{account_id}"),
            "chatgpt_plan_type": self.plan(&account_id),
        }))
    }

    /// `POST /oauth/revoke`: a refresh token takes all with it that came of the same sign-in.
    pub(super) fn revoke_by_request(&mut self, body: &[u8]) -> Reply {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let token = body["token"].as_str().unwrap_or_default();
        match body["token_type_hint"].as_str() {
            Some("refresh_token") if body["client_id"].as_str().is_none_or(str::is_empty) => {
                return refuse(StatusCode::BAD_REQUEST, "invalid_request", "a refresh token is revoked by its client");
            }
            Some("refresh_token") => {
                if let Some(refresh_token) = self.refresh_tokens.get(token) {
                    self.revoked_families.insert(refresh_token.family);
                }
            }
            Some("access_token") => self.revoke(token),
            _ => return refuse(StatusCode::BAD_REQUEST, "invalid_request", "no `token_type_hint`"),
        }
        Reply::json(&json!({}))
    }

    pub(super) fn is_fedramp(&self, account_id: &str) -> bool {
        self.accounts.get(account_id).is_some_and(|account| account.is_fedramp)
    }

    pub(super) fn issue_api_key(&mut self) -> SecretString {
        let key = format!("sk-embedded-{}", random());
        self.api_keys.insert(key.clone());
        key.into()
    }

    pub(super) fn revoke(&mut self, token: &str) {
        if let Some(token) = self.tokens.get_mut(token) {
            token.revoked = true;
        }
    }

    /// The account that the headers of a backend request open, or the answer that refuses them.
    pub(super) fn check_backend(&self, headers: &HeaderMap) -> Result<String, Reply> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let Some(authorization) = text("authorization") else {
            return Err(refuse(StatusCode::UNAUTHORIZED, "missing_authorization", "no `Authorization` header"));
        };
        let token = authorization.strip_prefix("Bearer ").and_then(|token| self.tokens.get(token));
        let Some(token) = token else {
            return Err(refuse(StatusCode::UNAUTHORIZED, "token_invalidated", "the access token is not known"));
        };
        if token.expires_at.is_some_and(|end| end <= SystemTime::now()) {
            return Err(refuse(StatusCode::UNAUTHORIZED, "token_expired", "the access token has expired"));
        }
        if token.revoked {
            return Err(refuse(StatusCode::UNAUTHORIZED, "token_revoked", "the access token has been revoked"));
        }
        if text("chatgpt-account-id").is_some_and(|account_id| account_id != token.account_id) {
            return Err(refuse(StatusCode::FORBIDDEN, "account_mismatch", "the token is for another account"));
        }
        if token.expires_at.is_none() && text("chatgpt-account-id").is_none() {
            return Err(refuse(StatusCode::FORBIDDEN, "account_required", "a personal access token needs the account"));
        }
        self.check_fedramp(&token.account_id, headers).map(|()| token.account_id.clone())
    }

    /// Whether a request to that account carries the FedRAMP header exactly where it belongs.
    pub(super) fn check_fedramp(&self, account_id: &str, headers: &HeaderMap) -> Result<(), Reply> {
        let is_fedramp = self.is_fedramp(account_id);
        match (is_fedramp, headers.get("x-openai-fedramp").and_then(|value| value.to_str().ok())) {
            (true, Some("true")) | (false, None) => Ok(()),
            (true, _) => Err(refuse(StatusCode::FORBIDDEN, "fedramp_required", "a FedRAMP account needs its header")),
            (false, _) => Err(refuse(StatusCode::FORBIDDEN, "not_fedramp", "the account is not a FedRAMP one")),
        }
    }

    /// Whether the headers of an OpenAI API request hold a key, or the answer that refuses them.
    pub(super) fn check_openai(&self, headers: &HeaderMap) -> Result<(), Reply> {
        let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
        match authorization.and_then(|value| value.strip_prefix("Bearer ")) {
            Some(key) if self.api_keys.contains(key) => Ok(()),
            _ => Err(refuse(StatusCode::UNAUTHORIZED, "invalid_api_key", "the API key is not known")),
        }
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("accounts", &self.accounts).finish_non_exhaustive()
    }
}

pub(super) fn refuse(status: StatusCode, code: &str, message: &str) -> Reply {
    Reply::error(status, code, message)
}

/// Not guessable by accident; nothing here is worth more.
pub(super) fn random() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}
