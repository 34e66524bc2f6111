//! ChatGPT tokens: held by the caller, or kept in a store and refreshed.

mod credentials;
mod document;
mod expiry;
mod held;
mod progress;
pub(crate) mod refresh;
mod session;

pub use self::credentials::ChatGptCredentials;
pub(super) use self::document::Tokens;
pub use self::held::ChatGptTokens;
#[cfg(feature = "agent-identity")]
pub(super) use self::refresh::check_account;
pub use self::session::ChatGptSession;
