//! What commands print.

use std::fmt;
use std::io::{ErrorKind, Write};

/// Prints a line. A reader that has seen enough (`… | head`) ends the command without a complaint.
pub(super) fn line(text: fmt::Arguments<'_>) {
    let written = writeln!(std::io::stdout().lock(), "{text}");
    if let Err(error) = written {
        if error.kind() != ErrorKind::BrokenPipe {
            eprintln!("archety-backend: nothing can be printed: {error}");
            std::process::exit(1);
        }
        std::process::exit(0);
    }
}

/// As `println!`, for a reader that may leave.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::output::line(format_args!($($text)*)) };
}

pub(super) use say;
