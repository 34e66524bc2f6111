use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time as the client sees it: the wall clock, a monotonic clock, and sleep. Injected, so that tests that talk over
/// sockets need not pause the runtime's clock.
///
/// ```
/// use codex_backend::transport::{Clock, SystemClock};
/// let clock = SystemClock::new();
/// let before = clock.monotonic();
/// assert!(clock.monotonic() >= before);
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> SystemTime;

    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;

    /// Completes when `duration` has passed on the monotonic clock.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The first second that a timestamp has no room for: the year 10000.
const END_OF_TIMESTAMPS: u64 = 253_402_300_800;

/// A time that a timestamp can tell: not before 1970, nor after the year 9999. Formatting any other panics.
pub(crate) fn tellable(time: SystemTime) -> Option<SystemTime> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    (since.as_secs() < END_OF_TIMESTAMPS).then_some(time)
}

/// The clocks of the operating system and tokio's timer.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        // A timer that beside a busy future finds the task's budget used up would never be looked at.
        Box::pin(tokio::task::unconstrained(tokio::time::sleep(duration)))
    }
}
