//! A cache with a time to live, for endpoints.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::exchange::Clock;

/// Values by key, each for as long as the time to live, on the client's monotonic clock.
pub(crate) struct TtlCache<K, V> {
    clock: Arc<dyn Clock>,
    time_to_live: Duration,
    entries: Mutex<HashMap<K, Entry<V>>>,
}

struct Entry<V> {
    value: V,
    kept_at: Duration,
}

impl<K: Eq + Hash, V: Clone> TtlCache<K, V> {
    pub(crate) fn new(clock: Arc<dyn Clock>, time_to_live: Duration) -> Self {
        Self { clock, time_to_live, entries: Mutex::default() }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let now = self.clock.monotonic();
        self.entries().get(key).filter(|entry| self.is_fresh(entry, now)).map(|entry| entry.value.clone())
    }

    /// Replaces the entry of the key, and drops all entries that have expired.
    pub(crate) fn keep(&self, key: K, value: V) {
        let now = self.clock.monotonic();
        let mut entries = self.entries();
        entries.retain(|_, entry| self.is_fresh(entry, now));
        entries.insert(key, Entry { value, kept_at: now });
    }

    pub(crate) fn clear(&self) {
        self.entries().clear();
    }

    fn is_fresh(&self, entry: &Entry<V>, now: Duration) -> bool {
        now.saturating_sub(entry.kept_at) < self.time_to_live
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<K, Entry<V>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> fmt::Debug for TtlCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TtlCache").field("time_to_live", &self.time_to_live).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::SystemClock;

    /// A clock that shows what it is told.
    #[derive(Debug, Clone, Default)]
    struct Hands(Arc<Mutex<Duration>>);

    impl Clock for Hands {
        fn now(&self) -> std::time::SystemTime {
            SystemClock::new().now()
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        fn sleep(&self, _: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(std::future::ready(()))
        }
    }

    #[test]
    fn a_value_is_kept_by_its_key_for_its_time_and_then_dropped() {
        let hands = Hands::default();
        let cache = TtlCache::new(Arc::new(hands.clone()), Duration::from_secs(10));
        cache.keep("a", 1);
        *hands.0.lock().unwrap() = Duration::from_secs(9);
        cache.keep("b", 2);
        assert_eq!((cache.get(&"a"), cache.get(&"b"), cache.get(&"c")), (Some(1), Some(2), None));
        *hands.0.lock().unwrap() = Duration::from_secs(10);
        assert_eq!((cache.get(&"a"), cache.get(&"b")), (None, Some(2)));
        cache.keep("b", 3);
        assert_eq!(cache.entries().len(), 1);
        assert_eq!(cache.get(&"b"), Some(3));
        cache.clear();
        assert_eq!(cache.get(&"b"), None);
    }
}
