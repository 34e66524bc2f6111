//! How far a refresh has come, and what keeps a run time from ending before its answer is saved.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

/// How long, once the token endpoint has answered, a save is waited for by what is about to end.
pub(super) const SAVE_GRACE: Duration = Duration::from_secs(10);

/// How far one refresh has come.
pub(super) struct RefreshProgress {
    stage: Mutex<Stage>,
    changed: Condvar,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// The refresh token has not been used.
    Preparing,
    /// Whoever waited could wait no longer, so the refresh token must not be used any more.
    Abandoned,
    Sent,
    Answered(Instant),
    Over,
}

impl RefreshProgress {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { stage: Mutex::new(Stage::Preparing), changed: Condvar::new() })
    }

    /// The refresh token is about to leave. Says whether it still may.
    pub(super) fn may_send(&self) -> bool {
        let mut stage = self.stage();
        if *stage == Stage::Abandoned {
            return false;
        }
        *stage = Stage::Sent;
        true
    }

    pub(super) fn answered(&self) {
        self.reach(Stage::Answered(Instant::now()));
    }

    pub(super) fn over(&self) {
        self.reach(Stage::Over);
    }

    /// Keeps the run time of the caller from ending before the refresh is over: it waits for a task that may block, and for
    /// nothing else. `timeout` is that of the token endpoint.
    pub(super) fn hold_run_time(self: &Arc<Self>, timeout: Duration) {
        if let Ok(runtime) = Handle::try_current() {
            let progress = self.clone();
            drop(runtime.spawn_blocking(move || progress.wait(timeout + SAVE_GRACE)));
        }
    }

    fn wait(&self, patience: Duration) {
        let began = Instant::now();
        let mut stage = self.stage();
        loop {
            let deadline = match *stage {
                Stage::Over | Stage::Abandoned => return,
                Stage::Answered(at) => at + SAVE_GRACE,
                Stage::Preparing | Stage::Sent => began + patience,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                if *stage == Stage::Preparing {
                    *stage = Stage::Abandoned;
                }
                return;
            }
            stage = self.changed.wait_timeout(stage, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn reach(&self, reached: Stage) {
        *self.stage() = reached;
        self.changed.notify_all();
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the pauses of the thread that saves what could not be saved.
#[derive(Default)]
pub(super) struct Wake {
    state: Mutex<WakeState>,
    changed: Condvar,
}

#[derive(Default)]
struct WakeState {
    woken: bool,
    stopped: bool,
}

impl Wake {
    /// Asks for one more try now.
    pub(super) fn wake(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).woken = true;
        self.changed.notify_all();
    }

    /// Asks the thread to end.
    pub(super) fn stop(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stopped = true;
        self.changed.notify_all();
    }

    /// Waits for `pause`, or until woken. `false` when the thread is to end.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(state, pause, |state| !state.woken && !state.stopped);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.woken = false;
        !state.stopped
    }
}
