//! One room for each endpoint family: its handle, its request builders, its wire types.
//!
//! What they share: `request` (one request, from its path's template to the decoded answer), `pager` (lists that come in
//! pages), `cache` (what is remembered for a while).

pub(crate) mod cache;
pub(crate) mod files;
pub(crate) mod models;
pub(crate) mod openai_files;
pub(crate) mod pager;
pub(crate) mod request;
pub(crate) mod responses;
pub(crate) mod usage;
