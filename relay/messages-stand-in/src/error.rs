//! Errors of writing a chat.db.

use std::path::PathBuf;

use crate::Style;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("chat.db: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{path}: {source}", path = .path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The file to create exists already.
    #[error(
        "{path} exists already, and a new chat.db is never written over another file: choose another \
         path, go on with this one by `messages-stand-in play SCRIPT --db {path}`, or, if nothing in it \
         is needed, `rm {path} {path}-wal {path}-shm` first",
        path = .0.display()
    )]
    Exists(PathBuf),
    /// A `-wal` or `-shm` file of an earlier database lies beside the path.
    #[error(
        "{} is left over from an earlier database that is gone; SQLite would take it for part of the new one: \
         remove it",
        .0.display()
    )]
    Leftover(PathBuf),
    #[error(
        "{} is no chat.db: it has no table of messages. Name another path, or remove it and it is made \
         anew",
        .0.display()
    )]
    NotMessages(PathBuf),
    #[error("no version of macOS has a column {column:?} in {table}")]
    UnknownColumn { table: &'static str, column: String },
    #[error("{style} has no {what}")]
    Unsupported { style: Style, what: &'static str },
    #[error("no {table} has ROWID {rowid}")]
    NoRow { table: &'static str, rowid: i64 },
    #[error("property list: {0}")]
    Plist(#[from] plist::Error),
    #[error("attributedBody: {0}")]
    Body(#[from] attributed_body::DecodeError),
    #[error("no chat is called {0:?} so far: a step `chat` must come first")]
    UnknownChat(String),
    #[error("no message is called {0:?} so far, nor has it as its guid")]
    UnknownMessage(String),
    #[error("no attachment has the guid {0:?} so far")]
    UnknownAttachment(String),
    #[error("{0:?} is not hexadecimal")]
    NotHex(String),
    /// A line by which a mode of the stand-in for `osascript` is set.
    #[error(
        "{line:?} is no mode: {reason}. Write the name of one (see `messages-stand-in osascript --help`), the number of \
         an error, or an object such as {{\"mode\":\"slow\",\"after_ms\":1240}}"
    )]
    Mode { line: String, reason: String },
}
