//! Model lists: which models an account or an API key can use, and their properties.
//!
//! [`CodexModels`] is for a `Client<CodexBackend>`: a [`ModelCatalogue`] with a cache and a default model. [`OpenAiModels`] is
//! for a `Client<OpenAiApi>`: the bare list of the OpenAI API.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! use codex_backend::models::RefreshStrategy;
//!
//! let catalogue = client.codex_models().catalogue(RefreshStrategy::OnlineIfUncached).await?;
//! for model in catalogue.presented() {
//!     println!("{}: {}", model.slug, model.display_name);
//! }
//! # Ok(()) }
//! ```

mod cache_file;
mod catalogue;
mod entry;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

use self::cache_file::CacheFile;
pub use self::catalogue::{
    InstructionsVariables, ModelCatalogue, ModelInfo, ModelMessages, ModelNotice, ModelServiceTier, ModelUpgrade,
    ModelVisibility, ReasoningLevel, TruncationPolicy,
};
use self::entry::{Entry, Key};
use super::request::ApiRequest;
use crate::api::endpoint::{Accepts, endpoint, operations};
use crate::call::Caller;
use crate::error::{Error, ErrorKind};
pub use crate::exchange::COMPATIBLE_VERSION;
use crate::exchange::{CallOptions, ToTheEnd, VERSION};
use crate::wire::{Tolerant, open_struct};

operations! {
    for CodexModels;
    CATALOGUE: "models.catalogue" = GET "{codex}/models", Safe, Bounded as "5 s";
}
operations! {
    for OpenAiModels;
    LIST: "openai_models.list" = GET "/models", Safe, Bounded;
    RETRIEVE: "openai_models.retrieve" = GET "/models/{model}", Safe, Bounded;
}

/// The time-out for the catalogue, retries included.
const OVERALL: Duration = Duration::from_secs(5);

/// The catalogue of models that the Codex backend offers the account. Accepts a `Client<CodexBackend>`.
///
/// `GET /codex/models`, or below `/api/codex` where the base URL does not end in `/backend-api`. It is retried after a
/// failure; the time-out is 5 s, retries included.
///
/// The catalogue is cached in memory, and in a file [if one is set](Self::with_cache_file), for 300 s or
/// [another time to live](Self::with_time_to_live), by base URL, account and client version. A handle and its clones
/// share the cache, so keep the handle.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// use codex_backend::models::RefreshStrategy;
/// use codex_backend::CodexModels;
///
/// let models = CodexModels::new(&client);
/// let catalogue = models.catalogue(RefreshStrategy::OnlineIfUncached).await?;
/// let model = catalogue.default_model().expect("there is one");
/// println!("{}: {}", model.slug, model.display_name);
/// # assert_eq!(model.slug, "gpt-test");
/// # Ok(()) }
/// ```
///
/// Based on the `models` route of the Codex backend, as the official tool uses it.
#[doc(alias("model list", "list models"))]
#[derive(Clone)]
pub struct CodexModels {
    caller: Arc<Caller>,
    client_version: String,
    time_to_live: Duration,
    cache_file: Option<PathBuf>,
    kept: Arc<Kept>,
}

/// What the clones of a handle share.
#[derive(Default)]
struct Kept {
    entry: Mutex<Option<Entry>>,
    /// Held during a request for the catalogue: others wait, and find its result.
    refreshing: tokio::sync::Mutex<()>,
    /// The last version from a header for which the catalogue was requested.
    etag_seen: Mutex<Option<String>>,
}

/// When the catalogue is requested, and when it comes from the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefreshStrategy {
    /// Always requests it.
    Online,
    /// Requests it unless the cached one is fresh. If the request fails, returns the cached one although it is old.
    OnlineIfUncached,
    /// Never requests it. The cached one must be fresh.
    Offline,
}

endpoint! { CodexModels by new, codex_models, else OpenAiModels where CodexBackend: Accepts<CodexModels> }

impl CodexModels {
    fn with_caller(caller: Arc<Caller>) -> Self {
        let version = caller.exchange().compatible_version().to_str().unwrap_or(COMPATIBLE_VERSION);
        Self {
            client_version: plain(version),
            caller,
            time_to_live: Duration::from_secs(300),
            cache_file: None,
            kept: Arc::default(),
        }
    }

    /// Replaces the client's [compatible version](crate::ClientBuilder::compatible_version) for the catalogue alone. Anything after
    /// `major.minor.patch` is removed.
    #[must_use]
    pub fn with_client_version(mut self, version: impl Into<String>) -> Self {
        self.client_version = plain(&version.into());
        self
    }

    /// How long the cached catalogue is fresh. Default 300 s; zero: never.
    #[must_use]
    pub fn with_time_to_live(mut self, time: Duration) -> Self {
        self.time_to_live = time;
        self
    }

    /// Caches the catalogue in a file, too. It contains no credentials. A file that cannot be read is ignored, and so is
    /// one that is no regular file or larger than 16 MiB; a failure to write it is logged. Not used where the account
    /// is not known.
    #[must_use]
    pub fn with_cache_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.cache_file = Some(path.into());
        self
    }

    /// The catalogue. Concurrent calls share one request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotCached`] when no fresh catalogue is cached and the strategy is
    /// [`Offline`](RefreshStrategy::Offline); otherwise when the request fails.
    pub async fn catalogue(&self, strategy: RefreshStrategy) -> Result<Arc<ModelCatalogue>, Error> {
        let key = self.key().await?;
        if strategy == RefreshStrategy::Online {
            return self.refresh(&key, None).await;
        }
        if let Some(fresh) = self.fresh(&key).await {
            return Ok(fresh);
        }
        if strategy == RefreshStrategy::Offline {
            let message = "no fresh catalogue of this account is cached, and the strategy is `Offline`";
            return Err(Error::new(ErrorKind::NotCached, CATALOGUE.name, message));
        }
        let old = self.entry(&key);
        match (self.refresh(&key, Some(self.time_to_live)).await, old) {
            (Err(error), Some(old)) => {
                tracing::warn!(kind = ?error.kind(), "the catalogue of models could not be refreshed; the old one is used");
                Ok(old.catalogue)
            }
            (outcome, _) => outcome,
        }
    }

    /// Takes note of the catalogue's version that an answer to another request had
    /// ([`ResponseEventKind::ModelsEtag`](crate::responses::ResponseEventKind::ModelsEtag),
    /// [`CollectedResponse::models_etag`](crate::responses::CollectedResponse)). If it is the version of the cached
    /// catalogue, that is fresh again. Otherwise the catalogue is requested, once for each version however often this
    /// is called.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// use codex_backend::models::RefreshStrategy;
    ///
    /// let models = client.codex_models();
    /// let answer = client.codex_responses().create("gpt-5.5", "Be terse.", "Hello").stream().await?.collect().await?;
    /// if let Some(etag) = &answer.models_etag {
    ///     models.note_etag(etag).await?;
    /// }
    /// assert!(models.catalogue(RefreshStrategy::Offline).await?.default_model().is_some());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the request fails. It is then made again with the next call.
    pub async fn note_etag(&self, etag: &str) -> Result<(), Error> {
        let key = self.key().await?;
        let _one_at_a_time = self.kept.refreshing.lock().await;
        if self.entry(&key).is_none() {
            // What another program has cached counts, too.
            let _found = self.fresh(&key).await;
        }
        if let Some(mut entry) = self.entry(&key).filter(|entry| entry.catalogue.etag() == Some(etag)) {
            entry.fetched_at = self.caller.exchange().now();
            self.keep(entry).await;
            return Ok(());
        }
        if lock(&self.kept.etag_seen).as_deref() == Some(etag) {
            return Ok(());
        }
        self.fetch(&key).await?;
        *lock(&self.kept.etag_seen) = Some(etag.to_owned());
        Ok(())
    }

    async fn key(&self) -> Result<Key, Error> {
        let account = self.caller.account(&CATALOGUE, &CallOptions::default()).await?;
        Ok(Key {
            base_url: self.caller.base_url().as_str().to_owned(),
            account_id: account.account_id,
            client_version: self.client_version.clone(),
        })
    }

    fn entry(&self, key: &Key) -> Option<Entry> {
        lock(&self.kept.entry).clone().filter(|entry| entry.key == *key)
    }

    fn is_fresh(&self, entry: &Entry, time_to_live: Duration) -> bool {
        // A time in the future comes from another clock; such an entry is not old.
        let age = self.caller.exchange().now().duration_since(entry.fetched_at).unwrap_or_default();
        !time_to_live.is_zero() && age <= time_to_live
    }

    async fn fresh(&self, key: &Key) -> Option<Arc<ModelCatalogue>> {
        if let Some(entry) = self.entry(key).filter(|entry| self.is_fresh(entry, self.time_to_live)) {
            return Some(entry.catalogue);
        }
        let entry = CacheFile::read(self.cache_file.clone()?, key.clone()).await?;
        // An old one is kept, too: it is better than none.
        *lock(&self.kept.entry) = Some(entry.clone());
        self.is_fresh(&entry, self.time_to_live).then_some(entry.catalogue)
    }

    /// Requests the catalogue, unless another call has done so meanwhile and the result is fresh enough.
    async fn refresh(&self, key: &Key, fresh_enough: Option<Duration>) -> Result<Arc<ModelCatalogue>, Error> {
        let _one_at_a_time = self.kept.refreshing.lock().await;
        let meanwhile = self.entry(key).filter(|entry| fresh_enough.is_some_and(|time| self.is_fresh(entry, time)));
        match meanwhile {
            Some(entry) => Ok(entry.catalogue),
            None => self.fetch(key).await,
        }
    }

    async fn fetch(&self, key: &Key) -> Result<Arc<ModelCatalogue>, Error> {
        let timeouts = self.caller.exchange().timeouts();
        let timeouts = timeouts.call(timeouts.call.min(OVERALL)).attempt(timeouts.attempt.min(OVERALL));
        let options = CallOptions { timeouts: Some(timeouts), ..CallOptions::default() };
        let mut request = self.request(&CATALOGUE).query("client_version", &self.client_version).with_options(options);
        if let Ok(version) = HeaderValue::from_str(&self.client_version) {
            request = request.headers(HeaderMap::from_iter([(VERSION, version)]));
        }
        let answer = request.send(ToTheEnd::DEFAULT).await?;
        let etag = answer.headers.get(http::header::ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let models: ModelsAnswer = answer.json(&CATALOGUE)?;
        let catalogue = Arc::new(ModelCatalogue::new(models.models, etag));
        let fetched_at = self.caller.exchange().now();
        self.keep(Entry { key: key.clone(), fetched_at, catalogue: catalogue.clone() }).await;
        Ok(catalogue)
    }

    async fn keep(&self, entry: Entry) {
        *lock(&self.kept.entry) = Some(entry.clone());
        if let Some(path) = self.cache_file.as_ref().filter(|_| entry.key.account_id.is_some())
            && let Err(error) = CacheFile::write(path.clone(), entry).await
        {
            tracing::warn!(%error, "the catalogue of models could not be written to its file");
        }
    }
}

/// The version without what stands behind its three numbers.
fn plain(version: &str) -> String {
    version.split(['-', '+']).next().unwrap_or_default().trim().to_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Deserialize)]
struct ModelsAnswer {
    models: Vec<Value>,
}

impl fmt::Debug for CodexModels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodexModels")
            .field("client_version", &self.client_version)
            .field("time_to_live", &self.time_to_live)
            .field("cache_file", &self.cache_file)
            .finish_non_exhaustive()
    }
}

endpoint! {
    /// The models of the OpenAI API. Accepts a `Client<OpenAiApi>`.
    ///
    /// `GET /models` and `GET /models/{model}`. Both are retried after a failure.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().api_key(backend.api_key()).build()?;
    /// use codex_backend::OpenAiModels;
    ///
    /// let models = OpenAiModels::new(&client).list().await?;
    /// assert_eq!(models[0].id, "gpt-test");
    /// # Ok(()) }
    /// ```
    #[doc(alias("model list", "list models"))]
    pub OpenAiModels by new, openai_models, else CodexModels where OpenAiApi: Accepts<OpenAiModels>
}

impl OpenAiModels {
    /// All models that the API key can use.
    pub fn list(&self) -> ApiRequest<Vec<OpenAiModel>> {
        self.request(&LIST).json::<OpenAiModelList>().and_then(|models| Ok(models.data.0))
    }

    /// One model, by its id.
    pub fn retrieve(&self, model: &str) -> ApiRequest<OpenAiModel> {
        self.request(&RETRIEVE).segment("model", model).json()
    }
}

open_struct! {
    /// A model of the OpenAI API.
    #[derive(Eq)]
    pub OpenAiModel {
        /// Its id.
        id: String,
        /// When it was created, in seconds since 1970.
        created: i64,
        /// Its owner.
        owned_by: String,
    }
}

#[derive(Deserialize)]
struct OpenAiModelList {
    data: Tolerant<Vec<OpenAiModel>>,
}
