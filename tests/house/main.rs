//! What holds for the whole crate: its plan, its documentation, its examples, what it reads and what it never shows.

#[path = "../support"]
mod support {
    pub(crate) mod clock;
    pub(crate) mod raw;
}

mod architecture;
mod corpora;
mod endpoint_table;
mod examples;
mod secrets;
mod wire_types;
