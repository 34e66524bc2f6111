//! A clock on which no wait takes time, for tests of retries and of polling.

use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use codex_backend::transport::Clock;

/// Every wait from here on counts as a time-out.
const LIMITS_FROM: Duration = Duration::from_secs(30);

/// A clock on which waits pass at once and are noted, and time-outs (half a minute and more) never pass.
#[derive(Debug, Clone, Default)]
pub(crate) struct WaitLog {
    waits: Arc<Mutex<Vec<Duration>>>,
}

#[allow(dead_code, reason = "not every test binary asks")]
impl WaitLog {
    /// The waits that were asked for, in order.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.waits.lock().unwrap().clone()
    }
}

impl Clock for WaitLog {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        self.waits.lock().unwrap().iter().sum()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        if duration >= LIMITS_FROM {
            return Box::pin(pending());
        }
        self.waits.lock().unwrap().push(duration);
        Box::pin(ready(()))
    }
}
