//! One room for each endpoint family: its handle, its request builders, its wire types.

pub(crate) mod files;
pub(crate) mod usage;
