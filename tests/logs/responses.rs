//! What a stream logs.

use std::time::Duration;

use codex_backend::responses::ResponseTurn;
use codex_backend::testing::{Backend, Fault, Route, ScriptedResponse};
use codex_backend::{ChatGptTokens, RetryPolicy};
use secrecy::ExposeSecret;

use crate::support::log::Log;

#[tokio::test]
async fn the_log_tells_how_a_stream_went_and_nothing_of_what_was_said() {
    let (log, logging) = Log::start();
    let backend = Backend::start().unwrap();
    backend.inject(Route::CREATE_RESPONSE, Fault::status(503));
    backend
        .script_response(ScriptedResponse::text("the model's own words").header("x-codex-turn-state", "turn-state-1"));
    backend.script_response(ScriptedResponse::failed("server_error", "the model fell over"));
    let token = backend.issue_access_token("acct-1");
    let patient = RetryPolicy::default().base_delay(Duration::from_millis(1));
    let client = backend.client().chatgpt(ChatGptTokens::new(token.clone())).retry_policy(patient).build().unwrap();
    let turn = ResponseTurn::new();
    let ask = || client.codex_responses().create("gpt-5.5", "the instructions", "the user's question").in_turn(&turn);
    ask().stream().await.unwrap().collect().await.unwrap();
    ask().stream().await.unwrap().collect().await.unwrap_err();
    drop(logging);

    let text = log.text();
    for shown in [
        "codex_backend.call{operation=\"responses.create\" mode=\"CodexBackend\" method=\"POST\" path=\"{codex}/responses\"}",
        "status=503",
        "will be retried",
        "the stream ended",
        "kind=Server code=\"server_error\"",
    ] {
        assert!(text.contains(shown), "{shown} is not in the log:\n{text}");
    }
    let secrets = ["the model's own words", "the instructions", "the user's question", "turn-state-1", "fell over"];
    for secret in secrets.into_iter().chain([token.expose_secret()]) {
        assert!(!text.contains(secret), "{secret} is in the log:\n{text}");
    }
}
