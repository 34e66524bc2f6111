//! The two calls that register: an agent (`POST /v1/agent/register`), and a task of an agent.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use http::header::HeaderName;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::provider::skew_to;
use super::{AgentIdentity, AgentKey, check_characters, check_id, timestamp};
use crate::auth::AuthContext;
use crate::auth::claims::Claims;
use crate::auth::service_call::ServiceCall;
use crate::auth::services::below;
use crate::error::{AgentIdentityError, AuthError, AuthErrorKind, ClockSkew, Error, ErrorKind};
use crate::exchange::{Answer, Operation, Pace, Retries, RetryPolicy};

/// How often a registration is sent at the most.
const MOST_ATTEMPTS: u32 = 3;
const AGENT_TIME_LIMIT: Duration = Duration::from_secs(15);
const TASK_TIME_LIMIT: Duration = Duration::from_secs(30);
/// An answer is no longer than this.
const LONGEST_ANSWER: usize = 64 << 10;
/// Of what a server says to a refusal, this much is shown.
const SHOWN: usize = 512;

static REGISTER_AGENT: Operation = Operation {
    name: "auth.register_agent",
    method: Method::POST,
    path: "/v1/agent/register",
    // Each attempt is a call of its own.
    retries: Retries::IfNotActedOn,
    pace: Pace::Bounded,
};

static REGISTER_TASK: Operation = Operation {
    name: "auth.register_task",
    method: Method::POST,
    path: "/v1/agent/{agent_runtime_id}/task/register",
    retries: Retries::IfNotActedOn,
    pace: Pace::Bounded,
};

/// What a new agent says about the program it runs in. Sent once, with its registration.
///
/// ```
/// use codex_backend::auth::AgentDescription;
///
/// let description = AgentDescription::new("report-bot", "1.4.0").session_source("exec");
/// # let _ = description;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentDescription {
    harness_id: String,
    version: String,
    session_source: String,
}

impl AgentDescription {
    /// The program that the agent runs in, and its version. (The official tool says `codex-cli`, in its editor extension
    /// `codex-app`.)
    #[must_use]
    pub fn new(harness_id: impl Into<String>, version: impl Into<String>) -> Self {
        Self { harness_id: harness_id.into(), version: version.into(), session_source: "unknown".to_owned() }
    }

    /// What starts its sessions: `cli`, `exec`, `vscode`, `mcp`, or a word of your own. Default `unknown`. Together with
    /// the operating system it makes the running location, such as `cli-linux`.
    #[must_use]
    pub fn session_source(mut self, source: impl Into<String>) -> Self {
        self.session_source = source.into();
        self
    }

    fn abom(&self) -> Value {
        json!({
            "agent_version": self.version,
            "agent_harness_id": self.harness_id,
            "running_location": format!("{}-{}", self.session_source, std::env::consts::OS),
        })
    }
}

/// Registers a new agent for the account that an access token is for.
pub(super) async fn register_agent(
    key: AgentKey,
    access_token: &SecretString,
    account: Claims,
    description: &AgentDescription,
    context: &AuthContext,
) -> Result<AgentIdentity, AuthError> {
    let incomplete =
        |what| AuthError::new(AuthErrorKind::Incomplete, format!("the ChatGPT tokens do not tell their {what}"));
    account.account_id.as_deref().ok_or_else(|| incomplete("account"))?;
    account.user_id.as_deref().ok_or_else(|| incomplete("user"))?;
    let url = service(context, REGISTER_AGENT.path)?;
    let body = json!({
        "abom": description.abom(),
        "agent_public_key": key.ssh_public_key(),
        "capabilities": ["responsesapi"],
        "ttl": null,
    });
    let call = || {
        let mut call = ServiceCall::new(&REGISTER_AGENT, url.clone(), AGENT_TIME_LIMIT)
            .bearer(access_token, "ChatGPT access token")?
            .json(&body);
        if account.is_fedramp {
            call = call.header(HeaderName::from_static("x-openai-fedramp"), "true");
        }
        Ok(call)
    };
    let answer = send(&REGISTER_AGENT, call, None, context).await?;
    let registered: RegisteredAs = read(&REGISTER_AGENT, &answer)?;
    check_id("agent_runtime_id", &registered.agent_runtime_id)?;
    AgentIdentity::of_account(registered.agent_runtime_id, key, Claims { expires_at: None, ..account }, None)
}

#[derive(Deserialize)]
struct RegisteredAs {
    #[serde(alias = "agentRuntimeId")]
    agent_runtime_id: String,
}

/// Registers a task, and gives its id.
pub(super) async fn register_task(identity: &AgentIdentity, context: &AuthContext) -> Result<SecretString, AuthError> {
    let url = service(context, &format!("/v1/agent/{}/task/register", identity.inner.segment))?;
    let call = || {
        let timestamp = timestamp(identity.now(context)?);
        let signature = identity.inner.key.sign(&format!("{}:{timestamp}", identity.agent_runtime_id()));
        let body = json!({ "timestamp": timestamp, "signature": signature });
        let call = ServiceCall::new(&REGISTER_TASK, url.clone(), TASK_TIME_LIMIT);
        Ok(call.json(&body).secret(signature.into(), "agent signature"))
    };
    let answer = send(&REGISTER_TASK, call, Some(identity), context).await?;
    let task_id = read::<TaskAnswer>(&REGISTER_TASK, &answer)?.task_id(&identity.inner.key)?;
    check_characters("task_id", task_id.expose_secret())?;
    tracing::debug!(agent_runtime_id = identity.agent_runtime_id(), "registered a task");
    Ok(task_id)
}

fn service(context: &AuthContext, path: &str) -> Result<Url, AuthError> {
    match &context.services.agents.url {
        Some(base) => Ok(below(base, path)),
        None => Err(AgentIdentityError::UnsupportedEnvironment { base_url: context.base_url().to_owned() }.into()),
    }
}

/// Sends a registration, anew after a failure that may pass, without a wait. `signer` is who signs it.
async fn send(
    operation: &'static Operation,
    call: impl Fn() -> Result<ServiceCall, AuthError>,
    signer: Option<&AgentIdentity>,
    context: &AuthContext,
) -> Result<Answer, AuthError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let sent = call()?.retry(RetryPolicy::never()).send(&context.exchange).await;
        let error = match sent {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let is_passing = match error.status() {
            Some(status) => status.as_u16() == 429 || status.is_server_error(),
            None => matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Connect | ErrorKind::Interrupted),
        };
        let refused_at = error.server_date().filter(|_| error.kind() == ErrorKind::Unauthorized);
        let skewed =
            signer.zip(refused_at).and_then(|(signer, date)| Some((signer, date, skew_to(date, signer, context)?)));
        // With the server's time, an agent whose clock is wrong gets another chance.
        let is_mended = skewed.is_some_and(|(signer, date, _)| signer.adopt(date, context));
        if attempts < MOST_ATTEMPTS && (is_passing || is_mended) {
            tracing::debug!(operation = operation.name, attempts, %error, "will be registered again");
            continue;
        }
        return Err(failure(operation.name, attempts, skewed.map(|(_, _, skew)| skew), error));
    }
}

fn failure(operation: &'static str, attempts: u32, skew: Option<ClockSkew>, error: Error) -> AuthError {
    let failure = match error.status() {
        Some(status) if !status.is_success() => AgentIdentityError::RegistrationStatus {
            operation,
            attempts,
            status: status.as_u16(),
            body: shown(error.body().unwrap_or_default()),
            skew,
            source: error,
        },
        _ => AgentIdentityError::RegistrationTransport { operation, attempts, source: error },
    };
    failure.into()
}

/// A body of more than 512 bytes is cut to 512 characters, and says so.
fn shown(body: &str) -> String {
    if body.len() <= SHOWN {
        return body.to_owned();
    }
    body.chars().take(SHOWN).chain("...".chars()).collect()
}

/// The error about an answer keeps none of it: it may hold what was sealed.
fn read<'a, T: Deserialize<'a>>(operation: &'static Operation, answer: &'a Answer) -> Result<T, AuthError> {
    let unreadable =
        |reason| AuthError::from(AgentIdentityError::RegistrationAnswer { operation: operation.name, reason });
    if answer.body.len() > LONGEST_ANSWER {
        return Err(unreadable("it is longer than 64 KiB".to_owned()));
    }
    serde_json::from_slice(&answer.body).map_err(|error| {
        unreadable(format!(
            "it is no JSON object with the expected members (line {}, column {})",
            error.line(),
            error.column()
        ))
    })
}

/// The task id, under one of its four names. An empty one counts as there.
#[derive(Deserialize)]
struct TaskAnswer {
    task_id: Option<SecretString>,
    #[serde(rename = "taskId")]
    task_id_in_camel_case: Option<SecretString>,
    encrypted_task_id: Option<SecretString>,
    #[serde(rename = "encryptedTaskId")]
    encrypted_task_id_in_camel_case: Option<SecretString>,
}

impl TaskAnswer {
    fn task_id(self, key: &AgentKey) -> Result<SecretString, AgentIdentityError> {
        if let Some(task_id) = self.task_id.or(self.task_id_in_camel_case) {
            return Ok(task_id);
        }
        let sealed = self.encrypted_task_id.or(self.encrypted_task_id_in_camel_case);
        let sealed = sealed.ok_or(AgentIdentityError::TaskIdOmitted)?;
        let sealed = BASE64_STANDARD.decode(sealed.expose_secret());
        let sealed = sealed.map_err(|_| AgentIdentityError::SealedTaskIdBase64)?;
        let opened = key.open(&sealed).ok_or(AgentIdentityError::SealedTaskIdNotOpened)?;
        let task_id = std::str::from_utf8(&opened).map_err(|_| AgentIdentityError::SealedTaskIdUtf8)?;
        Ok(task_id.into())
    }
}
