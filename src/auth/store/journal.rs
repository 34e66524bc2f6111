//! The journal of a file that is written in place: both contents, complete and synced, before the first byte is written.
//!
//! A write that was interrupted leaves some bytes of the new content and some of the old, which tells it from a file that
//! another program has written since.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use super::locks::{owner_of, sync_folder_of};

/// Larger than two files that may be read.
const LARGEST_JOURNAL: u64 = 4 << 20;

/// The journal beside a file.
pub(super) struct Journal {
    target: PathBuf,
    path: PathBuf,
}

/// What a journal holds.
pub(super) struct Entry {
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Journal {
    pub(super) fn of(target: &Path) -> Self {
        let mut name = OsString::from(".auth-journal-");
        name.push(target.file_name().unwrap_or_default());
        Self { target: target.to_owned(), path: target.with_file_name(name) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn entry(old: &[u8], new: &[u8]) -> Entry {
        Entry { old: old.to_owned(), new: new.to_owned() }
    }

    /// What it holds, if there is one. It was put there in one step, so it is complete.
    pub(super) fn read(&self) -> Option<Entry> {
        let found = fs::symlink_metadata(&self.path).ok()?;
        // Nobody else decides what is read.
        let is_ours = found.is_file() && owner_of(&self.path) == owner_of(&self.target);
        if !is_ours || found.len() > LARGEST_JOURNAL {
            return None;
        }
        Entry::from_text(&fs::read_to_string(&self.path).ok()?)
    }

    /// Writes the new content over the old one, which is not cut off first, and removes the journal.
    pub(super) fn carry_out(&self, entry: &Entry) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(&self.target)?;
        file.write_all(&entry.new)?;
        file.set_len(entry.new.len() as u64)?;
        file.sync_all()?;
        self.remove()
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        sync_folder_of(&self.target);
        Ok(())
    }
}

impl Entry {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let line = |bytes: &[u8]| BASE64_STANDARD_NO_PAD.encode(bytes);
        format!("{}\n{}\n", line(&self.old), line(&self.new)).into_bytes()
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(|line| BASE64_STANDARD_NO_PAD.decode(line).ok());
        Some(Self { old: lines.next()??, new: lines.next()?? })
    }

    /// The new content, if `found` is what an interrupted write of it may have left.
    pub(super) fn completes(&self, found: &[u8]) -> Option<Vec<u8>> {
        let (old, new) = (&self.old, &self.new);
        let lengths = old.len().min(new.len())..=old.len().max(new.len());
        let is_mixed = |(at, byte): (usize, &u8)| [old.get(at), new.get(at)].contains(&Some(byte));
        let is_interrupted = lengths.contains(&found.len()) && found.iter().enumerate().all(is_mixed);
        (is_interrupted && found != new).then(|| new.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_stopped_anywhere_is_known_from_a_file_that_was_written_since() {
        for (old, new) in [("old tokens", "new ones, longer"), ("longer, and old", "new"), ("same size", "same-size")] {
            let entry = Journal::entry(old.as_bytes(), new.as_bytes());
            let entry = Entry::from_text(std::str::from_utf8(&entry.to_bytes()).unwrap()).unwrap();
            for written in 0..new.len() {
                let mut found = old.as_bytes().to_vec();
                found.resize(found.len().max(written), b' ');
                found[..written].copy_from_slice(&new.as_bytes()[..written]);
                let expected = (found != new.as_bytes()).then_some(new.as_bytes());
                assert_eq!(entry.completes(&found).as_deref(), expected, "{written} of {new}");
            }
            assert_eq!(entry.completes(new.as_bytes()), None);
            assert_eq!(entry.completes(b"another"), None);
        }
    }
}
