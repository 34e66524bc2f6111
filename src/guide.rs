//! Pages to read: how to do what takes more than one type. Nothing here is code to call.

#[cfg(feature = "agent-identity")]
pub mod agents;
pub mod credentials;
