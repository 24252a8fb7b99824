//! How far Messages got with sending an own message, and looks at own rows by guid.
//!
//! Messages changes these columns in place, and the digest of a row does not cover them: only the rows of the
//! relay's own sends are watched, and they are few.

use rusqlite::Row as SqlRow;

use super::value::{flag, integer, text};
use super::{ChatDb, Row, SentFlags};
use crate::ReadError;
use crate::dates::{from_apple_date, index_bounds, seconds_limit};
use crate::schema::Schema;

/// The part of a row that shows how far it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentRow {
    /// `message.ROWID`
    pub rowid: i64,
    /// `message.guid`
    pub guid: String,
    /// Whether the message was sent from one of the owner's devices.
    pub is_from_me: bool,
    /// `iMessage`, `SMS`, `RCS`, …
    pub service: Option<String>,
    /// How far it was sent.
    pub sent: SentFlags,
}

const COLUMNS: &str = "ROWID, guid, is_from_me, service, error, is_sent, is_delivered, \
                       date_delivered, was_downgraded, is_auto_reply";

impl ChatDb {
    /// The rows with these guids that exist, each with its chat, in the order of the guids.
    pub fn rows_by_guid(&self, guids: &[impl AsRef<str>]) -> Result<Vec<Row>, ReadError> {
        self.snapshot(|| {
            let mut rows = Vec::with_capacity(guids.len());
            for guid in guids {
                rows.extend(self.read_rows(&self.queries.row_by_guid, [guid.as_ref()])?);
            }
            Ok(rows)
        })
    }

    /// How far the rows with these guids were sent, as far as they exist. This reads no body and no other table, so
    /// hundreds of rows can be looked at after each change of the database.
    pub fn sent_rows(&self, guids: &[impl AsRef<str>]) -> Result<Vec<SentRow>, ReadError> {
        self.snapshot(|| {
            let mut rows = Vec::with_capacity(guids.len());
            for guid in guids {
                rows.extend(
                    self.first(&self.queries.sent_row, [guid.as_ref()], read)?
                        .flatten(),
                );
            }
            Ok(rows)
        })
    }

    /// The guids of up to 50 own messages that stand after the message at `rowid` in one of its chats, in their order. A
    /// tapback is no such message, and neither is one that was not sent because of an error.
    pub fn own_rows_after(&self, rowid: i64) -> Result<Vec<String>, ReadError> {
        Ok(self.select(&self.queries.own_rows_after, [rowid], |row| row.get(0))?)
    }

    /// ROWIDs of own rows sent at or after `since` (microseconds since 1970), in insertion order.
    pub fn own_rowids_since(&self, since: i64) -> Result<Vec<i64>, ReadError> {
        let (nanos, seconds) = index_bounds(since);
        let params = [nanos, seconds, seconds_limit()];
        let mut rowids = self.rowids(&self.queries.own_rowids_since, params)?;
        rowids.sort_unstable();
        Ok(rowids)
    }
}

/// The query for the own messages, sent without an error, that stand after a message in one of its chats.
pub(super) fn own_rows_after(schema: &Schema) -> String {
    let message = |name| schema.column("message", "m", name);
    let (date, date_of_row) = (
        schema.column("chat_message_join", "j", "message_date"),
        schema.column("chat_message_join", "here", "message_date"),
    );
    format!(
        "select m.guid from chat_message_join here
         join chat_message_join j on j.chat_id = here.chat_id
             and ({date}, j.message_id) > ({date_of_row}, here.message_id)
         join message m on m.ROWID = j.message_id
         where here.message_id = ?1 and {from_me} = 1 and coalesce({item_type}, 0) = 0
             and coalesce({associated}, 0) < 1000 and coalesce({error}, 0) = 0
         order by {date}, j.message_id limit 50",
        from_me = message("is_from_me"),
        item_type = message("item_type"),
        associated = message("associated_message_type"),
        error = message("error"),
    )
}

/// The query for the row with a guid.
pub(super) fn query(schema: &Schema) -> String {
    let columns = schema.list("message", "m", COLUMNS);
    format!("select {columns} from message m where m.guid = ?1")
}

/// The query for own rows since a date. The plus sign before `is_from_me` keeps SQLite from using an index over that
/// column instead of the one over dates.
pub(super) fn own_rowids_since(schema: &Schema) -> String {
    let is_from_me = schema.column("message", "m", "is_from_me");
    format!(
        "select m.ROWID from message m where m.date >= ?1 and +{is_from_me} = 1
         union all
         select m.ROWID from message m where m.date >= ?2 and m.date < ?3 and +{is_from_me} = 1"
    )
}

fn read(row: &SqlRow<'_>) -> rusqlite::Result<Option<SentRow>> {
    let Some(guid) = text(row, "guid")? else {
        return Ok(None);
    };
    Ok(Some(SentRow {
        rowid: row.get("ROWID")?,
        guid,
        is_from_me: flag(row, "is_from_me")?,
        service: text(row, "service")?,
        sent: SentFlags {
            error: integer(row, "error")?,
            is_sent: flag(row, "is_sent")?,
            is_delivered: flag(row, "is_delivered")?,
            delivered_at: from_apple_date(integer(row, "date_delivered")?),
            was_downgraded: flag(row, "was_downgraded")?,
            is_auto_reply: flag(row, "is_auto_reply")?,
        },
    }))
}
