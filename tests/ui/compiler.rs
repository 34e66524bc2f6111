//! Checks programs with the very library that this test was built with, so that nothing is built for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, thread};

use serde_json::Value;

/// `rustc`, and the libraries that a program may use.
pub(crate) struct Compiler {
    /// Crates by name, each in its file.
    libraries: BTreeMap<String, PathBuf>,
}

impl Compiler {
    /// Asks cargo where the libraries of this very test are: all of them are built, so it only tells.
    pub(crate) fn find() -> Self {
        let features: &[&str] = if cfg!(feature = "keyring") { &["--all-features"] } else { &[] };
        let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
        let output = Command::new(env!("CARGO"))
            .args(["test", "--no-run", "--offline", "--quiet", "--test", "ui", "--message-format=json"])
            .args(features)
            .args(profile)
            .current_dir(crate::root())
            .output()
            .unwrap();
        let mut libraries = BTreeMap::new();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let message: Value = serde_json::from_str(line).unwrap();
            let name = message["target"]["name"].as_str().unwrap_or_default();
            let mut files = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
            if ["codex_backend", "serde_json"].contains(&name)
                && let Some(file) = files.find(|file| file.ends_with(".rlib"))
            {
                libraries.insert(name.to_owned(), file.into());
            }
        }
        assert_eq!(libraries.len(), 2, "{}", String::from_utf8_lossy(&output.stderr));
        Self { libraries }
    }

    /// The errors of each program, as many at a time as there are processors.
    pub(crate) fn check_all(&self, programs: &[PathBuf]) -> Vec<Vec<Diagnostic>> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some((number, program)) =
                Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|number| Some((number, programs.get(number)?)))
            {
                done.push((number, self.check(program)));
            }
            done
        };
        let mut done: Vec<(usize, Vec<Diagnostic>)> = thread::scope(|scope| {
            let workers = thread::available_parallelism().map_or(1, usize::from);
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        done.sort_unstable_by_key(|(number, _)| *number);
        done.into_iter().map(|(_, errors)| errors).collect()
    }

    fn check(&self, program: &Path) -> Vec<Diagnostic> {
        let folder = self.libraries["codex_backend"].parent().unwrap();
        let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args(["--edition=2024", "--emit=metadata", "--error-format=json", "--cap-lints=allow", "-o"]);
        rustc.arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join(program.with_extension("rmeta").file_name().unwrap()));
        rustc.arg("-L").arg(format!("dependency={}", folder.display()));
        for (name, file) in &self.libraries {
            rustc.arg("--extern").arg(format!("{name}={}", file.display()));
        }
        // As cargo does, so that the paths in messages are relative.
        rustc.arg(program.strip_prefix(crate::root()).unwrap_or(program)).current_dir(crate::root());
        let said = String::from_utf8(rustc.output().unwrap().stderr).unwrap();
        let said = said.lines().map(|line| Diagnostic(serde_json::from_str(line).unwrap()));
        said.filter(|said| said.0["level"] == "error" && !said.headline().contains("aborting due to")).collect()
    }
}

/// An error of the compiler.
#[derive(Debug)]
pub(crate) struct Diagnostic(Value);

impl Diagnostic {
    /// Code and message.
    pub(crate) fn headline(&self) -> String {
        let code = self.0["code"]["code"].as_str().unwrap_or("no code");
        format!("{code}: {}", self.0["message"].as_str().unwrap())
    }

    pub(crate) fn labels(&self) -> Vec<&str> {
        self.0["spans"].as_array().unwrap().iter().filter_map(|span| span["label"].as_str()).collect()
    }

    pub(crate) fn notes(&self) -> Vec<&str> {
        let children = self.0["children"].as_array().unwrap().iter();
        children.filter(|child| child["level"] == "note").filter_map(|child| child["message"].as_str()).collect()
    }

    /// Where it is said.
    pub(crate) fn line(&self) -> usize {
        let spans = self.0["spans"].as_array().unwrap();
        let primary = spans.iter().find(|span| span["is_primary"] == true).unwrap();
        primary["line_start"].as_u64().unwrap().try_into().unwrap()
    }

    /// As a terminal shows it, without what changes with every change elsewhere: the lines of the library's sources, and
    /// where other crates are.
    pub(crate) fn text(&self) -> String {
        let rendered = self.0["rendered"].as_str().unwrap();
        let (mut lines, mut in_program) = (Vec::new(), true);
        for line in rendered.lines() {
            let mut line = line.to_owned();
            // A part of its own, such as a suggestion, which is about the program unless it says otherwise.
            in_program |= line.starts_with(|it: char| it.is_alphabetic());
            if let Some((arrow, place)) = line.split_once("--> ").or_else(|| line.split_once("::: ")) {
                in_program = place.starts_with("ui-tests/");
                if !in_program {
                    let file = place.rsplitn(3, ':').last().unwrap();
                    let mark = if line.contains("--> ") { "--> " } else { "::: " };
                    line = format!("{arrow}{mark}{}", without_versions(file));
                }
            } else if !in_program && number_of(&line).is_some() {
                let (number, code) = line.split_once('|').unwrap();
                line = format!("{}|{code}", " ".repeat(number.len()));
            }
            if let Some((start, _)) =
                line.split_once(" others").filter(|(start, _)| start.trim_start().starts_with("and "))
            {
                let indent = &start[..start.len() - start.trim_start().len()];
                line = format!("{indent}and $N others");
            }
            lines.push(line);
        }
        // The margin is as wide as the longest line number, which may have been one of the library's.
        let widest =
            |lines: &mut dyn Iterator<Item = &str>| lines.filter_map(number_of).map(str::len).max().unwrap_or(1);
        let surplus = widest(&mut rendered.lines()) - widest(&mut lines.iter().map(String::as_str));
        let margin = " ".repeat(surplus);
        let lines = lines.iter().map(|line| {
            let numbered = number_of(line).is_some_and(|_| !line.starts_with(' '));
            if numbered { line.replacen(&margin, "", 1) } else { line.strip_prefix(&margin).unwrap_or(line).to_owned() }
        });
        let text: Vec<String> = lines.map(|line| line.trim_end().to_owned()).collect();
        text.join("\n").trim_end().to_owned() + "\n"
    }
}

/// The line number in the margin of a line of source.
fn number_of(line: &str) -> Option<&str> {
    let number =
        line.split_once('|').map(|(number, _)| number).or_else(|| line.split_once(['-', '+']).map(|it| it.0))?;
    let number = number.trim();
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

/// `/…/registry/src/index-…/name-1.2.3/src/lib.rs` as `$CARGO/name-$VERSION/src/lib.rs`, and the standard library's paths
/// as `$RUST/…`.
fn without_versions(file: &str) -> String {
    if let Some((_, below)) = file.split_once("/registry/src/") {
        let mut parts = below.splitn(3, '/').skip(1);
        let (package, file) = (parts.next().unwrap(), parts.next().unwrap());
        let is_version = |(at, _): &(usize, &str)| package[at + 1..].starts_with(|it: char| it.is_ascii_digit());
        let name = package.match_indices('-').find(is_version).map_or(package, |(at, _)| &package[..at]);
        return format!("$CARGO/{name}-$VERSION/{file}");
    }
    match file.split_once("/library/") {
        Some((_, below)) => format!("$RUST/{below}"),
        None => file.to_owned(),
    }
}
