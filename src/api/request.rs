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
//!
//! # What cannot be read
//!
//! A server may send a member in another form than it did before. By the answer, that costs:
//!
//! | answers | what an odd part costs |
//! | --- | --- |
//! | all that are not named below | itself: a member has its default, an entry of a list is left out; a number that stands in text is read |
//! | an entry of a list whose `id` is odd | the entry |
//! | what says where the next page of a list starts | the answer, as the list would end there |
//! | what administrators demand: `managed_config`, `workspace.settings` | the answer |
//! | confirmations: `usage.redeem_reset_credit`, `plugins.install`, `plugins.uninstall`, `responses.delete`, `openai_files.delete`, ids and URLs of `files` | the answer |
//!
//! What costs the answer is [`ErrorKind::Decode`](crate::ErrorKind::Decode). What was skipped is counted in
//! [`WithRaw::skipped`] and told by a `tracing` event, and [`WithRaw::raw`] has it.

mod api_request;
mod paged;
mod prepared;

pub use self::api_request::{ApiRequest, WithRaw};
pub(crate) use self::api_request::{awaited, with_call_options};
pub use self::paged::{ItemStream, Page, PageStream, PagedRequest};
pub(crate) use self::prepared::{Needs, PreparedRequest, Requirement};
