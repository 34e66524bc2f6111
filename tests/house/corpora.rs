//! The corpora of the fuzz targets, and inputs made of them by chance.

#[path = "../../fuzz/checks.rs"]
mod checks;

use std::path::Path;

use crate::support::rounds::rounds;

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let inputs: Vec<Vec<u8>> =
        std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(inputs.len() >= 8, "{name} has {} inputs", inputs.len());
    inputs
}

/// Each input as it is, and changed in one place a number of times: a byte replaced, a piece left out, a piece twice.
fn run(name: &str, check: fn(&[u8])) {
    let mut random = fastrand::Rng::with_seed(7);
    for input in corpus(name) {
        check(&input);
        for _ in 0..rounds(10) {
            let mut changed = input.clone();
            let at = random.usize(..=changed.len());
            let end = (at + random.usize(..20)).min(changed.len());
            match random.u8(..3) {
                0 if at < changed.len() => changed[at] = random.u8(..),
                1 => drop(changed.drain(at..end)),
                _ => {
                    let piece = changed[at..end].to_vec();
                    drop(changed.splice(at..at, piece));
                }
            }
            check(&changed);
        }
    }
}

#[test]
fn event_streams_do_not_depend_on_how_they_are_split() {
    run("event_stream", checks::event_stream);
}

#[test]
fn every_event_is_told_or_ends_its_stream() {
    run("event", checks::event);
}

#[test]
fn headers_of_limits_may_say_anything() {
    run("rate_limit_headers", checks::rate_limit_headers);
}

#[test]
fn json_keeps_its_bounds() {
    run("bounded_json", checks::bounded_json);
}
