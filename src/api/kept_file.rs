//! Files in which something is cached: read if they are regular and not too large, and replaced if they are regular.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// More than any catalogue or configuration has.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The content of a regular file. A pipe or a device might never end, and opening one may wait for ever.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    refuse_irregular(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    refuse_irregular(&file.metadata()?)?;
    let mut content = Vec::new();
    if file.take(LARGEST + 1).read_to_end(&mut content)? as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 16 MiB"));
    }
    Ok(content)
}

/// A rename would put a file in the place of a pipe or a device, which is somebody's.
pub(crate) fn check_replaceable(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) => refuse_irregular(&found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn refuse_irregular(found: &fs::Metadata) -> io::Result<()> {
    if found.is_file() { Ok(()) } else { Err(io::Error::other("it is not a regular file")) }
}
