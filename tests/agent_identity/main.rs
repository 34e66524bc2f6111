//! Agent identities, against the embedded backend: the vectors, the life of a task, every way to fail, and what is shown.

#[allow(dead_code, reason = "secrets are told here one by one, not by a mark in them")]
#[path = "../support/capture.rs"]
mod capture;

mod bootstrap;
mod clocks;
mod demands;
mod errors;
mod headers;
mod keys;
mod loading;
mod properties;
#[path = "../support/rounds.rs"]
mod rounds;
mod secrets;
mod support;
mod tasks;
mod vectors;
