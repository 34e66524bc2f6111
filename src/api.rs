//! One room for each endpoint family: its handle, its request builders, its wire types.
//!
//! What they share: `request` (one request, from its path's template to the decoded answer), `pager` (lists that come in
//! pages), `cache` (what is remembered for a while).

pub(crate) mod accounts;
pub(crate) mod cache;
pub(crate) mod connectors;
pub(crate) mod environments;
pub(crate) mod files;
#[cfg(feature = "managed-config")]
pub(crate) mod managed_config;
pub(crate) mod models;
pub(crate) mod openai_files;
pub(crate) mod pager;
pub(crate) mod plugins;
pub(crate) mod request;
pub(crate) mod responses;
pub(crate) mod tasks;
pub(crate) mod usage;
pub(crate) mod working_tree;
pub(crate) mod workspace;
