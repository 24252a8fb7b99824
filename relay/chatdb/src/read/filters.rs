//! The marks by which Apple's filters and the owner's blocking hold messages back.
//!
//! The marks are columns of a row and of its chat. Messages removes a mark in place, without writing a
//! new row. So the relay repeatedly looks at the rows that were held back, and the queries in this module
//! read only a few columns by ROWID.

use std::rc::Rc;

use rusqlite::Row as SqlRow;

use super::relation::queries::LIES_IN_CHAT;
use super::value::{flag, integer, text};
use super::{Chat, ChatDb, Row};
use crate::ReadError;
use crate::dates::index_bounds;
use crate::schema::Schema;

/// Why a row is held back. The relay stores the name in snake case and shows it to the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum FilterReason {
    /// The owner blocked the chat.
    Blocked,
    /// Spam, by the row or by its chat.
    Spam,
    /// Junk, by the row (macOS 27).
    Junk,
    /// A promotion, by the row (macOS 27).
    Promotion,
    /// A transaction, by the row (macOS 27).
    Transaction,
    /// A category of iOS 26, or one that this release does not know, by the row or by its chat.
    Category,
}

impl FilterReason {
    /// The reason why the marks of `row` and `chat` hold back a received row; `None` if they do not. No filter holds back
    /// an own row, so the caller must not ask about one.
    pub fn of(row: &Row, chat: &Chat) -> Option<Self> {
        let of_chat = chat_reason(chat.filter, chat.is_blocked);
        of_chat
            .filter(|reason| *reason == Self::Blocked)
            .or_else(|| row_reason(row.is_spam, row.filter_action))
            .or(of_chat)
    }
}

impl Row {
    /// A copy of the row and its chat without the marks that hold the row back.
    #[must_use]
    pub fn unfiltered(&self) -> Self {
        let chat = self.chat.as_deref().map(|chat| {
            Rc::new(Chat {
                filter: 0,
                is_blocked: false,
                ..chat.clone()
            })
        });
        Self {
            is_spam: false,
            filter_action: 0,
            chat,
            ..self.clone()
        }
    }
}

/// The reason by the columns of a row. `filter_action` 1 is allowed, 2 junk, 3 a promotion, 4 a transaction.
fn row_reason(is_spam: bool, filter_action: i64) -> Option<FilterReason> {
    if is_spam {
        return Some(FilterReason::Spam);
    }
    match filter_action {
        ..2 => None,
        2 => Some(FilterReason::Junk),
        3 => Some(FilterReason::Promotion),
        4 => Some(FilterReason::Transaction),
        _ => Some(FilterReason::Category),
    }
}

/// The reason by the columns of a chat. `is_filtered` 1 is an unknown sender, whose messages are not held
/// back, 2 is spam, and higher numbers are categories.
fn chat_reason(filter: i64, is_blocked: bool) -> Option<FilterReason> {
    match filter {
        _ if is_blocked => Some(FilterReason::Blocked),
        ..2 => None,
        2 => Some(FilterReason::Spam),
        _ => Some(FilterReason::Category),
    }
}

/// The marks that a row has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterMarks {
    /// `message.ROWID`
    pub rowid: i64,
    /// The reason from the marks of the row and not of its chat; `None` for an own row.
    pub reason: Option<FilterReason>,
    /// Whether the owner sent the row. No filter holds such a row back.
    pub is_from_me: bool,
}

/// The marks of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatMarks {
    /// `chat.ROWID`
    pub rowid: i64,
    /// The reason why every received message in the chat is held back.
    pub reason: Option<FilterReason>,
}

/// The SQL of the queries in this module. The comment of each query lists its parameters.
#[derive(Debug)]
pub(super) struct FilterQueries {
    /// 1 ROWID of a message.
    pub(super) marks_by_rowid: String,
    /// 1 guid of a message.
    pub(super) marks_by_guid: String,
    /// 1 ROWID of a chat.
    pub(super) chat_marks_by_rowid: String,
    /// 1 guid of a chat.
    pub(super) chat_marks_by_guid: String,
}

/// ROWIDs of the rows in a range of dates. Parameters: 1 and 2 in nanoseconds, 3 and 4 in seconds, for dates in these
/// units; 1 and 3 are the first date, 2 and 4 the end, which is excluded.
pub(super) const ROWIDS_BETWEEN: &str = "select ROWID from message where date >= ?1 and date < ?2
     union all
     select ROWID from message where date >= ?3 and date < ?4";

impl FilterQueries {
    pub(super) fn build(schema: &Schema) -> Self {
        let columns = "ROWID, guid, is_from_me, is_spam, filter_action";
        let marks = schema.list("message", "m", columns);
        let chat_marks = schema.list("chat", "c", "ROWID, is_filtered, is_blackholed");
        Self {
            marks_by_rowid: format!("select {marks} from message m where m.ROWID = ?1"),
            marks_by_guid: format!("select {marks} from message m where m.guid = ?1"),
            chat_marks_by_rowid: format!("select {chat_marks} from chat c where c.ROWID = ?1"),
            chat_marks_by_guid: format!("select {chat_marks} from chat c where c.guid = ?1"),
        }
    }
}

fn read_chat_marks(row: &SqlRow<'_>) -> rusqlite::Result<ChatMarks> {
    Ok(ChatMarks {
        rowid: row.get("ROWID")?,
        reason: chat_reason(integer(row, "is_filtered")?, flag(row, "is_blackholed")?),
    })
}

impl ChatDb {
    /// The marks of the row with `guid`, which was at `rowid` when it was last read; `None` if the row
    /// does not exist any more.
    pub fn filter_marks(&self, rowid: i64, guid: &str) -> Result<Option<FilterMarks>, ReadError> {
        let read = |row: &SqlRow<'_>| {
            let is_from_me = flag(row, "is_from_me")?;
            let reason = row_reason(flag(row, "is_spam")?, integer(row, "filter_action")?);
            let marks = FilterMarks {
                rowid: row.get("ROWID")?,
                reason: reason.filter(|_| !is_from_me),
                is_from_me,
            };
            Ok((text(row, "guid")?, marks))
        };
        let at_rowid = self.first(&self.queries.filters.marks_by_rowid, [rowid], read)?;
        if let Some((Some(found), marks)) = at_rowid
            && found == guid
        {
            return Ok(Some(marks));
        }
        let by_guid = self.first(&self.queries.filters.marks_by_guid, [guid], read)?;
        Ok(by_guid.map(|(_, marks)| marks))
    }

    /// The marks of the chat with `guid`; `None` if there is no such chat.
    pub fn chat_marks(&self, guid: &str) -> Result<Option<ChatMarks>, ReadError> {
        Ok(self.first(
            &self.queries.filters.chat_marks_by_guid,
            [guid],
            read_chat_marks,
        )?)
    }

    /// The marks of the chat at `rowid`. Messages never uses a ROWID of a chat twice.
    pub fn chat_marks_at(&self, rowid: i64) -> Result<Option<ChatMarks>, ReadError> {
        Ok(self.first(
            &self.queries.filters.chat_marks_by_rowid,
            [rowid],
            read_chat_marks,
        )?)
    }

    /// Whether the row at `rowid` is joined to the chat at the ROWID `chat`.
    pub fn is_joined_to(&self, rowid: i64, chat: i64) -> Result<bool, ReadError> {
        Ok(self.exists(LIES_IN_CHAT, [chat, rowid])?)
    }

    /// ROWIDs of the rows that were sent at `sent_at`, in microseconds since 1970. A row whose date is in seconds counts
    /// if `sent_at` lies within its second.
    pub fn rowids_at(&self, sent_at: i64) -> Result<Vec<i64>, ReadError> {
        let [from, to] = [sent_at, sent_at + 1].map(index_bounds);
        let window = [from.0, to.0, from.1, from.1 + 1];
        Ok(self.rowids(ROWIDS_BETWEEN, window)?)
    }
}
