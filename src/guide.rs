//! Pages to read: how to do what takes more than one type. Nothing here is code to call.

pub mod credentials;
