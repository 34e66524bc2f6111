//! What `auth.json` says about ChatGPT tokens, and how refreshed ones are put into it.

use std::time::SystemTime;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::expiry::TOO_YOUNG_TO_REFRESH;
use crate::auth::claims::Claims;
use crate::auth::store::StoredCredentials;
use crate::auth::{AuthHeaders, AuthMode};
use crate::error::{AuthError, AuthErrorKind};
use crate::exchange::tellable;

/// The client id of the ChatGPT sign-in, which refresh tokens are bound to.
const CLIENT_ID: &str = "app_EMoamEEZ73f0CkXaXp7hrann";

/// The tokens of one account, as they were read from a store or came from a refresh.
#[derive(Clone)]
pub(in crate::auth) struct Tokens {
    pub(in crate::auth) access_token: SecretString,
    pub(in crate::auth) refresh_token: Option<SecretString>,
    pub(super) last_refresh: Option<SystemTime>,
    /// Whose client the refresh token is bound to, and who issued it, where the document tells.
    client_id: Option<String>,
    pub(in crate::auth) issuer: Option<String>,
    /// What the document and the tokens' claims say. The end is that of the access token.
    pub(in crate::auth) account: Claims,
}

impl Tokens {
    /// The ChatGPT tokens among stored credentials.
    pub(in crate::auth) fn of(stored: &StoredCredentials) -> Result<Self, AuthError> {
        let mode = stored.mode()?;
        if mode != AuthMode::ChatGpt {
            return Err(AuthError::new(
                AuthErrorKind::Incomplete,
                format!("the stored credentials are of the kind `{mode}`, not `chatgpt`"),
            ));
        }
        Self::kept_in(stored)
    }

    /// The tokens there are, whoever refreshes them.
    pub(in crate::auth) fn kept_in(stored: &StoredCredentials) -> Result<Self, AuthError> {
        let tokens = stored.document.get("tokens").and_then(Value::as_object);
        let tokens = tokens.ok_or_else(|| incomplete("tokens"))?;
        let text = |name: &str| tokens.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
        let access_token = text("access_token").ok_or_else(|| incomplete("tokens.access_token"))?;
        let from_access = Claims::of(access_token).unwrap_or_default();
        let from_id = match tokens.get("id_token") {
            Some(Value::String(id_token)) => Claims::of(id_token).unwrap_or_default(),
            // The official tool's first version kept what it had read in the token.
            Some(read @ Value::Object(_)) => Claims::already_read(read),
            _ => Claims::default(),
        };
        let last_refresh = stored
            .document
            .get("last_refresh")
            .and_then(Value::as_str)
            .and_then(|text| humantime::parse_rfc3339(text).ok());
        let account = Claims {
            account_id: text("account_id").map(str::to_owned).or(from_access.account_id).or(from_id.account_id),
            user_id: from_access.user_id.or(from_id.user_id),
            email: from_id.email.or(from_access.email),
            plan_type: from_id.plan_type.or(from_access.plan_type),
            is_fedramp: from_id.is_fedramp || from_access.is_fedramp,
            residency: from_access.residency.or(from_id.residency),
            expires_at: from_access.expires_at,
        };
        let refresh_token = text("refresh_token").map(SecretString::from);
        let provenance = |name: &str| {
            let value = tokens.get("oauth_provenance")?.get(name)?.as_str()?.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        let (client_id, issuer) = (provenance("client_id"), provenance("issuer"));
        Ok(Self { access_token: access_token.into(), refresh_token, last_refresh, client_id, issuer, account })
    }

    pub(in crate::auth) fn headers(&self, generation: u64) -> Result<AuthHeaders, AuthError> {
        self.account.headers(&self.access_token, generation)
    }

    /// The client whose refresh token it is.
    pub(in crate::auth) fn client_id(&self) -> &str {
        self.client_id.as_deref().unwrap_or(CLIENT_ID)
    }

    /// By the clock of this machine, on which another process has saved them.
    pub(super) fn was_refreshed_just_now(&self, now: SystemTime) -> bool {
        let Some(last) = self.last_refresh else { return false };
        let apart = now.duration_since(last).unwrap_or_else(|earlier| earlier.duration());
        apart < TOO_YOUNG_TO_REFRESH
    }

    pub(super) fn has_access_token_of(&self, other: &Self) -> bool {
        self.access_token.expose_secret() == other.access_token.expose_secret()
    }

    pub(super) fn has_refresh_token_of(&self, other: &Self) -> bool {
        let text = |tokens: &Self| tokens.refresh_token.as_ref().map(|token| token.expose_secret().to_owned());
        text(self) == text(other)
    }
}

/// `stored` with the tokens that `fresh` holds, and everything else as it is.
pub(super) fn with_tokens_of(stored: &StoredCredentials, fresh: &StoredCredentials) -> StoredCredentials {
    let mut document = stored.document.clone();
    if let (Some(tokens), Some(new)) = (
        document.get_mut("tokens").and_then(Value::as_object_mut),
        fresh.document.get("tokens").and_then(Value::as_object),
    ) {
        for name in ["id_token", "access_token", "refresh_token"] {
            if let Some(value) = new.get(name) {
                tokens.insert(name.to_owned(), value.clone());
            }
        }
    }
    if let Some(last_refresh) = fresh.document.get("last_refresh") {
        document.insert("last_refresh".to_owned(), last_refresh.clone());
    }
    stored.with_document(document)
}

fn incomplete(member: &str) -> AuthError {
    AuthError::new(AuthErrorKind::Incomplete, format!("the stored credentials have no `{member}`"))
}

/// What the token endpoint answers. Members that are absent keep their old values.
#[derive(Deserialize)]
pub(super) struct Answered {
    id_token: Option<SecretString>,
    access_token: Option<SecretString>,
    refresh_token: Option<SecretString>,
}

impl Answered {
    /// The user that the new tokens say they are for.
    pub(super) fn user_id(&self) -> Option<String> {
        let claimed = |token: &Option<SecretString>| Claims::of(token.as_ref()?.expose_secret())?.user_id;
        claimed(&self.access_token).or_else(|| claimed(&self.id_token))
    }

    /// The document with the new tokens in it, and everything else as it was. New tokens may not tell the account any more,
    /// so it is kept where it was not.
    pub(super) fn put_into(
        &self,
        stored: &StoredCredentials,
        account_id: Option<&str>,
        now: SystemTime,
    ) -> StoredCredentials {
        let mut document = stored.document.clone();
        let tokens = document.entry("tokens").or_insert_with(|| Value::Object(Map::new()));
        // The official tool refuses a file whose id token it cannot read.
        let id_token = filled(&self.id_token).filter(|token| Claims::of(token).is_some());
        for (name, value) in [
            ("id_token", id_token),
            ("access_token", filled(&self.access_token)),
            ("refresh_token", filled(&self.refresh_token)),
        ] {
            if let (Some(value), Some(tokens)) = (value, tokens.as_object_mut()) {
                tokens.insert(name.to_owned(), Value::from(value));
            }
        }
        if let (Some(account_id), Some(tokens)) = (account_id, tokens.as_object_mut())
            && tokens.get("account_id").and_then(Value::as_str).is_none_or(str::is_empty)
        {
            tokens.insert("account_id".to_owned(), Value::from(account_id));
        }
        // A clock that is wrong is no reason to lose tokens.
        if let Some(now) = tellable(now).filter(|_| self.has_access_token()) {
            let now = humantime::format_rfc3339_micros(now).to_string();
            document.insert("last_refresh".to_owned(), Value::from(now));
        }
        stored.with_document(document)
    }

    pub(super) fn has_access_token(&self) -> bool {
        filled(&self.access_token).is_some()
    }

    pub(super) fn has_refresh_token(&self) -> bool {
        filled(&self.refresh_token).is_some()
    }
}

fn filled(token: &Option<SecretString>) -> Option<&str> {
    token.as_ref().map(ExposeSecret::expose_secret).filter(|token| !token.is_empty())
}
