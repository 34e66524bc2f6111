//! What the server knows. Each family of routes keeps a state of its own in it.

use std::sync::Arc;

use http::Extensions;

use crate::exchange::Clock;

#[derive(Debug)]
pub(super) struct World {
    /// Of the server itself: `http://127.0.0.1:PORT`.
    pub(super) origin: String,
    /// In place of the system's.
    pub(super) clock: Option<Arc<dyn Clock>>,
    states: Extensions,
}

impl World {
    pub(super) fn new(origin: String) -> Self {
        Self { origin, clock: None, states: Extensions::new() }
    }

    /// A family's state, which begins with its default.
    pub(super) fn of<T: Default + Clone + Send + Sync + 'static>(&mut self) -> &mut T {
        self.states.get_or_insert_default()
    }

    /// The server's clock.
    #[cfg(feature = "agent-identity")]
    pub(super) fn now(&self) -> std::time::SystemTime {
        self.clock.as_ref().map_or_else(std::time::SystemTime::now, |clock| clock.now())
    }
}

/// Not guessable by accident; nothing here is worth more.
pub(super) fn random() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}
