//! The client whose mode is known only at run time, and how it is narrowed.

use std::fmt;

use super::Client;
use crate::error::{AuthError, Error, ErrorKind};
use crate::mode::{CodexBackend, Mode, NoAuth, OpenAiApi};

/// A client whose mode is known only at run time. Narrow it once, then let the types carry it.
///
/// ```
/// use codex_backend::{AnyClient, Client, CodexBackend, OpenAiApi};
///
/// let configured: AnyClient = Client::builder().api_key("sk-example").build()?.into();
/// match &configured {
///     AnyClient::Codex(_client) => println!("signed in with ChatGPT"),
///     AnyClient::OpenAi(_client) => println!("an API key"),
///     _ => println!("no credentials"),
/// }
/// let wrong = configured.into_codex_backend().unwrap_err();
/// assert_eq!((wrong.found(), wrong.needed()), ("OpenAiApi", "CodexBackend"));
/// let client: Client<OpenAiApi> = wrong.into_client().into_openai_api()?; // nothing is lost
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AnyClient {
    /// Holds credentials for the Codex backend.
    Codex(Client<CodexBackend>),
    /// Holds an API key.
    OpenAi(Client<OpenAiApi>),
    /// Holds no credentials.
    Anonymous(Client<NoAuth>),
}

impl AnyClient {
    /// The name of the mode: `CodexBackend`, `OpenAiApi` or `NoAuth`.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        match self {
            Self::Codex(_) => CodexBackend::NAME,
            Self::OpenAi(_) => OpenAiApi::NAME,
            Self::Anonymous(_) => NoAuth::NAME,
        }
    }

    /// Completes when nothing is left to be saved of what a refresh gave: [`Client::settled`].
    ///
    /// # Errors
    ///
    /// As [`Client::settled`].
    pub async fn settled(&self) -> Result<(), AuthError> {
        match self {
            Self::Codex(client) => client.settled().await,
            Self::OpenAi(client) => client.settled().await,
            Self::Anonymous(client) => client.settled().await,
        }
    }

    /// The client, if it is one for the Codex backend, by reference.
    ///
    /// ```
    /// use codex_backend::{AnyClient, ChatGptTokens, Client, OpenAiFileUpload};
    ///
    /// let configured: AnyClient = Client::builder().chatgpt(ChatGptTokens::new("access-token")).build()?.into();
    /// let files = OpenAiFileUpload::new(configured.as_codex_backend()?);
    /// assert!(configured.as_openai_api().is_err());
    /// # Ok::<(), codex_backend::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WrongMode`], which holds a clone of the client.
    pub fn as_codex_backend(&self) -> Result<&Client<CodexBackend>, WrongMode> {
        match self {
            Self::Codex(client) => Ok(client),
            client => Err(WrongMode { client: client.clone(), needed: CodexBackend::NAME }),
        }
    }

    /// The client, if it is one for the public OpenAI API, by reference.
    ///
    /// ```
    /// use codex_backend::{AnyClient, Client, OpenAiFiles};
    ///
    /// let configured: AnyClient = Client::builder().api_key("sk-example").build()?.into();
    /// let files = OpenAiFiles::new(configured.as_openai_api()?);
    /// assert_eq!(configured.as_codex_backend().unwrap_err().found(), "OpenAiApi");
    /// # Ok::<(), codex_backend::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WrongMode`], which holds a clone of the client.
    pub fn as_openai_api(&self) -> Result<&Client<OpenAiApi>, WrongMode> {
        match self {
            Self::OpenAi(client) => Ok(client),
            client => Err(WrongMode { client: client.clone(), needed: OpenAiApi::NAME }),
        }
    }

    /// The client, if it is one for the Codex backend.
    ///
    /// # Errors
    ///
    /// [`WrongMode`], which gives the client back.
    pub fn into_codex_backend(self) -> Result<Client<CodexBackend>, WrongMode> {
        self.try_into()
    }

    /// The client, if it is one for the public OpenAI API.
    ///
    /// # Errors
    ///
    /// [`WrongMode`], which gives the client back.
    pub fn into_openai_api(self) -> Result<Client<OpenAiApi>, WrongMode> {
        self.try_into()
    }
}

macro_rules! convert {
    ($($mode:ident in $variant:ident;)*) => {$(
        impl From<Client<$mode>> for AnyClient {
            fn from(client: Client<$mode>) -> Self {
                Self::$variant(client)
            }
        }

        impl TryFrom<AnyClient> for Client<$mode> {
            type Error = WrongMode;

            fn try_from(client: AnyClient) -> Result<Self, WrongMode> {
                match client {
                    AnyClient::$variant(client) => Ok(client),
                    client => Err(WrongMode { client, needed: $mode::NAME }),
                }
            }
        }
    )*};
}

convert! {
    CodexBackend in Codex;
    OpenAiApi in OpenAi;
    NoAuth in Anonymous;
}

/// A client turned out to hold another kind of credentials than are needed. Gives the client back.
///
/// ```
/// use codex_backend::{AnyClient, Client};
///
/// let configured: AnyClient = Client::builder().api_key("sk-example").build()?.into();
/// let wrong = configured.into_codex_backend().unwrap_err();
/// assert_eq!(
///     wrong.to_string(),
///     "this is a `Client<OpenAiApi>`, and a `Client<CodexBackend>` is needed: sign in with ChatGPT, and build the client \
///      with `.chatgpt(tokens)`"
/// );
/// let client = wrong.into_client().into_openai_api()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct WrongMode {
    client: AnyClient,
    needed: &'static str,
}

impl WrongMode {
    /// The name of the client's mode.
    #[must_use]
    pub fn found(&self) -> &'static str {
        self.client.mode()
    }

    /// The name of the mode that is needed.
    #[must_use]
    pub fn needed(&self) -> &'static str {
        self.needed
    }

    /// The client as it was.
    #[must_use]
    pub fn into_client(self) -> AnyClient {
        self.client
    }
}

impl fmt::Display for WrongMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (found, needed) = (self.found(), self.needed);
        write!(f, "this is a `Client<{found}>`, and a `Client<{needed}>` is needed: ")?;
        f.write_str(match needed {
            CodexBackend::NAME => "sign in with ChatGPT, and build the client with `.chatgpt(tokens)`",
            OpenAiApi::NAME => "build the client with `.api_key(key)`",
            _ => "build the client with `.without_credentials()`",
        })
    }
}

impl std::error::Error for WrongMode {}

/// With [`ErrorKind::OtherMode`]; the source is the `WrongMode`, which holds the client.
impl From<WrongMode> for Error {
    fn from(wrong: WrongMode) -> Self {
        Self::new(ErrorKind::OtherMode, "client.narrow", wrong.to_string()).with_source(wrong)
    }
}
