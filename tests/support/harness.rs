//! What `cargo test` and `cargo nextest` ask of a test binary that brings its own `main`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

pub(crate) type Test = (&'static str, fn());

/// The flags of the standard harness that are followed by a value.
const WITH_VALUE: [&str; 7] =
    ["--color", "--format", "--logfile", "--report-time", "--shuffle-seed", "--skip", "--test-threads"];

#[derive(Default)]
struct Request {
    filters: Vec<String>,
    skipped: Vec<String>,
    exact: bool,
    list: bool,
    ignored_only: bool,
}

impl Request {
    fn of(arguments: &[String]) -> Self {
        let mut request = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => request.list = true,
                "--exact" => request.exact = true,
                "--ignored" => request.ignored_only = true,
                "--skip" => request.skipped.extend(arguments.next().cloned()),
                flag if WITH_VALUE.contains(&flag) => drop(arguments.next()),
                flag if flag.starts_with('-') => {}
                filter => request.filters.push(filter.to_owned()),
            }
        }
        request
    }

    fn names(&self, name: &str) -> bool {
        let fits = |filter: &String| if self.exact { name == filter } else { name.contains(filter.as_str()) };
        !self.ignored_only
            && (self.filters.is_empty() || self.filters.iter().any(fits))
            && !self.skipped.iter().any(fits)
    }
}

pub(crate) fn run_tests(tests: &[Test], arguments: &[String]) -> ExitCode {
    let request = Request::of(arguments);
    let chosen: Vec<&Test> = tests.iter().filter(|(name, _)| request.names(name)).collect();
    if request.list {
        chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", chosen.len());
    let failed = chosen.iter().filter(|test| !passes(test)).count();
    let (verdict, passed, filtered) =
        (if failed == 0 { "ok" } else { "FAILED" }, chosen.len() - failed, tests.len() - chosen.len());
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out"
    );
    ExitCode::from(if failed == 0 { 0 } else { 101 })
}

fn passes((name, test): &Test) -> bool {
    let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
    println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
    passed
}
