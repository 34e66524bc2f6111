//! Locks between processes: files that are locked, and never replaced or removed. And what is done with their folders.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{StoreError, StoreErrorKind};

/// How long a write waits for the official tool's locks, which it holds for milliseconds.
pub(super) const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// How long they are waited for before a refresh token is used.
pub(super) const TRIAL_PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

/// A file to lock, and the mode it is created with.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    mode: u32,
    /// To whom the credentials belong, where there are any and the system knows users.
    owner: Option<u32>,
}

impl Lock {
    /// The two that the official tool takes, in this order, around each write of this `auth.json`, and of the keyring
    /// entry that stands in its place.
    pub(super) fn for_writing(auth_json: &Path) -> io::Result<[Self; 2]> {
        let folder = fs::canonicalize(folder_of(auth_json))?;
        let path = folder.join(auth_json.file_name().unwrap_or_default());
        let owner = owner_of(&path);
        Ok([
            Self { path: path.with_extension("lock"), mode: 0o666, owner },
            Self { path: with_suffix(&path, ".lock"), mode: 0o600, owner },
        ])
    }

    /// The one of a refresh.
    pub(super) fn for_refresh(auth_json: &Path) -> Self {
        Self { path: with_suffix(auth_json, ".refresh.lock"), mode: 0o600, owner: owner_of(auth_json) }
    }

    pub(super) fn is_same_file_as(&self, other: &Self) -> bool {
        self.path == other.path
    }

    /// Follows no link, so that nothing is created or locked at the other end of one.
    fn open(&self) -> Result<File, StoreError> {
        for _ in 0..OPENS {
            let found = match fs::symlink_metadata(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    match open_with_mode(
                        OpenOptions::new().read(true).write(true).create_new(true),
                        &self.path,
                        self.mode,
                    ) {
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                        opened => return opened.map_err(|error| self.unwritable(error)),
                    }
                }
                found => found.map_err(|error| self.unwritable(error))?,
            };
            if !found.is_file() {
                return Err(self.refused("the lock file is not a regular file"));
            }
            if let (Some(owner), Some(found)) = (self.owner, user_of(&found))
                && found != owner
                && found != ROOT
            {
                return Err(self.refused("the lock file belongs neither to the owner of the credentials nor to root"));
            }
            let file = match OpenOptions::new().read(true).write(true).open(&self.path) {
                // Another user's, such as root's: to lock it, reading is enough.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    File::open(&self.path).map_err(|_| self.unwritable(error))?
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(|error| self.unwritable(error))?,
            };
            // What was looked at may have been replaced before it was opened.
            if file.metadata().is_ok_and(|opened| is_same_file(&found, &opened)) {
                return Ok(file);
            }
        }
        Err(self.refused("the lock file is replaced all the time"))
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
                    let holder = holder_of(&file).map_or_else(String::new, |holder| format!(" by {holder}"));
                    let reason = format!("{} was held for more than {patience:?}{holder}", self.path.display());
                    return Err(StoreError::new(StoreErrorKind::Locked, store, reason));
                }
                Err(TryLockError::Error(error)) => return Err(self.unwritable(error)),
            }
        }
    }

    fn refused(&self, reason: &str) -> StoreError {
        StoreError::new(StoreErrorKind::Unwritable, self.path.display().to_string(), reason)
    }

    fn unwritable(&self, error: io::Error) -> StoreError {
        StoreError::io(StoreErrorKind::Unwritable, self.path.display().to_string(), error)
    }
}

/// How often a lock file is looked at that is made or replaced at the same moment.
const OPENS: u32 = 16;
const ROOT: u32 = 0;

/// The user to whom the file belongs, behind links; `None` where there is no such file, or no such users.
pub(super) fn owner_of(path: &Path) -> Option<u32> {
    user_of(&fs::metadata(path).ok()?)
}

fn user_of(file: &fs::Metadata) -> Option<u32> {
    #[cfg(unix)]
    {
        Some(std::os::unix::fs::MetadataExt::uid(file))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        None
    }
}

fn is_same_file(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    }
    #[cfg(not(unix))]
    {
        one.file_type() == other.file_type()
    }
}

/// The process that holds the lock, where the system tells.
#[cfg(target_os = "linux")]
fn holder_of(file: &File) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let held = file.metadata().ok()?;
    let (device, inode) = (held.dev(), held.ino());
    let major = ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff);
    let minor = (device & 0xff) | ((device >> 12) & !0xff);
    let place = format!("{major:02x}:{minor:02x}:{inode}");
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let fields = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let process = fields.filter(|fields| fields.get(1) == Some(&"FLOCK")).find_map(|fields| {
        let at = fields.iter().position(|field| *field == place)?;
        fields.get(at.checked_sub(1)?)?.parse::<u32>().ok()
    })?;
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    Some(format!("process {process} ({})", name.trim()))
}

#[cfg(not(target_os = "linux"))]
fn holder_of(_: &File) -> Option<String> {
    None
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

/// Makes the rename itself last. It has happened: that a folder cannot be synced does not undo it.
pub(super) fn sync_folder_of(path: &Path) {
    #[cfg(unix)]
    if let Err(error) = File::open(folder_of(path)).and_then(|folder| folder.sync_all()) {
        tracing::warn!(%error, "the folder of the credentials could not be synced");
    }
    #[cfg(not(unix))]
    let _ = path;
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
