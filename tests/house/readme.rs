//! What the README promises, held against the package and the compiler.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn its_links_lead_to_files_of_the_package() {
    let readme = text_of("README.md");
    let links: Vec<&str> =
        readme.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().split('#').next().unwrap()).collect();
    let relative: Vec<&str> = links.into_iter().filter(|link| !link.is_empty() && !link.contains("://")).collect();
    assert!(relative.contains(&"examples"), "{relative:?}");
    let included = included();
    for link in relative {
        let named = root().join(link);
        let path = if named.is_dir() { format!("{}/", link.trim_end_matches('/')) } else { link.to_owned() };
        assert!(named.exists(), "README.md links to `{link}`, which does not exist");
        assert!(
            included.iter().any(|start| path.starts_with(start)),
            "README.md links to `{link}`, which `include` in Cargo.toml leaves out of the package"
        );
    }
}

#[test]
fn its_error_reads_as_the_compiler_says_it() {
    let readme = text_of("README.md");
    let recorded = text_of("ui-tests/fail/upload_with_openai_api.stderr");
    let program = readme.split("```rust,compile_fail\n").nth(1).unwrap().split("```").next().unwrap();
    let quoted = readme.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let mut message = recorded.lines();
    for line in quoted.lines() {
        assert!(message.any(|said| said == line), "the compiler does not say this, or not here:\n{line}");
    }
    let (number, line) = quoted.lines().find_map(|line| line.split_once(" | ")).unwrap();
    let number: usize = number.parse().unwrap();
    assert_eq!(program.lines().nth(number - 1), Some(line), "line {number} of the program is another");
}

/// How the paths of the package begin.
fn included() -> Vec<String> {
    let manifest = text_of("Cargo.toml");
    let list = manifest.split("\ninclude = [").nth(1).unwrap().split(']').next().unwrap();
    let patterns = list.split(',').map(|pattern| pattern.trim().trim_matches('"'));
    patterns.map(|pattern| pattern.trim_end_matches('*').to_owned()).filter(|start| !start.is_empty()).collect()
}

fn text_of(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
