//! Everything that is traced in this binary, at every level, and every way in which an error can be looked at.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt::Debug;
use std::io;
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};

use tracing_subscriber::fmt::format::FmtSpan;

/// Stands in every secret.
pub(crate) const MARK: &str = "MARK";

/// What was traced since the start, by this crate and by those below it.
#[derive(Default)]
struct Traced {
    by_tests: HashMap<ThreadId, String>,
    by_other_threads: String,
}

static TRACED: LazyLock<Mutex<Traced>> = LazyLock::new(Mutex::default);

fn locked() -> MutexGuard<'static, Traced> {
    TRACED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(text: &str) {
    let mut traced = locked();
    let Traced { by_tests, by_other_threads } = &mut *traced;
    by_tests.get_mut(&thread::current().id()).unwrap_or(by_other_threads).push_str(text);
}

struct Capture;

impl io::Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        note(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// From here on, what this thread traces is told apart from what other tests do.
pub(crate) fn capture_traces() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(|| Capture)
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        // What a thread says when it panics is seen by people too.
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            note(&panic.to_string());
            usual(panic);
        }));
    });
    locked().by_tests.entry(thread::current().id()).or_default();
}

/// What this test traced, and what was traced on threads that are no test's.
pub(crate) fn traced() -> String {
    let traced = locked();
    let own = traced.by_tests.get(&thread::current().id()).map_or("", String::as_str);
    own.to_owned() + &traced.by_other_threads
}

#[track_caller]
pub(crate) fn assert_hidden(shown: &str) {
    if let Some(line) = shown.lines().find(|line| line.contains(MARK)) {
        panic!("shows a secret: {line}");
    }
}

/// Neither the error, nor what caused it, nor anything traced so far shows a secret.
#[track_caller]
pub(crate) fn assert_error_hides(error: &(dyn StdError + 'static)) {
    let mut next = Some(error);
    while let Some(error) = next {
        assert_hidden(&format!("{error}\n{error:#}\n{error:?}\n{error:#?}"));
        next = error.source();
    }
    assert_hidden(&traced());
}

#[track_caller]
pub(crate) fn assert_debug_hides(value: &impl Debug) {
    assert_hidden(&format!("{value:?}\n{value:#?}"));
}
