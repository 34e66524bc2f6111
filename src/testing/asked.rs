//! A request as the handler of its route sees it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

/// A request whose credentials have been checked.
pub(super) struct Asked<'a> {
    /// The account that the credentials open; empty where the route demands none.
    pub(super) account_id: &'a str,
    pub(super) ids: &'a Ids,
    pub(super) query: BTreeMap<String, String>,
    pub(super) headers: &'a HeaderMap,
    /// Empty where the route receives it as it comes.
    pub(super) body: &'a Bytes,
}

/// The ids in a path, decoded, with their names in the template.
pub(super) type Ids = Vec<(&'static str, String)>;

impl Asked<'_> {
    /// The id that stands in the path where the template has `{name}`.
    pub(super) fn id(&self, name: &str) -> &str {
        let id = self.ids.iter().find(|(known, _)| *known == name);
        debug_assert!(id.is_some(), "the route's template has no `{{{name}}}`");
        id.map_or("", |(_, id)| id)
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A header's value, where it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; `null` if it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(self.body).unwrap_or_default()
    }
}
