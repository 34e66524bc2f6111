//! What the compiler says about wrong programs, and that it accepts the right ones.

mod accepted;
mod compiler;
#[path = "../support/declarations.rs"]
#[allow(dead_code, reason = "not all of it is looked at here")]
mod declarations;
mod declared;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::compiler::{Compiler, Diagnostic};

static COMPILER: LazyLock<Compiler> = LazyLock::new(Compiler::find);

/// The wrong programs in `ui-tests/fail`, and the errors of each.
static MISTAKES: LazyLock<BTreeMap<String, Mistake>> = LazyLock::new(|| {
    let files = fs::read_dir(root().join("ui-tests/fail")).unwrap().map(|entry| entry.unwrap().path());
    let programs: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|it| it == "rs")).collect();
    let errors = COMPILER.check_all(&programs);
    let mistakes = programs.into_iter().zip(errors).map(|(path, errors)| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, Mistake { source: fs::read_to_string(&path).unwrap(), path, errors })
    });
    mistakes.collect()
});

struct Mistake {
    path: PathBuf,
    source: String,
    errors: Vec<Diagnostic>,
}

/// The whole text of each message, on the compiler it was recorded with. `UI_TESTS=overwrite` records it again.
#[rustversion::stable(1.95)]
#[test]
fn messages_read_as_recorded() {
    let overwrite = std::env::var_os("UI_TESTS").is_some_and(|wish| wish == "overwrite");
    let mut different = String::new();
    for (name, mistake) in &*MISTAKES {
        let text: Vec<String> = mistake.errors.iter().map(Diagnostic::text).collect();
        let (text, file) = (text.join("\n"), mistake.path.with_extension("stderr"));
        let recorded = fs::read_to_string(&file).unwrap_or_default();
        if text != recorded {
            different += &format!("== {name}: recorded\n{recorded}\n== {name}: now\n{text}\n");
            if overwrite {
                fs::write(&file, text).unwrap();
            }
        }
    }
    assert!(different.is_empty() || overwrite, "{different}`UI_TESTS=overwrite` records them again");
    for entry in fs::read_dir(root().join("ui-tests/fail")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(MISTAKES.contains_key(name), "{} is of no program", path.display());
    }
}

/// On any compiler: each wrong program has one error, with the code and headline that its first lines state.
#[test]
fn each_mistake_is_one_error_with_its_headline() {
    for (name, Mistake { source, errors, .. }) in &*MISTAKES {
        let mut stated = source.lines().map_while(|line| line.strip_prefix("//~ "));
        let headline = stated.next().unwrap_or_else(|| panic!("{name} does not state its headline"));
        let [error] = &errors[..] else { panic!("{name} has {} errors: {errors:#?}", errors.len()) };
        assert_eq!(error.headline(), headline, "{name}");
        for line in stated {
            let (kind, text) = line.split_once(": ").unwrap_or_else(|| panic!("{name}: {line}"));
            let said = match kind {
                "label" => error.labels(),
                "note" => error.notes(),
                _ => panic!("{name}: {line}"),
            };
            assert!(said.iter().any(|said| said.contains(text)), "{name} has no {kind} {text:?} in {said:#?}");
        }
    }
}

/// Every endpoint refuses every mode that it does not accept, made from a client and as the client's method.
#[test]
fn every_endpoint_refuses_each_wrong_mode() {
    let endpoints = declarations::endpoints();
    assert!(endpoints.iter().any(|endpoint| endpoint.name == "OpenAiFileUpload"), "{endpoints:?}");
    let mut lines = Vec::new();
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.accepts != "AnyMode") {
        for mode in declared::modes().into_iter().filter(|mode| *mode != endpoint.accepts) {
            let declarations::Endpoint { name, accessor, .. } = endpoint;
            let headline = format!("E0277: `{name}` does not accept a `Client<{mode}>`");
            let client = format!("client: &codex_backend::Client<codex_backend::{mode}>");
            lines.push((format!("fn f({client}) {{ codex_backend::{name}::new(client); }}"), headline.clone()));
            lines.push((format!("fn f({client}) {{ client.{accessor}(); }}"), headline));
        }
    }
    let labels = each_line_is_one_error("endpoints_and_wrong_modes", &lines);
    for ((line, _), labels) in lines.iter().zip(labels) {
        assert!(labels.iter().any(|label| label.contains("` needs a `Client<")), "{line}: {labels:?}");
    }
}

/// What the Codex backend refuses of a request to a model does not compile.
#[test]
fn the_backend_refuses_each_parameter_that_it_does_not_take() {
    const SETTERS: [(&str, &str); 12] = [
        ("context_management", "serde_json::Value::Null"),
        ("max_output_tokens", "100"),
        ("max_tool_calls", "2"),
        ("metadata", "\"a\", \"b\""),
        ("prompt", "serde_json::Value::Null"),
        ("prompt_cache_retention", "\"24h\""),
        ("safety_identifier", "\"hash\""),
        ("temperature", "0.2"),
        ("top_logprobs", "3"),
        ("top_p", "0.5"),
        ("truncation", "\"auto\""),
        ("user", "\"u\""),
    ];
    const KEPT: [(&str, &str); 4] = [
        ("background", "true"),
        ("conversation", "\"conv_1\""),
        ("previous_response_id", "\"resp_1\""),
        ("store", "true"),
    ];
    let refused = |(name, argument): (&str, &str), headline: String| {
        let request = "request: codex_backend::responses::ResponseRequest<codex_backend::CodexBackend>";
        (format!("fn f({request}) {{ drop(request.{name}({argument})); }}"), headline)
    };
    let setters = SETTERS.map(|setter| {
        refused(setter, format!("E0277: the Codex backend refuses the parameter `{}` of a Responses request", setter.0))
    });
    let kept = KEPT.map(|setter| {
        refused(setter, format!("E0277: the Codex backend keeps no responses, so it refuses `{}`", setter.0))
    });
    each_line_is_one_error("parameters_of_responses", &[&setters[..], &kept[..]].concat());

    let mut tried: Vec<&str> = SETTERS.iter().chain(&KEPT).map(|(name, _)| *name).collect();
    tried.sort_unstable();
    assert_eq!(declared::parameters(), tried);
}

/// Checks a program that has one mistake on each line. Gives the labels of each.
fn each_line_is_one_error(name: &str, lines: &[(String, String)]) -> Vec<Vec<String>> {
    assert!(lines.len() > 10, "{lines:#?}");
    let modules = lines.iter().enumerate().map(|(number, (line, _))| format!("mod m{number} {{ {line} }}"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.rs"));
    fs::write(&program, modules.collect::<Vec<_>>().join("\n") + "\nfn main() {}\n").unwrap();
    let mut errors = COMPILER.check_all(&[program]).remove(0);
    errors.sort_by_key(Diagnostic::line);
    let mut said: Vec<(usize, String)> = errors.iter().map(|error| (error.line(), error.headline())).collect();
    said.sort_unstable();
    let expected: Vec<(usize, String)> =
        lines.iter().enumerate().map(|(at, (_, said))| (at + 1, said.clone())).collect();
    assert_eq!(said, expected);
    errors.iter().map(|error| error.labels().into_iter().map(str::to_owned).collect()).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
