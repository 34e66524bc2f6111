//! ChatGPT tokens: held by the caller, or kept in a store and renewed.

mod credentials;
mod document;
mod held;
mod renewal;
mod session;

pub use self::credentials::ChatGptCredentials;
pub(super) use self::document::Tokens;
pub use self::held::ChatGptTokens;
pub(super) use self::renewal::CLIENT_ID;
#[cfg(feature = "agent-identity")]
pub(super) use self::renewal::check_account;
pub use self::session::ChatGptSession;
