//! Uploading files to the Codex backend.

pub(super) mod request;
pub(super) mod source;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use tokio::io::AsyncRead;

pub use self::request::{UploadMany, UploadProgress, UploadRequest, UploadedFile};
use self::source::Source;
use crate::call::Caller;
use crate::client::{AsClient, Client};
use crate::mode::sealed::Sealed;
use crate::mode::{Accepts, CodexBackend, Endpoint};

/// The largest file that can be uploaded: 512 MiB. A file of exactly this size passes.
const LARGEST_FILE: u64 = 512 << 20;

/// Uploads files to the Codex backend, where tools and models refer to them by `sediment://` URIs.
///
/// Accepts a `Client<CodexBackend>`. An upload is three requests: the backend names a file id and a pre-signed URL; the
/// content is streamed to that URL, **without** any auth header; the backend is asked until it has processed the
/// file. Memory does not grow with the file.
///
/// | request | sent again after a failure | bounded by |
/// | --- | --- | --- |
/// | `POST /files` | only if the server did not act on it | [`Timeouts`](crate::Timeouts) `attempt`, `call` |
/// | `PUT` to the signed URL | yes, from the start, if the source is a path or bytes | `idle` alone |
/// | `POST /files/{id}/uploaded` | yes; also repeated while the backend says `retry` | `attempt`, `call`; repeated for 30 s |
///
/// Dropping the future cancels the upload; what has been sent may stay on the server as an unfinished file that
/// nobody can use.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::{Client, CodexBackend, OpenAiFileUpload};
///
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let folder = tempfile::tempdir()?;
/// # let report = folder.path().join("report.csv");
/// # std::fs::write(&report, "a,b\n1,2\n")?;
/// let client: Client<CodexBackend> = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// let file = OpenAiFileUpload::new(&client).path(&report).await?;
/// assert_eq!(file.uri(), format!("sediment://{}", file.file_id()));
/// assert_eq!((file.file_name(), file.file_size_bytes()), ("report.csv", 8));
/// # Ok(()) }
/// ```
///
/// Facts: the `/files` routes of the Codex backend, as the official tool uses them.
#[derive(Debug, Clone)]
pub struct OpenAiFileUpload {
    caller: Arc<Caller>,
}

impl Sealed for OpenAiFileUpload {}
impl Endpoint for OpenAiFileUpload {
    type Accepted = CodexBackend;
    type Elsewhere = crate::OpenAiFiles;
    const NAME: &'static str = "OpenAiFileUpload";
}

impl<M> Client<M> {
    /// Uploads files: [`OpenAiFileUpload::new`] as a method.
    #[must_use]
    pub fn file_upload(&self) -> OpenAiFileUpload
    where
        M: Accepts<OpenAiFileUpload>,
    {
        OpenAiFileUpload::new(self)
    }
}

impl OpenAiFileUpload {
    /// With a client for the Codex backend. The handle keeps what it needs of the client alive.
    #[must_use]
    pub fn new<C>(client: &C) -> Self
    where
        C: AsClient + ?Sized,
        C::Mode: Accepts<Self>,
    {
        Self { caller: client.as_client().caller().clone() }
    }

    /// Uploads the file at a path, under its own name. The file is read while it is sent; if it changes meanwhile, the
    /// upload fails and nothing is finalized.
    pub fn path(&self, path: impl Into<PathBuf>) -> UploadRequest {
        self.request(Source::Path(path.into()), None)
    }

    /// Uploads bytes at hand under a name.
    pub fn bytes(&self, file_name: impl Into<String>, content: impl Into<Bytes>) -> UploadRequest {
        self.request(Source::Bytes(content.into()), Some(file_name.into()))
    }

    /// Uploads what a reader gives, which must be exactly `length` bytes. It can be read once, so a failed `PUT` is not
    /// repeated.
    pub fn reader<R>(&self, file_name: impl Into<String>, length: u64, reader: R) -> UploadRequest
    where
        R: AsyncRead + Send + 'static,
    {
        self.request(Source::reader(length, reader), Some(file_name.into()))
    }

    /// Uploads what a stream gives, which must be exactly `length` bytes. It can be read once, so a failed `PUT` is not
    /// repeated.
    pub fn stream<S, E>(&self, file_name: impl Into<String>, length: u64, stream: S) -> UploadRequest
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.request(Source::stream(length, stream), Some(file_name.into()))
    }

    /// Runs several uploads, a bounded number at a time, and gives all results in the order of the requests.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
    /// let files = client.file_upload();
    /// let uploads = [files.bytes("a.txt", "first"), files.bytes("b.txt", "second"), files.path("missing.txt")];
    /// let results = files.many(uploads).with_concurrency(2).await;
    /// assert_eq!(results[1].as_ref().unwrap().file_name(), "b.txt");
    /// assert!(results[2].is_err());
    /// # Ok(()) }
    /// ```
    pub fn many(&self, requests: impl IntoIterator<Item = UploadRequest>) -> UploadMany {
        UploadMany::new(requests.into_iter().collect())
    }

    fn request(&self, source: Source, file_name: Option<String>) -> UploadRequest {
        UploadRequest::new(self.caller.clone(), source, file_name)
    }
}
