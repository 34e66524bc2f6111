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

use self::wire::PluginListAnswer;
pub use self::wire::{Plugin, PluginInterface, PluginRelease, PluginScope, PluginSkill, PluginSkillInterface};
use super::request::{ApiRequest, Page, PagedRequest, PreparedRequest};
use crate::api::endpoint::{Accepts, Mode, endpoint, operations};
use crate::exchange::Operation;

operations! {
    for Plugins;
    LIST: "plugins.list" = GET "/ps/plugins/list", Safe, Bounded;
    INSTALLED: "plugins.installed" = GET "/ps/plugins/installed", Safe, Bounded;
    GET: "plugins.get" = GET "/ps/plugins/{plugin_id}", Safe, Bounded;
}
operations! {
    for FeaturedPlugins;
    FEATURED: "plugins.featured" = GET "/plugins/featured", Safe, Bounded;
}

/// How many plugins to a page.
const PAGE_SIZE: &str = "200";

endpoint! {
    /// The directory of plugins, as far as it can be read. Accepts a `Client<CodexBackend>`.
    ///
    /// These routes are at the ChatGPT host alone, below `/backend-api`. What is featured there is for
    /// [`FeaturedPlugins`], which accepts any client.
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
    /// Facts: the `plugins` routes of the Codex backend, as the official tool uses them.
    pub Plugins by new, plugins where CodexBackend: Accepts<Plugins>
}

impl Plugins {
    /// The plugins that there are. `GET /ps/plugins/list`, 200 to a page.
    pub fn list(&self, scope: PluginScope) -> PagedRequest<Plugin> {
        self.paged(&LIST, scope)
    }

    /// The plugins that the user has installed. `GET /ps/plugins/installed`, 200 to a page.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// use codex_backend::plugins::PluginScope;
    ///
    /// let installed = client.plugins().installed(PluginScope::Global).all().await?;
    /// assert_eq!(installed[0].enabled, Some(true));
    /// # Ok(()) }
    /// ```
    pub fn installed(&self, scope: PluginScope) -> PagedRequest<Plugin> {
        self.paged(&INSTALLED, scope)
    }

    /// One plugin. `GET /ps/plugins/{plugin_id}`.
    pub fn get(&self, plugin_id: &str) -> ApiRequest<Plugin> {
        self.request(&GET).segment("plugin_id", plugin_id).json()
    }

    fn paged(&self, operation: &'static Operation, scope: PluginScope) -> PagedRequest<Plugin> {
        let caller = self.caller.clone();
        PagedRequest::new(operation.name, move |cursor| {
            PreparedRequest::new(&caller, operation)
                .query("scope", scope.as_str())
                .query("limit", PAGE_SIZE)
                .query_if("pageToken", cursor)
                .json::<PluginListAnswer>()
                .and_then(|answer| Ok(Page::new(answer.plugins, answer.pagination.next_page_token)))
        })
    }
}

endpoint! {
    /// The plugins that are featured. Accepts **any** client, a `Client<NoAuth>` too.
    ///
    /// The question goes to the ChatGPT host, whatever the client is for. Credentials go along where they are those of the
    /// Codex backend; an API key never does. A client for the OpenAI API asks where
    /// [`codex_base_url`](crate::ClientBuilder::codex_base_url) says; if that is not set and its own base URL is on loopback,
    /// it asks nowhere ([`ErrorKind::NoBackend`](crate::ErrorKind::NoBackend)).
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
