//! What an upload logs.

use std::time::Duration;

use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::{ChatGptTokens, OpenAiFileUpload, RetryPolicy};
use secrecy::ExposeSecret;

use crate::support::log::Log;

/// What follows `sig=` in a URL.
fn signature(url: &str) -> Option<&str> {
    url.split_once("sig=")?.1.split('&').next()
}

#[tokio::test]
async fn the_log_names_the_calls_of_an_upload_and_shows_no_secrets() {
    let (log, logging) = Log::start();
    let backend = Backend::start().unwrap();
    backend.inject(Route::PUT_FILE, Fault::status(503));
    let token = backend.issue_access_token("acct-1");
    let patient = RetryPolicy::default().base_delay(Duration::from_millis(1));
    let client = backend.client().chatgpt(ChatGptTokens::new(token.clone())).retry_policy(patient).build().unwrap();
    let file = OpenAiFileUpload::new(&client).bytes("a.txt", "the content itself").await.unwrap();
    drop(logging);

    let text = log.text();
    for shown in ["files.create", "files.put", "files.finalize", "status=503", "will be retried"] {
        assert!(text.contains(shown), "{shown} is not in the log:\n{text}");
    }
    let put = backend.requests_to(Route::PUT_FILE)[0].target.clone();
    let download = file.download_url().expose();
    for secret in [token.expose_secret(), signature(&put).unwrap(), signature(download).unwrap(), "the content itself"]
    {
        assert!(!text.contains(secret), "{secret} is in the log:\n{text}");
    }
}
