//! What the tests of responses share.

#[path = "../support/guard.rs"]
mod guard;

use std::time::Duration;

use codex_backend::responses::{ResponseEvent, ResponseRequest, ResponseStream};
use codex_backend::testing::{Backend, ScriptedResponse};
use codex_backend::{Client, CodexBackend, Error, OpenAiApi, RetryPolicy};
use futures_util::StreamExt;

pub(crate) use self::guard::guard;

pub(crate) fn codex(backend: &Backend) -> Client<CodexBackend> {
    let builder = backend.client().chatgpt(backend.chatgpt_tokens());
    builder.retry_policy(RetryPolicy::default().base_delay(Duration::ZERO)).build().unwrap()
}

pub(crate) fn openai(backend: &Backend) -> Client<OpenAiApi> {
    let builder = backend.client().api_key(backend.api_key());
    builder.retry_policy(RetryPolicy::default().base_delay(Duration::ZERO)).build().unwrap()
}

pub(crate) fn ask(client: &Client<CodexBackend>) -> ResponseRequest<CodexBackend> {
    client.codex_responses().create("gpt-5.5", "You are a test agent.", "hello")
}

/// The events of a stream, and the error that it ended in.
pub(crate) async fn read(mut stream: ResponseStream) -> (Vec<ResponseEvent>, Option<Error>) {
    let mut events = Vec::new();
    let mut ended_in = None;
    while let Some(item) = guard(stream.next()).await {
        assert!(ended_in.is_none(), "an item behind the error: {item:?}");
        match item {
            Ok(event) => events.push(event),
            Err(error) => ended_in = Some(error),
        }
    }
    assert!(guard(stream.next()).await.is_none(), "the end is the end");
    (events, ended_in)
}

/// What a client of the Codex backend makes of a script.
pub(crate) async fn play(script: ScriptedResponse) -> (Vec<ResponseEvent>, Option<Error>) {
    let backend = Backend::start().unwrap();
    backend.script_response(script);
    match guard(ask(&codex(&backend)).with_retry_policy(RetryPolicy::never()).stream()).await {
        Ok(stream) => read(stream).await,
        Err(error) => (Vec::new(), Some(error)),
    }
}
