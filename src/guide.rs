//! Pages to read: how to do what takes more than one type. Nothing here is code to call.

#[cfg(feature = "agent-identity")]
pub mod agents;
pub mod credentials;
pub mod errors_of_streams;
pub mod first_stream;
pub mod from_async_openai;
pub mod structured_output;
pub mod tools;
