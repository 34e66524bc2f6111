//! The plan of the house, held against the sources.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from the top of the house to the bottom: each may use those after it.
const ROOMS: [&str; 13] = [
    "guide",
    "testing",
    "transport",
    "api",
    "client",
    "call",
    "auth",
    "exchange",
    "environment",
    "mode",
    "error",
    "limits",
    "wire",
];

#[test]
fn no_room_knows_of_one_above_it() {
    let families = families();
    for (path, source) in sources() {
        let relative = path.strip_prefix(source_folder()).unwrap();
        let room = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        let Some(rank) = ROOMS.iter().position(|known| *known == room) else {
            assert_eq!(room, "lib", "{} belongs to no room", relative.display());
            continue;
        };
        let mut above: Vec<&str> = ROOMS[..rank].to_vec();
        if above.contains(&"api") {
            // The families stand in the crate's root as well.
            above.extend(families.iter().map(String::as_str));
        }
        for above in above {
            let code = source.split("\nmod tests {").next().unwrap();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                assert!(!line.contains(&format!("crate::{above}::")), "{}: {line}", relative.display());
            }
        }
    }
}

/// What `src/api.rs` declares.
fn families() -> Vec<String> {
    let source = fs::read_to_string(source_folder().join("api.rs")).unwrap();
    let modules = source.lines().filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';'));
    let modules: Vec<String> = modules.map(str::to_owned).collect();
    assert!(modules.iter().any(|module| module == "usage"), "{modules:?}");
    modules
}

/// Files use each other in one direction: what two of them need lives in a third. A file that does nothing with the items of
/// its modules but re-export them does not use them.
#[test]
fn no_files_of_a_room_form_a_circle() {
    let uses = Uses::of(&sources());
    let mut in_a_circle = BTreeSet::new();
    let mut message = String::new();
    for file in uses.edges.keys() {
        let Some(circle) = uses.shortest_circle(file).filter(|_| !in_a_circle.contains(file)) else { continue };
        message += "\n";
        for (user, used) in circle.iter().zip(circle.iter().cycle().skip(1)) {
            let (line, path) = &uses.edges[user][used];
            message += &format!("  src/{user}:{line} uses `{path}`, which lives in src/{used}\n");
        }
        in_a_circle.extend(circle);
    }
    assert!(
        message.is_empty(),
        "these files form circles. Move what both sides need into a file of its own:\n{message}"
    );
}

#[test]
fn every_file_says_what_lives_in_it() {
    for (path, source) in sources() {
        let first = source.lines().next().unwrap_or_default();
        assert!(
            first.strip_prefix("//! ").is_some_and(|words| words.trim().len() >= 10),
            "src/{} starts with {first:?}, not with a `//!` line that says what lives in it",
            path.strip_prefix(source_folder()).unwrap().display()
        );
    }
}

#[test]
fn a_circle_of_files_is_found() {
    let sources = [
        ("lib.rs", "mod room;\npub use self::room::{A, B};"),
        (
            "room.rs",
            "mod a;\nmod b;\nmod c;\npub use self::{a::A, b::{B, make as make_b}};\npub(crate) use self::c::C;",
        ),
        ("room/a.rs", "use std::fmt;\n\nuse super::{C, make_b};\npub struct A;"),
        ("room/b.rs", "pub struct B;\nfn make() -> B { super::a::A; B }\nmod inner { use super::B; }"),
        (
            "room/c.rs",
            "//! `super::A`\n// super::A\npub(in crate::room) struct C(&'static str, char);\n/* crate::room::A */\n\
             const X: C = C(\"super::A\", '\"');\n#[cfg(test)]\n#[rustfmt::skip]\nmod tests { use super::super::A; }",
        ),
    ];
    let sources = sources.map(|(path, source)| (source_folder().join(path), source.to_owned()));
    let uses = Uses::of(&sources);
    let circle = |file: &str| uses.shortest_circle(file).unwrap_or_default().join(" ");
    assert_eq!(circle("room/a.rs"), "room/a.rs room/b.rs");
    assert_eq!(circle("room/b.rs"), "room/b.rs room/a.rs");
    assert_eq!(uses.edges["room/a.rs"]["room/b.rs"], (3, "super::make_b".to_owned()));
    assert_eq!(uses.edges["room/b.rs"]["room/a.rs"], (2, "super::a::A".to_owned()));
    assert_eq!(uses.edges["room/a.rs"].len(), 2);
    for file in ["lib.rs", "room.rs", "room/c.rs"] {
        assert_eq!(circle(file), "");
        assert!(uses.edges[file].is_empty(), "{file}: {:?}", uses.edges[file]);
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
            } else if path.extension().is_some_and(|extension| extension == "rs") {
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

/// Which file uses which, where, and by what path. Files are named by their paths below `src`.
struct Uses {
    edges: BTreeMap<String, BTreeMap<String, (usize, String)>>,
}

impl Uses {
    fn of(sources: &[(PathBuf, String)]) -> Self {
        let mut modules = BTreeMap::new();
        for (path, source) in sources {
            let file = path.strip_prefix(source_folder()).unwrap().to_str().unwrap().replace('\\', "/");
            let mut module: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
            module.retain(|part| *part != "lib");
            Module::read(&tokens(source), module, &file, &mut modules);
        }
        let mut edges: BTreeMap<String, BTreeMap<String, (usize, String)>> = BTreeMap::new();
        for (path, module) in &modules {
            let edges = edges.entry(module.file.clone()).or_default();
            for (line, used) in &module.paths {
                if let Some(file) = file_of(&modules, path, used, 0).filter(|file| *file != module.file) {
                    edges.entry(file).or_insert((*line, used.join("::")));
                }
            }
        }
        Self { edges }
    }

    fn shortest_circle(&self, start: &str) -> Option<Vec<String>> {
        let mut before: BTreeMap<&str, &str> = BTreeMap::new();
        let mut waiting = VecDeque::from([start]);
        while let Some(user) = waiting.pop_front() {
            for used in self.edges.get(user)?.keys() {
                if used == start {
                    let back = std::iter::successors(Some(user), |file| before.get(file).copied());
                    let mut circle: Vec<String> = back.map(str::to_owned).collect();
                    circle.reverse();
                    return Some(circle);
                }
                if !before.contains_key(used.as_str()) {
                    before.insert(used, user);
                    waiting.push_back(used);
                }
            }
        }
        None
    }
}

/// What stands in a module, be it a file or written out in one.
#[derive(Default)]
struct Module {
    file: String,
    /// By the names that they have here.
    imports: BTreeMap<String, Vec<String>>,
    /// What is used, and in which line.
    paths: Vec<(usize, Vec<String>)>,
}

impl Module {
    fn read(tokens: &[Token], path: Vec<String>, file: &str, modules: &mut BTreeMap<Vec<String>, Self>) {
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
        let mut module = Self { file: file.to_owned(), ..Self::default() };
        let (mut mentioned, mut re_exported) = (BTreeSet::new(), Vec::new());
        let (mut at, mut depth) = (0, 0_usize);
        while at < tokens.len() {
            match (text(at), text(at + 1)) {
                ("#", "[" | "!") => {
                    let is_test = (0..7).map(|next| text(at + next)).eq(["#", "[", "cfg", "(", "test", ")", "]"]);
                    at = end_of(tokens, at, "]");
                    if is_test {
                        while text(at) == "#" {
                            at = end_of(tokens, at, "]");
                        }
                        at = end_of(tokens, at, "}");
                    }
                    continue;
                }
                ("pub", "(") if text(at + 2) == "in" => at = end_of(tokens, at, ")") - 1,
                ("mod", name) if text(at + 2) == "{" => {
                    let end = end_of(tokens, at, "}");
                    let inner = [&path[..], &[name.to_owned()]].concat();
                    Self::read(&tokens[at + 3..end - 1], inner, file, modules);
                    at = end;
                    continue;
                }
                ("use", next) if next != "<" => {
                    let end = at + tokens[at..].iter().position(|token| token.text == ";").unwrap();
                    let is_re_export = at > 0 && ["pub", ")"].contains(&text(at - 1));
                    for (name, used) in use_tree(&tokens[at + 1..end]) {
                        let used_at = (tokens[at].line, used.clone());
                        if is_re_export {
                            re_exported.push((name.clone(), used_at));
                        } else {
                            module.paths.push(used_at);
                        }
                        if depth == 0 && used.len() > 1 {
                            module.imports.insert(name, used);
                        }
                    }
                    at = end;
                }
                ("{", _) => depth += 1,
                ("}", _) => depth -= 1,
                (name, next) => {
                    mentioned.insert(name.to_owned());
                    if next == "::" && at.checked_sub(1).is_none_or(|before| text(before) != "::") {
                        let line = tokens[at].line;
                        let mut used = vec![name.to_owned()];
                        while text(at + 1) == "::" && is_identifier(text(at + 2)) {
                            used.push(text(at + 2).to_owned());
                            mentioned.insert(text(at + 2).to_owned());
                            at += 2;
                        }
                        module.paths.push((line, used));
                    }
                }
            }
            at += 1;
        }
        module.paths.extend(re_exported.into_iter().filter(|(name, _)| mentioned.contains(name)).map(|(_, used)| used));
        modules.insert(path, module);
    }
}

/// Behind the item or attribute that begins here: behind the first bracket of that kind that closes it, or a semicolon.
fn end_of(tokens: &[Token], start: usize, closing: &str) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 && (token.text == closing || token.text == ";") {
            return at + 1;
        }
    }
    tokens.len()
}

/// The paths that a `use` brings in, with the names they get.
fn use_tree(tokens: &[Token]) -> Vec<(String, Vec<String>)> {
    let mut prefix = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "::" => {}
            "as" => return vec![(tokens[at + 1].text.clone(), prefix)],
            "{" => {
                let (mut found, mut depth) = (Vec::new(), 0);
                let inner = &tokens[at + 1..tokens.len() - 1];
                let branches = inner.split(|token| {
                    depth += i32::from(token.text == "{") - i32::from(token.text == "}");
                    depth == 0 && token.text == ","
                });
                for (name, rest) in branches.filter(|branch| !branch.is_empty()).flat_map(use_tree) {
                    let whole = prefix.iter().cloned().chain(rest).filter(|part| part != "*");
                    found.push((name, whole.collect()));
                }
                return found;
            }
            part => prefix.push(part.to_owned()),
        }
    }
    if prefix.len() > 1 && prefix.last().is_some_and(|last| last == "self" || last == "*") {
        prefix.pop();
    }
    vec![(prefix.last().cloned().unwrap_or_default(), prefix)]
}

/// The file that defines what a path names in a module; `None` for what is not of this crate.
fn file_of(
    modules: &BTreeMap<Vec<String>, Module>,
    from: &[String],
    path: &[String],
    followed: usize,
) -> Option<String> {
    assert!(followed < 20, "{path:?} in {from:?} is imported in a circle");
    let mut module = from.to_vec();
    for (at, part) in path.iter().enumerate() {
        let child = [&module[..], std::slice::from_ref(part)].concat();
        match part.as_str() {
            "crate" if at == 0 => module.clear(),
            "self" => {}
            "super" => drop(module.pop()),
            _ if modules.contains_key(&child) => module = child,
            name => {
                return match modules[&module].imports.get(name) {
                    // What has the name of its crate.
                    Some(import) if at == 0 && import[0] == name => None,
                    Some(import) => {
                        let whole = [&import[..], &path[at + 1..]].concat();
                        file_of(modules, &module, &whole, followed + 1)
                    }
                    None if at == 0 => None,
                    None => Some(modules[&module].file.clone()),
                };
            }
        }
    }
    Some(modules[&module].file.clone())
}

struct Token {
    line: usize,
    text: String,
}

/// The code without comments and literals: identifiers, `::`, and single characters.
fn tokens(source: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let literal = rest.trim_start_matches(['b', 'r', 'c']);
        let hashes = literal.len() - literal.trim_start_matches('#').len();
        let prefix = rest.len() - literal.len();
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").unwrap() + 2
        } else if prefix <= 2 && rest[..prefix].contains('r') && literal[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            prefix + hashes + 1 + literal[hashes + 1..].find(&end).unwrap() + end.len()
        } else if prefix <= 1 && literal.starts_with('"') {
            prefix + quoted(literal)
        } else if first == '\'' {
            // A lifetime has no quote behind its first character.
            let character = rest[1..].chars().next().unwrap();
            match character {
                '\\' => quoted(rest),
                _ if rest[1 + character.len_utf8()..].starts_with('\'') => character.len_utf8() + 2,
                _ => 1,
            }
        } else if is_identifier(rest) {
            let length = rest.find(|next: char| !(next.is_alphanumeric() || next == '_')).unwrap_or(rest.len());
            found.push(Token { line, text: rest[..length].to_owned() });
            length
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            if !first.is_whitespace() {
                found.push(Token { line, text: rest[..length].to_owned() });
            }
            length
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

/// How long a literal is that begins with a quote and may hold escapes.
fn quoted(literal: &str) -> usize {
    let quote = literal.chars().next().unwrap();
    let mut escaped = false;
    let closing = literal.char_indices().skip(1).find(|(_, character)| {
        let closes = *character == quote && !escaped;
        escaped = *character == '\\' && !escaped;
        closes
    });
    closing.unwrap().0 + 1
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}
