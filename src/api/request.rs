//! What every endpoint's requests have in common: one request ([`ApiRequest`]), a list that comes in pages
//! ([`PagedRequest`]), and the raw JSON beside a typed answer ([`WithRaw`]).
//!
//! A method of an endpoint handle returns a request; nothing is sent until it is awaited. On the way there it takes options
//! of its own:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! # backend.add_tasks(3);
//! use codex_backend::{RetryPolicy, Timeouts};
//! use std::time::Duration;
//!
//! let usage = client.usage().get().with_timeouts(Timeouts::default().call(Duration::from_secs(5))).with_raw().await?;
//! assert_eq!(usage.raw["plan_type"], "plus");
//! let newest = client.cloud_tasks().list().with_retry_policy(RetryPolicy::never()).page().await?;
//! assert_eq!(newest.items.len(), 3);
//! # Ok(()) }
//! ```

mod api_request;
mod paged;
mod prepared;

pub use self::api_request::{ApiRequest, WithRaw};
pub(crate) use self::api_request::{awaited, with_call_options};
pub use self::paged::{ItemStream, Page, PageStream, PagedRequest};
pub(crate) use self::prepared::{Needs, PreparedRequest, Requirement};
