//! Agent identities: a signing key in place of a token.
//!
//! An [`AgentIdentity`] is who an agent is. To send requests it needs a *task*, which it registers with its signature
//! alone: [`RegisteredAgent`] has one, [`LazyAgent`] gets one before its first request. Each request then carries an
//! assertion that the agent signs anew.

mod assertion;
mod bootstrap;
mod clock;
mod identity;
mod jwt;
mod kept;
mod key;
pub(crate) mod keys;
mod provider;
mod record;
pub(crate) mod registration;
mod sealed_box;
mod services;
mod single_flight;

pub use self::bootstrap::ManagedAgent;
pub use self::identity::AgentIdentity;
pub use self::key::AgentKey;
pub use self::provider::{AgentProvider, LazyAgent, RegisteredAgent};
pub use self::registration::AgentDescription;
#[cfg(feature = "testing")]
pub(crate) use self::sealed_box::seal;
pub use self::services::AgentAuthApi;
pub(crate) use self::services::AgentServices;
