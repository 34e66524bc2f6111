//! What auth providers may know of the client they work for.

use std::fmt;
use std::time::SystemTime;

use super::services::AuthServices;
use crate::exchange::{BaseUrl, Exchange};

/// What a provider may know of the client it works for: its network, its clock, and where the services are that auth
/// itself calls.
///
/// A client has its own. To load or verify credentials before there is a client, take
/// [`ClientBuilder::auth_context`](crate::ClientBuilder::auth_context): the calls then go through the same proxies,
/// certificates and time-outs.
pub struct AuthContext {
    pub(crate) exchange: Exchange,
    pub(crate) base_url: BaseUrl,
    pub(crate) services: AuthServices,
}

impl AuthContext {
    /// The client's wall clock; it is injected, so take the time from here.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.exchange.now()
    }

    /// The base URL the headers will go to, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.base_url.as_str()
    }

    /// Where agents and their tasks are registered; `None` where no such service is known for the backend.
    #[cfg(feature = "agent-identity")]
    #[must_use]
    pub fn agent_auth_api_base_url(&self) -> Option<&url::Url> {
        self.services.agents.url.as_ref()
    }

    /// Where the keys are that sign the JWTs of agent identities.
    #[cfg(feature = "agent-identity")]
    #[must_use]
    pub fn agent_keys_url(&self) -> &url::Url {
        &self.services.agents.keys_url
    }
}

impl fmt::Debug for AuthContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthContext").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}
