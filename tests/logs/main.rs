//! What is logged. Alone in its process, because `tracing` keeps for the whole process which events anyone wants.

#[path = "../support"]
mod support {
    pub(crate) mod log;
}

mod responses;
mod upload;
