//! What follows from the declarations of endpoints: the page of all requests, and that nothing of an endpoint is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use codex_backend::testing::Route;

use crate::support::declarations::{Endpoint, Operation, endpoints, operations, root};

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
            panic!(
                "`{name}` is declared in {} and in {}: errors and spans would not tell them apart",
                other.display(),
                file.display()
            );
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
            "`{name}` of {} has no route: add it by `routes!` to the family's file in src/testing",
            file.display()
        );
    }
}

#[test]
fn the_front_page_and_the_changelog_name_each_handle_and_each_module() {
    let (front, changelog) = (read("src/lib.rs"), read("CHANGELOG.md"));
    for Endpoint { name, accessor, .. } in endpoints() {
        assert!(front.contains(&format!("//! | [`{name}`]")), "`{name}` has no line on the front page, in src/lib.rs");
        assert!(
            front.contains(&format!("`{accessor}()`")),
            "`Client::{accessor}` is not on the front page, in src/lib.rs"
        );
        assert!(changelog.contains(&format!("`{name}`")), "`{name}` is not in CHANGELOG.md");
    }
    let modules = read("src/api.rs");
    for module in modules.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')) {
        assert!(changelog.contains(&format!("`{module}`")), "the module `{module}` is not in CHANGELOG.md");
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}
