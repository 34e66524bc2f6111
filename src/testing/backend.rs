//! The handle of the embedded backend. What it has for a family of routes stands in the family's file.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fault::{Fault, Script};
use super::listener::Listener;
use super::recorded::{Recorded, RecordedRequest};
use super::route::Route;
use super::world::World;
use crate::client::{Client, ClientBuilder};
use crate::environment::Environment;
use crate::exchange::Clock;
use crate::mode::Unset;

/// A server on `127.0.0.1`, on a port of its own, that plays the backend. It runs on a thread of its own and ends when
/// dropped.
///
/// It checks what the real backend checks: a bearer token that it issued and has not revoked, an account header that
/// fits the token, the FedRAMP header for FedRAMP accounts and for no others, and on signed URLs a signature, the
/// blob type, the exact length, and no credentials at all. Of an agent it demands an assertion over the right text for a
/// task of its own, not older or newer than five minutes, and the account header.
///
/// A request that no [`Route`] is for is answered with 404 and an error that names its method and path.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use codex_backend::testing::Backend;
/// use codex_backend::{ChatGptTokens, ErrorKind};
///
/// let backend = Backend::start()?;
/// backend.add_fedramp_account("acct-gov");
/// let token = backend.issue_access_token("acct-gov");
/// let client = backend.client().chatgpt(ChatGptTokens::new(token.clone())).build()?;
/// client.usage().get().await?;
///
/// backend.revoke_access_token(&token);
/// let error = client.usage().get().await.unwrap_err();
/// assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, Some("token_revoked")));
/// assert_eq!(backend.requests().len(), 2);
/// # Ok(()) }
/// ```
#[doc(alias("mock", "fake server", "stub", "wiremock"))]
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    state: Arc<State>,
    _listener: Listener,
}

/// What the server and the handle share.
#[derive(Debug)]
pub(super) struct State {
    world: Mutex<World>,
}

impl State {
    pub(super) fn new(world: World) -> Self {
        Self { world: Mutex::new(world) }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend {
    pub(super) fn new(address: SocketAddr, state: Arc<State>, listener: Listener) -> Self {
        Self { address, state, _listener: listener }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.state.world()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of its Codex backend: `http://127.0.0.1:PORT/backend-api`.
    #[must_use]
    pub fn codex_base_url(&self) -> String {
        format!("http://{}/backend-api", self.address)
    }

    /// The base URL of its OpenAI API: `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn openai_base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// A builder with both base URLs set, that does not look at the process's environment.
    pub fn client(&self) -> ClientBuilder<Unset> {
        Client::builder()
            .codex_base_url(self.codex_base_url())
            .openai_base_url(self.openai_base_url())
            .environment(Environment::empty())
    }

    /// The clock that timestamps of agents are compared with, and that answers carry in `Date`, in place of the system's.
    pub fn set_clock(&self, clock: impl Clock) {
        self.world().clock = Some(Arc::new(clock));
    }

    /// Makes the next requests to a route fail. Faults of one route take effect in the order they are injected.
    pub fn inject(&self, route: Route, fault: Fault) {
        self.world().of::<Script>().push(route, fault);
    }

    /// All requests so far, in the order in which they arrived.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.world().of::<Recorded>().requests.clone()
    }

    /// The requests to one route.
    #[must_use]
    pub fn requests_to(&self, route: Route) -> Vec<RecordedRequest> {
        self.requests().into_iter().filter(|request| request.route == Some(route)).collect()
    }
}
