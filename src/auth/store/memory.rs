use std::sync::{Mutex, PoisonError};

use super::{CredentialStore, StoreError, StoredCredentials, SwapOutcome};

/// Keeps credentials in memory, for as long as the value lives.
///
/// ```
/// use codex_backend::auth::{CredentialStore, MemoryStore, StoredCredentials};
///
/// let store = MemoryStore::new(StoredCredentials::from_json(r#"{"OPENAI_API_KEY":"sk-example"}"#)?);
/// assert!(store.load()?.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    kept: Mutex<Option<StoredCredentials>>,
}

impl MemoryStore {
    /// Keeping these credentials. An empty one is `MemoryStore::default()`.
    #[must_use]
    pub fn new(credentials: StoredCredentials) -> Self {
        Self { kept: Mutex::new(Some(credentials)) }
    }
}

impl CredentialStore for MemoryStore {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    fn load(&self) -> Result<Option<StoredCredentials>, StoreError> {
        Ok(self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn swap(
        &self,
        expected: Option<&StoredCredentials>,
        new: Option<&StoredCredentials>,
    ) -> Result<SwapOutcome, StoreError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref() != expected {
            return Ok(SwapOutcome::Changed(kept.clone()));
        }
        *kept = new.cloned();
        Ok(SwapOutcome::Done)
    }
}
