//! What the sources declare: endpoints with the mode each accepts, modes, parameters.

use std::fs;
use std::path::Path;

#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) name: String,
    pub(crate) accepts: String,
    /// The client's method that makes the handle.
    pub(crate) accessor: String,
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    let mut found = Vec::new();
    in_folder(&crate::root().join("src/api"), &mut |source| found.extend(in_source(source)));
    found
}

/// Reads `endpoint! { pub Name by new, accessor where Mode: Accepts<Name> }`.
fn in_source(source: &str) -> Vec<Endpoint> {
    let code: Vec<&str> = source.lines().map(str::trim).filter(|line| !line.starts_with("//")).collect();
    let code = code.join(" ");
    let declarations = code.split("endpoint! {").skip(1).filter_map(|block| {
        let (name, rest) = block.split_once(" by new, ")?;
        let (accessor, rest) = rest.split_once(" where ")?;
        Some(Endpoint {
            name: name.rsplit(' ').next()?.to_owned(),
            accepts: rest.split_once(": ")?.0.to_owned(),
            accessor: accessor.split(',').next()?.to_owned(),
        })
    });
    declarations.collect()
}

#[test]
fn declarations_are_read() {
    for source in [
        "endpoint! {\n    /// A thing by new, where CodexBackend: Accepts.\n    pub Things by new, things where OpenAiApi: Accepts<Things>\n}",
        "endpoint! { Things by new, things, else CodexThings where OpenAiApi: Accepts<Things> }",
    ] {
        let [Endpoint { name, accepts, accessor }] = &in_source(source)[..] else { panic!("{source}") };
        assert_eq!((&name[..], &accepts[..], &accessor[..]), ("Things", "OpenAiApi", "things"), "{source}");
    }
}

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

fn in_folder(folder: &Path, read: &mut dyn FnMut(&str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            in_folder(&path, read);
        } else {
            read(&fs::read_to_string(&path).unwrap());
        }
    }
}
