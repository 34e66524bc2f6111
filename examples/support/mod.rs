//! What the examples share: which backend to talk to, and with which credentials.

use codex_backend::auth::{AuthSource, AuthSources};
use codex_backend::mode::Unset;
use codex_backend::testing::Backend;
use codex_backend::transport::Environment;
use codex_backend::{Client, ClientBuilder, CodexAuth};

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A backend and credentials for it.
pub(crate) struct Connection {
    pub(crate) auth: CodexAuth,
    pub(crate) builder: ClientBuilder<Unset>,
    /// Kept for as long as the example talks to it.
    pub(crate) embedded: Option<(Backend, tempfile::TempDir)>,
}

/// With `--live`, `CODEX_BACKEND_BASE_URL` or, for API keys, `CODEX_BACKEND_OPENAI_BASE_URL`: the real backend, or the one
/// named, with the credentials that are found. Otherwise a backend inside this program, with an `auth.json` made for it; a
/// line on stderr says so. Where only the base URL for API keys is set, nothing goes to the real Codex backend.
pub(crate) async fn connect(live: bool) -> Result<Connection, Failure> {
    let environment = Environment::process();
    let base_url = environment.text("CODEX_BACKEND_BASE_URL");
    let openai_base_url = environment.text("CODEX_BACKEND_OPENAI_BASE_URL");
    if base_url.is_none() && openai_base_url.is_none() && !live {
        let backend = Backend::start()?;
        eprintln!("nothing is configured: using the backend embedded in this program, at {}", backend.codex_base_url());
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("auth.json");
        std::fs::write(&path, backend.issue_auth_json("acct-embedded", std::time::Duration::from_secs(3600)))?;
        let builder = backend.client();
        let auth = builder.load_auth(&AuthSources::none().and(AuthSource::AuthJson(path))).await?;
        return Ok(Connection { auth, builder, embedded: Some((backend, folder)) });
    }
    let mut builder = Client::builder();
    let backend_is_meant = live || base_url.is_some();
    if let Some(base_url) = base_url {
        builder = builder.codex_base_url(base_url);
    }
    if let Some(base_url) = openai_base_url {
        builder = builder.openai_base_url(base_url);
    }
    let auth = builder.load_auth(&AuthSources::default()).await?;
    if auth.uses_codex_backend() && !backend_is_meant {
        return Err("CODEX_BACKEND_OPENAI_BASE_URL is for API keys: set CODEX_BACKEND_BASE_URL, or use --live".into());
    }
    Ok(Connection { auth, builder, embedded: None })
}
