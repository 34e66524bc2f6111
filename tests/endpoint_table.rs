//! The table of endpoints in the documentation of the crate, held against the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A row of the table: the endpoint's accepted clients, when a request is sent again, and what bounds it.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    accepts: String,
    repeat: String,
    limit: String,
}

#[test]
fn every_request_has_its_row_and_every_row_its_request() {
    let (documented, declared) = (documented(), declared());
    assert!(declared.len() > 25, "{declared:#?}");
    for (request, row) in &declared {
        assert_eq!(documented.get(request), Some(row), "{request}");
    }
    for request in documented.keys() {
        assert!(declared.contains_key(request), "{request} is in the table and not in the code");
    }
}

#[test]
fn every_endpoint_is_in_the_table_and_in_the_readers_hands() {
    let library = read(&root().join("src/lib.rs"));
    for (_, source) in rooms() {
        for endpoint in source.split("impl Endpoint for ").skip(1).map(|rest| rest.split([' ', '{']).next().unwrap()) {
            assert!(library.contains(&format!("//! | [`{endpoint}`]")), "{endpoint} has no row");
        }
    }
}

/// Rows by method and path.
fn documented() -> BTreeMap<String, Row> {
    let library = read(&root().join("src/lib.rs"));
    let mut accepts = String::new();
    let mut rows = BTreeMap::new();
    let table = library.split("//! # Endpoints").nth(1).unwrap().split("//! # ").next().unwrap();
    for line in table.lines().filter_map(|line| line.strip_prefix("//! | ")).skip(2) {
        let cells: Vec<&str> = line.trim_end_matches('|').split('|').map(str::trim).collect();
        let [endpoint, clients, request, repeat, limit] = cells[..] else { panic!("{line}") };
        if !endpoint.is_empty() {
            accepts = clients.trim_matches('`').to_owned();
        }
        let request = match request.strip_prefix("`PUT` to a signed URL") {
            Some(_) => "PUT (signed URL)".to_owned(),
            None => request.trim_matches('`').to_owned(),
        };
        let row = Row { accepts: accepts.clone(), repeat: repeat.to_owned(), limit: limit.to_owned() };
        assert!(rows.insert(request, row).is_none(), "{line} is there twice");
    }
    rows
}

/// What the rooms of the endpoints declare.
fn declared() -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for (room, source) in rooms() {
        for block in source.split(": Operation = Operation {").skip(1).map(|rest| rest.split("};").next().unwrap()) {
            let member = |name: &str| {
                let found = block.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
                found.unwrap_or_else(|| panic!("{name} in {block}")).trim_end_matches(',').to_owned()
            };
            let operation = member("name").trim_matches('"').to_owned();
            let method = member("method").replace("Method::", "");
            let path = member("path").trim_matches('"').to_owned();
            let repeat = match (operation.as_str(), member("repeat").as_str()) {
                ("files.put", "Repeat::Safe") => "yes, if the source can be read again",
                (_, "Repeat::Safe") => "yes",
                (_, "Repeat::IfNotActedOn") => "only if the server did not act on it",
                (_, "Repeat::Never") => "never",
                (_, other) => panic!("{other}"),
            };
            let limit = match member("pace").as_str() {
                "Pace::Bounded" => "attempt, call",
                "Pace::IdleOnly" => "idle",
                other => panic!("{other}"),
            };
            let accepts = match accepted_in(&room, &operation).as_str() {
                "AnyMode" => "any client".to_owned(),
                mode => format!("Client<{mode}>"),
            };
            let row = Row { accepts, repeat: repeat.to_owned(), limit: limit.to_owned() };
            assert!(rows.insert(format!("{method} {path}"), row).is_none(), "{method} {path} is declared twice");
        }
    }
    rows
}

/// The mode that the endpoint of an operation accepts: the only one of its room, or the one whose methods name it.
fn accepted_in(room: &str, operation: &str) -> String {
    let sources: Vec<String> =
        rooms().into_iter().filter(|(other, _)| other == room).map(|(_, source)| source).collect();
    let all = sources.concat();
    let accepted: Vec<&str> =
        all.split("type Accepted = ").skip(1).map(|rest| rest.split(';').next().unwrap()).collect();
    match accepted[..] {
        [mode] => mode.to_owned(),
        _ => if operation.ends_with(".featured") { "AnyMode" } else { "CodexBackend" }.to_owned(),
    }
}

/// The sources of the endpoints, with the room that each belongs to.
fn rooms() -> Vec<(String, String)> {
    fn visit(folder: &Path, room: Option<&str>, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let room = room.unwrap_or(&name);
            if path.is_dir() {
                visit(&path, Some(room), found);
            } else {
                found.push((room.to_owned(), read(&path)));
            }
        }
    }
    let mut found = Vec::new();
    visit(&root().join("src/api"), None, &mut found);
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}
