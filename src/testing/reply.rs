//! What the server answers: a status, headers, and a body that is sent at once or step by step.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
    /// In place of `body`.
    pub(super) script: Option<ScriptedBody>,
}

impl Reply {
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), script: None }
    }

    pub(super) fn json(value: &Value) -> Self {
        Self::bytes(StatusCode::OK, "application/json", value.to_string())
    }

    pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Self {
        let body = json!({ "error": { "code": code, "message": message, "type": "invalid_request_error" } });
        Self { status, ..Self::json(&body) }
    }

    pub(super) fn invalid(message: &str) -> Self {
        Self::error(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    pub(super) fn unauthorized(code: &str, message: &str) -> Self {
        Self::error(StatusCode::UNAUTHORIZED, code, message)
    }

    pub(super) fn forbidden(code: &str, message: &str) -> Self {
        Self::error(StatusCode::FORBIDDEN, code, message)
    }

    pub(super) fn not_found(message: &str) -> Self {
        Self::error(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn bytes(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut reply = Self::empty(status).header("content-type", content_type);
        reply.body = body.into();
        reply
    }

    pub(super) fn streamed(script: ScriptedBody) -> Self {
        let mut reply = Self::empty(StatusCode::OK).header("content-type", "text/event-stream; charset=utf-8");
        reply.script = Some(script);
        reply
    }

    /// The answer of a fault.
    pub(super) fn raw(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Self {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { status, headers, body: body.clone(), script: None }
    }

    pub(super) fn add_headers(&mut self, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) {
        self.headers.extend(headers);
    }

    pub(super) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((HeaderName::from_static(name), HeaderValue::from_static(value)));
        self
    }
}

/// A body that is sent step by step.
pub(super) struct ScriptedBody {
    pub(super) steps: VecDeque<Step>,
    /// The most bytes that are sent at once.
    pub(super) chunk: usize,
    /// Before each chunk.
    pub(super) pause: Duration,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Bytes(Bytes),
    Pause(Duration),
    Cut,
    Stall,
}

/// How a streamed body goes on.
pub(super) enum BodyStep {
    Chunk(Bytes),
    Reset,
}

impl ScriptedBody {
    pub(super) async fn next(&mut self) -> Option<BodyStep> {
        loop {
            match self.steps.pop_front()? {
                Step::Bytes(bytes) if bytes.is_empty() => {}
                Step::Bytes(mut bytes) => {
                    if !self.pause.is_zero() {
                        tokio::time::sleep(self.pause).await;
                    }
                    let piece = bytes.split_to(self.chunk.min(bytes.len()));
                    self.steps.push_front(Step::Bytes(bytes));
                    return Some(BodyStep::Chunk(piece));
                }
                Step::Pause(pause) => tokio::time::sleep(pause).await,
                Step::Cut => {
                    // Time for what was sent before to leave.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    return Some(BodyStep::Reset);
                }
                Step::Stall => std::future::pending().await,
            }
        }
    }
}
