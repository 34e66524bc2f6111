//! ChatGPT tokens: held by the caller, or kept in a store and renewed.

mod document;
mod held;
mod renewal;
mod session;

pub use self::held::ChatGptTokens;
pub use self::session::ChatGptSession;
