//! The file in which managed configuration is kept: its form, its signature, reading and writing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::api::kept_file;
use crate::auth::AccountFacts;
use crate::exchange::tellable;

/// A file that caches managed configuration, so that a program can start without a request. The requirements are valid
/// for 30 minutes, the bundle for one hour.
///
/// The file names the account and the user, the time of expiry, and has a signature. The key of that signature is
/// public: it detects damage and careless edits, and does not protect against a deliberate forgery.
///
/// ```
/// use codex_backend::managed_config::ConfigCache;
///
/// let own = ConfigCache::in_folder("/var/lib/my-tool");
/// let shared = ConfigCache::shared_with_official_tool("/home/me/.codex");
/// # assert_ne!(own, shared);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigCache {
    folder: PathBuf,
    shared: bool,
}

/// The result of reading the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CacheStatus {
    /// It has the configuration.
    Hit,
    /// The account or the user is not known, so no entry can be theirs.
    NoIdentity,
    /// There is no file.
    Missing,
    /// The file cannot be read, is no regular file, or is larger than 16 MiB.
    Unreadable,
    /// The file does not have the form of a cache.
    Malformed,
    /// The signature does not match the content.
    BadSignature,
    /// The file was written by another version.
    OtherVersion,
    /// The file does not name an account and a user.
    NoCachedIdentity,
    /// The file is for another user or account.
    OtherIdentity,
    /// The file has expired.
    Expired,
}

/// How one kind of document is cached.
#[derive(Debug)]
pub(super) struct CacheFormat {
    pub(super) own_file: &'static str,
    pub(super) shared_file: &'static str,
    pub(super) own_key: &'static str,
    pub(super) shared_key: &'static str,
    pub(super) version: Option<u32>,
    pub(super) time_to_live: Duration,
}

#[derive(Serialize, Deserialize)]
struct File {
    signed_payload: Box<RawValue>,
    signature: String,
}

/// What stands in a payload beside the document itself.
#[derive(Deserialize)]
struct Envelope {
    version: Option<u32>,
    expires_at: String,
    chatgpt_user_id: Option<String>,
    account_id: Option<String>,
}

/// A payload, in the order of members that is signed. `document` is the last member, and names itself.
#[derive(Serialize)]
struct Payload<'a, D> {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    cached_at: String,
    expires_at: String,
    chatgpt_user_id: &'a str,
    account_id: &'a str,
    #[serde(flatten)]
    document: &'a D,
}

impl ConfigCache {
    /// In files of this crate's own, in a folder of the application's. The folder has to exist.
    #[must_use]
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), shared: false }
    }

    /// In the files of the official tool, in its folder (`CODEX_HOME`): what either of the two has loaded, the other
    /// finds.
    #[must_use]
    pub fn shared_with_official_tool(codex_home: impl Into<PathBuf>) -> Self {
        Self { folder: codex_home.into(), shared: true }
    }

    fn path(&self, format: &CacheFormat) -> PathBuf {
        self.folder.join(if self.shared { format.shared_file } else { format.own_file })
    }

    fn key(&self, format: &CacheFormat) -> hmac::Key {
        let key = if self.shared { format.shared_key } else { format.own_key };
        hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes())
    }

    pub(super) fn read<D: DeserializeOwned>(
        &self,
        format: &CacheFormat,
        account: &AccountFacts,
        now: SystemTime,
    ) -> Result<D, CacheStatus> {
        let (Some(user_id), Some(account_id)) = (&account.user_id, &account.account_id) else {
            return Err(CacheStatus::NoIdentity);
        };
        let text = kept_file::read(&self.path(format)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => CacheStatus::Missing,
            _ => CacheStatus::Unreadable,
        })?;
        let file: File = serde_json::from_slice(&text).map_err(|_| CacheStatus::Malformed)?;
        let payload = compact(file.signed_payload.get());
        let signature = BASE64_STANDARD.decode(&file.signature).map_err(|_| CacheStatus::BadSignature)?;
        hmac::verify(&self.key(format), payload.as_bytes(), &signature).map_err(|_| CacheStatus::BadSignature)?;
        let envelope: Envelope = crate::wire::from_text(&payload).map_err(|_| CacheStatus::Malformed)?;
        if envelope.version != format.version {
            return Err(CacheStatus::OtherVersion);
        }
        let (Some(cached_user_id), Some(cached_account_id)) = (envelope.chatgpt_user_id, envelope.account_id) else {
            return Err(CacheStatus::NoCachedIdentity);
        };
        if (&cached_user_id, &cached_account_id) != (user_id, account_id) {
            return Err(CacheStatus::OtherIdentity);
        }
        let expires_at = humantime::parse_rfc3339(&envelope.expires_at).map_err(|_| CacheStatus::Malformed)?;
        if expires_at <= now {
            return Err(CacheStatus::Expired);
        }
        crate::wire::from_text(&payload).map_err(|_| CacheStatus::Malformed)
    }

    /// Writes a new file and puts it in the old one's place, so that no reader sees half of it. Without an identity there
    /// is nothing to keep it under.
    pub(super) fn write<D: Serialize>(
        &self,
        format: &CacheFormat,
        account: &AccountFacts,
        now: SystemTime,
        document: &D,
    ) -> io::Result<()> {
        let (Some(chatgpt_user_id), Some(account_id)) = (&account.user_id, &account.account_id) else { return Ok(()) };
        let Some((now, end)) = tellable(now).zip(now.checked_add(format.time_to_live).and_then(tellable)) else {
            return Err(io::Error::other("the clock is outside of the years that the file can tell"));
        };
        let payload = serde_json::to_string(&Payload {
            version: format.version,
            cached_at: humantime::format_rfc3339_seconds(now).to_string(),
            expires_at: humantime::format_rfc3339_seconds(end).to_string(),
            chatgpt_user_id,
            account_id,
            document,
        })?;
        let signature = BASE64_STANDARD.encode(hmac::sign(&self.key(format), payload.as_bytes()));
        let file = File { signed_payload: RawValue::from_string(payload)?, signature };
        replace(&self.path(format), serde_json::to_string_pretty(&file)?.as_bytes())
    }
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    kept_file::check_replaceable(path)?;
    let beside = path.with_extension(format!("{:016x}.tmp", fastrand::u64(..)));
    let written = write_private(&beside, content).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // Best effort: the error is the one that counts.
        let _left_behind = fs::remove_file(&beside);
    }
    written
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    io::Write::write_all(&mut options.open(path)?, content)
}

/// JSON without the spaces between its parts, members in the order in which they stand: what was signed.
fn compact(json: &str) -> String {
    let (mut compact, mut in_text, mut escaped) = (String::with_capacity(json.len()), false, false);
    for character in json.chars() {
        match character {
            '"' if !escaped => in_text = !in_text,
            ' ' | '\n' | '\r' | '\t' if !in_text => continue,
            _ => {}
        }
        escaped = in_text && character == '\\' && !escaped;
        compact.push(character);
    }
    compact
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_go_and_texts_stay() {
        let pretty = "{\n  \"b\": [1, 2],\n\t\"a \\\" x\": \"\\\\\", \"c\" : \" \\\" , \"\r\n}";
        assert_eq!(compact(pretty), "{\"b\":[1,2],\"a \\\" x\":\"\\\\\",\"c\":\" \\\" , \"}");
    }
}
