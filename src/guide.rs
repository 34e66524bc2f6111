//! Pages to read: how to do what takes more than one type. Nothing here is code to call.

#[cfg(feature = "agent-identity")]
pub mod agents;
pub mod cloud_tasks;
pub mod connectors;
pub mod credential_store;
pub mod credentials;
pub mod endpoints;
pub mod errors_of_streams;
pub mod first_stream;
pub mod from_async_openai;
#[cfg(feature = "managed-config")]
pub mod managed_config;
pub mod structured_output;
pub mod testing;
pub mod tools;
pub mod upload;
pub mod usage;
