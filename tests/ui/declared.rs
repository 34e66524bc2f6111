//! What the sources declare: modes, and parameters of requests to models.

use std::fs;

pub(crate) fn modes() -> Vec<String> {
    let source = fs::read_to_string(crate::root().join("src/mode.rs")).unwrap();
    let modes = source.split("\nimpl Mode for ").skip(1).map(|rest| rest.split(' ').next().unwrap().to_owned());
    let modes: Vec<String> = modes.collect();
    assert!(modes.len() >= 3, "{modes:?}");
    modes
}

/// The parameters of requests to models that not every route takes.
pub(crate) fn parameters() -> Vec<String> {
    let source = fs::read_to_string(crate::root().join("src/mode/responses.rs")).unwrap();
    let names = source.rsplit_once("parameters! {").unwrap().1.split('}').next().unwrap();
    names.split_whitespace().map(str::to_owned).collect()
}
