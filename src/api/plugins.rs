//! The directory of plugins, and what of it anyone may read.

mod wire;

use std::sync::Arc;

use http::Method;

use self::wire::PluginListAnswer;
pub use self::wire::{Plugin, PluginInterface, PluginRelease, PluginScope, PluginSkill, PluginSkillInterface};
use super::pager::{Page, PagedRequest};
use super::request::ApiRequest;
use crate::call::Caller;
use crate::client::Client;
use crate::exchange::{Operation, Pace, Retries};
use crate::mode::sealed::Sealed;
use crate::mode::{Accepts, AnyMode, CodexBackend, Endpoint};

static LIST: Operation = Operation {
    name: "plugins.list",
    method: Method::GET,
    path: "/ps/plugins/list",
    retries: Retries::Safe,
    pace: Pace::Bounded,
};
static INSTALLED: Operation = Operation {
    name: "plugins.installed",
    method: Method::GET,
    path: "/ps/plugins/installed",
    retries: Retries::Safe,
    pace: Pace::Bounded,
};
static GET: Operation = Operation {
    name: "plugins.get",
    method: Method::GET,
    path: "/ps/plugins/{plugin_id}",
    retries: Retries::Safe,
    pace: Pace::Bounded,
};
static FEATURED: Operation = Operation {
    name: "plugins.featured",
    method: Method::GET,
    path: "/plugins/featured",
    retries: Retries::Safe,
    pace: Pace::Bounded,
};

/// How many plugins to a page.
const PAGE_SIZE: &str = "200";

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
#[derive(Debug, Clone)]
pub struct Plugins {
    caller: Arc<Caller>,
}

impl Sealed for Plugins {}
impl Endpoint for Plugins {
    type Accepted = CodexBackend;
    const NAME: &'static str = "Plugins";
}

impl<M> Client<M> {
    /// The directory of plugins: [`Plugins::new`] as a method.
    #[must_use]
    pub fn plugins(&self) -> Plugins
    where
        M: Accepts<Plugins>,
    {
        Plugins::new(self)
    }

    /// The plugins that are featured: [`FeaturedPlugins::new`] as a method.
    #[must_use]
    pub fn featured_plugins(&self) -> FeaturedPlugins
    where
        M: Accepts<FeaturedPlugins>,
    {
        FeaturedPlugins::new(self)
    }
}

impl Plugins {
    /// With a client for the Codex backend.
    #[must_use]
    pub fn new<M>(client: &Client<M>) -> Self
    where
        M: Accepts<Self>,
    {
        Self { caller: client.caller().clone() }
    }

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
        ApiRequest::json(&self.caller, &GET).segment("plugin_id", plugin_id)
    }

    fn paged(&self, operation: &'static Operation, scope: PluginScope) -> PagedRequest<Plugin> {
        let caller = self.caller.clone();
        PagedRequest::new(operation.name, move |cursor| {
            ApiRequest::<PluginListAnswer>::json(&caller, operation)
                .query("scope", scope.as_str())
                .query("limit", PAGE_SIZE)
                .query_if("pageToken", cursor)
                .and_then(|answer| Ok(Page::new(answer.plugins, answer.pagination.next_page_token)))
        })
    }
}

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
#[derive(Debug, Clone)]
pub struct FeaturedPlugins {
    caller: Arc<Caller>,
}

impl Sealed for FeaturedPlugins {}
impl Endpoint for FeaturedPlugins {
    type Accepted = AnyMode;
    const NAME: &'static str = "FeaturedPlugins";
}

impl FeaturedPlugins {
    /// With any client.
    #[must_use]
    pub fn new<M>(client: &Client<M>) -> Self
    where
        M: Accepts<Self>,
    {
        Self { caller: client.caller().clone() }
    }

    /// The ids of the plugins that are featured for Codex. `GET /plugins/featured`.
    pub fn list(&self) -> ApiRequest<Vec<String>> {
        self.list_for("codex")
    }

    /// The ids of the plugins that are featured for a product.
    pub fn list_for(&self, product: &str) -> ApiRequest<Vec<String>> {
        ApiRequest::list(&self.caller, &FEATURED).query("platform", product).with_optional_auth()
    }
}
