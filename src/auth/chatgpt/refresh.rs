//! One refresh: lock the store, read it again, adopt what another process saved, else use the refresh token once, and save.

use std::error::Error as _;
use std::time::Duration;

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::document::{Answered, Tokens, with_tokens_of};
use super::expiry::RefreshReason;
use super::progress::RefreshProgress;
use crate::auth::KnownIssuers;
use crate::auth::service_call::ServiceCall;
use crate::auth::store::{CredentialStore, RefreshLease, StoredCredentials, SwapOutcome};
use crate::error::{AuthError, AuthErrorKind, Error, ReauthReason};
use crate::exchange::{Exchange, Operation, Pace, Retries};

/// How long another process may take for its refresh.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(45);
/// How long a store that cannot be written is tried again, with what the server gave in hand, before the pauses become
/// longer, and how often.
const SAVE_PATIENCE: Duration = Duration::from_secs(60);
const SAVE_PAUSE: Duration = Duration::from_millis(250);
/// How often a store that changes all the time is tried again at once.
const SAVES_AT_ONCE: u32 = 16;

pub(crate) static REFRESH: Operation = Operation {
    name: "auth.refresh",
    method: Method::POST,
    path: "/oauth/token",
    // A refresh token works once. When it is not certain that the server did not act, it must not see the token again.
    retries: Retries::IfNotActedOn,
    pace: Pace::Bounded,
};

/// Where tokens are refreshed, and how.
pub(super) struct TokenEndpoint {
    pub(super) url: Url,
    pub(super) issuers: KnownIssuers,
    /// One that outlives the caller's run time.
    pub(super) exchange: Exchange,
    pub(super) timeout: Duration,
}

/// Credentials as a process knows them.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) stored: StoredCredentials,
    /// What the store keeps in place of `stored`, because saving that failed.
    pub(super) in_store: Option<StoredCredentials>,
}

impl Known {
    pub(super) fn saved(stored: StoredCredentials) -> Self {
        Self { stored, in_store: None }
    }

    /// Whether what the store keeps is older than what is known.
    pub(super) fn is_newer_than(&self, in_store: &StoredCredentials) -> bool {
        self.in_store.as_ref() == Some(in_store)
    }
}

/// The tokens that a refresh gave, and where they come from.
pub(super) enum Refreshed {
    /// The token endpoint granted them.
    Granted(Known),
    /// Somebody else was faster, and had saved them.
    Adopted(Known),
}

/// One refresh. Runs on a thread of its own, since the locks block.
pub(super) struct Refresh<'a> {
    pub(super) known: &'a Known,
    pub(super) endpoint: &'a TokenEndpoint,
    pub(super) reason: RefreshReason,
    pub(super) progress: &'a RefreshProgress,
}

impl Refresh<'_> {
    /// Refreshes what is known, under `lease`. `unsaved` is told of tokens that could not be saved at once.
    pub(super) async fn run(
        &self,
        store: &dyn CredentialStore,
        lease: &mut dyn RefreshLease,
        unsaved: impl Fn(&Known, &AuthError),
    ) -> Result<Refreshed, AuthError> {
        let (known, endpoint) = (self.known, self.endpoint);
        let in_store = reload(store)?;
        let stored = if known.is_newer_than(&in_store) { known.stored.clone() } else { in_store.clone() };
        let (before, kept) = (Tokens::of(&known.stored)?, Tokens::of(&stored)?);
        check_account(&before, &kept)?;
        let now = endpoint.exchange.now();
        let is_over = kept.account.expires_at.is_some_and(|end| end <= now);
        // By a clock that is ahead, what another process has been granted just now has expired already.
        if !kept.has_access_token_of(&before) && (!is_over || kept.was_refreshed_just_now(now)) {
            tracing::debug!("another process has refreshed the credentials");
            return Ok(Refreshed::Adopted(Known::saved(stored)));
        }
        let Some(refresh_token) = &kept.refresh_token else {
            return Err(AuthError::reauth(ReauthReason::NoRefreshToken));
        };
        if let Some(issuer) = &kept.issuer {
            endpoint.issuers.check(issuer)?;
        }
        if !self.progress.may_send() {
            return Err(AuthError::transient("the refresh was given up before the refresh token was used"));
        }
        let answered = match self.request_tokens(refresh_token, kept.client_id()).await {
            Ok(answered) => answered,
            Err(error) if error.needs_sign_in() => {
                // A process that does not take our lock may have been faster with the same token.
                let stored = reload(store)?;
                let now_kept = Tokens::of(&stored)?;
                if known.is_newer_than(&stored)
                    || now_kept.has_access_token_of(&kept)
                    || check_account(&before, &now_kept).is_err()
                {
                    return Err(error);
                }
                return Ok(Refreshed::Adopted(Known::saved(stored)));
            }
            Err(error) => return Err(error),
        };
        self.progress.answered();

        // The tokens of another account of the same user are kept: after a switch of workspace, the server may answer with those
        // of the home account, and the document says which account is meant.
        if let (Some(before), Some(answered_user)) = (&before.account.user_id, answered.user_id())
            && *before != answered_user
        {
            return Err(OtherUser::error(answered.put_into(&stored, None, now)));
        }

        let without_access_token = || AuthError::permanent("the token endpoint answered without an access token");
        let saving = Saving { lease, answered: &answered, before: &before, exchange: &endpoint.exchange };
        match (answered.has_access_token(), answered.has_refresh_token()) {
            (false, false) => Err(without_access_token().with_source(NoTokens)),
            // The old refresh token is gone, so this one is kept all the same.
            (false, true) => match saving.save(stored, in_store, |_, _| ()).await? {
                Refreshed::Adopted(known) => Ok(Refreshed::Adopted(known)),
                Refreshed::Granted(_) => Err(without_access_token()),
            },
            (true, _) => saving.save(stored, in_store, unsaved).await,
        }
    }
}

/// What the server gave, on its way into the store.
struct Saving<'a> {
    lease: &'a mut dyn RefreshLease,
    answered: &'a Answered,
    before: &'a Tokens,
    exchange: &'a Exchange,
}

impl Saving<'_> {
    /// Puts what the server gave into the store. It is the only copy there is of a token that works once, so a store that
    /// cannot be written now is tried again for a while; `unsaved` is told meanwhile.
    async fn save(
        self,
        mut base: StoredCredentials,
        mut in_store: StoredCredentials,
        unsaved: impl Fn(&Known, &AuthError),
    ) -> Result<Refreshed, AuthError> {
        let Self { lease, answered, before, exchange } = self;
        let clock = exchange.clock();
        let give_up = clock.monotonic() + SAVE_PATIENCE;
        let used = Tokens::of(&base)?;
        let now = exchange.now();
        let mut changes = 0;
        loop {
            let fresh = answered.put_into(&base, before.account.account_id.as_deref(), now);
            let tokens = Tokens::of(&fresh)?;
            // An account that was not known before may come to light; that is no reason to lose the tokens.
            if before.account.account_id.is_some() {
                check_account(before, &tokens)?;
            }
            match lease.save(&in_store, &fresh) {
                Ok(SwapOutcome::Done) => return Ok(Refreshed::Granted(Known::saved(fresh))),
                Ok(SwapOutcome::Changed(Some(meanwhile))) if clock.monotonic() < give_up => {
                    let theirs = Tokens::of(&meanwhile)?;
                    check_account(before, &theirs)?;
                    if !theirs.has_refresh_token_of(&used) {
                        // A new sign-in, or the same refresh by another program: what it saved is the newest.
                        return Ok(Refreshed::Adopted(Known::saved(meanwhile)));
                    }
                    // Something beside the tokens has changed; ours still are the newest tokens.
                    (base, in_store) = (meanwhile.clone(), meanwhile);
                    changes += 1;
                    if changes >= SAVES_AT_ONCE {
                        let known = Known { stored: fresh, in_store: Some(in_store.clone()) };
                        unsaved(&known, &AuthError::transient("the store changes all the time"));
                        std::thread::sleep(SAVE_PAUSE);
                    }
                }
                Ok(SwapOutcome::Changed(Some(meanwhile))) => {
                    tracing::error!("refreshed credentials could not be saved yet: the store changes all the time");
                    return Ok(Refreshed::Granted(Known { stored: fresh, in_store: Some(meanwhile) }));
                }
                Ok(SwapOutcome::Changed(None)) => {
                    return Err(AuthError::reauth(ReauthReason::Removed));
                }
                Err(error) => {
                    let known = Known { stored: fresh, in_store: Some(in_store.clone()) };
                    tracing::warn!(%error, "refreshed credentials could not be saved yet");
                    unsaved(&known, &error.into());
                    if clock.monotonic() >= give_up {
                        return Ok(Refreshed::Granted(known));
                    }
                    std::thread::sleep(SAVE_PAUSE);
                }
            }
        }
    }
}

/// What came of one more try to save tokens that could not be saved.
pub(super) enum SavedLater {
    Saved(Known),
    /// Somebody else has saved newer ones.
    Adopted(Known),
    /// They have been removed, as by a sign-out: there is nothing to be saved any more.
    Removed,
    /// Something beside the tokens has changed, so this is what is to be saved now.
    Rebased(Known),
    Failed(AuthError),
}

/// Tries once more to save tokens that could not be saved. `in_store` is what the store was seen to keep instead.
pub(super) fn save_later(
    lease: &mut dyn RefreshLease,
    fresh: &StoredCredentials,
    in_store: &StoredCredentials,
) -> Result<SavedLater, AuthError> {
    Ok(match lease.save(in_store, fresh) {
        Ok(SwapOutcome::Done) => SavedLater::Saved(Known::saved(fresh.clone())),
        Ok(SwapOutcome::Changed(None)) => SavedLater::Removed,
        Ok(SwapOutcome::Changed(Some(meanwhile))) => {
            let (ours, used, theirs) = (Tokens::of(fresh)?, Tokens::of(in_store)?, Tokens::of(&meanwhile)?);
            check_account(&ours, &theirs)?;
            if theirs.has_refresh_token_of(&ours) {
                SavedLater::Saved(Known::saved(meanwhile))
            } else if theirs.has_refresh_token_of(&used) {
                SavedLater::Rebased(Known { stored: with_tokens_of(&meanwhile, fresh), in_store: Some(meanwhile) })
            } else {
                SavedLater::Adopted(Known::saved(meanwhile))
            }
        }
        Err(error) => SavedLater::Failed(error.into()),
    })
}

fn reload(store: &dyn CredentialStore) -> Result<StoredCredentials, AuthError> {
    store.load()?.ok_or_else(|| AuthError::reauth(ReauthReason::Removed))
}

/// Tokens of two accounts, or of two users of one account, are never mixed.
pub(in crate::auth) fn check_account(before: &Tokens, after: &Tokens) -> Result<(), AuthError> {
    let other_user =
        matches!((&before.account.user_id, &after.account.user_id), (Some(before), Some(after)) if before != after);
    if before.account.account_id == after.account.account_id && !other_user {
        return Ok(());
    }
    Err(AuthError::new(
        AuthErrorKind::AccountMismatch,
        "the store now holds the credentials of another account or user than this session was opened with",
    ))
}

impl Refresh<'_> {
    async fn request_tokens(&self, refresh_token: &SecretString, client_id: &str) -> Result<Answered, AuthError> {
        let body = serde_json::json!({
            "client_id": client_id,
            "grant_type": "refresh_token",
            "refresh_reason": self.reason.as_str(),
            "refresh_token": refresh_token.expose_secret(),
        });
        let call = ServiceCall::new(&REFRESH, self.endpoint.url.clone(), self.endpoint.timeout)
            .json(&body)
            .secret(refresh_token.clone(), "refresh token");
        let answer = call.send(&self.endpoint.exchange).await;
        // Without its source, which keeps the answer: that one is full of tokens.
        let unreadable =
            |error: Error| AuthError::transient(format!("the credentials could not be refreshed: {error}"));
        answer.map_err(refused)?.json(&REFRESH).map_err(unreadable)
    }
}

/// Whether the refresh token is dead, or the failure may pass.
fn refused(error: Error) -> AuthError {
    let codes = codes_in(&error);
    let says = |code: &str| codes.iter().any(|said| said.eq_ignore_ascii_case(code));
    let reason = if says("refresh_token_expired") || says("app_session_expired") {
        ReauthReason::Expired
    } else if says("refresh_token_reused") {
        ReauthReason::Reused
    } else if says("refresh_token_invalidated") {
        ReauthReason::Revoked
    } else if says("invalid_grant") {
        ReauthReason::NotAccepted
    } else if says("invalid_client") {
        let message = "the token endpoint does not know this client id, or not at this place. The credentials are kept";
        return AuthError::permanent(message).with_source(error);
    } else if error.status().is_some_and(|status| status.as_u16() == 401) {
        ReauthReason::NotAccepted
    } else {
        return AuthError::transient(format!("the credentials could not be refreshed: {error}")).with_source(error);
    };
    AuthError::reauth(reason).with_source(error)
}

/// What is said in `error.code`, `error` and `code`: servers differ in where the code is that matters.
fn codes_in(error: &Error) -> Vec<String> {
    let body: Value = error.body().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
    let places = [&body["error"]["code"], &body["error"], &body["code"]];
    let said = places.into_iter().filter_map(Value::as_str).chain(error.code());
    said.map(|code| code.trim().to_owned()).collect()
}

/// Whether the refresh token has been used up, or will never do, so that it must not be sent again.
pub(super) fn is_final(error: &AuthError) -> bool {
    let source = error.source();
    error.needs_sign_in() || source.is_some_and(|source| source.is::<OtherUser>() || source.is::<NoTokens>())
}

/// There was nothing in the answer, and the refresh token may have been used up.
#[derive(Debug, thiserror::Error)]
#[error("neither an access token nor a refresh token was in the answer")]
struct NoTokens;

/// The tokens of another user than those that were refreshed.
#[derive(Debug, thiserror::Error)]
#[error("nothing of them has been saved: `AuthError::into_credentials()` has them")]
struct OtherUser {
    credentials: StoredCredentials,
}

impl OtherUser {
    fn error(credentials: StoredCredentials) -> AuthError {
        let message = "the token endpoint answered with the tokens of another user. They have not been saved anywhere";
        AuthError::new(AuthErrorKind::AccountMismatch, message).with_source(Self { credentials })
    }
}

impl AuthError {
    /// The credentials that a refresh gave and that are not saved anywhere, since they are another user's: for the application
    /// to keep, in a store of that user. `None` for every other error.
    #[must_use]
    pub fn into_credentials(self) -> Option<StoredCredentials> {
        self.source()?.downcast_ref::<OtherUser>().map(|other| other.credentials.clone())
    }
}
