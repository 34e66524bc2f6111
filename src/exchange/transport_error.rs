//! Why a transport brought no answer.

use std::error::Error as StdError;
use std::fmt;

use crate::error::ErrorKind;

/// Why a transport brought no answer. What it is made from is shown in errors and logs: it must not hold a credential or
/// a URL.
#[derive(Debug)]
pub struct TransportError {
    pub(super) failure: TransportFailure,
    pub(super) source: Box<dyn StdError + Send + Sync>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransportFailure {
    NotSent,
    /// The host has none but addresses that the request must not go to.
    NotPublic,
    ConnectTimeout,
    Certificate,
    Interrupted,
    Truncated,
}

impl TransportError {
    pub(super) fn new(failure: TransportFailure, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { failure, source: source.into() }
    }

    /// No connection could be made: it is certain that the server did not see the request.
    pub fn not_sent(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(TransportFailure::NotSent, source)
    }

    /// The connection broke, and the server may have seen the request.
    pub fn interrupted(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(TransportFailure::Interrupted, source)
    }

    /// The body ended in good order, and too early.
    pub(super) fn truncated(missing: u64) -> Self {
        Self::new(TransportFailure::Truncated, format!("{missing} bytes of the announced length are missing"))
    }

    /// What it is of a body whose head has come.
    pub(crate) fn kind_in_body(&self) -> ErrorKind {
        match self.failure {
            TransportFailure::Truncated => ErrorKind::Truncated,
            _ => ErrorKind::Interrupted,
        }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.failure {
            TransportFailure::NotSent => "no connection could be made",
            TransportFailure::NotPublic => "the host is not a public one",
            TransportFailure::ConnectTimeout => "connecting took too long",
            TransportFailure::Certificate => "the TLS handshake failed",
            TransportFailure::Interrupted => "the connection broke",
            TransportFailure::Truncated => "the body ended too early",
        })
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}
