//! A call over real sockets: retries, time-outs, refused credentials, proxies and TLS.

#[path = "../support"]
mod support {
    pub(crate) mod clock;
    pub(crate) mod guard;
    pub(crate) mod raw;
}

mod auth_recovery;
mod calls;
mod network;
mod trickle;
