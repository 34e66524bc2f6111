//! A catalogue that is cached, and whose it is.

use std::sync::Arc;
use std::time::SystemTime;

use super::catalogue::ModelCatalogue;

/// A catalogue, whose it is, and when it was fetched.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) fetched_at: SystemTime,
    pub(super) catalogue: Arc<ModelCatalogue>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) base_url: String,
    pub(super) account_id: Option<String>,
    pub(super) client_version: String,
}
