//! Uploads to the Codex backend. For files of the OpenAI API see [`openai_files`](crate::openai_files).
//!
//! Everything is reached through [`OpenAiFileUpload`], for a `Client<CodexBackend>`. Its methods name the source of the
//! content: [`path`](OpenAiFileUpload::path), [`bytes`](OpenAiFileUpload::bytes), [`reader`](OpenAiFileUpload::reader) or
//! [`stream`](OpenAiFileUpload::stream). Each returns an [`UploadRequest`]; awaited, it gives an [`UploadedFile`], whose
//! [`uri`](UploadedFile::uri) is what models and tools take. [`many`](OpenAiFileUpload::many) runs several uploads at a time.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! let file = client.file_upload().bytes("notes.txt", "hello").await?;
//! assert!(file.uri().starts_with("sediment://file_"));
//! # Ok(()) }
//! ```

pub(super) mod progress;
pub(crate) mod request;
pub(super) mod source;
mod wire;

use std::path::PathBuf;

use bytes::Bytes;
use futures_util::Stream;
use tokio::io::AsyncRead;

pub use self::progress::UploadProgress;
pub use self::request::{UploadMany, UploadRequest, UploadedFile};
use self::source::Source;
use crate::api::endpoint::{Accepts, endpoint};
pub use crate::exchange::SignedUrl;

endpoint! {
    /// Uploads files to the Codex backend, where tools and models refer to them by `sediment://` URIs.
    ///
    /// Accepts a `Client<CodexBackend>`. An upload is three requests: the backend returns a file id and a pre-signed URL; the
    /// content is streamed to that URL, **without** any auth header; the backend is polled until it has processed the file.
    /// Memory does not grow with the file.
    ///
    /// | request | retried after a failure | time-out |
    /// | --- | --- | --- |
    /// | `POST /files` | only if the server did not act on it | [`Timeouts`](crate::Timeouts) `attempt`, `call` |
    /// | `PUT` to the signed URL | yes, from the start, if the source is a path or bytes | `idle` only |
    /// | `POST /files/{id}/uploaded` | yes; also polled while the backend answers `retry` | `attempt`, `call`; polling for 30 s |
    ///
    /// A signed URL from a production host must be `https` and lead to a public host: not to a loopback, link-local, private or
    /// multicast address, neither by its text nor by the addresses that its name has when it is connected to. Through a proxy,
    /// the proxy resolves the name, and its addresses are not checked. A base URL on loopback, or one that
    /// [`dangerously_allow_origin`](crate::ClientBuilder::dangerously_allow_origin) allows, may name any host.
    ///
    /// Dropping the future cancels the upload. An unfinished file, which nobody can use, may remain on the server.
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
    /// Based on the `/files` routes of the Codex backend, as the official tool uses them.
    #[doc(alias("upload", "attachment"))]
    pub OpenAiFileUpload by new, file_upload, else OpenAiFiles where CodexBackend: Accepts<OpenAiFileUpload>
}

impl OpenAiFileUpload {
    /// Uploads the file at a path, under its own name, up to 512 MiB. The file is read while it is sent. If it changes
    /// meanwhile, the upload fails with [`ErrorKind::FileChanged`](crate::ErrorKind::FileChanged) and is not finalized.
    pub fn path(&self, path: impl Into<PathBuf>) -> UploadRequest {
        self.upload(Source::Path(path.into()), None)
    }

    /// Uploads bytes in memory under a name.
    pub fn bytes(&self, file_name: impl Into<String>, content: impl Into<Bytes>) -> UploadRequest {
        self.upload(Source::Bytes(content.into()), Some(file_name.into()))
    }

    /// Uploads what a reader yields, which must be exactly `length` bytes. It can be read only once, so a failed `PUT` is not
    /// retried.
    pub fn reader<R>(&self, file_name: impl Into<String>, length: u64, reader: R) -> UploadRequest
    where
        R: AsyncRead + Send + 'static,
    {
        self.upload(Source::reader(length, reader), Some(file_name.into()))
    }

    /// Uploads what a stream yields, which must be exactly `length` bytes. It can be read only once, so a failed `PUT` is not
    /// retried.
    pub fn stream<S, E>(&self, file_name: impl Into<String>, length: u64, stream: S) -> UploadRequest
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.upload(Source::stream(length, stream), Some(file_name.into()))
    }

    /// Runs several uploads, four at a time by default, and returns all results in the order of the requests.
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

    fn upload(&self, source: Source, file_name: Option<String>) -> UploadRequest {
        UploadRequest::new(self.caller.clone(), source, file_name)
    }
}
