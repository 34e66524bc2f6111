//! Credentials that are fetched, kept, and fetched again when they grow old or are refused.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::claims::Claims;
use super::{AuthContext, AuthFuture, AuthHeaders, AuthRecovery, AuthRefusal};
use crate::error::AuthError;

/// After a failure, credentials that still work are used for this long before the next try.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(30);

/// Where credentials are fetched.
pub(super) trait Fetch: Send + Sync + 'static {
    /// New credentials, for headers of that generation. May be dropped at any point.
    fn fetch<'a>(
        &'a self,
        previous: Option<&'a Fresh>,
        generation: u64,
        context: &'a AuthContext,
    ) -> BoxFuture<'a, Result<Fresh, AuthError>>;
}

/// What came of a fetch.
#[derive(Clone)]
pub(super) struct Fresh {
    pub(super) headers: AuthHeaders,
    pub(super) account: Claims,
    /// After this long they are fetched again. `None`: only when they are refused.
    pub(super) fetch_again_after: Option<Duration>,
    /// After this long they no longer work. `None`: that is not known.
    pub(super) lifetime: Option<Duration>,
}

/// Any number of callers cause one fetch, and share its failure. A failure that may pass costs nothing while the credentials
/// at hand still work.
pub(super) struct Fetched<F> {
    source: F,
    held: RwLock<Option<Arc<Held>>>,
    /// Held over a fetch; counts the fetches, and keeps the last failure.
    fetching: tokio::sync::Mutex<Option<AuthError>>,
    fetches: AtomicU64,
}

struct Held {
    fresh: Fresh,
    fetched_at: Duration,
    /// On the monotonic clock.
    fetch_again_at: Option<Duration>,
}

impl Held {
    fn is_due(&self, now: Duration) -> bool {
        self.fetch_again_at.is_some_and(|at| at <= now) || !self.works(now)
    }

    fn works(&self, now: Duration) -> bool {
        self.fresh.lifetime.is_none_or(|lifetime| now.saturating_sub(self.fetched_at) < lifetime)
    }
}

impl<F: Fetch> Fetched<F> {
    pub(super) fn new(source: F) -> Self {
        Self { source, held: RwLock::default(), fetching: tokio::sync::Mutex::default(), fetches: AtomicU64::new(0) }
    }

    pub(super) fn source(&self) -> &F {
        &self.source
    }

    /// Whose credentials they are, as far as they have been fetched.
    pub(super) fn account(&self) -> Option<Claims> {
        self.held().map(|held| held.fresh.account.clone())
    }

    /// What a provider answers to [`AuthProvider::auth_headers`](super::AuthProvider::auth_headers).
    pub(super) fn auth_headers<'a>(&'a self, context: &'a AuthContext) -> AuthFuture<'a> {
        match self.at_hand(context) {
            Some(headers) => AuthFuture::ready(Ok(headers)),
            None => AuthFuture::boxed(self.headers(context)),
        }
    }

    /// The headers at hand, if they need not be fetched.
    fn at_hand(&self, context: &AuthContext) -> Option<AuthHeaders> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let held = held.as_ref().filter(|held| !held.is_due(now(context)))?;
        Some(held.fresh.headers.clone())
    }

    pub(super) async fn headers(&self, context: &AuthContext) -> Result<AuthHeaders, AuthError> {
        if let Some(headers) = self.at_hand(context) {
            return Ok(headers);
        }
        self.fetch_unless(|held| !held.is_due(now(context)), true, context).await
    }

    /// Fetches anew, unless what was refused has been replaced meanwhile.
    pub(super) async fn recover(
        &self,
        refusal: &AuthRefusal,
        context: &AuthContext,
    ) -> Result<AuthRecovery, AuthError> {
        let replaced = |held: &Held| held.fresh.headers.generation() != refusal.generation;
        self.fetch_unless(replaced, false, context).await.map(|_| AuthRecovery::Retry)
    }

    async fn fetch_unless(
        &self,
        is_good: impl Fn(&Held) -> bool + Send + Sync,
        old_will_do: bool,
        context: &AuthContext,
    ) -> Result<AuthHeaders, AuthError> {
        let before = self.fetches.load(Ordering::Relaxed);
        let mut last_failure = match self.fetching.try_lock() {
            Ok(lock) => lock,
            // Somebody fetches already; what still works is good enough until then.
            Err(_) => match self.held().filter(|held| old_will_do && held.works(now(context))) {
                Some(held) => return Ok(held.fresh.headers.clone()),
                None => self.fetching.lock().await,
            },
        };
        let held = self.held();
        if let Some(held) = held.as_ref().filter(|held| is_good(held)) {
            return Ok(held.fresh.headers.clone());
        }
        if self.fetches.load(Ordering::Relaxed) != before
            && let Some(failure) = &*last_failure
        {
            return match held.filter(|held| old_will_do && failure.is_transient() && held.works(now(context))) {
                Some(held) => Ok(held.fresh.headers.clone()),
                None => Err(failure.clone()),
            };
        }
        let generation = held.as_ref().map_or(0, |held| held.fresh.headers.generation() + 1);
        let outcome = self.source.fetch(held.as_ref().map(|held| &held.fresh), generation, context).await;
        self.fetches.fetch_add(1, Ordering::Relaxed);
        match outcome {
            Ok(fresh) => {
                *last_failure = None;
                let headers = fresh.headers.clone();
                let fetched_at = now(context);
                let fetch_again_at = fresh.fetch_again_after.map(|after| fetched_at.saturating_add(after));
                self.hold(Held { fresh, fetched_at, fetch_again_at });
                Ok(headers)
            }
            Err(error) => {
                *last_failure = Some(error.clone());
                match held.filter(|held| old_will_do && error.is_transient() && held.works(now(context))) {
                    Some(held) => {
                        tracing::warn!(%error, "credentials could not be fetched anew; the old ones still work");
                        let fetch_again_at = Some(now(context).saturating_add(PAUSE_AFTER_FAILURE));
                        let (fresh, fetched_at) = (held.fresh.clone(), held.fetched_at);
                        self.hold(Held { fresh, fetched_at, fetch_again_at });
                        Ok(held.fresh.headers.clone())
                    }
                    None => Err(error),
                }
            }
        }
    }

    fn held(&self) -> Option<Arc<Held>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hold(&self, held: Held) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(held));
    }
}

fn now(context: &AuthContext) -> Duration {
    context.exchange.clock().monotonic()
}

impl<F> fmt::Debug for Fetched<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetched")
    }
}
