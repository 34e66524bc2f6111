//! Work that many ask for and that is done once.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::AuthError;

/// Work that many ask for and that is done once at a time. Whoever came while it was being done gets its outcome; whoever
/// comes later, after a failure too, has it done anew. When the one who does it goes away, the next one takes over.
#[derive(Debug)]
pub(super) struct SingleFlight<T> {
    turn: tokio::sync::Mutex<()>,
    ended: Mutex<Ended<T>>,
}

#[derive(Debug)]
struct Ended<T> {
    count: u64,
    last: Option<Result<T, AuthError>>,
}

impl<T: Clone> SingleFlight<T> {
    pub(super) async fn run(&self, work: impl Future<Output = Result<T, AuthError>>) -> Result<T, AuthError> {
        let seen = self.ended().count;
        let _turn = self.turn.lock().await;
        if let Some(outcome) = self.ended().since(seen) {
            return outcome;
        }
        let outcome = work.await;
        let mut ended = self.ended();
        *ended = Ended { count: ended.count + 1, last: Some(outcome.clone()) };
        outcome
    }

    fn ended(&self) -> MutexGuard<'_, Ended<T>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Ended<T> {
    fn since(&self, seen: u64) -> Option<Result<T, AuthError>> {
        self.last.clone().filter(|_| self.count > seen)
    }
}

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self { turn: tokio::sync::Mutex::new(()), ended: Mutex::new(Ended { count: 0, last: None }) }
    }
}
