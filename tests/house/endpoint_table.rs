//! What follows from the declarations of endpoints: the page of all requests, and that nothing of an endpoint is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use codex_backend::testing::Route;

use crate::support::declarations::{Endpoint, Operation, endpoints, operations, root, sources};

const PAGE: &str = "src/guide/endpoints.md";

/// `CODEX_BACKEND_ENDPOINTS=record` writes the page.
#[test]
fn the_page_of_endpoints_is_what_the_sources_declare() {
    let page = page();
    if std::env::var_os("CODEX_BACKEND_ENDPOINTS").is_some_and(|value| value == "record") {
        fs::write(root().join(PAGE), &page).unwrap();
    }
    let kept = fs::read_to_string(root().join(PAGE)).unwrap();
    assert!(
        kept == page,
        "{PAGE} is not what `operations!` and `endpoint!` declare. \
         `CODEX_BACKEND_ENDPOINTS=record cargo test --all-features --test house` writes it anew"
    );
}

fn page() -> String {
    let (endpoints, operations) = (endpoints(), operations());
    assert!(endpoints.len() >= 15 && operations.len() >= 45, "{endpoints:#?} {operations:#?}");
    let mut page = String::new();
    for Endpoint { name, accepts, .. } in &endpoints {
        let client = match accepts.as_str() {
            "AnyMode" => "any client".to_owned(),
            mode => format!("`Client<{mode}>`"),
        };
        // A link to what a feature adds would be a dead one without the feature.
        let link = match name.as_str() {
            "ManagedConfig" => "../../struct.ManagedConfig.html".to_owned(),
            name => format!("crate::{name}"),
        };
        page += &format!("## [`{name}`]({link})\n\nFor {client}.\n\n");
        page += "| operation | request | retried after a failure | time-outs |\n| --- | --- | --- | --- |\n";
        for operation in operations.iter().filter(|operation| operation.handle == *name) {
            page += &row(operation);
        }
        page += "\n";
    }
    page.trim_end().to_owned() + "\n"
}

fn row(operation: &Operation) -> String {
    let Operation { name, method, path, retries, pace, .. } = operation;
    let retries = retries.1.as_deref().unwrap_or(match retries.0.as_str() {
        "Safe" => "yes",
        "IfNotActedOn" => "only if the server did not act on it",
        "Never" => "never",
        other => panic!("{name}: `{other}`"),
    });
    let time_outs = pace.1.as_deref().unwrap_or(match pace.0.as_str() {
        "Bounded" => "attempt, call",
        "IdleOnly" => "idle",
        "Stream" => "stream idle",
        other => panic!("{name}: `{other}`"),
    });
    let request = match path.as_str() {
        "(signed URL)" => format!("`{method}` to a signed URL, without credentials"),
        path => format!("`{method} {path}`"),
    };
    format!("| `{name}` | {request} | {retries} | {time_outs} |\n")
}

#[test]
fn each_operation_has_a_name_of_its_own_and_belongs_to_a_handle() {
    let handles: BTreeSet<String> = endpoints().into_iter().map(|endpoint| endpoint.name).collect();
    let mut places = BTreeMap::new();
    for Operation { file, handle, name, .. } in operations() {
        assert!(
            handles.contains(&handle),
            "{}: `{name}` is for `{handle}`, which `endpoint!` does not declare",
            file.display()
        );
        if let Some(other) = places.insert(name.clone(), file.clone()) {
            let (one, other) = (file.display(), other.display());
            panic!("`{name}` is declared twice, in {one} and in {other}: errors and spans would not tell them apart");
        }
    }
    for handle in handles {
        assert!(operations().iter().any(|operation| operation.handle == handle), "`{handle}` has no `operations!`");
    }
}

#[test]
fn the_embedded_backend_answers_each_operation() {
    let names: BTreeSet<&str> = Route::all().flat_map(Route::operations).collect();
    // Two operations may be one request, as a response and the stream of its events are.
    let request = |operation: &Operation| (operation.handle.clone(), operation.method.clone(), operation.path.clone());
    let routed: BTreeSet<_> =
        operations().iter().filter(|operation| names.contains(operation.name.as_str())).map(request).collect();
    for operation in operations() {
        let Operation { file, name, .. } = &operation;
        assert!(
            routed.contains(&request(&operation)),
            "`{name}` of {} has no route: declare it by `routes!` in the family's file in src/testing, and name that file in \
             `FAMILIES`, in src/testing.rs",
            file.display()
        );
    }
}

#[test]
fn the_front_page_and_the_changelog_name_each_handle() {
    let (front, changelog) = (read("src/lib.rs"), read("CHANGELOG.md"));
    for Endpoint { name, accessor, .. } in endpoints() {
        assert!(front.contains(&format!("//! | [`{name}`]")), "`{name}` has no line on the front page, in src/lib.rs");
        assert!(
            front.contains(&format!("`{accessor}()`")),
            "`Client::{accessor}` is not on the front page, in src/lib.rs"
        );
        assert!(changelog.contains(&format!("`{name}`")), "`{name}` is not in CHANGELOG.md");
    }
}

#[test]
fn each_handle_is_in_the_root() {
    let families = read("src/api.rs");
    for Endpoint { file, name, .. } in endpoints() {
        let is_exported = families.lines().any(|line| {
            let line = line.strip_prefix("pub use self::").unwrap_or_default();
            line.split(|c: char| !c.is_alphanumeric()).any(|word| word == name)
        });
        assert!(is_exported, "`{name}` of {} is not in the root: add a `pub use` to src/api.rs", file.display());
    }
}

/// Which request has which ids is known when it is made; here, before any is.
#[test]
fn each_id_has_its_place_in_a_template() {
    let templates = operations();
    for (file, source) in sources() {
        let code = source.split("\nmod tests {").next().unwrap();
        for name in code.split(".segment(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let place = format!("{{{name}}}");
            // A family may be of several files.
            let family = |path: &Path| path.iter().nth(2).map(|part| Path::new(part).with_extension(""));
            let declared = templates.iter().filter(|operation| family(&operation.file) == family(&file));
            assert!(
                declared.into_iter().any(|operation| operation.path.contains(&place)),
                "{}: `.segment(\"{name}\", ..)` fills in `{place}`, which no path of the family's `operations!` has",
                file.display()
            );
        }
    }
}

/// What the property tests of tolerance go through. Types that stand inside of others are reached by those.
#[test]
fn each_answer_is_among_the_wire_types_that_are_tested() {
    let tested = read("tests/house/wire_types.rs");
    let tested: BTreeSet<&str> = tested.split(|c: char| !c.is_alphanumeric()).collect();
    let mut answers = 0;
    for (file, source) in sources() {
        for answer in source.split("open_struct! {").skip(1).filter_map(|block| {
            let declaration = block.split("\n    }").next()?;
            declaration.split_once("\n    pub ")?.1.split(' ').next()
        }) {
            let given =
                ["ApiRequest<", "ApiRequest<Vec<", "PagedRequest<"].map(|request| format!("{request}{answer}>"));
            if given.iter().any(|given| source.contains(given)) {
                answers += 1;
                assert!(
                    tested.contains(answer),
                    "`{answer}` of {} is in no test of wire types: add it to `answers!` in tests/house/wire_types.rs",
                    file.display()
                );
            }
        }
    }
    assert!(answers > 10, "{answers}");
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}
