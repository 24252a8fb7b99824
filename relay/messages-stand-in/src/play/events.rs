//! Rows that are no messages: tapbacks, group changes, locations and calls.

use super::{PlayedStep, Player};
use crate::script::{EventKind, GroupChange, GroupStep, Label, TapbackStep};
use crate::{Date, Error, NewMessage};

impl Player {
    pub(super) fn tapback(&mut self, step: TapbackStep, now: Date) -> Result<PlayedStep, Error> {
        let service = self.known_chat(&step.chat)?.service.clone();
        let guid = self.guid(&step.on)?;
        let quoted = self.quoted(&step.on)?;
        let row = self.new_row(&step.from, &service, now)?;
        let emoji = step.emoji.as_deref().unwrap_or("🎉");
        let target = (step.part, &*guid);
        let row = row.tapback_with(emoji, step.kind, step.change, target, &quoted);
        self.deliver_to_chat("tapback", step.id, &step.chat, row)
    }

    pub(super) fn group(&mut self, step: GroupStep, now: Date) -> Result<PlayedStep, Error> {
        let chat = self.known_chat(&step.chat)?;
        let (rowid, service) = (chat.rowid, chat.service.clone());
        let from = self.handle_of(Some(&step.from), &service)?;
        let mut row = self.new_row(&step.from, &service, now)?;
        let (item_type, action) = match step.change {
            GroupChange::Added | GroupChange::NumberChanged => (1, 0),
            GroupChange::Removed => (1, 1),
            GroupChange::Renamed => (2, 0),
            GroupChange::Left => (3, 0),
            GroupChange::PhotoSet => (3, 1),
            GroupChange::PhotoRemoved => (3, 2),
            GroupChange::BackgroundSet => (3, 4),
        };
        row = row
            .set("item_type", item_type)
            .set("group_action_type", action);
        let member = self.handle_of(step.who.as_deref(), &service)?;
        match step.change {
            GroupChange::Added => {
                if let Some(address) = &step.who {
                    self.db.add_participant(rowid, address, &service)?;
                }
                row = row.set("other_handle", member);
            }
            GroupChange::Removed => row = row.set("other_handle", member),
            // A row with the same handle as sender and as `other_handle` says that this person's number changed.
            GroupChange::NumberChanged => row = row.set("other_handle", from),
            GroupChange::Renamed => {
                let title = step.title.as_deref().unwrap_or_default();
                self.db.raw().execute(
                    "update chat set display_name = ?1 where ROWID = ?2",
                    rusqlite::params![title, rowid],
                )?;
                // A title of NULL means that the name was removed.
                row = row.set("group_title", step.title);
            }
            _ => {}
        }
        let played = self.deliver_to_chat("group", step.id, &step.chat, row)?;
        // The row is inserted first, because a trigger deletes a handle to which no row refers.
        match step.change {
            GroupChange::Removed => self.db.remove_participant(rowid, member)?,
            GroupChange::Left => self.db.remove_participant(rowid, from)?,
            _ => {}
        }
        Ok(played)
    }

    pub(super) fn event(
        &mut self,
        chat: &str,
        from: &str,
        kind: EventKind,
        now: Date,
    ) -> Result<PlayedStep, Error> {
        let service = self.known_chat(chat)?.service.clone();
        let row = self.new_row(from, &service, now)?;
        let row = match kind {
            EventKind::LocationShared => row.set("item_type", 4).set("share_direction", 1),
            EventKind::LocationStopped => row
                .set("item_type", 4)
                .set("share_status", 1)
                .set("share_direction", 1),
            EventKind::AudioKept => row.set("item_type", 5),
            EventKind::Call => row.set("item_type", 6),
        };
        self.deliver_to_chat("event", None, chat, row)
    }

    /// A row without content.
    fn new_row(&mut self, from: &str, service: &str, now: Date) -> Result<NewMessage, Error> {
        let row = if from == "me" {
            NewMessage::outgoing(now)
        } else {
            let handle = self.handle_of(Some(from), service)?;
            NewMessage::incoming(handle, now)
        };
        Ok(row.on(service))
    }

    fn deliver_to_chat(
        &mut self,
        name: &'static str,
        id: Option<Label>,
        chat: &str,
        row: NewMessage,
    ) -> Result<PlayedStep, Error> {
        let label = self.label(id);
        let chat = self.known_chat(chat)?.rowid;
        let rowid = self
            .db
            .deliver(chat, &row.guid(self.salt.guid_for(&label)))?;
        self.messages.insert(label.clone(), rowid);
        self.played(name, Some(label), rowid)
    }

    /// The text of the message that a tapback quotes; empty if the database does not have the message.
    fn quoted(&self, on: &Label) -> Result<String, Error> {
        match self.rowid(on) {
            Ok(message) => self.db.text_of(message),
            Err(Error::UnknownMessage(_)) => Ok(String::new()),
            Err(error) => Err(error),
        }
    }
}
