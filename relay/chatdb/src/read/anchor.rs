//! The row that a reply answers.

use rusqlite::OptionalExtension;

use super::ChatDb;
use super::value::text;
use crate::ReadError;

impl ChatDb {
    /// `handle.id` of the writer of the row at `rowid`, with the bytes that Messages has written: it knows a person
    /// only by these. `None` for a row without a handle.
    pub fn raw_handle(&self, rowid: i64) -> Result<Option<String>, ReadError> {
        let query = "select h.id from message m join handle h on h.ROWID = m.handle_id
                     where m.ROWID = ?1";
        let mut statement = self.connection.prepare_cached(query)?;
        let handle = statement
            .query_row([rowid], |row| text(row, 0))
            .optional()?;
        Ok(handle.flatten())
    }
}
