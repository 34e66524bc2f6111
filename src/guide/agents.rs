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
//! | a ChatGPT sign-in in a store | [`ManagedAgent`](crate::auth::ManagedAgent), which makes one and keeps it there |
//!
//! An [`AgentIdentity`](crate::auth::AgentIdentity) has no task yet, and cannot be given to a client: that does not compile.
//! [`register`](crate::auth::AgentIdentity::register) it at once, or let it register before its first request, with
//! [`lazy`](crate::auth::AgentIdentity::lazy).
//!
//! # One process, many agents
//!
//! Verify all JWTs with one context, which fetches the backend's keys once. Register the agents that must work before the
//! process reports that it is ready, so that a mistake shows at the start; let the others register at their first request.
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
//! Every process that holds the record can work as the agent. Each registers a task of its own; nothing is shared, and no
//! lock is needed. To use the task of another process, or of an earlier run, keep the record that
//! [`RegisteredAgent::to_record`](crate::auth::RegisteredAgent::to_record) gives: it holds the task as well, and an agent
//! that is loaded from it does not register another.
//!
//! Within a process, clone the agent or the client. All clones share the task; any number of calls that find no task, or a
//! refused one, cause one registration (single-flight); and one signature serves all requests of a second.
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
//! | [`ManagedAgent`](crate::auth::ManagedAgent) | the record with its task, and each task that replaces a refused one, under `agent_identity` beside the sign-in's tokens; what else is in the document stays |
//!
//! # When something is refused
//!
//! * A task that the backend does not know any more is replaced, once in a call, and the request is retried. If the new task
//!   is refused too, the call fails with [`AgentIdentityError::TaskRefused`](crate::auth::AgentIdentityError::TaskRefused).
//! * If the machine's clock is off by more than a minute, the error tells the difference
//!   ([`AgentIdentityError::WrongClock`](crate::auth::AgentIdentityError::WrongClock)). Where you cannot set the clock, the
//!   agent can follow the server's: [`follow_server_clock`](crate::auth::AgentIdentity::follow_server_clock).
//! * Any other 401 is final: the agent is not accepted, or its account or its permissions do not allow the request.
//! * An agent cannot be loaded from a JWT that has expired. One that was loaded before keeps working.
//!
//! # Testing
//!
//! `testing::Backend` (feature `testing`) registers agents and tasks, encrypts task ids if asked to, verifies every
//! assertion, expires tasks, and signs JWTs with a key of its own.
