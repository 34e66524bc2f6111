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

/// Reads `endpoint! { pub Name accepts Mode as accessor; }` and what it stands for.
fn in_source(source: &str) -> Vec<Endpoint> {
    let code: Vec<&str> = source.lines().map(str::trim).filter(|line| !line.starts_with("//")).collect();
    let code = code.join(" ");
    let word_after = |text: &str, before: &str| {
        let rest = text.split_once(before)?.1;
        Some(rest.split(|it: char| !it.is_alphanumeric() && it != '_').next()?.to_owned())
    };
    let by_macro = code.split("endpoint! {").skip(1).filter_map(|block| {
        Some(Endpoint {
            name: word_after(block, "pub ")?,
            accepts: word_after(block, " accepts ")?,
            accessor: word_after(block, " as ")?,
        })
    });
    let by_hand = code.split("impl Endpoint for ").skip(1).filter_map(|block| {
        let name = word_after(&format!(" {block}"), " ")?;
        let before_type = code.split_once(&format!("(&self) -> {name} "))?.0;
        Some(Endpoint {
            accepts: word_after(block, "type Accepted = ")?,
            accessor: before_type.rsplit(' ').next()?.to_owned(),
            name,
        })
    });
    by_macro.chain(by_hand).collect()
}

#[test]
fn both_forms_of_a_declaration_are_read() {
    let by_hand = "impl Endpoint for Things {\n    type Accepted = OpenAiApi;\n}\n\
                   impl<M> Client<M> {\n    pub fn things(&self) -> Things\n    where\n        M: Accepts<Things>,\n{}}";
    let by_macro = "endpoint! {\n    /// A pub thing as such.\n    #[derive(Debug)]\n    pub Things accepts OpenAiApi as things;\n}";
    for source in [by_hand, by_macro] {
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
