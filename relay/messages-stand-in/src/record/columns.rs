//! Columns that no field of a step covers: which are recorded, and how their values are redacted.

use rusqlite::types::Value;

use super::Recorder;
use super::redact::Redactor;
use crate::Error;
use crate::script::{Cell, Columns};

/// How a text column is redacted.
enum Content {
    /// Made by software: guids, codes, bundle ids.
    Technical,
    /// An address, perhaps behind `P:` or `E:`.
    Address,
    /// Written by a person.
    Written,
}

fn content(column: &str) -> Content {
    match column {
        "associated_message_guid"
        | "thread_originator_guid"
        | "thread_originator_part"
        | "reply_to_guid"
        | "balloon_bundle_id"
        | "expressive_send_style_id"
        | "service"
        | "country"
        | "uti"
        | "mime_type"
        | "state"
        | "guid" => Content::Technical,
        "account" | "account_login" | "destination_caller_id" | "last_addressed_handle" => {
            Content::Address
        }
        _ => Content::Written,
    }
}

impl Redactor {
    fn cell(&mut self, column: &str, value: Value) -> Cell {
        match value {
            Value::Null => Cell::Null,
            Value::Integer(int) => Cell::Int(int),
            Value::Real(real) => Cell::Real(real),
            Value::Text(text) => Cell::Text(match content(column) {
                Content::Technical => text,
                Content::Address => self.account(&text),
                Content::Written => self.text(&text),
            }),
            Value::Blob(blob) if self.is_on() => Cell::Zeros { zeros: blob.len() },
            Value::Blob(blob) => Cell::Hex { hex: hex(&blob) },
        }
    }
}

impl Recorder<'_> {
    /// The columns that the table has here.
    pub(super) fn columns_of(&mut self, table: &'static str) -> Result<Vec<String>, Error> {
        if let Some(columns) = self.columns.get(table) {
            return Ok(columns.clone());
        }
        let mut query = self
            .connection
            .prepare("select name from pragma_table_info(?1)")?;
        let columns = query.query_map([table], |row| row.get(0))?;
        let columns: Vec<String> = columns.collect::<Result<_, _>>()?;
        self.columns.insert(table, columns.clone());
        Ok(columns)
    }

    /// Every column of a row that isn't in `covered` and isn't what a row has anyway: NULL, 0, or the
    /// value in `usual`, which the player writes if it is told nothing; `None` there stands for one that
    /// can't be foreseen, so that the column is always recorded.
    pub(super) fn rest(
        &mut self,
        table: &'static str,
        rowid: i64,
        covered: &[&str],
        usual: &[(&str, Option<Value>)],
    ) -> Result<Columns, Error> {
        let mut rest = Columns::new();
        for column in self.columns_of(table)? {
            // What a macOS that this crate doesn't know added can't be built again.
            if covered.contains(&column.as_str()) || !crate::schema::is_known(table, &column) {
                continue;
            }
            let value = self.value(table, rowid, &column)?;
            let unremarkable = match usual.iter().find(|(name, _)| *name == column) {
                Some((_, usual)) => usual.as_ref() == Some(&value),
                None => matches!(value, Value::Null | Value::Integer(0)),
            };
            if !unremarkable {
                let cell = self.redactor.cell(&column, value);
                rest.insert(column, cell);
            }
        }
        Ok(rest)
    }

    /// One value, whatever its type.
    pub(super) fn value(&self, table: &str, rowid: i64, column: &str) -> Result<Value, Error> {
        let sql = format!("select {column} from {table} where ROWID = ?1");
        let mut query = self.connection.prepare_cached(&sql)?;
        Ok(query.query_row([rowid], |row| row.get(0))?)
    }

    /// A text value; `None` for any other type.
    pub(super) fn text(
        &self,
        table: &str,
        rowid: i64,
        column: &str,
    ) -> Result<Option<String>, Error> {
        Ok(match self.value(table, rowid, column)? {
            Value::Text(text) => Some(text),
            _ => None,
        })
    }

    /// An integer value; `None` for any other type.
    pub(super) fn int(&self, table: &str, rowid: i64, column: &str) -> Result<Option<i64>, Error> {
        Ok(match self.value(table, rowid, column)? {
            Value::Integer(int) => Some(int),
            _ => None,
        })
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}
