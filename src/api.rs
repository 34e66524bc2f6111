//! One room for each endpoint family: its handle, its request builders, its wire types.
//!
//! What they share: `endpoint` (how handles and operations are declared), `request` (one request, from its path's template
//! to the decoded answer, and lists that come in pages), `cache` (what is remembered for a while), `kept_file` (files in
//! which something is cached).

pub mod accounts;
pub(crate) mod cache;
pub mod connectors;
pub(crate) mod endpoint;
pub mod environments;
pub mod files;
pub(crate) mod kept_file;
#[cfg(feature = "managed-config")]
pub mod managed_config;
pub mod models;
pub mod openai_files;
pub mod plugins;
pub mod request;
pub mod responses;
pub mod skills;
pub mod tasks;
pub mod usage;
pub(crate) mod working_tree;
pub mod workspace;

pub use self::accounts::Accounts;
pub use self::connectors::Connectors;
pub use self::environments::CloudEnvironments;
pub use self::files::OpenAiFileUpload;
#[cfg(feature = "managed-config")]
pub use self::managed_config::ManagedConfig;
pub use self::models::{CodexModels, OpenAiModels};
pub use self::openai_files::OpenAiFiles;
pub use self::plugins::{FeaturedPlugins, Plugins};
pub use self::request::{ApiRequest, PagedRequest};
pub use self::responses::{CodexResponses, OpenAiResponses};
pub use self::skills::Skills;
pub use self::tasks::CloudTasks;
pub use self::usage::Usage;
pub use self::workspace::WorkspacePolicy;
