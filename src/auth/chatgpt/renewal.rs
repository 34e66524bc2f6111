//! One renewal: lock, read again, adopt what another process saved, else redeem the refresh token once, save, publish.

use std::time::{Duration, Instant};

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::document::{Answered, Tokens};
use crate::auth::service_call::ServiceCall;
use crate::auth::store::{CredentialStore, RefreshLease, StoredCredentials, SwapOutcome};
use crate::error::{AuthError, AuthErrorKind, Error, ReauthReason};
use crate::exchange::{Exchange, Operation, Pace, Retries};

/// The client id of the ChatGPT sign-in, which refresh tokens are bound to.
pub(in crate::auth) const CLIENT_ID: &str = "app_EMoamEEZ73f0CkXaXp7hrann";
/// How long another process may take for its renewal.
const LOCK_PATIENCE: Duration = Duration::from_secs(45);
/// How long a store that cannot be written is tried again, with what the server gave in hand, and how often.
const SAVE_PATIENCE: Duration = Duration::from_secs(60);
const SAVE_PAUSE: Duration = Duration::from_millis(250);
/// How often a store that changes all the time is tried again at once.
const SAVES_AT_ONCE: u32 = 16;

static REDEEM: Operation = Operation {
    name: "auth.refresh",
    method: Method::POST,
    path: "/oauth/token",
    // A refresh token works once. When it is not certain that the server did not act, it must not see the token again.
    retries: Retries::IfNotActedOn,
    pace: Pace::Bounded,
};

/// Where refresh tokens are redeemed, and how.
pub(super) struct TokenEndpoint {
    pub(super) url: Url,
    /// One that outlives the caller's run time.
    pub(super) exchange: Exchange,
    pub(super) time_limit: Duration,
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

/// How a renewal came to other tokens.
pub(super) enum Renewed {
    /// The refresh token was redeemed here.
    Redeemed(Known),
    /// Somebody else was faster, and had saved them.
    Adopted(Known),
}

/// Renews what `known` holds. Runs on a thread of its own, since the locks block.
pub(super) async fn renew(
    store: &dyn CredentialStore,
    known: &Known,
    endpoint: &TokenEndpoint,
    unsaved: impl Fn(&Known),
) -> Result<Renewed, AuthError> {
    let mut renewal = store.begin_refresh(LOCK_PATIENCE)?;
    let in_store = reload(store)?;
    let stored = if known.is_newer_than(&in_store) { known.stored.clone() } else { in_store.clone() };
    let (before, kept) = (Tokens::of(&known.stored)?, Tokens::of(&stored)?);
    check_account(&before, &kept)?;
    let is_over = kept.account.expires_at.is_some_and(|end| end <= endpoint.exchange.now());
    if !kept.has_access_token_of(&before) && !is_over {
        tracing::debug!("another process has renewed the credentials");
        return Ok(Renewed::Adopted(Known::saved(stored)));
    }
    let Some(refresh_token) = &kept.refresh_token else {
        return Err(AuthError::reauth(ReauthReason::NoRefreshToken));
    };
    let answered = match redeem(refresh_token, endpoint).await {
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
            return Ok(Renewed::Adopted(Known::saved(stored)));
        }
        Err(error) => return Err(error),
    };

    if let (Some(before), Some(answered)) = (&before.account.account_id, answered.account_id())
        && *before != answered
    {
        return Err(AuthError::new(
            AuthErrorKind::AccountMismatch,
            "the token endpoint answered with the tokens of another account",
        ));
    }

    let without_access_token = || AuthError::permanent("the token endpoint answered without an access token");
    match (answered.has_access_token(), answered.has_refresh_token()) {
        (false, false) => Err(without_access_token()),
        // The old refresh token is gone, so this one is kept all the same.
        (false, true) => {
            match save(&mut *renewal, &answered, &before, stored, in_store, &endpoint.exchange, |_| ()).await? {
                Renewed::Adopted(known) => Ok(Renewed::Adopted(known)),
                Renewed::Redeemed(_) => Err(without_access_token()),
            }
        }
        (true, _) => save(&mut *renewal, &answered, &before, stored, in_store, &endpoint.exchange, unsaved).await,
    }
}

/// Puts what the server gave into the store. It is the only copy there is of a token that works once, so a store that
/// cannot be written now is tried again for a while; `unsaved` is told meanwhile.
async fn save(
    renewal: &mut dyn RefreshLease,
    answered: &Answered,
    before: &Tokens,
    mut base: StoredCredentials,
    mut in_store: StoredCredentials,
    exchange: &Exchange,
    unsaved: impl Fn(&Known),
) -> Result<Renewed, AuthError> {
    let give_up = Instant::now() + SAVE_PATIENCE;
    let redeemed = Tokens::of(&base)?;
    let now = exchange.now();
    let mut changes = 0;
    loop {
        let fresh = answered.put_into(&base, before.account.account_id.as_deref(), now);
        let tokens = Tokens::of(&fresh)?;
        // An account that was not known before may come to light; that is no reason to lose the tokens.
        if before.account.account_id.is_some() {
            check_account(before, &tokens)?;
        }
        match renewal.save(&in_store, &fresh) {
            Ok(SwapOutcome::Done) => return Ok(Renewed::Redeemed(Known::saved(fresh))),
            Ok(SwapOutcome::Changed(Some(meanwhile))) if Instant::now() < give_up => {
                let theirs = Tokens::of(&meanwhile)?;
                check_account(before, &theirs)?;
                if !theirs.has_refresh_token_of(&redeemed) {
                    // A new sign-in, or the same renewal by another program: what it saved is the newest.
                    return Ok(Renewed::Adopted(Known::saved(meanwhile)));
                }
                // Something beside the tokens has changed; ours still are the newest tokens.
                (base, in_store) = (meanwhile.clone(), meanwhile);
                changes += 1;
                if changes >= SAVES_AT_ONCE {
                    unsaved(&Known { stored: fresh, in_store: Some(in_store.clone()) });
                    std::thread::sleep(SAVE_PAUSE);
                }
            }
            Ok(SwapOutcome::Changed(Some(meanwhile))) => {
                tracing::error!("renewed credentials could not be saved: the store changes all the time");
                return Ok(Renewed::Redeemed(Known { stored: fresh, in_store: Some(meanwhile) }));
            }
            Ok(SwapOutcome::Changed(None)) => {
                return Err(AuthError::reauth(ReauthReason::Removed));
            }
            Err(error) => {
                let known = Known { stored: fresh, in_store: Some(in_store.clone()) };
                if Instant::now() >= give_up {
                    tracing::error!(%error, "renewed credentials could not be saved; they live as long as this process");
                    return Ok(Renewed::Redeemed(known));
                }
                tracing::warn!(%error, "renewed credentials could not be saved yet");
                unsaved(&known);
                std::thread::sleep(SAVE_PAUSE);
            }
        }
    }
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

async fn redeem(refresh_token: &SecretString, endpoint: &TokenEndpoint) -> Result<Answered, AuthError> {
    let body = serde_json::json!({
        "client_id": CLIENT_ID,
        "grant_type": "refresh_token",
        "refresh_token": refresh_token.expose_secret(),
    });
    let call = ServiceCall::new(&REDEEM, endpoint.url.clone(), endpoint.time_limit)
        .json(&body)
        .secret(refresh_token.clone(), "refresh token");
    let answer = call.send(&endpoint.exchange).await;
    // Without its source, which keeps the answer: that one is full of tokens.
    let unreadable = |error: Error| AuthError::transient(format!("the credentials could not be renewed: {error}"));
    answer.map_err(refused)?.json(&REDEEM).map_err(unreadable)
}

/// Whether the refresh token is dead, or the failure may pass.
fn refused(error: Error) -> AuthError {
    let status = error.status().map(|status| status.as_u16());
    let code = error.code().map(str::to_ascii_lowercase);
    let reason = match code.as_deref() {
        Some("refresh_token_expired") => ReauthReason::Expired,
        Some("refresh_token_reused") => ReauthReason::Reused,
        Some("refresh_token_invalidated") => ReauthReason::Revoked,
        Some("invalid_grant") => ReauthReason::NotAccepted,
        _ if status == Some(401) => ReauthReason::NotAccepted,
        _ => return AuthError::transient(format!("the credentials could not be renewed: {error}")).with_source(error),
    };
    AuthError::reauth(reason).with_source(error)
}
