//! Everything that is traced in this binary, at every level, and every way in which an error can be looked at.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::io;
use std::sync::{Mutex, Once, PoisonError};

use tracing_subscriber::fmt::format::FmtSpan;

/// Stands in every secret.
pub(crate) const MARK: &str = "MARK";

static TRACED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Capture;

impl io::Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        TRACED.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

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
    });
}

pub(crate) fn traced() -> String {
    String::from_utf8_lossy(&TRACED.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
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
