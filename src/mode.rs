//! Modes: the type parameter of a [`Client`](crate::Client), and the bounds on it.
//!
//! A *mode* names the route that a client takes, not the kind of its credentials: ChatGPT tokens and agent identities are both
//! [`CodexBackend`]. The other modes are [`OpenAiApi`] and [`NoAuth`]. A function that takes a client of several modes has
//! the bound [`Accepts<Endpoint>`](Accepts) or [`Mode`]. Import modes by name: after a glob import the compiler prints their
//! full paths.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let client = backend.client().chatgpt(backend.chatgpt_tokens()).build()?;
//! use codex_backend::mode::Accepts;
//! use codex_backend::{Client, Usage};
//!
//! async fn print_plan<M: Accepts<Usage>>(client: &Client<M>) -> Result<(), codex_backend::Error> {
//!     println!("{:?}", Usage::new(client).get().await?.plan_type);
//!     Ok(())
//! }
//! print_plan(&client).await?;
//! # Ok(()) }
//! ```

pub(crate) mod mistakes;
pub mod responses;

/// The Codex backend (`https://chatgpt.com/backend-api`), reached with ChatGPT-side credentials.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums)]
pub enum CodexBackend {}

/// The public OpenAI API (`https://api.openai.com/v1`), reached with an API key.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums)]
pub enum OpenAiApi {}

/// No credentials at all: for the few endpoints that are public.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums)]
pub enum NoAuth {}

/// The state in which a [`ClientBuilder`](crate::ClientBuilder) starts. It is no mode: a `Client<Unset>` cannot be built.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums)]
pub enum Unset {}

/// The set of all modes, for endpoints that accept any client.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums)]
pub enum AnyMode {}

pub(crate) mod sealed {
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot implement this trait: it is sealed, its implementations are those of `codex-backend`",
        label = "not one of the types of `codex-backend`",
        note = "to authenticate in a way of your own, implement `AuthProvider` and hand it to `Client::builder().provider(..)`"
    )]
    #[allow(unnameable_types, reason = "that it cannot be named is what seals")]
    pub trait Sealed {}

    /// The same for handles.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be an endpoint: the trait is sealed, its implementations are the handles of `codex-backend`",
        label = "not one of the handles of `codex-backend`",
        note = "for a request that this crate does not have, take `Client::auth_headers` and send it with another HTTP stack"
    )]
    #[allow(unnameable_types, reason = "that it cannot be named is what seals")]
    pub trait Handle {}

    /// The same for agents.
    #[cfg(feature = "agent-identity")]
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be an agent of `codex-backend`: the trait is sealed",
        label = "neither a `RegisteredAgent` nor a `LazyAgent`",
        note = "to authenticate in a way of your own, implement `AuthProvider` and hand it to `Client::builder().provider(..)`"
    )]
    #[allow(unnameable_types, reason = "that it cannot be named is what seals")]
    pub trait Agent {}

    impl Sealed for super::CodexBackend {}
    impl Sealed for super::OpenAiApi {}
    impl Sealed for super::NoAuth {}
}

/// An auth mode: [`CodexBackend`], [`OpenAiApi`] or [`NoAuth`]. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known to be the mode of a client",
    label = "any mode will do, but `{Self}` must be one",
    note = "a helper that takes a client of any mode says so with the bound `M: Mode`, from `codex_backend::mode`"
)]
pub trait Mode: sealed::Sealed + 'static {
    /// The mode's name as errors and logs write it: the name of the marker type.
    const NAME: &'static str;
}

impl Mode for CodexBackend {
    const NAME: &'static str = "CodexBackend";
}
impl Mode for OpenAiApi {
    const NAME: &'static str = "OpenAiApi";
}
impl Mode for NoAuth {
    const NAME: &'static str = "NoAuth";
}

/// A mode that an [`AuthProvider`](crate::AuthProvider) can serve: every mode but [`NoAuth`]. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a route that an auth provider can serve",
    label = "not an authenticated mode",
    note = "an `AuthProvider` declares `type Route = CodexBackend;` or `type Route = OpenAiApi;`",
    note = "a client that sends no credentials is built with `Client::builder().without_credentials()`"
)]
pub trait Authenticated: Mode {}
impl Authenticated for CodexBackend {}
impl Authenticated for OpenAiApi {}

/// A mode whose clients hold credentials: every mode but [`NoAuth`]. Sealed.
#[diagnostic::on_unimplemented(
    message = "a `Client<{Self}>` holds no credentials",
    label = "a client with credentials is needed",
    note = "`Client::builder()` with `.chatgpt(tokens)` builds a `Client<CodexBackend>`, with `.api_key(key)` a `Client<OpenAiApi>`",
    note = "a helper that takes a client of any mode with credentials says so with the bound `M: Authenticated`, from `codex_backend::mode`"
)]
pub trait HoldsCredentials: Mode {}
#[diagnostic::do_not_recommend]
impl<M: Authenticated> HoldsCredentials for M {}

/// The builder state in which credentials have been chosen, so that `build()` exists. Sealed.
#[diagnostic::on_unimplemented(
    message = "no credentials have been chosen for this client",
    label = "`build()` needs a mode, and this builder is still `{Self}`",
    note = "call `.chatgpt(tokens)` or `.chatgpt(session)` for a `Client<CodexBackend>`, `.api_key(key)` for a `Client<OpenAiApi>`, or `.provider(provider)` for credentials of your own",
    note = "for the few public endpoints, `.without_credentials()` gives a `Client<NoAuth>`"
)]
pub trait CredentialsSet: Mode {}
#[diagnostic::do_not_recommend]
impl<M: Mode> CredentialsSet for M {}

/// The builder state in which credentials may still be chosen: [`Unset`] alone.
#[diagnostic::on_unimplemented(
    message = "this builder already holds credentials for a `Client<{Self}>`",
    label = "credentials are chosen once",
    note = "remove one of the two calls, or start a second builder: one client has one mode"
)]
pub trait CredentialsUnset {}
impl CredentialsUnset for Unset {}

/// A handle of this crate's API, with the clients it accepts.
///
/// Implemented by the endpoint handles ([`OpenAiFileUpload`](crate::OpenAiFileUpload), …). Sealed.
pub trait Endpoint: sealed::Handle {
    /// The mode whose clients are accepted, or [`AnyMode`].
    type Accepted;
    /// The handle that clients of another mode use in its place, or [`nothing`].
    type Elsewhere;
}

/// No handle: what [`Endpoint::Elsewhere`] is where clients of other modes have nothing of the kind.
#[derive(Debug)]
#[allow(non_camel_case_types, clippy::exhaustive_enums, reason = "a word of the compiler's message")]
pub enum nothing {}

/// Membership of a mode in a set of modes. Sealed through [`Mode`].
pub trait Within<Set>: Mode {}
impl Within<CodexBackend> for CodexBackend {}
impl Within<OpenAiApi> for OpenAiApi {}
impl<M: Mode> Within<AnyMode> for M {}

/// The gate: `M: Accepts<E>` holds when the endpoint `E` accepts a `Client<M>`.
///
/// Write it as a bound where a helper of yours is generic over the mode:
///
/// ```
/// use codex_backend::mode::Accepts;
/// use codex_backend::{Client, OpenAiFileUpload};
///
/// fn uploader<M: Accepts<OpenAiFileUpload>>(client: &Client<M>) -> OpenAiFileUpload {
///     OpenAiFileUpload::new(client)
/// }
/// ```
///
/// The other parameters exist for the compiler's message alone; leave them out.
#[diagnostic::on_unimplemented(
    message = "`{E}` does not accept a `Client<{Self}>`",
    label = "`{E}` needs a `Client<{Needed}>`",
    note = "what the other API has for this: `{Elsewhere}`",
    note = "`Client::builder()` with `.chatgpt(tokens)` builds a `Client<CodexBackend>`, with `.api_key(key)` a `Client<OpenAiApi>`",
    note = "a client whose mode is known only at run time is an `AnyClient`: `as_codex_backend()` or `as_openai_api()` narrows it"
)]
pub trait Accepts<E: Endpoint, Needed = <E as Endpoint>::Accepted, Elsewhere = <E as Endpoint>::Elsewhere>:
    Mode
{
}

// Without this attribute the compiler reports the inner bound on `Within`, and the sentence above is lost.
#[diagnostic::do_not_recommend]
impl<M, E> Accepts<E> for M
where
    E: Endpoint,
    M: Within<E::Accepted>,
{
}
