//! The kinds of credentials, by their names on the wire.

use std::fmt;

/// The kinds of credentials that `auth.json` and other sources hold, by their names on the wire.
///
/// ```
/// use codex_backend::auth::AuthMode;
///
/// assert_eq!(AuthMode::from_wire("chatgpt"), Some(AuthMode::ChatGpt));
/// assert!(AuthMode::Agent.uses_codex_backend());
/// assert!(!AuthMode::OpenAiKey.uses_codex_backend());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthMode {
    /// `apikey`: a key of the public OpenAI API.
    OpenAiKey,
    /// `chatgpt`: ChatGPT tokens with a refresh token.
    ChatGpt,
    /// `chatgptAuthTokens`: ChatGPT tokens that a host application refreshes.
    ChatGptAuthTokens,
    /// `agentIdentity`: a signing key in place of a token.
    Agent,
    /// `personalAccessToken`: a token (`at-…`) that is never refreshed.
    PersonalToken,
    /// `headers`: ready-made headers.
    Headers,
    /// `bedrockApiKey`: recognised, and of no use to this crate.
    BedrockApiKey,
    /// `bedrockAccessKeys`: recognised, and of no use to this crate.
    BedrockAccessKeys,
}

impl AuthMode {
    const ALL: [Self; 8] = [
        Self::OpenAiKey,
        Self::ChatGpt,
        Self::ChatGptAuthTokens,
        Self::Agent,
        Self::PersonalToken,
        Self::Headers,
        Self::BedrockApiKey,
        Self::BedrockAccessKeys,
    ];

    /// The name on the wire and in `auth.json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAiKey => "apikey",
            Self::ChatGpt => "chatgpt",
            Self::ChatGptAuthTokens => "chatgptAuthTokens",
            Self::Agent => "agentIdentity",
            Self::PersonalToken => "personalAccessToken",
            Self::Headers => "headers",
            Self::BedrockApiKey => "bedrockApiKey",
            Self::BedrockAccessKeys => "bedrockAccessKeys",
        }
    }

    /// The mode of that name.
    #[must_use]
    pub fn from_wire(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }

    /// Whether these credentials open the Codex backend, and so make a `Client<CodexBackend>`.
    #[must_use]
    pub fn uses_codex_backend(self) -> bool {
        match self {
            Self::ChatGpt | Self::ChatGptAuthTokens | Self::Agent | Self::PersonalToken | Self::Headers => true,
            Self::OpenAiKey | Self::BedrockApiKey | Self::BedrockAccessKeys => false,
        }
    }
}

impl fmt::Display for AuthMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
