//! The identity of a workload, exchanged for ChatGPT access tokens.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use url::form_urlencoded;

use super::claims::Claims;
use super::fetched::{Fetch, Fetched, Fresh};
use super::service_call::ServiceCall;
use super::{
    AccountFacts, AuthContext, AuthFuture, AuthMode, AuthProvider, AuthRecovery, AuthRefusal, ChatGptTokens,
    CredentialRestrictions,
};
use crate::environment::Environment;
use crate::error::{AuthError, AuthErrorKind, Error, ReauthReason};
use crate::exchange::{Operation, Pace, Retries};
use crate::limits::PlanType;
use crate::mode::CodexBackend;

pub(super) const RULE_VARIABLE: &str = "OPENAI_FEDERATION_RULE_ID";
pub(super) const TOKEN_FILE_VARIABLE: &str = "OPENAI_IDENTITY_TOKEN_FILE";

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ISSUED_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
const TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST_ASSERTION: u64 = 16 << 10;
const LONGEST_LIFETIME: u64 = 3600;
/// From this long before its end, or from half of its life if that is shorter, a token is exchanged anew.
const WINDOW: Duration = Duration::from_secs(120);

pub(crate) static EXCHANGE: Operation = Operation {
    name: "auth.workload_identity",
    method: Method::POST,
    path: "/oauth/token",
    // The identity token is not used up by an exchange.
    retries: Retries::Safe,
    pace: Pace::Bounded,
};

/// The identity of a workload (a CI job, a pod), exchanged for ChatGPT access tokens.
///
/// The platform that runs the workload keeps a signed identity token in a file and replaces it there before it expires. It
/// is read anew for each exchange, and sent to the token service and to nobody else. Access tokens live an hour at the most;
/// new ones are fetched two minutes before they expire (or at half of their lifetime, if that comes first), and when they
/// are refused. While an exchange fails for a reason that may pass, the access token at hand is used until it expires.
///
/// The first exchange decides whose tokens these are; tokens of another account or user are an error from then on.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::auth::WorkloadIdentity;
///
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("token");
/// # std::fs::write(&path, backend.issue_workload_identity("rule-1", "acct-1"))?;
/// let client = backend.client().provider(WorkloadIdentity::new("rule-1", path)?).build()?;
/// client.usage().get().await?;
/// # Ok(()) }
/// ```
#[doc(alias("oidc", "token exchange", "service account"))]
#[derive(Clone)]
pub struct WorkloadIdentity {
    fetched: Arc<Fetched<Federation>>,
}

struct Federation {
    rule_id: String,
    token_file: PathBuf,
    restrictions: CredentialRestrictions,
    subject: OnceLock<Subject>,
}

/// Whose tokens the first exchange gave.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Subject {
    account_id: String,
    account_user_id: String,
    user_id: String,
}

#[derive(Deserialize)]
struct Exchanged {
    access_token: SecretString,
    token_type: String,
    issued_token_type: String,
    #[serde(deserialize_with = "seconds")]
    expires_in: u64,
    user_id: String,
    chatgpt_account_id: String,
    chatgpt_account_user_id: String,
    #[serde(default)]
    chatgpt_plan_type: Option<String>,
}

/// A number in any form: servers also write `3600.0` and `"3600"`.
fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    let lifetime = number.filter(|number: &f64| number.fract() == 0.0);
    let lifetime = lifetime.and_then(|number| Duration::try_from_secs_f64(number).ok());
    lifetime
        .map(|lifetime| lifetime.as_secs())
        .ok_or_else(|| serde::de::Error::custom("`expires_in` is no number of seconds"))
}

impl WorkloadIdentity {
    /// With the federation rule that the workspace's owner has set up, and the file that holds the identity token.
    ///
    /// # Errors
    ///
    /// When the rule is blank, or the path is not absolute. The file is not looked at yet.
    pub fn new(rule_id: impl Into<String>, token_file: impl Into<PathBuf>) -> Result<Self, AuthError> {
        Self::restricted(rule_id, token_file, CredentialRestrictions::default())
    }

    /// As [`new`](Self::new), and tokens that are not allowed are an error.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn restricted(
        rule_id: impl Into<String>,
        token_file: impl Into<PathBuf>,
        restrictions: CredentialRestrictions,
    ) -> Result<Self, AuthError> {
        let (rule_id, token_file) = (rule_id.into().trim().to_owned(), token_file.into());
        if rule_id.is_empty() {
            return Err(incomplete(format!("the federation rule is blank ({RULE_VARIABLE})")));
        }
        if !token_file.is_absolute() {
            return Err(incomplete(format!(
                "the path of the identity token is not absolute: {} ({TOKEN_FILE_VARIABLE})",
                token_file.display()
            )));
        }
        let federation = Federation { rule_id, token_file, restrictions, subject: OnceLock::new() };
        Ok(Self { fetched: Arc::new(Fetched::new(federation)) })
    }

    /// From `OPENAI_FEDERATION_RULE_ID` and `OPENAI_IDENTITY_TOKEN_FILE`. `None` if neither is set.
    ///
    /// # Errors
    ///
    /// When one of them is missing or cannot be used: half a configuration is never skipped.
    pub fn from_environment(environment: &Environment) -> Result<Option<Self>, AuthError> {
        Self::named_by(environment, CredentialRestrictions::default())
    }

    pub(super) fn named_by(
        environment: &Environment,
        restrictions: CredentialRestrictions,
    ) -> Result<Option<Self>, AuthError> {
        let (rule_id, token_file) = (environment.value(RULE_VARIABLE), environment.value(TOKEN_FILE_VARIABLE));
        let missing = |variable, other| incomplete(format!("{variable} is not set, and {other} is: both are needed"));
        match (rule_id, token_file) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(missing(RULE_VARIABLE, TOKEN_FILE_VARIABLE)),
            (Some(_), None) => Err(missing(TOKEN_FILE_VARIABLE, RULE_VARIABLE)),
            (Some(rule_id), Some(token_file)) => {
                let rule_id =
                    rule_id.into_string().map_err(|_| incomplete(format!("{RULE_VARIABLE} is not Unicode")))?;
                Self::restricted(rule_id, token_file, restrictions).map(Some)
            }
        }
    }

    /// Exchanges now, unless that has happened, and tells whose tokens these are.
    pub(super) async fn verified_account(&self, context: &AuthContext) -> Result<Claims, AuthError> {
        self.fetched.headers(context).await?;
        Ok(self.fetched.account().unwrap_or_default())
    }
}

impl Federation {
    async fn exchange(&self, context: &AuthContext) -> Result<Exchanged, AuthError> {
        let assertion = self.assertion().await?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", GRANT_TYPE)
            .append_pair("assertion", assertion.expose_secret())
            .append_pair("federation_rule_id", &self.rule_id)
            .finish();
        let call = ServiceCall::new(&EXCHANGE, context.services.exchange_url.clone(), TIMEOUT)
            .form(form)
            .secret(assertion, "identity token");
        let answer = call.send(&context.exchange).await.map_err(refused)?;
        // Without its source, which keeps the answer: that one is full of tokens.
        answer.json(&EXCHANGE).map_err(|error| unusable(&error.to_string()))
    }

    async fn assertion(&self) -> Result<SecretString, AuthError> {
        let path = self.token_file.display();
        let unreadable = |error: std::io::Error| {
            AuthError::transient(format!("the identity token in {path} cannot be read: {error}")).with_source(error)
        };
        // Looked at before it is opened: to open a pipe is to wait for somebody who writes into it.
        if !tokio::fs::metadata(&self.token_file).await.map_err(unreadable)?.is_file() {
            return Err(AuthError::transient(format!(
                "the identity token in {path} cannot be read: it is no regular file"
            )));
        }
        let file = tokio::fs::File::open(&self.token_file).await.map_err(unreadable)?;
        let mut text = String::new();
        file.take(LONGEST_ASSERTION + 1).read_to_string(&mut text).await.map_err(unreadable)?;
        if text.len() as u64 > LONGEST_ASSERTION {
            return Err(AuthError::permanent(format!("the identity token in {path} is longer than 16 KiB")));
        }
        match text.trim_start_matches('\u{feff}').trim() {
            "" => Err(incomplete(format!("the identity token in {path} is blank"))),
            text => Ok(text.into()),
        }
    }

    /// Whose tokens the answer holds. It must be complete, and still be for the same account and user.
    fn subject_of(&self, exchanged: &Exchanged) -> Result<Subject, AuthError> {
        if !exchanged.token_type.eq_ignore_ascii_case("bearer") {
            return Err(unusable("`token_type` is not `Bearer`"));
        }
        if exchanged.issued_token_type != ISSUED_TOKEN_TYPE {
            return Err(unusable("`issued_token_type` is not that of an access token"));
        }
        if !(1..=LONGEST_LIFETIME).contains(&exchanged.expires_in) {
            return Err(unusable("`expires_in` is not between 1 and 3600"));
        }
        let subject = Subject {
            account_id: exchanged.chatgpt_account_id.clone(),
            account_user_id: exchanged.chatgpt_account_user_id.clone(),
            user_id: exchanged.user_id.clone(),
        };
        if [&subject.account_id, &subject.account_user_id, &subject.user_id].iter().any(|id| id.trim().is_empty()) {
            return Err(unusable("it does not tell the account and the user"));
        }
        let claimed = Claims::of(exchanged.access_token.expose_secret()).and_then(|claims| claims.user_id);
        if claimed.is_some_and(|claimed| claimed != subject.user_id) {
            return Err(mismatch("the access token is for another user than the answer says"));
        }
        self.restrictions.check(AuthMode::ChatGptAuthTokens, Some(&subject.account_id))?;
        if self.subject.get().is_some_and(|first| *first != subject) {
            return Err(mismatch("the tokens are for another account or user than the first ones were"));
        }
        Ok(subject)
    }
}

impl Fetch for Federation {
    fn fetch<'a>(
        &'a self,
        _: Option<&'a Fresh>,
        generation: u64,
        context: &'a AuthContext,
    ) -> BoxFuture<'a, Result<Fresh, AuthError>> {
        Box::pin(async move {
            let exchanged = self.exchange(context).await?;
            let subject = self.subject_of(&exchanged)?;
            let tokens = ChatGptTokens::new(exchanged.access_token).account_id(exchanged.chatgpt_account_id);
            let claims = tokens.checked_account()?;
            let lifetime = Duration::from_secs(exchanged.expires_in);
            let account = Claims {
                user_id: Some(exchanged.user_id),
                plan_type: exchanged.chatgpt_plan_type.map(PlanType::in_any_case).or(claims.plan_type),
                expires_at: context.now().checked_add(lifetime),
                ..claims
            };
            let headers = tokens.headers(generation)?;
            // Only tokens that can be used decide whose they are. One exchange runs at a time.
            let _first = self.subject.set(subject);
            let fetch_again_after = Some(lifetime - WINDOW.min(lifetime / 2));
            Ok(Fresh { headers, account, fetch_again_after, lifetime: Some(lifetime) })
        })
    }
}

impl AuthProvider for WorkloadIdentity {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a> {
        self.fetched.auth_headers(context)
    }

    fn refused<'a>(&'a self, refusal: &'a AuthRefusal, context: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
        AuthFuture::boxed(self.fetched.recover(refusal, context))
    }

    fn account(&self) -> AccountFacts {
        self.fetched.account().unwrap_or_default().into()
    }
}

impl fmt::Debug for WorkloadIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Federation { rule_id, token_file, subject, .. } = self.fetched.source();
        f.debug_struct("WorkloadIdentity")
            .field("rule_id", rule_id)
            .field("token_file", &Path::new(token_file))
            .field("account_id", &subject.get().map(|subject| &subject.account_id))
            .finish_non_exhaustive()
    }
}

fn refused(error: Error) -> AuthError {
    let message = format!("the identity of the workload could not be exchanged: {error}");
    match error.status().map(|status| status.as_u16()) {
        Some(400 | 401 | 403) => AuthError::reauth_because(ReauthReason::NotAccepted, message),
        _ if error.is_retryable() => AuthError::transient(message),
        _ => AuthError::permanent(message),
    }
    .with_source(error)
}

fn unusable(reason: &str) -> AuthError {
    AuthError::permanent(format!("the answer to the exchange of the workload's identity cannot be used: {reason}"))
}

fn incomplete(message: String) -> AuthError {
    AuthError::new(AuthErrorKind::Incomplete, message)
}

fn mismatch(message: &str) -> AuthError {
    AuthError::new(AuthErrorKind::AccountMismatch, message)
}
