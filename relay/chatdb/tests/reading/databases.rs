//! The databases for these tests: one in the style of each macOS, and those of two real schemas if their dumps are
//! beside the repository.

use std::io::Write;
use std::path::Path;

use messages_stand_in::{ChatDb, Style, schema};
use rusqlite::Connection;
use tempfile::TempDir;

/// A database, its name, and the folder in which it is.
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) messages: ChatDb,
    folder: TempDir,
}

impl Database {
    pub(crate) fn new(style: Style) -> Self {
        Self::with_statements(&style.to_string(), &schema::statements(style).join(";\n"))
    }

    /// A database that these statements create.
    pub(crate) fn with_statements(name: &str, statements: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let raw = Connection::open(&path).unwrap();
        raw.execute_batch(statements).unwrap();
        drop(raw);
        let messages = ChatDb::open(&path).unwrap();
        Self {
            name: name.to_owned(),
            messages,
            folder,
        }
    }

    /// Opens the database as a relay does.
    pub(crate) fn open(&self) -> chatdb::ChatDb {
        chatdb::ChatDb::open(&self.folder.path().join("chat.db")).unwrap()
    }
}

/// A database of every style, and one of every dump that exists.
pub(crate) fn all() -> Vec<Database> {
    let mut all: Vec<_> = Style::ALL.map(Database::new).into();
    for name in ["schema-monterey.sql", "schema-ventura.sql"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/chatdb");
        let Ok(dump) = std::fs::read_to_string(root.join(name)) else {
            // Not with `eprintln`, since the test harness hides the output of a passing test.
            let line = format!("*** {name} is not here: reading the real schema is SKIPPED ***");
            let _ = writeln!(std::io::stderr(), "{line}");
            continue;
        };
        // The dump also creates the tables `sqlite_…`, which only SQLite itself may create. Under another name they
        // are temporary tables, which end with the connection.
        let dump = dump.replace("CREATE TABLE sqlite_", "CREATE TEMP TABLE unused_sqlite_");
        all.push(Database::with_statements(name, &dump));
    }
    all
}
