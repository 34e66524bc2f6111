//! What an upload logs. Alone in its process, because `tracing` keeps for the whole process which events anyone wants.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::{ChatGptTokens, OpenAiFileUpload, RetryPolicy};
use secrecy::ExposeSecret;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log {
    text: Arc<Mutex<Vec<u8>>>,
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.lock().map_err(|_| io::ErrorKind::Other)?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What follows `sig=` in a URL.
fn signature(url: &str) -> Option<&str> {
    url.split_once("sig=")?.1.split('&').next()
}

#[tokio::test]
async fn the_log_names_the_calls_of_an_upload_and_shows_no_secrets() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let logging = tracing::subscriber::set_default(subscriber);
    let backend = Backend::start().unwrap();
    backend.inject(Route::PutFile, Fault::status(503));
    let token = backend.issue_access_token("acct-1");
    let patient = RetryPolicy::default().base_delay(Duration::from_millis(1));
    let client = backend.client().chatgpt(ChatGptTokens::new(token.clone())).retry_policy(patient).build().unwrap();
    let file = OpenAiFileUpload::new(&client).bytes("a.txt", "the content itself").await.unwrap();
    drop(logging);

    let text = String::from_utf8(log.text.lock().unwrap().clone()).unwrap();
    for shown in ["files.create", "files.put", "files.finalize", "status=503", "will be sent again"] {
        assert!(text.contains(shown), "{shown} is not in the log:\n{text}");
    }
    let put = backend.requests_to(Route::PutFile)[0].target.clone();
    let download = file.download_url().expose();
    for secret in [token.expose_secret(), signature(&put).unwrap(), signature(download).unwrap(), "the content itself"]
    {
        assert!(!text.contains(secret), "{secret} is in the log:\n{text}");
    }
}
