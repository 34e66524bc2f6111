//! The pages of the documentation that a newcomer meets first have an example: each handle, each public module.

use std::fs;
use std::path::Path;

use crate::support::declarations::{Endpoint, endpoints, root};

#[test]
fn every_handle_has_an_example() {
    for Endpoint { file, name, docs, .. } in endpoints() {
        assert!(
            has_example(&docs),
            "{}: the documentation of `{name}` has no example; it takes one that runs against the embedded backend",
            file.display()
        );
    }
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

fn has_example(documentation: &str) -> bool {
    documentation.lines().filter(|line| line.trim_start_matches(['/', '!', ' ']).starts_with("```")).count() >= 2
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}
