//! The pages of the documentation that a newcomer meets first have an example: each handle, each public module.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_handle_has_an_example() {
    let mut handles = 0;
    visit(&root().join("src/api"), &mut |path, source| {
        for (handle, documentation) in handles_of(source) {
            handles += 1;
            assert!(
                has_example(&documentation),
                "{}: the documentation of `{handle}` has no example; it takes one that runs against the embedded backend",
                path.strip_prefix(root()).unwrap().display()
            );
        }
    });
    assert!(handles > 12, "only {handles} handles were found");
}

#[test]
fn every_public_module_has_an_example() {
    let mut modules = 0;
    for (parent, folder) in [("src/lib.rs", "src"), ("src/api.rs", "src/api")] {
        for module in read(&root().join(parent)).lines().filter_map(|line| line.strip_prefix("pub mod ")) {
            let file = format!("{folder}/{}.rs", module.trim_end_matches(';'));
            let source = read(&root().join(&file));
            let page: Vec<&str> = source.lines().take_while(|line| line.starts_with("//!")).collect();
            modules += 1;
            // The guide is nothing but pages, which have examples of their own.
            assert!(has_example(&page.join("\n")) || module == "guide;", "{file}: the module's page has no example");
        }
    }
    assert!(modules > 12, "only {modules} modules were found");
}

#[test]
fn the_documentation_of_handles_is_found() {
    let source = "/// Whose.\n/// ```\n/// ```\n#[derive(Clone)]\npub struct Things {\n    a: u8,\n}\n\n/// Of another.\n\
                  pub struct Other;\nendpoint! { Things by new, things where OpenAiApi: Accepts<Things> }\n\
                  endpoint! {\n    /// Parts of {id}.\n    #[doc(alias = \"x\")]\n    pub Parts by new, parts, else Things where \
                  CodexBackend: Accepts<Parts>\n}\n/// endpoint! { pub Usage by new }\n";
    let [(things, whole), (parts, bare)] = &handles_of(source)[..] else { panic!("{:?}", handles_of(source)) };
    assert_eq!((&things[..], &parts[..]), ("Things", "Parts"));
    assert!(has_example(whole) && !whole.contains("Of another"), "{whole}");
    assert!(!has_example(bare) && bare.contains("Parts of {id}."), "{bare}");
}

/// Handles with their documentation: of `endpoint! { /// … pub Name by new, … }`, or, where the declaration has no `pub`, of
/// the struct of that name.
fn handles_of(source: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let starts = (0..lines.len()).filter(|start| lines[*start].starts_with("endpoint! {"));
    let handles = starts.filter_map(|start| {
        let is_declaration = |line: &&str| line.contains(" by new, ") && !line.starts_with("//");
        let end = start + lines[start..].iter().position(is_declaration)?;
        let name = lines[end].split(" by new, ").next()?.rsplit(' ').next()?.to_owned();
        let described = match lines[end].starts_with("pub ") {
            true => &lines[start..end],
            false => {
                let declaration = format!("pub struct {name} ");
                &lines[..lines.iter().position(|line| line.starts_with(&declaration))?]
            }
        };
        let is_part = |line: &&&str| line.starts_with("///") || line.starts_with("#[");
        let mut documentation: Vec<&str> = described.iter().rev().take_while(is_part).copied().collect();
        documentation.reverse();
        Some((name, documentation.join("\n")))
    });
    handles.collect()
}

fn has_example(documentation: &str) -> bool {
    documentation.lines().filter(|line| line.trim_start_matches(['/', '!', ' ']).starts_with("```")).count() >= 2
}

fn visit(folder: &Path, read_source: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, read_source);
        } else {
            read_source(&path, &read(&path));
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}
