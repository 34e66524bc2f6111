//! The end of a test that hangs.

use std::future::IntoFuture;
use std::time::Duration;

/// Longer than anything a test waits for. Turns a hang into a failure; no test depends on how long anything takes.
pub(crate) const HANGS: Duration = Duration::from_secs(120);

#[allow(dead_code, reason = "not every test binary asks everything")]
pub(crate) async fn guard<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(HANGS, future.into_future()).await.expect("it hangs")
}
