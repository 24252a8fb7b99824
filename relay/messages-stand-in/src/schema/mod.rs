//! The SQL statements that create an empty chat.db of a style, generated from lists of columns.
//!
//! Names, order of columns, indexes and effects of triggers are those of real databases. Three triggers are
//! left out: they call functions that only Apple registers, so SQLite could not delete a row. Two internal tables
//! of macOS 15 and 26 are left out, because their columns are unknown.

mod indexes;
mod triggers;

use messages_script::schema::{TABLES, Table};
pub use messages_script::schema::{columns, is_known};
use rusqlite::Connection;

use crate::Style;

/// The statements that create the tables, indexes and triggers.
pub fn statements(style: Style) -> Vec<String> {
    let tables = TABLES.iter().filter(|table| table.is_in(style));
    tables
        .map(|table| create_table(table, style))
        .chain(indexes::statements(style))
        .chain(triggers::statements(style))
        .collect()
}

fn create_table(table: &Table, style: Style) -> String {
    let columns = table.columns(style);
    let columns =
        columns.map(|(name, abbreviation)| format!("{name} {}", declaration(abbreviation)));
    let constraints = table
        .constraints
        .iter()
        .map(|&constraint| constraint.to_owned());
    let lines: Vec<String> = columns.chain(constraints).collect();
    format!("create table {} ({})", table.name, lines.join(", "))
}

/// The SQL type and constraints for an abbreviation in the lists of columns.
fn declaration(abbreviation: &str) -> &'static str {
    match abbreviation {
        "" => "INTEGER DEFAULT 0",
        "text" => "TEXT",
        "blob" => "BLOB",
        "int" => "INTEGER",
        "text!" => "TEXT NOT NULL",
        "blob!" => "BLOB NOT NULL",
        "int!" => "INTEGER NOT NULL",
        "0!" => "INTEGER NOT NULL DEFAULT 0",
        "unique" => "TEXT UNIQUE NOT NULL",
        "rowid" => "INTEGER PRIMARY KEY AUTOINCREMENT",
        "rowid-unique" => "INTEGER PRIMARY KEY AUTOINCREMENT UNIQUE",
        "chat" => "INTEGER REFERENCES chat (ROWID) ON DELETE CASCADE",
        "message" => "INTEGER REFERENCES message (ROWID) ON DELETE CASCADE",
        "handle" => "INTEGER REFERENCES handle (ROWID) ON DELETE CASCADE",
        "attachment" => "INTEGER REFERENCES attachment (ROWID) ON DELETE CASCADE",
        other => unreachable!("the tables have only the types above, not {other}"),
    }
}

/// The style of an existing database, by the columns that each version added.
pub(crate) fn detect(connection: &Connection) -> rusqlite::Result<Style> {
    let mut query = connection.prepare("select name from pragma_table_info('message')")?;
    let columns = query.query_map([], |row| row.get(0))?;
    Ok(Style::of_columns(&columns.collect::<Result<Vec<_>, _>>()?))
}
