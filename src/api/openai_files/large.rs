//! Uploads of large files in parts.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;

use super::file::{OpenAiFile, OpenAiFilePurpose};
use super::multipart::Form;
use crate::api::endpoint::operations;
use crate::api::request::{PreparedRequest, awaited, with_call_options};
use crate::call::Caller;
use crate::error::{Error, ErrorKind};
use crate::exchange::{CallOptions, Operation};

operations! {
    for OpenAiFiles;
    CREATE: "openai_uploads.create" = POST "/uploads", IfNotActedOn, Bounded;
    // A part that is sent twice and listed once does no harm.
    PART: "openai_uploads.part" = POST "/uploads/{upload_id}/parts", Safe, IdleOnly;
    COMPLETE: "openai_uploads.complete" = POST "/uploads/{upload_id}/complete", IfNotActedOn, Bounded;
    CANCEL: "openai_uploads.cancel" = POST "/uploads/{upload_id}/cancel", Safe, Bounded;
}

/// The largest file: 8 GiB.
const LARGEST: u64 = 8 << 30;
/// The largest part that the server takes.
const LARGEST_PART: usize = 64 << 20;
const PART_SIZE: usize = 8 << 20;

/// An upload in parts, made by [`OpenAiFiles::large_path`](crate::OpenAiFiles::large_path); `.await` it.
///
/// One part is in memory at a time, and each part is retried on its own. If a part fails, the upload is cancelled on
/// the server. Dropping the future stops the upload without cancelling it on the server; it expires there.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().api_key(backend.api_key()).build()?;
/// use codex_backend::openai_files::OpenAiFilePurpose;
///
/// let upload = client.openai_files().large_bytes("big.jsonl", vec![b'x'; 100_000], OpenAiFilePurpose::Batch);
/// let file = upload.with_mime_type("application/jsonl").with_part_size(40_000).await?;
/// assert_eq!(file.bytes, 100_000);
/// # Ok(()) }
/// ```
#[must_use = "an upload does nothing unless awaited"]
pub struct OpenAiLargeUpload {
    caller: Arc<Caller>,
    origin: Origin,
    file_name: Option<String>,
    purpose: OpenAiFilePurpose,
    mime_type: String,
    part_size: usize,
    options: CallOptions,
}

pub(super) enum Origin {
    Path(PathBuf),
    Bytes(Bytes),
}

impl OpenAiLargeUpload {
    pub(super) fn new(
        caller: Arc<Caller>,
        origin: Origin,
        file_name: Option<String>,
        purpose: OpenAiFilePurpose,
    ) -> Self {
        let mime_type = "application/octet-stream".to_owned();
        Self { caller, origin, file_name, purpose, mime_type, part_size: PART_SIZE, options: CallOptions::default() }
    }

    /// The file name that the server is given. For a path, the default is its last component.
    pub fn with_file_name(mut self, name: impl Into<String>) -> Self {
        self.file_name = Some(name.into());
        self
    }

    /// The MIME type. Default `application/octet-stream`; some purposes require a certain one.
    pub fn with_mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = mime_type.into();
        self
    }

    /// The size of a part in bytes, at most 64 MiB. Default 8 MiB.
    pub fn with_part_size(mut self, bytes: usize) -> Self {
        self.part_size = bytes.clamp(1, LARGEST_PART);
        self
    }

    with_call_options!("this upload", options);

    async fn run(mut self) -> Result<OpenAiFile, Error> {
        let size = self.size().await?;
        let file_name = match (self.file_name.take(), &self.origin) {
            (Some(name), _) => name,
            (None, Origin::Path(path)) => {
                path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
            }
            (None, Origin::Bytes(_)) => String::new(),
        };
        if file_name.is_empty() {
            return Err(Error::new(ErrorKind::InvalidFileName, CREATE.name, "the file has no name"));
        }
        if size > LARGEST {
            let message = format!("`{file_name}` has {size} bytes, and an upload in parts may have {LARGEST} (8 GiB)");
            return Err(Error::new(ErrorKind::FileTooLarge, CREATE.name, message));
        }
        let body = json!({
            "filename": file_name, "purpose": self.purpose, "bytes": size, "mime_type": self.mime_type,
        });
        let upload: UploadAnswer = self.request(&CREATE, None).body(&body).json().await?;
        match self.send_parts(&upload.id, size).await {
            Ok(file) => Ok(file),
            Err(error) => {
                // Best effort: the first error is the one to return.
                let _cancelled: Result<UploadAnswer, _> = self.request(&CANCEL, Some(&upload.id)).json().await;
                Err(error)
            }
        }
    }

    async fn send_parts(&self, upload_id: &str, size: u64) -> Result<OpenAiFile, Error> {
        let mut part_ids = Vec::new();
        let mut offset = 0;
        while offset < size {
            let part = self.read(offset, size).await?;
            offset += part.len() as u64;
            part_ids.push(self.send_part(upload_id, &part).await?);
        }
        let completed: UploadAnswer =
            self.request(&COMPLETE, Some(upload_id)).body(&json!({ "part_ids": part_ids })).json().await?;
        completed.file.ok_or_else(|| {
            Error::new(ErrorKind::Decode, COMPLETE.name, "the upload is complete, but the answer names no file")
                .sent(true)
        })
    }

    async fn send_part(&self, upload_id: &str, part: &[u8]) -> Result<String, Error> {
        let form = Form::new().file("data", "part");
        let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, form.content_type())]);
        let request = self.request(&PART, Some(upload_id)).headers(headers).bytes(form.around(part));
        Ok(request.json::<PartAnswer>().await?.id)
    }

    fn request(&self, operation: &'static Operation, upload_id: Option<&str>) -> PreparedRequest {
        let request = PreparedRequest::new(&self.caller, operation).with_options(self.options);
        match upload_id {
            Some(id) => request.segment("upload_id", id),
            None => request,
        }
    }

    async fn size(&self) -> Result<u64, Error> {
        match &self.origin {
            Origin::Bytes(bytes) => Ok(bytes.len() as u64),
            Origin::Path(path) => {
                let path = path.clone();
                blocking(move || {
                    let found = std::fs::metadata(&path).map_err(|error| unreadable(&path, error))?;
                    if !found.is_file() {
                        let message = format!("`{}` is no regular file", path.display());
                        return Err(Error::new(ErrorKind::NotAFile, CREATE.name, message));
                    }
                    Ok(found.len())
                })
                .await
            }
        }
    }

    /// The part at this offset.
    async fn read(&self, offset: u64, size: u64) -> Result<Bytes, Error> {
        let left = usize::try_from(size - offset).unwrap_or(usize::MAX);
        let length = self.part_size.min(left);
        match &self.origin {
            Origin::Bytes(bytes) => {
                let start = bytes.len() - left;
                Ok(bytes.slice(start..start + length))
            }
            Origin::Path(path) => {
                let path = path.clone();
                blocking(move || {
                    let failed = |error| unreadable(&path, error);
                    let mut file = File::open(&path).map_err(failed)?;
                    if file.metadata().map_err(failed)?.len() != size {
                        let message = format!("`{}` changed while it was being uploaded", path.display());
                        return Err(Error::new(ErrorKind::FileChanged, PART.name, message));
                    }
                    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
                    let mut part = vec![0; length];
                    file.read_exact(&mut part).map_err(failed)?;
                    Ok(part.into())
                })
                .await
            }
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let lost = |error| Error::new(ErrorKind::FileUnreadable, PART.name, "reading the file failed").with_source(error);
    tokio::task::spawn_blocking(work).await.map_err(lost)?
}

fn unreadable(path: &std::path::Path, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::FileNotFound,
        _ => ErrorKind::FileUnreadable,
    };
    Error::new(kind, CREATE.name, format!("`{}` cannot be read: {error}", path.display())).with_source(error)
}

#[derive(Deserialize)]
struct UploadAnswer {
    id: String,
    #[serde(default)]
    file: Option<OpenAiFile>,
}

#[derive(Deserialize)]
struct PartAnswer {
    id: String,
}

awaited!(OpenAiLargeUpload => OpenAiFile);

impl fmt::Debug for OpenAiLargeUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiLargeUpload")
            .field("file_name", &self.file_name)
            .field("purpose", &self.purpose)
            .field("part_size", &self.part_size)
            .finish_non_exhaustive()
    }
}
