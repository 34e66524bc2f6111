//! Files of the OpenAI API: upload, list, download, delete. For uploads to the Codex backend see [`files`](crate::files).
//!
//! Everything is reached through [`OpenAiFiles`], for a `Client<OpenAiApi>`. Files up to 512 MiB are sent in one request
//! ([`path`](OpenAiFiles::path), [`bytes`](OpenAiFiles::bytes), [`reader`](OpenAiFiles::reader)), larger ones in parts
//! ([`large_path`](OpenAiFiles::large_path)).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().api_key(backend.api_key()).build()?;
//! use codex_backend::openai_files::OpenAiFilePurpose;
//!
//! let files = client.openai_files();
//! let file = files.bytes("notes.txt", "hello", OpenAiFilePurpose::UserData).await?;
//! assert_eq!(files.content_up_to(&file.id, 1024).await?, "hello");
//! # Ok(()) }
//! ```

mod file;
pub(crate) mod large;
mod multipart;

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::StatusCode;
use tokio::io::AsyncRead;

pub use self::file::{OpenAiFile, OpenAiFilePurpose};
pub use self::large::OpenAiLargeUpload;
use self::multipart::{Form, Multipart};
use super::files::progress::{ProgressCallback, UploadProgress};
use super::files::source::Source;
use super::request::{ApiRequest, PagedRequest, PreparedRequest, awaited, with_call_options};
use super::responses::{DeletedObject, ListPage};
use crate::api::endpoint::{Accepts, endpoint, operations};
use crate::call::Caller;
use crate::error::{Error, ErrorKind};
use crate::exchange::{
    Activity, Body, CallOptions, Clock, IdleTimer, NotReceived, Opened, Operation, Receive, ToTheEnd,
};

operations! {
    for OpenAiFiles;
    // A second time it would create a second file.
    CREATE: "openai_files.create" = POST "/files",
        IfNotActedOn as "only if the server did not act on it, and the source can be read again", IdleOnly;
    LIST: "openai_files.list" = GET "/files", Safe, Bounded;
    RETRIEVE: "openai_files.retrieve" = GET "/files/{file_id}", Safe, Bounded;
    // A second time there is nothing left to delete, which is an error.
    DELETE: "openai_files.delete" = DELETE "/files/{file_id}", IfNotActedOn, Bounded;
    CONTENT: "openai_files.content" = GET "/files/{file_id}/content", Safe as "until its head has come", IdleOnly;
}

endpoint! {
    /// The files of the OpenAI API. Accepts a `Client<OpenAiApi>`. Uploads to the Codex backend, which are another
    /// protocol, are [`OpenAiFileUpload`](crate::OpenAiFileUpload).
    ///
    /// | method | request | retried after a failure | time-out |
    /// | --- | --- | --- | --- |
    /// | [`path`](Self::path), [`bytes`](Self::bytes), … | `POST /files`, streamed | only if the server did not act on it, and the source can be read again | `idle` |
    /// | [`large_path`](Self::large_path), [`large_bytes`](Self::large_bytes) | `POST /uploads`, parts, `…/complete` | parts: yes; the others: only if the server did not act on it | `idle`; attempt, call |
    /// | [`list`](Self::list), [`retrieve`](Self::retrieve) | `GET /files`, `GET /files/{file_id}` | yes | attempt, call |
    /// | [`content`](Self::content) | `GET /files/{file_id}/content` | until its head has come | `idle` |
    /// | [`delete`](Self::delete) | `DELETE /files/{file_id}` | only if the server did not act on it | attempt, call |
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().api_key(backend.api_key()).build()?;
    /// use codex_backend::openai_files::OpenAiFilePurpose;
    /// use codex_backend::OpenAiFiles;
    ///
    /// let files = OpenAiFiles::new(&client);
    /// let file = files.bytes("notes.txt", "all is well", OpenAiFilePurpose::UserData).await?;
    /// assert_eq!((file.filename.as_str(), file.bytes), ("notes.txt", 11));
    /// assert_eq!(files.content(&file.id).await?.bytes().await?, "all is well");
    /// assert!(files.delete(&file.id).await?.deleted);
    /// # Ok(()) }
    /// ```
    #[doc(alias("upload", "download", "attachment"))]
    pub OpenAiFiles by new, openai_files, else OpenAiFileUpload where OpenAiApi: Accepts<OpenAiFiles>
}

impl OpenAiFiles {
    /// Uploads the file at a path, under its own name, up to 512 MiB. If it changes meanwhile, the upload fails.
    pub fn path(&self, path: impl Into<PathBuf>, purpose: OpenAiFilePurpose) -> OpenAiUploadRequest {
        self.upload(Source::Path(path.into()), None, purpose)
    }

    /// Uploads bytes in memory under a name.
    pub fn bytes(
        &self,
        file_name: impl Into<String>,
        content: impl Into<Bytes>,
        purpose: OpenAiFilePurpose,
    ) -> OpenAiUploadRequest {
        self.upload(Source::Bytes(content.into()), Some(file_name.into()), purpose)
    }

    /// Uploads what a reader yields, which must be exactly `length` bytes. It can be read only once.
    pub fn reader(
        &self,
        file_name: impl Into<String>,
        length: u64,
        reader: impl AsyncRead + Send + 'static,
        purpose: OpenAiFilePurpose,
    ) -> OpenAiUploadRequest {
        self.upload(Source::reader(length, reader), Some(file_name.into()), purpose)
    }

    fn upload(&self, source: Source, file_name: Option<String>, purpose: OpenAiFilePurpose) -> OpenAiUploadRequest {
        OpenAiUploadRequest {
            caller: self.caller.clone(),
            source,
            file_name,
            purpose,
            expires_after: None,
            progress: None,
            options: CallOptions::default(),
        }
    }

    /// Uploads the file at a path in parts, up to 8 GiB in total.
    pub fn large_path(&self, path: impl Into<PathBuf>, purpose: OpenAiFilePurpose) -> OpenAiLargeUpload {
        OpenAiLargeUpload::new(self.caller.clone(), large::Origin::Path(path.into()), None, purpose)
    }

    /// Uploads bytes in memory in parts.
    pub fn large_bytes(
        &self,
        file_name: impl Into<String>,
        content: impl Into<Bytes>,
        purpose: OpenAiFilePurpose,
    ) -> OpenAiLargeUpload {
        let origin = large::Origin::Bytes(content.into());
        OpenAiLargeUpload::new(self.caller.clone(), origin, Some(file_name.into()), purpose)
    }

    /// All files, page by page, newest first.
    pub fn list(&self) -> PagedRequest<OpenAiFile> {
        self.list_where(None)
    }

    /// All files with one purpose, otherwise as [`list`](Self::list).
    pub fn list_of(&self, purpose: OpenAiFilePurpose) -> PagedRequest<OpenAiFile> {
        self.list_where(Some(purpose))
    }

    fn list_where(&self, purpose: Option<OpenAiFilePurpose>) -> PagedRequest<OpenAiFile> {
        let caller = self.caller.clone();
        PagedRequest::new(LIST.name, move |cursor| {
            let purpose = purpose.as_ref().map(OpenAiFilePurpose::as_str);
            let request = PreparedRequest::new(&caller, &LIST).query_if("purpose", purpose).query_if("after", cursor);
            request.json::<ListPage<OpenAiFile>>().and_then(|page| Ok(page.into()))
        })
    }

    /// The metadata of a file.
    pub fn retrieve(&self, file_id: &str) -> ApiRequest<OpenAiFile> {
        self.request(&RETRIEVE).segment("file_id", file_id).json()
    }

    /// Deletes a file. Retried only if the server did not act on it, because a second deletion would fail.
    pub fn delete(&self, file_id: &str) -> ApiRequest<DeletedObject> {
        self.request(&DELETE).segment("file_id", file_id).exact_json()
    }

    /// The content of a file, as a stream. It is retried until the response head has arrived; a content that breaks off
    /// is an error.
    #[doc(alias("download"))]
    pub fn content(&self, file_id: &str) -> ApiRequest<OpenAiFileContent> {
        let request = self.request(&CONTENT).segment("file_id", file_id);
        request.received(|request| ReceiveContent { clock: request.clock(), idle: request.idle() })
    }

    /// The content of a file, in memory. Retried as a whole. More than `longest` bytes are an error,
    /// [`ErrorKind::ResponseTooLarge`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().api_key(backend.api_key()).build()?;
    /// use codex_backend::ErrorKind;
    /// use codex_backend::openai_files::OpenAiFilePurpose;
    ///
    /// let files = client.openai_files();
    /// let file = files.bytes("notes.txt", "all is well", OpenAiFilePurpose::UserData).await?;
    /// assert_eq!(files.content_up_to(&file.id, 1 << 20).await?, "all is well");
    /// let error = files.content_up_to(&file.id, 10).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::ResponseTooLarge);
    /// # Ok(()) }
    /// ```
    pub fn content_up_to(&self, file_id: &str, longest: usize) -> ApiRequest<Bytes> {
        self.request(&CONTENT).segment("file_id", file_id).bytes_up_to(longest)
    }
}

/// One upload, made by [`OpenAiFiles`]; `.await` it.
#[must_use = "an upload does nothing unless awaited"]
pub struct OpenAiUploadRequest {
    caller: Arc<Caller>,
    source: Source,
    file_name: Option<String>,
    purpose: OpenAiFilePurpose,
    expires_after: Option<Duration>,
    progress: Option<ProgressCallback>,
    options: CallOptions,
}

impl OpenAiUploadRequest {
    /// The file name that the server is given. For a path, the default is its last component.
    pub fn with_file_name(mut self, name: impl Into<String>) -> Self {
        self.file_name = Some(name.into());
        self
    }

    /// After what time the server deletes the file: 1 hour to 30 days, in whole seconds. Default: never.
    pub fn with_expiry(mut self, after: Duration) -> Self {
        self.expires_after = Some(after);
        self
    }

    /// Called with 0 bytes when the content starts to be sent, and after every chunk. The upload waits for it, so keep it
    /// short. If it panics, the upload fails.
    pub fn with_progress(mut self, callback: impl FnMut(UploadProgress) + Send + 'static) -> Self {
        self.progress = Some(ProgressCallback::new(callback));
        self
    }

    with_call_options!("this upload", options);

    async fn run(self) -> Result<OpenAiFile, Error> {
        check_expiry(&CREATE, self.expires_after)?;
        let mut content = self.source.check(self.file_name).await?;
        content.progress = self.progress;
        let mut form = Form::new().field("purpose", self.purpose.as_str());
        if let Some(after) = self.expires_after {
            form = form.field("expires_after[anchor]", "created_at");
            form = form.field("expires_after[seconds]", &after.as_secs().to_string());
        }
        let form = form.file("file", &content.file_name);
        let headers = form.headers(content.size);
        let mut multipart = Multipart::new(form, content);
        let mut request = PreparedRequest::new(&self.caller, &CREATE).headers(headers).with_options(self.options);
        request.send_source(&mut multipart, ToTheEnd::DEFAULT).await?.json(&CREATE)
    }
}

fn check_expiry(operation: &'static Operation, after: Option<Duration>) -> Result<(), Error> {
    const LEAST: Duration = Duration::from_secs(60 * 60);
    const MOST: Duration = Duration::from_secs(30 * 24 * 60 * 60);
    match after {
        Some(after) if !(LEAST..=MOST).contains(&after) => {
            let message = format!("a file may expire after an hour to 30 days, not after {after:?}");
            Err(Error::new(ErrorKind::InvalidInput, operation.name, message))
        }
        _ => Ok(()),
    }
}

awaited!(OpenAiUploadRequest => OpenAiFile);

impl fmt::Debug for OpenAiUploadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiUploadRequest")
            .field("source", &self.source)
            .field("file_name", &self.file_name)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

/// The longest content that is read into memory where nobody said another length.
const LONGEST_IN_MEMORY: usize = 512 << 20;

/// The content of a file in chunks: a `Stream` of `Result<Bytes, Error>`, with the time-out [`Timeouts::idle`](crate::Timeouts::idle).
pub struct OpenAiFileContent {
    body: Body,
    idle: IdleTimer,
    status: StatusCode,
    request_id: Option<String>,
    ended: bool,
}

impl OpenAiFileContent {
    /// Its length in bytes, if the server sends it.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.body.length()
    }

    /// Reads all of it into memory, up to 512 MiB.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ResponseTooLarge`] when it is longer; otherwise when the content breaks off, or the idle time-out passes.
    pub async fn bytes(self) -> Result<Bytes, Error> {
        self.bytes_up_to(LONGEST_IN_MEMORY).await
    }

    /// Reads all of it into memory, if it is at most `longest` bytes. A content whose announced length is more is not read.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes).
    pub async fn bytes_up_to(mut self, longest: usize) -> Result<Bytes, Error> {
        let too_long = |content: &Self| {
            content.error(ErrorKind::ResponseTooLarge, format!("the content is longer than {longest} bytes"))
        };
        if self.length().is_some_and(|length| length > longest as u64) {
            return Err(too_long(&self));
        }
        let mut all = bytes::BytesMut::new();
        while let Some(chunk) = self.next().await {
            let chunk = chunk?;
            if chunk.len() > longest - all.len() {
                return Err(too_long(&self));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }

    fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        let error = Error::new(kind, CONTENT.name, message).with_status(self.status);
        error.with_request_id(self.request_id.clone())
    }
}

impl Stream for OpenAiFileContent {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let outcome = match Pin::new(&mut self.body).poll_next(context) {
            Poll::Ready(Some(Ok(chunk))) => {
                self.idle.touch();
                return Poll::Ready(Some(Ok(chunk)));
            }
            Poll::Ready(Some(Err(error))) => {
                let message = format!("{error} before the content was complete");
                Some(Err(self.error(error.kind_in_body(), message).with_source(error)))
            }
            Poll::Ready(None) => None,
            Poll::Pending => {
                if self.idle.poll_elapsed(context).is_pending() {
                    return Poll::Pending;
                }
                let message = format!("not one byte of the content came for {:?}", self.idle.limit());
                Some(Err(self.error(ErrorKind::Timeout, message)))
            }
        };
        self.ended = true;
        self.body = Body::empty();
        Poll::Ready(outcome)
    }
}

impl fmt::Debug for OpenAiFileContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiFileContent").field("length", &self.length()).finish_non_exhaustive()
    }
}

struct ReceiveContent {
    clock: Arc<dyn Clock>,
    idle: Duration,
}

impl Receive for ReceiveContent {
    type Received = OpenAiFileContent;

    async fn receive(&self, opened: Opened, activity: Option<&Activity>) -> Result<OpenAiFileContent, NotReceived> {
        let activity = activity.cloned().unwrap_or_else(|| Activity::starting_now(&self.clock));
        let request_id = opened.request_id();
        let idle = IdleTimer::new(self.idle, activity);
        Ok(OpenAiFileContent { body: opened.body, idle, status: opened.status, request_id, ended: false })
    }

    fn status(received: &OpenAiFileContent) -> StatusCode {
        received.status
    }

    fn request_id(received: &OpenAiFileContent) -> Option<String> {
        received.request_id.clone()
    }
}
