//! Uploading files.
//!
//! There are two handles, since the Codex backend and the OpenAI API keep files of their own, by two protocols:
//!
//! | handle | client | what comes of it |
//! | --- | --- | --- |
//! | [`OpenAiFileUpload`](crate::OpenAiFileUpload) | `Client<CodexBackend>` | an [`UploadedFile`](crate::files::UploadedFile), whose [`uri`](crate::files::UploadedFile::uri) (`sediment://…`) tools and models take |
//! | [`OpenAiFiles`](crate::OpenAiFiles) | `Client<OpenAiApi>` | an [`OpenAiFile`](crate::openai_files::OpenAiFile), whose `id` requests to the OpenAI API take |
//!
//! A handle that does not fit the client does not compile, and the compiler names the other one.
//!
//! # To the Codex backend
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("report.csv");
//! # std::fs::write(&path, "a,b\n1,2\n")?;
//! use codex_backend::OpenAiFileUpload;
//!
//! let files = OpenAiFileUpload::new(&client);
//! let file = files
//!     .path(&path)
//!     .with_progress(|progress| eprintln!("{} of {} bytes", progress.bytes_handed_over, progress.total_bytes))
//!     .await?;
//! println!("{}", file.uri()); // sediment://file_…
//! # assert_eq!(backend.files()[0].content().unwrap(), "a,b\n1,2\n");
//! # Ok(()) }
//! ```
//!
//! The content may also come from memory ([`bytes`](crate::OpenAiFileUpload::bytes)), from an
//! [`AsyncRead`](tokio::io::AsyncRead) or from a stream. Of the last two say how long they are: what yields more or fewer
//! bytes is an error, and the file is not finalized.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! use futures_util::stream;
//!
//! let files = client.file_upload();
//! let reader: &[u8] = b"all is well"; // a file, a pipe, the body of another request
//! files.reader("notes.txt", 11, reader).await?;
//!
//! let chunks = stream::iter(["all is ", "well"].map(|chunk| Ok::<_, std::io::Error>(chunk.into())));
//! let file = files.stream("notes.txt", 11, chunks).await?;
//! assert_eq!(file.file_size_bytes(), 11);
//! # Ok(()) }
//! ```
//!
//! A failed attempt is retried from the start where the source can be read again: a path and bytes can, a reader and a
//! stream cannot. The progress callback then starts at 0 bytes again, with the next
//! [`attempt`](crate::files::UploadProgress::attempt).
//!
//! # Many files
//!
//! [`many`](crate::OpenAiFileUpload::many) runs a bounded number of uploads at a time. It gives all results in the order of
//! the requests, and one failure does not stop the others:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! # let folder = tempfile::tempdir()?;
//! # let paths = ["a.txt", "b.txt", "missing.txt"].map(|name| folder.path().join(name));
//! # std::fs::write(&paths[0], "first")?;
//! # std::fs::write(&paths[1], "second")?;
//! let files = client.file_upload();
//! let results = files.many(paths.iter().map(|path| files.path(path))).with_concurrency(2).await;
//! for (path, result) in paths.iter().zip(&results) {
//!     match result {
//!         Ok(file) => println!("{}: {}", path.display(), file.uri()),
//!         Err(error) => eprintln!("{}: {error}", path.display()),
//!     }
//! }
//! # assert_eq!(results.iter().map(|result| result.is_ok()).collect::<Vec<_>>(), [true, true, false]);
//! # Ok(()) }
//! ```
//!
//! # To the OpenAI API
//!
//! There a file is for a purpose, and can be listed, read and deleted. Above 512 MiB it is uploaded in parts, by
//! [`large_path`](crate::OpenAiFiles::large_path) or [`large_bytes`](crate::OpenAiFiles::large_bytes).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().api_key(backend.api_key()).build()?;
//! use codex_backend::openai_files::OpenAiFilePurpose;
//! use codex_backend::OpenAiFiles;
//!
//! let files = OpenAiFiles::new(&client);
//! let file = files.bytes("notes.txt", "all is well", OpenAiFilePurpose::UserData).await?;
//! assert_eq!(files.content_up_to(&file.id, 1 << 20).await?, "all is well");
//! files.delete(&file.id).await?;
//! # Ok(()) }
//! ```
//!
//! # What holds for both
//!
//! * Content is streamed: memory does not grow with the file.
//! * Sending content has no time-out but [`idle`](crate::Timeouts::idle): it may take as long as it likes while bytes move.
//! * A file that changes while it is read is an error, not a mixture of two versions.
//! * Dropping the future cancels the upload.
