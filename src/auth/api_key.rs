//! Keys of the public OpenAI API.

use std::fmt;

use secrecy::SecretString;

use super::{AuthHeaders, HeldHeaders};
use crate::error::AuthError;
use crate::mode::OpenAiApi;

/// A key of the public OpenAI API, with the organization and project to bill, where there are several.
///
/// Sent as `Authorization: Bearer …`, `OpenAI-Organization` and `OpenAI-Project`.
///
/// ```
/// use codex_backend::{ApiKey, Client, OpenAiApi};
///
/// let client: Client<OpenAiApi> = Client::builder().api_key(ApiKey::new("sk-example").project("proj_1")).build()?;
/// let same: Client<OpenAiApi> = Client::builder().api_key("sk-x").build()?;
/// # Ok::<(), codex_backend::ConfigError>(())
/// ```
#[doc(alias("api key", "OPENAI_API_KEY"))]
#[derive(Clone)]
pub struct ApiKey {
    key: SecretString,
    organization: Option<String>,
    project: Option<String>,
}

impl ApiKey {
    /// With the key alone.
    #[must_use]
    pub fn new(key: impl Into<SecretString>) -> Self {
        Self { key: key.into(), organization: None, project: None }
    }

    /// The organization to bill.
    #[must_use]
    pub fn organization(mut self, organization: impl Into<String>) -> Self {
        self.organization = Some(organization.into());
        self
    }

    /// The project to bill.
    #[must_use]
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    pub(crate) fn into_provider(self) -> Result<HeldHeaders<OpenAiApi>, AuthError> {
        let mut headers = AuthHeaders::new(0).with_bearer(&self.key)?;
        for (name, value) in [("openai-organization", self.organization), ("openai-project", self.project)] {
            if let Some(value) = value {
                headers = headers.with_header(name, &value)?;
            }
        }
        Ok(HeldHeaders::new(headers))
    }
}

impl From<&str> for ApiKey {
    fn from(key: &str) -> Self {
        Self::new(key)
    }
}

impl From<String> for ApiKey {
    fn from(key: String) -> Self {
        Self::new(key)
    }
}

impl From<SecretString> for ApiKey {
    fn from(key: SecretString) -> Self {
        Self::new(key)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("organization", &self.organization)
            .field("project", &self.project)
            .finish_non_exhaustive()
    }
}
