//! Which columns this chat.db has.
//!
//! Asked from the database each time it is opened. A column that is absent is replaced in the
//! queries by a constant, so that one query text serves every version of macOS.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

/// The tables without which nothing can be read.
const REQUIRED: [&str; 4] = ["message", "chat", "handle", "chat_message_join"];

/// The probed columns of every table that is read.
#[derive(Debug)]
pub(crate) struct Schema {
    columns: HashMap<&'static str, HashSet<String>>,
}

impl Schema {
    pub(crate) fn probe(connection: &Connection) -> rusqlite::Result<Self> {
        let mut columns = HashMap::new();
        for table in [
            "message",
            "chat",
            "handle",
            "attachment",
            "chat_message_join",
            "chat_handle_join",
            "message_attachment_join",
            "chat_recoverable_message_join",
            "chat_lookup",
        ] {
            let mut names = HashSet::new();
            connection.pragma(None, "table_info", table, |row| {
                names.insert(row.get::<_, String>("name")?.to_ascii_lowercase());
                Ok(())
            })?;
            if !names.is_empty() {
                // A rowid table answers to ROWID even if no column of that name was declared.
                names.insert("rowid".to_owned());
                columns.insert(table, names);
            }
        }
        Ok(Self { columns })
    }

    /// The first required table that is not there.
    pub(crate) fn missing_table(&self) -> Option<&'static str> {
        REQUIRED.into_iter().find(|table| !self.has_table(table))
    }

    pub(crate) fn has_table(&self, table: &str) -> bool {
        self.columns.contains_key(table)
    }

    /// `alias.column`, or `null` where the table lacks it.
    pub(crate) fn column(&self, table: &str, alias: &str, column: &str) -> String {
        let present = self
            .columns
            .get(table)
            .is_some_and(|columns| columns.contains(&column.to_ascii_lowercase()));
        if present {
            format!("{alias}.{column}")
        } else {
            "null".to_owned()
        }
    }

    /// A select list of the given columns, each under its name, whether or not the table has it.
    pub(crate) fn list(&self, table: &str, alias: &str, columns: &str) -> String {
        let columns = columns.split(", ");
        let list: Vec<_> = columns
            .map(|name| format!("{} as {name}", self.column(table, alias, name)))
            .collect();
        list.join(", ")
    }
}
