use std::fmt;
use std::sync::{Arc, OnceLock};

use http::HeaderValue;

/// One turn of a conversation with the Codex backend: all requests from a user's word to the model's last one, the calls
/// of tools in between included.
///
/// The server may hand out a state with the first answer (`x-codex-turn-state`); every further request of the same turn
/// carries it, and no request of another. The first state counts. Clones are the same turn.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// use codex_backend::responses::ResponseTurn;
/// use codex_backend::CodexResponses;
///
/// let responses = CodexResponses::new(&client);
/// let turn = ResponseTurn::new();
/// let first = responses.create("gpt-5.5", "Be terse.", "Hello").in_turn(&turn).stream().await?.collect().await?;
/// # assert_eq!(first.text(), "Hello, world");
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct ResponseTurn {
    state: Arc<OnceLock<HeaderValue>>,
}

impl ResponseTurn {
    /// A turn that begins.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn state(&self) -> Option<&HeaderValue> {
        self.state.get()
    }

    pub(super) fn remember(&self, state: &str) {
        if let Ok(mut state) = HeaderValue::from_str(state) {
            // It is the server's own, and nobody else's business.
            state.set_sensitive(true);
            self.state.get_or_init(|| state);
        }
    }
}

impl fmt::Debug for ResponseTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseTurn").field("has_state", &self.state.get().is_some()).finish_non_exhaustive()
    }
}
