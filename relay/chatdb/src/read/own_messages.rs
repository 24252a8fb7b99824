//! Searches chat.db for own messages that a row repeats, and for messages that a person wrote from an address.
//!
//! An own message may appear a second time as a received row, from another address of the same account,
//! with the same text and timestamp. An own address, such as a former number of the owner, may belong to
//! another person by now. These searches run for a few rows only.

use rusqlite::params;

use super::conversation::Chats;
use super::{ChatDb, ChatStyle, Row, message, value};
use crate::ReadError;
use crate::dates::to_apple_nanos;

/// Largest difference between the timestamps of an original and its copy, which two devices may round differently.
const SAME_MOMENT_MICROS: i64 = 2_000_000;
/// Most rows of an address that are read, newest first.
const MAX_ROWS_OF_ADDRESS: u32 = 100;
/// Largest difference between the timestamps of the two rows of a note to self, unless only one of them is in whole
/// seconds.
const NOTE_ROWS_WITHIN_MICROS: i64 = 100_000;
const NANOS_OF_A_MICRO: i64 = 1_000;

/// The chats in which an own message is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchedChats {
    /// The chat of the row that may be its copy.
    SameChat,
    /// All chats, since a note from one own address to another appears in the chat of each.
    AnyChat,
}

/// Whether a row was sent or received.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Sent,
    Received,
}

impl ChatDb {
    /// The newest `limit` rows, with only their addresses and chats, newest first.
    pub fn addresses_of_newest(&self, limit: u32) -> Result<Vec<Row>, ReadError> {
        let after = self.sequence()?.saturating_sub(limit.into());
        self.snapshot(|| {
            let mut rows = self.select(&self.queries.addresses, [after], |columns| {
                Ok(Row {
                    rowid: columns.get("ROWID")?,
                    is_from_me: value::flag(columns, "is_from_me")?,
                    line: value::address(columns, "destination_caller_id")?,
                    account: value::address(columns, "account")?,
                    handle: value::address(columns, "handle")?,
                    ..Row::default()
                })
            })?;
            let mut chats = Chats::default();
            for row in &mut rows {
                row.chat = self.chat_of(row.rowid, &mut chats)?;
            }
            Ok(rows)
        })
    }

    /// The own message with the same text as `row`, sent within two seconds of it, in `chats`. Its chat and attachments
    /// are not read.
    pub fn own_send_like(&self, row: &Row, chats: SearchedChats) -> Result<Option<Row>, ReadError> {
        let Some(sent_at) = row.sent_at else {
            return Ok(None);
        };
        let (from, until) = (sent_at - SAME_MOMENT_MICROS, sent_at + SAME_MOMENT_MICROS);
        let own_send = self.find_between(from, until, Side::Sent, |own| {
            // Without words, only an equal timestamp shows that two photos are the same.
            let is_same = has_same_text(own, row) && (has_words(own) || own.sent_at == row.sent_at);
            Ok(is_same
                && (chats == SearchedChats::AnyChat || self.shares_chat(own.rowid, row.rowid)?))
        })?;
        Ok(own_send)
    }

    /// The own message with the same text and the same microsecond as `row`, in any chat. A row without words, such
    /// as a photo, is compared only in its own direct chat. A date in whole seconds, such as that of an SMS, proves
    /// nothing. The search is one look-up in the date index, which finds nothing for almost every row.
    pub fn own_send_at(&self, row: &Row) -> Result<Option<Row>, ReadError> {
        let Some(sent_at) = row.sent_at.filter(|at| at % 1_000_000 != 0) else {
            return Ok(None);
        };
        let chat = row.chat.as_deref();
        let is_direct = chat.is_some_and(|chat| chat.style == ChatStyle::Direct);
        let own_send = self.find_between(sent_at, sent_at, Side::Sent, |own| {
            Ok(own.sent_at == row.sent_at
                && has_same_text(own, row)
                && (has_words(own) || (is_direct && self.shares_chat(own.rowid, row.rowid)?)))
        })?;
        Ok(own_send)
    }

    /// The own messages with this timestamp, microseconds since 1970, each with its chat.
    pub fn own_rows_at(&self, at: i64) -> Result<Vec<Row>, ReadError> {
        let rowids = self.rowids(&self.queries.same_moment, moment(at, at, Side::Sent))?;
        self.snapshot(|| {
            let mut rows = Vec::new();
            for rowid in rowids {
                rows.extend(self.read_rows(&self.queries.row_at, [rowid])?);
            }
            rows.retain(|row| row.sent_at == Some(at));
            Ok(rows)
        })
    }

    /// Whether the chat of a sent row has a received row with the same text at nearly the same time, or
    /// the reverse. A note to self has both rows; two persons do not write the same text that fast.
    pub fn has_other_side(&self, row: &Row) -> Result<bool, ReadError> {
        let Some(sent_at) = row.sent_at else {
            return Ok(false);
        };
        let other_side = if row.is_from_me {
            Side::Received
        } else {
            Side::Sent
        };
        let (from, until) = (sent_at - SAME_MOMENT_MICROS, sent_at + SAME_MOMENT_MICROS);
        let other = self.find_between(from, until, other_side, |other| {
            let is_same = has_same_text(other, row)
                && other.sent_at.is_some_and(|at| {
                    may_be_same_date(at, sent_at) && (at == sent_at || has_words(row))
                });
            Ok(is_same && self.shares_chat(other.rowid, row.rowid)?)
        })?;
        Ok(other.is_some())
    }

    /// Whether another person writes from `address`: among its newest rows is a received message that neither went to
    /// the same address nor is a copy of an own message, in a chat of which `address` is a member.
    pub fn has_written(&self, address: &str) -> Result<bool, ReadError> {
        for handle in self.rowids(self.queries.handles, [address])? {
            for rowid in self.rowids(
                self.queries.written_by,
                params![handle, MAX_ROWS_OF_ADDRESS],
            )? {
                let Some(row) = self.bare_row(rowid)? else {
                    continue;
                };
                let is_received_message = !row.is_from_me
                    && row.item_type == 0
                    && row.handle.as_deref() == Some(address)
                    && row.line.as_deref() != Some(address);
                if !is_received_message
                    || self.own_send_like(&row, SearchedChats::AnyChat)?.is_some()
                {
                    continue;
                }
                let chat = self.chat_of(rowid, &mut Chats::default())?;
                if chat.is_some_and(|chat| chat.has_member(address)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The first sent or received row, dated between two microseconds (both included), for which `matches` holds.
    fn find_between(
        &self,
        from: i64,
        until: i64,
        side: Side,
        matches: impl Fn(&Row) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<Option<Row>> {
        for rowid in self.rowids(&self.queries.same_moment, moment(from, until, side))? {
            if let Some(row) = self.bare_row(rowid)?
                && matches(&row)?
            {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// A row without its chat and its attachments.
    fn bare_row(&self, rowid: i64) -> rusqlite::Result<Option<Row>> {
        let row = self.first(&self.queries.row_at, [rowid], message::read)?;
        Ok(row.flatten())
    }

    /// Whether the rows at two ROWIDs are joined to the same chat.
    fn shares_chat(&self, one: i64, other: i64) -> rusqlite::Result<bool> {
        self.exists(
            "select 1 from chat_message_join a join chat_message_join b on b.chat_id = a.chat_id
             where a.message_id = ?1 and b.message_id = ?2",
            [one, other],
        )
    }
}

/// The parameters of the query for the rows of one side, dated between two microseconds (both included).
fn moment(from: i64, until: i64, side: Side) -> (i64, i64, i64, i64, bool) {
    let seconds = |micros: i64| to_apple_nanos(micros) / 1_000_000_000;
    (
        to_apple_nanos(from),
        to_apple_nanos(until) + (NANOS_OF_A_MICRO - 1),
        seconds(from),
        seconds(until),
        side == Side::Sent,
    )
}

fn has_same_text(one: &Row, other: &Row) -> bool {
    one.associated_type == other.associated_type && one.visible_text() == other.visible_text()
}

/// Whether two dates may be the same date, one of them cut or rounded to a whole second. A person does
/// not answer with the same words within that time.
fn may_be_same_date(one: i64, other: i64) -> bool {
    let apart = (one - other).abs();
    let is_whole = |at: i64| at % 1_000_000 == 0;
    apart <= NOTE_ROWS_WITHIN_MICROS || (is_whole(one) != is_whole(other) && apart < 1_000_000)
}

fn has_words(row: &Row) -> bool {
    !row.visible_text().trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::may_be_same_date;

    #[test]
    fn dates_that_differ_by_little_or_by_rounding_may_be_the_same() {
        let at = 1_790_000_000_250_001;
        for (other, is_same) in [
            (at, true),
            (at + 100_000, true),
            (at - 100_000, true),
            (at + 100_001, false),
            (at - 400_000, false),
            // A date that was cut to the whole second, and one that was rounded up.
            (1_790_000_000_000_000, true),
            (1_790_000_001_000_000, true),
            (1_790_000_002_000_000, false),
            (1_789_999_999_000_000, false),
        ] {
            assert_eq!(may_be_same_date(at, other), is_same, "{other}");
            assert_eq!(may_be_same_date(other, at), is_same, "{other}");
        }
        let whole = 1_790_000_000_000_000;
        assert!(may_be_same_date(whole, whole) && !may_be_same_date(whole, whole + 1_000_000));
    }
}
