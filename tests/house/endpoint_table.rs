//! The table of endpoints in the documentation of the crate, held against the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

type Rows = BTreeMap<(String, String), Row>;

/// A row of the table: when a request is sent again, and what bounds it.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    repeat: String,
    limit: String,
}

#[test]
fn every_request_has_its_row_and_every_row_its_request() {
    let (documented, declared) = (documented(), declared());
    assert!(declared.len() > 45, "{declared:#?}");
    for (request, row) in &declared {
        assert_eq!(documented.get(request), Some(row), "{request:?}");
    }
    for request in documented.keys() {
        assert!(declared.contains_key(request), "{request:?} is in the table and not in the code");
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

/// Rows by accepted clients, and method and path.
fn documented() -> Rows {
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
        let request = request.replace("`, followed", " (followed)");
        let row = Row { repeat: repeat.to_owned(), limit: limit.to_owned() };
        assert!(rows.insert((accepts.clone(), request), row).is_none(), "{line} is there twice");
    }
    rows
}

/// What the rooms of the endpoints declare.
fn declared() -> Rows {
    let mut rows = BTreeMap::new();
    for (room, source) in rooms() {
        for operation in operations(&source) {
            let Operation { name, method, path, repeat, pace } = operation;
            let repeat = match (name.as_str(), repeat.as_str()) {
                ("files.put", "Safe") => "yes, if the source can be read again",
                ("openai_files.create", "IfNotActedOn") => {
                    "only if the server did not act on it, and the source can be read again"
                }
                ("openai_files.content", "Safe") => "until its head has come",
                (_, "Safe") => "yes",
                (_, "IfNotActedOn") => "only if the server did not act on it",
                (_, "Never") => "never",
                (_, other) => panic!("{other}"),
            };
            let limit = match (name.as_str(), pace.as_str()) {
                ("models.catalogue", "Bounded") => "5 s",
                (_, "Bounded") => "attempt, call",
                (_, "IdleOnly") => "idle",
                (_, "Stream") => "stream idle",
                (_, other) => panic!("{other}"),
            };
            let accepts = match accepted_in(&room, &name, &path).as_str() {
                "AnyMode" => "any client".to_owned(),
                mode => format!("Client<{mode}>"),
            };
            let followed = if name == "responses.follow" { " (followed)" } else { "" };
            let row = Row { repeat: repeat.to_owned(), limit: limit.to_owned() };
            let request = format!("{method} {path}{followed}");
            assert!(rows.insert((accepts, request), row).is_none(), "{method} {path} is declared twice");
        }
    }
    // Whether it is sent again hangs on the request: two declarations are one row each.
    for (mode, request, repeat) in [
        ("CodexBackend", "POST {codex}/responses", "until the first event of the body has come"),
        (
            "OpenAiApi",
            "POST /responses",
            "if it is not kept, until the first event has come; else only if the server did not act on it",
        ),
    ] {
        let row = Row { repeat: repeat.to_owned(), limit: "stream idle".to_owned() };
        rows.insert((format!("Client<{mode}>"), request.to_owned()), row);
    }
    rows
}

struct Operation {
    name: String,
    method: String,
    path: String,
    repeat: String,
    pace: String,
}

/// The operations that a source declares: member by member, or by a function of the room that fills in what they share.
fn operations(source: &str) -> Vec<Operation> {
    let mut found = Vec::new();
    for declaration in source.split(": Operation =").skip(1).map(|rest| rest.split(";\n").next().unwrap().trim()) {
        let texts: Vec<&str> = declaration.split('"').skip(1).step_by(2).collect();
        let word = |before: &str| {
            let word = declaration.split(before).nth(1)?.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
            Some(word.to_owned())
        };
        let by_members = declaration.starts_with("Operation {");
        let (name, path, method, pace) = match texts[..] {
            // Of a stream that no server sends.
            ["responses.transcript", _] => continue,
            [name, path] => (name, path, word("Method::").unwrap_or("GET".to_owned()), "Bounded"),
            [path] if declaration.starts_with("compact(") => ("responses.compact", path, "POST".to_owned(), "Stream"),
            _ => panic!("{declaration}"),
        };
        let pace = if by_members { word("Pace::").unwrap() } else { pace.to_owned() };
        let (name, path) = (name.to_owned(), path.to_owned());
        found.push(Operation { name, method, path, repeat: word("Retries::").unwrap_or("Safe".to_owned()), pace });
    }
    found
}

/// The mode that the endpoint of an operation accepts: the only one of its room, or the one whose methods name it.
fn accepted_in(room: &str, operation: &str, path: &str) -> String {
    let sources: Vec<String> =
        rooms().into_iter().filter(|(other, _)| other == room).map(|(_, source)| source).collect();
    let all = sources.concat();
    let accepted: Vec<&str> =
        all.split("type Accepted = ").skip(1).map(|rest| rest.split(';').next().unwrap()).collect();
    match accepted[..] {
        [mode] => mode.to_owned(),
        _ if operation.ends_with(".featured") => "AnyMode".to_owned(),
        _ if accepted.contains(&"OpenAiApi") && !path.starts_with("{codex}") => "OpenAiApi".to_owned(),
        _ => "CodexBackend".to_owned(),
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
