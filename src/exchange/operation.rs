//! What is fixed for every request of an operation.

use http::Method;

use super::retry::Retries;

/// What is the same for every request of an operation.
#[derive(Debug)]
pub(crate) struct Operation {
    /// As errors and spans name it: `files.create`.
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    /// The path's template, which is all of the URL that spans show.
    pub(crate) path: &'static str,
    pub(crate) retries: Retries,
    pub(crate) pace: Pace,
}

/// What bounds an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The limits on the attempt and on the call.
    Bounded,
    /// The idle limit alone: any byte resets it.
    IdleOnly,
    /// The same for an answer that is a stream, whose idle limit is its own.
    Stream,
}

impl Operation {
    /// The span of one call. It names the operation and nothing of the request.
    pub(crate) fn span(&self, mode: &'static str) -> tracing::Span {
        tracing::debug_span!(
            "codex_backend.call",
            operation = self.name,
            mode,
            method = self.method.as_str(),
            path = self.path
        )
    }
}
