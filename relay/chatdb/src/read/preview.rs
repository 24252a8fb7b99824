//! The second row that Messages writes for a link.

use rusqlite::params;

use super::{ChatDb, Row, message};

impl ChatDb {
    /// Whether `row` is the preview that Messages adds 0.8 to 2 s after a link's text. Every preview
    /// takes one text: a link sent again as a single row is not a preview of the first one's text.
    pub(super) fn previews_earlier_row(&self, row: &Row) -> rusqlite::Result<bool> {
        const WITHIN_MICROS: i64 = 10_000_000;
        let Some(chat) = &row.chat else {
            return Ok(false);
        };
        let link = row.visible_text();
        let mut statement = self.connection.prepare_cached(&self.queries.preceding)?;
        let mut columns = statement.query(params![
            chat.rowid,
            row.rowid,
            row.rowid.saturating_sub(200)
        ])?;
        let mut unmatched_previews = 0;
        while let Some(columns) = columns.next()? {
            let Some(earlier) = message::read(columns)? else {
                continue;
            };
            let near = row
                .sent_at
                .zip(earlier.sent_at)
                .is_some_and(|(a, b)| (a - b).abs() <= WITHIN_MICROS);
            let same_sender = earlier.handle == row.handle && earlier.is_from_me == row.is_from_me;
            let text = earlier.visible_text();
            if !near || !same_sender || link.trim().is_empty() || !text.contains(link.trim()) {
                continue;
            }
            if earlier.is_link_balloon() {
                unmatched_previews += 1;
            } else if unmatched_previews == 0 {
                return Ok(true);
            } else {
                unmatched_previews -= 1;
            }
        }
        Ok(false)
    }
}
