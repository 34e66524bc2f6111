//! The public API that rustdoc's JSON tells of, one item on a line, on standard output.

use std::collections::HashSet;

use public_api::Builder;

fn main() -> Result<(), public_api::Error> {
    let json = std::env::args().nth(1).expect("the path of rustdoc's JSON");
    let all = Builder::from_rustdoc_json(&json).omit_blanket_impls(true).build()?;
    let written = Builder::from_rustdoc_json(&json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()?;
    let written: HashSet<String> = written.items().map(ToString::to_string).collect();
    let told = all.items().map(ToString::to_string).filter(|item| written.contains(item) || tells_of_a_trait(item));
    told.for_each(|item| println!("{item}"));
    Ok(())
}

/// A trait that is derived, and `Send` or `Sync` where a type lacks it.
fn tells_of_a_trait(item: &str) -> bool {
    let is_automatic = ["marker::", "unwind_safe::"].iter().any(|path| item.contains(path));
    let is_missed = ["!core::marker::Send ", "!core::marker::Sync "].iter().any(|lack| item.contains(lack));
    item.starts_with("impl") && (is_missed || !is_automatic || item.contains("marker::Copy "))
}
