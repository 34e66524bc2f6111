//! A client for the Codex backend (the ChatGPT-hosted API behind OpenAI's Codex tools) and for the public OpenAI API, in which
//! **the kind of authentication a client holds is part of its type**.
//!
//! Uploading files for Codex tools takes a person's ChatGPT sign-in. Here a client says in its type that it has one:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), codex_backend::Error> {
//! use codex_backend::{ChatGptTokens, Client, CodexBackend, OpenAiFileUpload};
//!
//! # let backend = codex_backend::testing::Backend::start().unwrap();
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
//! With an API key the same program does not compile:
//!
//! ```compile_fail,E0277
//! # use codex_backend::{Client, OpenAiFileUpload};
//! let client = Client::builder().api_key("sk-example").build()?;
//! OpenAiFileUpload::new(&client);
//! # Ok::<(), codex_backend::ConfigError>(())
//! ```
//!
//! ```text
//! error[E0277]: `OpenAiFileUpload` does not accept a `Client<OpenAiApi>`
//!   |
//!   | OpenAiFileUpload::new(&client);
//!   |                       ^^^^^^^ `OpenAiFileUpload` needs a `Client<CodexBackend>`
//!   |
//!   = note: what the other API has for this: `OpenAiFiles`
//! ```
//!
//! # Endpoints
//!
//! A handle is made from a client: `Usage::new(&client)`, or `client.usage()`. [One page](guide::endpoints) lists all
//! requests, with their retries and time-outs.
//!
//! | handle | what it does | made by |
//! | --- | --- | --- |
//! | **For a `Client<CodexBackend>`** | ChatGPT tokens, an agent identity, a personal access token, … | |
//! | [`CodexResponses`] | asks models, in streams of typed events | `codex_responses()` |
//! | [`CodexModels`] | the models that the account may use | `codex_models()` |
//! | [`OpenAiFileUpload`] | uploads files that Codex tools and models refer to | `file_upload()` |
//! | [`CloudTasks`] | starts cloud tasks, waits for them, reads their diffs | `cloud_tasks()` |
//! | [`CloudEnvironments`] | the environments that cloud tasks run in | `cloud_environments()` |
//! | [`Usage`] | how much of the plan's limits is used, and credits | `usage()` |
//! | [`Accounts`] | the user's accounts, profile, messages and settings | `accounts()` |
//! | [`Connectors`] | the directory of connectors (apps) | `connectors()` |
//! | [`Plugins`] | the directory of plugins, and which are installed | `plugins()` |
//! | [`Skills`] | skills, and their archives | `skills()` |
//! | [`WorkspacePolicy`] | what the workspace allows | `workspace_policy()` |
//! | [`ManagedConfig`](struct.ManagedConfig.html) | what administrators demand (feature `managed-config`) | `managed_config()` |
//! | **For a `Client<OpenAiApi>`** | an API key | |
//! | [`OpenAiResponses`] | asks models, in one piece or in streams of typed events | `openai_responses()` |
//! | [`OpenAiModels`] | the models that the key may use | `openai_models()` |
//! | [`OpenAiFiles`] | uploads, lists, reads and deletes files | `openai_files()` |
//! | **For any client** | also a `Client<NoAuth>`, without credentials | |
//! | [`FeaturedPlugins`] | the plugins that are featured | `featured_plugins()` |
//!
//! # How do I …?
//!
//! * [ask a model, and read its answer](guide::first_stream)
//! * [let a model call functions](guide::tools)
//! * [get JSON of a known form](guide::structured_output)
//! * [understand how a stream ended](guide::errors_of_streams)
//! * [upload a file](guide::upload)
//! * [tell a user how much is used](guide::usage)
//! * [run a cloud task, and apply what it changed](guide::cloud_tasks)
//! * [list connectors and plugins](guide::connectors)
//! * [use credentials that are on this machine](guide::credentials)
//! * [keep credentials in a store of my own](guide::credential_store)
//! * [run a service without a user's tokens](guide::agents)
//! * [test my application](guide::testing)
//! * [send requests with another HTTP stack](Client::auth_headers), and take the auth alone from here
//! * [move over from async-openai](guide::from_async_openai)
//!
//! # Which client do I hold?
//!
//! * [`mode`] explains modes and the gate. [`CodexBackend`], [`OpenAiApi`] and [`NoAuth`] are the modes there are.
//! * Where the mode is known only at run time, hold an [`AnyClient`] and narrow it once: `as_codex_backend()?`.
//! * Credentials of any kind go through one [`AuthProvider`]; [`auth`] lists those that are built in.
//!
//! # What every call does
//!
//! * **Auth** headers are asked of the provider before each attempt. If they cannot be complete, nothing is sent. After a
//!   401 the provider may refresh them; one call is sent three times at the most because of that.
//! * **Origins**: credentials go to the hosts they belong to and to loopback, and nowhere else
//!   ([`ClientBuilder::dangerously_allow_origin`] is the exception). Redirects are errors. A client that has a base URL on
//!   loopback never reaches production.
//! * **Retries** and waits follow the [`RetryPolicy`], **time-outs** the [`Timeouts`].
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
//! | `rustls-ring` | yes | TLS by rustls with ring. Without it only `http` to loopback works, or a [`Transport`](transport::Transport) of your own |
//! | `keyring` | no | `KeyringStore`: credentials in the keyring of the operating system. Needs no system library |
//! | `managed-config` | no | [`ManagedConfig`](struct.ManagedConfig.html): what administrators demand, in TOML, with a signed cache |
//! | `schemars` | no | JSON schemas of Rust types, for structured output and for the arguments of functions |
//! | `testing` | no | the embedded backend, `codex_backend::testing`, for tests of yours |
//! | `zstd` | no | `ResponseRequest::compressed`, for requests to the Codex backend |
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
pub mod auth;
mod call;
mod client;
mod environment;
mod error;
mod exchange;
pub mod guide;
pub mod limits;
pub mod mode;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transport;
mod wire;

/// The crates whose types stand in this API, in the versions that fit.
#[doc(no_inline)]
pub use {bytes, http, secrecy, url};

pub use self::api::*;
pub use self::auth::{ApiKey, AuthProvider, ChatGptSession, ChatGptTokens, CodexAuth};
pub use self::client::{AnyClient, AsClient, Client, ClientBuilder, CodexClient, OpenAiClient, WrongMode};
pub use self::error::{AuthError, ConfigError, Error, ErrorKind};
pub use self::mode::{CodexBackend, NoAuth, OpenAiApi};
pub use self::transport::{RetryPolicy, Timeouts};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
