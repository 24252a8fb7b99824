//! The statements that lay out an empty chat.db, generated per style from tables of columns.
//!
//! What must stay true: the names, their order, the indexes and the effects of the triggers are those
//! of the real databases. Three triggers that call functions which only Apple registers are left out;
//! plain SQLite could create them, but not delete a row afterwards. Two bookkeeping tables of macOS
//! 15 and 26 are left out too, their columns aren't known here.

mod indexes;
mod tables;
mod triggers;

use rusqlite::Connection;

use crate::Style;

/// Every statement for an empty database, in order.
pub fn statements(style: Style) -> Vec<String> {
    let tables = tables::TABLES.iter().filter(|t| t.since <= style);
    tables
        .map(|table| table.create(style))
        .chain(indexes::create(style))
        .chain(triggers::create(style))
        .collect()
}

/// The names of the columns that `table` has in `style`, in order.
pub fn columns(style: Style, table: &str) -> Vec<&'static str> {
    let table = tables::TABLES.iter().find(|t| t.name == table);
    table.map_or_else(Vec::new, |table| {
        table.columns(style).map(|column| column.name).collect()
    })
}

/// Whether any version of macOS has this column.
pub(crate) fn is_known(table: &str, column: &str) -> bool {
    columns(Style::Macos27, table).contains(&column)
}

/// Guesses the style of an existing database by the columns that each version added.
pub(crate) fn detect(connection: &Connection) -> rusqlite::Result<Style> {
    let has = |column: &str| {
        connection.query_row(
            "select exists (select 1 from pragma_table_info('message') where name = ?1)",
            [column],
            |row| row.get::<_, bool>(0),
        )
    };
    for (column, style) in [
        ("filter_action", Style::Macos27),
        ("index_state", Style::Tahoe),
        ("schedule_type", Style::Sequoia),
        ("date_edited", Style::Ventura),
    ] {
        if has(column)? {
            return Ok(style);
        }
    }
    Ok(Style::Monterey)
}
