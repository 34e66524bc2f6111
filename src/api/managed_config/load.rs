//! Loading with cache, retries and a time-out, and refreshes at an interval.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};

use super::cache::{CacheStatus, ConfigCache};
use super::document::{ManagedDocument, request};
use super::error::ManagedConfigError;
use crate::auth::AccountFacts;
use crate::call::Caller;
use crate::error::{Error, ErrorKind};
use crate::exchange::{CallOptions, Clock, RetryPolicy, Timeouts};

/// A load of managed configuration, made by [`ManagedConfig::load_bundle`](super::ManagedConfig::load_bundle) and
/// [`ManagedConfig::load_requirements`](super::ManagedConfig::load_requirements); `.await` it.
///
/// 1. If the account's plan has no managed configuration, or is not known, the result is empty, and nothing is sent.
/// 2. If a [cache](Self::with_cache) has it, that is the result, and nothing is sent.
/// 3. Otherwise it is requested, in at most five attempts, with waits of 0.2, 0.4, 0.8 and 1.6 s between them (± 10 %).
///    After a 401 the credentials are refreshed within the same attempt; if that is not possible, loading fails.
/// 4. The content has to be TOML, or loading fails at once. Then it is written to the cache.
///
/// The time-out for all of it is 15 s. A failure is an **error**, not an empty result, because whether the
/// administrators require anything is then not known. [`fail_open`](Self::fail_open) is for programs that continue
/// without.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// use codex_backend::managed_config::ConfigLoadSource;
///
/// let loaded = client.managed_config().load_requirements().await?;
/// assert_eq!((loaded.value, loaded.source), (None, ConfigLoadSource::NotEligible)); // the plan is Pro
/// # Ok(()) }
/// ```
#[must_use = "loading does nothing unless awaited"]
pub struct ManagedLoad<T> {
    caller: Arc<Caller>,
    account: Option<AccountFacts>,
    cache: Option<ConfigCache>,
    fail_open: bool,
    timeout: Duration,
    attempts: u32,
    document: PhantomData<fn() -> T>,
}

/// The result of loading.
#[derive(Debug)]
#[non_exhaustive]
pub struct LoadedConfig<T> {
    /// The configuration. `None` if nothing is set, or if loading failed and [`fail_open`](ManagedLoad::fail_open) was
    /// set.
    pub value: Option<T>,
    /// Where it comes from.
    pub source: ConfigLoadSource,
    /// The result of reading the cache; `None` if it was not read.
    pub cache: Option<CacheStatus>,
    /// The error, for [`ConfigLoadSource::FailedOpen`].
    pub failure: Option<ManagedConfigError>,
}

/// Where managed configuration comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigLoadSource {
    /// From the backend.
    Server,
    /// From the cache; nothing was sent.
    Cache,
    /// Nowhere: the account's plan has no managed configuration, or is not known. Nothing was sent.
    NotEligible,
    /// Nowhere: loading failed, and [`fail_open`](ManagedLoad::fail_open) was set.
    FailedOpen,
}

impl<T> LoadedConfig<T> {
    fn nothing(source: ConfigLoadSource) -> Self {
        Self { value: None, source, cache: None, failure: None }
    }
}

impl<T: ManagedDocument> ManagedLoad<T> {
    pub(super) fn new(caller: Arc<Caller>, account: Option<AccountFacts>) -> Self {
        Self {
            caller,
            account,
            cache: None,
            fail_open: false,
            timeout: Duration::from_secs(15),
            attempts: 5,
            document: PhantomData,
        }
    }

    /// A cache for the next start of the program. Default: none. A failure to write it is logged and not an error.
    pub fn with_cache(mut self, cache: ConfigCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// If loading fails, returns [`ConfigLoadSource::FailedOpen`] without a value instead of an error.
    pub fn fail_open(mut self) -> Self {
        self.fail_open = true;
        self
    }

    /// The time-out for loading, all attempts included. Default 15 s; then [`ManagedConfigError::Timeout`].
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// The maximum number of attempts; at least 1. Default 5.
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Loads it again after each interval, without reading the cache, and writes it there. The official tool uses 15
    /// minutes. After an error the cache is unchanged and the stream continues. It ends when the account no longer has
    /// managed configuration, and after [`ManagedConfigError::Auth`].
    ///
    /// Nothing runs in the background: loading happens while the stream is polled, and ends when it is dropped.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// use std::time::Duration;
    /// use futures_util::StreamExt;
    ///
    /// let mut refreshes = client.managed_config().load_bundle().refreshes_every(Duration::from_millis(1));
    /// while let Some(refreshed) = refreshes.next().await {
    ///     println!("{:?}", refreshed?.value);
    /// }
    /// // The plan is Pro: there is nothing to refresh.
    /// # Ok(()) }
    /// ```
    pub fn refreshes_every(self, interval: Duration) -> ManagedRefreshes<T> {
        let refreshes = stream::unfold(Some(self), move |load| async move {
            let load = load?;
            load.clock().sleep(interval).await;
            let refreshed = load.run(false).await;
            match &refreshed {
                Ok(loaded) if loaded.source == ConfigLoadSource::NotEligible => None,
                Err(ManagedConfigError::Auth(_)) => Some((refreshed, None)),
                _ => Some((refreshed, Some(load))),
            }
        });
        ManagedRefreshes { refreshes: refreshes.boxed() }
    }

    async fn run_or_go_on(self) -> Result<LoadedConfig<T>, ManagedConfigError> {
        match self.run(true).await {
            Err(failure) if self.fail_open => {
                tracing::warn!(%failure, "continuing without managed configuration");
                Ok(LoadedConfig { failure: Some(failure), ..LoadedConfig::nothing(ConfigLoadSource::FailedOpen) })
            }
            outcome => outcome,
        }
    }

    async fn run(&self, look_into_cache: bool) -> Result<LoadedConfig<T>, ManagedConfigError> {
        let until = self.clock().monotonic().saturating_add(self.timeout);
        let account = match &self.account {
            Some(account) => account.clone(),
            None => {
                let account = self.caller.account(T::operation(), &self.options(self.timeout)).await;
                account.map_err(|error| self.not_to_mend(error))?
            }
        };
        if !account.has_managed_config() {
            return Ok(LoadedConfig::nothing(ConfigLoadSource::NotEligible));
        }
        let mut cache = None;
        if look_into_cache {
            match self.cached(&account).await {
                Some(Ok(document)) => {
                    return Ok(LoadedConfig {
                        value: (!document.is_empty()).then_some(document),
                        cache: Some(CacheStatus::Hit),
                        ..LoadedConfig::nothing(ConfigLoadSource::Cache)
                    });
                }
                Some(Err(status)) => cache = Some(status),
                None => {}
            }
        }
        let document = self.ask(&account, until).await?;
        document.validate()?;
        self.keep(&account, &document).await;
        let value = (!document.is_empty()).then_some(document);
        Ok(LoadedConfig { value, cache, ..LoadedConfig::nothing(ConfigLoadSource::Server) })
    }

    /// Requests it until there is an answer, or attempts or time are used up.
    async fn ask(&self, account: &AccountFacts, until: Duration) -> Result<T, ManagedConfigError> {
        let left = || until.saturating_sub(self.clock().monotonic());
        let mut attempt = 1;
        loop {
            if left().is_zero() {
                return Err(ManagedConfigError::Timeout { limit: self.timeout, last: None });
            }
            let error = match request::<T>(&self.caller, Some(account.clone())).with_options(self.options(left())).await
            {
                Ok(document) => return Ok(document),
                Err(error) => error,
            };
            let is_transient_auth = error.kind() == ErrorKind::Auth && error.is_retryable();
            if matches!(error.kind(), ErrorKind::Auth | ErrorKind::Unauthorized) && !is_transient_auth {
                return Err(ManagedConfigError::Auth(error));
            }
            if left().is_zero() {
                return Err(ManagedConfigError::Timeout { limit: self.timeout, last: Some(error) });
            }
            if attempt >= self.attempts {
                return Err(ManagedConfigError::RequestFailed { attempts: attempt, last: error });
            }
            tracing::debug!(attempt, %error, "the request for managed configuration will be retried");
            let pause = Duration::from_millis(200).saturating_mul(1 << (attempt - 1).min(16));
            self.clock().sleep(pause.mul_f64(0.9 + fastrand::f64() / 5.0).min(left())).await;
            attempt += 1;
        }
    }

    fn not_to_mend(&self, error: Error) -> ManagedConfigError {
        if error.is_timeout() {
            ManagedConfigError::Timeout { limit: self.timeout, last: Some(error) }
        } else {
            ManagedConfigError::Auth(error)
        }
    }

    /// One attempt, within the time that is left. Retries are counted here, not by the client.
    fn options(&self, left: Duration) -> CallOptions {
        let timeouts = Timeouts::default().attempt(left).call(left);
        CallOptions { timeouts: Some(timeouts), retry: Some(RetryPolicy::never()), ..CallOptions::default() }
    }

    async fn cached(&self, account: &AccountFacts) -> Option<Result<T, CacheStatus>> {
        let (cache, account) = (self.cache.clone()?, account.clone());
        let now = self.caller.exchange().now();
        let read = tokio::task::spawn_blocking(move || cache.read::<T::Kept>(T::cache_format(), &account, now)).await;
        let status = match read.unwrap_or(Err(CacheStatus::Unreadable)) {
            Ok(kept) => {
                let document = T::kept(kept);
                match document.validate() {
                    Ok(()) => return Some(Ok(document)),
                    Err(_) => CacheStatus::Malformed,
                }
            }
            Err(status) => status,
        };
        match status {
            CacheStatus::Unreadable | CacheStatus::Malformed | CacheStatus::BadSignature => {
                tracing::warn!(?status, "the cache of managed configuration cannot be used");
            }
            _ => tracing::debug!(?status, "the cache of managed configuration does not have it"),
        }
        Some(Err(status))
    }

    async fn keep(&self, account: &AccountFacts, document: &T) {
        let Some(cache) = self.cache.clone() else { return };
        let (account, kept, now) = (account.clone(), document.keep(), self.caller.exchange().now());
        let write = move || cache.write(T::cache_format(), &account, now, &kept);
        let written =
            tokio::task::spawn_blocking(write).await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        if let Err(error) = written {
            tracing::warn!(%error, "managed configuration could not be written to its cache");
        }
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        self.caller.exchange().clock()
    }
}

impl<T: ManagedDocument> IntoFuture for ManagedLoad<T> {
    type Output = Result<LoadedConfig<T>, ManagedConfigError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run_or_go_on())
    }
}

/// Managed configuration, loaded again after each interval; made by [`ManagedLoad::refreshes_every`].
#[must_use = "a stream does nothing unless polled"]
pub struct ManagedRefreshes<T> {
    refreshes: BoxStream<'static, Result<LoadedConfig<T>, ManagedConfigError>>,
}

impl<T> Stream for ManagedRefreshes<T> {
    type Item = Result<LoadedConfig<T>, ManagedConfigError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.refreshes.as_mut().poll_next(context)
    }
}

impl<T> fmt::Debug for ManagedLoad<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedLoad")
            .field("cache", &self.cache)
            .field("fail_open", &self.fail_open)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ManagedRefreshes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedRefreshes").finish_non_exhaustive()
    }
}
