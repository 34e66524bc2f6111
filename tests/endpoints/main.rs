//! The simple endpoints of the Codex backend, over real sockets.

#[path = "../support/clock.rs"]
mod clock;
#[path = "../support/declarations.rs"]
#[allow(dead_code, reason = "not all of it is looked at here")]
mod declarations;
#[path = "../support/raw.rs"]
mod raw;
mod support;

mod accounts;
mod apply;
mod diffs;
mod directory;
mod environments;
#[cfg(feature = "managed-config")]
mod managed_config;
mod models;
mod paging;
mod parity;
mod retries;
mod skills;
mod tasks;
mod tolerance;
mod usage;
mod wait;
