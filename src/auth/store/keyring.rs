//! The sign-in that the official tool keeps in the keyring of the operating system.
//!
//! A keyring compares and replaces nothing in one step. The locks do that: the two that the official tool takes around
//! each write, of a keyring entry too, and the one of our own refreshes. They lie in the folder that the entry belongs to.

mod entry;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

use self::entry::{Entry, SERVICE};
use super::locks::{Lock, TRIAL_PATIENCE, WRITE_PATIENCE, create_folder};
use super::{CredentialStore, RefreshLease, StoreError, StoreErrorKind, StoredCredentials, SwapOutcome};

/// Long enough for a person to find a password.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Keeps credentials in the keyring of the operating system, in the entry that the official tool uses for a folder: the
/// Secret Service (gnome-keyring, KWallet and others) on Linux and the BSDs, the login keychain on macOS, the Credential
/// Manager on Windows.
///
/// The entry's service is `Codex Auth`. Its account is `cli|` and the first 16 hexadecimal digits of the SHA-256 of the
/// folder's path, links resolved; of the path as it was given, if there is no such folder. Its value is the JSON of
/// `auth.json`, and members that this crate does not know survive in it. Give each account a folder of its own.
///
/// A keyring has no compare-and-swap, so [`swap`](CredentialStore::swap) and refreshes take lock files in the folder,
/// which is created if it is missing: those of the official tool, which takes them too, and of [`FileStore`](crate::auth::FileStore).
/// A program that takes none is noticed when it has written before the comparison or just after the write. What was
/// written is always read back. A file `auth.json` in the folder is neither read nor removed.
///
/// # Errors
///
/// [`StoreErrorKind::Unavailable`] when the keyring cannot be reached: no secret service runs, it stays locked, or it does
/// not answer in [time](Self::timeout). [`StoreErrorKind::TooLarge`] on Windows, where an entry holds 2,560 bytes, two
/// for most characters: enough for an API key, seldom for ChatGPT tokens. They are not divided among several entries,
/// since the official tool could not read that; it keeps them in an encrypted file there, which this store does not read.
///
/// ```
/// use codex_backend::auth::{CredentialStore, KeyringStore, StoreErrorKind};
///
/// # let folder = tempfile::tempdir()?;
/// # let codex_home = folder.path().join(".codex");
/// match KeyringStore::new(codex_home).load() {
///     Ok(Some(_)) => println!("signed in"),
///     Ok(None) => println!("not signed in"),
///     Err(error) if error.kind() == StoreErrorKind::Unavailable => println!("{error}"),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("keyring", "keychain", "credential manager", "secret service"))]
#[derive(Debug, Clone)]
pub struct KeyringStore {
    codex_home: PathBuf,
    timeout: Duration,
}

impl KeyringStore {
    /// The official tool's entry for this folder, its `CODEX_HOME`.
    pub fn new(codex_home: impl Into<PathBuf>) -> Self {
        Self { codex_home: codex_home.into(), timeout: TIMEOUT }
    }

    /// How long the keyring may take for each step, 30 seconds by default. A person who is asked for the keyring's
    /// password takes that time too; whoever answers later finds the keyring open at the next try. A write that was given
    /// up may still happen: its locks are held until it has ended.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The folder, as it was given.
    #[must_use]
    pub fn codex_home(&self) -> &Path {
        &self.codex_home
    }

    fn account(&self) -> String {
        let home = fs::canonicalize(&self.codex_home).unwrap_or_else(|_| self.codex_home.clone());
        let mut account = "cli|".to_owned();
        for byte in &Sha256::digest(home.to_string_lossy().as_bytes())[..8] {
            // Writing into a string does not fail.
            let _written = write!(account, "{byte:02x}");
        }
        account
    }

    fn error(&self, kind: StoreErrorKind, reason: impl Into<String>) -> StoreError {
        StoreError::new(kind, self.describe(), reason)
    }

    /// What the locks lie beside. Makes the folder: without it, there is no place for them.
    fn auth_json(&self) -> Result<PathBuf, StoreError> {
        create_folder(&self.codex_home)
            .and_then(|()| fs::canonicalize(&self.codex_home))
            .map(|home| home.join("auth.json"))
            .map_err(|error| StoreError::io(StoreErrorKind::Unwritable, self.codex_home.display().to_string(), error))
    }

    fn write_locks(&self) -> Result<[Lock; 2], StoreError> {
        Lock::for_writing(&self.auth_json()?)
            .map_err(|error| StoreError::io(StoreErrorKind::Unwritable, self.codex_home.display().to_string(), error))
    }

    /// Lets `act` work with the entry, within the time-out. On a thread of its own: what stands between us and a keyring
    /// has no time-outs, and some of it may not block inside a run time. A thread that was given up goes on holding
    /// what `act` holds, locks above all, until the keyring lets it go: it may still write.
    fn with_entry<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Entry) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = mpsc::channel();
        let (store, account) = (self.describe(), self.account());
        let work = move || {
            let outcome = Entry::open(store, &account).and_then(|entry| act(&entry));
            // Nobody may be waiting any more.
            let _unheard = tell.send(outcome);
        };
        thread::Builder::new()
            .name("codex-backend keyring".to_owned())
            .spawn(work)
            .map_err(|error| StoreError::io(StoreErrorKind::Unavailable, self.describe(), error))?;
        match told.recv_timeout(self.timeout) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => {
                let reason = format!(
                    "it did not answer within {:?}. If it asks for a password, give it and try again",
                    self.timeout
                );
                Err(self.error(StoreErrorKind::Unavailable, reason))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(self.error(StoreErrorKind::Unavailable, "the thread that asked it has panicked"))
            }
        }
    }
}

impl CredentialStore for KeyringStore {
    fn describe(&self) -> String {
        format!("the OS keyring (service `{SERVICE}`, account `{}`)", self.account())
    }

    fn load(&self) -> Result<Option<StoredCredentials>, StoreError> {
        self.with_entry(Entry::read)
    }

    fn swap(
        &self,
        expected: Option<&StoredCredentials>,
        new: Option<&StoredCredentials>,
    ) -> Result<SwapOutcome, StoreError> {
        // Before anything looks at the account: it depends on whether the folder exists.
        let locks = self.write_locks()?;
        // Once without the locks: this is where the keyring may ask for its password, and the official tool waits for
        // the locks without an end.
        let current = self.load()?;
        if current.as_ref() != expected {
            return Ok(SwapOutcome::Changed(current));
        }
        let mut held = Vec::new();
        for lock in locks {
            held.push(lock.take(&self.describe(), WRITE_PATIENCE)?);
        }
        let (expected, new) = (expected.cloned(), new.cloned());
        self.with_entry(move |entry| {
            let _held = held;
            entry.swap(expected.as_ref(), new.as_ref())
        })
    }

    fn begin_refresh(&self, patience: Duration) -> Result<Box<dyn RefreshLease + '_>, StoreError> {
        let lock = Lock::for_refresh(&self.auth_json()?).take(&self.describe(), patience)?;
        for lock in self.write_locks()? {
            // Given back at once.
            drop(lock.take(&self.describe(), TRIAL_PATIENCE)?);
        }
        self.with_entry(Entry::rehearse)?;
        Ok(Box::new(KeyringLease { store: self, _lock: lock }))
    }
}

/// Holds the refresh lock.
#[derive(Debug)]
struct KeyringLease<'a> {
    store: &'a KeyringStore,
    _lock: File,
}

impl RefreshLease for KeyringLease<'_> {
    fn save(&mut self, expected: &StoredCredentials, new: &StoredCredentials) -> Result<SwapOutcome, StoreError> {
        self.store.swap(Some(expected), Some(new))
    }
}
