//! Agents: running a fleet of them.
//!
//! An agent identity needs no bearer token: it holds an Ed25519 key, registers a *task* at its start, and signs an
//! assertion for each request. It is a [`CodexBackend`](crate::CodexBackend) client like any other, and uses the same
//! endpoints. (Not every service of the backend accepts agents: some answer 401 whatever is sent.)
//!
//! # Where an agent comes from
//!
//! | you have | you call |
//! | --- | --- |
//! | a JWT (`CODEX_ACCESS_TOKEN`, `CODEX_AGENT_IDENTITY`) | [`AgentIdentity::from_jwt`](crate::auth::AgentIdentity::from_jwt): it is verified with the backend's keys |
//! | a record (a JSON object) | [`AgentIdentity::from_record`](crate::auth::AgentIdentity::from_record): no request |
//! | an `auth.json`, or another store | [`AgentIdentity::from_stored`](crate::auth::AgentIdentity::from_stored) |
//! | whatever this machine has | [`CodexAuth`](crate::CodexAuth), which finds the above in their order |
//! | ChatGPT tokens, and want a new agent | [`AgentIdentity::create`](crate::auth::AgentIdentity::create) |
//! | a ChatGPT login in a store | [`ManagedAgent`](crate::auth::ManagedAgent), which makes one and keeps it there |
//!
//! None of these sends requests yet: an [`AgentIdentity`](crate::auth::AgentIdentity) without a task does not fit into a client,
//! and the program does not compile.
//!
//! # One process, many agents
//!
//! Verify all JWTs with one context: it fetches the keys once. Register those that must work before the process reports
//! ready, so that a mistake shows at the start; let the rest register when they are first used.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use codex_backend::auth::AgentIdentity;
//! use codex_backend::{Client, CodexBackend, OpenAiFileUpload};
//!
//! # let backend = codex_backend::testing::Backend::start()?;
//! # let jwts = ["acct-1", "acct-2", "acct-3"].map(|account| backend.issue_agent_jwt(account));
//! # let builder = || backend.client();
//! let context = builder().auth_context()?;
//! let mut clients: Vec<Client<CodexBackend>> = Vec::new();
//! for (number, jwt) in jwts.into_iter().enumerate() {
//!     let identity = AgentIdentity::from_jwt(jwt, &context).await?;
//!     let client = match number {
//!         0 => builder().agent_identity(identity.register(&context).await?),
//!         _ => builder().agent_identity(identity.lazy()),
//!     };
//!     clients.push(client.build()?);
//! }
//! for client in &clients {
//!     OpenAiFileUpload::new(client).bytes("report.txt", "all is well").await?;
//! }
//! # Ok(()) }
//! ```
//!
//! # One agent, many processes
//!
//! Every process that holds the record is the agent, and registers a task of its own; nothing is shared, and nothing needs
//! a lock. To go on with a task of another process, or of the last run, keep what
//! [`RegisteredAgent::to_record`](crate::auth::RegisteredAgent::to_record) gives: it holds the task, which is then used without
//! registering again.
//!
//! Within a process, clone the agent or the client: all clones share the task, one registration answers any number of
//! first calls and refusals, and one signature serves all requests of a second.
//!
//! # Where to keep the key
//!
//! The JWT and the record both **hold the private key**: treat them as you treat the key.
//!
//! * Hand them to the process by a file that only its user can read, or by the secret store of your platform. A variable
//!   can be read by whoever may look at the process.
//! * The crate never sends a JWT or a key anywhere, shows neither in `Debug`, errors, logs or spans, and erases keys when
//!   they are dropped. What you read from a file or a variable yourself is yours to erase.
//! * There is no call that takes a key back. Give each deployment an agent of its own, so that a leak concerns one.
//! * [`AgentKey::generate`](crate::auth::AgentKey::generate) makes a key on the machine that uses it; only its public half is
//!   sent when the agent is registered.
//!
//! # What is persisted
//!
//! | agent from | what is written |
//! | --- | --- |
//! | a JWT, a record, `auth.json` with `auth_mode: agentIdentity` | nothing; a new task lives in memory |
//! | [`AgentIdentity::create`](crate::auth::AgentIdentity::create) | nothing: keep [`to_record`](crate::auth::AgentIdentity::to_record) |
//! | [`ManagedAgent`](crate::auth::ManagedAgent) | the record with its task, and each task that replaces a refused one, under `agent_identity` beside the login's tokens; what else is in the document stays |
//!
//! # When something is refused
//!
//! * A task that the backend does not know any more is replaced once, and the request sent once more. If that is refused
//!   too, the error says so ([`AgentIdentityError::TaskRefused`](crate::auth::AgentIdentityError::TaskRefused)).
//! * A clock that is more than a minute off is named, with the difference
//!   ([`AgentIdentityError::ClockSkew`](crate::auth::AgentIdentityError::ClockSkew)). Where you cannot set the clock, the agent
//!   can follow the server's: [`follow_server_clock`](crate::auth::AgentIdentity::follow_server_clock).
//! * Any other 401 is final: the agent, its account or its permission is the matter.
//! * A JWT that has expired cannot start an agent; one that was started with it goes on.
//!
//! # Tests of yours
//!
//! `testing::Backend` (feature `testing`) registers agents and tasks, seals task ids if asked to, verifies every
//! assertion, expires tasks, and signs JWTs with a key of its own.
