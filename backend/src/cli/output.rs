//! Printing on standard output.

use std::fmt;
use std::io::{ErrorKind, Write};

use serde_json::Value;

/// Prints a line. If the reader closed the pipe (`… | head`), the process exits with 0; if the line cannot be printed
/// for another reason, with 1.
pub(super) fn write_line(text: fmt::Arguments<'_>) {
    let result = writeln!(std::io::stdout().lock(), "{text}");
    if let Err(error) = result {
        if error.kind() != ErrorKind::BrokenPipe {
            eprintln!("archety-backend: nothing can be printed: {error}");
            std::process::exit(1);
        }
        std::process::exit(0);
    }
}

/// Like `println!`, but a closed pipe ends the process with 0 instead of a panic.
macro_rules! print_line {
    ($($text:tt)*) => { $crate::cli::output::write_line(format_args!($($text)*)) };
}

pub(super) use print_line;

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

impl ListArgs {
    /// Prints `rows`: one JSON array with `--json`, else one line for each row. If there are no rows to print as
    /// lines, `note_if_empty` goes to standard error, unless it is empty.
    pub(super) fn print<T>(
        &self,
        rows: &[T],
        as_json: impl Fn(&T) -> Value,
        as_line: impl Fn(&T) -> String,
        note_if_empty: &str,
    ) {
        if self.json {
            print_line!("{}", rows.iter().map(as_json).collect::<Value>());
            return;
        }
        for row in rows {
            print_line!("{}", as_line(row));
        }
        if rows.is_empty() && !note_if_empty.is_empty() {
            eprintln!("{note_if_empty}");
        }
    }
}
