//! The time-outs of a call.

use std::time::Duration;

/// The six time-outs of a call. All but `stream` have a default, and each can be replaced, on the builder for all calls and on a
/// request for one.
///
/// | limit | default | what it bounds |
/// | --- | --- | --- |
/// | `connect` | 10 s | making a connection, TLS included (set on the builder only) |
/// | `attempt` | 60 s | one sending of a request, up to the end of the answer |
/// | `call` | 180 s | a whole call: all attempts, the waits between them and the recovery of credentials |
/// | `idle` | 60 s | an upload in which not one byte moves |
/// | `stream_idle` | 300 s | a stream of events in which not one byte comes, its head included; models may think for minutes |
/// | `stream` | none | a whole stream of events, from its head to its end |
///
/// Uploads of file content and streams are bounded by their idle limit alone, so a large file on a slow line is no error,
/// nor is a long answer. An answer to them in one piece, such as an error or a download into memory, must also be complete
/// within `call` from its head on, and a second more for each 16 KiB.
///
/// ```
/// use std::time::Duration;
/// use codex_backend::Timeouts;
///
/// let timeouts = Timeouts::default().attempt(Duration::from_secs(20)).call(Duration::from_secs(45));
/// # let _ = timeouts;
/// ```
#[doc(alias("timeout", "time-out", "deadline"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub(crate) connect: Duration,
    pub(crate) attempt: Duration,
    pub(crate) call: Duration,
    pub(crate) idle: Duration,
    pub(crate) stream_idle: Duration,
    pub(crate) stream: Option<Duration>,
}

impl Timeouts {
    /// Bounds making a connection, TLS included.
    #[must_use]
    pub fn connect(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// Bounds one sending of a request, up to the end of the answer.
    #[must_use]
    pub fn attempt(mut self, limit: Duration) -> Self {
        self.attempt = limit;
        self
    }

    /// Bounds a whole call.
    #[must_use]
    pub fn call(mut self, limit: Duration) -> Self {
        self.call = limit;
        self
    }

    /// Bounds the time in which not one byte of an upload moves.
    #[must_use]
    pub fn idle(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// Bounds the time in which not one byte of a stream of events comes.
    #[must_use]
    pub fn stream_idle(mut self, limit: Duration) -> Self {
        self.stream_idle = limit;
        self
    }

    /// Bounds a whole stream of events, however lively it is.
    #[must_use]
    pub fn stream(mut self, limit: Duration) -> Self {
        self.stream = Some(limit);
        self
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            attempt: Duration::from_secs(60),
            call: Duration::from_secs(180),
            idle: Duration::from_secs(60),
            stream_idle: Duration::from_secs(300),
            stream: None,
        }
    }
}
