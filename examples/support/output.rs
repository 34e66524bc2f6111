//! `print!` and `println!` for programs whose output may be closed before they are done, as `head` does. Those of the standard
//! library then panic with a message; these end the program quietly.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

#[allow(unused_macros, reason = "not every example prints parts of lines")]
macro_rules! print {
    ($($argument:tt)*) => { $crate::output::write(format_args!($($argument)*)) };
}

macro_rules! println {
    () => { $crate::output::write(format_args!("\n")) };
    ($($argument:tt)*) => { $crate::output::write(format_args!("{}\n", format_args!($($argument)*))) };
}

pub(crate) fn write(text: Arguments<'_>) {
    let Err(error) = std::io::stdout().lock().write_fmt(text) else { return };
    if error.kind() == ErrorKind::BrokenPipe {
        // Says nothing, and drops all that there is, such as the folder of the embedded backend.
        std::panic::resume_unwind(Box::new(error));
    }
    panic!("standard output cannot be written: {error}");
}
