//! The file that caches a catalogue between runs of a program.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::catalogue::ModelCatalogue;
use super::entry::{Entry, Key};
use crate::api::kept_file;
use crate::exchange::tellable;

/// Its content.
#[derive(Serialize, Deserialize)]
pub(super) struct CacheFile {
    fetched_at: String,
    #[serde(default)]
    etag: Option<String>,
    base_url: String,
    #[serde(default)]
    account_id: Option<String>,
    client_version: String,
    models: Vec<Value>,
}

impl CacheFile {
    /// The file's entry, if it is for this key, however old. An account that is not known has none: it may be another.
    pub(super) async fn read(path: PathBuf, key: Key) -> Option<Entry> {
        key.account_id.as_ref()?;
        let bytes = tokio::task::spawn_blocking(move || kept_file::read(&path)).await.ok()?.ok()?;
        let file: Self = crate::wire::from_bytes(&bytes).ok()?;
        let fetched_at = humantime::parse_rfc3339(&file.fetched_at).ok()?;
        let of = Key { base_url: file.base_url, account_id: file.account_id, client_version: file.client_version };
        let catalogue = Arc::new(ModelCatalogue::new(file.models, file.etag));
        (of == key).then_some(Entry { key, fetched_at, catalogue })
    }

    /// Replaces the file in one step: concurrent readers find the old content or the new one.
    pub(super) async fn write(path: PathBuf, entry: Entry) -> io::Result<()> {
        let Some(fetched_at) = tellable(entry.fetched_at) else {
            return Err(io::Error::other("the clock is outside of the years that the file can tell"));
        };
        let file = Self {
            fetched_at: humantime::format_rfc3339(fetched_at).to_string(),
            etag: entry.catalogue.etag().map(str::to_owned),
            base_url: entry.key.base_url,
            account_id: entry.key.account_id,
            client_version: entry.key.client_version,
            models: entry.catalogue.raw().to_vec(),
        };
        let text = serde_json::to_string_pretty(&file)?;
        tokio::task::spawn_blocking(move || replace(&path, &text)).await.map_err(io::Error::other)?
    }
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    kept_file::check_replaceable(path)?;
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{:016x}", fastrand::u64(..)));
    let beside = path.with_file_name(name);
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // Best effort: the first error is the one to return.
        let _gone = std::fs::remove_file(&beside);
    }
    written
}
