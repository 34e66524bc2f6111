//! The classes of errors, and the advice that goes with each.

/// The classes of [`Error`](crate::Error).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = codex_backend::testing::Backend::start()?;
/// # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
/// use codex_backend::ErrorKind;
/// use codex_backend::testing::{Fault, Route};
///
/// let body = r#"{"error":{"type":"usage_limit_reached","plan_type":"plus","resets_in_seconds":600}}"#;
/// backend.inject(Route::GET_USAGE, Fault::status(429).body(body));
/// match client.usage().get().await {
///     Err(error) if error.kind() == ErrorKind::UsageLimit => {
///         let limit = error.usage_limit().expect("comes with this kind");
///         println!("the {:?} plan is used up until {:?}", limit.plan_type, limit.resets_at);
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The provider could not give complete auth headers; nothing was sent. See [`Error::auth_error`](crate::Error::auth_error).
    Auth,
    /// A client cannot be built with these settings; nothing was sent. See [`Error::config_error`](crate::Error::config_error).
    Config,
    /// A client turned out to hold another kind of credentials than are needed; nothing was sent. The source is a
    /// [`WrongMode`](crate::WrongMode), which gives the client back.
    OtherMode,
    /// The server refused the credentials (401), and the provider has nothing newer.
    Unauthorized,
    /// The credentials are valid and not allowed to do this (403).
    Forbidden,
    /// The server does not know the thing that was asked for (404).
    NotFound,
    /// The server finds the request wrong (400, 413, 415, 422).
    InvalidRequest,
    /// The request contradicts the state on the server (409, 412).
    Conflict,
    /// Too many requests in a short time (429, `slow_down`): a burst limit, over after a short wait.
    RateLimited,
    /// The plan's usage limit is reached (429 `usage_limit_reached`); see [`Error::usage_limit`](crate::Error::usage_limit).
    UsageLimit,
    /// The account's quota or credit is used up (`insufficient_quota`).
    QuotaExceeded,
    /// The plan does not include this (`usage_not_included`).
    NotIncluded,
    /// The input does not fit into the model's context window (`context_length_exceeded`).
    ContextWindowExceeded,
    /// The request was flagged as a possible breach of a policy (`cyber_policy`).
    PolicyViolation,
    /// An image in the request is none (400).
    InvalidImage,
    /// The model's answer ends before it is complete; [`Error::code`](crate::Error::code) says why: `max_output_tokens`,
    /// `content_filter`, ….
    Incomplete,
    /// The stream ended without saying how the response did.
    Truncated,
    /// The model still called functions when the rounds allowed were over.
    TooManyRounds,
    /// The server says that it is overloaded (`server_is_overloaded`).
    Overloaded,
    /// The server failed (5xx).
    Server,
    /// Any other status that is not a success.
    UnexpectedStatus,
    /// The server answered with a redirect. Redirects are never followed: they could carry credentials elsewhere.
    Redirect,
    /// Cloudflare asked for a browser challenge instead of letting the request through.
    Challenge,
    /// No connection could be made; nothing was sent.
    Connect,
    /// The server's certificate, or the configured root certificates, do not hold.
    Certificate,
    /// A time-out of this client passed.
    Timeout,
    /// The connection broke while the request or the answer was on its way.
    Interrupted,
    /// The answer is not what the protocol says.
    Decode,
    /// The answer is larger than this client reads.
    ResponseTooLarge,
    /// The server named a URL that this client will not use.
    UntrustedUrl,
    /// The server behind a pre-signed URL does not accept the URL: it has expired, or was made for something else. No
    /// credentials went there.
    SignedUrlRefused,
    /// The file is larger than an upload may be (512 MiB).
    FileTooLarge,
    /// There is no file at that path.
    FileNotFound,
    /// The path leads to something that is not a regular file.
    NotAFile,
    /// The file cannot be read, or reading failed on the way.
    FileUnreadable,
    /// The file's name is empty, or holds a path separator or a control character.
    InvalidFileName,
    /// The file changed while it was being uploaded; nothing was finalized.
    FileChanged,
    /// The source gave fewer or more bytes than it said it would; nothing was finalized.
    LengthMismatch,
    /// The source failed while it was being read; nothing was finalized.
    SourceFailed,
    /// The server still was not ready with the uploaded file when the time to wait was over.
    UploadNotReady,
    /// The server says that processing the uploaded file failed.
    UploadFailed,
    /// The server says that the upload succeeded, but gave no download URL.
    UploadWithoutUrl,
    /// The server gave the upload a status this crate does not know.
    UploadStatusUnknown,
    /// What the caller gave cannot be sent; nothing was.
    InvalidInput,
    /// The credentials do not tell which account they are for, and the endpoint needs to know; nothing was sent.
    NoAccountId,
    /// The endpoint is for workspaces of several users alone; nothing was sent.
    NotAWorkspace,
    /// The account's plan does not have what was asked for; nothing was sent.
    NotEligible,
    /// The client does not know where the Codex backend is, and does not guess; nothing was sent.
    NoBackend,
    /// Nothing fresh is kept, and asking for it was ruled out; nothing was sent.
    NotCached,
    /// The server named a page of a list that it had given already.
    RepeatedCursor,
    /// A list did not end within its bounds of pages and time.
    ListTooLong,
    /// A cloud task, or the attempt that was asked for, has no diff.
    NoDiff,
    /// A cloud task still was not done when the time to wait was over.
    TaskNotReady,
    /// There is no such environment for cloud tasks.
    EnvironmentNotFound,
    /// Several environments for cloud tasks fit.
    AmbiguousEnvironment,
}

impl ErrorKind {
    pub(crate) fn is_transient(self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::UsageLimit
                | Self::Overloaded
                | Self::Server
                | Self::Connect
                | Self::Timeout
                | Self::Interrupted
                | Self::Truncated
                | Self::UploadNotReady
                | Self::TaskNotReady
        )
    }

    pub(crate) fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::Unauthorized => "Sign in again, or replace the key, and build the client with the new credentials.",
            Self::Forbidden => "Check the account's plan and workspace, and the permissions of the credentials.",
            Self::RateLimited | Self::Overloaded => "Wait, and try again.",
            Self::UsageLimit => "Wait for the reset, or use another account or plan.",
            Self::QuotaExceeded => "Add credit or raise the quota; a retry does not help.",
            Self::NotIncluded => "Use an account whose plan includes it.",
            Self::ContextWindowExceeded => "Shorten the input, or compact the conversation.",
            Self::TooManyRounds => "Allow more rounds, or tell the model what to do when it has enough.",
            Self::PolicyViolation => "Change the request; a retry does not help.",
            Self::InvalidImage => "Check the images of the request.",
            Self::Redirect => "Redirects are not followed; if another server was meant, correct the base URL.",
            Self::Challenge => {
                "Check the network the request leaves from, and that the application's name and version are set on the builder."
            }
            Self::Connect => "Check the base URL, the network and the proxy settings.",
            Self::Certificate => {
                "Correct the certificate file if one is named here. If this network inspects TLS, name its root certificate in CODEX_CA_CERTIFICATE or on the builder."
            }
            Self::UntrustedUrl => "Nothing was sent there.",
            Self::SignedUrlRefused => "Start again: each upload gets a URL of its own.",
            Self::FileTooLarge => "Split the file, or upload less of it.",
            Self::FileNotFound | Self::FileUnreadable => "Check the path and its permissions.",
            Self::NotAFile => "Give the path of a regular file.",
            Self::InvalidFileName => "Give the upload a plain name with `with_file_name`.",
            Self::FileChanged => "Upload it again when nothing writes to it.",
            Self::LengthMismatch => "State the source's exact length in bytes.",
            Self::UploadNotReady => "Try again later, or allow more time with `with_finalize_timeout`.",
            Self::ListTooLong => {
                "Go on from the cursor of the last page, or allow more with `with_page_limit` and `with_total_timeout`."
            }
            Self::NoDiff => "If the task is still running, wait for it.",
            Self::TaskNotReady => "The task goes on; wait again, or allow more time with `with_timeout`.",
            Self::EnvironmentNotFound => "Set one up at ChatGPT, or name one that is there.",
            Self::AmbiguousEnvironment => "Name it by its id.",
            Self::NoAccountId => "Name the account when the client is built, or sign in again.",
            Self::NotEligible => {
                "Sign in to an account that has it. If the account has, say so with `with_account` on the endpoint."
            }
            Self::NoBackend => "Name it with `codex_base_url` on the builder.",
            Self::NotAWorkspace => {
                "Sign in to a workspace account. If the account is one, say so with `with_account` on the endpoint."
            }
            _ => return None,
        })
    }
}
