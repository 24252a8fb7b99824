//! Carries out the steps of a script. Chats, messages, events and edits have modules of their own; the other steps
//! are carried out here.

use rusqlite::OptionalExtension;

use super::{PlayedStep, Player};
use crate::script::{Backfill, Label, ReceiptKind, Step};
use crate::{Date, Error, NewMessage, schema};

/// The `error` of a failed message. Any value but 0 marks a failure.
const FAILURE: i64 = 22;

impl Player {
    /// Carries out one step. `due_ms` is its time in milliseconds since the start, and `now` the date that it gives
    /// to its rows.
    pub(super) fn carry_out(
        &mut self,
        due_ms: u64,
        step: Step,
        now: Date,
    ) -> Result<PlayedStep, Error> {
        match step {
            Step::Chat(chat) => self
                .make_chat(chat)
                .map(|()| played_without_message("chat")),
            Step::Message(message) => self.write_message(due_ms, *message, now),
            Step::Tapback(tapback) => self.write_tapback(tapback, now),
            Step::Group(group) => self.write_group_change(group, now),
            Step::Event { chat, from, kind } => self.write_event(&chat, &from, kind, now),
            Step::Backfill(backfill) => self.backfill(&backfill, now),
            Step::Join { of, chat } => {
                let rowid = self.known_chat(&chat)?.rowid;
                self.change_message("join", of, |player, message| player.db.join(rowid, message))
            }
            Step::Edit(step) => self.edit(step, now),
            Step::Unsend(step) => self.unsend(step, now),
            Step::Transcript(step) => self.transcribe(step),
            Step::Set { of, columns } => self.set(of, columns),
            Step::SetChat { chat, columns } => self.set_chat(&chat, columns),
            Step::Lookup(step) => self.assign_identifier(step),
            Step::Receipt { of, kind } => {
                self.change_message("receipt", of, |player, message| match kind {
                    ReceiptKind::Delivered => player.db.mark_delivered(message, now),
                    ReceiptKind::Read => player.db.mark_read(message, now),
                    ReceiptKind::Failed => player.db.mark_failed(message, FAILURE),
                    ReceiptKind::Downgraded => player.db.fall_back_to_sms(message),
                })
            }
            Step::Attachment { of, attachment } => {
                self.change_message("attachment", of, |player, message| {
                    player.attach(message, &attachment, now)
                })
            }
            Step::AttachmentFinished { guid, bytes } => {
                self.finish_attachment(&guid, bytes)?;
                Ok(played_without_message("attachment_finished"))
            }
            Step::Twin { of } => self.insert_copy(&of),
            Step::RecentlyDeleted { of } => {
                self.change_message("recently_deleted", of, |player, message| {
                    player.db.move_to_recently_deleted(message, now)
                })
            }
            Step::Delete { of } => {
                let message = self.rowid(&of)?;
                let played = self.played("delete", Some(of), message)?;
                self.db.delete_message(message)?;
                Ok(played)
            }
            Step::Checkpoint {} => {
                self.db.checkpoint()?;
                Ok(played_without_message("checkpoint"))
            }
            Step::RotateWal {} => {
                self.db.rotate_wal()?;
                Ok(played_without_message("rotate_wal"))
            }
            Step::Rebuild { keep, guids } => {
                self.db.rebuild(keep, guids)?;
                // After a rebuild, the known ROWIDs belong to other messages.
                self.messages.clear();
                Ok(played_without_message("rebuild"))
            }
            Step::Dates { unit } => {
                self.db.set_date_unit(unit);
                Ok(played_without_message("dates"))
            }
            Step::Pause {} => Ok(played_without_message("pause")),
        }
    }

    /// Applies a change to the message `of`. Returns the record of the step `name`.
    pub(super) fn change_message(
        &mut self,
        name: &'static str,
        of: Label,
        change: impl FnOnce(&mut Self, i64) -> Result<(), Error>,
    ) -> Result<PlayedStep, Error> {
        let message = self.rowid(&of)?;
        change(self, message)?;
        self.played(name, Some(of), message)
    }

    /// Finishes the download of the attachment to which the script gives the guid `guid`.
    pub(super) fn finish_attachment(&mut self, guid: &str, bytes: i64) -> Result<(), Error> {
        // An attachment of this play is preferred to one that was in the database before.
        let sql = "select ROWID from attachment where guid in (?1, ?2)
                   order by guid = ?2 desc limit 1";
        let salted_guid = self.guid_salt.attachment_guid(guid);
        let rowid = self
            .db
            .raw()
            .query_row(sql, [guid, &salted_guid], |row| row.get(0));
        let Some(rowid) = rowid.optional()? else {
            return Err(Error::UnknownAttachment(guid.to_owned()));
        };
        self.db.finish_attachment(rowid, bytes)
    }

    /// Inserts old messages in one commit, as Messages does with messages from iCloud.
    fn backfill(&mut self, backfill: &Backfill, now: Date) -> Result<PlayedStep, Error> {
        let chat = self.known_chat(&backfill.chat)?;
        let (chat, service) = (chat.rowid, chat.service.clone());
        let handle = self.ensure_handle_id(Some(&backfill.from), &service)?;
        let text = backfill.text.as_deref().unwrap_or("old message");
        let newest = now.offset(-backfill.newest_hours * 3600.0);
        let span_secs = (backfill.oldest_hours - backfill.newest_hours).max(0.0) * 3600.0;
        let last_index = backfill.count.saturating_sub(1);
        let from_me = backfill.from == "me";
        self.db.atomically(|db| {
            for n in 0..backfill.count {
                let secs_before_newest =
                    span_secs * f64::from(last_index - n) / f64::from(last_index.max(1));
                let date = newest.offset(-secs_before_newest);
                let row = if from_me {
                    NewMessage::outgoing(date)
                } else {
                    NewMessage::incoming(handle, date)
                };
                let row = row.on(service.clone()).text(format!("{text} {n}"));
                db.deliver(chat, &row)?;
            }
            Ok(())
        })?;
        Ok(played_without_message("backfill"))
    }

    /// Copies a row and its joins under the next ROWID and another guid.
    fn insert_copy(&mut self, of: &Label) -> Result<PlayedStep, Error> {
        let original = self.rowid(of)?;
        let columns = schema::columns(self.db.style(), "message");
        // All columns but the first two, which are ROWID and guid.
        let columns = columns[2..].join(", ");
        let sql = format!(
            "insert into message (guid, {columns}) select ?2, {columns} from message
             where ROWID = ?1"
        );
        let guid = self.db.next_guid();
        self.db
            .raw()
            .execute(&sql, rusqlite::params![original, guid])?;
        let copy = self.db.raw().last_insert_rowid();
        self.db.raw().execute(
            "insert into chat_message_join (chat_id, message_id, message_date)
             select chat_id, ?2, message_date from chat_message_join where message_id = ?1",
            [original, copy],
        )?;
        self.played("twin", None, copy)
    }
}

/// The record of a step that is not about one message.
pub(super) fn played_without_message(name: &'static str) -> PlayedStep {
    PlayedStep {
        name,
        ..PlayedStep::default()
    }
}
