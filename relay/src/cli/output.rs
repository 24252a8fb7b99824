//! Writes the output of commands: JSON, tables, new files, errors and the log.

use std::fs::OpenOptions;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, bail};
use serde::Serialize;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::clock::UnixMicros;
use crate::lifecycle::ExitCode;
use crate::state::files::private_file;

/// Prints a value as JSON to stdout.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    Ok(())
}

/// Microseconds since 1970 as whole seconds.
pub(super) fn secs(micros: i64) -> i64 {
    UnixMicros::from_micros(micros).as_secs()
}

/// Prints a text to stdout as it is.
pub fn text(text: &[u8]) -> anyhow::Result<()> {
    Ok(std::io::stdout().lock().write_all(text)?)
}

/// Writes a new file that only its owner may read. Fails if the file exists.
pub(super) fn new_file(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    let file = private_file(options.write(true).create_new(true)).open(path);
    if let Err(error) = &file
        && error.kind() == ErrorKind::AlreadyExists
    {
        bail!(
            "{} exists already and stays as it is; name another file, or move it away first",
            path.display()
        );
    }
    file.and_then(|mut file| file.write_all(content))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Prints rows under a heading to stdout, with aligned columns.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> std::io::Result<()> {
    let mut widths: Vec<usize> = heading.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = std::io::stdout().lock();
    let heading: Vec<String> = heading.iter().map(ToString::to_string).collect();
    for row in std::iter::once(&heading).chain(rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// The exit code of `program` after its command. An error is printed to stderr. But if stdout was closed by the
/// program that reads it, the command counts as done.
pub fn end(program: &str, result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        if is_broken_pipe(&error) {
            return ExitCode::Done;
        }
        print_error(program, &error);
        ExitCode::of(&error)
    })
}

/// Whether the reason is that the program that reads stdout has closed it, as in `… | head`.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind);
        let json = cause
            .downcast_ref::<serde_json::Error>()
            .and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(ErrorKind::BrokenPipe)
    })
}

/// Prints an error and its causes to stderr.
fn print_error(program: &str, error: &anyhow::Error) {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        // Many errors contain the text of their cause already.
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    eprintln!("{program}: {text}");
}

/// Sends log lines to stderr. `filter` is valid, because the configuration was checked.
pub(super) fn log_to_stderr(filter: &str) {
    let filter: Targets = filter.parse().unwrap_or_default();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .init();
}
