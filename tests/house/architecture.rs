//! The plan of the house, held against the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from the top of the house to the bottom: each may use those after it.
const ROOMS: [&str; 11] =
    ["guide", "testing", "api", "client", "call", "auth", "exchange", "environment", "mode", "error", "limits"];

#[test]
fn no_room_knows_of_one_above_it() {
    for (path, source) in sources() {
        let relative = path.strip_prefix(source_folder()).unwrap();
        let room = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        let Some(rank) = ROOMS.iter().position(|known| *known == room) else {
            assert_eq!(room, "lib", "{} belongs to no room", relative.display());
            continue;
        };
        for above in &ROOMS[..rank] {
            for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
                assert!(!line.contains(&format!("crate::{above}::")), "{}: {line}", relative.display());
            }
        }
    }
}

#[test]
fn every_room_is_described() {
    let described = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    for room in ROOMS {
        assert!(
            described.contains(&format!("`src/{room}.rs`")) || described.contains(&format!("`src/{room}/`")),
            "{room}"
        );
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let described = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let names: Vec<&str> = dependencies.lines().filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
    assert!(names.contains(&"reqwest"), "{names:?}");
    for name in names {
        assert!(described.contains(&format!("`{name}`")), "{name} has no reason in ARCHITECTURE.md");
    }
}

#[test]
fn the_environment_is_read_in_one_place() {
    for (path, source) in sources() {
        let reads = source.contains("env::var");
        assert_eq!(reads, path.ends_with("environment.rs"), "{}", path.display());
    }
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<(PathBuf, String)> {
    fn visit(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, found);
            } else {
                let source = fs::read_to_string(&path).unwrap();
                found.push((path, source));
            }
        }
    }
    let mut found = Vec::new();
    visit(&source_folder(), &mut found);
    assert!(found.len() > 20);
    found
}
