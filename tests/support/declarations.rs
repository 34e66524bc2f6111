//! What the sources of `src/api` declare: handles by `endpoint!`, and their operations by `operations!`.

use std::fs;
use std::path::{Path, PathBuf};

/// A handle: the mode whose clients it accepts, and the client's method that makes it.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) file: PathBuf,
    pub(crate) name: String,
    pub(crate) accepts: String,
    pub(crate) accessor: String,
    pub(crate) docs: String,
}

/// An operation: a request of a handle.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) file: PathBuf,
    pub(crate) handle: String,
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) path: String,
    /// The word of the declaration, and what the documentation says in place of its usual text.
    pub(crate) retries: (String, Option<String>),
    pub(crate) pace: (String, Option<String>),
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    sources().iter().flat_map(|(file, source)| endpoints_in(file, source)).collect()
}

pub(crate) fn operations() -> Vec<Operation> {
    sources().iter().flat_map(|(file, source)| operations_in(file, source)).collect()
}

/// Reads `endpoint! { /// docs… pub Name by new, accessor, else Other where Mode: Accepts<Name> }`. The documentation of a
/// handle that is a struct of its own stands at the struct.
fn endpoints_in(file: &Path, source: &str) -> Vec<Endpoint> {
    let blocks = source.split("endpoint! {").skip(1);
    let read = |block: &str| {
        let code: Vec<&str> = block.lines().map(str::trim).filter(|line| !line.starts_with("//")).collect();
        let code = code.join(" ");
        let (name, rest) = code.split_once(" by new, ")?;
        let (accessor, rest) = rest.split_once(" where ")?;
        let name = name.rsplit(' ').next()?.to_owned();
        let docs = match source.split_once(&format!("pub struct {name} ")) {
            Some((before, _)) => before.rsplit("\n\n").next()?,
            None => block.split(" by new, ").next()?,
        };
        let docs: Vec<&str> = docs.lines().filter_map(|line| line.trim_start().strip_prefix("///")).collect();
        Some(Endpoint {
            file: file.to_owned(),
            accepts: rest.split_once(": ")?.0.to_owned(),
            accessor: accessor.split(',').next()?.to_owned(),
            docs: docs.join("\n"),
            name,
        })
    };
    blocks.filter_map(read).collect()
}

/// Reads the rows `CONSTANT: "name" = METHOD "path", Retries as "text", Pace as "text";` of `operations! { for Handle; … }`.
fn operations_in(file: &Path, source: &str) -> Vec<Operation> {
    let mut found = Vec::new();
    for block in source.split("operations! {").skip(1) {
        let code: Vec<&str> = block.split("\n}").next().unwrap_or_default().lines().map(str::trim).collect();
        let code: Vec<&str> = code.into_iter().filter(|line| !line.starts_with("//")).collect();
        let code = code.join(" ");
        let Some((handle, rows)) = code.trim_start().strip_prefix("for ").and_then(|code| code.split_once(';')) else {
            continue;
        };
        // The texts may hold a semicolon.
        let mut rest = rows.trim();
        while let Some((_, after)) = rest.split_once(": \"") {
            let (name, after) = after.split_once("\" = ").unwrap();
            let (method, after) = after.split_once(" \"").unwrap();
            let (path, after) = after.split_once("\", ").unwrap();
            let (retries, after) = word_and_text(after, ',');
            let (pace, after) = word_and_text(after.trim_start(), ';');
            found.push(Operation {
                file: file.to_owned(),
                handle: handle.to_owned(),
                name: name.to_owned(),
                method: method.to_owned(),
                path: path.to_owned(),
                retries,
                pace,
            });
            rest = after;
        }
    }
    found
}

/// `Word` or `Word as "text"`, up to the mark behind it.
fn word_and_text(code: &str, end: char) -> ((String, Option<String>), &str) {
    let word_ends = code.find(|c: char| !c.is_ascii_alphanumeric()).unwrap();
    let (word, rest) = code.split_at(word_ends);
    match rest.strip_prefix(" as \"") {
        Some(rest) => {
            let (text, rest) = rest.split_once('"').unwrap();
            ((word.to_owned(), Some(text.to_owned())), rest.strip_prefix(end).unwrap())
        }
        None => ((word.to_owned(), None), rest.strip_prefix(end).unwrap()),
    }
}

/// The sources of the families, by name.
pub(crate) fn sources() -> Vec<(PathBuf, String)> {
    fn visit(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, found);
            } else if !path.ends_with("endpoint.rs") {
                let source = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), source));
            }
        }
    }
    let mut found = Vec::new();
    visit(&root().join("src/api"), &mut found);
    found.sort();
    found
}

#[test]
fn declarations_are_read() {
    let source = "/// A thing by new, as such where all is well.\n/// ```\npub struct Other {\n}\n\
        endpoint! {\n    /// Things.\n    pub Things by new, things, else Other where OpenAiApi: Accepts<Things>\n}\n\
        endpoint! { Other by new, other where AnyMode: Mode }\n\
        operations! {\n    for Things;\n    // Why.\n    LIST: \"things.list\" = GET \"/things\", Safe, Bounded;\n    \
        MAKE: \"things.make\" = POST \"/things/{id}\",\n        Never as \"no; not at all\", IdleOnly as \"5 s\";\n}\n";
    let [things, other] = &endpoints_in(Path::new("a.rs"), source)[..] else { panic!() };
    assert_eq!((&things.name[..], &things.accepts[..], &things.accessor[..]), ("Things", "OpenAiApi", "things"));
    assert_eq!((&other.name[..], &other.accepts[..], &other.accessor[..]), ("Other", "AnyMode", "other"));
    assert!(things.docs.contains("Things.") && other.docs.contains("```"), "{things:?} {other:?}");
    let [list, make] = &operations_in(Path::new("a.rs"), source)[..] else { panic!() };
    assert_eq!(
        (&list.handle[..], &list.name[..], &list.method[..], &list.path[..]),
        ("Things", "things.list", "GET", "/things")
    );
    assert_eq!((&list.retries, &list.pace), (&("Safe".to_owned(), None), &("Bounded".to_owned(), None)));
    assert_eq!(make.path, "/things/{id}");
    assert_eq!(make.retries, ("Never".to_owned(), Some("no; not at all".to_owned())));
    assert_eq!(make.pace.1.as_deref(), Some("5 s"));
}
