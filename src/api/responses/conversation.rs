//! What the headers of a request say about the conversation that it belongs to.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::turn::{ResponseTurn, TURN_STATE};

/// Ids of a conversation, as far as they were given.
#[derive(Clone, Default)]
pub(super) struct Conversation {
    pub(super) session_id: Option<String>,
    /// Otherwise that of the session.
    pub(super) thread_id: Option<String>,
    pub(super) compactions: u32,
    pub(super) subagent: Option<String>,
    pub(super) parent_thread_id: Option<String>,
    pub(super) turn: Option<ResponseTurn>,
}

impl Conversation {
    /// The headers, or what is wrong with the ids.
    pub(super) fn headers(&self) -> Result<HeaderMap, String> {
        let thread_id = self.thread_id.as_ref().or(self.session_id.as_ref());
        let window_id = thread_id.map(|id| format!("{id}:{}", self.compactions));
        let mut headers = HeaderMap::new();
        // Servers have read some of them under either spelling.
        for (what, value, names) in [
            ("session id", self.session_id.as_ref(), &["session_id", "session-id"][..]),
            ("thread id", thread_id, &["thread_id", "thread-id", "x-client-request-id"]),
            ("name of the subagent", self.subagent.as_ref(), &["x-openai-subagent"]),
            ("parent's thread id", self.parent_thread_id.as_ref(), &["x-codex-parent-thread-id"]),
        ] {
            let Some(value) = value else { continue };
            let value = id_value(what, value)?;
            headers.extend(names.iter().map(|name| (HeaderName::from_static(name), value.clone())));
        }
        if let Some(value) = window_id.and_then(|id| HeaderValue::try_from(id).ok()) {
            headers.insert(HeaderName::from_static("x-codex-window-id"), value);
        }
        if let Some(state) = self.turn.as_ref().and_then(ResponseTurn::state) {
            headers.insert(HeaderName::from_static(TURN_STATE), state.clone());
        }
        Ok(headers)
    }
}

/// An id as the value of a header, or what is wrong with it.
pub(super) fn id_value(what: &str, id: &str) -> Result<HeaderValue, String> {
    let is_visible = (1..=256).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    let value = HeaderValue::from_str(id).ok().filter(|_| is_visible);
    value.ok_or_else(|| format!("the {what} is not 1 to 256 visible ASCII characters"))
}
