//! How often a test does again what depends on chance.

/// That many rounds in an ordinary run, and `CODEX_BACKEND_TEST_ROUNDS` times as many where that is set, as in `.ci/soak`.
pub(crate) fn rounds(ordinary: u32) -> u32 {
    let times =
        std::env::var("CODEX_BACKEND_TEST_ROUNDS").map_or(1, |times| times.parse().expect("a number of rounds"));
    ordinary * times
}
