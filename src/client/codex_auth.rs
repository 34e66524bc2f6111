//! Credentials found at run time, and the clients they make.

use super::{AnyClient, Client, ClientBuilder};
use crate::auth::{AnyProvider, AuthSources, CodexAuth};
use crate::error::{AuthError, ConfigError};
use crate::mode::{CodexBackend, CredentialsUnset, OpenAiApi, Unset};

const NEEDS_SIGN_IN: &str = "the Codex backend needs a ChatGPT sign-in";
const NEEDS_KEY: &str = "the public OpenAI API needs an API key";

impl CodexAuth {
    /// The credentials of the first source that holds any: [`load_with`](Self::load_with), with the settings that a plain
    /// builder has.
    ///
    /// # Errors
    ///
    /// As [`load_with`](Self::load_with).
    pub async fn load(sources: &AuthSources) -> Result<Self, AuthError> {
        Client::builder().environment(sources.variables().clone()).load_auth(sources).await
    }
}

impl<S> ClientBuilder<S> {
    /// The credentials of the first source that holds any, loaded with the settings of this builder:
    /// [`CodexAuth::load_with`].
    ///
    /// # Errors
    ///
    /// As [`CodexAuth::load_with`]; and when a setting cannot be used.
    pub async fn load_auth(&self, sources: &AuthSources) -> Result<CodexAuth, AuthError> {
        let context = self.auth_context().map_err(unusable)?;
        CodexAuth::load_with(sources, &context).await
    }
}

impl ClientBuilder<Unset> {
    /// Loads credentials and narrows, in one go: those of the first source that holds any, if they open the Codex backend.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = codex_backend::testing::Backend::start()?;
    /// # use secrecy::ExposeSecret;
    /// # let token = backend.issue_access_token("acct-1");
    /// # let environment = codex_backend::transport::Environment::from_vars([("CODEX_BACKEND_ACCESS_TOKEN", token.expose_secret())]);
    /// # let sources = || codex_backend::auth::AuthSources::default().environment(environment.clone());
    /// # let builder = || backend.client();
    /// let client = builder().load_codex_backend(&sources()).await?.build()?;
    /// client.usage().get().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`CodexAuth::load_with`]; and when what was found is of another mode.
    pub async fn load_codex_backend(self, sources: &AuthSources) -> Result<ClientBuilder<CodexBackend>, AuthError> {
        let auth = self.load_auth(sources).await?;
        self.codex_auth(&auth)
    }
}

/// Credentials that were found at run time.
impl<S> ClientBuilder<S> {
    /// Credentials that were found at run time, if they open the Codex backend.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let environment = codex_backend::transport::Environment::from_vars([("CODEX_BACKEND_ACCESS_TOKEN", "access-token")]);
    /// use codex_backend::auth::AuthSources;
    /// use codex_backend::{Client, CodexAuth};
    ///
    /// let sources = AuthSources::default();
    /// # let sources = sources.environment(environment);
    /// let auth = CodexAuth::load(&sources).await?;
    /// let client = Client::builder().codex_auth(&auth)?.build()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When they are credentials of another mode; the error says what was found, and where.
    pub fn codex_auth(self, auth: &CodexAuth) -> Result<ClientBuilder<CodexBackend>, AuthError>
    where
        S: CredentialsUnset,
    {
        match auth.provider() {
            AnyProvider::Codex(provider) => Ok(self.provider(provider.clone())),
            AnyProvider::OpenAi(_) => Err(auth.wrong_mode(NEEDS_SIGN_IN)),
        }
    }

    /// The client that credentials found at run time make. It has the mode they have.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when a setting cannot be used.
    pub fn build_any(self, auth: &CodexAuth) -> Result<AnyClient, ConfigError>
    where
        S: CredentialsUnset,
    {
        Ok(match auth.provider() {
            AnyProvider::Codex(provider) => self.provider(provider.clone()).build()?.into(),
            AnyProvider::OpenAi(provider) => self.provider(provider.clone()).build()?.into(),
        })
    }
}

impl AnyClient {
    /// The client that credentials found at run time make, with the settings that a plain builder has.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when a setting in the environment cannot be used.
    pub fn from_auth(auth: &CodexAuth) -> Result<Self, ConfigError> {
        Client::builder().build_any(auth)
    }
}

/// With the settings that a plain builder has.
impl TryFrom<CodexAuth> for Client<CodexBackend> {
    type Error = ConfigError;

    fn try_from(auth: CodexAuth) -> Result<Self, ConfigError> {
        Client::builder().codex_auth(&auth).map_err(ConfigError::Credentials)?.build()
    }
}

/// With the settings that a plain builder has.
impl TryFrom<CodexAuth> for Client<OpenAiApi> {
    type Error = ConfigError;

    fn try_from(auth: CodexAuth) -> Result<Self, ConfigError> {
        match auth.provider() {
            AnyProvider::OpenAi(provider) => Client::builder().provider(provider.clone()).build(),
            AnyProvider::Codex(_) => Err(ConfigError::Credentials(auth.wrong_mode(NEEDS_KEY))),
        }
    }
}

fn unusable(error: ConfigError) -> AuthError {
    AuthError::permanent(format!("credentials cannot be loaded with these settings: {error}")).with_source(error)
}
