//! Plugins for Codex: the directory, the installed ones, and the featured ones.
//!
//! [`Plugins`] is for a `Client<CodexBackend>`. [`FeaturedPlugins`] accepts any client, also one without credentials.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().without_credentials().build()?;
//! for plugin_id in client.featured_plugins().list().await? {
//!     println!("{plugin_id}");
//! }
//! # Ok(()) }
//! ```

mod wire;

pub use self::wire::{Plugin, PluginInterface, PluginRelease, PluginScope, PluginSkill, PluginSkillInterface};
use self::wire::{PluginConfirmation, PluginListAnswer};
use super::request::{ApiRequest, Page, PagedRequest, PreparedRequest};
use http::HeaderName;

use crate::api::endpoint::{Accepts, Mode, endpoint, operations};
use crate::error::{Error, ErrorKind};
use crate::exchange::Operation;

operations! {
    for Plugins;
    LIST: "plugins.list" = GET "/ps/plugins/list", Safe, Bounded;
    INSTALLED: "plugins.installed" = GET "/ps/plugins/installed", Safe, Bounded;
    GET: "plugins.get" = GET "/ps/plugins/{plugin_id}", Safe, Bounded;
    CREATED: "plugins.created" = GET "/ps/plugins/workspace/created", Safe, Bounded;
    INSTALL: "plugins.install" = POST "/ps/plugins/{plugin_id}/install", IfNotActedOn, Bounded;
    UNINSTALL: "plugins.uninstall" = POST "/plugins/{plugin_id}/uninstall", IfNotActedOn, Bounded;
}
operations! {
    for FeaturedPlugins;
    FEATURED: "plugins.featured" = GET "/plugins/featured", Safe, Bounded;
}

/// Which product asks.
const PRODUCT: HeaderName = HeaderName::from_static("oai-product-sku");
/// The number of plugins on a page.
const PAGE_SIZE: &str = "200";

endpoint! {
    /// The directory of plugins, and which of them are installed. Accepts a `Client<CodexBackend>`.
    ///
    /// Only the ChatGPT host has these routes, below `/backend-api`. For the featured plugins, [`FeaturedPlugins`]
    /// accepts any client.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// use codex_backend::plugins::PluginScope;
    /// use codex_backend::Plugins;
    ///
    /// let plugins = Plugins::new(&client);
    /// let all = plugins.list(PluginScope::Global).all().await?;
    /// let one = plugins.get(&all[0].id).await?;
    /// println!("{}", one.release.display_name);
    /// # assert_eq!(one.name, "notes");
    /// # Ok(()) }
    /// ```
    ///
    /// Based on the `plugins` routes of the Codex backend, as the official tool uses them.
    #[doc(alias("marketplace"))]
    pub Plugins by new, plugins where CodexBackend: Accepts<Plugins>
}

impl Plugins {
    /// All plugins. `GET /ps/plugins/list`, 200 per page.
    pub fn list(&self, scope: PluginScope) -> PagedRequest<Plugin> {
        self.paged(&LIST, Some(scope))
    }

    /// The plugins that the user has installed, of all scopes. `GET /ps/plugins/installed`, 200 per page.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// let installed = client.plugins().installed().all().await?;
    /// assert_eq!(installed[0].enabled, Some(true));
    /// # Ok(()) }
    /// ```
    pub fn installed(&self) -> PagedRequest<Plugin> {
        self.paged(&INSTALLED, None)
    }

    /// The plugins that the workspace has made itself. `GET /ps/plugins/workspace/created`, 200 per page.
    pub fn created(&self) -> PagedRequest<Plugin> {
        self.paged(&CREATED, None)
    }

    /// Installs a plugin for the user. `POST /ps/plugins/{plugin_id}/install`; retried only if the server did not act on it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// let plugins = client.plugins();
    /// plugins.uninstall("plugin_1").await?;
    /// assert_eq!(plugins.installed().all().await?.len(), 1);
    /// plugins.install("plugin_1").await?;
    /// # assert_eq!(plugins.installed().all().await?.len(), 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] also where the server does not confirm that this plugin is installed now.
    pub fn install(&self, plugin_id: &str) -> ApiRequest<()> {
        self.confirmed(&INSTALL, plugin_id, true)
    }

    /// Uninstalls a plugin for the user. `POST /plugins/{plugin_id}/uninstall`; otherwise as [`install`](Self::install).
    pub fn uninstall(&self, plugin_id: &str) -> ApiRequest<()> {
        self.confirmed(&UNINSTALL, plugin_id, false)
    }

    fn confirmed(&self, operation: &'static Operation, plugin_id: &str, enabled: bool) -> ApiRequest<()> {
        let due = PluginConfirmation { id: plugin_id.to_owned(), enabled };
        let request = self.request(operation).segment("plugin_id", plugin_id);
        request.exact_json::<PluginConfirmation>().and_then(move |told| {
            if told == due {
                return Ok(());
            }
            let message = "the server does not confirm it: the answer is about another plugin or another state";
            Err(Error::new(ErrorKind::Decode, operation.name, message).sent(true))
        })
    }

    /// One plugin. `GET /ps/plugins/{plugin_id}`.
    pub fn get(&self, plugin_id: &str) -> ApiRequest<Plugin> {
        self.request(&GET).segment("plugin_id", plugin_id).json()
    }

    fn paged(&self, operation: &'static Operation, scope: Option<PluginScope>) -> PagedRequest<Plugin> {
        let caller = self.caller.clone();
        PagedRequest::new(operation.name, move |cursor| {
            PreparedRequest::new(&caller, operation)
                .query_if("scope", scope.as_ref().map(PluginScope::as_str))
                .query("limit", PAGE_SIZE)
                .query_if("pageToken", cursor)
                .header(PRODUCT, "codex")
                .json::<PluginListAnswer>()
                .and_then(|answer| Ok(Page::new(answer.plugins, answer.pagination.0.next_page_token)))
        })
    }
}

endpoint! {
    /// The featured plugins. Accepts **any** client, also a `Client<NoAuth>`.
    ///
    /// The request goes to the ChatGPT host, whatever the client's mode is. It carries credentials of the Codex backend
    /// if the client has them, and never an API key. A client for the OpenAI API sends it to its
    /// [`codex_base_url`](crate::ClientBuilder::codex_base_url). If that is not set and the client's own base URL is on
    /// loopback, nothing is sent, and the error is [`ErrorKind::NoBackend`](crate::ErrorKind::NoBackend).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// use codex_backend::FeaturedPlugins;
    ///
    /// let anyone = backend.client().without_credentials().build()?;
    /// let with_a_key = backend.client().api_key(backend.api_key()).build()?;
    /// let featured = FeaturedPlugins::new(&anyone).list().await?;
    /// assert_eq!(FeaturedPlugins::new(&with_a_key).list().await?, featured);
    /// assert!(backend.requests().iter().all(|request| request.header("authorization").is_none()));
    /// # Ok(()) }
    /// ```
    pub FeaturedPlugins by new, featured_plugins where AnyMode: Mode
}

impl FeaturedPlugins {
    /// The ids of the plugins that are featured for Codex. `GET /plugins/featured`.
    pub fn list(&self) -> ApiRequest<Vec<String>> {
        self.list_for("codex")
    }

    /// The ids of the plugins that are featured for a product.
    pub fn list_for(&self, product: &str) -> ApiRequest<Vec<String>> {
        self.request(&FEATURED).query("platform", product).with_optional_auth().list()
    }
}
