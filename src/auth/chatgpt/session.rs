use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use futures_util::future::select;
use tokio::sync::watch;

use super::document::Tokens;
use super::renewal::{Known, Renewed, TokenEndpoint, check_account, renew};
use crate::auth::claims::Claims;
use crate::auth::headers::HeadersByThread;
use crate::auth::store::{CredentialStore, StoredCredentials};
use crate::auth::{
    AccountFacts, AuthContext, AuthFuture, AuthHeaders, AuthHealth, AuthProvider, AuthRecovery, AuthRefusal,
};
use crate::error::{AuthError, AuthErrorKind, ReauthReason};
use crate::mode::CodexBackend;

const RENEWAL_TIME_LIMIT: Duration = Duration::from_secs(30);
/// From this long before its end, a token is renewed in the background while it goes on being used.
const ADVISORY_WINDOW: Duration = Duration::from_secs(5 * 60);
/// From this long before its end, a token is no longer used if a renewal can be waited for.
const MANDATORY_WINDOW: Duration = Duration::from_secs(30);
/// Tokens that do not tell their end are renewed after this long.
const UNTOLD_LIFETIME: Duration = Duration::from_secs(8 * 24 * 60 * 60);
/// After a failure that may pass, the background leaves the server alone for this long.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);
/// A token this young that is refused is not the problem: another would be refused too. Nor is it renewed because it is
/// short-lived, or over by a clock that is wrong: that would cost a refresh token for each call.
const TOO_YOUNG_TO_RENEW: Duration = Duration::from_secs(60);

/// ChatGPT tokens that are kept in a store and renewed before they expire and when they are refused.
///
/// Clones share one state. A token that will expire within 5 minutes is renewed in the background; one that will within
/// 30 seconds is waited for; one that was renewed here less than a minute ago is used to its end. Any number of callers
/// cause one renewal: in the process by waiting for it, across processes by the store's lock, behind which the store is
/// read again and what another process saved is adopted. Once the request that redeems the refresh token has left, it
/// is finished and saved whatever is dropped: it runs on a thread of its own. It is never sent twice when it is not
/// certain that the server did not act on it. A failure that may pass never costs a token that still works.
///
/// After a 401 the store is read first; only if it has nothing newer is the refresh token redeemed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::auth::FileStore;
/// use codex_backend::ChatGptSession;
///
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("auth.json");
/// # std::fs::write(&path, backend.issue_auth_json("acct-1", std::time::Duration::from_secs(3600)))?;
/// let session = ChatGptSession::open(FileStore::new(&path))?;
/// let client = backend.client().provider(session).build()?;
/// client.usage().get().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ChatGptSession {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn CredentialStore>,
    /// Read by every request of every task: readers must not meet.
    current: ArcSwap<Current>,
    renewing: Mutex<Renewing>,
    /// Ticks whenever a renewal begins or ends, or other tokens come into use.
    changes: watch::Sender<()>,
}

/// The tokens in use. Replaced as a whole.
struct Current {
    known: Known,
    tokens: Tokens,
    headers: HeadersByThread,
    /// When this process redeemed a refresh token for them, on the monotonic clock.
    redeemed_at: Option<Duration>,
}

/// Tells how a renewal ended, once it has.
type Running = watch::Receiver<Option<Result<(), AuthError>>>;

struct Renewing {
    time_limit: Duration,
    running: Option<Running>,
    /// When, on the monotonic clock, the background may try again.
    not_before: Duration,
    /// A failure that only other credentials mend, and the credentials it is about.
    dead: Option<(StoredCredentials, AuthError)>,
}

impl Default for Renewing {
    fn default() -> Self {
        Self { time_limit: RENEWAL_TIME_LIMIT, running: None, not_before: Duration::ZERO, dead: None }
    }
}

impl Renewing {
    /// The renewal that is under way. One whose thread has panicked, in a store of the application's own, is not.
    fn running(&self) -> Option<&Running> {
        self.running.as_ref().filter(|running| running.has_changed().is_ok())
    }

    /// Keeps in mind that only other credentials mend this, if that is so.
    fn remember(&mut self, about: &Current, error: &AuthError) {
        if error.needs_sign_in() {
            self.dead = Some((about.known.stored.clone(), error.clone()));
        }
    }
}

impl ChatGptSession {
    /// With the ChatGPT tokens that the store keeps. Reads the store, which blocks for as long as that takes.
    ///
    /// # Errors
    ///
    /// When the store cannot be read, keeps nothing, or keeps another kind of credentials.
    pub fn open(store: impl CredentialStore) -> Result<Self, AuthError> {
        let store: Arc<dyn CredentialStore> = Arc::new(store);
        let stored = store.load()?.ok_or_else(|| {
            AuthError::new(AuthErrorKind::Incomplete, format!("there are no credentials in {}", store.describe()))
        })?;
        let current = Current::new(Known::saved(stored), 0, None)?;
        let shared = Shared {
            store,
            current: ArcSwap::from_pointee(current),
            renewing: Mutex::default(),
            changes: watch::Sender::new(()),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// How long the request that redeems a refresh token may take, for all clones. Default 30 s. When it passes, the server
    /// may have redeemed the token all the same.
    #[must_use]
    pub fn refresh_timeout(self, limit: Duration) -> Self {
        self.shared.renewing().time_limit = limit;
        self
    }

    /// The account the tokens are for.
    #[must_use]
    pub fn account_id(&self) -> Option<String> {
        self.shared.current().tokens.account.account_id.clone()
    }

    pub(in crate::auth) fn account(&self) -> Claims {
        self.shared.current().tokens.account.clone()
    }

    #[cfg(feature = "agent-identity")]
    pub(in crate::auth) fn store(&self) -> Arc<dyn CredentialStore> {
        self.shared.store.clone()
    }

    /// The tokens in use, once the access token is one that has not expired.
    #[cfg(feature = "agent-identity")]
    pub(in crate::auth) async fn valid_tokens(&self, context: &AuthContext) -> Result<Tokens, AuthError> {
        AuthProvider::auth_headers(self, context).await?;
        Ok(self.shared.current().tokens.clone())
    }

    /// When the access token in use expires, if it tells.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.shared.current().tokens.account.expires_at
    }
}

impl AuthProvider for ChatGptSession {
    type Route = CodexBackend;

    fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a> {
        let current = self.shared.current.load();
        match current.urgency(context) {
            Urgency::None => AuthFuture::ready(Ok(current.headers.get())),
            Urgency::Advisory => {
                if self.shared.may_renew_in_background(&current, context) {
                    let _runs_by_itself = self.shared.start_renewal(&current, context);
                }
                AuthFuture::ready(Ok(current.headers.get()))
            }
            Urgency::Mandatory => AuthFuture::boxed(self.renewed_headers(Arc::clone(&current), context)),
        }
    }

    fn refused<'a>(&'a self, refusal: &'a AuthRefusal, context: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
        AuthFuture::boxed(self.recover(refusal, context))
    }

    fn account(&self) -> AccountFacts {
        self.shared.current().tokens.account.clone().into()
    }

    fn health(&self, context: &AuthContext) -> AuthHealth {
        self.shared.health(context)
    }

    fn health_after<'a>(&'a self, seen: AuthHealth, context: &'a AuthContext) -> AuthFuture<'a, AuthHealth> {
        let mut changes = self.shared.changes.subscribe();
        AuthFuture::boxed(async move {
            loop {
                changes.mark_unchanged();
                let health = self.shared.health(context);
                if health != seen {
                    return Ok(health);
                }
                let changed = pin!(changes.changed());
                match self.shared.current().time_until_change(context) {
                    Some(left) => drop(select(changed, context.exchange.clock().sleep(left)).await),
                    None => drop(changed.await),
                }
            }
        })
    }
}

impl ChatGptSession {
    async fn renewed_headers(&self, current: Arc<Current>, context: &AuthContext) -> Result<AuthHeaders, AuthError> {
        let Err(error) = self.shared.renewal(&current, context).await else {
            return Ok(self.shared.current().headers.get());
        };
        // Somebody else may have put working tokens into the store, whatever stands in the way of ours.
        let adopted = matches!(self.shared.adopt_from_store(&current).await, Ok(true));
        let current = if adopted { self.shared.current() } else { current };
        let still_valid = current.tokens.account.expires_at.is_none_or(|end| end > context.now());
        if still_valid { Ok(current.headers.get()) } else { Err(error) }
    }

    async fn recover(&self, refusal: &AuthRefusal, context: &AuthContext) -> Result<AuthRecovery, AuthError> {
        let current = self.shared.current();
        if refusal.generation != current.headers.generation() {
            return Ok(AuthRecovery::Retry);
        }
        let adopted = self.shared.adopt_from_store(&current).await;
        if let Err(error) = &adopted {
            self.shared.renewing().remember(&current, error);
            self.shared.changes.send_replace(());
        }
        if adopted? {
            return Ok(AuthRecovery::Retry);
        }
        if self.shared.store.is_read_only() {
            return Ok(AuthRecovery::GiveUp);
        }
        if current.youth(context).is_some() {
            return Ok(AuthRecovery::GiveUp);
        }
        self.shared.renewal(&current, context).await.map(|()| AuthRecovery::Retry)
    }
}

impl Shared {
    fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    fn renewing(&self) -> MutexGuard<'_, Renewing> {
        self.renewing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn health(&self, context: &AuthContext) -> AuthHealth {
        let current = self.current();
        let renewing = self.renewing();
        let dead = renewing.dead.as_ref().filter(|(about, _)| *about == current.known.stored);
        if let Some(reason) = dead.and_then(|(_, error)| error.reauth_reason()) {
            AuthHealth::ReauthRequired(reason)
        } else if renewing.running().is_some() {
            AuthHealth::Refreshing
        } else if current.urgency(context) == Urgency::None {
            AuthHealth::Ready
        } else {
            AuthHealth::Expiring
        }
    }

    /// Whether the background should try now: not while it runs, soon after a failure, or when it is hopeless.
    fn may_renew_in_background(&self, current: &Current, context: &AuthContext) -> bool {
        if self.store.is_read_only() || current.tokens.refresh_token.is_none() {
            return false;
        }
        let renewing = self.renewing();
        let hopeless = renewing.dead.as_ref().is_some_and(|(about, _)| *about == current.known.stored);
        renewing.running().is_none() && !hopeless && renewing.not_before <= context.exchange.clock().monotonic()
    }

    /// Waits until `old` is no longer in use: for the renewal that runs, or for one that is started.
    async fn renewal(self: &Arc<Self>, old: &Current, context: &AuthContext) -> Result<(), AuthError> {
        let Some(mut running) = self.start_renewal(old, context)? else {
            return Ok(());
        };
        let outcome = running.wait_for(Option::is_some).await;
        match outcome {
            Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
            Err(_) => Err(AuthError::transient("the renewal of the credentials was cut off")),
        }
    }

    /// `None` when `old` has been replaced meanwhile: whoever was refused with it must not cause a second renewal.
    fn start_renewal(self: &Arc<Self>, old: &Current, context: &AuthContext) -> Result<Option<Running>, AuthError> {
        let mut renewing = self.renewing();
        if let Some(running) = renewing.running() {
            return Ok(Some(running.clone()));
        }
        let before = self.current();
        if before.headers.generation() != old.headers.generation() {
            return Ok(None);
        }
        if let Some((about, error)) = &renewing.dead
            && *about == before.known.stored
            // What was removed may have been put back.
            && error.reauth_reason() != Some(ReauthReason::Removed)
        {
            return Err(error.clone());
        }
        let (publish, outcome) = watch::channel(None);
        let work = Work {
            shared: self.clone(),
            before,
            endpoint: TokenEndpoint {
                url: context.services.token_url.clone(),
                exchange: context.exchange.detached(),
                time_limit: renewing.time_limit,
            },
            publish,
        };
        std::thread::Builder::new()
            .name("codex-backend renewal".to_owned())
            .spawn(move || work.run())
            .map_err(|error| AuthError::transient("no thread could be started for a renewal").with_source(error))?;
        renewing.running = Some(outcome.clone());
        drop(renewing);
        self.changes.send_replace(());
        Ok(Some(outcome))
    }

    /// Takes over what another process has saved, if it is newer than what is in use.
    async fn adopt_from_store(self: &Arc<Self>, current: &Current) -> Result<bool, AuthError> {
        let store = self.store.clone();
        let loaded = tokio::task::spawn_blocking(move || store.load()).await;
        let loaded =
            loaded.map_err(|error| AuthError::transient("reading the store was cut off").with_source(error))?;
        let Some(stored) = loaded? else {
            return Err(AuthError::reauth(ReauthReason::Removed));
        };
        let tokens = Tokens::of(&stored)?;
        check_account(&current.tokens, &tokens)?;
        if tokens.has_access_token_of(&current.tokens) || current.known.is_newer_than(&stored) {
            return Ok(false);
        }
        self.publish(Known::saved(stored), None)?;
        Ok(true)
    }

    fn publish(&self, known: Known, redeemed_at: Option<Duration>) -> Result<(), AuthError> {
        // One after the other: what is published depends on what is in use.
        let turn = self.renewing();
        let before = self.current();
        let generation = before.headers.generation();
        let current = if before.known.stored == known.stored {
            // The same tokens, perhaps saved by now: no new generation.
            Current::new(known, generation, before.redeemed_at)?
        } else {
            Current::new(known, generation + 1, redeemed_at)?
        };
        self.current.store(Arc::new(current));
        drop(turn);
        self.changes.send_replace(());
        Ok(())
    }
}

/// One renewal, on its way to a thread of its own, which neither a caller nor a run time can take away.
struct Work {
    shared: Arc<Shared>,
    before: Arc<Current>,
    endpoint: TokenEndpoint,
    publish: watch::Sender<Option<Result<(), AuthError>>>,
}

impl Work {
    fn run(self) {
        let outcome = self.renew();
        let monotonic = self.endpoint.exchange.clock().monotonic();
        {
            let mut renewing = self.shared.renewing();
            renewing.running = None;
            if let Err(error) = &outcome {
                renewing.not_before = monotonic + PAUSE_AFTER_FAILURE;
                renewing.remember(&self.before, error);
            }
        }
        self.shared.changes.send_replace(());
        if let Err(error) = &outcome {
            tracing::warn!(%error, "the credentials could not be renewed");
        }
        // Nobody may be waiting; the result is kept in `shared` all the same.
        self.publish.send_replace(Some(outcome));
    }

    fn renew(&self) -> Result<(), AuthError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| AuthError::transient("no run time could be started for a renewal").with_source(error))?;
        let store = &*self.shared.store;
        let unsaved = |known: &Known| {
            // They work: whoever waits may go on while the store is tried again.
            let redeemed_at = Some(self.endpoint.exchange.clock().monotonic());
            let published = self.shared.publish(known.clone(), redeemed_at);
            self.publish.send_replace(Some(published));
        };
        match runtime.block_on(renew(store, &self.before.known, &self.endpoint, unsaved))? {
            Renewed::Redeemed(known) => self.shared.publish(known, Some(self.endpoint.exchange.clock().monotonic())),
            Renewed::Adopted(known) => self.shared.publish(known, None),
        }
    }
}

#[derive(PartialEq, Eq)]
enum Urgency {
    None,
    Advisory,
    Mandatory,
}

impl Current {
    fn new(known: Known, generation: u64, redeemed_at: Option<Duration>) -> Result<Self, AuthError> {
        let tokens = Tokens::of(&known.stored)?;
        let headers = HeadersByThread::new(&tokens.headers(generation)?);
        Ok(Self { known, tokens, headers, redeemed_at })
    }

    /// How old they are, as long as they are too young to be renewed.
    fn youth(&self, context: &AuthContext) -> Option<Duration> {
        let age = context.exchange.clock().monotonic().saturating_sub(self.redeemed_at?);
        (age < TOO_YOUNG_TO_RENEW).then_some(age)
    }

    /// Whether they are to be used because they are young: to their end, or also after it, if that was over when they came.
    fn is_young(&self, context: &AuthContext) -> bool {
        let Some(age) = self.youth(context) else { return false };
        let now = context.now();
        let was_over = |end: SystemTime| end.checked_add(age).is_some_and(|then| then <= now);
        self.tokens.account.expires_at.is_none_or(|end| end > now || was_over(end))
    }

    fn advisory_window_begins(&self) -> Option<SystemTime> {
        match self.tokens.account.expires_at {
            Some(end) => end.checked_sub(ADVISORY_WINDOW),
            None => self.tokens.last_refresh?.checked_add(UNTOLD_LIFETIME),
        }
    }

    /// When it may be time to renew them, or more so than now.
    fn time_until_change(&self, context: &AuthContext) -> Option<Duration> {
        let until = |moment: Option<SystemTime>| moment?.duration_since(context.now()).ok();
        let grown_up = self.youth(context).map(|age| TOO_YOUNG_TO_RENEW - age);
        let moments = [until(self.advisory_window_begins()), until(self.tokens.account.expires_at), grown_up];
        moments.into_iter().flatten().filter(|left| !left.is_zero()).min()
    }

    fn urgency(&self, context: &AuthContext) -> Urgency {
        let now = context.now();
        let within = |window: Duration| self.tokens.account.expires_at.is_some_and(|end| now + window >= end);
        let is_old = || self.tokens.last_refresh.is_some_and(|last| last + UNTOLD_LIFETIME <= now);
        let urgency = if within(MANDATORY_WINDOW) {
            Urgency::Mandatory
        } else if within(ADVISORY_WINDOW) || (self.tokens.account.expires_at.is_none() && is_old()) {
            Urgency::Advisory
        } else {
            return Urgency::None;
        };
        // Asked last: it reads a second clock, which would cost every request as much as all the rest.
        if self.is_young(context) { Urgency::None } else { urgency }
    }
}

impl fmt::Debug for ChatGptSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatGptSession")
            .field("store", &self.shared.store.describe())
            .field("account_id", &self.account_id())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}
