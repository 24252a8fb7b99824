//! What can go wrong while a chat.db is written.

use std::path::PathBuf;

use crate::Style;

/// A step that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite refused.
    #[error("chat.db: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The file system refused.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// What was touched.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// `create` was asked to write over an existing file.
    #[error(
        "{path} exists already, and a new chat.db is never written over another file: choose another \
         path, go on with this one by `messages-stand-in play SCRIPT --db {path}`, or, if nothing in it \
         is needed, `rm {path} {path}-wal {path}-shm` first",
        path = .0.display()
    )]
    Exists(PathBuf),
    /// Beside the path of a new database lies what an earlier one left.
    #[error(
        "{} is left of an earlier database that is gone; SQLite would take it for part of the new one: \
         remove it",
        .0.display()
    )]
    Leftover(PathBuf),
    /// `open` found something else.
    #[error(
        "{} is no chat.db: it has no table of messages. Name another path, or remove it and it is made \
         anew",
        .0.display()
    )]
    NotMessages(PathBuf),
    /// No version of macOS has this column.
    #[error("no version of macOS has a column {column:?} in {table}")]
    UnknownColumn {
        /// The table.
        table: &'static str,
        /// The column.
        column: String,
    },
    /// This version of macOS cannot do that.
    #[error("{style} has no {what}")]
    Unsupported {
        /// The database's style.
        style: Style,
        /// What was asked for.
        what: &'static str,
    },
    /// No message with this ROWID.
    #[error("no message has ROWID {0}")]
    NoMessage(i64),
    /// No chat with this ROWID.
    #[error("no chat has ROWID {0}")]
    NoChat(i64),
    /// A property list could not be read or written.
    #[error("property list: {0}")]
    Plist(#[from] plist::Error),
    /// A stored archive could not be read.
    #[error("attributedBody: {0}")]
    Body(#[from] attributed_body::DecodeError),
}
