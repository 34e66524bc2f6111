//! A client for the Codex backend (the ChatGPT-hosted API: models, files, usage, …) and the public OpenAI API, in which **the
//! kind of authentication a client holds is part of its type**.
//!
//! [`OpenAiFileUpload`] accepts a [`Client<CodexBackend>`](Client) and nothing else. Hand it a client with an API key,
//! and the program does not compile; the compiler says what to do.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use codex_backend::{ChatGptTokens, Client, CodexBackend, OpenAiFileUpload};
//!
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let (access_token, base_url) = (backend.issue_access_token("acct-1"), backend.codex_base_url());
//! let client: Client<CodexBackend> = Client::builder()
//!     .application("report-bot", "1.4.0")
//!     .chatgpt(ChatGptTokens::new(access_token).account_id("acct-1"))
//! #   .codex_base_url(base_url)
//!     .build()?;
//! let file = OpenAiFileUpload::new(&client).bytes("report.txt", "all is well").await?;
//! println!("{}", file.uri()); // sediment://file_…
//! # assert!(file.uri().starts_with("sediment://file_"));
//! # Ok(()) }
//! ```
//!
//! ```compile_fail,E0277
//! # use codex_backend::{Client, OpenAiFileUpload};
//! let api = Client::builder().api_key("sk-example").build()?;
//! OpenAiFileUpload::new(&api); // error[E0277]: `OpenAiFileUpload` does not accept a `Client<OpenAiApi>`
//! # Ok::<(), codex_backend::ConfigError>(())
//! ```
//!
//! # Endpoints
//!
//! | endpoint | accepts | method and path | sent again after a failure | time limit |
//! | --- | --- | --- | --- | --- |
//! | [`OpenAiFileUpload`] | `Client<CodexBackend>` | `POST /files` | only if the server did not act on it | attempt, call |
//! | | | `PUT` to a signed URL, without credentials | yes, if the source can be read again | idle |
//! | | | `POST /files/{file_id}/uploaded` | yes | attempt, call |
//! | [`Usage`] | `Client<CodexBackend>` | `GET {prefix}/usage` | yes | attempt, call |
//! | | | `GET {prefix}/rate-limit-reset-credits` | yes | attempt, call |
//! | | | `POST {prefix}/rate-limit-reset-credits/consume` | yes | attempt, call |
//! | | | `POST {prefix}/usage/thread_usage/query` | yes | attempt, call |
//! | [`Accounts`] | `Client<CodexBackend>` | `GET {prefix}/accounts/check` | yes | attempt, call |
//! | | | `GET {prefix}/profiles/me` | yes | attempt, call |
//! | | | `GET {prefix}/workspace-messages` | yes | attempt, call |
//! | | | `GET {prefix}/settings/user` | yes | attempt, call |
//! | | | `POST {prefix}/accounts/send_add_credits_nudge_email` | never | attempt, call |
//! | [`CloudTasks`] | `Client<CodexBackend>` | `GET {prefix}/tasks/list` | yes | attempt, call |
//! | | | `GET {prefix}/tasks/{task_id}` | yes | attempt, call |
//! | | | `GET {prefix}/tasks/{task_id}/turns/{turn_id}/sibling_turns` | yes | attempt, call |
//! | | | `POST {prefix}/tasks` | only if the server did not act on it | attempt, call |
//! | [`CloudEnvironments`] | `Client<CodexBackend>` | `GET {prefix}/environments` | yes | attempt, call |
//! | | | `GET {prefix}/environments/by-repo/github/{owner}/{repo}` | yes | attempt, call |
//! | [`ManagedConfig`](struct.ManagedConfig.html) | `Client<CodexBackend>` | `GET {prefix}/config/requirements` | yes | attempt, call |
//! | | | `GET {prefix}/config/bundle` | yes | attempt, call |
//! | [`Connectors`] | `Client<CodexBackend>` | `GET /connectors/directory/list` | yes | attempt, call |
//! | | | `GET /connectors/directory/list_workspace` | yes | attempt, call |
//! | | | `POST /ps/apps/batch` | yes | attempt, call |
//! | [`WorkspacePolicy`] | `Client<CodexBackend>` | `GET /accounts/{account_id}/settings` | yes | attempt, call |
//! | [`Plugins`] | `Client<CodexBackend>` | `GET /ps/plugins/list` | yes | attempt, call |
//! | | | `GET /ps/plugins/installed` | yes | attempt, call |
//! | | | `GET /ps/plugins/{plugin_id}` | yes | attempt, call |
//! | [`FeaturedPlugins`] | any client | `GET /plugins/featured` | yes | attempt, call |
//! | [`CodexResponses`] | `Client<CodexBackend>` | `POST {codex}/responses` | until the first event of the body has come | stream idle |
//! | | | `POST {codex}/responses/compact` | yes | stream idle |
//! | [`CodexModels`] | `Client<CodexBackend>` | `GET {codex}/models` | yes | 5 s |
//! | [`OpenAiResponses`] | `Client<OpenAiApi>` | `POST /responses` | if it is not kept, until the first event has come; else only if the server did not act on it | stream idle |
//! | | | `GET /responses/{response_id}` | yes | attempt, call |
//! | | | `GET /responses/{response_id}`, followed | yes | stream idle |
//! | | | `DELETE /responses/{response_id}` | only if the server did not act on it | attempt, call |
//! | | | `POST /responses/{response_id}/cancel` | yes | attempt, call |
//! | | | `GET /responses/{response_id}/input_items` | yes | attempt, call |
//! | | | `POST /responses/input_tokens` | yes | attempt, call |
//! | | | `POST /responses/compact` | yes | stream idle |
//! | [`OpenAiModels`] | `Client<OpenAiApi>` | `GET /models` | yes | attempt, call |
//! | | | `GET /models/{model}` | yes | attempt, call |
//! | [`OpenAiFiles`] | `Client<OpenAiApi>` | `POST /files` | only if the server did not act on it, and the source can be read again | idle |
//! | | | `GET /files` | yes | attempt, call |
//! | | | `GET /files/{file_id}` | yes | attempt, call |
//! | | | `GET /files/{file_id}/content` | until its head has come | idle |
//! | | | `DELETE /files/{file_id}` | only if the server did not act on it | attempt, call |
//! | | | `POST /uploads` | only if the server did not act on it | attempt, call |
//! | | | `POST /uploads/{upload_id}/parts` | yes | idle |
//! | | | `POST /uploads/{upload_id}/complete` | only if the server did not act on it | attempt, call |
//! | | | `POST /uploads/{upload_id}/cancel` | yes | attempt, call |
//!
//! Paths follow the client's base URL. `{prefix}` is `/wham` below a base URL with `/backend-api`, else `/api/codex`;
//! `{codex}` is `/codex` or `/api/codex` in the same way. A path without either is the same everywhere, and is served by the
//! ChatGPT host alone, below `/backend-api`.
//!
//! # Which client do I hold?
//!
//! * [`mode`] explains modes and the gate. [`CodexBackend`], [`OpenAiApi`] and [`NoAuth`] are the modes there are.
//! * A client whose mode is known only at run time is an [`AnyClient`]; narrow it once.
//! * Credentials of any kind go through one [`AuthProvider`]; write your own where none fits.
//! * [`CodexAuth`] finds the user's credentials, in the variables and files that [`AuthSources`] names, and
//!   [`ClientBuilder::build_any`] or [`ClientBuilder::codex_auth`] makes a client of them.
//! * ChatGPT tokens that are kept in a store, such as the `auth.json` of the official tool, and renewed in time, are a
//!   [`ChatGptSession`]. Give each account a store of its own.
//! * A service without a user's tokens is an [`AgentIdentity`]; [`guide::agents`] says how to run many of them.
//! * [`guide::credentials`] goes through sources, stores and accounts.
//! * To adopt the auth alone and send requests with another HTTP stack, take [`Client::auth_headers`].
//!
//! # How do I …?
//!
//! * [ask a model, and read its answer](guide::first_stream)
//! * [let a model call functions](guide::tools)
//! * [get JSON of a known form](guide::structured_output)
//! * [understand how a stream ended](guide::errors_of_streams)
//! * [move over from async-openai](guide::from_async_openai)
//! * [tell a user how much is used](guide::usage)
//! * [run a cloud task, and apply what it changed](guide::cloud_tasks)
//! * [list connectors and plugins](guide::connectors)
//!
//! # What every call does
//!
//! * **Auth** headers are asked of the provider before each attempt. If they cannot be complete, nothing is sent. After a
//!   401 the provider may renew them; one call is sent three times at the most because of that.
//! * **Origins**: credentials go to the hosts they belong to and to loopback, and nowhere else
//!   ([`ClientBuilder::dangerously_allow_origin`] is the exception). Redirects are errors.
//! * **Repeats** and waits follow the [`RetryPolicy`], **time limits** the [`Timeouts`].
//! * **Errors** are one [`Error`] with a [`kind`](Error::kind); they never hold a credential.
//! * **Spans**: each call is a `tracing` span `codex_backend.call` at debug level, with the operation, the mode, the
//!   method and the path's template; each attempt is an event with status, request id and duration.
//!
//! Everything needs a tokio run time with I/O and time enabled. Dropping a future cancels its call.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `agent-identity` | yes | agent identities: a signing key in place of a token |
//! | `keyring` | no | `KeyringStore`: credentials in the keyring of the operating system. Needs no system library |
//! | `rustls-ring` | yes | TLS by rustls with ring. Without it only `http` to loopback works, or a [`Transport`] of your own |
//! | `managed-config` | no | [`ManagedConfig`]: what administrators demand, in TOML, with a signed cache |
//! | `zstd` | no | `ResponseRequest::compressed`, for requests to the Codex backend |
//! | `schemars` | no | JSON schemas of Rust types, for structured output and for the arguments of functions |
//! | `testing` | no | the embedded backend, `codex_backend::testing`, for tests of yours |
//!
//! Cargo unifies features: beside this crate, an application's own use of reqwest 0.13 has TLS by rustls **without** a
//! default provider, unless the application turns on one of reqwest's TLS features. If it uses reqwest without any, it
//! has to install one (`rustls::crypto::ring::default_provider().install_default()`), or `reqwest::Client::new()` panics.
#![cfg_attr(docsrs, feature(doc_cfg))]
// For the library alone: tests and examples may.
#![warn(
    clippy::dbg_macro,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod api;
mod auth;
mod call;
mod client;
mod environment;
mod error;
mod exchange;
pub mod guide;
mod limits;
pub mod mode;
#[cfg(feature = "testing")]
pub mod testing;

/// The crates whose types stand in this API, in the versions that fit.
#[doc(no_inline)]
pub use {bytes, http, secrecy, url};

pub use self::api::accounts::{
    AccountEntry, Accounts, AccountsCheck, DailyUsage, NudgeEmail, Profile, ProfileStats, UserSettings,
    WorkspaceMessage, WorkspaceMessageType, WorkspaceMessages,
};
pub use self::api::connectors::{
    AppBatch, AppDetails, AppMetadata, AppReview, AppTool, Connector, ConnectorBranding, ConnectorScreenshot,
    Connectors, DirectoryApp, connector_install_url,
};
pub use self::api::environments::{CloudEnvironment, CloudEnvironments, GitHubRepository};
pub use self::api::files::{OpenAiFileUpload, UploadMany, UploadProgress, UploadRequest, UploadedFile};
#[cfg(feature = "managed-config")]
pub use self::api::managed_config::{
    CacheStatus, ConfigBundle, ConfigCache, ConfigFragment, ConfigLoadSource, ConfigRequirements, DeliveredConfig,
    LoadedConfig, ManagedConfig, ManagedConfigError, ManagedDocument, ManagedLayers, ManagedLoad, ManagedRefreshes,
};
pub use self::api::models::{
    CodexModels, InstructionsVariables, MODELS_CLIENT_VERSION, ModelCatalogue, ModelInfo, ModelMessages, ModelNotice,
    ModelServiceTier, ModelUpgrade, ModelVisibility, OpenAiModel, OpenAiModels, ReasoningLevel, RefreshStrategy,
    TruncationPolicy,
};
pub use self::api::openai_files::{
    OpenAiFile, OpenAiFileContent, OpenAiFilePurpose, OpenAiFiles, OpenAiLargeUpload, OpenAiUploadRequest,
};
pub use self::api::pager::{ItemStream, Page, PageStream, PagedRequest};
pub use self::api::plugins::{
    FeaturedPlugins, Plugin, PluginInterface, PluginRelease, PluginScope, PluginSkill, PluginSkillInterface, Plugins,
};
pub use self::api::request::{ApiRequest, WithRaw};
pub use self::api::responses::{
    AnnotationEvent, CodexResponses, CollectedResponse, CompactedResponse, CompactionItem, ContentPart, CustomTool,
    CustomToolCall, DeletedObject, EventText, FilePart, FunctionCall, FunctionTool, HostedTool, HostedToolOptions,
    HostedToolProgress, HostedToolStage, ImageGenerationCall, ImagePart, IncompleteDetails, InputTokens, ItemEvent,
    ItemStatus, LocalShellAction, LocalShellCall, MessageItem, MessagePhase, MessageRole, ModelResponse, NamespaceTool,
    OpenAiResponses, PartEvent, PartialImage, ReasoningEffort, ReasoningItem, ReasoningSummary, RefusalPart,
    ResponseError, ResponseEvent, ResponseEventKind, ResponseInput, ResponseItem, ResponseRequest, ResponseStatus,
    ResponseStream, ResponseTool, ResponseTurn, SafetyBuffering, ServiceTier, TextDelta, TextDone, TextPart,
    TokenUsage, ToolCallOutput, ToolChoice, ToolInputDelta, ToolInputDone, ToolLoop, ToolLoopResult, ToolOutput,
    ToolSearchCall, ToolSearchOutput, ToolSearchTool, Tools, UndecodableEvent, UnknownEvent, Verbosity, WebSearchCall,
};
pub use self::api::tasks::{
    CloudTask, CloudTasks, CreatedTask, DiffStats, ExternalPullRequest, GitPullRequest, LatestTurnStatus, NewTask,
    OutputDiff, StructuredTaskFragment, TaskAttempt, TaskChanges, TaskDetails, TaskFilter, TaskFragment, TaskListItem,
    TaskState, TaskStatus, TaskStatusDisplay, TaskSummary, TaskTurn, TaskTurnError, TaskTurnItem, TaskTurnStatus,
    TaskWait, WireDiffStats, Worklog, WorklogAuthor, WorklogContent, WorklogMessage,
};
pub use self::api::usage::{
    AdditionalRateLimit, RateLimitReached, RateLimitStatus, RedeemedReset, ResetCredit, ResetCreditCount,
    ResetCreditStatus, ResetCredits, ResetOutcome, ThreadUsage, ThreadUsageGroup, Usage, UsageReport,
};
pub use self::api::working_tree::{ApplyOutcome, ApplyStatus, GitError, WorkingTree};
pub use self::api::workspace::{BetaSettings, WorkspacePolicy, WorkspaceSettings};
#[cfg(feature = "keyring")]
pub use self::auth::KeyringStore;
pub use self::auth::{
    AccountFacts, AnyProvider, ApiKey, AuthContext, AuthFuture, AuthHeaders, AuthHealth, AuthMode, AuthProvider,
    AuthRecovery, AuthRefusal, AuthSource, AuthSources, BearerCommand, ChatGptSession, ChatGptTokens, CodexAuth,
    CredentialRestrictions, CredentialStore, FileStore, ForgottenCredentials, HostTokenRequest, HostTokens,
    MalformedCredentials, MemoryStore, PersonalAccessToken, ReadyMadeHeaders, RefreshLease, Revoked, RevokedToken,
    SignInMethod, SignOut, StoreError, StoreErrorKind, StoredCredentials, SwapOutcome, WorkloadIdentity,
};
#[cfg(feature = "agent-identity")]
pub use self::auth::{
    AgentAuthApi, AgentDescription, AgentIdentity, AgentKey, AgentProvider, LazyAgent, ManagedAgent, RegisteredAgent,
};
pub use self::client::{AnyClient, Client, ClientBuilder, CodexClient, OpenAiClient, WrongMode};
pub use self::environment::Environment;
#[cfg(feature = "agent-identity")]
pub use self::error::{AgentIdentityError, ClockSkew, JwtRejection};
pub use self::error::{AuthError, AuthErrorKind, ConfigError, Error, ErrorKind, ReauthReason};
pub use self::exchange::{
    Body, Clock, RetryPolicy, SignedUrl, SystemClock, Timeouts, Transport, TransportError, TransportFuture,
    TransportRequest,
};
pub use self::limits::{
    Credits, LimitWindow, OpenAiRateLimit, OpenAiRateLimits, PlanType, RateLimitReachedReason, RateLimitSnapshot,
    RateLimitWindow, SnapshotWindow, SpendControl, SpendLimit, UsageLimit,
};
pub use self::mode::{CodexBackend, NoAuth, OpenAiApi, Unset};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
