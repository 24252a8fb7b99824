//! Updates of existing message rows, which a reader that only looks for new ROWIDs does not notice.

use rusqlite::params;

use super::{Body, ChatDb};
use crate::typedstream::ATTACHMENT;
use crate::{Attribute, Date, Error, Style, attributed_body};

impl ChatDb {
    pub fn set_body(&mut self, message: i64, body: &Body) -> Result<(), Error> {
        let [(_, text), (_, archive)] = self.body_columns(body);
        self.raw().execute(
            "update message set text = ?1, attributedBody = ?2 where ROWID = ?3",
            params![text, archive, message],
        )?;
        Ok(())
    }

    pub fn set_text(&mut self, message: i64, text: &str) -> Result<(), Error> {
        self.set_body(message, &Body::Usual(text.to_owned()))
    }

    pub fn set_handle(&mut self, message: i64, handle: i64) -> Result<(), Error> {
        self.set_column(message, "handle_id", handle)
    }

    /// Marks a received row as sent by the owner. Messages first writes own messages as received.
    pub fn flip_from_me(&mut self, message: i64) -> Result<(), Error> {
        self.update(message, "is_from_me = 1, is_sent = 1")
    }

    pub fn mark_delivered(&mut self, message: i64, now: Date) -> Result<(), Error> {
        let date = self.stored_date(now);
        self.update(
            message,
            &format!("is_delivered = 1, date_delivered = {date}"),
        )
    }

    /// Marks a message as read: an own message by the peer, another one by the owner.
    pub fn mark_read(&mut self, message: i64, now: Date) -> Result<(), Error> {
        let date = self.stored_date(now);
        self.update(message, &format!("is_read = 1, date_read = {date}"))
    }

    pub fn mark_failed(&mut self, message: i64, error: i64) -> Result<(), Error> {
        self.set_column(message, "error", error)
    }

    /// Marks a message as sent by SMS because iMessage failed.
    pub fn fall_back_to_sms(&mut self, message: i64) -> Result<(), Error> {
        self.update(message, "was_downgraded = 1, service = 'SMS'")
    }

    fn update(&mut self, message: i64, assignments: &str) -> Result<(), Error> {
        let sql = format!("update message set {assignments} where ROWID = ?1");
        self.raw().execute(&sql, [message])?;
        Ok(())
    }

    /// Moves a message to "Recently Deleted": the row stays, its joins move to another table.
    pub fn move_to_recently_deleted(&mut self, message: i64, now: Date) -> Result<(), Error> {
        self.requires(Style::Ventura, "\"Recently Deleted\"")?;
        let date = self.stored_date(now);
        self.raw().execute(
            "insert into chat_recoverable_message_join (chat_id, message_id, delete_date)
             select chat_id, message_id, ?1 from chat_message_join where message_id = ?2",
            [date, message],
        )?;
        self.raw().execute(
            "delete from chat_message_join where message_id = ?1",
            [message],
        )?;
        Ok(())
    }

    /// Deletes a message. The triggers write its guid to `deleted_messages`.
    pub fn delete_message(&mut self, message: i64) -> Result<(), Error> {
        self.raw()
            .execute("delete from message where ROWID = ?1", [message])?;
        Ok(())
    }

    /// Sets `filter_action` of a message and its joins: 0 none, 1 allow, 2 junk, 3 promotion,
    /// 4 transaction.
    pub fn set_filter_action(&mut self, message: i64, action: i64) -> Result<(), Error> {
        self.requires(Style::Macos27, "filter actions")?;
        self.set_column(message, "filter_action", action)?;
        self.copy_filter_to_joins(message)
    }

    /// Sets a transcript in the body, as an attribute of each attachment's placeholder.
    pub fn transcribe_body(&mut self, message: i64, transcript: &str) -> Result<(), Error> {
        let mut pieces = self.pieces(message)?;
        for piece in &mut pieces {
            if piece.text == ATTACHMENT {
                let attributes = &mut piece.attributes;
                attributes.retain(|attribute| !matches!(attribute, Attribute::Transcription(_)));
                attributes.push(Attribute::Transcription(transcript.to_owned()));
            }
        }
        self.set_column(message, "attributedBody", attributed_body(&pieces))
    }

    /// Copies the message's filter columns to its joins with chats, if the style has these columns.
    pub(crate) fn copy_filter_to_joins(&mut self, message: i64) -> Result<(), Error> {
        if self.style() >= Style::Macos27 {
            self.raw().execute(
                "update chat_message_join set (filter_action, filter_sub_action) = (
                   select coalesce(filter_action, 0), coalesce(filter_sub_action, 0)
                   from message where ROWID = ?1)
                 where message_id = ?1",
                [message],
            )?;
        }
        Ok(())
    }
}
