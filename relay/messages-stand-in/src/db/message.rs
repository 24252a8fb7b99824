//! Message rows at their insertion, before a join, a late text or an edit.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{ToSql, params_from_iter};

use super::ChatDb;
use super::chat::account;
use super::tapback;
use crate::typedstream::ATTACHMENT;
use crate::{Date, DateUnit, Error, Piece, Style, Tapback, TapbackChange, attributed_body, schema};

#[derive(Clone, Debug, PartialEq, Default)]
pub enum Body {
    #[default]
    Empty,
    /// The text in the columns of the style: both until macOS 12, only `attributedBody` since macOS 13.
    Usual(String),
    /// The text in `text` alone.
    Text(String),
    /// The given bytes in `attributedBody` and the given text in `text`.
    Archive {
        archive: Vec<u8>,
        text: Option<String>,
    },
}

#[derive(Clone, Debug, Default)]
pub struct NewMessage {
    body: Body,
    columns: BTreeMap<String, Value>,
    dates: Vec<(&'static str, Date)>,
}

impl NewMessage {
    /// A received message without a body.
    pub fn incoming(handle: i64, date: Date) -> Self {
        Self::default()
            .set("handle_id", handle)
            .set("is_delivered", 1)
            .set("is_finished", 1)
            .on("iMessage")
            .dated("date", date)
    }

    /// A sent message of the owner without a body.
    pub fn outgoing(date: Date) -> Self {
        Self::default()
            .set("is_from_me", 1)
            .set("is_sent", 1)
            .set("is_finished", 1)
            .on("iMessage")
            .dated("date", date)
    }

    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.body(Body::Usual(text.into()))
    }

    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    #[must_use]
    pub fn pieces(self, pieces: &[Piece]) -> Self {
        self.body(Body::Archive {
            archive: attributed_body(pieces),
            text: None,
        })
    }

    #[must_use]
    pub fn guid(self, guid: impl Into<String>) -> Self {
        self.set("guid", guid.into())
    }

    #[must_use]
    pub fn on(self, service: impl Into<String>) -> Self {
        self.set("service", service.into())
    }

    /// Makes the row a reply in the thread that the message `guid` started.
    #[must_use]
    pub fn reply_to(self, guid: impl Into<String>) -> Self {
        self.set("thread_originator_guid", guid.into())
            .set("thread_originator_part", "0:0:1".to_owned())
    }

    /// Makes the row a tapback. `target` is the number of a part and the guid of its message, `quoted` the text
    /// of the message. The emoji of [`Tapback::Emoji`] is 🎉.
    #[must_use]
    pub fn tapback(
        self,
        tapback: Tapback,
        change: TapbackChange,
        target: (i64, &str),
        quoted: &str,
    ) -> Self {
        self.tapback_with("🎉", tapback, change, target, quoted)
    }

    /// Makes the row a tapback as [`Self::tapback`] does, with the given emoji for [`Tapback::Emoji`].
    #[must_use]
    pub fn tapback_with(
        self,
        emoji: &str,
        tapback: Tapback,
        change: TapbackChange,
        (part, guid): (i64, &str),
        quoted: &str,
    ) -> Self {
        let (code, words) = tapback::code_and_words(tapback, emoji, change);
        let target = format!("p:{part}/{guid}");
        let Some(words) = words else {
            // A placed sticker and a vote quote no text. A vote has the guid of its poll without a prefix.
            let is_vote = tapback == Tapback::PollVote;
            let target = if is_vote { guid.to_owned() } else { target };
            return self.text(ATTACHMENT).associated(code, target);
        };
        let length = i64::try_from(quoted.encode_utf16().count()).unwrap_or(i64::MAX);
        let message = self
            .text(format!("{words} “{quoted}”"))
            .associated(code, target)
            .set("associated_message_range_length", length);
        match tapback {
            Tapback::Emoji => message.set("associated_message_emoji", emoji.to_owned()),
            _ => message,
        }
    }

    /// Sets a column. A column that the style lacks is left out at the insertion; a column that no macOS
    /// has is an error at the insertion.
    #[must_use]
    pub fn set(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.columns.insert(column.to_owned(), value.into());
        self
    }

    /// Sets a date column, in the unit that the database uses.
    #[must_use]
    pub fn dated(mut self, column: &'static str, date: Date) -> Self {
        self.dates.push((column, date));
        self
    }
}

impl ChatDb {
    /// Inserts the message row without joining it to a chat. Returns its ROWID.
    pub fn insert_message(&mut self, message: &NewMessage) -> Result<i64, Error> {
        let mut columns = message.columns.clone();
        // A value that was set by name has precedence over a date, and a later date over an earlier one.
        for (column, date) in message.dates.iter().rev() {
            let stored = self.stored_date(*date).into();
            columns.entry((*column).to_owned()).or_insert(stored);
        }
        if !columns.contains_key("guid") {
            columns.insert("guid".to_owned(), self.next_guid().into());
        }
        for (column, value) in self.body_columns(&message.body) {
            columns.entry(column.to_owned()).or_insert(value);
        }
        let defaults: [(&str, Value); 7] = [
            ("version", 10.into()),
            ("account", account(&self.own_address).into()),
            ("destination_caller_id", self.own_address.clone().into()),
            ("sort_id", 0.into()),
            ("date_read", 0.into()),
            ("date_delivered", 0.into()),
            ("part_count", 1.into()),
        ];
        for (column, value) in defaults {
            columns.entry(column.to_owned()).or_insert(value);
        }
        let supported = schema::columns(self.style, "message");
        if let Some(column) = columns
            .keys()
            .find(|column| !schema::is_known("message", column))
        {
            let (table, column) = ("message", column.clone());
            return Err(Error::UnknownColumn { table, column });
        }
        columns.retain(|column, _| supported.contains(&column.as_str()));
        let names: Vec<&str> = columns.keys().map(String::as_str).collect();
        let placeholders = vec!["?"; names.len()].join(", ");
        let sql = format!(
            "insert into message ({}) values ({placeholders})",
            names.join(", ")
        );
        self.raw()
            .prepare_cached(&sql)?
            .execute(params_from_iter(columns.values()))?;
        Ok(self.raw().last_insert_rowid())
    }

    /// Joins a message to a chat. Messages does that a moment after the insertion.
    pub fn join(&mut self, chat: i64, message: i64) -> Result<(), Error> {
        let sql = if self.style >= Style::Macos27 {
            "insert into chat_message_join (chat_id, message_id, message_date, filter_action,
                                            filter_sub_action)
             select ?1, ROWID, date, coalesce(filter_action, 0), coalesce(filter_sub_action, 0)
             from message where ROWID = ?2"
        } else {
            "insert into chat_message_join (chat_id, message_id, message_date)
             select ?1, ROWID, date from message where ROWID = ?2"
        };
        match self.raw().prepare_cached(sql)?.execute([chat, message])? {
            0 => Err(Error::NoRow {
                table: "message",
                rowid: message,
            }),
            _ => Ok(()),
        }
    }

    /// Inserts a message and joins it to a chat. Returns its ROWID.
    pub fn deliver(&mut self, chat: i64, message: &NewMessage) -> Result<i64, Error> {
        let rowid = self.insert_message(message)?;
        self.join(chat, rowid)?;
        Ok(rowid)
    }

    pub fn guid_of(&self, message: i64) -> Result<String, Error> {
        self.message_column(message, "guid")
    }

    /// Overwrites one column of a message. A column that the style lacks is an error.
    pub fn set_column(
        &mut self,
        message: i64,
        column: &str,
        value: impl ToSql,
    ) -> Result<(), Error> {
        self.set_value("message", message, column, value)
    }

    pub(super) fn message_column<T: rusqlite::types::FromSql>(
        &self,
        message: i64,
        column: &str,
    ) -> Result<T, Error> {
        let sql = format!("select {column} from message where ROWID = ?1");
        match self.raw().query_row(&sql, [message], |row| row.get(0)) {
            Err(rusqlite::Error::QueryReturnedNoRows) => Err(Error::NoRow {
                table: "message",
                rowid: message,
            }),
            other => Ok(other?),
        }
    }

    /// A date in the unit in which this database has dates of messages.
    pub(crate) fn stored_date(&self, date: Date) -> i64 {
        match self.dates {
            DateUnit::Nanoseconds => date.apple_nanos(),
            DateUnit::Seconds => date.apple_secs(),
        }
    }

    /// The columns of a body and their values.
    pub(crate) fn body_columns(&self, body: &Body) -> [(&'static str, Value); 2] {
        let archive = |text: &String| Value::Blob(attributed_body(&[Piece::text(text.clone())]));
        let (text, archive) = match body {
            Body::Empty => (Value::Null, Value::Null),
            Body::Usual(text) if self.style >= Style::Ventura => (Value::Null, archive(text)),
            Body::Usual(text) => (text.clone().into(), archive(text)),
            Body::Text(text) => (text.clone().into(), Value::Null),
            Body::Archive { archive, text } => (text.clone().into(), archive.clone().into()),
        };
        [("text", text), ("attributedBody", archive)]
    }
}
