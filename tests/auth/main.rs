//! Credentials: which a client takes, where they are found and kept, how they are refreshed, and how they end.

#[path = "../support"]
mod support {
    pub(crate) mod capture;
    pub(crate) mod guard;
    pub(crate) mod raw;
    pub(crate) mod rounds;
    pub(crate) mod sign_in;
}
mod second_process;

mod auth_health;
mod bearer_commands;
mod codex_auth;
mod credentials;
mod host_tokens;
mod personal_access_tokens;
mod ready_made_headers;
mod refresh;
mod session_recovery;
mod sign_out;
mod stores;
mod workload_identity;
