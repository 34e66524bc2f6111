//! ChatGPT tokens that are kept in a store and refreshed: by one thread at a time, for all that wait.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use futures_util::future::select;
use tokio::sync::watch;

use super::document::Tokens;
use super::expiry::{Expiry, RefreshReason, Urgency};
use super::progress::{RefreshProgress, SAVE_GRACE, Wake};
use super::refresh::{
    Known, LOCK_PATIENCE, Refresh, Refreshed, SavedLater, TokenEndpoint, check_account, is_final, save_later,
};
use crate::auth::claims::Claims;
use crate::auth::headers::HeadersByThread;
use crate::auth::saving::Saving;
use crate::auth::store::{CredentialStore, RefreshLease, StoredCredentials};
use crate::auth::{
    AccountFacts, AuthContext, AuthFuture, AuthHeaders, AuthHealth, AuthProvider, AuthRecovery, AuthRefusal,
};
use crate::error::{AuthError, AuthErrorKind, ReauthReason};
use crate::exchange::{Clock, SystemClock};
use crate::mode::CodexBackend;

const REFRESH_TIMEOUT: Duration = Duration::from_secs(30);
/// After a failure that may pass, the background leaves the server alone for this long.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);
/// Between the tries to save what could not be saved: twice as long each time.
const FIRST_SAVE_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_SAVE_PAUSE: Duration = Duration::from_secs(60);

/// ChatGPT tokens that are kept in a store, and refreshed before they expire and when they are refused.
///
/// Clones share one state. A token that expires within 5 minutes is refreshed in the background; for one that expires
/// within 30 seconds, calls wait for the refresh; one that this process has refreshed less than a minute ago is used until
/// it expires.
///
/// Any number of callers cause one refresh (single-flight). Within the process they wait for the same one; other processes
/// wait for the store's lock, then read the store again and adopt what was saved meanwhile. The refresh runs on a thread of
/// its own: once the request with the refresh token has left, its answer is received and saved, whatever is dropped. That
/// request is never retried when the server may have acted on it. A failure that may pass never costs a token that still
/// works.
///
/// # The end of a program
///
/// What a refresh gave is saved before the program ends: the run time on which the refresh was started does not end before
/// that, but for 10 seconds after the token endpoint has answered at the most, and the call that started the refresh waits
/// up to 2 seconds for the save once it has its answer. `std::process::exit`, `Runtime::shutdown_background` and
/// `Runtime::shutdown_timeout` wait for nothing: await [`settled`](Self::settled) before them.
///
/// After a 401 the store is read first; only if it has nothing newer is the token refreshed.
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
/// let client = backend.client().chatgpt(session).build()?;
/// client.usage().get().await?;
/// # Ok(()) }
/// ```
#[doc(alias("oauth", "refresh token", "login", "account switch"))]
#[derive(Clone)]
pub struct ChatGptSession {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn CredentialStore>,
    /// Read by every request of every task: readers must not meet.
    current: ArcSwap<Current>,
    refreshes: Mutex<RefreshState>,
    /// Ticks whenever a refresh begins or ends, or other tokens come into use.
    changes: watch::Sender<()>,
}

/// The tokens in use. Replaced as a whole.
struct Current {
    known: Known,
    tokens: Tokens,
    headers: HeadersByThread,
    expiry: Expiry,
}

/// Tells how a refresh ended, once it has. Closed when there is nothing more to be saved, or it is left to the [`Saver`].
type Running = watch::Receiver<Option<Result<(), AuthError>>>;

/// A refresh that runs, and whether it was started just now.
struct Started {
    running: Running,
    is_new: bool,
}

struct RefreshState {
    timeout: Duration,
    running: Option<Running>,
    /// When, on the monotonic clock, the background may try again.
    not_before: Duration,
    /// A failure that only other credentials mend, and the credentials it is about.
    dead: Option<(StoredCredentials, AuthError)>,
    /// Why the tokens in use are not saved.
    unsaved: Option<AuthError>,
    /// How often saving them has been tried.
    saves: u64,
    /// Wakes the thread that goes on saving.
    saver: Option<Arc<Wake>>,
}

impl Default for RefreshState {
    fn default() -> Self {
        Self {
            timeout: REFRESH_TIMEOUT,
            running: None,
            not_before: Duration::ZERO,
            dead: None,
            unsaved: None,
            saves: 0,
            saver: None,
        }
    }
}

impl RefreshState {
    /// The refresh that is under way. One whose thread has panicked, in a store of the application's own, is not.
    fn running(&self) -> Option<&Running> {
        self.running.as_ref().filter(|running| running.has_changed().is_ok())
    }

    /// Keeps in mind that only other credentials mend this, if that is so.
    fn remember(&mut self, about: &Current, error: &AuthError) {
        if is_final(error) {
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
            refreshes: Mutex::default(),
            changes: watch::Sender::new(()),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// How long the request that refreshes the tokens may take, for all clones. Default 30 s. After that the server may have
    /// used up the refresh token all the same.
    #[must_use]
    pub fn refresh_timeout(self, timeout: Duration) -> Self {
        self.shared.refresh_state().timeout = timeout;
        self
    }

    /// Completes when nothing is left to be saved: no refresh is under way, and the store has what the last one gave. At once
    /// where that is so already. Waits for the token endpoint's time-out plus 10 s at the most, and starts no refresh.
    ///
    /// Await it before a program ends by `std::process::exit`, or shuts its run time down without waiting.
    ///
    /// # Errors
    ///
    /// When credentials are not saved, or a refresh is still under way. The error names the store and what stands in the way.
    pub async fn settled(&self) -> Result<(), AuthError> {
        self.shared.settled().await
    }

    /// The account the tokens are for.
    #[must_use]
    pub fn account_id(&self) -> Option<String> {
        self.shared.current().tokens.account.account_id.clone()
    }

    /// The tokens in use have been revoked at the server.
    pub(in crate::auth) fn was_revoked(&self) {
        let current = self.shared.current();
        self.shared.refresh_state().remember(&current, &AuthError::reauth(ReauthReason::Revoked));
        self.shared.changes.send_replace(());
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
        match current.expiry.urgency(&**context.exchange.clock()) {
            Urgency::None => AuthFuture::ready(Ok(current.headers.get())),
            Urgency::Advisory => {
                let mut headers = current.headers.get();
                if self.shared.may_refresh_in_background(&current, context)
                    && let Ok(Some(started)) = self.shared.start_refresh(&current, current.expiry.reason(), context)
                {
                    headers = headers.while_saving(Saving::until_closed(started.running));
                }
                AuthFuture::ready(Ok(headers))
            }
            Urgency::Mandatory => AuthFuture::boxed(self.refreshed_headers(Arc::clone(&current), context)),
        }
    }

    fn refused<'a>(&'a self, refusal: &'a AuthRefusal, context: &'a AuthContext) -> AuthFuture<'a, AuthRecovery> {
        AuthFuture::boxed(self.recover(refusal, context))
    }

    fn settled(&self) -> AuthFuture<'_, ()> {
        AuthFuture::boxed(self.shared.settled())
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
                match self.shared.current().expiry.time_until_change(&**context.exchange.clock()) {
                    Some(left) => drop(select(changed, context.exchange.clock().sleep(left)).await),
                    None => drop(changed.await),
                }
            }
        })
    }
}

impl ChatGptSession {
    async fn refreshed_headers(&self, current: Arc<Current>, context: &AuthContext) -> Result<AuthHeaders, AuthError> {
        let error = match self.shared.wait_for_refresh(&current, current.expiry.reason(), context).await {
            Ok(saving) => {
                let headers = self.shared.current().headers.get();
                return Ok(saving.map_or(headers.clone(), |saving| headers.while_saving(saving)));
            }
            Err(error) => error,
        };
        // Somebody else may have put working tokens into the store, whatever stands in the way of ours.
        let adopted = matches!(self.shared.adopt_from_store(&current).await, Ok(true));
        let current = if adopted { self.shared.current() } else { current };
        if current.expiry.has_expired(context.now()) { Err(error) } else { Ok(current.headers.get()) }
    }

    async fn recover(&self, refusal: &AuthRefusal, context: &AuthContext) -> Result<AuthRecovery, AuthError> {
        let current = self.shared.current();
        if refusal.generation != current.headers.generation() {
            return Ok(AuthRecovery::Retry);
        }
        let adopted = self.shared.adopt_from_store(&current).await;
        if let Err(error) = &adopted {
            let mut state = self.shared.refresh_state();
            // Removed because they were revoked: that says more.
            if error.reauth_reason() == Some(ReauthReason::Removed)
                && let Some((about, dead)) = &state.dead
                && *about == current.known.stored
                && dead.reauth_reason() == Some(ReauthReason::Revoked)
            {
                return Err(dead.clone());
            }
            state.remember(&current, error);
            drop(state);
            self.shared.changes.send_replace(());
        }
        if adopted? {
            return Ok(AuthRecovery::Retry);
        }
        if self.shared.store.is_read_only() {
            return Ok(AuthRecovery::GiveUp);
        }
        if current.expiry.is_too_young_to_refresh(&**context.exchange.clock()) {
            return Ok(AuthRecovery::GiveUp);
        }
        let reason = RefreshReason::UnauthorizedRecovery;
        self.shared.wait_for_refresh(&current, reason, context).await.map(|_| AuthRecovery::Retry)
    }
}

impl Shared {
    fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    fn refresh_state(&self) -> MutexGuard<'_, RefreshState> {
        self.refreshes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn health(&self, context: &AuthContext) -> AuthHealth {
        let current = self.current();
        let state = self.refresh_state();
        let dead = state.dead.as_ref().filter(|(about, _)| *about == current.known.stored);
        if let Some(reason) = dead.and_then(|(_, error)| error.reauth_reason()) {
            AuthHealth::ReauthRequired(reason)
        } else if dead.is_some_and(|(_, error)| error.kind() == AuthErrorKind::AccountMismatch) {
            AuthHealth::OtherUser
        } else if current.known.in_store.is_some() {
            AuthHealth::Unsaved
        } else if state.running().is_some() {
            AuthHealth::Refreshing
        } else if current.expiry.urgency(&**context.exchange.clock()) == Urgency::None {
            AuthHealth::Ready
        } else {
            AuthHealth::Expiring
        }
    }

    /// Whether the background should try now: not while it runs, soon after a failure, or when it is hopeless.
    fn may_refresh_in_background(&self, current: &Current, context: &AuthContext) -> bool {
        if self.store.is_read_only() || current.tokens.refresh_token.is_none() {
            return false;
        }
        let state = self.refresh_state();
        let hopeless = state.dead.as_ref().is_some_and(|(about, _)| *about == current.known.stored);
        state.running().is_none() && !hopeless && state.not_before <= context.exchange.clock().monotonic()
    }

    /// Waits for the refresh that runs, or for one that is started, unless `old` is no longer in use. Gives what is left to
    /// wait for to whoever started it, if saving goes on.
    async fn wait_for_refresh(
        self: &Arc<Self>,
        old: &Current,
        reason: RefreshReason,
        context: &AuthContext,
    ) -> Result<Option<Saving>, AuthError> {
        let Some(Started { mut running, is_new }) = self.start_refresh(old, reason, context)? else {
            return Ok(None);
        };
        let outcome = match running.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
            Err(_) => Err(AuthError::transient("the refresh of the credentials was cut off")),
        };
        outcome.map(|()| is_new.then(|| Saving::until_closed(running)))
    }

    /// Waits until nothing is left to be saved, for a bounded time.
    async fn settled(self: &Arc<Self>) -> Result<(), AuthError> {
        let clock = SystemClock::new();
        let (running, timeout) = {
            let state = self.refresh_state();
            (state.running().cloned(), state.timeout)
        };
        let mut work = pin!(async {
            if let Some(mut running) = running {
                while running.changed().await.is_ok() {}
            }
            self.try_to_save_now().await;
        });
        // What cannot be saved is not waited for as long as an answer.
        for patience in [SAVE_GRACE, timeout] {
            drop(select(&mut work, clock.sleep(patience)).await);
            let (known, state) = (self.current(), self.refresh_state());
            if known.known.in_store.is_some() {
                let reason = state.unsaved.as_ref().map_or_else(String::new, |error| format!(": {error}"));
                let message = format!(
                    "the refreshed credentials are not saved in {}, and are lost when the program ends now{reason}",
                    self.store.describe()
                );
                return Err(AuthError::transient(message));
            }
            if state.running().is_none() {
                return Ok(());
            }
        }
        Err(AuthError::transient(format!(
            "a refresh of the credentials in {} is still under way",
            self.store.describe()
        )))
    }

    async fn try_to_save_now(&self) {
        let mut changes = self.changes.subscribe();
        let tried = {
            let state = self.refresh_state();
            let Some(saver) = &state.saver else { return };
            saver.wake();
            state.saves
        };
        while self.current().known.in_store.is_some() && self.refresh_state().saves == tried {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// `None` when `old` has been replaced meanwhile: whoever was refused with it must not cause a second refresh.
    fn start_refresh(
        self: &Arc<Self>,
        old: &Current,
        reason: RefreshReason,
        context: &AuthContext,
    ) -> Result<Option<Started>, AuthError> {
        let mut state = self.refresh_state();
        if let Some(running) = state.running() {
            return Ok(Some(Started { running: running.clone(), is_new: false }));
        }
        let before = self.current();
        if before.headers.generation() != old.headers.generation() {
            return Ok(None);
        }
        if let Some((about, error)) = &state.dead
            && *about == before.known.stored
            // What was removed may have been put back.
            && error.reauth_reason() != Some(ReauthReason::Removed)
        {
            return Err(error.clone());
        }
        let (outcome, running) = watch::channel(None);
        let progress = RefreshProgress::new();
        let thread = RefreshThread {
            progress: progress.clone(),
            reason,
            shared: self.clone(),
            before,
            endpoint: TokenEndpoint {
                url: context.services.token_url.clone(),
                issuers: context.services.issuers.clone(),
                exchange: context.exchange.detached(),
                timeout: state.timeout,
            },
            outcome,
        };
        std::thread::Builder::new()
            .name("codex-backend refresh".to_owned())
            .spawn(move || thread.run())
            .map_err(|error| AuthError::transient("no thread could be started for a refresh").with_source(error))?;
        progress.hold_run_time(state.timeout);
        // It holds the lease that the refresh needs.
        if let Some(saver) = state.saver.take() {
            saver.stop();
        }
        state.running = Some(running.clone());
        drop(state);
        self.changes.send_replace(());
        Ok(Some(Started { running, is_new: true }))
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
        self.put_into_use(Known::saved(stored), None)?;
        Ok(true)
    }

    /// Puts tokens into use. `granted_at`: when the token endpoint gave them to this process.
    fn put_into_use(&self, known: Known, granted_at: Option<Duration>) -> Result<(), AuthError> {
        // One after the other: what comes into use depends on what is.
        let turn = self.refresh_state();
        let before = self.current();
        let generation = before.headers.generation();
        let current = if before.known.stored == known.stored {
            // The same tokens, perhaps saved by now: no new generation.
            Current::new(known, generation, before.expiry.granted_at)?
        } else {
            Current::new(known, generation + 1, granted_at)?
        };
        self.current.store(Arc::new(current));
        drop(turn);
        self.changes.send_replace(());
        Ok(())
    }
}

/// What is not saved when the last handle goes is lost.
impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(saver) = &self.refresh_state().saver {
            saver.stop();
        }
        if self.current().known.in_store.is_some() {
            tracing::error!(
                store = self.store.describe(),
                "refreshed credentials were never saved, and are lost: the user must sign in again"
            );
        }
    }
}

/// One refresh, on a thread of its own, which neither a caller nor a run time can take away.
struct RefreshThread {
    shared: Arc<Shared>,
    before: Arc<Current>,
    endpoint: TokenEndpoint,
    reason: RefreshReason,
    progress: Arc<RefreshProgress>,
    outcome: watch::Sender<Option<Result<(), AuthError>>>,
}

/// Also when a store of the application's own panics.
impl Drop for RefreshThread {
    fn drop(&mut self) {
        self.progress.over();
    }
}

impl RefreshThread {
    fn run(self) {
        let store = self.shared.store.clone();
        let mut lease = None;
        let outcome = self.refresh(&*store, &mut lease);
        let monotonic = self.monotonic();
        let saver = {
            let mut state = self.shared.refresh_state();
            state.running = None;
            match &outcome {
                Ok(()) => {}
                Err(error) => {
                    state.not_before = monotonic + PAUSE_AFTER_FAILURE;
                    state.remember(&self.before, error);
                }
            }
            let unsaved = self.shared.current().known.in_store.is_some();
            state.saver = unsaved.then(Arc::default);
            state.saver.clone().map(|wake| Saver { shared: Arc::downgrade(&self.shared), wake })
        };
        self.shared.changes.send_replace(());
        if let Err(error) = &outcome {
            tracing::warn!(%error, "the credentials could not be refreshed");
        }
        // Nobody may be waiting; the result is kept in `shared` all the same.
        self.outcome.send_replace(Some(outcome));
        drop(self);
        if let Some(saver) = saver {
            saver.run(&*store, lease);
        }
    }

    fn refresh<'a>(
        &self,
        store: &'a dyn CredentialStore,
        lease: &mut Option<Box<dyn RefreshLease + 'a>>,
    ) -> Result<(), AuthError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| AuthError::transient("no run time could be started for a refresh").with_source(error))?;
        let unsaved = |known: &Known, error: &AuthError| {
            self.shared.could_not_save(error);
            // They work: whoever waits may go on while the store is tried again.
            let in_use = self.shared.put_into_use(known.clone(), Some(self.monotonic()));
            self.outcome.send_replace(Some(in_use));
        };
        let lease = lease.insert(store.begin_refresh(LOCK_PATIENCE)?);
        let refresh = Refresh {
            known: &self.before.known,
            endpoint: &self.endpoint,
            reason: self.reason,
            progress: &self.progress,
        };
        match runtime.block_on(refresh.run(store, &mut **lease, unsaved))? {
            Refreshed::Granted(known) => self.shared.put_into_use(known, Some(self.monotonic())),
            Refreshed::Adopted(known) => {
                // Granted a moment ago, if it was adopted although it seems to have expired.
                let end = Tokens::of(&known.stored)?.account.expires_at;
                let is_young = end.is_some_and(|end| end <= self.endpoint.exchange.now());
                self.shared.put_into_use(known, is_young.then(|| self.monotonic()))
            }
        }
    }

    fn monotonic(&self) -> Duration {
        self.endpoint.exchange.clock().monotonic()
    }
}

/// Goes on saving what could not be saved, for as long as the session lives, on the thread of the refresh. It keeps the lease,
/// so that no other process uses the refresh token that the store still has.
struct Saver {
    shared: Weak<Shared>,
    wake: Arc<Wake>,
}

impl Saver {
    fn run<'a>(self, store: &'a dyn CredentialStore, mut lease: Option<Box<dyn RefreshLease + 'a>>) {
        let mut pause = FIRST_SAVE_PAUSE;
        while self.wake.pause(pause) {
            let Some(shared) = self.shared.upgrade() else { return };
            if lease.is_none() {
                lease = store.begin_refresh(Duration::ZERO).ok();
            }
            let Some(lease) = &mut lease else { return };
            if shared.save_once(&mut **lease) {
                let mut state = shared.refresh_state();
                state.saver = state.saver.take().filter(|saver| !Arc::ptr_eq(saver, &self.wake));
                return;
            }
            pause = (pause * 2).min(LONGEST_SAVE_PAUSE);
        }
    }
}

impl Shared {
    /// Whether nothing is left to be saved.
    fn save_once(&self, lease: &mut dyn RefreshLease) -> bool {
        let current = self.current();
        let Some(in_store) = &current.known.in_store else { return true };
        let tried = save_later(lease, &current.known.stored, in_store).unwrap_or_else(SavedLater::Failed);
        let (known, is_over) = match tried {
            SavedLater::Saved(known) => {
                tracing::info!("the refreshed credentials are saved now");
                (known, true)
            }
            SavedLater::Adopted(known) => (known, true),
            SavedLater::Rebased(known) => (known, false),
            SavedLater::Removed => {
                self.refresh_state().remember(&current, &AuthError::reauth(ReauthReason::Removed));
                (Known::saved(current.known.stored.clone()), true)
            }
            SavedLater::Failed(error) => {
                tracing::warn!(%error, "refreshed credentials could not be saved yet");
                self.could_not_save(&error);
                return false;
            }
        };
        // A refresh may have put newer ones into use meanwhile.
        if self.current().known.stored == current.known.stored
            && let Err(error) = self.put_into_use(known, current.expiry.granted_at)
        {
            self.could_not_save(&error);
            return false;
        }
        is_over
    }

    fn could_not_save(&self, error: &AuthError) {
        let mut state = self.refresh_state();
        state.unsaved = Some(error.clone());
        state.saves += 1;
        drop(state);
        self.changes.send_replace(());
    }
}

impl Current {
    fn new(known: Known, generation: u64, granted_at: Option<Duration>) -> Result<Self, AuthError> {
        let tokens = Tokens::of(&known.stored)?;
        let headers = HeadersByThread::new(&tokens.headers(generation)?);
        let expiry = Expiry { expires_at: tokens.account.expires_at, last_refresh: tokens.last_refresh, granted_at };
        Ok(Self { known, tokens, headers, expiry })
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
