//! Bounding a future by the injected clock.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use super::clock::Clock;

/// How slowly a body may come once its whole limit has passed, in bytes per second.
const SLOWEST: u64 = 16 << 10;

/// When the last byte moved, on the clock's monotonic time.
#[derive(Debug, Clone)]
pub(crate) struct Activity {
    clock: Arc<dyn Clock>,
    last: Arc<AtomicU64>,
    /// What bounds a body that is read to its end.
    whole: Duration,
}

impl Activity {
    pub(crate) fn starting_now(clock: &Arc<dyn Clock>) -> Self {
        let activity = Self { clock: clock.clone(), last: Arc::default(), whole: Duration::MAX };
        activity.touch();
        activity
    }

    pub(crate) fn with_whole(self, whole: Duration) -> Self {
        Self { whole, ..self }
    }

    pub(super) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Whether a body of which so much has come since it began takes too long. One that comes at a steady pace never does,
    /// however long it is; one that comes byte by byte does.
    pub(super) fn is_too_slow(&self, began: Duration, received: usize) -> bool {
        let allowed = self.whole.saturating_add(Duration::from_secs(received as u64 / SLOWEST));
        self.clock.monotonic().saturating_sub(began) > allowed
    }

    /// A byte has moved.
    pub(crate) fn touch(&self) {
        self.last.store(nanoseconds(self.clock.monotonic()), Ordering::Relaxed);
    }

    fn quiet_for(&self) -> Duration {
        let now = nanoseconds(self.clock.monotonic());
        Duration::from_nanos(now.saturating_sub(self.last.load(Ordering::Relaxed)))
    }
}

/// Says when nothing has moved for too long, to whoever polls a stream by hand.
pub(crate) struct IdleTimer {
    limit: Duration,
    activity: Activity,
    timer: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl IdleTimer {
    pub(crate) fn new(limit: Duration, activity: Activity) -> Self {
        Self { limit, activity, timer: None }
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// A byte has moved.
    pub(crate) fn touch(&self) {
        self.activity.touch();
    }

    /// Ready when the limit has passed since the last byte.
    pub(crate) fn poll_elapsed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let left = self.limit.saturating_sub(self.activity.quiet_for());
            let timer = self.timer.get_or_insert_with(|| self.activity.clock.sleep(left));
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.timer = None;
            if self.activity.quiet_for() >= self.limit {
                return Poll::Ready(());
            }
        }
    }
}

impl std::fmt::Debug for IdleTimer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdleTimer").field("limit", &self.limit).finish_non_exhaustive()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What bounds a future.
#[derive(Debug)]
pub(crate) enum Limit {
    Whole(Duration),
    Idle(Duration, Activity),
}

#[derive(Debug)]
pub(crate) struct Elapsed;

/// The future's value, or [`Elapsed`] if the limit passes first. The limit is
/// asked for, and a timer made, only for a future that is not ready at once.
///
/// The future is borrowed: these futures are large, and each one that is passed by value is moved and stored twice.
pub(crate) async fn within<F: Future + Send + ?Sized>(
    clock: &dyn Clock,
    limit: impl Fn() -> Limit + Send + Sync,
    mut future: Pin<&mut F>,
) -> Result<F::Output, Elapsed> {
    let mut timer = None;
    poll_fn(|context| {
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(value));
            }
            let running = timer.get_or_insert_with(|| {
                clock.sleep(match limit() {
                    Limit::Whole(whole) => whole,
                    Limit::Idle(idle, activity) => idle.saturating_sub(activity.quiet_for()),
                })
            });
            if running.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            match limit() {
                // A byte has moved since the timer was set: set it anew.
                Limit::Idle(idle, activity) if activity.quiet_for() < idle => timer = None,
                _ => return Poll::Ready(Err(Elapsed)),
            }
        }
    })
    .await
}
