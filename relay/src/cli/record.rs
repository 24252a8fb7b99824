//! `record`: writes rows of chat.db as a script, for `archety-replay` and for tests.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chatdb::ChatDb;
use messages_script::{Script, Step};
use rusqlite::{Connection, OpenFlags};

use super::flags::ConfigFlags;
use super::output;
use crate::lifecycle::ExitCode;
use crate::record::{Redaction, Selection};

/// How many messages are recorded if no option chooses them.
const DEFAULT_COUNT: u32 = 20;

/// Write rows of chat.db as a script that `archety-replay` takes.
///
/// With --redact every letter, digit and emoji that people wrote, every address and every file name
/// becomes something made up of the same length, so that the script can be given away. Without it the
/// script holds private messages as they are.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The newest so many messages; 20 if nothing is chosen
    #[arg(long, value_name = "N", conflicts_with_all = ["guid", "rows"])]
    newest: Option<u32>,
    /// One message, and the tapbacks and replies that refer to it
    #[arg(long, value_name = "GUID", conflicts_with = "rows")]
    guid: Option<String>,
    /// Rows from one ROWID to another
    #[arg(long, value_name = "A..B", value_parser = parse_rows)]
    rows: Option<RangeInclusive<i64>>,
    /// Replace what people wrote, their addresses and the names of files
    #[arg(long)]
    redact: bool,
    /// A new file to write to, readable by its owner only; standard output without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Args {
    pub(super) fn execute(self, flags: &ConfigFlags) -> anyhow::Result<ExitCode> {
        let config = flags.config()?;
        let selection = match (self.guid, self.rows) {
            (Some(guid), _) => Selection::Guid(guid),
            (None, Some(rows)) => Selection::Rowids(*rows.start(), *rows.end()),
            (None, None) => Selection::Newest(self.newest.unwrap_or(DEFAULT_COUNT)),
        };
        let redaction = if self.redact {
            random_redaction()
        } else {
            Redaction::Off
        };
        let script = record(&config.chat_db, &selection, &redaction)?;
        let mut steps = script.steps.iter();
        if !steps.any(|timed| matches!(timed.step, Step::Message(_))) {
            bail!("{} has no such message", config.chat_db.display());
        }
        write(self.out.as_deref(), &script.to_jsonl())?;
        if redaction == Redaction::Off {
            eprintln!(
                "this script holds private messages as they are; add --redact before you give it away"
            );
        }
        Ok(ExitCode::Done)
    }
}

/// Redaction with a random salt that is written nowhere.
pub(super) fn random_redaction() -> Redaction {
    Redaction::On {
        salt: rand::random(),
    }
}

pub(super) fn record(
    chat_db: &Path,
    selection: &Selection,
    redaction: &Redaction,
) -> anyhow::Result<Script> {
    // Opened only for its errors, which describe a wrong file better than those of SQLite.
    ChatDb::open(chat_db)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(chat_db, flags)
        .with_context(|| format!("cannot open {}", chat_db.display()))?;
    // All queries run in one transaction, because Messages may write in between.
    let snapshot = connection.unchecked_transaction()?;
    crate::record::record(&snapshot, selection, redaction)
        .with_context(|| format!("cannot record from {}", chat_db.display()))
}

/// Writes a script to the new file `out`, or to standard output if there is none.
pub(super) fn write(out: Option<&Path>, script: &str) -> anyhow::Result<()> {
    match out {
        Some(path) => output::new_file(path, script.as_bytes()),
        None => output::text(script.as_bytes()),
    }
}

fn parse_rows(text: &str) -> Result<RangeInclusive<i64>, String> {
    let range = text.split_once("..").and_then(|(first, last)| {
        let range = first.parse().ok()?..=last.parse().ok()?;
        (!range.is_empty()).then_some(range)
    });
    range.ok_or_else(|| "write it as two ROWIDs, such as 1200..1250".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_a_range_that_is_not_empty() {
        assert_eq!(parse_rows("3..5"), Ok(3..=5));
        assert_eq!(parse_rows("3..3"), Ok(3..=3));
        for bad in ["", "3", "5..3", "..", "3..", "a..b", "3..=5"] {
            assert!(parse_rows(bad).is_err(), "{bad}");
        }
    }
}
