//! Connectors (apps of third parties that ChatGPT can be connected with): their directory, and details of single ones.
//!
//! Everything is reached through [`Connectors`], for a `Client<CodexBackend>`.
//! [`directory`](Connectors::directory) is the list to show to a user, cached for an hour; [`list`](Connectors::list) and
//! [`list_workspace`](Connectors::list_workspace) are the requests behind it; [`batch`](Connectors::batch) gets the tools of
//! single connectors. This crate lists connectors; it does not install them or call their tools.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! let connectors = client.connectors();
//! let directory = connectors.directory().await?;
//! println!("install {} at {}", directory[0].name, directory[0].install_url);
//! # Ok(()) }
//! ```

mod wire;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use self::wire::DirectoryAnswer;
pub use self::wire::{
    AppBatch, AppDetails, AppMetadata, AppReview, AppTool, ConnectorBranding, ConnectorScreenshot, DirectoryApp,
};
use super::cache::TtlCache;
use super::request::{ApiRequest, Needs, Page, PagedRequest, PreparedRequest, Requirement};
use crate::api::endpoint::{Accepts, endpoint, operations};
use crate::auth::AccountFacts;
use crate::call::Caller;
use crate::error::{Error, ErrorKind};
use crate::exchange::{CallOptions, path_segment};

operations! {
    for Connectors;
    LIST: "connectors.list" = GET "/connectors/directory/list", Safe, Bounded;
    LIST_WORKSPACE: "connectors.list_workspace" = GET "/connectors/directory/list_workspace", Safe, Bounded;
    BATCH: "connectors.batch" = POST "/ps/apps/batch", Safe, Bounded;
}

/// How long a directory is cached.
const TIME_TO_LIVE: Duration = Duration::from_secs(60 * 60);

/// The directory of connectors: apps of third parties that ChatGPT can be connected with. Accepts a
/// `Client<CodexBackend>`.
///
/// Requests need an account id: if neither the credentials nor [`with_account`](Self::with_account) have one, the error
/// is [`ErrorKind::NoAccountId`], before anything is sent. Only the ChatGPT host has these routes, below
/// `/backend-api`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// use codex_backend::Connectors;
///
/// let connectors = Connectors::new(&client);
/// for connector in connectors.directory().await?.iter() {
///     println!("{} {}", connector.name, connector.install_url);
/// }
/// assert_eq!(connectors.directory().await?[0].name, "Google Drive"); // from the cache
/// # assert_eq!(backend.requests().len(), 2);
/// # Ok(()) }
/// ```
///
/// A handle and its clones share one cache of the whole directory, by account, for one hour. So keep the handle.
///
/// Based on the `connectors` and `apps` routes of the Codex backend, as the official tool uses them.
#[doc(alias("apps"))]
#[derive(Debug, Clone)]
pub struct Connectors {
    caller: Arc<Caller>,
    account: Option<AccountFacts>,
    directories: Arc<TtlCache<DirectoryKey, Arc<[Connector]>>>,
}

/// The account whose directory it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct DirectoryKey {
    base_url: String,
    account_id: String,
    user_id: Option<String>,
    is_workspace: bool,
}

endpoint! { Connectors by new, connectors where CodexBackend: Accepts<Connectors> }

impl Connectors {
    fn with_caller(caller: Arc<Caller>) -> Self {
        let directories = TtlCache::new(caller.exchange().clock().clone(), TIME_TO_LIVE);
        Self { caller, account: None, directories: Arc::new(directories) }
    }

    /// Sets what is known about the account. Default: what the credentials say.
    #[must_use]
    pub fn with_account(mut self, account: impl Into<AccountFacts>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// The directory as the backend sends it, page by page. `GET /connectors/directory/list`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// let first = client.connectors().list().page().await?;
    /// assert!(first.next_cursor.is_some());
    /// # Ok(()) }
    /// ```
    pub fn list(&self) -> PagedRequest<DirectoryApp> {
        let (caller, requirement) = (self.caller.clone(), self.requirement(false));
        PagedRequest::new(LIST.name, move |cursor| {
            PreparedRequest::new(&caller, &LIST)
                .query_if("token", cursor)
                .query("external_logos", "true")
                .requiring(requirement.clone())
                .json::<DirectoryAnswer>()
                .and_then(|answer| Ok(Page::new(answer.apps, answer.next_token.0)))
        })
    }

    /// The workspace's own connectors. `GET /connectors/directory/list_workspace`. For any other account the error is
    /// [`ErrorKind::NotAWorkspace`], before anything is sent.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// use codex_backend::ErrorKind;
    ///
    /// let refused = client.connectors().list_workspace().await;
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::NotAWorkspace);
    /// # assert!(backend.requests().is_empty());
    /// # Ok(()) }
    /// ```
    pub fn list_workspace(&self) -> ApiRequest<Vec<DirectoryApp>> {
        self.request(&LIST_WORKSPACE)
            .query("external_logos", "true")
            .requiring(self.requirement(true))
            .json::<DirectoryAnswer>()
            .and_then(|answer| Ok(answer.apps))
    }

    /// The whole directory, and the workspace's own connectors if the account is a workspace: without hidden ones and
    /// duplicates, sorted by name. Cached for one hour.
    ///
    /// # Errors
    ///
    /// When a request for the directory fails, or after 1,000 pages or ten minutes, [`ErrorKind::ListTooLong`]. A failure of the workspace's own list is only logged: those connectors
    /// are then missing.
    pub async fn directory(&self) -> Result<Arc<[Connector]>, Error> {
        let account = match &self.account {
            Some(account) => account.clone(),
            None => self.caller.account(&LIST, &CallOptions::default()).await?,
        };
        let Some(account_id) = account.account_id.clone() else {
            let message = "the credentials do not tell which account they are for";
            return Err(Error::new(ErrorKind::NoAccountId, LIST.name, message));
        };
        let key = DirectoryKey {
            base_url: self.caller.base_url().as_str().to_owned(),
            account_id,
            user_id: account.user_id.clone(),
            is_workspace: account.is_workspace(),
        };
        if let Some(remembered) = self.directories.get(&key) {
            return Ok(remembered);
        }
        // The key of the cache fits the requests, even if the credentials change meanwhile.
        let asking = Self { account: Some(account), ..self.clone() };
        let mut apps = asking.list().all().await?;
        if key.is_workspace {
            match asking.list_workspace().await {
                Ok(of_workspace) => apps.extend(of_workspace),
                Err(error) => tracing::warn!(%error, "the workspace's own connectors could not be fetched"),
            }
        }
        let directory: Arc<[Connector]> = merged(apps).into();
        self.directories.keep(key, directory.clone());
        Ok(directory)
    }

    /// Empties the cache.
    pub fn forget(&self) {
        self.directories.clear();
    }

    /// Details of single connectors, with their tools if `include_tools` is set. `POST /ps/apps/batch`. At least one id
    /// is required.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// let apps = client.connectors().batch(["connector_drive"], true).await?.apps;
    /// assert_eq!(apps[0].tools[0].name, "search");
    /// # Ok(()) }
    /// ```
    pub fn batch<I>(&self, app_ids: I, include_tools: bool) -> ApiRequest<AppBatch>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let app_ids: Vec<String> = app_ids.into_iter().map(Into::into).collect();
        let reason = app_ids.is_empty().then(|| "no app was named".to_owned());
        self.request(&BATCH)
            .body(&BatchRequest { app_ids, include_tools })
            .refused(reason)
            .requiring(self.requirement(false))
            .json()
    }

    fn requirement(&self, workspace: bool) -> Requirement {
        let needs = if workspace { Needs::Workspace } else { Needs::AccountId };
        Requirement { account: self.account.clone(), needs }
    }
}

#[derive(Serialize)]
struct BatchRequest {
    app_ids: Vec<String>,
    include_tools: bool,
}

/// A connector, prepared to be shown to a user.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Connector {
    /// Its id.
    pub id: String,
    /// Its name; if it has none, its id.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The page on which a person installs it.
    pub install_url: String,
    /// The whole entry of the directory.
    pub app: DirectoryApp,
}

/// The page on which a person installs a connector.
///
/// ```
/// use codex_backend::connectors::connector_install_url;
///
/// let url = connector_install_url("Google Drive", "connector_drive");
/// assert_eq!(url, "https://chatgpt.com/apps/google-drive/connector_drive");
/// ```
#[must_use]
pub fn connector_install_url(name: &str, id: &str) -> String {
    let dashed: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let slug = Some(dashed.trim_matches('-')).filter(|slug| !slug.is_empty()).unwrap_or("app");
    format!("https://chatgpt.com/apps/{slug}/{}", path_segment(id).unwrap_or_default())
}

/// Without hidden ones and duplicates, sorted by name.
fn merged(apps: Vec<DirectoryApp>) -> Vec<Connector> {
    let mut order: Vec<String> = Vec::new();
    let mut by_id: HashMap<String, DirectoryApp> = HashMap::new();
    for app in apps.into_iter().filter(|app| !app.is_hidden()) {
        match by_id.get_mut(&app.id) {
            Some(known) => known.merge(app),
            None => {
                order.push(app.id.clone());
                by_id.insert(app.id.clone(), app);
            }
        }
    }
    let mut connectors: Vec<Connector> =
        order.into_iter().filter_map(|id| by_id.remove(&id)).map(Connector::of).collect();
    connectors.sort_by(|one, other| one.name.cmp(&other.name).then_with(|| one.id.cmp(&other.id)));
    connectors
}

impl Connector {
    fn of(app: DirectoryApp) -> Self {
        let filled = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            install_url: connector_install_url(&app.name, &app.id),
            name: filled(&app.name).unwrap_or_else(|| app.id.clone()),
            description: app.description.as_deref().and_then(filled),
            id: app.id.clone(),
            app,
        }
    }
}
