use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, oneshot};

use crate::exchange::Clock;

/// A clock that moves only when it is told to.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::time::{Duration, SystemTime};
/// use codex_backend::transport::Clock;
/// use codex_backend::testing::ManualClock;
///
/// let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
/// let nap = clock.sleep(Duration::from_secs(30));
/// clock.advance(Duration::from_secs(30));
/// nap.await;
/// assert_eq!(clock.monotonic(), Duration::from_secs(30));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<ClockState>,
    slept: Notify,
}

#[derive(Debug)]
struct ClockState {
    now: SystemTime,
    monotonic: Duration,
    sleepers: Vec<(Duration, oneshot::Sender<()>)>,
}

impl ManualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn starting_at(now: SystemTime) -> Self {
        let state = ClockState { now, monotonic: Duration::ZERO, sleepers: Vec::new() };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), slept: Notify::new() }) }
    }

    /// Moves both clocks, and wakes those whose time has come.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state();
        state.now = state.now.checked_add(by).unwrap_or(state.now);
        state.monotonic = state.monotonic.saturating_add(by);
        let monotonic = state.monotonic;
        for index in (0..state.sleepers.len()).rev() {
            if state.sleepers[index].0 <= monotonic {
                // A sleeper that has gone away meanwhile needs no waking.
                let _gone = state.sleepers.swap_remove(index).1.send(());
            }
        }
    }

    /// Sets the wall clock alone, back if need be.
    pub fn set_now(&self, now: SystemTime) {
        self.state().now = now;
    }

    /// Waits until someone sleeps for exactly this long, which tells that the code under test has come so far.
    pub async fn until_asleep_for(&self, duration: Duration) {
        loop {
            let slept = self.shared.slept.notified();
            {
                let state = self.state();
                let until = state.monotonic.saturating_add(duration);
                if state.sleepers.iter().any(|(deadline, waker)| *deadline == until && !waker.is_closed()) {
                    return;
                }
            }
            slept.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, ClockState> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        self.state().now
    }

    fn monotonic(&self) -> Duration {
        self.state().monotonic
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        if duration.is_zero() {
            return Box::pin(std::future::ready(()));
        }
        let (waker, woken) = oneshot::channel();
        {
            let mut state = self.state();
            let deadline = state.monotonic.saturating_add(duration);
            state.sleepers.retain(|(_, waker)| !waker.is_closed());
            state.sleepers.push((deadline, waker));
        }
        self.shared.slept.notify_waiters();
        Box::pin(async move {
            // The sender is dropped only with the clock itself; then there is no more time to wait for.
            let _woken = woken.await;
        })
    }
}
