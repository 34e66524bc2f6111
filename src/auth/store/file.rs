//! `auth.json` on disk, shared with the official tool.
//!
//! A write is a temporary file in the same folder, mode 0600, synced, renamed over the old one, and the folder synced: at
//! any instant the old or the new content is there. It is made under the two locks that the official tool takes, in its
//! order. Those are never held over the network; a refresh has a lock of its own.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::locks::{Lock, WRITE_PATIENCE, create_folder, folder_of, open_with_mode};
use super::{CredentialStore, RefreshLease, StoreError, StoreErrorKind, StoredCredentials, SwapOutcome};

/// No real file comes near it.
const LARGEST_FILE: u64 = 1 << 20;
/// Room for what a refresh may add to the file.
const RESERVE: usize = 16 << 10;

/// In the name of an account's file, `@` and `.` are ours.
const FILE_NAME_PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// What a temporary file is for: the one of a refresh lives under the refresh lock, the other under the write locks.
const REFRESH: &str = "refresh";
const NEW: &str = "new";

/// Keeps credentials in a file in the shape of the official tool's `auth.json`, which may be that very file.
///
/// Plain reads take no lock. Members that this crate does not know survive a rewrite, symbolic links are followed, and a
/// file whose mode was wider than 0600 is tightened when it is written.
///
/// ```
/// use codex_backend::auth::{CredentialStore, FileStore, StoredCredentials};
///
/// # let folder = tempfile::tempdir()?;
/// let store = FileStore::new(folder.path().join("auth.json"));
/// assert!(store.load()?.is_none());
/// let credentials = StoredCredentials::from_json(r#"{"OPENAI_API_KEY":"sk-example","mine":1}"#)?;
/// store.swap(None, Some(&credentials))?;
/// assert_eq!(store.load()?, Some(credentials));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("auth.json"))]
#[derive(Debug, Clone)]
pub struct FileStore {
    path: PathBuf,
    read_only: bool,
}

impl FileStore {
    /// The file at this path, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), read_only: false }
    }

    /// The file at this path, for reading only: it is never written, and its refresh token never used.
    pub fn read_only(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), read_only: true }
    }

    /// The file in this folder that is kept for one user in one account (workspace). One user may be in several accounts,
    /// and one account has several users, so both make its name.
    #[must_use]
    pub fn for_account(folder: impl AsRef<Path>, user_id: &str, account_id: &str) -> Self {
        let part = |id| utf8_percent_encode(id, FILE_NAME_PART);
        Self::new(folder.as_ref().join(format!("{}@{}.json", part(user_id), part(account_id))))
    }

    /// The file's path, as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn error(&self, kind: StoreErrorKind, reason: impl Into<String>) -> StoreError {
        StoreError::new(kind, self.describe(), reason)
    }

    fn read(&self) -> Result<Option<StoredCredentials>, StoreError> {
        let unreadable = |error| StoreError::io(StoreErrorKind::Unreadable, self.describe(), error);
        // Looked at before it is opened: to open a pipe is to wait for somebody who writes into it.
        let file = match fs::metadata(&self.path).map(|found| found.is_file()) {
            Ok(true) => File::open(&self.path),
            Ok(false) => return Err(self.error(StoreErrorKind::Unreadable, "it is not a regular file")),
            Err(error) => Err(error),
        };
        let file = match file {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let mut bytes = Vec::new();
        file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > LARGEST_FILE {
            return Err(self.error(StoreErrorKind::Malformed, "it is larger than 1 MiB"));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            self.error(StoreErrorKind::Malformed, format!("it is not UTF-8 (byte {at})"))
        })?;
        StoredCredentials::from_json(&text)
            .map(Some)
            .map_err(|error| self.error(StoreErrorKind::Malformed, error.to_string()))
    }

    /// The file itself, behind symbolic links, whether or not it exists.
    fn target(&self) -> Result<PathBuf, StoreError> {
        let unwritable = |error| StoreError::io(StoreErrorKind::Unwritable, self.describe(), error);
        let mut path = self.path.clone();
        // As many as Linux follows.
        for _ in 0..40 {
            match fs::read_link(&path) {
                Ok(next) => path = path.parent().unwrap_or(Path::new("")).join(next),
                Err(_) => return Ok(path),
            }
        }
        Err(unwritable(io::Error::other("too many symbolic links")))
    }

    /// Compares and replaces, under the locks of the official tool.
    fn swap_locked(
        &self,
        expected: Option<&StoredCredentials>,
        write: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Result<SwapOutcome, StoreError> {
        if self.read_only {
            return Err(self.error(StoreErrorKind::ReadOnly, "it is opened for reading only"));
        }
        let target = self.target()?;
        for folder in [folder_of(&target), folder_of(&self.path)] {
            create_folder(folder)
                .map_err(|error| StoreError::io(StoreErrorKind::Unwritable, self.describe(), error))?;
        }
        let mut held = Vec::new();
        for lock in self.write_locks(&target)? {
            held.push(lock.take(&self.describe(), WRITE_PATIENCE)?);
        }
        // Left behind by a process that was killed while it held the locks.
        remove_leftovers(&target, NEW);
        let current = self.read()?;
        if current.as_ref() != expected {
            return Ok(SwapOutcome::Changed(current));
        }
        write(&target)?;
        Ok(SwapOutcome::Done)
    }

    /// The official tool's locks, in its order, and each once. Behind a link, those beside the file itself too: it may be
    /// written by that path as well.
    fn write_locks(&self, target: &Path) -> Result<Vec<Lock>, StoreError> {
        let mut locks: Vec<Lock> = Vec::with_capacity(4);
        for path in [&self.path, target] {
            let beside_it = Lock::for_writing(path)
                .map_err(|error| StoreError::io(StoreErrorKind::Unwritable, self.describe(), error))?;
            for lock in beside_it {
                if !locks.iter().any(|known| known.is_same_file_as(&lock)) {
                    locks.push(lock);
                }
            }
        }
        Ok(locks)
    }
}

impl CredentialStore for FileStore {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn load(&self) -> Result<Option<StoredCredentials>, StoreError> {
        match self.read() {
            Err(error) if error.kind() == StoreErrorKind::Malformed => {
                // Old versions of the official tool write in place: what is broken may be half written.
                thread::sleep(Duration::from_millis(50));
                self.read()
            }
            read => read,
        }
    }

    fn swap(
        &self,
        expected: Option<&StoredCredentials>,
        new: Option<&StoredCredentials>,
    ) -> Result<SwapOutcome, StoreError> {
        self.swap_locked(expected, |target| match new {
            Some(new) => self.temporary(target, NEW)?.replace(new),
            None if target.exists() => self.temporary(target, NEW)?.remove_target(),
            None => Ok(()),
        })
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn begin_refresh(&self, patience: Duration) -> Result<Box<dyn RefreshLease + '_>, StoreError> {
        if self.read_only {
            return Err(self.error(StoreErrorKind::ReadOnly, "it is opened for reading only"));
        }
        let target = self.target()?;
        let lock = Lock::for_refresh(&target).take(&self.describe(), patience)?;
        // Left behind by a process that was killed while it held the lock.
        remove_leftovers(&target, REFRESH);
        for lock in self.write_locks(&target)? {
            lock.open()?;
        }
        let mut temporary = self.temporary(&target, REFRESH)?;
        temporary.reserve()?;
        Ok(Box::new(FileLease { store: self, temporary: Some(temporary), _lock: lock }))
    }
}

/// Holds the refresh lock, and a file on which there is room for what is to be saved.
#[derive(Debug)]
struct FileLease<'a> {
    store: &'a FileStore,
    temporary: Option<Temporary<'a>>,
    _lock: File,
}

impl RefreshLease for FileLease<'_> {
    fn save(&mut self, expected: &StoredCredentials, new: &StoredCredentials) -> Result<SwapOutcome, StoreError> {
        let reserved = self.temporary.take();
        self.store.swap_locked(Some(expected), |target| {
            let temporary = match reserved {
                // A link may lead elsewhere by now.
                Some(reserved) if reserved.target == target => reserved,
                _ => self.store.temporary(target, NEW)?,
            };
            temporary.replace(new)
        })
    }
}

/// A file that is to take the place of another. It goes away when dropped before that.
#[derive(Debug)]
struct Temporary<'a> {
    store: &'a FileStore,
    target: PathBuf,
    path: PathBuf,
    file: File,
    placed: bool,
}

impl FileStore {
    fn temporary(&self, target: &Path, purpose: &str) -> Result<Temporary<'_>, StoreError> {
        let mut name = temporary_prefix(target, purpose);
        name.push(format!("{:016x}", fastrand::u64(..)));
        let path = target.with_file_name(name);
        let file = open_with_mode(OpenOptions::new().read(true).write(true).create_new(true), &path, 0o600)
            .map_err(|error| StoreError::io(StoreErrorKind::Unwritable, self.describe(), error))?;
        let temporary = Temporary { store: self, target: target.to_owned(), path, file, placed: false };
        temporary.check_owner()?;
        Ok(temporary)
    }
}

impl Temporary<'_> {
    /// A file of another owner is not replaced: its owner could no longer read it.
    fn check_owner(&self) -> Result<(), StoreError> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let own = self.file.metadata().map_err(|error| self.unwritable(error))?;
            if let Ok(existing) = fs::symlink_metadata(&self.target)
                && existing.uid() != own.uid()
            {
                return Err(self.store.error(StoreErrorKind::Unwritable, "it belongs to another user"));
            }
        }
        if self.target.is_dir() {
            return Err(self.store.error(StoreErrorKind::Unwritable, "it is a folder"));
        }
        Ok(())
    }

    /// Takes the room on the disk that the content will need.
    fn reserve(&mut self) -> Result<(), StoreError> {
        let size = fs::metadata(&self.target).map_or(0, |existing| existing.len() as usize) + RESERVE;
        self.file
            .write_all(&vec![b' '; size])
            .and_then(|()| self.file.sync_all())
            .map_err(|error| self.unwritable(error))
    }

    fn replace(mut self, new: &StoredCredentials) -> Result<(), StoreError> {
        let text = new.to_pretty_json();
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(text.as_bytes()))
            .and_then(|()| self.file.set_len(text.len() as u64))
            .and_then(|()| self.file.sync_all())
            .and_then(|()| fs::rename(&self.path, &self.target))
            .map_err(|error| self.unwritable(error))?;
        self.placed = true;
        sync_folder_of(&self.target);
        Ok(())
    }

    /// In place of a replacement; it has found out to whom the target belongs.
    fn remove_target(self) -> Result<(), StoreError> {
        fs::remove_file(&self.target).map_err(|error| self.unwritable(error))?;
        sync_folder_of(&self.target);
        Ok(())
    }

    fn unwritable(&self, error: io::Error) -> StoreError {
        StoreError::io(StoreErrorKind::Unwritable, self.store.describe(), error)
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.placed {
            let _best_effort = fs::remove_file(&self.path);
        }
    }
}

/// Several files in one folder are refreshed side by side: each has temporaries of its own.
fn temporary_prefix(target: &Path, purpose: &str) -> OsString {
    let mut prefix = OsString::from(format!(".auth-{purpose}-"));
    prefix.push(target.file_name().unwrap_or_default());
    prefix.push("-");
    prefix
}

fn remove_leftovers(target: &Path, purpose: &str) {
    let prefix = temporary_prefix(target, purpose);
    let is_leftover = |name: &OsStr| {
        let random = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
        random.is_some_and(|random| random.len() == 16 && random.iter().all(u8::is_ascii_hexdigit))
    };
    let Ok(entries) = fs::read_dir(folder_of(target)) else { return };
    for entry in entries.filter_map(Result::ok).filter(|entry| is_leftover(&entry.file_name())) {
        let _best_effort = fs::remove_file(entry.path());
    }
}

/// Makes the rename itself last. It has happened: that a folder cannot be synced does not undo it.
fn sync_folder_of(path: &Path) {
    #[cfg(unix)]
    if let Err(error) = File::open(folder_of(path)).and_then(|folder| folder.sync_all()) {
        tracing::warn!(%error, "the folder of the credentials could not be synced");
    }
    #[cfg(not(unix))]
    let _ = path;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_of_each_account_has_a_file() {
        let name = |user_id, account_id| FileStore::for_account("folder", user_id, account_id).path;
        assert_eq!(name("user-1", "acct-1"), Path::new("folder/user-1@acct-1.json"));
        assert_eq!(name("../x", "a@b.json"), Path::new("folder/%2E%2E%2Fx@a%40b%2Ejson.json"));
        let names = [name("a", "b"), name("a@", "b"), name("a", "@b"), name("", "a@b"), name("a.b", ""), name("", "")];
        for (index, path) in names.iter().enumerate() {
            assert!(!names[..index].contains(path), "{}", path.display());
        }
    }
}
