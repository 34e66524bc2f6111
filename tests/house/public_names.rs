//! The names of public types, as `public-api.txt` lists them: rustc prints a name short where no other type and no variant has
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::support::declarations::root;

#[test]
fn no_type_and_no_variant_repeats_the_name_of_a_type() {
    let api = fs::read_to_string(root().join("public-api.txt")).unwrap();
    let (mut types, mut variants) = (BTreeMap::<&str, BTreeSet<&str>>::new(), Vec::new());
    for line in api.lines().map(|line| line.trim_start_matches("#[non_exhaustive] ")) {
        let Some(item) = line.strip_prefix("pub ") else { continue };
        if let Some((kind, path)) = item.split_once(' ')
            && ["struct", "enum", "trait"].contains(&kind)
        {
            let path = path.split(['<', '(', ':', ' ']).filter(|part| !part.is_empty());
            let path: Vec<&str> =
                path.take_while(|part| part.chars().all(|c| c.is_alphanumeric() || c == '_')).collect();
            // Of a trait, what follows are the traits that it needs.
            let end = path.iter().position(|part| part.starts_with(char::is_uppercase)).unwrap_or(path.len() - 1);
            let module = if end > 1 { path[end - 1] } else { "" };
            types.entry(path[end]).or_default().insert(module);
        } else if let Some(path) = item.strip_prefix("codex_backend::") {
            let (path, holds) = path.split_once('(').unwrap_or((path, ""));
            let path: Vec<&str> = path.split(' ').next().unwrap().split("::").collect();
            // A variant may be named after what it holds.
            if let [.., of, variant] = path[..]
                && of.starts_with(char::is_uppercase)
                && variant.starts_with(char::is_uppercase)
                && !holds.ends_with(&format!("::{variant})"))
            {
                variants.push((of, variant));
            }
        }
    }
    assert!(types.len() > 300 && variants.len() > 300, "{} types, {} variants", types.len(), variants.len());
    let root = types.values().filter(|modules| modules.contains("")).count();
    assert!((30..=60).contains(&root), "{root} types in the root, which is for what most programs need");
    for (name, modules) in &types {
        // What is in the root as well is one type.
        let homes = modules.iter().filter(|module| !module.is_empty()).count();
        assert!(homes <= 1, "`{name}` is the name of a type in each of {modules:?}");
    }
    for (of, variant) in variants {
        // `Error` is a name of the standard library too, so it is never printed short; the others stand in no bound.
        let is_known = ["Credits", "Error", "UsageLimit"].contains(&variant);
        assert!(!types.contains_key(variant) || is_known, "`{of}::{variant}` repeats the name of a type");
    }
}
