//! One upload to the Codex backend, and several at a time.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use super::progress::{ProgressCallback, UploadProgress};
use super::source::{Content, Source};
use super::wire::{CreateAnswer, CreateRequest, FinalizeAnswer};
use crate::api::endpoint::operations;
use crate::api::request::{PreparedRequest, awaited, with_call_options};
use crate::call::Caller;
use crate::error::{Error, ErrorKind};
use crate::exchange::{CallOptions, Operation, Payload, SignedUrl, ToTheEnd, path_segment};

operations! {
    for OpenAiFileUpload;
    // Acted on twice, it would leave a second, empty file behind.
    CREATE: "files.create" = POST "/files", IfNotActedOn, Bounded;
    PUT: "files.put" = PUT "(signed URL)", Safe as "yes, if the source can be read again", IdleOnly;
    FINALIZE: "files.finalize" = POST "/files/{file_id}/uploaded", Safe, Bounded;
}

/// Longer than any real one.
const LONGEST_FILE_ID: usize = 1024;

/// One upload, made by [`OpenAiFileUpload`](crate::OpenAiFileUpload); `.await` it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// let file = client
///     .file_upload()
///     .bytes("notes.txt", "hello")
///     .with_progress(|progress| eprintln!("{} of {} bytes", progress.bytes_handed_over, progress.total_bytes))
///     .await?;
/// # assert_eq!(file.file_size_bytes(), 5);
/// # Ok(()) }
/// ```
#[must_use = "an upload does nothing unless awaited"]
pub struct UploadRequest {
    source: Source,
    file_name: Option<String>,
    progress: Option<ProgressCallback>,
    upload: Upload,
}

/// The three requests of an upload, and how they are made.
struct Upload {
    caller: Arc<Caller>,
    options: CallOptions,
    finalize_interval: Duration,
    finalize_timeout: Duration,
}

impl UploadRequest {
    pub(super) fn new(caller: Arc<Caller>, source: Source, file_name: Option<String>) -> Self {
        Self {
            source,
            file_name,
            progress: None,
            upload: Upload {
                caller,
                options: CallOptions::default(),
                finalize_interval: Duration::from_millis(250),
                finalize_timeout: Duration::from_secs(30),
            },
        }
    }

    /// The file name that the backend is given. For a path, the default is its last component.
    pub fn with_file_name(mut self, name: impl Into<String>) -> Self {
        self.file_name = Some(name.into());
        self
    }

    /// Called with 0 bytes when the content starts to be sent, and after every chunk (at most 256 KiB for paths and
    /// bytes). The upload waits for it, so keep it short. If it panics, the upload fails.
    pub fn with_progress(mut self, callback: impl FnMut(UploadProgress) + Send + 'static) -> Self {
        self.progress = Some(ProgressCallback::new(callback));
        self
    }

    with_call_options!("this upload", upload.options);

    /// The polling interval while the backend processes the file. Default 250 ms.
    pub fn with_finalize_interval(mut self, interval: Duration) -> Self {
        self.upload.finalize_interval = interval;
        self
    }

    /// How long to poll while the backend processes the file, from the first time. Default 30 s; then
    /// [`ErrorKind::UploadNotReady`].
    pub fn with_finalize_timeout(mut self, limit: Duration) -> Self {
        self.upload.finalize_timeout = limit;
        self
    }

    async fn run(self) -> Result<UploadedFile, Error> {
        let Self { source, file_name, progress, upload } = self;
        let mut content = source.check(file_name).await?;
        content.progress = progress;
        let created = upload.create(&content.file_name, content.size).await?;
        upload.put(&created, &mut content).await?;
        upload.finalize(created, content.file_name, content.size).await
    }
}

impl Upload {
    async fn create(&self, file_name: &str, file_size: u64) -> Result<Created, Error> {
        let request = PreparedRequest::new(&self.caller, &CREATE).with_options(self.options);
        let body = CreateRequest { file_name, file_size, use_case: "codex" };
        let answer: CreateAnswer = request.body(&body).json().await?;
        let is_usable = answer.file_id.len() <= LONGEST_FILE_ID && !answer.file_id.contains(char::is_control);
        if !is_usable || path_segment(&answer.file_id).is_none() {
            return Err(Error::new(ErrorKind::Decode, CREATE.name, "the server returned no usable file id").sent(true));
        }
        let upload_url = self.signed_url(&CREATE, "an upload URL", &answer.upload_url)?;
        Ok(Created { file_id: answer.file_id, upload_url })
    }

    async fn put(&self, created: &Created, content: &mut Content) -> Result<(), Error> {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(HeaderName::from_static("x-ms-blob-type"), HeaderValue::from_static("BlockBlob"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(content.size));
        let payload = Payload::Source(content);
        self.caller.send_signed(&PUT, &created.upload_url, headers, payload, &self.options).await.map(drop)
    }

    async fn finalize(&self, created: Created, file_name: String, file_size: u64) -> Result<UploadedFile, Error> {
        let clock = self.caller.exchange().clock();
        let asked_since = clock.monotonic();
        loop {
            let request = PreparedRequest::new(&self.caller, &FINALIZE).segment("file_id", &created.file_id);
            let mut request = request.body(&json!({})).with_options(self.options);
            let answer = request.send(ToTheEnd::DEFAULT).await?;
            let (attempts, clean) = (answer.attempts, answer.scrubber.clone());
            let fail = |kind, message: String| {
                Err(Error::new(kind, FINALIZE.name, message).sent(true).with_attempts(attempts))
            };
            let answer: FinalizeAnswer = answer.json(&FINALIZE)?;
            match (answer.status.as_str(), answer.error_message) {
                ("success", _) => {
                    let Some(url) = answer.download_url else {
                        return fail(
                            ErrorKind::UploadWithoutUrl,
                            format!("the upload of `{file_name}` succeeded, but the answer has no `download_url`"),
                        );
                    };
                    return Ok(UploadedFile {
                        download_url: self.signed_url(&FINALIZE, "a download URL", &url)?,
                        uri: format!("sediment://{}", created.file_id),
                        file_id: created.file_id,
                        file_name: answer.file_name.filter(|name| !name.is_empty()).unwrap_or(file_name),
                        file_size_bytes: file_size,
                        mime_type: answer.mime_type.filter(|mime_type| !mime_type.is_empty()),
                    });
                }
                ("retry", _) => {
                    let waited = clock.monotonic().saturating_sub(asked_since);
                    if waited >= self.finalize_timeout {
                        return fail(
                            ErrorKind::UploadNotReady,
                            format!("the server was not ready with `{file_name}` after {waited:.0?}"),
                        );
                    }
                    clock.sleep(self.finalize_interval.min(self.finalize_timeout - waited)).await;
                }
                (status, Some(reason)) => {
                    let (status, reason) = (clean.clean_line(status), clean.clean_line(&reason));
                    return fail(
                        ErrorKind::UploadFailed,
                        format!("processing `{file_name}` failed with status `{status}`: {reason}"),
                    );
                }
                ("error" | "failed" | "failure", None) => {
                    return fail(
                        ErrorKind::UploadFailed,
                        format!("processing `{file_name}` failed, and the server gave no reason"),
                    );
                }
                (status, None) => {
                    let status = clean.clean_line(status);
                    return fail(
                        ErrorKind::UploadStatusUnknown,
                        format!("the upload of `{file_name}` got the unknown status `{status}`"),
                    );
                }
            }
        }
    }

    fn signed_url(&self, operation: &Operation, what: &str, text: &str) -> Result<SignedUrl, Error> {
        SignedUrl::parse(text, self.caller.base_url()).map_err(|reason| {
            let message = format!("the server gave {what} that will not be used: {reason}");
            Error::new(ErrorKind::UntrustedUrl, operation.name, message).sent(true)
        })
    }
}

/// The answer to the create request.
struct Created {
    file_id: String,
    upload_url: SignedUrl,
}

awaited!(UploadRequest => UploadedFile);

impl fmt::Debug for UploadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadRequest")
            .field("source", &self.source)
            .field("file_name", &self.file_name)
            .finish_non_exhaustive()
    }
}

/// A file that the backend has received and processed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// let file = client.file_upload().bytes("notes.txt", "hello").await?;
/// assert_eq!(file.uri(), format!("sediment://{}", file.file_id()));
/// assert_eq!((file.file_name(), file.file_size_bytes(), file.mime_type()), ("notes.txt", 5, Some("text/plain")));
/// # Ok(()) }
/// ```
///
/// Wire: from the answers to the create and finalize requests of `/files`; the size is that of the content sent.
#[derive(Debug, Clone)]
pub struct UploadedFile {
    file_id: String,
    uri: String,
    download_url: SignedUrl,
    file_name: String,
    file_size_bytes: u64,
    mime_type: Option<String>,
}

impl UploadedFile {
    /// The backend's id of the file (`file_…`).
    #[must_use]
    pub fn file_id(&self) -> &str {
        &self.file_id
    }

    /// `sediment://` and the id: how tools and models refer to the file.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// A pre-signed URL of the content. Whoever has it can download the content until it expires.
    #[must_use]
    pub fn download_url(&self) -> &SignedUrl {
        &self.download_url
    }

    /// The file name according to the backend; if it sends none, the one that was sent. It comes from the server, so
    /// check it before using it as part of a path.
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The size in bytes.
    #[must_use]
    pub fn file_size_bytes(&self) -> u64 {
        self.file_size_bytes
    }

    /// The MIME type that the backend detected, such as `text/plain`.
    #[must_use]
    pub fn mime_type(&self) -> Option<&str> {
        self.mime_type.as_deref()
    }
}

/// Several uploads, made by [`OpenAiFileUpload::many`](crate::OpenAiFileUpload::many); `.await` it.
///
/// One failure does not stop the others. Dropping the future cancels the uploads in progress; finished ones stay on the
/// server.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// let files = client.file_upload();
/// let results = files.many((1..=9).map(|n| files.bytes(format!("{n}.txt"), "content"))).with_concurrency(3).await;
/// assert!(results.iter().all(Result::is_ok));
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "uploads do nothing unless awaited"]
pub struct UploadMany {
    requests: Vec<UploadRequest>,
    concurrency: usize,
}

impl UploadMany {
    pub(super) fn new(requests: Vec<UploadRequest>) -> Self {
        Self { requests, concurrency: 4 }
    }

    /// How many uploads run at a time; at least 1. Default 4.
    pub fn with_concurrency(mut self, uploads: usize) -> Self {
        self.concurrency = uploads.max(1);
        self
    }
}

impl IntoFuture for UploadMany {
    type Output = Vec<Result<UploadedFile, Error>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        // In whatever order they end: one slow upload must not keep the others' places empty.
        let numbered =
            self.requests.into_iter().enumerate().map(|(number, request)| async move { (number, request.await) });
        let ended = futures_util::stream::iter(numbered).buffer_unordered(self.concurrency);
        Box::pin(async move {
            let mut results: Vec<_> = ended.collect().await;
            results.sort_unstable_by_key(|(number, _)| *number);
            results.into_iter().map(|(_, result)| result).collect()
        })
    }
}
