//! `auth.json` on disk, shared with the official tool.
//!
//! A write is a temporary file in the same folder, mode 0600, synced, renamed over the old one, and the folder synced: at
//! any instant the old or the new content is there. A file that cannot be renamed over is written in place, behind a journal. It is made under the two locks that the official tool takes, in its
//! order. Those are never held over the network; a refresh has a lock of its own.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::journal::Journal;
use super::locks::{
    Lock, TRIAL_PATIENCE, WRITE_PATIENCE, create_folder, folder_of, open_with_mode, owner_of, sync_folder_of,
};
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
const OWNER: &str = "owner";
/// How often a file is tried to be replaced by its own bytes that changes all the time.
const TRIALS: u32 = 16;

/// Keeps credentials in a file in the shape of the official tool's `auth.json`, which may be that very file.
///
/// Plain reads take no lock. Members that this crate does not know survive a rewrite, symbolic links are followed, and a
/// file whose mode was wider than 0600 is tightened when it is written.
///
/// Before a refresh token is used, what the save will do is tried: the locks of the official tool are taken, and the file is
/// replaced by its own bytes. A file that can be written but not replaced, since it is a mount of its own or has hard links,
/// is written in place, with a journal beside it (`.auth-journal-…`) from which an interrupted write is finished when the file
/// is next read. Where neither can be done, nothing is refreshed, and the error says why: mount the folder, not the file.
/// Another user's file is never refreshed, by root neither.
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
        let Some(bytes) = self.read_bytes()? else { return Ok(None) };
        // What an interrupted write was to become.
        let journal = self.target().ok().and_then(|target| Journal::of(&target).read());
        let bytes = journal.and_then(|written| written.completes(&bytes)).unwrap_or(bytes);
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            self.error(StoreErrorKind::Malformed, format!("it is not UTF-8 (byte {at})"))
        })?;
        StoredCredentials::from_json(&text)
            .map(Some)
            .map_err(|error| self.error(StoreErrorKind::Malformed, error.to_string()))
    }

    fn read_bytes(&self) -> Result<Option<Vec<u8>>, StoreError> {
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
        Ok(Some(bytes))
    }

    /// Finishes a write that was interrupted. Under the locks.
    fn finish_interrupted_write(&self, target: &Path) -> Result<(), StoreError> {
        let journal = Journal::of(target);
        let Some(written) = journal.read() else { return Ok(()) };
        let finished = match self.read_bytes()?.and_then(|bytes| written.completes(&bytes)) {
            Some(_) => journal.carry_out(&written),
            // Another program has written the file since, or nothing is missing.
            None => journal.remove(),
        };
        finished.map_err(|error| StoreError::io(StoreErrorKind::Unwritable, self.describe(), error))
    }

    /// Another user's file is not written: its owner could no longer read it. Looked at before any file is made.
    fn check_owner(&self, target: &Path) -> Result<(), StoreError> {
        let Some(owner) = owner_of(target) else { return Ok(()) };
        match own_user() {
            Some(own) if own == owner => Ok(()),
            Some(_) => Err(self.error(StoreErrorKind::Unwritable, "it belongs to another user")),
            // A file of our own tells who we are.
            None => self.temporary(target, OWNER).map(drop),
        }
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
        locks: Locks,
        write: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Result<SwapOutcome, StoreError> {
        if self.read_only {
            return Err(self.error(StoreErrorKind::ReadOnly, "it is opened for reading only"));
        }
        let target = self.target()?;
        self.check_owner(&target)?;
        for folder in [folder_of(&target), folder_of(&self.path)] {
            create_folder(folder)
                .map_err(|error| StoreError::io(StoreErrorKind::Unwritable, self.describe(), error))?;
        }
        let _held = self.take_write_locks(&target, WRITE_PATIENCE, locks)?;
        // Left behind by a process that was killed while it held the locks.
        remove_leftovers(&target, NEW);
        self.finish_interrupted_write(&target)?;
        let current = self.read()?;
        if current.as_ref() != expected {
            return Ok(SwapOutcome::Changed(current));
        }
        write(&target)?;
        Ok(SwapOutcome::Done)
    }

    /// Held until the files are dropped.
    fn take_write_locks(&self, target: &Path, patience: Duration, locks: Locks) -> Result<Vec<File>, StoreError> {
        let deadline = Instant::now() + patience;
        let mut held = Vec::new();
        for lock in self.write_locks(target)? {
            match lock.take(&self.describe(), deadline.saturating_duration_since(Instant::now())) {
                Ok(lock) => held.push(lock),
                Err(error) if locks == Locks::AsFarAsPossible && error.kind() == StoreErrorKind::Locked => {
                    tracing::warn!(%error, "the refreshed credentials are saved without the lock");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(held)
    }

    /// Does all that a save does: takes the locks, and replaces the file by its own bytes.
    fn try_to_save(&self, target: &Path) -> Result<(), StoreError> {
        let _held = self.take_write_locks(target, TRIAL_PATIENCE, Locks::All)?;
        remove_leftovers(target, NEW);
        self.finish_interrupted_write(target)?;
        for _ in 0..TRIALS {
            let Some(bytes) = self.read_bytes()? else { return Ok(()) };
            let mut temporary = self.temporary(target, NEW)?;
            temporary.write(&bytes)?;
            // A writer that takes no locks may have been here meanwhile.
            if self.read_bytes()?.as_ref() == Some(&bytes) {
                return temporary.place(&bytes);
            }
        }
        Err(self.error(StoreErrorKind::Locked, "another program writes it all the time"))
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
        if !self.read_only
            && let Ok(target) = self.target()
            && Journal::of(&target).read().is_some()
            && let Ok(_held) = self.take_write_locks(&target, Duration::ZERO, Locks::All)
        {
            let _or_next_time = self.finish_interrupted_write(&target);
        }
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
        self.swap_locked(expected, Locks::All, |target| match new {
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
        self.check_owner(&target)?;
        let lock = Lock::for_refresh(&target).take(&self.describe(), patience)?;
        // Left behind by a process that was killed while it held the lock.
        remove_leftovers(&target, REFRESH);
        let mut temporary = self.temporary(&target, REFRESH)?;
        temporary.reserve()?;
        self.try_to_save(&target)?;
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
        // To lose the sign-in would be worse than to write without a lock that nobody gives back.
        self.store.swap_locked(Some(expected), Locks::AsFarAsPossible, |target| {
            let temporary = match reserved {
                // A link may lead elsewhere by now.
                Some(reserved) if reserved.target == target => reserved,
                _ => self.store.temporary(target, NEW)?,
            };
            temporary.replace(new)
        })
    }
}

/// What is done about a lock that is not given back.
#[derive(Clone, Copy, PartialEq)]
enum Locks {
    All,
    /// Goes on without it: what is kept is compared, and replaced in one step, all the same.
    AsFarAsPossible,
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
            .map_err(|error| {
                let reason = format!(
                    "no file can be made beside it ({error}). The folder must be writable: mount the folder, not the file alone"
                );
                StoreError { source: Some(error), ..self.error(StoreErrorKind::Unwritable, reason) }
            })?;
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
        self.write(text.as_bytes())?;
        self.place(text.as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(bytes))
            .and_then(|()| self.file.set_len(bytes.len() as u64))
            .and_then(|()| self.file.sync_all())
            .map_err(|error| self.unwritable(error))
    }

    /// Takes the place of the target, with `bytes`, which it holds.
    fn place(mut self, bytes: &[u8]) -> Result<(), StoreError> {
        // A rename would leave the other names of the file with what was in it.
        let renamed = if has_other_names(&self.target) {
            Err(io::Error::other("it has hard links"))
        } else {
            fs::rename(&self.path, &self.target)
        };
        match renamed {
            Ok(()) => {
                self.placed = true;
                sync_folder_of(&self.target);
                Ok(())
            }
            Err(error) => self.write_in_place(bytes, &error),
        }
    }

    /// Into the target itself, behind a journal that holds both contents.
    fn write_in_place(&mut self, bytes: &[u8], obstacle: &io::Error) -> Result<(), StoreError> {
        let written = fs::read(&self.target).and_then(|old| {
            // Whether it can be written shows before anything is.
            OpenOptions::new().write(true).open(&self.target)?;
            let journal = Journal::of(&self.target);
            let written = Journal::entry(&old, bytes);
            self.write(&written.to_bytes()).map_err(io::Error::other)?;
            fs::rename(&self.path, journal.path())?;
            self.placed = true;
            sync_folder_of(&self.target);
            journal.carry_out(&written)
        });
        written.map_err(|error| {
            let reason = format!(
                "it can be neither replaced ({obstacle}) nor written in place ({error}). If it is mounted, mount the folder, not \
                 the file alone"
            );
            StoreError { source: Some(error), ..self.store.error(StoreErrorKind::Unwritable, reason) }
        })
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

fn has_other_names(path: &Path) -> bool {
    #[cfg(unix)]
    {
        fs::metadata(path).is_ok_and(|file| std::os::unix::fs::MetadataExt::nlink(&file) > 1)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// The user as whom files are made, where that can be known without making one.
fn own_user() -> Option<u32> {
    let status = fs::read_to_string("/proc/thread-self/status").ok()?;
    // The real, the effective, the saved and the file system's.
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(3)?.parse().ok()
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
