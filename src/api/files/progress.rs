//! What an upload tells of its progress, and whom.

use std::sync::{Arc, Mutex, PoisonError};

/// How far an upload's content has come. Given to the callback of
/// [`UploadRequest::with_progress`](crate::files::UploadRequest::with_progress).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadProgress {
    /// How many bytes have been handed over to the transport. The server need not have them yet.
    pub bytes_handed_over: u64,
    /// The size of the file.
    pub total_bytes: u64,
    /// Which attempt at sending the content this is, counted from 1. Each starts at 0 bytes.
    pub attempt: u32,
}

/// The application's callback, which all attempts share.
#[derive(Clone)]
pub(in crate::api) struct ProgressCallback(Arc<Mutex<dyn FnMut(UploadProgress) + Send>>);

impl ProgressCallback {
    pub(in crate::api) fn new(callback: impl FnMut(UploadProgress) + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(callback)))
    }

    pub(super) fn call(&self, progress: UploadProgress) {
        // One that has panicked has failed its upload.
        (*self.0.lock().unwrap_or_else(PoisonError::into_inner))(progress);
    }
}
