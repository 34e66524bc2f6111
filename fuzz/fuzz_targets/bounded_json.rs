#![no_main]

#[path = "../checks.rs"]
#[allow(dead_code, reason = "each target uses one")]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::bounded_json(input));
