//! What happens to message rows after they were inserted: the updates that a cursor over ROWIDs
//! never sees.

use rusqlite::params;

use super::{Body, ChatDb};
use crate::summary::{Edition, Summary};
use crate::typedstream::{Piece, attributed_body};
use crate::{Date, Error, Style};

impl ChatDb {
    /// Fills in a body that was missing at first.
    pub fn set_body(&mut self, message: i64, body: &Body) -> Result<(), Error> {
        let [(_, text), (_, archive)] = self.body_columns(body);
        self.raw().execute(
            "update message set text = ?1, attributedBody = ?2 where ROWID = ?3",
            params![text, archive, message],
        )?;
        Ok(())
    }

    /// Fills in a text that was missing at first.
    pub fn set_text(&mut self, message: i64, text: &str) -> Result<(), Error> {
        self.set_body(message, &Body::Usual(text.to_owned()))
    }

    /// Fills in a sender that was unresolved at first.
    pub fn set_handle(&mut self, message: i64, handle: i64) -> Result<(), Error> {
        self.set_column(message, "handle_id", handle)
    }

    /// Turns a row into one of the owner's: own sends appear as incoming for a moment.
    pub fn flip_from_me(&mut self, message: i64) -> Result<(), Error> {
        self.raw().execute(
            "update message set is_from_me = 1, is_sent = 1 where ROWID = ?1",
            [message],
        )?;
        Ok(())
    }

    /// The other side got it.
    pub fn mark_delivered(&mut self, message: i64, now: Date) -> Result<(), Error> {
        let date = self.stored_date(now);
        self.raw().execute(
            "update message set is_delivered = 1, date_delivered = ?1 where ROWID = ?2",
            [date, message],
        )?;
        Ok(())
    }

    /// It was read: by the peer if own, on one of the owner's devices if not.
    pub fn mark_read(&mut self, message: i64, now: Date) -> Result<(), Error> {
        let date = self.stored_date(now);
        self.raw().execute(
            "update message set is_read = 1, date_read = ?1 where ROWID = ?2",
            [date, message],
        )?;
        Ok(())
    }

    /// Sending failed.
    pub fn mark_failed(&mut self, message: i64, error: i64) -> Result<(), Error> {
        self.set_column(message, "error", error)
    }

    /// It went out as SMS after all.
    pub fn fall_back_to_sms(&mut self, message: i64) -> Result<(), Error> {
        self.raw().execute(
            "update message set was_downgraded = 1, service = 'SMS' where ROWID = ?1",
            [message],
        )?;
        Ok(())
    }

    /// The sender rewrote part 0.
    pub fn edit(&mut self, message: i64, text: &str, now: Date) -> Result<(), Error> {
        self.edit_part(message, 0, text, now)
    }

    /// The sender rewrote a part. Other parts stay as they are.
    pub fn edit_part(
        &mut self,
        message: i64,
        part: i64,
        text: &str,
        now: Date,
    ) -> Result<(), Error> {
        self.requires(Style::Ventura, "edits")?;
        let before = self.pieces(message)?;
        let mut summary = self.summary(message)?;
        let (mut of_part, mut location) = (Vec::new(), 0);
        let mut after = Vec::new();
        for piece in before {
            if piece.part == Some(part) {
                if of_part.is_empty() {
                    after.push(Piece::text(text).in_part(part));
                }
                of_part.push(piece);
            } else {
                if of_part.is_empty() {
                    location += piece.text.encode_utf16().count();
                }
                after.push(piece);
            }
        }
        if of_part.is_empty() {
            after.push(Piece::text(text).in_part(part));
        }
        let length: usize = of_part.iter().map(|p| p.text.encode_utf16().count()).sum();
        let history = summary.history.entry(part).or_default();
        if history.is_empty() {
            let date = self.message_column::<Option<i64>>(message, "date")?;
            history.push(Edition {
                archive: attributed_body(&of_part),
                secs: Date::from_apple_nanos(date.unwrap_or_default()).apple_secs_f64(),
            });
            summary.original_ranges.insert(part, (location, length));
        }
        history.push(Edition {
            archive: attributed_body(&[Piece::text(text).in_part(part)]),
            secs: now.apple_secs_f64(),
        });
        summary.edited_parts.insert(part);
        let date = self.stored_date(now);
        self.raw().execute(
            "update message set text = null, attributedBody = ?1, message_summary_info = ?2,
                                date_edited = ?3
             where ROWID = ?4",
            params![attributed_body(&after), summary.to_plist()?, date, message],
        )?;
        Ok(())
    }

    /// The sender took parts back; no parts named means all of them.
    pub fn unsend(&mut self, message: i64, parts: &[i64], now: Date) -> Result<(), Error> {
        self.requires(Style::Ventura, "unsends")?;
        let before = self.pieces(message)?;
        let mut summary = self.summary(message)?;
        let (gone, left): (Vec<Piece>, Vec<Piece>) = before
            .into_iter()
            .partition(|piece| parts.is_empty() || piece.part.is_some_and(|p| parts.contains(&p)));
        summary
            .unsent_parts
            .extend(gone.iter().filter_map(|piece| piece.part));
        summary.unsent_parts.extend(parts);
        // A body that was never archived counts as part 0.
        if summary.unsent_parts.is_empty() {
            summary.unsent_parts.insert(0);
        }
        // macOS 26 stamps date_edited instead.
        let column = if self.style() >= Style::Tahoe {
            "date_edited"
        } else {
            "date_retracted"
        };
        let mut remaining: Vec<i64> = left.iter().filter_map(|piece| piece.part).collect();
        remaining.dedup();
        let archive = (!left.is_empty()).then(|| attributed_body(&left));
        let sql = format!(
            "update message set text = null, attributedBody = ?1, message_summary_info = ?2,
                                part_count = ?3, is_empty = ?4, {column} = ?5
             where ROWID = ?6"
        );
        let part_count = i64::try_from(remaining.len()).unwrap_or(i64::MAX);
        self.raw().execute(
            &sql,
            params![
                archive,
                summary.to_plist()?,
                part_count,
                left.is_empty(),
                self.stored_date(now),
                message
            ],
        )?;
        Ok(())
    }

    /// Puts a message into "Recently Deleted": the row stays, its joins move.
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

    /// Deletes a message; the triggers leave a tombstone.
    pub fn delete_message(&mut self, message: i64) -> Result<(), Error> {
        self.raw()
            .execute("delete from message where ROWID = ?1", [message])?;
        Ok(())
    }

    /// The text as somebody reads it in Messages, whichever column holds it.
    pub fn text_of(&self, message: i64) -> Result<String, Error> {
        let pieces = self.pieces(message)?;
        Ok(pieces.into_iter().map(|piece| piece.text).collect())
    }

    /// The body as pieces; a row with only a `text` is one piece in part 0.
    fn pieces(&self, message: i64) -> Result<Vec<Piece>, Error> {
        let archive: Option<Vec<u8>> = self.message_column(message, "attributedBody")?;
        let Some(archive) = archive else {
            let text: Option<String> = self.message_column(message, "text")?;
            return Ok(text.map(Piece::text).into_iter().collect());
        };
        Ok(Piece::read(&archive)?)
    }

    fn summary(&self, message: i64) -> Result<Summary, Error> {
        let plist: Option<Vec<u8>> = self.message_column(message, "message_summary_info")?;
        match plist {
            Some(plist) => Ok(Summary::from_plist(&plist)?),
            None => Ok(Summary::default()),
        }
    }
}
