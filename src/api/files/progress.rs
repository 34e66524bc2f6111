//! The progress of an upload, and the callback that it is given to.

use std::sync::{Arc, Mutex, PoisonError};

/// The progress of an upload. Given to the callback of
/// [`UploadRequest::with_progress`](crate::files::UploadRequest::with_progress).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadProgress {
    /// The number of bytes handed over to the transport. The server may not have received them yet.
    pub bytes_handed_over: u64,
    /// The size of the file.
    pub total_bytes: u64,
    /// The number of the attempt to send the content, counted from 1. Each attempt starts at 0 bytes.
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
