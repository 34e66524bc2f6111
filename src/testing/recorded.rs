//! The requests that came, as they came.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::route::Route;

/// A request as it arrived. `Debug` hides credentials; the accessors do not.
#[derive(Clone)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// Path and query, as on the wire.
    pub target: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; empty for uploads of file content, which [`Backend::files`](crate::testing::Backend::files) has.
    pub body: Bytes,
    /// The route, where it is one that the server knows.
    pub route: Option<Route>,
}

impl RecordedRequest {
    /// A header's value, where it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; `null` if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: [&str; 9] = [
            "accept",
            "content-encoding",
            "content-length",
            "content-type",
            "host",
            "originator",
            "user-agent",
            "x-ms-blob-type",
            "x-openai-fedramp",
        ];
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| {
                let shown = SHOWN.contains(&name.as_str());
                (name.as_str(), if shown { value.to_str().unwrap_or("[not text]") } else { "[hidden]" })
            })
            .collect();
        let path = self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path);
        f.debug_struct("RecordedRequest")
            .field("method", &self.method)
            .field("path", &path)
            .field("headers", &headers)
            .field("body_length", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// All requests so far.
#[derive(Debug, Default, Clone)]
pub(super) struct Recorded {
    pub(super) requests: Vec<RecordedRequest>,
}
