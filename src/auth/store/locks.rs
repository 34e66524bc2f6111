//! Locks between processes: files that are locked, and never replaced or removed.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{StoreError, StoreErrorKind};

/// How long a write waits for the official tool's locks, which it holds for milliseconds.
pub(super) const WRITE_PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// A file to lock, and the mode it is created with.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    mode: u32,
}

impl Lock {
    /// The two that the official tool takes, in this order, around each write of this `auth.json`, and of the keyring
    /// entry that stands in its place.
    pub(super) fn for_writing(auth_json: &Path) -> io::Result<[Self; 2]> {
        let folder = fs::canonicalize(folder_of(auth_json))?;
        let path = folder.join(auth_json.file_name().unwrap_or_default());
        Ok([
            Self { path: path.with_extension("lock"), mode: 0o666 },
            Self { path: with_suffix(&path, ".lock"), mode: 0o600 },
        ])
    }

    /// The one of a refresh.
    pub(super) fn for_refresh(auth_json: &Path) -> Self {
        Self { path: with_suffix(auth_json, ".refresh.lock"), mode: 0o600 }
    }

    pub(super) fn is_same_file_as(&self, other: &Self) -> bool {
        self.path == other.path
    }

    /// Shows that it can be taken, whoever holds it now.
    pub(super) fn open(&self) -> Result<File, StoreError> {
        let options = &mut OpenOptions::new();
        match open_with_mode(options.read(true).write(true).create(true).truncate(false), &self.path, self.mode) {
            // Another user's, such as root's: to lock it, reading is enough.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(&self.path).map_err(|_| error),
            opened => opened,
        }
        .map_err(|error| self.unwritable(error))
    }

    /// Held until the file is dropped. `store` is whose it is, for a person.
    pub(super) fn take(&self, store: &str, patience: Duration) -> Result<File, StoreError> {
        let file = self.open()?;
        let deadline = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(POLL),
                Err(TryLockError::WouldBlock) => {
                    let reason = format!("{} was held for more than {patience:?}", self.path.display());
                    return Err(StoreError::new(StoreErrorKind::Locked, store, reason));
                }
                Err(TryLockError::Error(error)) => return Err(self.unwritable(error)),
            }
        }
    }

    fn unwritable(&self, error: io::Error) -> StoreError {
        StoreError::io(StoreErrorKind::Unwritable, self.path.display().to_string(), error)
    }
}

/// The folder, and those above it, for their owner alone.
pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.exists() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) fn open_with_mode(options: &mut OpenOptions, path: &Path, mode: u32) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}
