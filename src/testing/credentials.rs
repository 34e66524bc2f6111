//! The accounts, the credentials that open them, and the calls by which auth refreshes, exchanges, revokes and verifies
//! credentials.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::asked::Asked;
use super::backend::Backend;
use super::reply::Reply;
use super::route::{Access, Way, routes};
use super::world::{World, random};
use crate::auth::{ApiKey, ChatGptTokens};
use crate::auth::{chatgpt, personal_access_token, sign_out, workload_identity};
use crate::limits::PlanType;

routes! {
    /// A refresh token is exchanged for new tokens.
    REFRESH_TOKEN = Way::open(&chatgpt::refresh::REFRESH, refresh);
    /// The identity token of a workload is exchanged for an access token. Its path is that of
    /// [`REFRESH_TOKEN`](Self::REFRESH_TOKEN), and its body is a form.
    EXCHANGE_IDENTITY = Way::open(&workload_identity::EXCHANGE, exchange).where_meant(is_form);
    /// A refresh token or an access token is revoked.
    REVOKE_TOKEN = Way::open(&sign_out::REVOKE, revoke);
    /// Whose a personal access token is.
    WHOAMI = Way::codex(&personal_access_token::WHOAMI, whoami).access(Access::Open);
}

/// The account that [`Backend::chatgpt_tokens`] signs in to.
const DEFAULT_ACCOUNT: &str = "acct-embedded";
/// The only user there is.
const USER: &str = "user-embedded";
/// Longer than any test.
const LONG: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How long the tokens live that are given by request.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

#[derive(Clone)]
pub(super) struct Accounts {
    accounts: HashMap<String, Account>,
    tokens: HashMap<String, Token>,
    refresh_tokens: HashMap<String, RefreshToken>,
    revoked_families: HashSet<u64>,
    api_keys: HashSet<String>,
    workloads: HashMap<String, Workload>,
}

#[derive(Debug, Clone)]
struct Account {
    is_fedramp: bool,
    plan: String,
}

impl Account {
    fn new(is_fedramp: bool) -> Self {
        Self { is_fedramp, plan: "pro".to_owned() }
    }
}

#[derive(Clone)]
struct Token {
    account_id: String,
    /// `None`: a personal access token, whose requests must name the account.
    expires_at: Option<SystemTime>,
    revoked: bool,
}

/// What an identity token of a workload opens.
#[derive(Clone)]
struct Workload {
    rule_id: String,
    account_id: String,
}

/// A refresh token works once. Whoever brings it again loses all that came of it.
#[derive(Clone)]
struct RefreshToken {
    account_id: String,
    family: u64,
    used: bool,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            accounts: HashMap::from([(DEFAULT_ACCOUNT.to_owned(), Account::new(false))]),
            tokens: HashMap::new(),
            refresh_tokens: HashMap::new(),
            revoked_families: HashSet::new(),
            api_keys: HashSet::new(),
            workloads: HashMap::new(),
        }
    }
}

impl Accounts {
    pub(super) fn plan(&self, account_id: &str) -> PlanType {
        self.accounts.get(account_id).map_or("", |account| account.plan.as_str()).to_owned().into()
    }

    fn account(&mut self, account_id: &str) -> &Account {
        self.accounts.entry(account_id.to_owned()).or_insert_with(|| Account::new(false))
    }

    /// Whether an account, which is added if it does not exist, is a FedRAMP one.
    #[cfg(feature = "agent-identity")]
    pub(super) fn is_fedramp_or_new(&mut self, account_id: &str) -> bool {
        self.account(account_id).is_fedramp
    }

    fn issue_access_token(&mut self, account_id: &str, lifetime: Duration) -> SecretString {
        let expires_at = SystemTime::now() + lifetime;
        let account = self.account(account_id);
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
    fn issue_auth_json(&mut self, account_id: &str, lifetime: Duration) -> String {
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

    fn refresh(&mut self, body: &Value) -> Reply {
        if body["grant_type"] != "refresh_token" || body["client_id"].as_str().is_none_or(str::is_empty) {
            return Reply::invalid("not a request to refresh tokens");
        }
        let token = body["refresh_token"].as_str().and_then(|token| self.refresh_tokens.get_mut(token));
        let Some(token) = token else {
            return Reply::unauthorized("refresh_token_invalidated", "the refresh token is not known");
        };
        let (account_id, family) = (token.account_id.clone(), token.family);
        if std::mem::replace(&mut token.used, true) {
            self.revoked_families.insert(family);
            return Reply::unauthorized("refresh_token_reused", "the refresh token has been used");
        }
        if self.revoked_families.contains(&family) {
            return Reply::unauthorized("refresh_token_invalidated", "the refresh token has been revoked");
        }
        let access_token = self.issue_access_token(&account_id, LIFETIME);
        Reply::json(&json!({
            "access_token": access_token.expose_secret(),
            "refresh_token": self.issue_refresh_token(&account_id, family),
        }))
    }

    fn issue_personal_access_token(&mut self, account_id: &str) -> SecretString {
        self.account(account_id);
        let token = format!("at-embedded-{}", random());
        self.tokens
            .insert(token.clone(), Token { account_id: account_id.to_owned(), expires_at: None, revoked: false });
        token.into()
    }

    fn whoami(&self, authorization: Option<&str>) -> Reply {
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
            None => Reply::unauthorized("invalid_token", "the personal access token is not known"),
        }
    }

    fn issue_workload_identity(&mut self, rule_id: &str, account_id: &str) -> String {
        let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let assertion = format!("{}.{}.{}", part(r#"{"alg":"none"}"#), part(&random()), part(&random()));
        let workload = Workload { rule_id: rule_id.to_owned(), account_id: account_id.to_owned() };
        self.workloads.insert(assertion.clone(), workload);
        assertion
    }

    fn exchange(&mut self, body: &[u8]) -> Reply {
        let form: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if field("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
            return Reply::error(
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "not an exchange of an identity token",
            );
        }
        let workload =
            self.workloads.get(field("assertion")).filter(|workload| workload.rule_id == field("federation_rule_id"));
        let Some(account_id) = workload.map(|workload| workload.account_id.clone()) else {
            return Reply::error(StatusCode::BAD_REQUEST, "invalid_grant", "the identity token does not fit the rule");
        };
        let access_token = self.issue_access_token(&account_id, LIFETIME);
        Reply::json(&json!({
            "access_token": access_token.expose_secret(),
            "token_type": "Bearer",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "expires_in": LIFETIME.as_secs(),
            "scope": "codex",
            "user_id": USER,
            "chatgpt_account_id": account_id,
            "chatgpt_account_user_id": format!("{USER}__{account_id}"),
            "chatgpt_plan_type": self.plan(&account_id),
        }))
    }

    /// A refresh token takes all with it that came of the same sign-in.
    fn revoke_by_request(&mut self, body: &Value) -> Reply {
        let token = body["token"].as_str().unwrap_or_default();
        match body["token_type_hint"].as_str() {
            Some("refresh_token") if body["client_id"].as_str().is_none_or(str::is_empty) => {
                return Reply::invalid("a refresh token is revoked by its client");
            }
            Some("refresh_token") => {
                if let Some(refresh_token) = self.refresh_tokens.get(token) {
                    self.revoked_families.insert(refresh_token.family);
                }
            }
            Some("access_token") => self.revoke(token),
            _ => return Reply::invalid("no `token_type_hint`"),
        }
        Reply::json(&json!({}))
    }

    fn is_fedramp(&self, account_id: &str) -> bool {
        self.accounts.get(account_id).is_some_and(|account| account.is_fedramp)
    }

    fn issue_api_key(&mut self) -> SecretString {
        let key = format!("sk-embedded-{}", random());
        self.api_keys.insert(key.clone());
        key.into()
    }

    fn revoke(&mut self, token: &str) {
        if let Some(token) = self.tokens.get_mut(token) {
            token.revoked = true;
        }
    }

    /// The account that the headers of a backend request open, or the answer that refuses them.
    pub(super) fn check_token(&self, headers: &HeaderMap) -> Result<String, Reply> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let Some(authorization) = text("authorization") else {
            return Err(Reply::unauthorized("missing_authorization", "no `Authorization` header"));
        };
        let token = authorization.strip_prefix("Bearer ").and_then(|token| self.tokens.get(token));
        let Some(token) = token else {
            return Err(Reply::unauthorized("token_invalidated", "the access token is not known"));
        };
        if token.expires_at.is_some_and(|end| end <= SystemTime::now()) {
            return Err(Reply::unauthorized("token_expired", "the access token has expired"));
        }
        if token.revoked {
            return Err(Reply::unauthorized("token_revoked", "the access token has been revoked"));
        }
        if text("chatgpt-account-id").is_some_and(|account_id| account_id != token.account_id) {
            return Err(Reply::forbidden("account_mismatch", "the token is for another account"));
        }
        if token.expires_at.is_none() && text("chatgpt-account-id").is_none() {
            return Err(Reply::forbidden("account_required", "a personal access token needs the account"));
        }
        self.check_fedramp(&token.account_id, headers).map(|()| token.account_id.clone())
    }

    /// Whether a request to that account carries the FedRAMP header exactly where it belongs.
    pub(super) fn check_fedramp(&self, account_id: &str, headers: &HeaderMap) -> Result<(), Reply> {
        let is_fedramp = self.is_fedramp(account_id);
        match (is_fedramp, headers.get("x-openai-fedramp").and_then(|value| value.to_str().ok())) {
            (true, Some("true")) | (false, None) => Ok(()),
            (true, _) => Err(Reply::forbidden("fedramp_required", "a FedRAMP account needs its header")),
            (false, _) => Err(Reply::forbidden("not_fedramp", "the account is not a FedRAMP one")),
        }
    }

    /// Whether the headers of an OpenAI API request hold a key, or the answer that refuses them.
    pub(super) fn check_api_key(&self, headers: &HeaderMap) -> Result<(), Reply> {
        let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
        match authorization.and_then(|value| value.strip_prefix("Bearer ")) {
            Some(key) if self.api_keys.contains(key) => Ok(()),
            _ => Err(Reply::unauthorized("invalid_api_key", "the API key is not known")),
        }
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("accounts", &self.accounts).finish_non_exhaustive()
    }
}

fn refresh(world: &mut World, asked: &Asked<'_>) -> Reply {
    world.of::<Accounts>().refresh(&asked.json())
}

fn exchange(world: &mut World, asked: &Asked<'_>) -> Reply {
    world.of::<Accounts>().exchange(asked.body)
}

fn revoke(world: &mut World, asked: &Asked<'_>) -> Reply {
    world.of::<Accounts>().revoke_by_request(&asked.json())
}

fn whoami(world: &mut World, asked: &Asked<'_>) -> Reply {
    world.of::<Accounts>().whoami(asked.header("authorization"))
}

fn is_form(headers: &HeaderMap) -> bool {
    headers.get("content-type").is_some_and(|value| value == "application/x-www-form-urlencoded")
}

/// Accounts and their credentials.
impl Backend {
    fn add(&self, account_id: impl Into<String>, account: Account) {
        self.world().of::<Accounts>().accounts.insert(account_id.into(), account);
    }

    /// Adds an account.
    pub fn add_account(&self, account_id: impl Into<String>) {
        self.add(account_id, Account::new(false));
    }

    /// Adds a FedRAMP account, whose requests must carry `X-OpenAI-Fedramp: true`.
    pub fn add_fedramp_account(&self, account_id: impl Into<String>) {
        self.add(account_id, Account::new(true));
    }

    /// Adds an account with a plan (`business`, `enterprise`, `free`, …), which its access tokens then tell.
    pub fn add_account_with_plan(&self, account_id: impl Into<String>, plan: &str) {
        self.add(account_id, Account { plan: plan.to_owned(), ..Account::new(false) });
    }

    /// Fresh tokens of the account that the server starts with.
    #[must_use]
    pub fn chatgpt_tokens(&self) -> ChatGptTokens {
        ChatGptTokens::new(self.issue_access_token(DEFAULT_ACCOUNT)).account_id(DEFAULT_ACCOUNT)
    }

    /// An API key of the server's OpenAI API.
    #[must_use]
    pub fn api_key(&self) -> ApiKey {
        ApiKey::new(self.world().of::<Accounts>().issue_api_key())
    }

    /// An access token of an account, with claims as real ones have them. An account that does not exist is added.
    #[must_use]
    pub fn issue_access_token(&self, account_id: &str) -> SecretString {
        self.world().of::<Accounts>().issue_access_token(account_id, LONG)
    }

    /// The content of an `auth.json` as the official tool writes it: ChatGPT tokens of an account, with an access token
    /// that lives this long (zero: it has expired) and a refresh token that works once. An account that does not exist is
    /// added. Using a refresh token again revokes all that came of the first time, as with the real server.
    #[must_use]
    pub fn issue_auth_json(&self, account_id: &str, lifetime: Duration) -> String {
        self.world().of::<Accounts>().issue_auth_json(account_id, lifetime)
    }

    /// A personal access token of an account. An account that does not exist is added.
    #[must_use]
    pub fn issue_personal_access_token(&self, account_id: &str) -> SecretString {
        self.world().of::<Accounts>().issue_personal_access_token(account_id)
    }

    /// An identity token of a workload, as its platform would keep it in a file. By that federation rule it can be
    /// exchanged for access tokens of the account, any number of times.
    #[must_use]
    pub fn issue_workload_identity(&self, rule_id: &str, account_id: &str) -> String {
        self.world().of::<Accounts>().issue_workload_identity(rule_id, account_id)
    }

    /// Refuses a token from now on, with the code `token_revoked`.
    pub fn revoke_access_token(&self, token: &SecretString) {
        self.world().of::<Accounts>().revoke(token.expose_secret());
    }
}
