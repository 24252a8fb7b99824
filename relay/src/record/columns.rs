//! Records and redacts the columns for which a step has no field.

use std::collections::BTreeMap;

use messages_script::{Cell, Columns, schema};
use rusqlite::types::Value;

use super::redact::Redactor;
use super::{Recorder, has_word};

/// Columns whose texts are made by software: guids, codes, bundle ids.
const TECHNICAL: &str = "\
    associated_message_guid thread_originator_guid thread_originator_part reply_to_guid
    balloon_bundle_id expressive_send_style_id service country uti mime_type state guid";
/// Columns with an address, perhaps with the prefix `P:` or `E:`. The texts of all other columns count as
/// written by people.
const ADDRESSES: &str = "account account_login destination_caller_id last_addressed_handle";

impl Redactor {
    /// A column's value as a step writes it, redacted if redaction is on.
    fn cell(&mut self, column: &str, value: Value) -> Cell {
        match value {
            Value::Null => Cell::Null,
            Value::Integer(int) => Cell::Int(int),
            Value::Real(real) => Cell::Real(real),
            Value::Text(text) if has_word(TECHNICAL, column) => Cell::Text(text),
            Value::Text(text) if has_word(ADDRESSES, column) => Cell::Text(self.account(&text)),
            Value::Text(text) => Cell::Text(self.text(&text)),
            Value::Blob(blob) => {
                let redacted_list = match column {
                    "payload_data" | "user_info" if self.is_on() => self.property_list(&blob),
                    _ => None,
                };
                redacted_list.map_or_else(|| self.bytes(&blob), |list| hex(&list))
            }
        }
    }

    /// Bytes of unknown content. Redaction replaces them by the same number of zeros.
    pub(super) fn bytes(&self, bytes: &[u8]) -> Cell {
        if self.is_on() {
            let zeros = bytes.len();
            Cell::Zeros { zeros }
        } else {
            hex(bytes)
        }
    }
}

/// A row of any table, by column.
pub(super) struct Row(BTreeMap<String, Value>);

impl Row {
    /// A value of any type; NULL if the table has no such column.
    pub(super) fn value(&self, column: &str) -> Value {
        self.0.get(column).cloned().unwrap_or(Value::Null)
    }

    /// A text; `None` for a value of another type.
    pub(super) fn text(&self, column: &str) -> Option<String> {
        match self.0.get(column) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    /// An integer; `None` for a value of another type.
    pub(super) fn int(&self, column: &str) -> Option<i64> {
        match self.0.get(column) {
            Some(Value::Integer(int)) => Some(*int),
            _ => None,
        }
    }

    /// Bytes; `None` for a value of another type.
    pub(super) fn blob(&self, column: &str) -> Option<&[u8]> {
        match self.0.get(column) {
            Some(Value::Blob(blob)) => Some(blob),
            _ => None,
        }
    }
}

impl Recorder<'_> {
    /// Reads a row with all columns that its table has.
    pub(super) fn row(&self, table: &str, rowid: i64) -> rusqlite::Result<Row> {
        let sql = format!("select * from {table} where ROWID = ?1");
        let mut query = self.connection.prepare_cached(&sql)?;
        let names: Vec<String> = query
            .column_names()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let row = query.query_row([rowid], |row| {
            let values = names.into_iter().enumerate();
            let values = values.map(|(index, name)| Ok((name, row.get(index)?)));
            values.collect::<Result<_, rusqlite::Error>>()
        })?;
        Ok(Row(row))
    }

    /// The columns of a row that are not in `covered` and differ from the player's default. The default is the
    /// value in `defaults`, else NULL or 0. A column with `None` in `defaults` has no fixed default, so it is
    /// always recorded.
    pub(super) fn other_columns(
        &mut self,
        table: &'static str,
        row: &Row,
        covered: &str,
        defaults: &[(&str, Option<Value>)],
    ) -> Columns {
        let mut columns = Columns::new();
        for (column, value) in &row.0 {
            // The player cannot write an unknown column, which is one of a newer macOS.
            if has_word(covered, column) || !schema::is_known(table, column) {
                continue;
            }
            let is_default = match defaults.iter().find(|(name, _)| name == column) {
                Some((_, default)) => default.as_ref() == Some(value),
                None => matches!(value, Value::Null | Value::Integer(0)),
            };
            if !is_default {
                let cell = self.redactor.cell(column, value.clone());
                columns.insert(column.clone(), cell);
            }
        }
        columns
    }
}

pub(super) fn hex(bytes: &[u8]) -> Cell {
    Cell::Hex {
        hex: hex::encode(bytes),
    }
}
