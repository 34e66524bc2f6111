//! One room for each endpoint family: its handle, its request builders, its wire types.
//!
//! What they share: `request` (one request, from its path's template to the decoded answer, and lists that come in pages),
//! `cache` (what is remembered for a while).

pub(crate) mod cache;
pub(crate) mod endpoint;
pub mod request;
pub(crate) mod working_tree;

pub use self::request::{ApiRequest, PagedRequest};

/// Declares the families: each is a public module of the crate, and its handles stand in the crate's root as well.
macro_rules! families {
    ($($(#[$meta:meta])* $family:ident: $($handle:ident),+;)*) => {
        $(
            $(#[$meta])*
            pub mod $family;
            $(#[$meta])*
            pub use self::$family::{$($handle),+};
        )*
    };
}

families! {
    accounts: Accounts;
    connectors: Connectors;
    environments: CloudEnvironments;
    files: OpenAiFileUpload;
    #[cfg(feature = "managed-config")]
    managed_config: ManagedConfig;
    models: CodexModels, OpenAiModels;
    openai_files: OpenAiFiles;
    plugins: FeaturedPlugins, Plugins;
    responses: CodexResponses, OpenAiResponses;
    tasks: CloudTasks;
    usage: Usage;
    workspace: WorkspacePolicy;
}
