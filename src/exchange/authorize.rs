//! What each attempt of a request must carry beside its own headers.

use std::future::Future;

use http::HeaderMap;

use super::scrub::Scrubber;
use crate::error::Error;

/// Adds to each attempt what it must carry.
pub(crate) trait Authorize: Send + Sync {
    fn authorize(&mut self, headers: &mut HeaderMap) -> impl Future<Output = Result<(), Error>> + Send;

    /// Knows the credentials of the last attempt, so that an answer that quotes them can be cleaned.
    fn scrubber(&self) -> Scrubber;

    /// Whether the requests go to an API, which is told who is calling, and whose Cloudflare cookies it gets back.
    fn is_to_api(&self) -> bool;
}

/// Nothing is added: for pre-signed URLs, and for calls that authenticate by their body.
#[derive(Debug)]
pub(crate) struct Bare {
    pub(crate) scrubber: Scrubber,
    pub(crate) to_api: bool,
}

impl Authorize for Bare {
    async fn authorize(&mut self, _: &mut HeaderMap) -> Result<(), Error> {
        Ok(())
    }

    fn scrubber(&self) -> Scrubber {
        self.scrubber.clone()
    }

    fn is_to_api(&self) -> bool {
        self.to_api
    }
}
