//! What holds for the whole crate: its plan, its documentation, its examples, what it reads and what it never shows.

#[path = "../support"]
mod support {
    #[allow(dead_code, reason = "secrets are told here in more ways than by their mark")]
    pub(crate) mod capture;
    pub(crate) mod clock;
    pub(crate) mod declarations;
    pub(crate) mod guard;
    pub(crate) mod raw;
    pub(crate) mod rounds;
}

mod architecture;
mod corpora;
mod documentation;
mod endpoint_table;
mod examples;
mod public_names;
mod readme;
mod secrets;
mod testing_routes;
mod wire_types;
