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
use crate::exchange::{CallOptions, ToTheEnd};
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

/// The version of the official tool whose catalogue is asked for, unless another is set.
///
/// The backend leaves out models that a client of the version it is told cannot use. It is a matter of compatibility and
/// says nothing about who is calling: that is the application's name and version, set on the builder.
pub const MODELS_CLIENT_VERSION: &str = "0.125.0";

/// How long asking for the catalogue may take, repeats included.
const OVERALL: Duration = Duration::from_secs(5);

/// The catalogue of models that the Codex backend offers the account. Accepts a `Client<CodexBackend>`.
///
/// `GET /codex/models`, or below `/api/codex` where the base URL does not end in `/backend-api`. It changes nothing, so it
/// is sent again after a failure; all of it takes at most 5 s.
///
/// The catalogue is kept in memory, and in a file where [one is named](Self::with_cache_file), for 300 s or
/// [another time](Self::with_time_to_live). What is kept is for one base URL, account and client version, and for no other.
/// Clones share what they keep; so keep one handle for a client.
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
    /// Held while the catalogue is asked for: the others wait, and find it.
    refreshing: tokio::sync::Mutex<()>,
    /// The last version that a header told and that was looked into.
    etag_seen: Mutex<Option<String>>,
}

/// When the catalogue is asked for, and when what is kept will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefreshStrategy {
    /// It is asked for.
    Online,
    /// It is asked for unless what is kept is fresh. If that fails, what is kept will do though it is old.
    OnlineIfUncached,
    /// It is not asked for. What is kept must be fresh.
    Offline,
}

endpoint! { CodexModels by new, codex_models, else OpenAiModels where CodexBackend: Accepts<CodexModels> }

impl CodexModels {
    fn with_caller(caller: Arc<Caller>) -> Self {
        Self {
            caller,
            client_version: MODELS_CLIENT_VERSION.to_owned(),
            time_to_live: Duration::from_secs(300),
            cache_file: None,
            kept: Arc::default(),
        }
    }

    /// Another version than [`MODELS_CLIENT_VERSION`]. What stands behind `major.minor.patch` is cut off.
    #[must_use]
    pub fn with_client_version(mut self, version: impl Into<String>) -> Self {
        let version = version.into();
        self.client_version = version.split(['-', '+']).next().unwrap_or_default().trim().to_owned();
        self
    }

    /// How long what is kept is fresh. Default 300 s; zero: never.
    #[must_use]
    pub fn with_time_to_live(mut self, time: Duration) -> Self {
        self.time_to_live = time;
        self
    }

    /// Keeps the catalogue in a file as well. It holds no credential. A file that cannot be read is as good as none, and
    /// one that cannot be written is logged.
    #[must_use]
    pub fn with_cache_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.cache_file = Some(path.into());
        self
    }

    /// The catalogue. Several that ask at once cause one request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotCached`] when nothing fresh is kept and the strategy is [`Offline`](RefreshStrategy::Offline);
    /// otherwise what the server or the network said.
    pub async fn catalogue(&self, strategy: RefreshStrategy) -> Result<Arc<ModelCatalogue>, Error> {
        let key = self.key().await?;
        if strategy == RefreshStrategy::Online {
            return self.refresh(&key, None).await;
        }
        if let Some(fresh) = self.fresh(&key).await {
            return Ok(fresh);
        }
        if strategy == RefreshStrategy::Offline {
            let message = "no catalogue of this account is kept that is fresh, and asking for it was ruled out";
            return Err(Error::new(ErrorKind::NotCached, CATALOGUE.name, message));
        }
        let old = self.entry(&key);
        match (self.refresh(&key, Some(self.time_to_live)).await, old) {
            (Err(error), Some(old)) => {
                tracing::warn!(kind = ?error.kind(), "the catalogue of models could not be renewed; the old one is used");
                Ok(old.catalogue)
            }
            (outcome, _) => outcome,
        }
    }

    /// Looks into the version that an answer told ([`ResponseEventKind::ModelsEtag`](crate::responses::ResponseEventKind::ModelsEtag),
    /// [`CollectedResponse::models_etag`](crate::responses::CollectedResponse)). If it is the one that is kept, that is fresh again;
    /// otherwise the catalogue is asked for, once for each version however often it is told. Versions are compared as text.
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
    /// What the server or the network said. The version is looked into again then.
    pub async fn note_etag(&self, etag: &str) -> Result<(), Error> {
        let key = self.key().await?;
        let _one_at_a_time = self.kept.refreshing.lock().await;
        if self.entry(&key).is_none() {
            // What another program has kept counts too.
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
        // A moment in the future is that of another clock; what it stamped is not old.
        let age = self.caller.exchange().now().duration_since(entry.fetched_at).unwrap_or_default();
        !time_to_live.is_zero() && age <= time_to_live
    }

    async fn fresh(&self, key: &Key) -> Option<Arc<ModelCatalogue>> {
        if let Some(entry) = self.entry(key).filter(|entry| self.is_fresh(entry, self.time_to_live)) {
            return Some(entry.catalogue);
        }
        let entry = CacheFile::read(self.cache_file.clone()?, key.clone()).await?;
        // An old one is kept too: it is better than none.
        *lock(&self.kept.entry) = Some(entry.clone());
        self.is_fresh(&entry, self.time_to_live).then_some(entry.catalogue)
    }

    /// Asks for the catalogue, unless another has meanwhile and that is fresh enough.
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
        let request = self.request(&CATALOGUE).query("client_version", &self.client_version).with_options(options);
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
        if let Some(path) = &self.cache_file
            && let Err(error) = CacheFile::write(path.clone(), entry).await
        {
            tracing::warn!(%error, "the catalogue of models could not be written to its file");
        }
    }
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
    /// `GET /models` and `GET /models/{model}`. They change nothing, so they are sent again after a failure.
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
    pub OpenAiModels by new, openai_models, else CodexModels where OpenAiApi: Accepts<OpenAiModels>
}

impl OpenAiModels {
    /// All models that the key may use.
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
        /// When it was made, in seconds since 1970.
        created: i64,
        /// Whose it is.
        owned_by: String,
    }
}

#[derive(Deserialize)]
struct OpenAiModelList {
    data: Tolerant<Vec<OpenAiModel>>,
}
