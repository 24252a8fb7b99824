//! The digest of a row, by which the relay notices that the row changed.

use rusqlite::Row as SqlRow;
use rusqlite::types::ValueRef;

use super::{ChatDb, attachment, value};
use crate::ReadError;
use crate::digest::Digest;
use crate::schema::Schema;

/// A row's ROWID, guid and digest, which the relay compares with those of an earlier read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowDigest {
    /// `message.ROWID`
    pub rowid: i64,
    /// `message.guid`
    pub guid: String,
    /// Digest over the columns that Messages changes in place.
    pub digest: Digest,
}

impl ChatDb {
    /// Digests of the rows at `rowids` that still exist.
    pub fn row_digests(&self, rowids: &[i64]) -> Result<Vec<RowDigest>, ReadError> {
        let mut statement = self.connection.prepare_cached(&self.queries.row_digest)?;
        let mut digests = Vec::with_capacity(rowids.len());
        for rowid in rowids {
            let mut rows = statement.query([rowid])?;
            let Some(row) = rows.next()? else { continue };
            let Some(guid) = value::text(row, "guid")? else {
                continue;
            };
            digests.push(RowDigest {
                rowid: row.get("ROWID")?,
                guid,
                digest: digest(row)?,
            });
        }
        Ok(digests)
    }
}

/// The select list of the columns that a [`Digest`] covers. It has lengths instead of contents: `octet_length` does
/// not read the overflow pages of a long body, and 24 hours of rows are compared at every change.
pub(super) fn digest_list(schema: &Schema) -> String {
    let column = |name| schema.column("message", "m", name);
    let attachments = if schema.has_table("attachment")
        && schema.has_table("message_attachment_join")
        && column("cache_has_attachments") != "null"
    {
        format!(
            "case when {} then (select group_concat({}, ',' order by a.ROWID)
             from message_attachment_join j join attachment a on a.ROWID = j.attachment_id
             where j.message_id = m.ROWID) end",
            column("cache_has_attachments"),
            attachment::digest_expression(schema),
        )
    } else {
        "null".to_owned()
    };
    [
        format!("{} as digest", column("date_edited")),
        format!("octet_length({})", column("text")),
        format!("octet_length({})", column("attributedBody")),
        format!("octet_length({})", column("message_summary_info")),
        column("part_count"),
        column("is_empty"),
        column("schedule_state"),
        column("is_from_me"),
        attachments,
        format!("octet_length({})", column("payload_data")),
    ]
    .join(", ")
}

/// The number of columns in [`digest_list`].
const DIGEST_COLUMNS: usize = 10;
/// The number of columns that the first release compared. A later column counts only if it has a value, so that
/// the digests of all other rows stay the same and an upgraded relay need not read those rows again.
const FIRST_DIGEST_COLUMNS: usize = 9;

/// The digest of a row that was selected by [`digest_list`].
pub(super) fn digest(row: &SqlRow<'_>) -> rusqlite::Result<Digest> {
    let first = row.as_ref().column_index("digest")?;
    let mut parts = Vec::with_capacity(DIGEST_COLUMNS);
    for index in 0..DIGEST_COLUMNS {
        let part = match row.get_ref(first + index)? {
            // NULL and 0 are the same: an update that writes a default value is no change.
            ValueRef::Null | ValueRef::Integer(0) => Vec::new(),
            ValueRef::Integer(number) => number.to_le_bytes().to_vec(),
            ValueRef::Real(number) => number.to_le_bytes().to_vec(),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
        };
        if index < FIRST_DIGEST_COLUMNS || !part.is_empty() {
            parts.push(part);
        }
    }
    Ok(Digest::of(parts.iter().map(Vec::as_slice)))
}

#[cfg(test)]
mod tests {
    use messages_stand_in::{Attachment, Date, NewMessage, RichLink, Style};

    use super::*;
    use crate::read::ChatDb;

    /// The digest of a row in the first release, which had nine columns.
    fn digest_of_earlier_release(body_bytes: i64, attachments: &str) -> Digest {
        let number = |number: i64| number.to_le_bytes().to_vec();
        let nothing = Vec::new;
        let parts = [
            nothing(),
            nothing(),
            number(body_bytes),
            nothing(),
            number(1),
            nothing(),
            nothing(),
            nothing(),
            attachments.as_bytes().to_vec(),
        ];
        Digest::of(parts.iter().map(Vec::as_slice))
    }

    #[test]
    fn a_row_without_a_value_in_the_new_columns_keeps_its_digest() {
        for style in [Style::Ventura, Style::Tahoe] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("chat.db");
            let mut messages = messages_stand_in::ChatDb::create(&path, style).unwrap();
            let now = Date::from_unix_micros(1_790_000_000_000_000);
            let text = NewMessage::incoming(1, now).text("hi");
            let plain = messages.insert_message(&text).unwrap();
            let photo = messages.insert_message(&text).unwrap();
            messages
                .attach(photo, &Attachment::photo("a.jpg", 10), now)
                .unwrap();
            let voice = messages.insert_message(&text).unwrap();
            let transcribed = Attachment::voice(10).with_transcript("hello");
            messages.attach(voice, &transcribed, now).unwrap();
            let link = RichLink::new("https://example.com");
            let link = messages.insert_message(&text.link(&link)).unwrap();
            let bytes: i64 = messages
                .raw()
                .query_row("select length(attributedBody) from message", [], |row| {
                    row.get(0)
                })
                .unwrap();
            let db = ChatDb::open(&path).unwrap();
            let digest = |row| db.row_digests(&[row]).unwrap()[0].digest;
            assert_eq!(
                digest(plain),
                digest_of_earlier_release(bytes, ""),
                "{style}"
            );
            assert_eq!(
                digest(photo),
                digest_of_earlier_release(bytes, "1:5:10"),
                "{style}"
            );
            assert_ne!(
                digest(voice),
                digest_of_earlier_release(bytes, "2:5:10"),
                "{style}"
            );
            assert_ne!(
                digest(link),
                digest_of_earlier_release(bytes, ""),
                "{style}"
            );
        }
    }
}
