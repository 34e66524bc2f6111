//! Where an upload's content comes from, and the checks on it: before any request, and while it is read.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::spawn_blocking;

use super::progress::{ProgressCallback, UploadProgress};
use crate::error::{Error, ErrorKind};
use crate::exchange::{Activity, Body, PayloadSource, Scrubber, TransportError};

/// How errors name the work that is not a request.
const UPLOAD: &str = "files.upload";
const CHUNK: usize = 256 << 10;
/// The largest file that can be uploaded: 512 MiB. A file of exactly this size can.
const LARGEST_FILE: u64 = 512 << 20;

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// Where the content comes from, as the caller said it.
pub(in crate::api) enum Source {
    Path(PathBuf),
    Bytes(Bytes),
    Once { chunks: Chunks, length: u64 },
}

impl Source {
    pub(in crate::api) fn reader(length: u64, reader: impl AsyncRead + Send + 'static) -> Self {
        let reader: Pin<Box<dyn AsyncRead + Send>> = Box::pin(reader);
        let chunks = stream::try_unfold(reader, |mut reader| async {
            let mut chunk = BytesMut::with_capacity(CHUNK);
            match reader.read_buf(&mut chunk).await {
                Ok(0) => Ok(None),
                Ok(_) => Ok(Some((chunk.freeze(), reader))),
                Err(error) => Err(source_failed(error)),
            }
        });
        Self::Once { chunks: Box::pin(chunks), length }
    }

    pub(in crate::api) fn stream<S, E>(length: u64, stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self::Once { chunks: Box::pin(stream.map(|chunk| chunk.map_err(source_failed))), length }
    }

    /// Everything that can be known before a request is made.
    pub(in crate::api) async fn check(self, file_name: Option<String>) -> Result<Content, Error> {
        let (file_name, size, origin) = match self {
            Self::Path(path) => {
                let (file, stamp) = blocking(move || OpenFile::open(path)).await?;
                let file_name = file_name.map_or_else(|| name_of(&file.path), Ok)?;
                (file_name, stamp.size, Origin::File { opened: Some(file.file), path: file.path, stamp })
            }
            Self::Bytes(bytes) => (file_name.unwrap_or_default(), bytes.len() as u64, Origin::Bytes(bytes)),
            Self::Once { chunks, length } => (file_name.unwrap_or_default(), length, Origin::Once(Some(chunks))),
        };
        check_name(&file_name)?;
        if size > LARGEST_FILE {
            let message = format!("`{file_name}` has {size} bytes, and an upload may have {LARGEST_FILE} (512 MiB)");
            return Err(Error::new(ErrorKind::FileTooLarge, UPLOAD, message));
        }
        Ok(Content { file_name, size, origin, progress: None, attempt: Arc::default() })
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Bytes(bytes) => f.debug_struct("Bytes").field("length", &bytes.len()).finish(),
            Self::Once { length, .. } => f.debug_struct("Once").field("length", length).finish_non_exhaustive(),
        }
    }
}

/// Content that passed the checks.
pub(in crate::api) struct Content {
    pub(in crate::api) file_name: String,
    pub(in crate::api) size: u64,
    pub(in crate::api) progress: Option<ProgressCallback>,
    origin: Origin,
    attempt: Arc<Attempt>,
}

/// One sending of the content. The body holds it weakly: a server that answers early must not keep the source being
/// read once the next sending has begun, or the upload is over.
#[derive(Default)]
struct Attempt {
    handed_over: AtomicU64,
    failure: Mutex<Option<Error>>,
}

enum Origin {
    File { path: PathBuf, stamp: Stamp, opened: Option<File> },
    Bytes(Bytes),
    Once(Option<Chunks>),
}

impl PayloadSource for Content {
    fn open(&mut self, attempt: u32, activity: Option<Activity>) -> BoxFuture<'_, Result<Body, Error>> {
        async move {
            let chunks = match &mut self.origin {
                Origin::File { path, stamp, opened } => {
                    let (file, stamp) = match opened.take() {
                        Some(file) => (file, stamp.clone()),
                        None => {
                            let (path, expected) = (path.clone(), stamp.clone());
                            let (open, found) = blocking(move || OpenFile::open(path)).await?;
                            if found != expected {
                                return Err(file_changed(&open.path));
                            }
                            (open.file, found)
                        }
                    };
                    file_chunks(FileReader { file, path: path.clone(), left: stamp.size, stamp })
                }
                Origin::Bytes(bytes) => slices(bytes.clone()),
                Origin::Once(chunks) => {
                    let chunks = chunks.take().ok_or_else(|| {
                        Error::new(ErrorKind::SourceFailed, UPLOAD, "the source can be read only once")
                    })?;
                    exactly(chunks, self.size)
                }
            };
            self.attempt = Arc::default();
            let mut report = Report { progress: self.progress.clone(), total: self.size, attempt, so_far: 0 };
            report.advance(0)?;
            let chunks = self.watched(chunks, report, activity);
            if self.size == 0 {
                // No transport reads a body of no bytes, so the check that nothing follows is made here.
                return self.read_nothing(chunks).await;
            }
            Ok(Body::from_stream(chunks, Some(self.size)))
        }
        .boxed()
    }

    fn is_replayable(&self) -> bool {
        !matches!(self.origin, Origin::Once(_))
    }

    fn is_handed_over(&self) -> bool {
        self.attempt.handed_over.load(Ordering::Relaxed) == self.size
    }

    fn take_failure(&mut self) -> Option<Error> {
        self.attempt.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Content {
    /// Reports progress and activity, and keeps the source's own error, which the transport would wrap out of sight.
    fn watched(
        &self,
        chunks: Chunks,
        mut report: Report,
        activity: Option<Activity>,
    ) -> impl Stream<Item = Result<Bytes, TransportError>> + Send + 'static {
        let attempt: Weak<Attempt> = Arc::downgrade(&self.attempt);
        // A panic in what the application brought along must not look like a broken connection, and be tried again.
        AssertUnwindSafe(chunks).catch_unwind().map(move |chunk| {
            let Some(attempt) = attempt.upgrade() else {
                return Err(TransportError::interrupted("this sending of the content is over"));
            };
            let chunk = chunk.unwrap_or_else(|_| Err(panicked("source"))).and_then(|chunk| {
                if let Some(activity) = &activity {
                    activity.touch();
                }
                report.advance(chunk.len() as u64)?;
                Ok(chunk)
            });
            match chunk {
                Ok(chunk) => {
                    attempt.handed_over.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                    Ok(chunk)
                }
                Err(error) => {
                    let sentence = error.message().to_owned();
                    *attempt.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    Err(TransportError::interrupted(sentence))
                }
            }
        })
    }

    async fn read_nothing(
        &mut self,
        chunks: impl Stream<Item = Result<Bytes, TransportError>> + Send,
    ) -> Result<Body, Error> {
        let mut chunks = std::pin::pin!(chunks);
        while chunks.next().await.is_some() {}
        match self.take_failure() {
            Some(failure) => Err(failure),
            None => Ok(Body::empty()),
        }
    }
}

struct Report {
    progress: Option<ProgressCallback>,
    total: u64,
    attempt: u32,
    so_far: u64,
}

impl Report {
    fn advance(&mut self, bytes: u64) -> Result<(), Error> {
        self.so_far += bytes;
        let Some(callback) = &self.progress else { return Ok(()) };
        let progress =
            UploadProgress { bytes_handed_over: self.so_far, total_bytes: self.total, attempt: self.attempt };
        catch_unwind(AssertUnwindSafe(|| callback.call(progress))).map_err(|_| panicked("progress callback"))
    }
}

fn slices(bytes: Bytes) -> Chunks {
    Box::pin(stream::unfold(bytes, |mut rest| async {
        if rest.is_empty() {
            return None;
        }
        let chunk = rest.split_to(rest.len().min(CHUNK));
        Some((Ok(chunk), rest))
    }))
}

/// Passes on exactly `length` bytes. The last chunk is held back until the source has ended, so that a source that goes
/// on never becomes a complete upload.
fn exactly(chunks: Chunks, length: u64) -> Chunks {
    struct State {
        chunks: Chunks,
        length: u64,
        given: u64,
        ended: bool,
    }
    let mismatch = |message: String| Error::new(ErrorKind::LengthMismatch, UPLOAD, message);
    let state = State { chunks, length, given: 0, ended: false };
    Box::pin(stream::try_unfold(state, move |mut state| async move {
        if state.ended {
            return Ok(None);
        }
        let mut last = Bytes::new();
        while let Some(chunk) = state.chunks.next().await.transpose()? {
            if chunk.is_empty() {
                continue;
            }
            state.given += chunk.len() as u64;
            if state.given > state.length {
                let length = state.length;
                return Err(mismatch(format!("the source gives more than the {length} bytes it was said to have")));
            }
            if state.given < state.length {
                return Ok(Some((chunk, state)));
            }
            last = chunk;
        }
        if state.given < state.length {
            let State { given, length, .. } = state;
            return Err(mismatch(format!("the source ended after {given} of the {length} bytes it was said to have")));
        }
        state.ended = true;
        Ok((!last.is_empty()).then_some((last, state)))
    }))
}

/// What a file looked like when it was opened. A file that no longer looks so has been changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    identity: (u64, u64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            identity: {
                use std::os::unix::fs::MetadataExt;
                (metadata.dev(), metadata.ino())
            },
        }
    }
}

struct OpenFile {
    file: File,
    path: PathBuf,
}

impl OpenFile {
    fn open(path: PathBuf) -> Result<(Self, Stamp), Error> {
        let shown = shown(&path);
        let failed = |error: io::Error| {
            let kind = match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorKind::FileNotFound,
                _ => ErrorKind::FileUnreadable,
            };
            let message = match kind {
                ErrorKind::FileNotFound => format!("there is no file at `{shown}`"),
                _ => format!("`{shown}` cannot be read: {error}"),
            };
            Error::new(kind, UPLOAD, message).with_source(error)
        };
        let not_a_file = |metadata: &Metadata| {
            let what = if metadata.is_dir() { "a directory" } else { "not a regular file" };
            Error::new(ErrorKind::NotAFile, UPLOAD, format!("`{shown}` is {what}"))
        };
        // Asked before opening: to open a named pipe is to wait for its other end.
        let metadata = std::fs::metadata(&path).map_err(&failed)?;
        if !metadata.is_file() {
            return Err(not_a_file(&metadata));
        }
        let file = File::open(&path).map_err(&failed)?;
        let metadata = file.metadata().map_err(&failed)?;
        // The kernel's own files (`/proc`, `/sys`) say that they are empty, and are not.
        let tells_its_size = metadata.len() > 0 || (&file).read(&mut [0]).map_err(&failed)? == 0;
        if !metadata.is_file() || !tells_its_size {
            return Err(not_a_file(&metadata));
        }
        let stamp = Stamp::of(&metadata);
        Ok((Self { file, path }, stamp))
    }
}

/// Reads a file chunk by chunk on the blocking pool, one chunk ahead of what is asked for.
struct FileReader {
    file: File,
    path: PathBuf,
    stamp: Stamp,
    left: u64,
}

impl FileReader {
    /// The next chunk. The last one is given only if the file ends there and still looks as it did.
    fn read_chunk(&mut self) -> Result<Bytes, Error> {
        let wanted = self.left.min(CHUNK as u64);
        let mut chunk = Vec::with_capacity(wanted as usize);
        let read = |file: &mut File, limit: u64, into: &mut Vec<u8>| file.take(limit).read_to_end(into);
        let failed = |path: &Path, error: io::Error| {
            let message = format!("reading `{}` failed: {error}", shown(path));
            Error::new(ErrorKind::FileUnreadable, UPLOAD, message).with_source(error)
        };
        read(&mut self.file, wanted, &mut chunk).map_err(|error| failed(&self.path, error))?;
        if (chunk.len() as u64) < wanted {
            return Err(file_changed(&self.path));
        }
        self.left -= wanted;
        if self.left == 0 {
            let mut more = Vec::new();
            read(&mut self.file, 1, &mut more).map_err(|error| failed(&self.path, error))?;
            let metadata = self.file.metadata().map_err(|error| failed(&self.path, error))?;
            // What was read may be whole, and the path may lead to another file by now.
            let at_path = std::fs::metadata(&self.path).ok();
            let unchanged = |metadata: &Metadata| Stamp::of(metadata) == self.stamp;
            if !more.is_empty() || !unchanged(&metadata) || !at_path.as_ref().is_some_and(unchanged) {
                return Err(file_changed(&self.path));
            }
        }
        Ok(chunk.into())
    }
}

fn file_chunks(reader: FileReader) -> Chunks {
    fn read_ahead(mut reader: FileReader) -> BoxFuture<'static, Result<(Bytes, FileReader), Error>> {
        blocking(move || reader.read_chunk().map(|chunk| (chunk, reader))).boxed()
    }
    Box::pin(stream::try_unfold(Some(read_ahead(reader)), |ahead| async {
        let Some(ahead) = ahead else { return Ok(None) };
        let (chunk, reader) = ahead.await?;
        if chunk.is_empty() {
            return Ok(None);
        }
        Ok(Some((chunk, (reader.left > 0).then(|| read_ahead(reader)))))
    }))
}

/// Runs work on the blocking pool, from now on, whether or not its result is awaited yet.
fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> impl Future<Output = Result<T, Error>> + Send {
    let running = spawn_blocking(work);
    async move {
        running.await.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::SourceFailed, UPLOAD, "reading the file was cut off").with_source(error))
        })
    }
}

fn name_of(path: &Path) -> Result<String, Error> {
    let name = path.file_name().unwrap_or_default();
    name.to_str().map(str::to_owned).ok_or_else(|| {
        let message = format!("the name of `{}` is not Unicode", shown(path));
        Error::new(ErrorKind::InvalidFileName, UPLOAD, message)
    })
}

fn check_name(name: &str) -> Result<(), Error> {
    let invalid = |reason: &str| {
        let message = format!("the file name {name:?} {reason}");
        Err(Error::new(ErrorKind::InvalidFileName, UPLOAD, message))
    };
    match name {
        "" => invalid("is empty"),
        "." | ".." => invalid("names a directory"),
        _ if name.contains(['/', '\\']) => invalid("holds a path separator"),
        _ if name.contains(char::is_control) => invalid("holds a control character"),
        _ => Ok(()),
    }
}

/// The path on one line: a name may hold line ends and control sequences.
fn shown(path: &Path) -> String {
    let escape = |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    path.to_string_lossy().chars().map(escape).collect()
}

fn file_changed(path: &Path) -> Error {
    let message = format!("`{}` changed while it was being uploaded", shown(path));
    Error::new(ErrorKind::FileChanged, UPLOAD, message)
}

fn panicked(what: &str) -> Error {
    Error::new(ErrorKind::SourceFailed, UPLOAD, format!("the {what} of the upload panicked"))
}

fn source_failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let error = error.into();
    let shown = Scrubber::lookalikes().clean_line(&error.to_string());
    Error::new(ErrorKind::SourceFailed, UPLOAD, format!("the source failed: {shown}"))
        .with_source(OwnError { shown, error })
}

/// The error of the application's source. Where that is a download, it may hold a signed URL: what is shown of it is
/// scrubbed, and the error itself is the next one in the chain.
struct OwnError {
    shown: String,
    error: Box<dyn std::error::Error + Send + Sync>,
}

impl fmt::Debug for OwnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Display for OwnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl std::error::Error for OwnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.error)
    }
}
