//! What the compiler says about wrong programs, and that it accepts the right ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The whole text of each message, on the compiler it was recorded with. `TRYBUILD=overwrite` records it anew.
#[rustversion::stable(1.95)]
#[test]
fn messages_read_as_recorded() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui-tests/fail/*.rs");
    cases.pass("ui-tests/pass/*.rs");
}

/// On any compiler: each wrong program has one error, with the code and headline that its first lines state.
#[test]
fn each_mistake_is_one_error_with_its_headline() {
    let fixtures = fixtures("ui-tests/fail");
    let errors = compile(&fixtures);
    for (name, path) in &fixtures {
        let source = fs::read_to_string(path).unwrap();
        let mut stated = source.lines().map_while(|line| line.strip_prefix("//~ "));
        let headline = stated.next().unwrap_or_else(|| panic!("{name} does not state its headline"));
        let errors = errors.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        assert_eq!(errors.len(), 1, "{name} has {} errors: {errors:#?}", errors.len());
        let error = &errors[0];
        let code = error["code"]["code"].as_str().unwrap_or("no code");
        assert_eq!(format!("{code}: {}", error["message"].as_str().unwrap()), headline, "{name}");
        for line in stated {
            let (kind, text) = line.split_once(": ").unwrap_or_else(|| panic!("{name}: {line}"));
            let said: Vec<&str> = match kind {
                "label" => {
                    error["spans"].as_array().unwrap().iter().filter_map(|span| span["label"].as_str()).collect()
                }
                "note" => {
                    let children = error["children"].as_array().unwrap().iter();
                    children
                        .filter(|child| child["level"] == "note")
                        .filter_map(|child| child["message"].as_str())
                        .collect()
                }
                _ => panic!("{name}: {line}"),
            };
            assert!(said.iter().any(|said| said.contains(text)), "{name} has no {kind} {text:?} in {said:#?}");
        }
    }
}

/// Every endpoint has a wrong program for every mode that it refuses.
#[test]
fn every_endpoint_has_a_fixture_for_each_wrong_mode() {
    const MODES: [&str; 3] = ["CodexBackend", "OpenAiApi", "NoAuth"];
    let headlines: Vec<String> = fixtures("ui-tests/fail")
        .values()
        .map(|path| fs::read_to_string(path).unwrap().lines().next().unwrap().to_owned())
        .collect();
    let endpoints = endpoints(Path::new("src/api"));
    assert!(endpoints.contains_key("OpenAiFileUpload"), "{endpoints:?}");
    for (endpoint, accepted) in endpoints {
        for mode in MODES.iter().filter(|mode| accepted != **mode && accepted != "AnyMode") {
            let headline = format!("//~ E0277: `{endpoint}` does not accept a `Client<{mode}>`");
            assert!(headlines.contains(&headline), "no fixture in ui-tests/fail starts with {headline}");
        }
    }
}

fn fixtures(folder: &str) -> BTreeMap<String, PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let sources = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    sources.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

/// The endpoints that the source declares, and the mode each accepts.
fn endpoints(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(endpoints(&path));
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        for block in source.split("impl Endpoint for ").skip(1) {
            let name = block.split([' ', '{']).next().unwrap();
            let accepted = block.split("type Accepted = ").nth(1).unwrap().split(';').next().unwrap();
            found.insert(name.to_owned(), accepted.to_owned());
        }
    }
    found
}

/// Checks each program on its own and gathers its errors, without the closing "could not compile" summary.
fn compile(programs: &BTreeMap<String, PathBuf>) -> BTreeMap<String, Vec<Value>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui");
    fs::create_dir_all(package.join("src")).unwrap();
    let mut manifest = format!(
        "[package]\nname = \"ui\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         codex-backend = {{ path = {root:?}, features = [\"managed-config\", \"zstd\"] }}\nserde_json = \"1\"\n"
    );
    for (name, path) in programs {
        manifest += &format!("[[bin]]\nname = {name:?}\npath = {path:?}\n");
    }
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--keep-going", "--bins", "--message-format=json", "--quiet"])
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", package.join("target"))
        .output()
        .unwrap();
    let mut errors: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        let diagnostic = &message["message"];
        let is_summary = diagnostic["message"].as_str().is_some_and(|text| text.starts_with("aborting due to"));
        if message["reason"] == "compiler-message" && diagnostic["level"] == "error" && !is_summary {
            let name = message["target"]["name"].as_str().unwrap().to_owned();
            errors.entry(name).or_default().push(diagnostic.clone());
        }
    }
    assert!(!errors.is_empty(), "nothing was compiled: {}", String::from_utf8_lossy(&output.stderr));
    errors
}
