//! Steps that change existing rows, which a reader that only looks for new ROWIDs does not notice.

use rusqlite::types::Value;

use super::steps::played_without_message;
use super::{PlayedStep, Player};
use crate::script::{Columns, Label, Lookup, TranscriptIn, TranscriptStep, Unsend};
use crate::{Date, Edit, Error, schema};

impl Player {
    pub(super) fn edit(&mut self, mut edit: Edit, now: Date) -> Result<PlayedStep, Error> {
        // The script names the notice by its label, and the edit history has its guid.
        if let Some(notice) = &mut edit.notice {
            *notice = Label(self.guid(notice)?);
        }
        self.change_message("edit", edit.of.clone(), |player, message| {
            player.db.rewrite(message, &edit, now)
        })
    }

    pub(super) fn unsend(&mut self, step: Unsend, now: Date) -> Result<PlayedStep, Error> {
        self.change_message("unsend", step.of, |player, message| {
            let db = &mut player.db;
            db.take_back(message, &step.parts, step.part_count, now)
        })
    }

    pub(super) fn transcribe(&mut self, step: TranscriptStep) -> Result<PlayedStep, Error> {
        self.change_message("transcript", step.of, |player, message| {
            let db = &mut player.db;
            if step.place != TranscriptIn::Attachment {
                db.transcribe_body(message, &step.text)?;
            }
            if step.place != TranscriptIn::Body {
                for attachment in db.attachments_of(message)? {
                    db.transcribe_attachment(attachment, &step.text)?;
                }
            }
            Ok(())
        })
    }

    pub(super) fn set(&mut self, of: Label, columns: Columns) -> Result<PlayedStep, Error> {
        self.change_message("set", of, |player, message| {
            let sets_filter = columns.keys().any(|column| column.starts_with("filter_"));
            for (column, value) in player.supported_values("message", columns)? {
                player.db.set_column(message, &column, value)?;
            }
            if sets_filter {
                player.db.copy_filter_to_joins(message)?;
            }
            Ok(())
        })
    }

    pub(super) fn set_chat(&mut self, chat: &str, columns: Columns) -> Result<PlayedStep, Error> {
        let rowid = self.known_chat(chat)?.rowid;
        for (column, value) in self.supported_values("chat", columns)? {
            self.db.set_chat_column(rowid, &column, value)?;
        }
        Ok(played_without_message("set_chat"))
    }

    pub(super) fn assign_identifier(&mut self, step: Lookup) -> Result<PlayedStep, Error> {
        let chat = self.known_chat(&step.chat)?;
        let (rowid, service) = (chat.rowid, chat.service.clone());
        let domain = step.domain.unwrap_or(service);
        self.db
            .assign_identifier(rowid, &step.identifier, &domain)?;
        Ok(played_without_message("lookup"))
    }

    /// The columns that the database's style has, with the values to store. A column that no macOS has is an
    /// error.
    pub(super) fn supported_values(
        &self,
        table: &'static str,
        columns: Columns,
    ) -> Result<Vec<(String, Value)>, Error> {
        let supported = schema::columns(self.db.style(), table);
        let mut values = Vec::new();
        for (column, cell) in columns {
            if !schema::is_known(table, &column) {
                return Err(Error::UnknownColumn { table, column });
            }
            if supported.contains(&column.as_str()) {
                values.push((column, self.value(cell)?));
            }
        }
        Ok(values)
    }
}
